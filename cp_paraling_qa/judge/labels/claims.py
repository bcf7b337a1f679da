"""What a free-text answer claims: every label word it mentions, and what each mention is worth.

A mention is worth 3 (the answer's final or leading word), 2 (a plain claim), 1 to 1.5 (in part, hedged, conceded), or 0 (negated, quoted, a hint, a rejected
candidate). The strongest mention decides; two labels of the same worth leave the answer open. The patterns stand in `cues`; here they are only applied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cp_paraling_qa.judge.labels import cues
from cp_paraling_qa.judge.labels.mentions import ALMOST, FINAL, PLAIN, REJECTED, Mention, Sentence, find, last_part
from cp_paraling_qa.judge.labels.plain_text import normalise
from cp_paraling_qa.judge.labels.vocabulary import Sense, Vocabulary

_SPLIT = re.compile(r"(?<=[.!?;\n]) ")


@dataclass(slots=True)
class Reading:
    """An answer as read: its mentions in order, whether it refuses, negates or quotes anything."""

    mentions: list[Mention]
    refusal: bool
    negation: bool
    quotation: bool


def _negated(s: Sentence) -> set[int]:
    """Mentions that a negation reaches: the first one behind each negator in its clause, and those joined to it by or, nor, and."""
    counts = [0] * len(s.mentions)
    for negator in cues.NEGATOR.finditer(s.text):
        k = next((k for k, place in enumerate(s.places) if place >= negator.end()), None)
        if k is None:
            continue
        gap = s.text[negator.start() : s.places[k]]
        if len(gap.split()) > 12 or cues.NEGATION_BAR.search(gap):
            continue
        if counts[k] and negator[0] in ("nor", "neither"):  # "no está ni alegre ni triste": said twice, denied once
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
    for k in range(1, len(s.mentions)):
        if k - 1 in reached and cues.LIKEWISE.match(s.between(k - 1, k)):
            reached.add(k)
    return reached


def _weigh_frame(s: Sentence, k: int, contrast: bool) -> None:
    """What stands around one mention in its clause: report, hint, hedge, others' feelings."""
    mention, before, after = s.mentions[k], s.clause(k), s.after(k)
    for pattern, strength, why in cues.BEFORE:
        if pattern.search(before):
            mention.cap(strength, why)
    for pattern, strength, why in cues.AFTER:
        if pattern.search(after) and not (strength == REJECTED and cues.SIMILE.search(before)):
            mention.cap(strength, why)
    reported = last_part(s.before(k), cues.REPORT_ENDS)
    report = cues.REPORT.search(reported)
    manner = mention.word.endswith("ly") or re.match(r" (?:\w+ )?(?:voice|tone|manner|way|delivery)\b", after)
    if (
        report
        and not manner
        and (re.match("discuss|mention|describ|narrat|recount|talk", report[0]) or not cues.VOICE.search(reported[: report.start()].rstrip() + " "))
    ):
        mention.cap(ALMOST if re.search(r" (?:makes?|making) $", before) else REJECTED, "reported speech")
    if cues.WORDS_SUBJECT.search(before) and not manner:
        mention.cap(ALMOST if contrast else 0.5, "said of the words")
    if cues.OTHERS.search(s.before(k)):
        mention.cap(REJECTED, "said of someone else")
    if mention.sense.gender and cues.ADDRESSEE.search(before):
        mention.cap(REJECTED, "said of someone else")
    if k and re.search(r" with (?:\w+ ){0,2}$", s.between(k - 1, k)) and s.mentions[k - 1].strength > 0 and "mixed with" not in s.between(k - 1, k):
        mention.cap(1.25, "in part")
    if cues.GENERIC.match(after) and not cues.DETERMINER.search(before):
        mention.cap(ALMOST, "a general remark")
    if cues.FIRST_GUESS.search(s.before(k)):
        mention.cap(0.75, "a candidate")
    if re.search(r" than (?:\w+ ){0,2}$", before):
        mention.cap(REJECTED, "the lesser in a comparison")


