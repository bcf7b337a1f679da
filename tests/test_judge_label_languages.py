"""Answers in other languages: the items of judge_label_languages.yaml, how a language is told, and what a language file is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cp_paraling_qa.judge.label_map import map_labels
from cp_paraling_qa.judge.labels.languages import LANGUAGES
from cp_paraling_qa.judge.labels.languages.gloss import gloss, language, language_of
from cp_paraling_qa.judge.labels.languages.language import Language
from cp_paraling_qa.judge.labels.lexicon_voice import VOICE_WORDS
from cp_paraling_qa.judge.labels.vocabulary import concept, same_meaning

ITEMS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "judge_label_languages.yaml").read_text(encoding="utf-8"))
SPACES: dict[str, list[str]] = ITEMS.pop("spaces")
RAVDESS = SPACES["ravdess"]


@pytest.mark.parametrize("batch", sorted(ITEMS))
def test_items_of_a_language(batch: str) -> None:
    rows = [(space, text, gold) for space, items in ITEMS[batch].items() for text, gold in items]
    assert batch.startswith(("second_", "fourth_")) or len(rows) >= 25
    wrong = [(text, gold, match) for space, text, gold in rows if (match := map_labels([text], SPACES[space])[0]).label != gold]
    assert not wrong


@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_every_gloss_of_a_label_word_is_a_word_that_the_english_lexicon_knows(code: str) -> None:
    # a gloss that no English list has would silently say nothing; "x" and "yes" are no label words of the lexicon; hints name no concept
    hints = {word[:-1] for chains in VOICE_WORDS.values() for words in chains.values() for word in words.split() if word.endswith("?")}
    unknown = [english for english in language(code).words if english not in {"x", "yes", "female speaker", *hints} and concept(english) is None]
    assert not unknown


@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_every_word_for_a_feeling_maps_and_its_negation_does_not(code: str) -> None:
    # every Latin word is also met inside its frame; a word glossed "sad" must come out as the label that "sad" has
    frames = {
        "de": ("Sie ist {}.", "Sie ist nicht {}."),
        "fr": ("Elle est {}.", "Elle n'est pas {}."),
        "es": ("Ella está {}.", "Ella no está {}."),
        "zh": ("她很{}。", "她不是{}。"),
        "ms": ("Dia sangat {}.", "Dia tidak {}."),
        "hi": ("वह {} है।", "वह {} नहीं है।"),
    }
    said, denied = frames[code]
    known = language(code).meanings  # "tidak puas hati" (dissatisfied) is a word of its own
    for word, english in known.items():
        meant = map_labels([english], RAVDESS)[0].label
        if english in ("sad", "angry", "happy", "fearful", "surprised", "disgust", "neutral", "calm"):
            assert map_labels([said.format(word)], RAVDESS)[0].label == meant, word
            if (
                "sans" not in word
                and "sin " not in word
                and word not in ("tanpa emosi", "tiada emosi")
                and not word.startswith(("不", "没", "无"))
                and f"tidak {word}" not in known
            ):
                assert map_labels([denied.format(word)], RAVDESS)[0].label is None, word


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("She sounds sad.", None),
        ("sad", None),
        ("hapy", None),
        ("", None),
        ("12", None),
        ("The speaker says „Ich bin sehr traurig“ in a calm voice.", None),
        ('The speaker says "我很难过" in a calm voice.', None),
        ('{"emotion": "traurig"}', "de"),
        ('{"emotion": "难过"}', "zh"),
        ("Die Emotion ist sad.", "de"),
        ("Er ist wuetend", "de"),
        ("Elle est triste.", "fr"),
        ("Ella está triste.", "es"),
        ("Dia sedih.", "ms"),
        ("vakta dukhi hai", "hi"),
        ("वक्ता दुखी है।", "hi"),
    ],
)
def test_which_language(text: str, code: str | None) -> None:
    assert language_of(text) == code


def test_english_in_a_foreign_frame_and_the_other_way_round() -> None:
    assert map_labels(["Die Emotion ist sad.", "Emosi: angry", "The emotion is 悲伤, not 愤怒."], ["angry", "sad"])[0].label == "sad"
    assert [match.label for match in map_labels(["Emosi: angry", "The emotion is 悲伤, not 愤怒."], ["angry", "sad"])] == ["angry", "sad"]
    assert [match.label for match in map_labels(["The speaker says „Ich bin traurig“ in a calm voice."], RAVDESS)] == ["calm"]


def test_labels_in_their_own_spelling() -> None:
    assert concept("wütend") == concept("生气") == concept("गुस्सा") == "angry"
    assert same_meaning("traurig", "sadness")
    assert [match.label for match in map_labels(["flüsternd", "Sie spricht flüsternd."], ["flüsternd", "schreiend"])] == ["flüsternd"] * 2
    assert map_labels(["Er klingt nölig."], ["nölig", "keck"])[0].label == "nölig"  # no word list has it


def test_a_negator_behind_what_it_negates_moves_to_the_front_of_its_clause() -> None:
    # by hand: clauses end at the comma; "नहीं" goes first in its own
    assert gloss("वह खुश नहीं है, वह दुखी है।", "hi") == "not he happy , he sad is ."
    assert gloss("Traurig klingt sie nicht.", "de") == "not sad sounds she ."


@pytest.mark.parametrize(
    ("code", "word", "english"),
    [
        ("de", "wutent", "angry"),  # one letter replaced
        ("de", "frohlcih", "happy"),  # two swapped
        ("de", "frustiert", "frustrated"),  # one missing
        ("fr", "supprise", "surprised"),
        ("es", "sorpreza", "surprised"),
        ("es", "tristeeee", "sad"),  # drawn out
        ("de", "megatraurig", "sad"),  # strengthened
        ("de", "freunde", "friend"),  # the frame has it
        ("de", "fremde", None),  # one letter from Freude, yet a word of its own
        ("fr", "contexte", None),
        ("es", "contento", "happy"),
        ("es", "contesto", None),
        ("de", "tragisch", None),
        ("zh", "angery", None),  # a script of its own, no blanks
    ],
)
def test_a_misspelled_word_is_found_and_an_everyday_word_is_not(code: str, word: str, english: str | None) -> None:
    spoken = language(code)
    assert spoken.glossary.get(word, spoken.guess(word)) == english


def test_a_misspelled_label_alone_gives_its_language_away() -> None:
    assert [language_of(text) for text in ("wütent", "trsite", "contemt", "angrry")] == ["de", "fr", None, None]  # fr and es misspell "triste" alike
    assert [match.label for match in map_labels(["wütent", "trsite", "traurik"], ["angry", "sad"])] == ["angry", "sad", "sad"]


def test_another_language_is_a_file_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType

    from cp_paraling_qa.judge.labels.languages import gloss as module

    dutch = ModuleType("cp_paraling_qa.judge.labels.languages.dutch")
    dutch.LANGUAGE = Language(  # type: ignore[attr-defined]
        "Dutch",
        {"sad": "verdrietig~ droevig~", "angry": "boos boze"},
        {"not": "niet geen", "but": "maar", "sounds": "klinkt", "she": "zij ze"},
        endings=("", "e"),
    )
    monkeypatch.setitem(sys.modules, "cp_paraling_qa.judge.labels.languages.dutch", dutch)
    monkeypatch.setitem(LANGUAGES, "nl", "dutch")
    caches = (module._by_word, module._scripts, module.language)
    for cache in caches:
        cache.cache_clear()
    try:
        assert [match.label for match in map_labels(["Ze klinkt niet boos maar verdrietig.", "Ze klinkt niet boos."], ["angry", "sad"])] == ["sad", None]
    finally:
        monkeypatch.undo()
        for cache in caches:
            cache.cache_clear()
