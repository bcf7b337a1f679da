"""What a free-text answer claims: every label word it mentions, and what each mention is worth.

A mention is worth 3 (the answer's final or leading word), 2 (a plain claim), 1 to 1.5 (in part, hedged, conceded), or 0 (negated, quoted, a hint, a rejected
candidate). The strongest mention decides; two labels of the same worth leave the answer open. The patterns stand in `cues`; here they are only applied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cp_paraling_qa.judge import cues
from cp_paraling_qa.judge.lexicon import SIGNS
from cp_paraling_qa.judge.vocabulary import Sense, Vocabulary

_WINDOW = 300
"""Characters that a pattern sees on either side of a mention: a model that repeats one word a thousand times must not cost a second."""
_LONGEST = 6000
"""Characters of an answer that are read; of a longer one its first and last halves of that."""
PLAIN = 2.0
FINAL = 3.0
REJECTED = 0.0

_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<\|?/?\s*([A-Za-z][A-Za-z_ -]{0,24}?)\s*\|?/?>|\[([A-Za-z][A-Za-z_ -]{1,24})\]")
_QUOTED = re.compile(r"\"([^\"\n]{1,400})\"|(?<!\w)'((?:[^'\n]|(?<=\w)'(?=\w)){1,400})'(?!\w)")
_TOKEN = re.compile(r"\d+(?:\.\d+)?%?|[^\W\d_]+|'s\b|[^\w\s]")
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
_SAID = re.compile(
    r"\b(?:say|says|said|saying|words?|phrase|text|transcript|transcription|utterance|sentence|lyrics?|line|claims?|quot\w+|content|literally|reads?|title|calls?|exclaim\w*|shout\w*|yell\w*|whisper\w*|ask\w*|repl\w+|repeat\w*|utter\w*)\W*(?:\w+\W+){0,2}$"
)
_PERSON = re.compile(r"\b(?:i|i'm|i've|you|we|my|me|your|our|us)\b")
_SPLIT = re.compile(r"(?<=[.!?;\n]) ")


@dataclass(slots=True)
class Mention:
    """One label word in an answer.

    Attributes:
        sense: what the word means in the label space.
        word: as found.
        strength: 0 to 3.
        why: what made it weaker or stronger than a plain claim.
    """

    sense: Sense
    word: str
    strength: float = PLAIN
    why: str = "a plain claim"


@dataclass(slots=True)
class Reading:
    """An answer as read: its mentions in order, whether it refuses, negates or quotes anything."""

    mentions: list[Mention]
    refusal: bool
    negation: bool
    quotation: bool


def _unquote(text: str) -> str:
    """Speech that is quoted goes; a label in quotation marks stays."""
    stripped = text.strip()
    if len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "\"'" and stripped.count(stripped[0]) == 2:
        text = stripped[1:-1]

    def keep(match: re.Match[str]) -> str:
        inside = next(group for group in match.groups() if group is not None)
        short = len(inside.split()) <= 3 and not _PERSON.search(inside)
        return f" {inside} " if short and not _SAID.search(match.string[max(0, match.start() - 40) : match.start()]) else " quotation "

    return _QUOTED.sub(keep, text)


def normalise(text: str) -> str:
    """Lower case, tokens apart by one space, contractions open, quoted speech gone, idioms replaced; sentences still end in their marks.

    Example:
        >>> normalise("She isn't *angry*... he says 'I am furious'!")
        'she is not angry . he says quotation !'
    """
    text = _THOUGHT.sub(" ", text)
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} . {text[-_LONGEST // 2 :]}"
    text = _TAG.sub(lambda match: f" . label : {match[1] or match[2]} . ", text).translate(_CURLY).lower()
    for sign, word in SIGNS.items():
        if sign in text:
            text = text.replace(sign, f" {word} ")
    if '"' in text or "'" in text:
        text = _unquote(text)
        for pattern, opened in _OPENED:
            text = pattern.sub(opened, text)
    else:
        text = text.replace("cannot", "can not")
    text = re.sub(r"(?<=\w)-(?=\w)", " ", text)
    text = re.sub(r"\.{2,}|…", " . ", text)
    text = re.sub(r"\s[-–—]+\s|—|--|->|→|=>", " , ", text)
    text = re.sub(r"\n+", " . ", text)
    text = " ".join(_TOKEN.findall(text))
    text = re.sub(r" \.(?= or )", "", text)
    for idiom, replacement in cues.REWRITES:
        text = idiom.sub(replacement, text)
    return re.sub(r"(?: [.])+(?= [.!?])|^(?:[.] )+", "", text).strip()


@dataclass(slots=True)
class _Sentence:
    """A sentence whose label words are replaced by §, with the mentions and where each § stands."""

    text: str
    mentions: list[Mention]
    places: list[int]

    def before(self, k: int) -> str:
        return self.text[max(0, self.places[k] - _WINDOW) : self.places[k]]

    def after(self, k: int) -> str:
        text = self.text[self.places[k] + 1 : self.places[k] + _WINDOW]
        return text[2:] if text.startswith(" ( ") else text

    def clause(self, k: int) -> str:
        """What precedes a mention in its clause."""
        return _last_part(self.before(k), cues.BOUNDARY)

    def between(self, j: int, k: int) -> str:
        return self.text[self.places[j] + 1 : self.places[k]]


def _last_part(text: str, boundary: re.Pattern[str]) -> str:
    """The text from its last boundary on, that boundary's words included (they may be what a pattern looks for)."""
    start = 0
    while match := boundary.search(text, start):
        start = match.start() + 1
    return " " + text[start:].lstrip()


