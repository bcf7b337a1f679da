"""`cpqa compare`: parsing and printing only."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from cp_paraling_qa.progress import Screen


def compare(
    a: Annotated[Path, typer.Argument(help="predictions.jsonl of the first system, or judgements.jsonl of cpqa score.")],
    b: Annotated[Path, typer.Argument(help="Of the second, about the same items. Differences are second minus first.")],
    out: Annotated[Path | None, typer.Option("--out", help="Also write the JSON to this file.")] = None,
    n_bootstrap: Annotated[int, typer.Option("--n-bootstrap", min=1, help="Resamples of each interval.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the resamples.")] = 0,
    judge_base_url: Annotated[
        str | None, typer.Option("--judge-base-url", help="OpenAI-compatible endpoint of a judge that reads both; without one the scores in the files count.")
    ] = None,
    judge_model: Annotated[str | None, typer.Option("--judge-model", help="The endpoint's name of the judge.")] = None,
    embedded_judge: Annotated[
        bool, typer.Option("--embedded-judge", help="Judge with the embedded 135 M model: shows that the path works, not how good the answers are.")
    ] = False,
    rubric: Annotated[str | None, typer.Option("--rubric", help="Of the judge, or of the scores in the files (theirs, else open).")] = None,
) -> None:
    """Compare two systems on the items that both answered: paired intervals and tests, and what so many items could have shown.

    Tables and sentences go to the screen, the JSON to standard output.

    Example: cpqa compare baseline/judgements.jsonl implicit/judgements.jsonl
    """
    from cp_paraling_qa.judge.comparison.comparing import compare_files
    from cp_paraling_qa.judge.comparison.comparison_table import sentences, tables
    from cp_paraling_qa.judge.endpoint import judge_for
    from cp_paraling_qa.stage import write_json

    screen = Screen()
    judged = judge_for(judge_base_url, judge_model, embedded=embedded_judge, cache=b.parent / "judge-cache.sqlite")
    with judged as judge, nullcontext() if judge is None else screen.bar("answers judged", None) as tick:
        result = compare_files(a, b, judge=judge, rubric=rubric, n_bootstrap=n_bootstrap, seed=seed, progress=tick)
    result["sentences"] = sentences(result)
    screen.say(f"A: {a}\nB: {b}")
    for table in tables(result):
        screen.console.print(table, soft_wrap=False)
    for line in (*result["sentences"], *result["notes"]):
        screen.say(line)
    if out is not None:
        write_json(out, result)
        screen.say(f"written to {out}")
    typer.echo(json.dumps(result, ensure_ascii=False))