def _weigh_order(s: Sentence, opens_with_contrast: bool) -> None:
    """What comes last or leads: contrast, correction, final and leading words."""
    live = [k for k, mention in enumerate(s.mentions) if mention.strength > 0]
    if correction := cues.SELF_CORRECTION.search(s.text):
        for k in live:
            if s.places[k] > correction.start():
                s.mentions[k].lift(FINAL if correction.start() else 2.5, "a correction")
            else:
                s.mentions[k].cap(1.0, "corrected")
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
                s.mentions[k].lift(FINAL, "the leading word")
    for k in live:
        if cues.STRONG_AFTER.match(s.after(k)):
            s.mentions[k].lift(FINAL, "the leading word")
        if cues.KEYED.search(s.before(k)) and not cues.FIRST_GUESS.search(s.before(k)):
            s.mentions[k].lift(FINAL, "the answer's field")
            for j in range(k + 1, len(s.mentions)):
                if not cues.COORDINATION.match(s.between(j - 1, j)):
                    break
                s.mentions[j].lift(FINAL, "the answer's field")
    contrasts = [(match.start(), match.end()) for match in cues.CONTRAST.finditer(s.text) if match[0].strip() not in ("although", "though", "despite")]
    if opens_with_contrast:
        contrasts.insert(0, (0, 0))
    for start, end in contrasts:
        for k in live:
            mention = s.mentions[k]
            late = s.places[k] > start and (start == 0 or s.places[k] > end)
            if late and mention.strength >= PLAIN and not cues.ALSO.search(s.text[start : s.places[k]]):
                mention.lift(mention.strength + 0.5, "behind a contrast")


def _weigh_sentence(s: Sentence, complements: Mapping[str, str], *, contrast: bool, question: bool, answer: str) -> None:
    text = s.text
    for k in _negated(s):
        opposite = complements.get(s.mentions[k].sense.label or "")
        if opposite:
            s.mentions[k].sense, s.mentions[k].why = Sense(opposite), "the other of the two"
        else:
            s.mentions[k].cap(REJECTED, "negated")
    refusal = cues.REFUSAL.search(text)
    if refusal:
        back = cues.REFUSAL_ENDS.search(text, refusal.end() - 1)
        for k, place in enumerate(s.places):
            if refusal.start() < place and (back is None or place < back.start()):
                s.mentions[k].cap(REJECTED, "within a refusal")
    conditional = re.match(r" (?:if|unless|when a|when an) ", text)
    enumeration = cues.ENUMERATION.search(text)
    conceded = cues.OPENING_CONCESSION.match(text)
    for k, mention in enumerate(s.mentions):
        _weigh_frame(s, k, contrast)
        if conditional:
            mention.cap(REJECTED, "a condition")
        if conceded and s.places[k] < conceded.end():
            mention.cap(1.0, "a concession")
        if question:
            if answer == "no" or (answer != "yes" and cues.QUESTION.match(text.strip())):
                mention.cap(REJECTED, "a question")
            mention.cap(PLAIN if answer == "yes" else 1.0, "a question")
    for k in range(1, len(s.mentions)):
        joined = s.between(k - 1, k)
        hedge = s.mentions[k - 1].why == "hedged" and cues.COORDINATION.match(joined)
        either = re.match(r"(?: ,)? (?:or|/|or (?:a|an|even|perhaps|maybe|possibly|just)) $", joined)
        if s.mentions[k - 1].why == "a condition" and cues.COORDINATION.match(joined):  # "whether it is joy, anger or fear"
            s.mentions[k].cap(REJECTED, "a condition")
        if hedge or either:  # "could be happy or surprised": one hedge for both
            s.mentions[k].cap(s.mentions[k - 1].strength or PLAIN, s.mentions[k - 1].why)
        if either:
            s.mentions[k - 1].cap(s.mentions[k].strength or PLAIN, s.mentions[k].why)
        if s.mentions[k - 1].why == "said of someone else" and cues.SAME_SUBJECT.match(joined):  # "her mother is sad and angry"
            s.mentions[k].cap(REJECTED, "said of someone else")
        if s.mentions[k].why == "within a refusal" and cues.AND_DIRECT.match(joined):  # "interest and boredom are hard to hear"
            s.mentions[k - 1].cap(REJECTED, "within a refusal")
        if s.mentions[k - 1].why == "a general remark" and not cues.SPECIFIC.search(joined):
            s.mentions[k].cap(ALMOST, "a general remark")
    _weigh_order(s, bool(re.match(r" (?:but|however|yet|nevertheless|nonetheless|still|instead|actually|in fact) ", text)))
    if enumeration:
        listed = [k for k, place in enumerate(s.places) if place > enumeration.end() and s.mentions[k].strength < FINAL]
        past = next((n for n in range(1, len(listed)) if cues.PREDICATE.search(s.between(listed[n] - 1, listed[n]))), len(listed))
        listed = listed[:past]
        if len({s.mentions[k].sense for k in listed}) > 1 or any(m.strength == FINAL for m in s.mentions):
            for k in listed:
                s.mentions[k].cap(0.1, "one of the options")


