"""What condensation did, to look at: the funnel and the sweep as tables, the distributions before and after as a plot."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from cp_paraling_qa.condense.stage import CONDENSE_JSON
from cp_paraling_qa.condense.survey import BINS, Funnel, SweepRow
from cp_paraling_qa.errors import StageError
from cp_paraling_qa.stage import whole_file

CONDENSE_PLOT = "condense.png"
"""Beside RUN/condensed."""

BEFORE, AFTER = "#b8c4d0", "#1f6f8b"


def render_funnel(funnel: Funnel, *, title: str = "Condensation") -> Table:
    """The funnel as a table: clips in, dropped for each reason of each rule in order, clips out."""
    unchecked = f" {funnel.unchecked} of them had no valence: their emotion was not checked against it." if funnel.unchecked else ""
    emotions = ", ".join(f"{count} {label}" for label, count in funnel.emotions.items())
    table = Table(title=title, caption=escape(f"Kept: {emotions or 'none'}.{unchecked}"), caption_justify="left")
    table.add_column("rule")
    table.add_column("reason")
    table.add_column("dropped", justify="right")
    table.add_column("left", justify="right")
    left = funnel.rows_in
    table.add_row("clips in", "", "", str(left))
    for rule, steps in groupby(funnel.steps, key=lambda step: step.rule):
        for number, step in enumerate(steps):
            left -= step.dropped
            table.add_row(rule if number == 0 else "", escape(step.reason), str(step.dropped), str(left), style=None if step.dropped else "dim")
    table.add_row("kept", "", str(funnel.rows_in - left), str(left), style="bold")
    return table


def render_sweep(rows: Iterable[SweepRow]) -> Table:
    """What other thresholds would keep, as a table: one row for each, clips kept and how many of each emotion."""
    rows = list(rows)
    labels = sorted({label for row in rows for label in row.emotions})
    table = Table(title="What other thresholds would keep", caption="one threshold moved at a time; nothing was written", caption_justify="left")
    table.add_column("threshold")
    table.add_column("kept", justify="right")
    for label in labels:
        table.add_column(escape(label), justify="right")
    for row in rows:
        table.add_row(row.changed or "as chosen", str(row.kept), *(str(row.emotions.get(label, 0)) for label in labels), style=None if row.changed else "bold")
    return table


def plot_distributions(run: Path, path: Path | None = None) -> Path:
    """Draws how emotions, speakers, corpora, valence and arousal are spread before and after, from RUN/condense.json.

    Args:
        run: RUN, condensed.
        path: of the picture; None for RUN/condense.png.

    Returns:
        the path.

    Raises:
        StageError: the run was not condensed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # not pyplot: no window, no state left behind
    from matplotlib.figure import Figure

    try:
        spread = json.loads((run / CONDENSE_JSON).read_text(encoding="utf-8"))["distributions"]
    except (OSError, ValueError, KeyError) as error:
        raise StageError(f"{run / CONDENSE_JSON} cannot be read ({type(error).__name__}): run `cpqa condense {run}` first") from None
    before, after = spread["before"], spread["after"]
    figure = Figure(figsize=(13, 8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3)
    counts = f"{before['clips']} → {after['clips']} clips, {before['hours']:.2f} → {after['hours']:.2f} h"
    figure.suptitle(f"Condensation: {counts}")
    for ax, name in ((axes[0, 0], "emotion"), (axes[0, 1], "corpus"), (axes[0, 2], "speaker")):
        spread_of = "" if name == "speaker" and not before["speakers"] else f": {before['effective'][name]:g} → {after['effective'][name]:g} effective"
        _bars(ax, f"{name}{spread_of}", before[name], after[name])
    for ax, axis in ((axes[1, 0], "valence"), (axes[1, 1], "arousal")):
        _steps(ax, axis, before[axis], after[axis])
    axes[1, 2].axis("off")
    axes[1, 2].text(0, 1, _notes(before, after), va="top", parse_math=False)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    place = path or run / CONDENSE_PLOT
    with warnings.catch_warnings(), whole_file(place) as beside:
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name in a script that the font lacks is no reason to fail
        figure.savefig(beside, format="png", dpi=110)
    return place


def _bars(ax: Any, title: str, before: dict[str, int], after: dict[str, int]) -> None:
    names = list(before)
    at = range(len(names))
    ax.barh([y - 0.2 for y in at], [before[name] for name in names], 0.4, color=BEFORE, label="before")
    ax.barh([y + 0.2 for y in at], [after.get(name, 0) for name in names], 0.4, color=AFTER, label="after")
    ax.set_yticks(list(at), [name if len(name) <= 28 else f"{name[:27]}…" for name in names], fontsize=8, parse_math=False)
    ax.set_ylim(max(len(names), 4) - 0.5, -0.5)  # the first one on top, and a lone one not as large as the whole field
    ax.set_title(title)
    ax.set_xlabel("clips")


def _steps(ax: Any, title: str, before: list[int], after: list[int]) -> None:
    middles = [(number + 0.5) / BINS for number in range(BINS)]
    ax.bar(middles, before, 1 / BINS, color=BEFORE)
    ax.bar(middles, after, 0.6 / BINS, color=AFTER)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, None if any(before) else 1)
    ax.set_title(f"{title}, 0 to 1: known of {sum(before)} → {sum(after)} clips")
    ax.set_ylabel("clips")


def _notes(before: dict[str, Any], after: dict[str, Any]) -> str:
    lines = [
        f"speakers: {before['speakers']} → {after['speakers']}; the {len(before['speaker'])} with most clips are shown",
        f"clips of unknown speakers: {before['unknown_speakers']} → {after['unknown_speakers']}",
        "effective: as many equal classes would be as spread out",
    ]
    return "\n".join(lines)
