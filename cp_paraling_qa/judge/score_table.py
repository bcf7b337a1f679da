"""The scores of a predictions file as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

FIGURES = (
    ("llm_judge", "judge 0–100", "coverage"),
    ("accuracy", "accuracy", "label_coverage"),
    ("balanced_accuracy", "UAR", "label_coverage"),
    ("f1_weighted", "weighted F1", "label_coverage"),
    ("f1_macro", "macro F1", "label_coverage"),
)
"""Key, heading, and the key of the coverage that is shown beside it."""
LEAKING = ("explicit", "combined")
BRACKETS = "In brackets: the share of answers that the judge scored, or that map to a label; an unmapped answer counts as wrong. Below: the 95 % interval, clips drawn whole."
LEAK = "\nDirect questions (DE, DG) of explicit and combined may have their answer in the prompt, in the metadata: there accuracy is reading, not listening."


def _cell(scores: Mapping[str, Any], key: str, coverage: str) -> str:
    value, covered = scores[key], scores[coverage]
    if value is None:
        return "–"
    digits = 1 if key == "llm_judge" else 3
    low, high = scores.get(f"{key}_ci_low"), scores.get(f"{key}_ci_high")
    interval = f"\n{low:.{digits}f}–{high:.{digits}f}" if low is not None and high is not None else ""
    return f"{value:.{digits}f} ({covered:.0%}){interval}"


def leaks(result: Mapping[str, Any]) -> bool:
    """Whether a result holds direct questions of a config that may show their answer in the prompt."""
    return any(config in LEAKING and {"DE", "DG"} & set(scores["types"]) for config, scores in result["configs"].items())


def render(results: Mapping[str, Any] | Iterable[tuple[str, Mapping[str, Any]]], *, title: str = "Scores", caption: str | None = None) -> Table:
    """A table of one result, or of several named ones ("before", "after"), with coverage and interval beside every figure.

    Args:
        results: what `score_file` returned, or pairs of a name and such a result.
        title: above the table.
        caption: below it; by default what the brackets mean, and that direct questions leak their answer where metadata are shown.
    """
    from rich.table import Table

    named = [("", results)] if isinstance(results, Mapping) else list(results)
    titled = any(name for name, _ in named)
    table = Table(title=title, caption=caption or (BRACKETS + (LEAK if any(leaks(result) for _, result in named) else "")))
    for heading in (["run"] if titled else []) + ["config", "type"]:
        table.add_column(heading)
    table.add_column("n", justify="right")
    for _, heading, _ in FIGURES:
        table.add_column(heading, justify="right")
    for name, result in named:
        for config, scores in result["configs"].items():
            kinds = scores["types"]
            slices = [("all", scores), *kinds.items()] if len(kinds) > 1 else [(next(iter(kinds), "all") or "all", scores)]
            slices += scores.get("marks", {}).items()
            for number, (kind, part) in enumerate(slices):
                row = ["" if number else config, kind or "–", str(part["n"]), *(_cell(part, key, coverage) for key, _, coverage in FIGURES)]
                table.add_row(*(["" if number else name] if titled else []), *row, style="dim" if number else None)
            if (sets := scores.get("contrast_sets", {})).get("n"):
                cells = ["" if key != "accuracy" else f"{sets['accuracy']:.3f} whole" for key, _, _ in FIGURES]
                table.add_row(*([""] if titled else []), "", "contrast sets", str(sets["n"]), *cells, style="dim")
    return table
