"""`cpqa`: parsing and printing only. What a command does lives in the library under the same name."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cp_paraling_qa import __version__
from cp_paraling_qa.errors import CPQAError, RecipeError
from cp_paraling_qa.progress import Screen
from cp_paraling_qa.recipe import Recipe

app = typer.Typer(
    name="cpqa",
    help="Turn emotional speech into contextual-paralinguistic QA, fine-tune a speech LLM on it, judge its answers.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

RunArg = Annotated[Path, typer.Argument(help="The run folder, which holds manifest, annotations, clips, questions and dataset.")]
RunOpt = Annotated[Path | None, typer.Option("--run", help="The run folder; made where it is missing.")]
Workers = Annotated[int | None, typer.Option("--workers", min=0, help="Processes beside this one; 0 works in this one.")]
MinSeconds = Annotated[float | None, typer.Option("--min-seconds", help="Leave shorter clips behind (0.1).")]
MaxSeconds = Annotated[float | None, typer.Option("--max-seconds", help="Leave longer clips behind (30, what speech encoders hear).")]
AsrModel = Annotated[str | None, typer.Option("--asr-model", help="faster-whisper size or path for clips without a transcript; default: the embedded tiny.en.")]
Annotators = Annotated[list[str] | None, typer.Option("--with", help="Annotator to run; repeat for several (prosody, asr).")]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--llm-base-url", help="OpenAI-compatible endpoint, e.g. http://localhost:8000/v1; its key comes from OPENAI_API_KEY. Default: the embedded model."
    ),
]
Model = Annotated[str | None, typer.Option("--llm-model", help="The endpoint's name of the model.")]
NoLlm = Annotated[bool, typer.Option("--no-llm", help="No LLM-written questions: baseline, explicit and clips alone.")]
Concurrency = Annotated[int | None, typer.Option("--llm-concurrency", min=1, help="Requests in flight at most (16).")]
Timeout = Annotated[float | None, typer.Option("--llm-timeout", help="Seconds for one request (60).")]
PerClip = Annotated[int | None, typer.Option("--per-clip", min=1, help="LLM-written questions asked for, for each clip (2).")]
Reuse = Annotated[Path | None, typer.Option("--reuse", help="Dataset folder whose LLM-written questions are taken over for the clips that it has.")]
LiveClips = Annotated[int | None, typer.Option("--live-clips", min=0, help="With --reuse: this many clips get new questions nevertheless.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Of wordings and requests (0).")]
Fields = Annotated[
    list[str] | None, typer.Option("--metadata-field", help="What the metadata block shows: emotion, vad, gender; repeat for several (emotion, vad).")
]
Numbers = Annotated[bool | None, typer.Option("--metadata-numbers/--no-metadata-numbers", help="VAD with its figures behind the words.")]
HideAsked = Annotated[bool | None, typer.Option("--hide-asked/--show-asked", help="Hide the field that a direct question asks for; the paper shows it.")]
Split = Annotated[str | None, typer.Option("--split", help="official: a corpus's own partition where it has one; speaker: always disjoint by speaker.")]
TestShare = Annotated[float | None, typer.Option("--test-share", help="Share of the clips that is tested on (0.25).")]
ValidationShare = Annotated[float | None, typer.Option("--validation-share", help="Share of the clips kept for validation (0).")]
TestSpeakers = Annotated[str | None, typer.Option("--test-speakers", help="Exactly these speakers are tested on, separated by commas.")]


def _metadata(fields: list[str] | None, numbers: bool | None, hide_asked: bool | None) -> dict[str, Any]:
    return {"fields": fields, "numbers": numbers, "hide_asked": hide_asked}


def _splits(by: str | None, test: float | None, validation: float | None, speakers: str | None) -> dict[str, Any]:
    names = [name.strip() for name in speakers.split(",") if name.strip()] if speakers else None
    return {"by": by, "test_share": test, "validation_share": validation, "test_speakers": names}


def _llm(base_url: str | None, model: str | None, off: bool, concurrency: int | None, timeout: float | None) -> dict[str, Any] | str:
    if off:
        if base_url or model:
            raise RecipeError("--no-llm and an LLM endpoint exclude each other: drop one of them")
        return "none"
    return {"base_url": base_url, "model": model, "concurrency": concurrency, "timeout": timeout}


def _stage_recipe(run: Path, **overrides: Any) -> Recipe:
    """A stage's recipe: the run's own, if it was built from one, with this call's flags on top."""
    own = run / "recipe.yaml"
    recipe = Recipe.load(own if own.is_file() else {"run": run}, **overrides)
    return recipe.model_copy(update={"run": run})