def _find(sentence: str, vocabulary: Vocabulary) -> _Sentence:
    tokens = sentence.split(" ")
    out: list[str] = []
    mentions: list[Mention] = []
    places: list[int] = []
    length, i = 1, 0  # the text opens with a space, so that patterns need no special start
    while i < len(tokens):
        found = vocabulary.match(tokens, i)
        if found is None:
            out.append(tokens[i])
            length += len(tokens[i]) + 1
            i += 1
            continue
        sense, width = found
        mentions.append(Mention(sense, " ".join(tokens[i : i + width]), sense.weight))
        places.append(length)
        out.append(cues.M)
        length += 2
        i += width
    return _Sentence(" " + " ".join(out) + " ", mentions, places)


def _negated(s: _Sentence) -> set[int]:
    """Mentions that a negation reaches: the first one behind each negator in its clause, and those joined to it by or, nor, and."""
    counts = [0] * len(s.mentions)
    for negator in cues.NEGATOR.finditer(s.text):
        k = next((k for k, place in enumerate(s.places) if place >= negator.end()), None)
        if k is None:
            continue
        gap = s.text[negator.start() : s.places[k]]
        if len(gap.split()) > 12 or cues.NEGATION_BAR.search(gap):
            continue
        counts[k] += 1
        for j in range(k + 1, len(s.mentions)):
            joined = s.between(j - 1, j)
            chain = s.between(k, j)
            ends_in_or = any(cues.OR_LIST.match(s.between(k, later)) for later in range(j, len(s.mentions)))
            if cues.NEGATOR.search(joined) or not (cues.AND_DIRECT.match(joined) or (ends_in_or and cues.COORDINATION.match(chain))):
                break
            counts[j] += 1
    reached = {k for k, count in enumerate(counts) if count % 2 == 1}
    for k in range(len(s.mentions) - 1, -1, -1):
        joined_to_next = k + 1 in reached and counts[k + 1] == 0 and cues.AND_DIRECT.match(s.between(k, k + 1))
        if cues.AFTER_NEGATION.match(s.after(k)) or joined_to_next:  # "anger and sadness are not present"
            reached.add(k)
    return reached


def _cap(mention: Mention, strength: float, why: str) -> None:
    if strength < mention.strength:
        mention.strength, mention.why = strength, why


def _raise(mention: Mention, strength: float, why: str) -> None:
    if 0 < mention.strength < strength:
        mention.strength, mention.why = strength, why


