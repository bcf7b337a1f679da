"""What stands out in an audit, worst first, and what to do about it: the part of the report that is read when nothing else is.

Only what chance does not explain: the interval, not the share, has to pass what a sound dataset would have. How bad a finding is, is the share of the rows (of the split's
speakers or clips, where these are shared) beyond that; the bounds themselves are our choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cp_paraling_qa.generate.audit.intervals import share

FILTERED = 0.02
"""Share of the written questions that the filters may object to: they err now and then."""
REPEATED = 0.05
"""Of the written questions, how many may repeat another one of the clip or the speaker, by each rule."""
UNHEARD = 0.1
"""Of the answers, how many may rest on the words alone."""
WHY = 0.5
"""Of the written questions, how many may ask why the speaker sounds so: `SettleOptions.max_why_share`."""
EXPLAINED = 0.1
"""Of the variance of the answers' length, how much the label may explain."""
MAJORITY = 1.5
"""How many times its fair share the most frequent label may have."""

Finding = dict[str, Any]
"""what (a sentence), figure (a share, None where there is none), excess (0–1), do (a sentence)."""


def findings(report: Mapping[str, Any]) -> list[Finding]:
    """What stands out.

    Args:
        report: of `audit`, with each audit's report or `not_possible`.

    Returns:
        worst first; empty where nothing does.
    """
    found = [*_shared(report["splits"]), *_text(report["text_shortcut"], report["text_answerable"]), *_predicted(report), *_labels(report["labels"])]
    found += [*_lengths(report["answer_length"]), *_written(report), *_sets(report["contrast_sets"])]
    return sorted(found, key=lambda one: (-one["excess"], one["what"]))


def _finding(what: str, figure: Mapping[str, Any] | None, excess: float, do: str) -> Finding:
    return {"what": what, "figure": figure, "excess": excess, "do": do}


def _above(part: Mapping[str, Any] | None, bound: float) -> float:
    """How far a share is above a bound where its interval is; else 0."""
    return float(part["share"]) - bound if part is not None and part.get("share") is not None and part["low"] > bound else 0.0


def _shared(splits: Mapping[str, Any]) -> Iterator[Finding]:
    for split, sets in splits.get("shared_with_train", {}).items():
        for name in ("speakers", "clips"):
            if name in sets and sets[name]["hits"]:
                do = "split by speaker, so that what was heard in training is no test (splits.by: speaker)"
                yield _finding(f"{name} of {split} that train has too", sets[name], sets[name]["share"], do)


def _text(shortcut: Mapping[str, Any], marks: Mapping[str, Any]) -> Iterator[Finding]:
    do = "drop them or cap their share (settle.text_answerable), or report a text model's score beside every other"
    lift = shortcut.get("lift")
    if lift is not None and lift["difference"] is not None and lift["low"] > 0:
        yield _finding("questions that a text model answers, with what the words add to its guessing", shortcut["right"], lift["difference"], do)
    elif lift is None and (excess := _above(marks.get("all"), 0.0)):
        yield _finding("questions marked as answerable from the words alone", marks["all"], excess, do)


def _predicted(report: Mapping[str, Any]) -> Iterator[Finding]:
    dos = {
        "question": "ask the same question of clips with different labels, and name nothing in it that goes with one of them",
        "transcript": "add clips that say the same in other feelings, or score contrast sets as a whole; a text model's score belongs beside every other",
    }
    for source, do in dos.items():
        for kind, part in report[f"{source}_alone"].get("by_type", {}).items():
            best = max((each for each in part.get("held_out", {}).values() if "accuracy" in each), key=lambda each: each["accuracy"]["low"], default=None)
            if best is not None and (excess := _above(best["accuracy"], part["constant"]["share"])):
                yield _finding(f"labels of {kind} that a bag of words tells from the {source} alone", best["accuracy"], excess, do)


def _labels(labels: Mapping[str, Any]) -> Iterator[Finding]:
    for kind, part in labels.get("by_type", {}).items():
        fair = part["chance"] or 1.0
        if len(part["labels"]) > 1 and (excess := _above(part["majority"], MAJORITY * fair)):
            do = "balance the labels (cpqa condense), or report UAR beside accuracy"
            yield _finding(f"{kind} is answered right by always saying {part['majority']['label']}", part["majority"], excess, do)
        elif len(part["labels"]) == 1 and part["majority"]["n"] > 1:
            yield _finding(
                f"{kind} has one label, {part['majority']['label']}",
                part["majority"],
                1.0,
                "leave these questions out of any score, or add clips with other labels",
            )


def _lengths(lengths: Mapping[str, Any]) -> Iterator[Finding]:
    for part in lengths.get("groups", ()):
        if part["explained"] > EXPLAINED and part["p"] is not None and part["p"] < 0.01:
            what = f"the label of {part['type']} ({part['kind']}) explains {100 * part['explained']:.0f} % of how long its answers are"
            yield _finding(what, None, part["explained"] - EXPLAINED, "word the answers of all labels alike, or score the label, not the text")


def _written(report: Mapping[str, Any]) -> Iterator[Finding]:
    filters = report["filters"]
    if excess := _above(filters.get("any"), FILTERED):
        worst = ", ".join(entry["filter"] for entry in filters["by_filter"] if entry.get("hits") and not entry["strict"])
        yield _finding("questions that a filter would drop", filters["any"], excess, f"read the examples below and drop what they show ({worst})")
    for group in ("repeats", "near_repeats"):
        for reason, part in report["repeats"].get(group, {}).items() if isinstance(report["repeats"].get(group), Mapping) else ():
            if isinstance(part, Mapping) and (excess := _above(part, REPEATED)):
                yield _finding(f"questions: {reason}", part, excess, "keep one of each (cpqa generate does, see settle.near_within and settle.near_across)")
    if excess := _above(report["why"].get("all"), WHY):
        yield _finding("questions that ask why the speaker sounds so", report["why"]["all"], excess, "ask more than one thing (settle.max_why_share)")
    evidence = report["evidence"]
    if "names_voice" in evidence and evidence["names_evidence"]["hits"]:
        alone = evidence["names_evidence"]["hits"] - evidence["names_voice"]["hits"]
        part = share(alone, evidence["names_evidence"]["hits"])
        if excess := _above(part, UNHEARD):
            yield _finding(
                "answers that rest on the words alone",
                part,
                excess,
                "ask less of what is said (questions.mix), or keep such questions out of what the voice is scored by",
            )


def _sets(sets: Mapping[str, Any]) -> Iterator[Finding]:
    if broken := sum(sets.get("broken", {}).values()):
        why = ", ".join(sets["broken"])
        yield _finding(
            f"contrast sets that are not whole ({why})",
            share(broken, sets["sets"]),
            broken / sets["sets"],
            "leave them out of the score by sets, or keep each in one split",
        )
