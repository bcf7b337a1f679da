"""Filters against what is said twice or taken from elsewhere: the talk itself, the question in its answer, earlier questions, the prompt's examples.

Each takes a `Candidate` and returns None, or the reason for the drop. What questions of different clips repeat is the corpus-level rules' matter (`settle`).
"""

from __future__ import annotations

import re
import unicodedata

from cp_paraling_qa.generate.candidate import Candidate, content_words
from cp_paraling_qa.generate.feeling_clauses import unquoted
from cp_paraling_qa.generate.feelings import feelings, polarities, words_of

_LONG_QUOTE = 10
"""Words in a row that a question may not take from the talk, unless as quoted speech."""

_WHY = re.compile(
    r"^(?:[^?]*[,:]\s+)?(?:and |so |but )?(?:why\b|how come\b|for what reasons?\b)"
    r"|\bwhat (?:\w+ ){0,3}?(?:makes?|made|making|causes?|caused|causing|leads?|led|prompts?|prompted|triggers?|triggered|drives?|explains?|explained|accounts? for|explain|lies? behind|(?:is|are) behind|has|lie behind)\b"
    r"|\b(?:reasons?|causes?|source|explanation) (?:for|of|behind|why|that)\b",
    re.IGNORECASE,
)
_SPEAKER = r"(?:the |this )?(?:speaker|person|woman|man|narrator|caller|they|he|she|voice)(?:'s)?"
_SO = re.compile(
    rf"\b{_SPEAKER} (?:\w+ ){{0,3}}?(?:feel(?:s|ing)?|felt|sounds?|seems?|appears?|comes? across|reacts?)\b"
    rf"|\b{_SPEAKER} (?:\w+ )?(?:speaks?|talks?) (?:\w+ ){{0,3}}?(?:this way|like this|like that|that way|so)\b|\bthe way (?:the speaker|they|he|she) (?:talks?|speaks?|sounds?|feels?)\b"
    r"|\b(?:speaker's|their|his|her|the|this|such|of) (?:\w+ )?(?:emotions?|mood|feelings?|emotional state|emotional response|reaction|tone(?! (?:change|shift|rise|fall|drop|become|turn)))\b",
    re.IGNORECASE,
)
_ASKS_OF_VOICE = re.compile(
    r"\b(?:what|which|how|why|who|whose|or)\b.*\b(?:voices?|tone|sounds?|sounding|feels?|feelings?|emotions?|mood|speakers?|man|woman|male|female|respond|reply|heard|hears|listener)\b"
)
_STAND = frozenset(
    words_of(
        "a an the is are was were be do does did to of in on at for with and or that this it they them their he she his her him its speaker speaker's so as just very"
    )
)
_GENERAL = re.compile(
    r"^(?:what (?:is|are|was|were) (?:an? )?(?!he\b|she\b|it\b|they\b)(?:the (?:definition|meaning|capital|population|chemical \w+) of [^,?]+|(?:an? )[\w-]+(?: [\w-]+)?)|what does (?:the (?:word|term|expression) )?[\"'“]?[\w-]+[\"'”]? mean"
    r"|how (?:do|would) (?:you|we|people) define [^,?]+|who (?:invented|discovered|wrote|painted|founded) [^,?]+|what causes [\w-]+)\?$",
    re.IGNORECASE,
)
_ABOUT_CLIP = re.compile(
    r"\b(?:speaker\w*|voices?|heard?|hear|here|recording|clip|audio|they|he|she|their|his|her|said|says|sounds?|tone|person|man|woman|mentioned|talk\w*|conversation)\b",
    re.IGNORECASE,
)


def plain(text: str) -> list[str]:
    """The words and numbers of a text in any script, case and marks aside."""
    folded = unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
    return "".join(sign if sign.isalnum() or sign == "'" or unicodedata.category(sign).startswith("M") else " " for sign in folded).split()


