"""A comparison in words and as tables that fit into 80 columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cp_paraling_qa.judge.comparison.differences import FEW

if TYPE_CHECKING:
    from rich.table import Table

NAMES = {"llm_judge": "judge 0–100", "accuracy": "accuracy", "balanced_accuracy": "UAR", "f1_weighted": "weighted F1", "f1_macro": "macro F1"}


def points(name: str, value: float) -> float:
    """A figure or a difference in points of 100."""
    return value if name == "llm_judge" else 100 * value


def signed(value: float) -> str:
    """A difference with its sign, a real minus, one digit.

    Example:
        >>> signed(-0.42), signed(3.14), signed(-0.04)
        ('−0.4', '+3.1', '0.0')
    """
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def sentence(name: str, figure: Mapping[str, Any]) -> str:
    """A difference as a sentence.

    Example:
        >>> sentence("llm_judge", dict(difference=3.1, ci_low=-0.4, ci_high=6.5, n=200, n_clips=200, mde=5.0, shown=False, p=0.08))
        'Judge 0–100: B is 3.1 points higher (95 % CI −0.4 to 6.5): not shown; with 200 items differences under 5.0 points cannot be seen reliably.'
    """
    lead = f"{NAMES[name][0].upper()}{NAMES[name][1:]}: "
    difference = points(name, figure["difference"])
    same = signed(difference) == "0.0"
    told = "A and B are level" if same else f"B is {abs(difference):.1f} points {'higher' if difference > 0 else 'lower'}"
    items = _counted(figure["n"], "item") + (f" of {_counted(figure['n_clips'], 'clip')}" if figure["n_clips"] != figure["n"] else "")
    if figure["shown"] is None:
        return f"{lead}{told}; no interval from {items}."
    low, high = (signed(points(name, figure[end])).removeprefix("+") for end in ("ci_low", "ci_high"))
    if figure["mde"] is None:
        return f"{lead}{told} (95 % CI {low} to {high}), and by the same on each of {items}: what could be seen cannot be told."
    verdict, limit = ("shown", "are easily missed") if figure["shown"] else ("not shown", "cannot be seen reliably")
    return f"{lead}{told} (95 % CI {low} to {high}): {verdict}; with {items} differences under {points(name, figure['mde']):.1f} points {limit}."


def _counted(n: int, name: str) -> str:
    return f"{n:,} {name}{'s' if n != 1 else ''}"


def sentences(result: Mapping[str, Any]) -> list[str]:
    """One sentence for each figure that there is."""
    return [sentence(name, figure) for name, figure in result["figures"].items() if figure is not None]


def _p(value: float | None) -> str:
    return "–" if value is None else "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def _cells(name: str, figure: Mapping[str, Any]) -> list[str]:
    sides = [f"{points(name, figure[side]):.1f}" for side in ("a", "b")]
    if figure["ci_low"] is None:
        around = ""
    else:
        around = f" ({signed(points(name, figure['ci_low'])).removeprefix('+')} to {signed(points(name, figure['ci_high'])).removeprefix('+')})"
    seen = "–" if figure["mde"] is None else f"{points(name, figure['mde']):.1f}"
    return [str(figure["n"]), *sides, signed(points(name, figure["difference"])) + around, seen]


def tables(result: Mapping[str, Any]) -> list[Table]:
    """The figures, then the slices by judge score and by accuracy, where there are slices. In points of 100 throughout."""
    found = [_figures(result)]
    for name, test, title in (("llm_judge", "wilcoxon", "Judge score by slice"), ("accuracy", "mcnemar", "Accuracy by slice")):
        table = _slices(result, name, test, title)
        if table.row_count:
            found.append(table)
    return found


def _figures(result: Mapping[str, Any]) -> Table:
    table = _table("B against A", "figure", "p")
    for name, figure in result["figures"].items():
        if figure is not None:
            table.add_row(NAMES[name], *_cells(name, figure), _p(figure["p"]))
    tests = []
    if result["wilcoxon"] is not None:
        tests.append(f"Wilcoxon p = {_p(result['wilcoxon']['p'])} ({result['wilcoxon']['n_zero']} of {result['wilcoxon']['n']} scores equal).")
    if (test := result["mcnemar"]) is not None:
        tests.append(f"McNemar p = {_p(test['p'])} (right alone: A {test['only_a']}, B {test['only_b']}).")
    table.caption = " ".join(["Points of 100; 95 % intervals, clips drawn whole. “seen”: the difference that these pairs show with 80 % power.", *tests])
    return table


def _slices(result: Mapping[str, Any], name: str, test: str, title: str) -> Table:
    table = _table(title, "slice", "q")
    table.caption = f"q: {'Wilcoxon' if test == 'wilcoxon' else 'exact McNemar'} p, Benjamini–Hochberg over all slices. Grey: under {FEW} pairs."
    for dimension, slices in result["slices"].items():
        rows = [(label, part) for label, part in slices.items() if part["figures"][name] is not None]
        for number, (label, part) in enumerate(rows):
            figure = part["figures"][name]
            style = "dim" if figure["n"] < FEW else None
            table.add_row(f"{dimension}: {label}", *_cells(name, figure), _p(part[test]["q"]), style=style, end_section=number == len(rows) - 1)
    return table


def _table(title: str, first: str, last: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, caption_justify="left", pad_edge=False)
    table.add_column(first, overflow="fold")
    for heading in ("n", "A", "B", "B − A (95 % CI)", "seen", last):
        table.add_column(heading, justify="right", no_wrap=True)
    return table
