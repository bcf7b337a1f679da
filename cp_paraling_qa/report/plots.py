"""The report's figures as SVG that stands in the page: text stays text, colours are the page's own, and nothing is fetched."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from cp_paraling_qa.report.wording import FEW, clean, shortened

_INK, _ACCENT, _SECOND, _MUTED, _LINE = "#010203", "#010204", "#010205", "#010206", "#010207"
_COLOURS = {_INK: "currentColor", _ACCENT: "var(--accent)", _SECOND: "var(--second)", _MUTED: "var(--muted)", _LINE: "var(--line)"}
"""Stand-ins that matplotlib draws with → the page's colours, which follow the reader's light or dark."""

_WIDTH = 4.4  # inches of 72 points: readable on a phone without scaling
_LABEL = 24  # characters of a slice's name


class Slice(NamedTuple):
    """One line of a forest plot.

    Attributes:
        name: of the slice.
        value, low, high: the figure and its interval.
        n: items it is made of.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    n: int


def forest(groups: Mapping[str, Sequence[Slice]], *, limits: tuple[float, float], whole: float | None, unit: str, alt: str, salt: str) -> str:
    """A forest plot: one line per slice, grouped by dimension; slices of fewer than 20 items are hollow and grey.

    Args:
        groups: dimension → its slices.
        limits: of the axis.
        whole: the figure over all items, drawn as a dashed line.
        unit: under the axis.
        alt: what the figure shows, for those who do not see it.
        salt: makes the ids of the SVG unlike another figure's.
    """
    lines: list[str | Slice] = []
    for name, slices in groups.items():
        lines += [name, *slices]
    height = 0.23 * len(lines) + 0.75
    with _drawing(salt) as figure_of:
        figure = figure_of(_WIDTH, height)
        axes = figure.add_axes((0.475, 0.58 / height, 0.5, 1 - 0.68 / height))
        axes.set(xlim=limits, ylim=(len(lines) - 0.4, -0.6), yticks=[])
        axes.set_xlabel(unit, color=_MUTED, fontsize=9, parse_math=False)
        if whole is not None:
            axes.axvline(whole, color=_ACCENT, linewidth=1, linestyle=(0, (4, 3)), alpha=0.7)
        for y, line in enumerate(lines):
            if isinstance(line, str):
                _label(axes, 0.0, y, line, weight="bold", left=True)
                continue
            _line(axes, y, line)
        _frame(axes)
        return _svg(figure, alt, salt)


def _line(axes: Any, y: int, line: Slice) -> None:
    few = line.n < FEW
    colour = _MUTED if few else _ACCENT
    if line.low is not None and line.high is not None:
        axes.plot([line.low, line.high], [y, y], color=colour, linewidth=1.2 if few else 2, alpha=0.8 if few else 1, solid_capstyle="butt", clip_on=False)
    axes.plot([line.value], [y], marker="o", markersize=4.5, markerfacecolor="none" if few else colour, markeredgecolor=colour, clip_on=False)
    name, cut = shortened(clean(line.name).replace("\n", " "), _LABEL)
    _label(axes, -0.14, y, name + ("…" if cut else ""), colour=_MUTED if few else _INK)
    _label(axes, -0.02, y, f"{line.n:,}", colour=_MUTED, size=8)


def _label(axes: Any, x: float, y: int, text: str, *, colour: str = _INK, weight: str = "normal", left: bool = False, size: float = 9) -> None:
    place = axes.get_yaxis_transform()
    x = -0.94 if left else x
    axes.text(x, y, text, transform=place, ha="left" if left else "right", va="center", fontsize=size, color=colour, weight=weight, parse_math=False)


def distribution(groups: Mapping[str, Mapping[int, int]], *, alt: str, salt: str) -> str:
    """Bars of how often each score was given, as a share of each group, side by side.

    Args:
        groups: up to three groups ("right label (n = 80)") → score → answers.
        alt: what the figure shows, for those who do not see it.
        salt: makes the ids of the SVG unlike another figure's.
    """
    points = sorted({score for counts in groups.values() for score in counts})
    wide = 0.8 / len(groups)
    with _drawing(salt) as figure_of:
        figure = figure_of(_WIDTH, 2.9)
        axes = figure.add_axes((0.12, 0.17, 0.86, 0.70))
        for place, (name, counts) in enumerate(groups.items()):
            total = sum(counts.values()) or 1
            at = [score + (place - (len(groups) - 1) / 2) * wide for score in points]
            shares = [100 * counts.get(score, 0) / total for score in points]
            axes.bar(at, shares, width=wide * 0.92, color=(_ACCENT, _SECOND, _MUTED)[place], label=name)
        axes.set_xticks(points)
        axes.set_xlabel("score", color=_MUTED, fontsize=9)
        axes.set_ylabel("% of the group", color=_MUTED, fontsize=9)
        axes.set_ylim(0, None)
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.12, 1.0),
            ncols=len(groups),
            frameon=False,
            fontsize=8.5,
            labelcolor=_INK,
            handlelength=0.8,
            handletextpad=0.4,
            columnspacing=0.9,
        )
        _frame(axes, grid="y")
        return _svg(figure, alt, salt)


def _frame(axes: Any, grid: str = "x") -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    axes.tick_params(colors=_MUTED, labelsize=9, length=0)
    axes.grid(axis=grid, color=_LINE, linewidth=0.7)
    axes.set_axisbelow(True)


class _drawing:
    """matplotlib's settings while one figure is drawn; hands out a maker of figures of so many inches."""

    def __init__(self, salt: str) -> None:
        from matplotlib import rc_context

        self.settings = rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "font.family": ["DejaVu Sans"]})
        self.quiet = warnings.catch_warnings()

    def __enter__(self) -> Any:
        from matplotlib.figure import Figure

        self.settings.__enter__()
        self.quiet.__enter__()
        warnings.filterwarnings("ignore", message=".*[Gg]lyph")  # the reader's browser has the fonts
        return lambda width, height: Figure(figsize=(width, height))

    def __exit__(self, *raised: Any) -> None:
        self.quiet.__exit__(*raised)
        self.settings.__exit__(*raised)


def _svg(figure: Any, alt: str, salt: str) -> str:
    """The figure as an element of a page: no prolog, no metadata, ids of its own, the page's colours and fonts."""
    held = io.StringIO()
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    figure.savefig(held, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = held.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{salt}-", text)
    text = re.sub(r"font: ([^;\"]*?px) [^;\"]*", r"font: \1 system-ui, sans-serif", text)
    for stand_in, colour in _COLOURS.items():
        text = text.replace(stand_in, colour)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(alt, quote=True)}" ', 1)
