"""The rules of condensation, each pure: keep, or drop with a reason. After arXiv 2505.13338, section 3.1; what it leaves open is said where it is chosen.

In this order: sentiment map and valence consistency window by window; occurrence, length and agreement clip by clip; balance (`select`) over all clips that are left.
A clip none of whose windows survives a rule is dropped by that rule, for the reason that most of the windows that fell there had.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from cp_paraling_qa import ledger
from cp_paraling_qa.condense.options import CondenseOptions
from cp_paraling_qa.condense.windows import Heard
from cp_paraling_qa.errors import LabelError
from cp_paraling_qa.labels import SENTIMENT, canonical
from cp_paraling_qa.schema import Seconds

NO_EMOTION = "no emotion"
TIED = "opinions are tied"
NO_SENTIMENT = "emotion without a sentiment"
CONTRADICTS = "valence contradicts the emotion"
TOO_FEW = "emotion in too few windows"
DISAGREE = "opinions disagree"
OVER_BUDGET = "over budget"


class Verdict(NamedTuple):
    """Keep (no reason), or drop: a reason that can be counted, and what is special about this one."""

    reason: str | None = None
    detail: str = ""


KEEP = Verdict()


class Judged(NamedTuple):
    """What the rules say of a clip.

    Args:
        verdict: keep, or drop.
        emotion: what it counts as when clips are balanced; None where nothing was heard.
        trusted: for each window, whether its emotion has a sentiment that its valence does not contradict.
        checked: whether a valence was known in any of the windows that carry the clip's emotions.
    """

    verdict: Verdict
    emotion: str | None
    trusted: tuple[bool, ...]
    checked: bool


def reasons(options: CondenseOptions) -> dict[str, str]:
    """Every reason for which a clip can be dropped under these options → its rule, in the order of the rules."""
    limits = [(_shorter(options.min_seconds), "length")] if options.min_seconds else []
    limits += [(_longer(options.max_seconds), "length")] if options.max_seconds is not None else []
    budget = [(OVER_BUDGET, "balance")] if options.max_clips is not None or options.max_hours is not None else []
    return dict(
        [
            *((reason, "sentiment") for reason in (NO_EMOTION, TIED, NO_SENTIMENT)),
            (CONTRADICTS, "consistency"),
            (TOO_FEW, "occurrence"),
            *limits,
            (DISAGREE, "agreement"),
            *budget,
        ]
    )


def sentiment_of(window: Heard) -> Verdict:
    """Whether a window has one emotion, and that emotion a sentiment: "other" and "unknown" have none, nor has a label that `labels.SENTIMENT` lacks.

    A tie is nobody's label (our choice).
    """
    if window.label is None:
        return Verdict(NO_EMOTION, "nobody whose opinion counts named one")
    if window.tied:
        return Verdict(TIED, f"{window.label} and another label have {window.share:.0%} of the votes each")
    return KEEP if window.label in SENTIMENT else Verdict(NO_SENTIMENT, window.label)


def consistency(sentiment: str, valence: float | None, *, positive_above: float = 0.5, negative_below: float = 0.4, clip_id: str = "") -> Verdict:
    """Whether a categorical sentiment and a valence tell the same story.

    The paper's thresholds are x = 0.5 and y = 0.4; how they are applied is our reading. "ambiguous" (surprise) passes at any valence, and so does everything where no
    valence is known: such clips are counted as unchecked.

    Args:
        sentiment: positive, neutral, negative or ambiguous, from `labels.SENTIMENT`.
        valence: 0 (negative) to 1 (positive); None where nobody scored it.
        positive_above: x: positive needs more.
        negative_below: y: negative needs less; neutral needs y to x, both included.
        clip_id: for the error.

    Raises:
        LabelError: valence is NaN or outside 0–1, naming the clip.

    Example:
        >>> consistency("positive", 0.7), consistency("negative", 0.62)
        (Verdict(reason=None, detail=''), Verdict(reason='valence contradicts the emotion', detail='valence 0.62 is not negative'))
    """
    if valence is None:
        return KEEP
    if not 0 <= valence <= 1:
        raise LabelError(f"clip {clip_id}: valence {valence:g} is not within 0–1; scale the scores of its source")
    fits = {
        "positive": valence > positive_above,
        "negative": valence < negative_below,
        "neutral": negative_below <= valence <= positive_above,
        "ambiguous": True,
    }[sentiment]
    return KEEP if fits else Verdict(CONTRADICTS, f"valence {valence:.2f} is not {sentiment}")


def occurring(labels: Sequence[str], total: int, *, min_windows: int = 2, min_share: float = 0.3) -> set[str]:
    """The emotions that enough of a clip's windows carry: `min_windows` of them, or `min_share` of all. The paper's values are unknown; these are our choice.

    Args:
        labels: of the windows that survived so far.
        total: windows of the clip, fallen ones included.
        min_windows: so many are enough.
        min_share: so large a share of `total` is enough, 0–1.

    Example:
        >>> sorted(occurring(["sad", "sad", "angry"], 8)), occurring(["happy"], 1)
        (['sad'], {'happy'})
    """
    return {label for label, count in Counter(labels).items() if count >= min_windows or count / total >= min_share}


def length(seconds: Seconds, min_seconds: Seconds | None, max_seconds: Seconds | None) -> Verdict:
    """Whether a clip is neither too short nor too long. The paper has such a rule, its value is unknown: no limit unless one is given."""
    if min_seconds is not None and seconds < min_seconds:
        return Verdict(_shorter(min_seconds), f"{seconds:.2f} s")
    if max_seconds is not None and seconds > max_seconds:
        return Verdict(_longer(max_seconds), f"{seconds:.2f} s")
    return KEEP


def agreement(windows: Sequence[Heard], reference: str | None, *, min_agreement: float = 0.5) -> Verdict:
    """Whether those who spoke agree on what is kept of a clip (our rule; `windows` tells who votes).

    Two things are asked: that the windows' labels have `min_agreement` of the votes, as a mean over their seconds; and that what the ledger says of the clip, which
    is what questions will ask about and where people have the first word, is among them.

    Args:
        windows: those that carry the clip's emotions; at least one.
        reference: the ledger's consensus, canonical; None where it has none.
        min_agreement: 0–1.
    """
    share = sum(w.share * (w.end - w.start) for w in windows) / sum(w.end - w.start for w in windows)
    labels = sorted({str(w.label) for w in windows})
    if share < min_agreement - 1e-9:
        return Verdict(DISAGREE, f"{' and '.join(labels)}: {share:.0%} of the votes")
    if reference is not None and reference not in labels:
        return Verdict(DISAGREE, f"the label of the clip is {reference}, its windows say {' and '.join(labels)}")
    return KEEP


def judge(clip: Mapping[str, Any], heard: Sequence[Heard], options: CondenseOptions) -> Judged:
    """All rules but the balance, in order; the first one that a clip fails drops it.

    Args:
        clip: needs clip_id, duration, opinions.
        heard: its windows, from `windows.hear`.
        options: the thresholds.

    Raises:
        LabelError: a valence that is NaN or outside 0–1, naming the clip.
    """
    reference = ledger.consensus([o for o in clip["opinions"] if o["source"] in options.sources], "emotion")
    reference = canonical(reference) if reference else None

    def judged(verdict: Verdict, emotions: Collection[str] = (), checked: bool = False) -> Judged:
        return Judged(verdict, _main(heard, emotions or {w.label for w in heard if w.label}, reference), tuple(trusted), checked)

    first = [sentiment_of(window) for window in heard]
    trusted = [verdict is KEEP for verdict in first]
    if not any(trusted):
        return judged(_most(first))
    second = [
        consistency(
            SENTIMENT[str(window.label)],
            window.valence,
            positive_above=options.positive_above,
            negative_below=options.negative_below,
            clip_id=clip["clip_id"],
        )
        if alive
        else KEEP
        for window, alive in zip(heard, trusted, strict=True)
    ]
    trusted = [alive and verdict is KEEP for alive, verdict in zip(trusted, second, strict=True)]
    if not any(trusted):
        return judged(_most(second))
    left = [window for window, alive in zip(heard, trusted, strict=True) if alive]
    counts = Counter(str(window.label) for window in left)
    emotions = occurring([str(window.label) for window in left], len(heard), min_windows=options.min_windows, min_share=options.min_share)
    if not emotions:
        return judged(Verdict(TOO_FEW, f"{', '.join(f'{label} in {count}' for label, count in sorted(counts.items()))} of {len(heard)} windows"))
    carrying = [window for window in left if window.label in emotions]
    checked = any(window.valence is not None for window in carrying)
    verdict = length(clip["duration"], options.min_seconds, options.max_seconds)
    if verdict is KEEP:
        verdict = agreement(carrying, reference, min_agreement=options.min_agreement)
    return judged(verdict, emotions, checked)


def _main(heard: Sequence[Heard], emotions: Collection[str | None], reference: str | None) -> str | None:
    """The one emotion that a clip counts as: the ledger's where the windows carry it, else the one that holds longest."""
    if reference in emotions:
        return reference
    seconds: dict[str, Seconds] = defaultdict(float)
    for window in heard:
        if window.label in emotions:
            seconds[str(window.label)] += window.end - window.start
    return min(seconds, key=lambda label: (-seconds[label], label)) if seconds else reference


def _most(verdicts: Sequence[Verdict]) -> Verdict:
    """The commonest of the reasons to drop, the first one where two are level."""
    fallen = [verdict for verdict in verdicts if verdict is not KEEP]
    counts = Counter(verdict.reason for verdict in fallen)
    return max(fallen, key=lambda verdict: counts[verdict.reason])


def _shorter(seconds: Seconds | None) -> str:
    return f"shorter than {seconds:g} s"


def _longer(seconds: Seconds | None) -> str:
    return f"longer than {seconds:g} s"
