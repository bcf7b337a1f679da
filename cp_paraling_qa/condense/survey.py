"""All clips of a run under the rules, without writing anything: who is kept, who is dropped and why, and what other thresholds would keep.

Balance looks at all clips at once. What it needs of a clip is a few numbers, held in arrays: about 60 bytes a clip and set of options, whatever was said about it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from math import exp, isfinite, log, nan
from pathlib import Path
from typing import Any

from cp_paraling_qa import ledger
from cp_paraling_qa.condense.options import CondenseOptions
from cp_paraling_qa.condense.rules import OVER_BUDGET, judge, reasons
from cp_paraling_qa.condense.select import key_of, select
from cp_paraling_qa.condense.windows import hear
from cp_paraling_qa.stage import check_chain, parts_of, read_part

COLUMNS = ["clip_id", "corpus", "speaker_id", "duration", "opinions"]
BINS = 10
TOP = 20
NO_LABEL = "none"


@dataclass(frozen=True)
class Step:
    """One reason of one rule, and how many clips it dropped."""

    rule: str
    reason: str
    dropped: int


@dataclass(frozen=True)
class Funnel:
    """What became of a run's clips.

    Args:
        rows_in: clips that came in.
        steps: every reason in the order of the rules, those that dropped nobody included.
        unchecked: clips kept for whose windows no valence was known.
        emotions: kept clips by the emotion that they count as, most frequent first.
    """

    rows_in: int
    steps: tuple[Step, ...]
    unchecked: int
    emotions: dict[str, int]

    @property
    def rows_out(self) -> int:
        """Clips kept: those that came in less those that were dropped."""
        return self.rows_in - sum(step.dropped for step in self.steps)

    def plain(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"steps": [asdict(step) for step in self.steps], "rows_out": self.rows_out}


@dataclass
class Names:
    """Strings as numbers."""

    codes: dict[str, int] = field(default_factory=dict)

    def code(self, name: str | None) -> int:
        """The number of a name; -1 for None."""
        return -1 if name is None else self.codes.setdefault(name, len(self.codes))

    def names(self) -> list[str]:
        """The names in the order of their numbers."""
        return list(self.codes)


class Judgement:
    """What one set of options makes of every clip.

    Args:
        options: the thresholds.
    """

    def __init__(self, options: CondenseOptions) -> None:
        self.options = options
        self.reasons = reasons(options)
        self.number = {reason: at for at, reason in enumerate(self.reasons)}
        self.fate = array("b")  # of each clip: -1 kept, else the number of the reason
        self.emotion = array("i")
        self.unchecked = bytearray()


class Survey:
    """The clips of a run in numbers, under one or several sets of options that share windows and sources.

    Args:
        run: RUN.
        options: at least one.

    Raises:
        StageError: RUN/clips has not finished or is out of date.
        LabelError: a clip with a valence that is none, named.
    """

    def __init__(self, run: Path, *options: CondenseOptions) -> None:
        self.record = check_chain(run, "manifest", "annotations", "clips")["clips"]
        self.judgements = [Judgement(each) for each in options]
        self.emotions, self.speakers, self.corpora = Names(), Names(), Names()
        self.keys, self.seconds = array("Q"), array("d")
        self.speaker, self.corpus = array("i"), array("i")
        self.axes = {"valence": array("d"), "arousal": array("d")}
        self.parts: list[tuple[Path, int, int]] = []  # path, first clip, one past the last
        for path in parts_of(run / "clips"):
            first = len(self.keys)
            for clip in read_part(path, COLUMNS):
                self._add(clip)
            self.parts.append((path, first, len(self.keys)))
        for each in self.judgements:
            self._balance(each)

    def _add(self, clip: dict[str, Any]) -> None:
        self.keys.append(key_of(clip["clip_id"]))
        self.seconds.append(clip["duration"])
        self.corpus.append(self.corpora.code(clip["corpus"]))
        self.speaker.append(self.speakers.code(f"{clip['corpus']}/{clip['speaker_id']}" if clip["speaker_id"] else None))
        heard = hear(clip, self.judgements[0].options)
        for axis, scores in self.axes.items():
            score = ledger.axis_mean(clip["opinions"], axis)
            scores.append(nan if score is None else score)
        for each in self.judgements:
            judged = judge(clip, heard, each.options)
            each.fate.append(-1 if judged.verdict.reason is None else each.number[judged.verdict.reason])
            each.emotion.append(self.emotions.code(judged.emotion))
            each.unchecked.append(not judged.checked)

    def _balance(self, judgement: Judgement) -> None:
        """Lets the clips go that the budget has no room for."""
        options = judgement.options
        if OVER_BUDGET not in judgement.reasons:
            return
        left = [at for at, fate in enumerate(judgement.fate) if fate < 0]
        chosen = select(
            [self.keys[at] for at in left],
            [judgement.emotion[at] for at in left],
            [self.corpus[at] for at in left],
            [self.speaker[at] if self.speaker[at] >= 0 else None for at in left],
            [self.seconds[at] for at in left],
            max_clips=options.max_clips,
            max_seconds=None if options.max_hours is None else options.max_hours * 3600,
        )
        over = judgement.number[OVER_BUDGET]
        for at, stays in zip(left, chosen, strict=True):
            if not stays:
                judgement.fate[at] = over

    def funnel(self, number: int = 0) -> Funnel:
        """What one set of options makes of the run."""
        judgement = self.judgements[number]
        fates, names = Counter(judgement.fate), self.emotions.names()
        kept = Counter(names[emotion] for emotion, fate in zip(judgement.emotion, judgement.fate, strict=True) if fate < 0)
        return Funnel(
            rows_in=len(self.keys),
            steps=tuple(Step(rule, reason, fates[at]) for at, (reason, rule) in enumerate(judgement.reasons.items())),
            unchecked=sum(1 for unchecked, fate in zip(judgement.unchecked, judgement.fate, strict=True) if unchecked and fate < 0),
            emotions=dict(sorted(kept.items(), key=lambda item: (-item[1], item[0]))),
        )

    def over_budget(self) -> list[tuple[Path, set[int]]]:
        """For each part, the keys of its clips that passed the rules and that the budget has no room for."""
        judgement = self.judgements[0]
        if OVER_BUDGET not in judgement.reasons:
            return [(path, set()) for path, _, _ in self.parts]
        over = judgement.number[OVER_BUDGET]
        return [(path, {self.keys[at] for at in range(first, end) if judgement.fate[at] == over}) for path, first, end in self.parts]

    def distributions(self) -> dict[str, Any]:
        """How emotions, speakers, corpora, valence and arousal are spread, before and after; JSON-able, for `report.plot_distributions`."""
        everyone = range(len(self.keys))
        kept = [at for at in everyone if self.judgements[0].fate[at] < 0]
        return {"before": self._spread(everyone), "after": self._spread(kept)}

    def _spread(self, clips: Sequence[int]) -> dict[str, Any]:
        names, corpora, speakers = self.emotions.names(), self.corpora.names(), self.speakers.names()
        emotions = Counter(names[code] if (code := self.judgements[0].emotion[at]) >= 0 else NO_LABEL for at in clips)
        of_speaker = Counter(self.speaker[at] for at in clips)
        everywhere = Counter(code for code in self.speaker if code >= 0)
        top = sorted(everywhere, key=lambda code: (-everywhere[code], speakers[code]))[:TOP]
        of_corpus = Counter(corpora[self.corpus[at]] for at in clips)
        known = [count for code, count in of_speaker.items() if code >= 0]
        return {
            "clips": len(clips),
            "hours": round(sum(self.seconds[at] for at in clips) / 3600, 4),
            "emotion": _sorted(emotions),
            "corpus": _sorted(of_corpus),
            "speakers": len(known),
            "unknown_speakers": of_speaker[-1],
            "speaker": {speakers[code]: of_speaker[code] for code in top},
            "effective": {
                "emotion": effective([count for name, count in emotions.items() if name != NO_LABEL]),
                "corpus": effective(list(of_corpus.values())),
                "speaker": effective(known),
            },
            **{axis: _histogram([scores[at] for at in clips]) for axis, scores in self.axes.items()},
        }


def effective(counts: Sequence[int]) -> float:
    """How many equal classes are as spread out as these: the exponential of their entropy. 0 for none, at most their number.

    Example:
        >>> effective([5, 5, 5, 0]), effective([1000]), effective([90, 10])
        (3.0, 1.0, 1.38)
    """
    total = sum(counts)
    return round(exp(-sum(count / total * log(count / total) for count in counts if count)), 2) if total else 0.0


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _histogram(scores: Sequence[float]) -> list[int]:
    """Clips in each tenth of 0–1; those without a score are in none."""
    counts = Counter(min(BINS - 1, int(score * BINS)) for score in scores if isfinite(score))
    return [counts[number] for number in range(BINS)]


def dry_run(run: Path, options: CondenseOptions) -> Funnel:
    """What `make_condensed` would keep, and drop for which reasons. Writes nothing."""
    return Survey(run, options).funnel()


@dataclass(frozen=True)
class SweepRow:
    """One set of thresholds and what it would keep.

    Args:
        changed: what differs from the chosen options; empty for those themselves.
        options: all of them.
        kept: clips.
        emotions: kept clips by emotion.
    """

    changed: str
    options: CondenseOptions
    kept: int
    emotions: dict[str, int]


def sweep(run: Path, options: CondenseOptions) -> list[SweepRow]:
    """What other thresholds would keep: the chosen ones first, then each of x, y, the two of the occurrence rule, and the agreement lower and higher.

    One reading of the clips for all of them; the budget, where there is one, holds for each. Writes nothing.
    """
    changes = [{}, *_changes(options)]
    survey = Survey(run, *(replace(options, **change) for change in changes))
    rows = []
    for number, change in enumerate(changes):
        funnel = survey.funnel(number)
        told = ", ".join(f"{name} {value:g}" for name, value in change.items())
        rows.append(SweepRow(told, survey.judgements[number].options, funnel.rows_out, funnel.emotions))
    return rows


def _changes(options: CondenseOptions) -> list[dict[str, Any]]:
    """One threshold moved at a time, as far as it can be moved."""
    x, y = options.positive_above, options.negative_below
    tried: list[tuple[str, float, float, float]] = [  # name, value, lowest, highest
        *(("positive_above", x + step, y, 1.0) for step in (-0.1, 0.1)),
        *(("negative_below", y + step, 0.0, x) for step in (-0.1, 0.1)),
        *(("min_share", options.min_share + step, 0.0, 1.0) for step in (-0.2, 0.2)),
        *(("min_windows", options.min_windows + step, 1, 99) for step in (-1, 1)),
        *(("min_agreement", options.min_agreement + step, 0.0, 1.0) for step in (-0.2, 0.1, 0.2, 0.4)),
    ]
    return [{name: value if name == "min_windows" else round(value, 4)} for name, value, low, high in tried if low <= round(value, 4) <= high]
