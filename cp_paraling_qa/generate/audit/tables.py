"""The report of an audit as tables: every share with its interval and the number of rows behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape

if TYPE_CHECKING:
    from rich.console import RenderableType

_LONGEST = 160
"""Characters of a question or an answer that are shown."""
_FEW = 20
"""Shares of fewer rows are shown dim."""


def render(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    """The report of `audit`, piece by piece, for a rich console. Text of the data cannot bring markup of its own."""
    where = ", ".join(f"{name} {report[name]}" for name in ("config", "split") if report[name])
    yield f"[bold]{escape(report['dataset'])}{f' ({escape(where)})' if where else ''}[/bold]"
    yield from _overview(report)
    yield from _findings(report["findings"])
    yield from _kinds(report)
    yield from _labels(report)
    yield from _words(report)
    yield from _text(report["text_shortcut"])
    yield from _filters(report["filters"])
    yield from _others(report)
    impossible = [(name, escape(part["not_possible"])) for name, part in report.items() if isinstance(part, Mapping) and "not_possible" in part]
    if impossible:
        yield _table("Not possible", ("audit", "why"), impossible)


def figure(part: Mapping[str, Any] | None) -> str:
    """A share as it is shown: 12.3 % [9.0–16.5] of 300; – where there is none."""
    if part is None or part.get("share") is None:
        return "–"
    shown = f"{100 * part['share']:.1f} % [{100 * part['low']:.1f}–{100 * part['high']:.1f}] of {part['n']}"
    return shown if part["n"] >= _FEW else f"[dim]{shown}[/dim]"


def _short(text: str) -> str:
    """A text as far as a table has room for it."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str | None = None) -> RenderableType:
    from rich.table import Table

    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*row)
    return table


