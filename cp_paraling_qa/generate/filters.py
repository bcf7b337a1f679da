"""Filters for LLM-written questions: each keeps, or names the reason for the drop. A dropped row stays in the questions beside the kept ones.

A filter is a function from a `Candidate` to None (keep) or a reason; the reasons are few, fixed phrases, so that they can be counted. The first filter that objects decides.
After the post-filter of arXiv 2505.13338 (paraphrases, mentions of a transcript or metadata) and what small models were seen to do wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from cp_paraling_qa.generate.feelings import feelings, fits, words_of
from cp_paraling_qa.labels import canonical

QUESTION_WORDS = (4, 26)
ANSWER_WORDS = (2, 36)
"""Fewest and most words."""


@dataclass(frozen=True)
class Candidate:
    """A question about to be kept or dropped, with what the filters need to know.

    Args:
        question: as written.
        answer: as written.
        type: of `schema.QUESTION_TYPES`.
        emotions: the clip's consensus, and every label of its track.
        gender: female, male or None.
        transcript: the spoken words.
        names_feeling: an answer must name a feeling.
        prompt_words: content words of the prompt's worked examples.
        earlier: questions already kept for this clip.
    """

    question: str
    answer: str
    type: str
    emotions: Collection[str] = ()
    gender: str | None = None
    transcript: str = ""
    names_feeling: bool = False
    prompt_words: frozenset[str] = frozenset()
    earlier: Collection[str] = field(default=())


Filter = Callable[[Candidate], str | None]

_ASKING = re.compile(
    r"\b(what|how|why|which|who|whose|whom|where|when|is|are|was|were|does|do|did|can|could|would|should|might|will|has|have)\b", re.IGNORECASE
)
_FIGURES = re.compile(r"\d+[.,]\d|\d\s*%|\b\d+\s*(?:hz|db|seconds?|s)\b|\b(?:arousal|valence|dominance|energy|score)\b[^.?!]{0,12}\d", re.IGNORECASE)
_METADATA = re.compile(
    r"\b(transcripts?|transcription|transcribed|metadata|labels?|labell?ed|annotations?|annotated|arousal|aroused|valence|dominance|submissive|vad|prosod\w+|ledger|json|"
    r"prompt|dataset|evidence|text|written|caption\w*|subtitles?|passage|quote|sentence|the words say|medium energy|(?:very )?(?:un)?pleasant tone|even tone)\b",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"[\[\]{}<>_]|\.\.\.|…|\b(topic|the matter|placeholder|lorem|question here|answer here|insert)\b", re.IGNORECASE)
_ASKS_FEELING = re.compile(r"\b(how|what|which)\b.*\b(feel\w*|emotions?|moods?|sounds?|tone|voice|react\w*|take|takes)\b", re.IGNORECASE)
_AS_SPEAKER = re.compile(r"\b(i|i'm|i'd|i've|my|mine|me|we|we're|our|ours|us|myself)\b", re.IGNORECASE)
_TO_LISTENER = re.compile(r"\b(you|your|yours|you're)\b", re.IGNORECASE)
_FINE_YOU = re.compile(r"\b(would|do|can|could) you (say|think|tell|hear|describe|guess|call)\b", re.IGNORECASE)
_CLAUSE = re.compile(
    r"\babout (?:(?:the|their|his|her|a|an|someone's) \w+(?: (?!who|that|which)\w+)?|it|someone) (?:is|are|was|were|will|has|have|had)\b"
    r"|\babout (?:they|he|she) \w+|'s\?$",
    re.IGNORECASE,
)
_GENDER = {"female": frozenset(words_of("woman women female girl lady")), "male": frozenset(words_of("man men male boy gentleman"))}
_STOP = frozenset(
    words_of(
        "a an and are about all after am any as at back be because been before being but by can could did do does don for from get go going had has have "
        "he her here him his how i if in into is it its just like me might more most must my new no not now of off on one only or other our out over own "
        "perhaps said says she should so some somebody someone speaker speak sound sounds speaks still talk talking talks than that the their them then "
        "there these they this those to today too tomorrow tonight two up us very voice want wants was way we were what when where which who why will with "
        "would you your feel feels feeling mood friend hear heard matter man woman person really much"
    )
)


def content_words(text: str) -> set[str]:
    """The words that say what a text is about, cut to five letters so that "neighbour" meets "neighbours"."""
    return {word[:5] for word in words_of(text) if word not in _STOP and len(word) > 2}


def not_a_question(c: Candidate) -> str | None:
    """One question, with a question mark at its end and one only."""
    return None if c.question.endswith("?") and c.question.count("?") == 1 and _ASKING.search(c.question) else "not a question"


def clause(c: Candidate) -> str | None:
    """No sentence stands where a thing should: "about the door was locked"."""
    return "ungrammatical" if _CLAUSE.search(c.question) else None


def length(c: Candidate) -> str | None:
    """Within `QUESTION_WORDS` and `ANSWER_WORDS`."""
    for text, (fewest, most) in ((c.question, QUESTION_WORDS), (c.answer, ANSWER_WORDS)):
        if not fewest <= len(text.split()) <= most:
            return "too short" if len(text.split()) < fewest else "too long"
    return None


def broken_off(c: Candidate) -> str | None:
    """An answer ends with its sentence, not with the space it was given."""
    return None if c.answer[-1:] in (".", "!") else "answer breaks off"


def placeholder(c: Candidate) -> str | None:
    """Nothing is left to fill in."""
    return "placeholder" if _PLACEHOLDER.search(c.question) or _PLACEHOLDER.search(c.answer) else None


def figures(c: Candidate) -> str | None:
    """No measured figures: nobody hears "arousal 0.71"."""
    return "leaks figures" if _FIGURES.search(c.question) or _FIGURES.search(c.answer) else None


def metadata(c: Candidate) -> str | None:
    """No talk of a transcript, labels or metadata, unless the clip is about such things."""
    found = [m.group(0).lower() for text in (c.question, c.answer) for m in _METADATA.finditer(text)]
    return "speaks of text or metadata" if any(word not in c.transcript.lower() for word in found) else None


def perspective(c: Candidate) -> str | None:
    """The question is asked by a listener, not by the speaker or to a party of the talk."""
    both = f"{c.question} {c.answer}"
    if _AS_SPEAKER.search(both) or _TO_LISTENER.search(_FINE_YOU.sub("", both)):
        return "speaks as the speaker"
    return None


def gives_away(c: Candidate) -> str | None:
    """A question that asks for the feeling does not name one; a question of gender does not tell it."""
    if _ASKS_FEELING.search(c.question) and feelings(c.question):
        return "names the emotion it asks for"
    if c.type in ("DG", "CG"):
        return "names the gender it asks for" if len(_genders(c.question)) == 1 else None
    return None


def contradicts(c: Candidate) -> str | None:
    """Neither question nor answer names a feeling or a gender that the clip does not have."""
    if c.type in ("DE", "CE") and not (fits(c.answer, c.emotions) and fits(c.question, c.emotions)):
        return "contradicts the ledger"
    if c.type in ("DG", "CG") and c.gender:
        return "contradicts the ledger" if _genders(c.answer) - {c.gender} else None
    return None


def _genders(text: str) -> set[str]:
    return {sex for sex, words in _GENDER.items() if words & set(words_of(text))}


def no_gender(c: Candidate) -> str | None:
    """Where the gender is asked for, the answer names it."""
    return "answer names no gender" if c.type in ("DG", "CG") and c.gender and not _genders(c.answer) else None


def no_feeling(c: Candidate) -> str | None:
    """Where the feeling is asked for, the answer names one that is the clip's, and not a side of it only."""
    if not c.names_feeling:
        return None
    return None if feelings(c.answer) & {canonical(e) for e in c.emotions} else "answer names no feeling"