def copied(c: Candidate) -> str | None:
    """The question is not the spoken words with a question mark, and does not tell them in full, or many in a row, but in quotation marks.

    A few words may stand within a longer question about the voice: no question about the matter of a short sentence does without them.
    """
    said, asked = words_of(c.transcript), words_of(unquoted(c.question))
    if len(said) >= 4 and set(asked) <= set(said) and len(said) <= 2 * len(asked):
        return "copies the words"
    before, told, after = f" {' '.join(asked)} ".partition(f" {' '.join(said)} ")
    if len(said) >= 4 and told and (c.type == "C" or not _ASKS_OF_VOICE.search(f"{before} {after}")):
        return "copies the words"
    runs = {tuple(said[at : at + _LONG_QUOTE]) for at in range(len(said) - _LONG_QUOTE + 1)}
    return "copies the words" if any(tuple(asked[at : at + _LONG_QUOTE]) in runs for at in range(len(asked) - _LONG_QUOTE + 1)) else None


def echoes_question(c: Candidate) -> str | None:
    """The answer says something that the question has not: a choice out of two, or yes and no, is something."""
    asked, answered = set(plain(c.question)), plain(c.answer)
    if "or" in asked or not answered or answered[0] in ("yes", "no") or len(answered) < 2:
        return None
    stems = {word.removesuffix("s")[:5] for word in asked}
    return "answer repeats the question" if all(word in _STAND or word.removesuffix("s")[:5] in stems for word in answered) else None


def off_topic(c: Candidate) -> str | None:
    """A contextual question speaks of something that the words are about. Small models only: larger ones put it in words of their own."""
    if c.type in ("DE", "DG", "DS"):
        return None
    said = content_words(c.transcript)
    return None if not said or said & content_words(c.question) else "not about the clip"


def invented(c: Candidate) -> str | None:
    """What the words are said to say, they say: at least half of an answer's content words stand in them. Small models only: larger ones retell, and draw conclusions."""
    if c.type != "C":
        return None
    told, said = content_words(c.answer), content_words(c.transcript)
    return None if told and 2 * len(told & said) >= len(told) else "answer is not in the words"


def parrots(c: Candidate) -> str | None:
    """Nothing is taken over from the worked examples of the prompt."""
    own = content_words(c.transcript)
    return "parrots the prompt" if (content_words(c.question) | content_words(c.answer)) & (c.prompt_words - own) else None


def example(c: Candidate) -> str | None:
    """Neither question nor answer is about a worked example of the prompt instead of the clip: it has a word of the examples and none of the talk."""
    said = content_words(c.transcript)
    texts = (content_words(text) for text in (c.question, c.answer))
    return "parrots the prompt" if said and any(words & (c.prompt_words - said) and not words & said for words in texts) else None


def repeated(c: Candidate) -> str | None:
    """Not asked already about this clip."""
    asked = plain(c.question)
    return "repeated question" if any(plain(other) == asked for other in c.earlier) else None


def asks_why_so(question: str) -> bool:
    """Whether a question asks for the reason why the speaker feels or sounds as they do, in whatever words; not why they do something.

    Example:
        >>> [asks_why_so(q) for q in ("What makes the speaker sad?", "Why might they sound this way?", "Why does her voice rise at the end?", "Why is the speaker late?")]
        [True, True, False, False]
    """
    text = unquoted(question)
    return bool(_WHY.search(text)) and bool(feelings(text) or polarities(text) or _SO.search(text))


def paraphrase(c: Candidate) -> str | None:
    """Not one more way to ask why the speaker feels so: one such question is enough for a clip."""
    return "asks once more why they feel so" if asks_why_so(c.question) and any(asks_why_so(other) for other in c.earlier) else None


def general(c: Candidate) -> str | None:
    """A question about the clip, not about the world: "What is a promotion?" needs no ears."""
    return "needs no audio" if _GENERAL.search(c.question.strip()) and not _ABOUT_CLIP.search(c.question) else None
