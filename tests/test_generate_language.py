from __future__ import annotations

import time

import pytest

from cp_paraling_qa.generate.asr_items import WORDINGS
from cp_paraling_qa.generate.filters import Candidate, judge
from cp_paraling_qa.generate.language import code, foreign_script, wrong_language
from cp_paraling_qa.generate.templates import EMOTION_WORDINGS, GENDER_WORDINGS, SPEAKERS_WORDINGS
from tests.generate_sentences import GOOD

FOREIGN = {
    "de": ("Warum klingt die Sprecherin so traurig, wenn sie vom Garten erzählt?", "Sie klingt traurig, weil niemand angerufen hat.", "Wie viele Personen sind zu hören?"),
    "fr": ("Comment la personne se sent-elle à propos du jardin ?", "Elle semble triste parce que personne n'a appelé.", "Est-ce un homme ou une femme qui parle ?"),
    "es": ("¿Por qué suena así la persona que habla del huerto?", "Suena triste porque nadie la llamó por teléfono.", "¿Cuántas personas se oyen en la grabación?"),
    "it": ("Come si sente la persona che parla del giardino?", "Sembra triste perché nessuno ha chiamato.", "Quante persone si sentono parlare nella registrazione?"),
    "nl": ("Waarom klinkt de spreker zo verdrietig over de tuin?", "Ze klinkt verdrietig omdat niemand heeft gebeld.", "Hoeveel mensen zijn er te horen?"),
    "pl": ("Dlaczego osoba mówiąca o ogrodzie brzmi tak smutno?", "Brzmi smutno, ponieważ nikt nie zadzwonił.", "Ile osób słychać na nagraniu?"),
    "pt": ("Como a pessoa se sente em relação ao jardim?", "Ela parece triste porque ninguém ligou.", "Quantas pessoas estão falando na gravação?"),
    "id": ("Mengapa pembicara terdengar begitu sedih tentang kebun itu?", "Dia terdengar sedih karena tidak ada yang menelepon.", "Berapa banyak orang yang berbicara?"),
    "zh": ("说话的人为什么听起来这么难过？", "她听起来很难过，因为没有人打电话。", "录音里有几个人在说话？"),
    "ru": ("Почему голос звучит так грустно?", "Она грустит, потому что никто не позвонил.", "Сколько человек говорит?"),
    "ta": ("பேசுபவர் ஏன் சோகமாக இருக்கிறார்?", "யாரும் அழைக்கவில்லை என்பதால் அவர் சோகமாக இருக்கிறார்.", "எத்தனை பேர் பேசுகிறார்கள்?"),
}  # fmt: skip
NAMES = (
    "How does Priya Ramaswamy feel about Kuala Lumpur?",
    "What does Jean-Luc think of the Champs-Élysées?",
    "Why is Müller late for the Bundestag?",
    "Uncle Leo brought kueh lapis lah.",
    "Angry.",
    "Female.",
    "A man.",
    "Schadenfreude.",
    "They sound happy.",
    "To Lisbon.",
)


def test_english_is_never_called_wrong():
    texts = [*EMOTION_WORDINGS, *GENDER_WORDINGS, *SPEAKERS_WORDINGS, *WORDINGS, *NAMES, *(text for row in GOOD for text in row[2:])]
    assert len(texts) > 150 and [text for text in texts if wrong_language(text, "en")] == []


@pytest.mark.parametrize("language", FOREIGN)
def test_other_languages_are_wrong_for_english_and_right_for_themselves(language):
    assert [text for text in FOREIGN[language] if not wrong_language(text, "en")] == []
    assert [text for text in FOREIGN[language] if wrong_language(text, language)] == []
    assert [text for text in FOREIGN[language] if wrong_language(text, f"{language}-XX")] == []


def test_english_is_wrong_where_something_else_was_asked_for():
    text = "She sounds sad because nobody called about the garden."
    assert [language for language in FOREIGN if not wrong_language(text, language)] == []


def test_relatives_and_unknown_languages_are_let_through():
    assert not wrong_language("Mengapa suaranya begitu pelan dan sedih?", "ms")  # Indonesian and Malay: no classifier tells short texts apart
    assert not wrong_language("She sounds sad because nobody called about the garden.", "tlh")


@pytest.mark.parametrize(
    ("text", "language", "talk", "foreign"),
    [
        ("The speaker sounds 愤怒.", "en", "", True),
        ("What does 你好 mean to her?", "en", "你好 everybody", False),  # the talk has it
        ("Café Müller, Ångström, Łódź", "en", "", False),
        ("She sounds sаd.", "en", "", True),  # a Cyrillic а
        ("彼女は TOKYO で悲しそうです。", "ja", "", False),
        ("彼女は悲しそうです。", "zh", "", True),
        ("Glas je tužan. Глас је тужан.", "sr", "", False),
        ("1 µm, 2 ºC, ½ 😀 — “so”", "en", "", False),
    ],
)
def test_scripts(text, language, talk, foreign):
    assert foreign_script(text, language, talk) is foreign


def test_quoted_words_of_another_language_are_fine():
    assert not wrong_language("What does she mean by “je ne sais quoi, mon cher ami” here?", "en")
    assert not wrong_language('Why does he say "干杯" so loudly?', "en")


def test_codes():
    assert [code(name) for name in ("en-SG", "ENG", "zh_Hans", "deu", "xx")] == ["en", "en", "zh", "de", "xx"]


def test_filters_that_know_english_words_leave_other_languages_alone():
    row = Candidate(FOREIGN["de"][0], FOREIGN["de"][1], "CE", ["sad"], "female", "Der Garten ist weg.", language="de")
    assert judge(row) is None
    assert judge(Candidate("你觉得她怎么样？", "她很难过。", "CE", ["sad"], language="zh")) is None
    assert judge(Candidate("她怎么样", "她很难过。", "CE", ["sad"], language="zh")) == "not a question"
    assert judge(Candidate("她听起来怎么样？", "她听起来很难过。", "CE", ["sad"], language="zh", earlier=["她为什么这样说？"])) is None
    assert judge(Candidate("她听起来怎么样？", "她听起来很难过。", "CE", ["sad"], language="zh", earlier=["她听起来怎么样?"])) == "repeated question"
    assert judge(Candidate(FOREIGN["de"][0], "Sie klingt traurig, Wert 0,71.", "CE", language="de")) == "leaks figures"


def test_a_long_run_is_not_held_up():
    wrong_language("Warum klingt sie so?", "en")  # loads the classifier
    began = time.perf_counter()
    for number in range(500):
        wrong_language(f"Warum klingt die Sprecherin in Satz {number} so traurig?", "en")
    assert time.perf_counter() - began < 5  # about 0.1 ms each here