def copied(c: Candidate) -> str | None:
    """The question is not the spoken words with a question mark, and does not quote them in full."""
    said, asked = words_of(c.transcript), words_of(c.question)
    if len(said) >= 4 and (" ".join(said) in " ".join(asked) or set(asked) <= set(said)):
        return "copies the words"
    return None


def off_topic(c: Candidate) -> str | None:
    """The question speaks of something that the words are about."""
    said = content_words(c.transcript)
    return None if not said or said & content_words(c.question) else "not about the clip"


def parrots(c: Candidate) -> str | None:
    """Nothing is taken over from the worked examples of the prompt."""
    own = content_words(c.transcript)
    return "parrots the prompt" if (content_words(c.question) | content_words(c.answer)) & (c.prompt_words - own) else None


def babbles(c: Candidate) -> str | None:
    """No three words twice in an answer, no matter named twice in a question or three times in an answer: small models run in circles."""
    words = words_of(c.answer)
    threes = list(zip(words, words[1:], words[2:], strict=False))
    if len(set(threes)) < len(threes) or _most_often(c.question) > 1 or _most_often(c.answer) > 2:
        return "repeats itself"
    return None


def _most_often(text: str) -> int:
    stems = Counter(word.removesuffix("'s")[:5] for word in words_of(text) if word not in _STOP and len(word) > 2)
    return max(stems.values(), default=0)


def repeated(c: Candidate) -> str | None:
    """Not asked already about this clip."""
    asked = " ".join(words_of(c.question))
    return "repeated question" if any(" ".join(words_of(other)) == asked for other in c.earlier) else None


FILTERS: dict[str, Filter] = {
    f.__name__: f
    for f in (
        not_a_question,
        clause,
        length,
        broken_off,
        placeholder,
        figures,
        metadata,
        perspective,
        gives_away,
        contradicts,
        no_feeling,
        no_gender,
        copied,
        off_topic,
        parrots,
        babbles,
        repeated,
    )
}
"""In the order in which they are asked."""

SMALL_MODEL_FILTERS = ("clause", "no_feeling", "no_gender", "off_topic", "parrots", "babbles")
"""What only small models were seen to do wrong. A larger one may put a matter in words of its own, and answer without a word from our lists."""


def judge(candidate: Candidate, *, skip: Collection[str] = ()) -> str | None:
    """The first filter's reason to drop a candidate, or None: keep.

    Args:
        candidate: a question and its answer.
        skip: names of filters that are switched off.
    """
    for name, check in FILTERS.items():
        if name not in skip and (reason := check(candidate)):
            return reason
    return None