@app.command()
def corpus(
    name: Annotated[str, typer.Argument(help="ravdess, folder.")],
    root: Annotated[Path, typer.Argument(help="The corpus folder.")],
    run: RunOpt = None,
    workers: Workers = None,
    min_seconds: MinSeconds = None,
    max_seconds: MaxSeconds = None,
) -> None:
    """Read a corpus into RUN/manifest, beside those that the run has already.

    Example: cpqa corpus ravdess /data/RAVDESS --run runs/mine
    """
    from cp_paraling_qa import building
    from cp_paraling_qa.stage import locked

    if run is None:
        raise RecipeError("--run is missing: the folder that the stages write to, e.g. --run runs/mine")
    recipe = _stage_recipe(run, corpora=[{"name": name, "root": root}], workers=workers, min_seconds=min_seconds, max_seconds=max_seconds)
    with locked(run):
        building.corpus(recipe, Screen())


@app.command()
def annotate(run: RunArg, annotators: Annotators = None, asr_model: AsrModel = None, workers: Workers = None) -> None:
    """Let annotators listen to every clip: RUN/annotations and RUN/clips.

    Example: cpqa annotate runs/mine --workers 4
    """
    from cp_paraling_qa import building
    from cp_paraling_qa.stage import locked

    recipe = _stage_recipe(run, annotate={"annotators": annotators, "asr_model": asr_model}, workers=workers)
    with locked(run, make=False):
        building.annotate(recipe, Screen())


@app.command()
def generate(
    run: RunArg,
    llm_base_url: BaseUrl = None,
    llm_model: Model = None,
    no_llm: NoLlm = False,
    llm_concurrency: Concurrency = None,
    llm_timeout: Timeout = None,
    per_clip: PerClip = None,
    reuse: Reuse = None,
    live_clips: LiveClips = None,
    seed: Seed = None,
) -> None:
    """Write the questions: templates, and by an LLM.

    Example: cpqa generate runs/mine --llm-base-url http://localhost:8000/v1 --llm-model Qwen/Qwen3-8B
    """
    from cp_paraling_qa import building
    from cp_paraling_qa.stage import locked

    llm = _llm(llm_base_url, llm_model, no_llm, llm_concurrency, llm_timeout)
    recipe = _stage_recipe(run, llm=llm, questions={"per_clip": per_clip, "seed": seed, "reuse": reuse, "live_clips": live_clips})
    with locked(run, make=False):
        building.generate(recipe, Screen())


@app.command()
def assemble(
    run: RunArg,
    out: Annotated[Path | None, typer.Option("--out", help="The dataset folder; default: RUN/dataset.")] = None,
    metadata_field: Fields = None,
    metadata_numbers: Numbers = None,
    hide_asked: HideAsked = None,
    split: Split = None,
    test_share: TestShare = None,
    validation_share: ValidationShare = None,
    test_speakers: TestSpeakers = None,
    workers: Workers = None,
) -> None:
    """Put clips and questions together: a dataset folder for load_dataset.

    Example: cpqa assemble runs/mine --test-speakers Actor_09,Actor_10
    """
    from cp_paraling_qa import building
    from cp_paraling_qa.stage import locked

    recipe = _stage_recipe(
        run,
        metadata=_metadata(metadata_field, metadata_numbers, hide_asked),
        splits=_splits(split, test_share, validation_share, test_speakers),
        workers=workers,
    )
    with locked(run, make=False):
        building.assemble(recipe, Screen(), out)


