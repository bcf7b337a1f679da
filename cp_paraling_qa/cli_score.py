"""`cpqa score`: parsing and printing only."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cp_paraling_qa.progress import Screen

if TYPE_CHECKING:
    from cp_paraling_qa.judge.judging import JudgeConfig
    from cp_paraling_qa.report.clips import Clips


def score(
    predictions: Annotated[Path, typer.Argument(help="predictions.jsonl as trainer/predict.py writes it.")],
    judge_base_url: Annotated[
        str | None, typer.Option("--judge-base-url", help="OpenAI-compatible endpoint of the judge; without one no judge score is given.")
    ] = None,
    judge_model: Annotated[list[str] | None, typer.Option("--judge-model", help="The endpoint's name of the judge; repeat it for a panel of judges.")] = None,
    embedded_judge: Annotated[
        bool, typer.Option("--embedded-judge", help="Judge with the embedded 135 M model: shows that the path works, not how good the answers are.")
    ] = False,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Ask each judge so often about each answer, and report how far it agrees with itself.")] = 1,
    judge_temperature: Annotated[
        float, typer.Option("--judge-temperature", min=0, help="At 0 (the default) repeats show the endpoint's own unsteadiness and nothing else.")
    ] = 0.0,
    rubric: Annotated[str, typer.Option("--rubric", help="open (0–5), binary (0/1) or audiobench.")] = "open",
    human: Annotated[
        Path | None, typer.Option("--human", help="People's ratings, CSV or JSON Lines: id, and a rating per rater on the rubric's scale.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="What the predictions answer, a folder or Hub id: for slices by gender and duration, and audio in the report."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the scores go, a .json file or a folder; the rest goes beside them. Default: beside the predictions.")
    ] = None,
    judge_cache: Annotated[Path | None, typer.Option("--judge-cache", help="SQLite file of the judge's replies; default: beside the predictions.")] = None,
    probes: Annotated[
        int, typer.Option("--probes", min=0, help="Probe each judge on so many answers for favour of length and of place: 6 requests for each.")
    ] = 0,
    resamples: Annotated[int, typer.Option("--resamples", min=100, help="Bootstrap resamples behind each interval.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the resamples.")] = 0,
) -> None:
    """Score predictions: label accuracy, UAR and F1, and the LLM judge where one is named, each with its interval.

    The table goes to the screen, the JSON to scores.json and standard output, every judgement to judgements.jsonl, and report.html shows it all.

    Example: cpqa score predictions.jsonl --judge-base-url http://localhost:8000/v1 --judge-model Qwen/Qwen3-32B --dataset runs/mine/dataset
    """
    from cp_paraling_qa.judge.people import read_ratings
    from cp_paraling_qa.judge.score import rubric_of
    from cp_paraling_qa.judge.scorefile import read_predictions, render, score_answers
    from cp_paraling_qa.report.clips import Clips
    from cp_paraling_qa.report.files import check_writable, places, write_results

    screen = Screen()
    place = places(predictions, out)
    rows, contract = read_predictions(predictions), rubric_of(rubric)
    ratings = read_ratings(human, scale=contract.scale) if human else None
    if ratings:
        ratings.join(rows)  # what does not fit is said before the judge is asked
    clips = Clips.load(dataset, rows) if dataset else None
    check_writable(place)
    cache = judge_cache or predictions.parent / "judge-cache.sqlite"
    with ExitStack() as stack:
        judges = _judges(stack, judge_base_url, judge_model, embedded_judge, cache, judge_temperature)
        if judges:
            screen.say(f"replies are kept in {cache}: a second run asks only for what is missing there")
        elif repeats > 1 or probes or judge_temperature:
            screen.say("no judge was named, so --repeats, --probes and --judge-temperature change nothing: give --judge-base-url and --judge-model")
        tick = stack.enter_context(screen.bar("judging", len(rows) * len(judges) * repeats)) if judges else None
        scored = score_answers(
            rows,
            judge=judges,
            repeats=repeats,
            rubric=contract,
            ratings=ratings,
            facts=clips.facts if clips else None,
            n_bootstrap=resamples,
            seed=seed,
            probes=probes,
            progress=tick,
        )
    result = {"file": str(predictions), **scored.scores}
    write_results(place, result, scored.rows, audio=clips.audio if clips else None)
    screen.console.print(render(result))
    for line in _told(result, clips):
        screen.say(line)
    screen.say(f"written to {place.scores}, {place.judgements.name} and {place.report.name}")
    typer.echo(json.dumps(result, ensure_ascii=True))


def _judges(stack: ExitStack, base_url: str | None, models: list[str] | None, embedded: bool, cache: Path, temperature: float) -> list[JudgeConfig]:
    """The judge that was named, or a panel of the models of one endpoint."""
    from cp_paraling_qa.judge.endpoint import judge_for

    names = models or []
    judge = stack.enter_context(judge_for(base_url, names[0] if names else None, embedded=embedded, cache=cache))
    if judge is None:
        return []
    judge = replace(judge, temperature=temperature)
    return [judge, *(replace(judge, model=name) for name in names[1:])]


def _told(result: dict[str, Any], clips: Clips | None) -> list[str]:
    """What the table does not say: ratings and clips that were not found, and whether the judge can be leaned on."""
    from cp_paraling_qa.report.card import judge_card

    told = []
    if (people := result["human_ratings"]) and people["unmatched"]:
        told.append(f"{people['unmatched']} rated ids are not among the predictions, e.g. {', '.join(people['unmatched_ids'][:5])}")
    if clips and clips.missing:
        told.append(
            f"{len(clips.missing)} clips are not in the dataset, e.g. {', '.join(clips.missing[:5])}: no slices by gender and duration and no audio for them"
        )
    if card := judge_card(result):
        told.append(f"The judge: {card.sentence}")
    return told
