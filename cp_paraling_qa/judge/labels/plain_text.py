"""An answer as plain tokens: what the patterns of `cues` run over."""

from __future__ import annotations

import re

from cp_paraling_qa.judge.labels.idioms import REWRITES
from cp_paraling_qa.judge.labels.lexicon import SIGNS

_LONGEST = 6000
"""Characters of an answer that are read; of a longer one its first and last halves of that."""

_TAG = re.compile(r"<\|?/?\s*([A-Za-z][A-Za-z_ -]{0,24}?)\s*\|?/?>|\[([A-Za-z][A-Za-z_ -]{1,24})\]")
_QUOTED = re.compile(r"\"([^\"\n]{1,400})\"|(?<!\w)'((?:[^'\n]|(?<=\w)'(?=\w)){1,400})'(?!\w)")
_TOKEN = re.compile(r"\d+(?:\.\d+)?%?|[\u0900-\u0963\u0970-\u097f]+|[^\W\d_]+|'s\b|[^\w\s]")
_SPELLED_OUT = re.compile(r"(?<![\w'.-])[A-Za-z](?:([ -])[A-Za-z])(?:\1[A-Za-z])+(?![\w'-])")
_CURLY = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "`": " ", "*": " ", "#": " ", "_": " ", "\u00a0": " "})
_OPENED = (
    (re.compile(r"\bcan'?t\b|\bcannot\b"), "can not"),
    (re.compile(r"\bwon'?t\b(?!e)"), "will not"),
    (re.compile(r"\bain'?t\b"), "is not"),
    (re.compile(r"(\w)n't\b"), r"\1 not"),
    (re.compile(r"\b(is|are|was|were|do|does|did|would|could|should|has|have|had)nt\b"), r"\1 not"),
    (re.compile(r"\bi'?m\b"), "i am"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"'d\b"), " would"),
    (re.compile(r"\b(he|she|it|that|there|who|what)'s\b"), r"\1 is"),
)
_CLIPPED = re.compile(r"\b(?:\w{2,5}nt|cant|cannot|wont|aint|im)\b")
"""A contraction written without its apostrophe."""
_MARK = re.compile("([✗✘❌✖])|([✓✔✅☑])️?")
_SAID = re.compile(
    r"\b(?:say|says|said|saying|words?|phrase|text|transcript|transcription|utterance|sentence|lyrics?|line|claims?|quot\w+|content|literally|reads?|title|calls?|exclaim\w*|shout\w*|yell\w*|whisper\w*|ask\w*|repl\w+|repeat\w*|utter\w*)\W*(?:\w+\W+){0,2}$"
    r"|\b(?:goes|went)\W*$"
)
_SAID_AFTER = re.compile(
    r"\W*(?:he|she|they|(?:the|a|this) (?:speaker|man|woman|person|caller|customer|girl|boy))\W+(?:\w+ly\W+)?(?:says?|said|shouts?|yells?|asks?|cries|exclaims?|whispers?|repeats?)\b"
)
_PERSON = re.compile(r"\b(?:i|i'm|i've|you|we|my|me|your|our|us)\b")


def join_letters(text: str) -> str:
    """Words that are spelled out are put together.

    Example:
        >>> join_letters("It is S-A-D, a n g r y")
        'It is SAD, angry'
    """
    return _SPELLED_OUT.sub(lambda match: match[0].replace(match[1], ""), text)


def _unquote(text: str) -> str:
    """Speech that is quoted goes; a label in quotation marks stays."""
    stripped = text.strip()
    if len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "\"'" and stripped.count(stripped[0]) == 2:
        text = stripped[1:-1]

    def keep(match: re.Match[str]) -> str:
        inside = next(group for group in match.groups() if group is not None)
        short = len(inside.split()) <= 3 and not _PERSON.search(inside)
        said = _SAID.search(match.string[max(0, match.start() - 40) : match.start()]) or _SAID_AFTER.match(match.string, match.end())
        return f" {inside} " if short and not said else " quotation "

    return _QUOTED.sub(keep, text)


def _ticked(text: str) -> str:
    """A list with ticks and crosses, before or behind its words, in words."""
    crossed, ticked = (" , not ", " , ") if _MARK.match(text.lstrip()) else (" : no , ", " : yes , ")
    return _MARK.sub(lambda match: crossed if match[1] else ticked, text)


def normalise(text: str) -> str:
    """Lower case, tokens apart by one space, contractions open, quoted speech gone, idioms replaced; sentences still end in their marks.

    Example:
        >>> normalise("She isn't *angry*... he says 'I am furious'!")
        'she is not angry . he says quotation !'
    """
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} . {text[-_LONGEST // 2 :]}"
    text = _TAG.sub(lambda match: f" . label : {match[1] or match[2]} . ", text).translate(_CURLY).lower()
    if _MARK.search(text):
        text = _ticked(text)
    for sign, word in SIGNS.items():
        if sign in text:
            text = text.replace(sign, f" {word} ")
    if '"' in text or "'" in text:
        text = _unquote(text)
        for pattern, opened in _OPENED:
            text = pattern.sub(opened, text)
        text = re.sub(r"(?<=s)'(?!\w)", " ", text)
    elif _CLIPPED.search(text):
        for pattern, opened in _OPENED:
            text = pattern.sub(opened, text)
    text = re.sub(r"(?<=\w)-(?=\w)", " ", text)
    text = re.sub(r"\.{2,}|…", " . ", text)
    text = re.sub(r"\s[-–—]+\s|—|--|->|→|=>", " , ", text)
    text = re.sub(r"\n+", " . ", text)
    text = " ".join(_TOKEN.findall(text))
    text = re.sub(r" \.(?= or )", "", text)
    for idiom, replacement in REWRITES:
        text = idiom.sub(replacement, text)
    return re.sub(r"(?: [.])+(?= [.!?])|^(?:[.] )+", "", text).strip()
