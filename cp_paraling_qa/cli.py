"""`cpqa`: parsing and printing only. What a command does lives in the library under the same name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cp_paraling_qa import __version__
from cp_paraling_qa import cli_options as opt
from cp_paraling_qa.cli_compare import compare
from cp_paraling_qa.cli_export import export
from cp_paraling_qa.cli_metric import install_metric
from cp_paraling_qa.cli_questions import audit, generate
from cp_paraling_qa.cli_score import score
from cp_paraling_qa.cli_whisper_llm import whisper_llm
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


def _metadata(fields: list[str] | None, sources: list[str] | None, numbers: bool | None, hide_asked: bool | None) -> dict[str, Any]:
    return {"fields": fields, "sources": sources, "numbers": numbers, "hide_asked": hide_asked}


def _splits(by: str | None, test: float | None, validation: float | None, speakers: str | None) -> dict[str, Any]:
    names = [name.strip() for name in speakers.split(",") if name.strip()] if speakers else None
    return {"by": by, "test_share": test, "validation_share": validation, "test_speakers": names}


def _entry(title: str, **lines: str) -> None:
    """A title with its lines under it; nothing is cut, whatever the terminal's width."""
    typer.echo(title)
    for name, text in lines.items():
        if text:
            typer.echo(f"    {name:8s} {text}")


def _columns(given: list[str] | None) -> dict[str, str] | None:
    pairs = [item.partition("=") for item in given or []]
    if wrong := [ours for ours, found, theirs in pairs if not (ours and found and theirs)]:
        raise RecipeError(f"--column {wrong[0]}: give OURS=THEIRS, e.g. transcript=text")
    return {ours: theirs for ours, _, theirs in pairs} or None


@app.command()
def corpus(
    name: Annotated[str, typer.Argument(help="Of the corpus: `cpqa corpora` lists them.")],
    root: Annotated[str, typer.Argument(help="The corpus folder; for hf, mnsc and cpqa_eval also a Hub id.")],
    run: opt.RunOpt = None,
    workers: opt.Workers = None,
    min_seconds: opt.MinSeconds = None,
    max_seconds: opt.MaxSeconds = None,
    clip_seconds: opt.ClipSeconds = None,
    column: opt.Columns = None,
    subset: opt.Subset = None,
    revision: opt.Revision = None,
) -> None:
    """Read a corpus into RUN/manifest, beside those that the run has already.

    Example: cpqa corpus ravdess /data/RAVDESS --run runs/mine
    """
    from cp_paraling_qa import building
    from cp_paraling_qa.stage import locked

    if run is None:
        raise RecipeError("--run is missing: the folder that the stages write to, e.g. --run runs/mine")
    entry = {"name": name, "root": root, "columns": _columns(column), "subset": subset, "revision": revision}
    recipe = opt.stage_recipe(run, corpora=[entry], workers=workers, min_seconds=min_seconds, max_seconds=max_seconds, clip_seconds=clip_seconds)
    with locked(run):
        building.corpus(recipe, Screen())


@app.command()
def corpora() -> None:
    """List the corpora that are known: layout, licence, and whether the audio may be redistributed.

    Example: cpqa corpora
    """
    from cp_paraling_qa.corpora import CORPORA

    for name, reader in sorted(CORPORA.items()):
        terms = "may be redistributed under it" if reader.redistributable else "may not be redistributed"
        _entry(name, layout=reader.layout, licence=f"{reader.license or 'for its owner to say'}; the audio {terms}")


@app.command()
def annotators() -> None:
    """List the annotators that are known: what they state, which models they take, what they need.

    Example: cpqa annotators
    """
    from cp_paraling_qa.annotate import KINDS

    for name, kind in sorted(KINDS.items()):
        _entry(f"--with {name}{'[=MODEL]' if kind.models else ''}", states=kind.states, model=kind.models, extra=kind.needs, licence=kind.license)


@app.command()
def annotate(
    run: opt.RunArg,
    annotators: opt.Annotators = None,
    without: opt.Without = None,
    asr_model: opt.AsrModel = None,
    language: opt.Language = None,
    retranscribe: opt.Retranscribe = None,
    whisperx_python: opt.WhisperXPython = None,
    device: opt.Device = None,
    dtype: opt.Dtype = None,
    window: opt.Window = None,
    hop: opt.Hop = None,
    workers: opt.Workers = None,
    engine: opt.EngineOpt = "local",
    ray_address: opt.RayAddress = None,
    gpus: opt.Gpus = 0.0,
) -> None:
    """Let annotators listen to every clip: RUN/annotations and RUN/clips. They join those that the run has; what was heard before stays.

    Without --with, those that the run has go on, under the options given; a run that has none gets prosody and asr.

    Example: cpqa annotate runs/mine --with emotion=emotion2vec_plus_large --with affect=audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim --device cuda
    """
    from cp_paraling_qa import building
    from cp_paraling_qa.annotate.chosen import choices_of
    from cp_paraling_qa.stage import locked

    joining = annotators
    if not annotators and (without or choices_of(run)):
        joining = ["asr"] if asr_model else []
    options = {"language": language, "retranscribe": retranscribe, "whisperx_python": whisperx_python, "dtype": dtype, "window": window, "hop": hop}
    changes = {} if annotators else {name: value or None if name == "window" else value for name, value in options.items() if value is not None}
    chosen = {
        "annotators": joining,
        "asr_model": asr_model,
        "device": device,
    } | options
    recipe = opt.stage_recipe(run, annotate=chosen, workers=workers)
    with locked(run, make=False):
        building.annotate(
            recipe,
            Screen(),
            engine=opt.engine_of(engine, ray_address, recipe.workers, gpus=gpus, device=recipe.annotate.device),
            without=without or (),
            changes=changes,
        )


