"""Filters that look at how a question and its answer are put: form, length, language, talk of written things, and who seems to speak.

Each takes a `Candidate` and returns None, or the reason for the drop. Words such as "text" or "label" are no fault where the talk is about such things.
"""

from __future__ import annotations

import re

from cp_paraling_qa.generate.candidate import Candidate, is_content, says
from cp_paraling_qa.generate.feeling_clauses import unquoted
from cp_paraling_qa.generate.feelings import words_of
from cp_paraling_qa.generate.language import wrong_language

QUESTION_WORDS = (4, 40)
ANSWER_WORDS = (2, 70)
"""Fewest and most words. A direct question may be answered in one."""
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff]")
"""Letters of scripts that set no blanks between words."""
_SIGNS_OF_A_WORD = 1.5

_MARKS = ("?", "？", "؟", "⸮", "՞", "፧")
_GREEK_MARK = ";"
_SPEECH = re.compile(r"[\"“”„«»「」『』][^\"“”„«»「」『』\n]*[\"“”„«»「」『』]|(?<!\w)['‘][^\n]*?\?['’](?!\w)")
_ASKING = re.compile(
    r"\b(?:what|how|why|which|who|whose|whom|where|when)(?:'s|’s|'re|’re)?\b"
    r"|(?:^|[,;:.!—–-]\s*|\b(?:and|but|so|or)\s+)(?:is|are|was|were|does|do|did|can|could|would|should|might|may|will|has|have|had|isn't|doesn't|don't|didn't|aren't|wasn't)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"\babout (?:(?:the|their|his|her|a|an|someone's) \w+(?: (?!who|that|which)\w+)?|it|someone) (?:is|are|was|were|will|has|have|had)\b"
    r"|\babout (?:they|he|she) \w+|(?<!\bman)(?<!woman)(?<!female)(?<!\bmale)'s\?$",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"[\[\]{}<>_]|\.\.\.|…|\b(?:placeholder|lorem|(?:question|answer) here|insert (?:the |an? |your )?(?:question|answer|topic|name|emotion|matter|text|here)|n/a|tbd)\b",
    re.IGNORECASE,
)
_PROMPT_TALK = re.compile(r"\b(?:topic|the matter)\b", re.IGNORECASE)
_PROMPT_VOICE = re.compile(r"\b(?:the words say|medium energy|(?:very )?(?:un)?pleasant tone|even tone)\b", re.IGNORECASE)

_WRITTEN = re.compile(
    r"\b(?P<word>transcripts?|transcription|transcribed|metadata|annotations?|annotated|annotators?|raters?|ledger|json|datasets?|captions?|captioned|subtitles?|timestamps?|time[- ]stamps?|"
    r"prosod\w+|labels?|labelled|labeled|labelling|labeling|tagged|tags?|text|texts|textual|excerpts?|classifiers?)\b",
    re.IGNORECASE,
)
"""Fine only where the talk has the word."""
_NEVER = re.compile(
    r"\b(?:arousal|valence|vad|dominance (?:is|of|score|level)|(?:high|low|moderate|medium)(?:er|est)? dominance|(?:very|moderately|rather|highly|more|less) (?:aroused|submissive|dominant)|"
    r"sounds? (?:aroused|submissive)|aroused (?:voice|tone)|ground truth|language model|as an ai|emotion(?:al)? data|(?:audio |speech )?data (?:shows?|indicates?|suggests?)|emotion (?:labels?|tags?|track|class(?:es)?|categor(?:y|ies)|scores?|recogni[sz]\w+)|"
    r"confidence scores?|word[- ]level|(?:the|this|given|provided|following|above) (?:prompt|passage|quote|dialogue text|written words|data|context provided)|"
    r"(?:provided|given) (?:text|words|context|information|evidence|data)|(?:in|from|by|on) the evidence|according to the (?:data|information|analysis|model|recogni[sz]er|evidence|listed \w+)|"
    r"(?:is|are|was|as|words) written(?! (?:off|down|up|out of|by hand))|written (?:words|text|form|above|below|line)|the sentence (?:says|states|reads|implies|means|mentions|is about|itself|suggests)|"
    r"does the sentence|(?:the|this) sentence\?|what the (?:text|sentence|passage) says|no (?:audio|recording) (?:is |was )?(?:given|provided))\b",
    re.IGNORECASE,
)
"""Talk of data and measures, whatever the talk is about, unless it has these very words."""
_FINE_WRITTEN = re.compile(
    r"\btext(?:ed|ing)? (?:messages?|him|her|them|back|someone|from|the)\b|\b(?:feels?|feeling|felt|been|being|gets?|getting) (?:unfairly |wrongly )?labell?ed\b|\b(?:price|name|dog) tags?\b|\btags? along\b|"
    r"\b(?:record|price) labels?\b",
    re.IGNORECASE,
)

_AS_SPEAKER = re.compile(
    r"\b(?:i|i'm|i'd|i've|i'll|my|me|we|we're|we've|we'd|we'll|our|ours|myself|ourselves)\b|(?<=of )mine\b|(?<=is )mine\b|(?<=was )mine\b", re.IGNORECASE
)
_US = re.compile(r"\b(?:us)\b")
_TO_LISTENER = re.compile(r"\b(?:you|your|yours|you're|you've|you'd|you'll|yourself)\b", re.IGNORECASE)
_HEAR = r"(?:think|hear(?! about)|heard(?! about)|notice|sense|perceive|infer|detect|suspect|imagine|make (?:of|out)|identify|listen|deduce|pick up|interpret|recogni[sz]e)"
_JUDGE = (
    rf"(?:{_HEAR}|say|tell(?! (?:him|her|them|me|us)\b)|describe|guess|call(?! (?:him|them|me|us)\b)|name|characteri[sz]e|conclude|judge|expect|picture|gather|learn|assume|understand|"
    r"suppose|sum up|explain|reply|respond|comfort|advise)"
)
_LISTENING = re.compile(
    rf"\b(?:would|can|could|might|should|may) (?:you|we) (?:\w+ly |best |also |even )?{_JUDGE}\b|\b(?:do|did|will|does) (?:you|we) (?:\w+ly |also |even )?(?:{_HEAR}|best {_JUDGE}|get the)\b"
    rf"|\b(?:you|we) (?:can|could|might|may|would|will|should) (?:\w+ly |also )?{_JUDGE}\b|\b(?:you|we) (?:\w+ly |also )?(?:{_HEAR}|get the (?:feeling|impression|sense))\b"
    r"|\bif you (?:listen|had to|were (?:a|the|their|her|his)|heard)\b|\b(?:to|in) your (?:ears?|opinion|view|judge?ment|own words|mind)\b"
    r"|\b(?:gives?|gave|tells?|told|shows?|makes?|leads?|lets?|helps?|strikes?|reminds?) (?:you|us)\b|\b(?:to|for|around) you\b|\bthank you\b|\bhow do you do\b",
    re.IGNORECASE,
)
_NO_PERSON = re.compile(
    r"\b(?:World War|War|Part|Chapter|Act|Phase|Stage|Type|Grade|Elizabeth|Charles|Plan|Level|Section) I\b|\bthe US\b|\bUS\b|\bOh my\b|\bMy (?=[A-Z])|\bme too\b|\b(?<=[a-z] )(?:My|Our|Me|We) (?=[A-Z])"
)


def not_a_question(c: Candidate) -> str | None:
    """One question, with a question mark at its end and one only, marks within quoted speech aside; in English a question word, or a verb where a question has it."""
    question = c.question.rstrip("\"'”’»」』 ") if c.question[-1:] not in _MARKS else c.question
    plain = _SPEECH.sub(" ", c.question).rstrip()
    marks = (*_MARKS, _GREEK_MARK) if c.language == "el" else _MARKS
    if not plain.endswith(marks) and question[-1:] not in marks or sum(plain.count(mark) for mark in marks) > 1:
        return "not a question"
    english = c.language is None or is_english(c.language)
    return None if not english or _ASKING.search(plain) else "not a question"


def is_english(language: str | None) -> bool:
    """Whether the filters that know English words apply; None means that nothing else was asked for."""
    return language is None or language.lower().replace("_", "-").partition("-")[0] in ("en", "eng")


def clause(c: Candidate) -> str | None:
    """No sentence stands where a thing should: "about the door was locked"."""
    return "ungrammatical" if _CLAUSE.search(c.question) else None


def length(c: Candidate) -> str | None:
    """Within `QUESTION_WORDS` and `ANSWER_WORDS`; where the script sets no blanks, one and a half signs count as a word."""
    shortest = 1 if c.type in ("DE", "DG", "DS", "") or (c.type == "C" and c.answer[-1:] in ".!。！") else ANSWER_WORDS[0]
    for text, (fewest, most) in ((c.question, QUESTION_WORDS), (c.answer, (shortest, ANSWER_WORDS[1]))):
        signs = len(_UNSPACED.findall(text))
        words = len(_UNSPACED.sub(" ", text).split()) if not signs else signs / _SIGNS_OF_A_WORD + len(re.findall(r"[a-zA-Z]+", text))
        if not fewest <= words <= most:
            return "too short" if words < fewest else "too long"
    return None


def broken_off(c: Candidate) -> str | None:
    """An answer ends with its sentence, not with the space it was given."""
    whole = c.answer.rstrip("\"'”’»」』) ")
    return None if whole[-1:] in tuple(".!。！।॥።។۔") and whole[-2:-1] not in (*",;:–—-",) else "answer breaks off"


def placeholder(c: Candidate) -> str | None:
    """Nothing is left to fill in."""
    return "placeholder" if any(_PLACEHOLDER.search(_SPEECH.sub(" ", text)) for text in (c.question, c.answer)) else None


def prompt_talk(c: Candidate) -> str | None:
    """Nothing of how the prompt calls things: "the topic", "the matter"."""
    return "placeholder" if _PROMPT_TALK.search(c.both) and not (says(c.transcript, "topic") or says(c.transcript, "matter")) else None


def prompt_voice(c: Candidate) -> str | None:
    """Nothing of how the prompt puts the voice: "medium energy"."""
    return "speaks of text or metadata" if any(match.group(0).lower() not in c.transcript.lower() for match in _PROMPT_VOICE.finditer(c.both)) else None


def metadata(c: Candidate) -> str | None:
    """No talk of a transcript, labels, measures or metadata, unless the clip is about such things."""
    for text in (c.question, c.answer):
        plain = _FINE_WRITTEN.sub(" ", unquoted(text))
        if any(match.group(0).lower() not in c.transcript.lower() for match in _NEVER.finditer(plain)):
            return "speaks of text or metadata"
        if any(not says(c.transcript, match.group("word")) for match in _WRITTEN.finditer(plain)):
            return "speaks of text or metadata"
    return None


def perspective(c: Candidate) -> str | None:
    """The question is asked by a listener, not by the speaker or to a party of the talk. What the speaker is quoted with, and "can you hear", are fine."""
    plain = " ".join(_NO_PERSON.sub(" ", _SPEECH.sub(" ", unquoted(text))) for text in (c.question, c.answer))
    plain = _LISTENING.sub(" ", plain)
    return "speaks as the speaker" if any(pattern.search(plain) for pattern in (_AS_SPEAKER, _US, _TO_LISTENER)) else None


def language(c: Candidate) -> str | None:
    """Question and answer are in the language that was asked for; see `language.wrong_language`."""
    if c.language is None:
        return None
    return "wrong language" if any(wrong_language(text, c.language, transcript=c.transcript) for text in (c.question, c.answer)) else None


def babbles(c: Candidate) -> str | None:
    """No three words twice in an answer, no matter named twice in a question or three times in an answer: small models run in circles."""
    words = words_of(c.answer)
    threes = list(zip(words, words[1:], words[2:], strict=False))
    if len(set(threes)) < len(threes) or _most_often(c.question) > 1 or _most_often(c.answer) > 2:
        return "repeats itself"
    return None


def _most_often(text: str) -> int:
    stems = [word.removesuffix("'s")[:5] for word in words_of(text) if is_content(word)]
    return max((stems.count(stem) for stem in stems), default=0)
