"""What came of writing questions, for a person: a table, ten rows as they are, and what was dropped most, with examples."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cp_paraling_qa.generate.options import LLM_KINDS
from cp_paraling_qa.generate.tally import Tally
from cp_paraling_qa.llm import ClientStats
from cp_paraling_qa.stage import Row, clips_folder, read_rows

if TYPE_CHECKING:
    from rich.console import RenderableType

TAKEN, LIVE = "taken over from the dataset", "written live"
SHOWN = 10
WORST = 5
EXAMPLES = 2
_COLUMNS = ["qa_id", "clip_id", "kind", "type", "difficulty", "question", "answer", "label", "dropped", "text_answerable", "contrast_set", "conflict"]


@dataclass
class Summary:
    """What a run's questions came to.

    Args:
        kept: (kind, type) → rows.
        dropped: reason → rows, with examples of each.
        missing: reason → questions that never became a row.
        sources: TAKEN or LIVE → (LLM-written rows, clips with some, clips).
        sample: some of the kept LLM-written rows.
        clips: how many.
    """

    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Row]] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    sources: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    sample: list[Row] = field(default_factory=list)
    clips: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def live(self) -> bool:
        """Whether an LLM wrote any of them in this run's own name."""
        return LIVE in self.sources

    def spent(self, tally: Tally, stats: ClientStats | None) -> None:
        """What the asking took, where something was asked in this run."""
        if stats is not None and (stats.requests or stats.cached):
            self.notes.append(tally.line(stats))

    def lines(self) -> list[str]:
        """As plain lines, as they stand in the stage's record."""
        by_kind: Counter[str] = Counter()
        for (kind, _), count in self.kept.items():
            by_kind[kind] += count
        lines = [f"{count} {kind} questions" for kind, count in sorted(by_kind.items())]
        lines += [f"{rows} LLM-written questions {where}, for {clips} of {asked} clips" for where, (rows, clips, asked) in sorted(self.sources.items())]
        if self.dropped:
            lines.append("dropped: " + ", ".join(f"{count} × {reason}" for reason, count in self.dropped.most_common()))
        if self.missing:
            lines.append("no row: " + ", ".join(f"{count} × {reason}" for reason, count in self.missing.items()))
        return [*lines, *self.notes]

    def render(self) -> Iterator[RenderableType]:
        """As tables for the screen: counts by kind and type, ten rows, and the worst reasons with examples."""
        from rich.markup import escape
        from rich.table import Table

        types = sorted({type for _, type in self.kept})
        counts = Table(title="kept questions", title_justify="left")
        counts.add_column("kind")
        for name in (*types, "all", "a clip"):
            counts.add_column(name, justify="right")
        for kind in sorted({kind for kind, _ in self.kept}):
            row = [self.kept[kind, type] for type in types]
            counts.add_row(kind, *(str(count or "") for count in row), str(sum(row)), f"{sum(row) / max(1, self.clips):.1f}")
        yield counts
        if self.sample:
            rows = Table(title=f"{len(self.sample)} rows at random", title_justify="left", show_lines=False)
            for name in ("type", "question", "answer", "label"):
                rows.add_column(name, overflow="fold")
            for one in self.sample:
                rows.add_row(f"{one['type']} {one['difficulty']}", escape(one["question"]), escape(one["answer"]), escape(one["label"] or ""))
            yield rows
        if self.dropped:
            worst = Table(title="dropped most, with examples", title_justify="left")
            for name in ("rows", "reason", "question", "answer"):
                worst.add_column(name, overflow="fold")
            for reason, count in self.dropped.most_common(WORST):
                for number, one in enumerate(self.examples[reason]):
                    first = (str(count), escape(reason)) if number == 0 else ("", "")
                    worst.add_row(*first, escape(one["question"]), escape(one["answer"]))
            yield worst


def summarise(run_folder: Path, record: Mapping[str, Any], *, reuse: Collection[str] = (), seed: int = 0) -> Summary:
    """Counts RUN/questions.

    Args:
        run_folder: RUN.
        record: of RUN/questions.
        reuse: clips whose LLM-written questions were taken over from another dataset.
        seed: of the rows that are shown.
    """
    told = Summary(missing=record["dropped"])
    chosen = random.Random(seed)
    clips: dict[str, set[str]] = {TAKEN: set(), LIVE: set()}
    rows: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for clip in read_rows(clips_folder(run_folder), ["clip_id"]):
        asked[TAKEN if clip["clip_id"] in reuse else LIVE] += 1
    told.clips = asked.total()
    seen = 0
    for row in read_rows(run_folder / "questions", _COLUMNS):
        if row["dropped"] is not None:
            told.dropped[row["dropped"]] += 1
            shown = told.examples.setdefault(row["dropped"], [])
            if len(shown) < EXAMPLES:
                shown.append(row)
            continue
        told.kept[row["kind"], row["type"]] += 1
        if row["kind"] in LLM_KINDS:
            where = TAKEN if row["clip_id"] in reuse else LIVE
            clips[where].add(row["clip_id"])
            rows[where] += 1
            seen += 1
            if len(told.sample) < SHOWN:
                told.sample.append(row)
            elif (place := chosen.randrange(seen)) < SHOWN:  # each row with the same chance, in one pass
                told.sample[place] = row
    told.sources = {where: (rows[where], len(clips[where]), asked[where]) for where in rows}
    return told
