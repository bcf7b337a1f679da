"""What is heard in each window of a clip: one label with its share of the votes, and a valence.

Who votes, and with what weight:
- **Every rater has one voice**, be it a person, a corpus's maker or a model, in each window. A rater who names several labels (posteriors, a multiple choice)
  splits the voice in their proportion. Three models thus count by the mean of their posteriors, as in arXiv 2505.13338 (its combination is unknown; our choice).
- A rater is known by source, id and revision. Vote shares that come without ids are one rater: their panel. An opinion with neither id nor probability is a rater
  of its own.
- A self-report has no voice. An **acted label** is one voice beside the models', and none where people listened and voted: the rule of `ledger`.
- Opinions about a span count where it overlaps a window's labelled span, in proportion to the overlap, so that recognisers may have windows of their own. A rater's
  opinion about the whole clip counts in every window that no span of theirs touches: a clip without any span has the same label all over.

Valence is the mean of the raters' scores under the same weights.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cp_paraling_qa import ledger
from cp_paraling_qa.annotate.windows import windows
from cp_paraling_qa.condense.options import CondenseOptions
from cp_paraling_qa.errors import LabelError
from cp_paraling_qa.labels import canonical
from cp_paraling_qa.schema import Opinion, Seconds, Word

TOUCHES: Seconds = 1e-6
"""Less of an overlap is rounding."""


class Heard(NamedTuple):
    """One window: where its label holds (seconds from the clip's start), and what was heard."""

    start: Seconds
    end: Seconds
    label: str | None  # canonical; None where nobody voted
    share: float  # of the votes, 0–1
    tied: bool  # another label has as many
    valence: float | None  # 0 (negative) to 1 (positive); None where nobody scored it


Voice = list[Opinion]


def hear(clip: Mapping[str, Any], options: CondenseOptions) -> list[Heard]:
    """The windows of a clip, in order, without gap from 0 to its end.

    Args:
        clip: needs clip_id, duration, opinions.
        options: window, hop, sources.

    Raises:
        LabelError: a valence that is NaN or outside 0–1, naming the clip.
    """
    emotions = voices(clip["opinions"], "emotion", options.sources)
    valences = voices(clip["opinions"], "valence", options.sources)
    for score in (o["score"] for voice in valences for o in voice):
        if score is not None and not 0 <= score <= 1:
            raise LabelError(f"clip {clip['clip_id']}: valence {score:g} is not within 0–1; scale the scores of its source")
    heard = []
    for _, _, start, end in windows(clip["duration"], options.window, options.hop):
        votes = sorted(tally(emotions, start, end).items(), key=lambda item: (-item[1], item[0]))
        label, weight = votes[0] if votes else (None, 0.0)
        tied = len(votes) > 1 and math.isclose(weight, votes[1][1])
        heard.append(Heard(start, end, label, weight / sum(w for _, w in votes) if votes else 0.0, tied, _mean_score(valences, start, end)))
    return heard


def voices(opinions: Iterable[Opinion], field: str, sources: Collection[str]) -> list[Voice]:
    """Opinions about a field by rater, as the module tells."""
    about = ledger.without_acted([o for o in opinions if o["field"] == field and o["source"] in sources and o["source"] != "self"])
    by_rater: dict[Any, Voice] = defaultdict(list)
    for number, o in enumerate(about):
        nameless = number if o["rater"] is None and o["probability"] is None else None
        by_rater[o["source"], o["rater"], o["revision"], nameless].append(o)
    return list(by_rater.values())


def tally(raters: Iterable[Voice], start: Seconds, end: Seconds) -> dict[str, float]:
    """Votes for each label from `start` to `end`: canonical label → voices, in whole raters."""
    votes: dict[str, float] = defaultdict(float)
    for voice in raters:
        said, presence = _said_here([o for o in voice if o["value"]], start, end)
        masses = [(canonical(str(o["value"])), (1.0 if o["probability"] is None else o["probability"]) * part) for o, part in said]
        total = sum(mass for _, mass in masses)
        for label, mass in masses:
            if mass > 0:
                votes[label] += presence * mass / total
    return votes


def _mean_score(raters: Iterable[Voice], start: Seconds, end: Seconds) -> float | None:
    total = weight = 0.0
    for voice in raters:
        said, presence = _said_here([o for o in voice if o["score"] is not None], start, end)
        if said:
            total += presence * sum((o["score"] or 0.0) * part for o, part in said) / sum(part for _, part in said)
            weight += presence
    return min(1.0, max(0.0, total / weight)) if weight else None  # a mean of ones may come out a rounding above 1


def _said_here(voice: Voice, start: Seconds, end: Seconds) -> tuple[list[tuple[Opinion, Seconds]], float]:
    """A rater's opinions that hold between `start` and `end` with the seconds for which they do, and the share of that time that the rater covers."""
    spans = [(o, min(end, o["end"]) - max(start, o["start"])) for o in voice if o["start"] is not None and o["end"] is not None]
    touching = [(o, seconds) for o, seconds in spans if seconds > TOUCHES]
    if touching:
        covered = sum({(o["start"], o["end"]): seconds for o, seconds in touching}.values())
        return touching, min(1.0, covered / (end - start))
    whole = [(o, end - start) for o in voice if o["start"] is None or o["end"] is None]
    return whole, 1.0 if whole else 0.0


def tagged(clip: Mapping[str, Any], heard: Sequence[Heard], trusted: Sequence[bool], sources: Collection[str]) -> list[Word]:
    """A clip's words with the emotion and gender of the window whose labelled span holds their middle.

    Args:
        clip: needs words, gender, opinions.
        heard: its windows.
        trusted: for each window, whether its emotion survived; a word in another one has none.
        sources: whose opinions count.

    Returns:
        new words. One without any time has neither. The gender is what people said of the window, else of the clip; a model's where no person spoke.
    """
    known = [o for o in clip["opinions"] if o["value"] not in ledger.NO_LABEL]
    of_clip = clip["gender"] or ledger.consensus(known, "gender", sources=ledger.REFERENCE_SOURCES)
    about_spans = [o for o in known if o["start"] is not None and o["end"] is not None]
    people = voices(about_spans, "gender", [source for source in sources if source in ledger.REFERENCE_SOURCES])
    models = [] if of_clip else voices(about_spans, "gender", [source for source in sources if source not in ledger.REFERENCE_SOURCES])
    of_clip = of_clip or ledger.gender(clip)
    genders = [_top(tally(people, at.start, at.end)) or _top(tally(models, at.start, at.end)) or of_clip for at in heard]
    words = []
    for word in clip["words"]:
        times = [time for time in (word["start"], word["end"]) if time is not None]
        emotion = gender = None
        if times:
            middle = sum(times) / len(times)
            at = next((number for number, window in enumerate(heard) if middle < window.end), len(heard) - 1)
            emotion, gender = heard[at].label if trusted[at] else None, genders[at]
        words.append(Word(word=word["word"], start=word["start"], end=word["end"], probability=word["probability"], emotion=emotion, gender=gender))
    return words


def _top(votes: Mapping[str, float]) -> str | None:
    """The label with most votes; None where there are none or the first two are level."""
    ranked = sorted(votes.values(), reverse=True)
    if not ranked or (len(ranked) > 1 and math.isclose(ranked[0], ranked[1])):
        return None
    return max(votes, key=lambda label: votes[label])