@app.command()
def condense(
    run: opt.RunArg,
    positive_above: Annotated[float | None, typer.Option("--positive-above", help="A positive emotion needs a valence above this (0.5).")] = None,
    negative_below: Annotated[float | None, typer.Option("--negative-below", help="A negative emotion needs a valence below this (0.4).")] = None,
    min_windows: Annotated[int | None, typer.Option("--min-windows", help="An emotion is kept for a clip if this many windows carry it (2) …")] = None,
    min_share: Annotated[float | None, typer.Option("--min-share", help="… or this share of its windows (0.3).")] = None,
    min_agreement: Annotated[float | None, typer.Option("--min-agreement", help="Least share of the votes for a clip's emotions (0.5).")] = None,
    min_seconds: Annotated[float | None, typer.Option("--min-seconds", help="Shorter clips are left out (no limit).")] = None,
    max_seconds: Annotated[float | None, typer.Option("--max-seconds", help="Longer clips are left out (no limit).")] = None,
    max_clips: Annotated[int | None, typer.Option("--max-clips", help="Budget: keep this many, balanced over emotion, speaker and corpus.")] = None,
    max_hours: Annotated[float | None, typer.Option("--max-hours", help="Budget in hours of speech, balanced likewise.")] = None,
    window: Annotated[float | None, typer.Option("--window", help="Seconds of the windows that a clip is judged in (4); 0 judges each clip whole.")] = None,
    hop: Annotated[float | None, typer.Option("--hop", help="Seconds from one window to the next (2).")] = None,
    source: Annotated[list[str] | None, typer.Option("--source", help="Whose opinions count: human, maker, model; repeat for several (all).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing: show what these and other thresholds would keep.")] = False,
    off: Annotated[bool, typer.Option("--off", help="Undo: every clip passes again.")] = False,
) -> None:
    """Keep the informative and reliable clips: RUN/condensed, and the funnel with its reasons.

    Example: cpqa condense runs/mine --max-hours 20
    """
    from cp_paraling_qa import building
    from cp_paraling_qa.stage import locked

    chosen = {
        "positive_above": positive_above,
        "negative_below": negative_below,
        "min_windows": min_windows,
        "min_share": min_share,
        "min_agreement": min_agreement,
        "min_seconds": min_seconds,
        "max_seconds": max_seconds,
        "max_clips": max_clips,
        "max_hours": max_hours,
        "window": window,
        "hop": hop,
        "sources": source,
    }
    recipe = opt.stage_recipe(run, condense=chosen)
    if off:
        recipe = recipe.model_copy(update={"condense": None})
    elif recipe.condense is None:
        recipe = Recipe.load(recipe, condense=True)
    with locked(run, make=False):
        building.condense_dry(recipe, Screen()) if dry_run else building.condense(recipe, Screen())


@app.command("to-lhotse")
def to_lhotse(run: opt.RunArg, out: Annotated[Path, typer.Argument(help="Folder for recordings.jsonl.gz and supervisions.jsonl.gz.")]) -> None:
    """Write a run's clips as lhotse manifests, opinions in `custom`.

    Example: cpqa to-lhotse runs/mine runs/mine/lhotse
    """
    from cp_paraling_qa.corpora.lhotse_export import to_lhotse as write

    for path in write(run, out):
        typer.echo(path)


app.command()(generate)
app.command()(audit)