@app.command()
def build(
    corpus: Annotated[list[str] | None, typer.Option("--corpus", help="ravdess, folder; repeat with --root for several.")] = None,
    root: Annotated[list[Path] | None, typer.Option("--root", help="The corpus folder, one for each --corpus, in the same order.")] = None,
    run: RunOpt = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="YAML recipe; flags override its entries.")] = None,
    llm_base_url: BaseUrl = None,
    llm_model: Model = None,
    no_llm: NoLlm = False,
    llm_concurrency: Concurrency = None,
    llm_timeout: Timeout = None,
    per_clip: PerClip = None,
    reuse: Reuse = None,
    live_clips: LiveClips = None,
    seed: Seed = None,
    asr_model: AsrModel = None,
    metadata_field: Fields = None,
    metadata_numbers: Numbers = None,
    hide_asked: HideAsked = None,
    split: Split = None,
    test_share: TestShare = None,
    validation_share: ValidationShare = None,
    test_speakers: TestSpeakers = None,
    min_seconds: MinSeconds = None,
    max_seconds: MaxSeconds = None,
    workers: Workers = None,
) -> None:
    """All stages in one: corpora in, RUN/dataset out. Run it again after anything went wrong: it goes on where it stopped.

    Example: cpqa build --corpus ravdess --root /data/RAVDESS --run runs/ravdess
    """
    from cp_paraling_qa import building

    names, roots = corpus or [], root or []
    if len(names) != len(roots):
        raise RecipeError(f"{len(names)} × --corpus but {len(roots)} × --root: give one folder for each corpus")
    whole = Recipe.load(
        recipe,
        run=run,
        corpora=[{"name": name, "root": folder} for name, folder in zip(names, roots, strict=True)] or None,
        llm=_llm(llm_base_url, llm_model, no_llm, llm_concurrency, llm_timeout),
        questions={"per_clip": per_clip, "seed": seed, "reuse": reuse, "live_clips": live_clips},
        annotate={"asr_model": asr_model},
        metadata=_metadata(metadata_field, metadata_numbers, hide_asked),
        splits=_splits(split, test_share, validation_share, test_speakers),
        min_seconds=min_seconds,
        max_seconds=max_seconds,
        workers=workers,
    )
    building.build(whole)


@app.command("tiny-model")
def tiny_model(
    path: Annotated[Path, typer.Argument(help="Folder to write the model to.")],
    seed: Annotated[int, typer.Option("--seed", help="Of its random weights.")] = 0,
) -> None:
    """Write a tiny Qwen2-Audio, built from a config with random weights: the real architecture for tests and first tries.

    Example: cpqa tiny-model runs/tiny
    """
    from cp_paraling_qa.training.tiny import write_tiny_model

    write_tiny_model(path, seed=seed)
    typer.echo(
        f"{path}: a tiny Qwen2-Audio. Next: accelerate launch trainer/sft.py --model_name_or_path {path} --dataset_name cp_paraling_qa --dataset_config baseline"
    )


@app.command()
def score(
    predictions: Annotated[Path, typer.Argument(help="predictions.jsonl as trainer/predict.py writes it.")],
    judge_base_url: Annotated[
        str | None, typer.Option("--judge-base-url", help="OpenAI-compatible endpoint of the judge; without one no judge score is given.")
    ] = None,
    judge_model: Annotated[str | None, typer.Option("--judge-model", help="The endpoint's name of the judge.")] = None,
    embedded_judge: Annotated[
        bool, typer.Option("--embedded-judge", help="Judge with the embedded 135 M model: shows that the path works, not how good the answers are.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Where the JSON goes; default: scores.json beside the predictions.")] = None,
) -> None:
    """Score predictions: label accuracy, UAR and F1, and the LLM judge where one is named. The table goes to the screen, the JSON to a file and to standard output.

    Example: cpqa score predictions.jsonl --judge-base-url http://localhost:8000/v1 --judge-model Qwen/Qwen3-32B
    """
    from cp_paraling_qa.judge.endpoint import judge_for
    from cp_paraling_qa.judge.scorefile import render, score_file
    from cp_paraling_qa.stage import write_json

    with judge_for(judge_base_url, judge_model, embedded=embedded_judge, cache=predictions.parent / "judge-cache.sqlite") as judge:
        result = score_file(predictions, judge=judge)
    place = out or predictions.with_name("scores.json")
    write_json(place, result)
    screen = Screen()
    screen.console.print(render(result))
    screen.say(f"written to {place}")
    typer.echo(json.dumps(result, ensure_ascii=False))


@app.command()
def demo(
    run: Annotated[Path, typer.Option("--run", help="Where everything goes.")] = Path("runs/demo"),
    live_clips: Annotated[int, typer.Option("--live-clips", help="Clips whose questions the embedded LLM writes live.")] = 24,
    steps: Annotated[int, typer.Option("--steps", help="Training steps of each arm.")] = 300,
    judged: Annotated[int, typer.Option("--judged", help="Contextual answers of each arm that the embedded judge reads.")] = 16,
) -> None:
    """The main job on the bundled sample: build, fine-tune four arms of a tiny model, predict, judge, compare.

    Example: cpqa demo
    """
    from cp_paraling_qa.benchmark.demo import run_demo

    run_demo(run, live_clips=live_clips, steps=steps, judged=judged, screen=Screen())


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Entry point: errors of ours become one line and exit code 2; Ctrl-C says that the work can go on."""
    try:
        app()
    except CPQAError as error:
        Screen().say(f"cpqa: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        Screen().say("cpqa: stopped. Run the same command again: it goes on where it was.")
        sys.exit(130)


if __name__ == "__main__":
    main()