def _weigh_frame(s: _Sentence, k: int, contrast: bool) -> None:
    """What stands around one mention in its clause: report, hint, hedge, others' feelings."""
    mention, before, after = s.mentions[k], s.clause(k), s.after(k)
    for pattern, strength, why in cues.BEFORE:
        if pattern.search(before):
            _cap(mention, strength, why)
    for pattern, strength, why in cues.AFTER:
        if pattern.search(after):
            _cap(mention, strength, why)
    reported = _last_part(s.before(k), cues.REPORT_ENDS)
    report = cues.REPORT.search(reported)
    manner = mention.word.endswith("ly") or re.match(r" (?:\w+ )?(?:voice|tone|manner|way|delivery)\b", after)
    if report and not manner and not cues.VOICE.search(reported[: report.start()].rstrip() + " "):
        _cap(mention, REJECTED, "reported speech")
    if cues.WORDS_SUBJECT.search(before) and not manner:
        _cap(mention, REJECTED if contrast else 0.5, "said of the words")
    if cues.OTHERS.search(s.before(k)):
        _cap(mention, REJECTED, "said of someone else")
    if mention.sense.gender and cues.ADDRESSEE.search(before):
        _cap(mention, REJECTED, "said of someone else")
    if k and re.search(r" with (?:\w+ ){0,2}$", s.between(k - 1, k)) and s.mentions[k - 1].strength > 0 and "mixed with" not in s.between(k - 1, k):
        _cap(mention, 1.25, "in part")
    if re.search(r" than (?:\w+ ){0,2}$", before):
        _cap(mention, REJECTED, "the lesser in a comparison")


def _weigh_order(s: _Sentence, opens_with_contrast: bool) -> None:
    """What comes last or leads: contrast, correction, final and leading words."""
    live = [k for k, mention in enumerate(s.mentions) if mention.strength > 0]
    if correction := cues.SELF_CORRECTION.search(s.text):
        for k in live:
            if s.places[k] > correction.start():
                _raise(s.mentions[k], FINAL if correction.start() else 2.5, "a correction")
            else:
                _cap(s.mentions[k], 1.0, "corrected")
    behind = [(s.places[k], s.places[k] + match.end() + 3) for k in live if (match := cues.STRONG_AFTER.match(s.after(k)))]
    for cue in cues.STRONG.finditer(s.text):
        if any(start < cue.start() < end for start, end in behind):  # "sad is most prominent, anger is secondary" speaks of what stands before it
            continue
        if s.text.startswith(" )", cue.end()):  # "angry (most likely)" speaks of what stands before it
            continue
        following = [k for k in live if s.places[k] > cue.start()]
        for n, k in enumerate(following):
            if n and not cues.COORDINATION.match(s.between(following[n - 1], k)):
                break
            if n == 0 and cues.NEGATOR.search(s.text, cue.end(), s.places[k]) and s.mentions[k].strength < PLAIN:
                break
            if s.mentions[k].strength >= 1.5 or cue[0].startswith(("most", "more", "answer", "overall", "main", "pri")):
                _raise(s.mentions[k], FINAL, "the leading word")
    for k in live:
        if cues.STRONG_AFTER.match(s.after(k)):
            _raise(s.mentions[k], FINAL, "the leading word")
        if cues.KEYED.search(s.before(k)):
            _raise(s.mentions[k], FINAL, "the answer's field")
            for j in range(k + 1, len(s.mentions)):
                if not cues.COORDINATION.match(s.between(j - 1, j)):
                    break
                _raise(s.mentions[j], FINAL, "the answer's field")
    contrasts = [(match.start(), match.end()) for match in cues.CONTRAST.finditer(s.text) if match[0].strip() not in ("although", "though", "despite")]
    if opens_with_contrast:
        contrasts.insert(0, (0, 0))
    for start, end in contrasts:
        for k in live:
            mention = s.mentions[k]
            late = s.places[k] > start and (start == 0 or s.places[k] > end)
            if late and mention.strength >= PLAIN and not cues.ALSO.search(s.text[start : s.places[k]]):
                _raise(mention, mention.strength + 0.5, "behind a contrast")