def _overview(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    seen = report["overview"]
    line = f"{seen['rows']} rows"
    if seen["clips"]:
        each = seen["questions_per_clip"]
        line += f", {seen['clips']} clips, {each['mean']:.1f} questions a clip ({each['fewest']}–{each['most']})"
    if seen["speakers"]:
        line += f", {seen['speakers']} speakers"
    yield line
    for reason, count in report["skipped"].items():
        yield f"passed over: {count} × {escape(reason)}"
    for name in ("split", "language", "generator"):
        if counts := seen.get(f"by_{name}"):
            yield f"{name}: " + ", ".join(f"{escape(value)} {n}" for value, n in counts.items())


def _findings(found: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    if not found:
        yield "Nothing stands out beyond what chance explains."
        return
    rows = [(escape(_short(each["what"])), figure(each["figure"]), each["do"]) for each in found]
    yield _table("What to look at first", ("what", "share", "what to do"), rows)


def _kinds(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    seen = report["overview"]
    cells = [(escape(cell["type"]), escape(cell["kind"]), escape(cell["difficulty"]), str(cell["n"])) for cell in seen["cells"]]
    yield _table("Questions", ("type", "kind", "difficulty", "n"), cells)


def _labels(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    if "by_type" in report["labels"]:
        rows = []
        for kind, part in report["labels"]["by_type"].items():
            counts = ", ".join(f"{escape(label)} {n}" for label, n in part["labels"].items()) or "–"
            chance = f"{100 * part['chance']:.1f} %" if part["chance"] else "–"
            rows.append((escape(kind), counts, figure(part["majority"]), chance, str(part["without_label"])))
        yield _table("Labels: what a constant answer scores", ("type", "labels", "most frequent", "1 / labels", "no label"), rows)
    if groups := report["answer_length"].get("groups"):
        lengths = []
        for part in groups:
            words = ", ".join(f"{escape(label)} {each['mean']:.1f}" for label, each in part["words"].items())
            p = "–" if part["p"] is None else f"{part['p']:.2g}"
            lengths.append(
                (escape(part["type"]), escape(part["kind"]), str(part["n"]), words, f"{part['difference']:.1f}", f"{100 * part['explained']:.1f} %", p)
            )
        caption = "Explained: the share of the length's variance that the label explains; p of the F test."
        yield _table("Length of the answers, in words", ("type", "kind", "n", "mean by label", "difference", "explained", "p"), lengths, caption=caption)


def _words(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    rows = []
    for source in ("question", "transcript"):
        for kind, part in report[f"{source}_alone"].get("by_type", {}).items():
            if why := part.get("not_possible"):
                rows.append((source, escape(kind), "", why, "", ""))
                continue
            for name, each in part["held_out"].items():
                shown = each.get("not_possible") or figure(each["accuracy"])
                uar = f"{100 * each['uar']:.1f} %" if "uar" in each else "–"
                rows.append(
                    (source, escape(kind), f"{name} ({each.get('groups', 1)})", shown, figure(part["constant"]), f"{uar} / {100 * part['uar_chance']:.1f} %")
                )
    if rows:
        caption = "TF-IDF and logistic regression, cross-validated. Above a constant answer: a shortcut. Far below: labels spread evenly over the same words, and none."
        yield _table("Labels predicted without listening", ("from", "type", "held out", "right", "constant answer", "UAR / chance"), rows, caption=caption)


def _text(part: Mapping[str, Any]) -> Iterator[RenderableType]:
    if "not_possible" in part:
        return
    rows = []
    for kind, each in [("all", part), *part["by_type"].items()]:
        lift = each["lift"]
        shown = "–" if lift["difference"] is None else f"{100 * lift['difference']:+.1f} [{100 * lift['low']:+.1f}–{100 * lift['high']:+.1f}]"
        rows.append((escape(kind), figure(each["right"]), figure(each["control"]), shown))
    asked = f"{part['asked']} asked, {part['judged']} judged, {part['without_words']} of {part['rows']} rows without a transcript"
    failed = ", ".join(f"{count} × {escape(reason)}" for reason, count in part["failures"].items())
    chose = "".join(
        f"\nChosen for {escape(kind)}: {escape(', '.join(f'{label} {n}' for label, n in labels.items()))}." for kind, labels in part["chosen"].items()
    )
    caption = f"{asked}{f'; no mark: {failed}' if failed else ''}. Control: the same questions with another clip's words. Lift: what the words add.{chose}"
    title = f"Answered from the words alone by {escape(str(part['model']))}"
    yield _table(title, ("type", "right (text-answerable)", "control", "lift, points"), rows, caption=caption)


def _filters(part: Mapping[str, Any]) -> Iterator[RenderableType]:
    if "not_possible" in part:
        return
    rows, clean = [], []
    untried: dict[str, list[str]] = defaultdict(list)
    for entry in part["by_filter"]:
        name = entry["filter"] + (" *" if entry["strict"] else "")
        if why := entry.get("not_possible"):
            untried[why].append(name)
        elif not entry["hits"]:
            clean.append(f"{name} (of {entry['n']})")
        else:
            examples = "\n".join(escape(f"{_short(each['question'])} → {_short(each['answer'])}") for each in entry["examples"][:2])
            rows.append((name, figure(entry), examples))
    left_out = [f"{part[f'{what}_left_out']} {title} left out." for what, title in _LEFT_OUT if part[f"{what}_left_out"]]
    counted = f"Any filter: {figure(part['any'])}; with those against small models (*): {figure(part['any_with_strict'])}."
    nothing = [f"Nothing to drop: {', '.join(clean)}."] if clean else []
    nothing += [f"Not tried, {escape(why)}: {', '.join(names)}." for why, names in untried.items()]
    yield _table("What the filters would drop, each by itself", ("filter", "would drop", "worst rows"), rows, caption="\n".join([*nothing, *left_out, counted]))


_LEFT_OUT = (("templates", "questions from templates"), ("other_languages", "questions in languages that the filters do not read"))


def _others(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    rows: list[tuple[str, str]] = []
    seen = report["repeats"]
    if "distinct" in seen:
        rows.append(("distinct questions", figure(seen["distinct"])))
        rows += [(f"asked most: {escape(_short(each['question']))}", figure(each)) for each in seen["most_frequent"]]
        for group in ("repeats", "near_repeats"):
            why = seen[group].get("not_possible")
            rows += [(group.replace("_", " "), escape(why))] if why else [(reason, figure(each)) for reason, each in seen[group].items()]
    if "all" in report["why"]:
        rows.append(("ask why the speaker sounds so", figure(report["why"]["all"])))
    if "names_evidence" in report["evidence"]:
        rows.append(("answer names its evidence", figure(report["evidence"]["names_evidence"])))
        rows.append(("… and not the words alone", figure(report["evidence"]["names_voice"])))
    if "whole" in report["contrast_sets"]:
        rows.append(("contrast sets that are whole", figure(report["contrast_sets"]["whole"])))
        rows.append(("questions in whole contrast sets", figure(report["contrast_sets"]["rows_in_whole_sets"])))
        rows += [(f"… broken: {why}", str(n)) for why, n in report["contrast_sets"]["broken"].items()]
    for name, title in (("conflict", "words and voice in conflict"), ("text_answerable", "marked text-answerable")):
        if "all" in report[name]:
            rows.append((title, f"{figure(report[name]['all'])}, {report[name]['all']['unmarked']} unmarked"))
    for split, sets in report["splits"].get("shared_with_train", {}).items():
        rows += [(f"{escape(name.replace('_', ' '))} of {escape(split)} that train has too", figure(each)) for name, each in sets.items()]
    if rows:
        yield _table("Repeats, evidence, marks and splits", ("what", "share"), rows)