def _weigh_time(sentences: list[Sentence]) -> None:
    """Where the speaker changes, the state that comes last outweighs the ones before it."""
    earlier: set[str | None] = set()
    for s in sentences:
        for k, mention in enumerate(s.mentions):
            if mention.strength <= ALMOST:
                continue
            if earlier - {mention.sense.label} and mention.strength >= 1.25 and (cues.LATER.search(s.before(k)) or cues.LATER_AFTER.match(s.after(k))):
                mention.lift(2.5, "the state at the end")
            earlier.add(mention.sense.label)


def read(text: str, vocabulary: Vocabulary) -> Reading:
    """Every mention in an answer with its worth.

    Example:
        >>> from cp_paraling_qa.judge.labels.vocabulary import vocabulary_for
        >>> reading = read("He isn't angry, he is sad.", vocabulary_for(("angry", "sad")))
        >>> [(mention.word, mention.strength, mention.why) for mention in reading.mentions]
        [('angry', 0.0, 'negated'), ('sad', 2.0, 'a plain claim')]
    """
    plain = normalise(text)
    found = [find(part, vocabulary) for part in _SPLIT.split(plain) if part.strip(" .!?;")]
    framed = " ".join(s.text for s in found)
    contrast = bool(cues.CONTRAST.search(framed)) or " while " in framed
    for n, s in enumerate(found):
        question = s.text.rstrip().endswith("?")
        follower = found[n + 1].text if n + 1 < len(found) else ""
        said = cues.REPLIED.match(follower)
        _weigh_sentence(s, vocabulary.complements, contrast=contrast, question=question, answer="" if said is None else "yes" if said[1] else "no")
        if n and cues.SO_WOULD.match(s.text) and found[n - 1].mentions and found[n - 1].mentions[-1].why == "negated":
            s.mentions[0].cap(REJECTED, "negated")
        alone = len(s.mentions) == 1 and not s.text.replace(cues.M, "").strip(" .!?,:;()")
        if alone and not question and len(found) > 1 and n in (0, len(found) - 1):
            s.mentions[0].lift(2.5, "stands alone")
        if n and (cues.CORRECTED.search(s.text) or cues.CORRECTS.match(s.text)):
            for mention in (mention for earlier in found[: n + bool(cues.CORRECTED.search(s.text))] for mention in earlier.mentions):
                mention.cap(1.0, "corrected")
    _weigh_time(found)
    if cues.UNWILLING.search(framed):
        for mention in (mention for s in found for mention in s.mentions if mention.why in ("hedged", "a candidate", "a general remark", "a question")):
            mention.cap(REJECTED, "within a refusal")
    if cues.SEVERAL_SPEAKERS.search(framed):
        for s in found:
            for k, mention in enumerate(s.mentions):
                if cues.ONE_OF_SEVERAL.search(s.before(k)):
                    mention.cap(REJECTED, "said of one of several speakers")
    mentions = [mention for s in found for mention in s.mentions]
    return Reading(mentions, bool(cues.REFUSAL.search(framed)), bool(cues.NEGATOR.search(framed)), " quotation " in framed)
