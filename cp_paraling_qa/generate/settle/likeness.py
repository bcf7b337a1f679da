"""What a question asks, in words: what two questions must have in common before their embeddings are compared at all, and when they need not be.

Sentence embeddings barely see the one word that turns a question into another ("before" and "after": cosine 0.96), and they see a difference between two ways to ask
the same ("How does the speaker feel about …", "What mood is the speaker in when talking about …": 0.72–0.78). So a question is read for what it wants (`ask`), what it
is about (`matter`), and the words that tell it from its neighbours (`telling`). Two questions can only repeat each other where `ask` and `telling` are equal; where
`matter` is equal too they do, whatever their embeddings. English; a question in another language has no `ask`, and is left to exact words and embeddings.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from cp_paraling_qa.generate.echoes import plain
from cp_paraling_qa.generate.feeling_lexicon import BY_FIRST, OUTRIGHT
from cp_paraling_qa.generate.feelings import feelings, polarities, words_of
from cp_paraling_qa.generate.filters import content_words
from cp_paraling_qa.labels import canonical

FEELING, WHY, RESPONSE, GENDER, COUNT, OTHER = "feeling", "why", "response", "gender", "count", ""

_GENDER = re.compile(r"\b(?:man or (?:a )?woman|woman or (?:a )?man|male or (?:a )?female|female or (?:a )?male|gender)\b")
_COUNT = re.compile(r"\bhow many\b")
_RESPONSE = re.compile(
    r"\b(?:respond\w*|repl(?:y|ies)|comfort\w*|advice|advise\w*|help\w*|support\w*|(?:friend|listener|someone|one) (?:\w+ ){0,2}(?:could|should|might|best)|"
    r"(?:could|should|might) (?:a|the) (?:friend|listener))\b"
)
_WHY = re.compile(
    r"\bwhy\b|\breasons?\b|\bexplain\w*\b|\b(?:lie|lies|lying) behind\b|\bbehind the (?:way|tone|voice)\b|\bcaus(?:e|es|ed|ing)\b|\baccounts? for\b|"
    r"\bmakes? the speaker (?:feel|sound)\b"
)
_FEELING = re.compile(r"\b(?:how|what|which)\b.*\b(?:feel|feels|feeling|feelings|felt|emotions?|emotional|mood|sounds?)\b|\bwhat (?:\w+ ){0,3}tone of voice\b")
_STEER = re.compile(
    r"\b(?:chang\w+|shift\w*|turn\w*|becom\w+|still|also|same|loud\w*|quiet\w*|soft\w*|fast\w*|slow\w*|strong\w*|intens\w+|so|such|sudden\w*|longer|despite|although|"
    r"even though|start\w*|begin\w*|end\w*|first|second|last|before|after|rather than|instead|more|less|not|never|speakers)\b"
)
_MATTER = re.compile(
    r"\b(?:about|regarding|concerning|towards?|when|while|where|as|on|in|at|of|with|for|that|over)\b(?= )(?! (?:the )?(?:speaker|voice|tone|mood)\b)"
)
_SPEAKER = re.compile(r"\b(?:speaker|voice|tone|person|man|woman|they|he|she|their|his|her|delivery|someone|somebody)\b")
_SOMEBODY_ELSE = re.compile(r"\b(?:listeners?|friends?|audience)\b")
_MANNER = re.compile(
    r"\b(?!(?:the|this|that|of|in|a|their|his|her|speaker|woman|man|person|what|which|whose|overall|general|emotional|vocal)\b)\w+ (?:voice|tone|delivery)\b"
)
"""A voice of some kind: "the rough voice"."""

_TELLING = frozenset(
    words_of(
        "not no never without neither nor don't doesn't didn't isn't wasn't aren't won't can't first second third last next previous beginning start starts opening end "
        "ends ending middle before after during finally more less most least other another both each own only he him his she her hers man woman male female boy "
        "girl men women mother father parents son daughter sister brother husband wife aunt uncle cousin grandmother grandfather boss friend neighbour neighbor teacher "
        "doctor loud loudly quiet quietly soft softly high higher low lower fast faster slow slower rise rises rising fall falls falling up down laugh laughs laughter "
        "pause pauses sigh sighs cry cries breath positive negative yesterday today tomorrow morning evening night week month year change changes changed one two three "
        "four five six seven eight nine ten hundred thousand loudest quietest gain gains lose loses win wins buy buys sell sells open opens close closes"
    )
)
_ASK_WORDS = frozenset(
    word[:5]
    for word in words_of(
        "emotion emotional emotionally tone attitude express expressed expresses convey conveyed conveys suggest suggests describe described describing explain explains "
        "reason behind likely best way respond response reply help toward towards regard regarding regards mention mentions mentioning speaking heard recording clip audio "
        "state lie lies listen listening judging judge going cause causes account makes seem seems appear appears topic overall react reacts reaction person kind sort "
        "think thinks thinking discuss discusses discussing refer refers gender whether while may might many people speakers display displays displayed underlying possible possibly"
    )
)
_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b")
_NUMBER = re.compile(r"\d+")
_NAME = re.compile(r"(?<![.?!:]\s)(?<!^)\b[A-Z][\w'’-]+")


class Sense(NamedTuple):
    """What a question asks.

    Args:
        exact: its words alone, lower case.
        ask: one of the names above; empty for everything else.
        telling: what must be equal for two questions to be the same.
        matter: what it is about, as stems; None where `ask` is empty.
    """

    exact: str
    ask: str
    telling: frozenset[str]
    matter: frozenset[str] | None


def plain_words(text: str) -> str:
    """The words of a text in any script, lower case, one blank between two, no punctuation.

    Example:
        >>> plain_words("Well — they’re HERE, aren't they?"), plain_words("Straße 7!")
        ("well they're here aren't they", 'strasse 7')
    """
    return " ".join(plain(text))


def ask_of(question: str) -> str:
    """What a question wants to know.

    Example:
        >>> [ask_of(q) for q in ("What mood is the speaker in?", "Why do they sound sad?", "How could a friend respond?", "Is it a man or a woman?", "Who is Leo?")]
        ['feeling', 'why', 'response', 'gender', '']
    """
    text = " ".join(words_of(question))
    for name, pattern in ((GENDER, _GENDER), (COUNT, _COUNT), (WHY, _WHY), (RESPONSE, _RESPONSE), (FEELING, _FEELING)):
        if pattern.search(text):
            return name
    return OTHER


def sense_of(question: str) -> Sense:
    """Reads a question; see `Sense`."""
    bare, ask = _POSSESSIVE.sub("", question), ask_of(question)
    words = set(words_of(bare))
    telling = (words & _TELLING) | set(_NUMBER.findall(question)) | {name.casefold() for name in _NAME.findall(bare)}
    if ask in (GENDER, COUNT):
        telling -= {"man", "woman", "male", "female"}
    if ask == RESPONSE:
        telling -= {"friend"}
    telling |= {f"feels {label}" for label in feelings_named(question)}
    return Sense(plain_words(question), ask, frozenset(telling), frozenset(content_words(bare) - _ASK_WORDS) if ask else None)


def feelings_named(text: str) -> set[str]:
    """The labels of all feelings whose names stand in a text, whosever they are, negated or not.

    Example:
        >>> sorted(feelings_named("How does the speaker feel about the sad news, and do they sound happy?"))
        ['happy', 'sad']
    """
    words = tuple(words_of(text))
    return {
        OUTRIGHT[phrase] for at, word in enumerate(words) for phrase in BY_FIRST.get(word, ()) if phrase in OUTRIGHT and words[at : at + len(phrase)] == phrase
    }


def said_by(answer: str, label: str | None) -> str:
    """What an answer comes to: its label, or the feelings and shades that it names; empty where it names none. Answers that differ in it never repeat each other.

    Example:
        >>> said_by("They sound furious.", None), said_by("They sound furious.", "anger"), said_by("They speak of the door.", None)
        ('angry', 'angry', '')
    """
    return canonical(label) if label else " ".join(sorted(feelings(answer) | polarities(answer)))


def open_to_all(question: str) -> bool:
    """Whether a question asks for the speaker's feeling, names none, and takes nothing for granted about the voice, so that it can be asked whatever the feeling is.

    Before it comes to its matter it has no words but those of asking: what "the trembling voice" shows, or how "the pause" sounds, cannot be asked of another recording.

    Example:
        >>> open_to_all("How does the speaker feel about the door?"), open_to_all("Why does the speaker sound so upset?"), open_to_all("How does their mood change?")
        (True, False, False)
        >>> open_to_all("How does the trembling voice show what the speaker feels?"), open_to_all("How do the dogs feel about the door?")
        (False, False)
    """
    text = " ".join(words_of(_POSSESSIVE.sub("", question)))
    if ask_of(question) != FEELING or feelings_named(question) or polarities(question) or _STEER.search(text) or _MANNER.search(text):
        return False
    head = _MATTER.split(text, maxsplit=1)[0]
    return bool(_SPEAKER.search(head)) and not _SOMEBODY_ELSE.search(head) and not content_words(head) - _ASK_WORDS