@app.command()
def assemble(
    run: opt.RunArg,
    out: Annotated[Path | None, typer.Option("--out", help="The dataset folder; default: RUN/dataset.")] = None,
    metadata_field: opt.Fields = None,
    metadata_source: opt.MetadataSource = None,
    metadata_numbers: opt.Numbers = None,
    hide_asked: opt.HideAsked = None,
    split: opt.Split = None,
    test_share: opt.TestShare = None,
    validation_share: opt.ValidationShare = None,
    test_speakers: opt.TestSpeakers = None,
    reference_only: opt.ReferenceOnly = False,
    workers: opt.Workers = None,
) -> None:
    """Put clips and questions together: a dataset folder for load_dataset.

    Example: cpqa assemble runs/mine --test-speakers Actor_09,Actor_10
    """
    from cp_paraling_qa import building
    from cp_paraling_qa.stage import locked

    recipe = opt.stage_recipe(
        run,
        metadata=_metadata(metadata_field, metadata_source, metadata_numbers, hide_asked),
        splits=_splits(split, test_share, validation_share, test_speakers),
        workers=workers,
    )
    with locked(run, make=False):
        building.assemble(recipe, Screen(), out, reference_only=reference_only)


@app.command()
def build(
    corpus: Annotated[list[str] | None, typer.Option("--corpus", help="Name of a corpus (`cpqa corpora`); repeat with --root for several.")] = None,
    root: Annotated[list[str] | None, typer.Option("--root", help="The corpus folder, one for each --corpus, in the same order.")] = None,
    run: opt.RunOpt = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="YAML recipe; flags override its entries.")] = None,
    llm_base_url: opt.BaseUrl = None,
    llm_model: opt.Model = None,
    no_llm: opt.NoLlm = None,
    llm_concurrency: opt.Concurrency = None,
    llm_timeout: opt.Timeout = None,
    kinds: opt.Kinds = None,
    style: opt.Style = None,
    samples: opt.Samples = None,
    per_clip: opt.PerClip = None,
    mix: opt.Mix = None,
    reuse: opt.Reuse = None,
    live_clips: opt.LiveClips = None,
    seed: opt.Seed = None,
    annotators: opt.Annotators = None,
    asr_model: opt.AsrModel = None,
    device: opt.Device = None,
    condense: opt.Condense = None,
    metadata_field: opt.Fields = None,
    metadata_source: opt.MetadataSource = None,
    metadata_numbers: opt.Numbers = None,
    hide_asked: opt.HideAsked = None,
    split: opt.Split = None,
    test_share: opt.TestShare = None,
    validation_share: opt.ValidationShare = None,
    test_speakers: opt.TestSpeakers = None,
    min_seconds: opt.MinSeconds = None,
    max_seconds: opt.MaxSeconds = None,
    clip_seconds: opt.ClipSeconds = None,
    reference_only: opt.ReferenceOnly = False,
    workers: opt.Workers = None,
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
        llm=opt.llm_entry(llm_base_url, llm_model, no_llm, concurrency=llm_concurrency, timeout=llm_timeout),
        questions={
            "kinds": kinds,
            "style": style,
            "samples": samples,
            "per_clip": per_clip,
            "mix": opt.weights(mix),
            "seed": seed,
            "reuse": reuse,
            "live_clips": live_clips,
        },
        settle={"seed": seed},
        annotate={"annotators": annotators, "asr_model": asr_model, "device": device},
        condense=False if condense is False else None,
        metadata=_metadata(metadata_field, metadata_source, metadata_numbers, hide_asked),
        splits=_splits(split, test_share, validation_share, test_speakers),
        min_seconds=min_seconds,
        max_seconds=max_seconds,
        clip_seconds=clip_seconds,
        reference_only=reference_only or None,
        workers=workers,
    )
    if condense and whole.condense is None:
        whole = Recipe.load(whole, condense=True)
    building.build(whole)


app.command()(export)


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


@app.command("small-model")
def small_model(
    path: Annotated[Path, typer.Argument(help="Folder to write the model to: 690 MB in float32.")],
    seed: Annotated[int, typer.Option("--seed", help="Of its random projector.")] = 0,
    dtype: Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or float16.")] = "float32",
) -> None:
    """Write a small real model, 171 M parameters: Whisper tiny.en and SmolLM2-135M out of installed packages, in Qwen2-Audio's architecture.

    It speaks, but is deaf until its projector is trained. Needs the extra `embedded`.

    Example: cpqa small-model runs/small
    """
    from cp_paraling_qa.training.small import write_small_model

    parameters = write_small_model(path, seed=seed, dtype=dtype)["parameters"]
    typer.echo(f"{path}: " + ", ".join(f"{part} {count / 1e6:.1f} M" for part, count in parameters.items()))


app.command("whisper-llm")(whisper_llm)
app.command("install-metric")(install_metric)
app.command()(compare)


app.command()(score)


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


INTERRUPTED = 130
"""What Typer makes of Ctrl-C: it takes the KeyboardInterrupt for itself."""


def main() -> None:
    """Entry point: errors of ours become one line and exit code 2; Ctrl-C says that the work can go on."""
    try:
        app()
    except CPQAError as error:
        Screen().say(f"cpqa: {error}")
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            Screen().say("cpqa: stopped. Run the same command again: it goes on where it was.")
        raise


if __name__ == "__main__":
    main()