def _weigh_sentence(s: _Sentence, *, contrast: bool, question: bool, answer: str) -> None:
    text = s.text
    for k in _negated(s):
        _cap(s.mentions[k], REJECTED, "negated")
    refusal = cues.REFUSAL.search(text)
    if refusal:
        back = cues.REFUSAL_ENDS.search(text, refusal.end() - 1)
        for k, place in enumerate(s.places):
            if refusal.start() < place and (back is None or place < back.start()):
                _cap(s.mentions[k], REJECTED, "within a refusal")
    conditional = re.match(r" (?:if|unless|when a|when an) ", text)
    enumeration = cues.ENUMERATION.search(text)
    for k, mention in enumerate(s.mentions):
        _weigh_frame(s, k, contrast)
        if conditional:
            _cap(mention, REJECTED, "a condition")
        if question:
            if answer == "no" or (answer != "yes" and cues.QUESTION.match(text.strip())):
                _cap(mention, REJECTED, "a question")
            _cap(mention, PLAIN if answer == "yes" else 1.0, "a question")
    for k in range(1, len(s.mentions)):
        joined = s.between(k - 1, k)
        hedge = s.mentions[k - 1].why == "hedged" and cues.COORDINATION.match(joined)
        either = re.match(r"(?: ,)? (?:or|/|or (?:a|an|even|perhaps|maybe|possibly|just)) $", joined)
        if hedge or either:  # "could be happy or surprised": one hedge for both
            _cap(s.mentions[k], s.mentions[k - 1].strength or PLAIN, s.mentions[k - 1].why)
        if either:
            _cap(s.mentions[k - 1], s.mentions[k].strength or PLAIN, s.mentions[k].why)
    _weigh_order(s, bool(re.match(r" (?:but|however|yet|nevertheless|nonetheless|still|instead|actually|in fact) ", text)))
    if enumeration:
        listed = [k for k, place in enumerate(s.places) if place > enumeration.end() and s.mentions[k].strength < FINAL]
        if len({s.mentions[k].sense for k in listed}) > 1 or any(m.strength == FINAL for m in s.mentions):
            for k in listed:
                _cap(s.mentions[k], 0.1, "one of the options")


def read(text: str, vocabulary: Vocabulary) -> Reading:
    """Every mention in an answer with its worth.

    Example:
        >>> from cp_paraling_qa.judge.vocabulary import vocabulary_for
        >>> reading = read("He isn't angry, he is sad.", vocabulary_for(("angry", "sad")))
        >>> [(mention.word, mention.strength, mention.why) for mention in reading.mentions]
        [('angry', 0.0, 'negated'), ('sad', 2.0, 'a plain claim')]
    """
    plain = normalise(text)
    found = [_find(part, vocabulary) for part in _SPLIT.split(plain) if part.strip(" .!?;")]
    framed = " ".join(s.text for s in found)
    contrast = bool(cues.CONTRAST.search(framed)) or " while " in framed
    for n, s in enumerate(found):
        question = s.text.rstrip().endswith("?")
        follower = found[n + 1].text if n + 1 < len(found) else ""
        said = re.match(r" (?:(yes|yeah|yep|indeed|exactly|correct)|no|nope|not)\b", follower)
        _weigh_sentence(s, contrast=contrast, question=question, answer="" if said is None else "yes" if said[1] else "no")
        alone = len(s.mentions) == 1 and not s.text.replace(cues.M, "").strip(" .!?,:;()")
        if alone and not question and len(found) > 1 and n in (0, len(found) - 1):
            _raise(s.mentions[0], 2.5, "stands alone")
    mentions = [mention for s in found for mention in s.mentions]
    return Reading(mentions, bool(cues.REFUSAL.search(framed)), bool(cues.NEGATOR.search(framed)), " quotation " in framed)
