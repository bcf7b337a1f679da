"""`cpqa`: parsing and printing only. What a command does lives in the library under the same name."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cp_paraling_qa import __version__
from cp_paraling_qa import cli_options as opt
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


def _llm(base_url: str | None, model: str | None, off: bool, concurrency: int | None, timeout: float | None) -> dict[str, Any] | str:
    if off:
        if base_url or model:
            raise RecipeError("--no-llm and an LLM endpoint exclude each other: drop one of them")
        return "none"
    return {"base_url": base_url, "model": model, "concurrency": concurrency, "timeout": timeout}


def _prices(path: Path | None) -> dict[str, Any] | None:
    """A price table: model → {input, output}."""
    if path is None:
        return None
    import yaml

    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"the prices {path} cannot be read: {error}") from None
    if not isinstance(table, dict) or not all(isinstance(price, dict) and set(price) == {"input", "output"} for price in table.values()):
        raise RecipeError(f"the prices {path} are no table: give MODEL: {{input: USD, output: USD}}, per million tokens")
    return table


def _weights(mix: str | None) -> dict[str, float] | None:
    """CE=6,C=1 as a mapping."""
    if mix is None:
        return None
    pairs = [item.partition("=") for item in mix.split(",") if item.strip()]
    try:
        return {type.strip(): float(weight) for type, _, weight in pairs}
    except ValueError:
        raise RecipeError(f"--mix {mix}: give TYPE=WEIGHT with commas, e.g. CE=6,C=1") from None


def _settle(near: float | None, contrast: bool | None, conflict: bool | None, text_answerable: str | None) -> dict[str, Any]:
    chosen: dict[str, Any] = {"contrast": contrast, "conflict": conflict, "conflict_items": conflict}
    if near:
        chosen |= {"near_within": near, "near_across": near}
    if text_answerable is not None:
        try:
            chosen["text_answerable"] = text_answerable if text_answerable in ("keep", "drop") else float(text_answerable)
        except ValueError:
            raise RecipeError(f"--text-answerable {text_answerable}: give keep, drop, or a share from 0 to 1") from None
    return chosen


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


def _engine(name: str, address: str | None, gpus: float, recipe: Recipe) -> Any:
    """What runs the stages: None for this machine."""
    if name not in ("local", "ray"):
        raise RecipeError(f"engine {name!r}: choose local or ray")
    if name == "local":
        if address is not None or gpus:
            raise RecipeError("--ray-address and --gpus belong to --engine ray")
        return None
    if recipe.annotate.device.startswith("cuda") and not gpus:
        raise RecipeError("on Ray a worker sees the GPUs that it asked for: give --gpus 1, or a fraction such as --gpus 0.5, with --device cuda")
    from cp_paraling_qa.ray_engine import RayEngine

    return RayEngine(address=address, workers=recipe.workers or None, gpus=gpus)


def _stage_recipe(run: Path, **overrides: Any) -> Recipe:
    """A stage's recipe: the run's own, if it was built from one, with this call's flags on top."""
    own = run / "recipe.yaml"
    recipe = Recipe.load(own if own.is_file() else {"run": run}, **overrides)
    return recipe.model_copy(update={"run": run})


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
    recipe = _stage_recipe(run, corpora=[entry], workers=workers, min_seconds=min_seconds, max_seconds=max_seconds, clip_seconds=clip_seconds)
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
    recipe = _stage_recipe(run, annotate=chosen, workers=workers)
    with locked(run, make=False):
        building.annotate(recipe, Screen(), engine=_engine(engine, ray_address, gpus, recipe), without=without or (), changes=changes)


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
    recipe = _stage_recipe(run, condense=chosen)
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


@app.command()
def generate(
    run: opt.RunArg,
    kinds: opt.Kinds = None,
    llm_base_url: opt.BaseUrl = None,
    llm_model: opt.Model = None,
    no_llm: opt.NoLlm = False,
    style: opt.Style = None,
    samples: opt.Samples = None,
    per_clip: opt.PerClip = None,
    rounds: opt.Rounds = None,
    mix: opt.Mix = None,
    seed: opt.Seed = None,
    language: opt.QuestionLanguage = None,
    vad: opt.Vad = None,
    emotions: opt.Emotions = None,
    opinions: opt.Opinions = None,
    soft_labels: opt.SoftLabels = None,
    forms: opt.Forms = None,
    skip_filter: opt.SkipFilters = None,
    strict: opt.Strict = None,
    near: opt.Near = None,
    contrast: opt.Contrast = None,
    conflict: opt.Conflict = None,
    text_audit: opt.TextAudit = None,
    text_llm_base_url: opt.TextBaseUrl = None,
    text_llm_model: opt.TextModel = None,
    text_answerable: opt.TextAnswerable = None,
    reuse: opt.Reuse = None,
    live_clips: opt.LiveClips = None,
    llm_temperature: opt.Temperature = None,
    llm_max_tokens: opt.MaxTokens = None,
    llm_concurrency: opt.Concurrency = None,
    llm_timeout: opt.Timeout = None,
    llm_attempts: opt.Attempts = None,
    llm_format: opt.ReplyFormat = None,
    prices: opt.PricesFile = None,
    max_cost: opt.MaxCost = None,
    dry_run: opt.DryRun = False,
    transport: opt.Transport = "live",
    poll: opt.Poll = 30.0,
    engine: opt.EngineOpt = "local",
    ray_address: opt.RayAddress = None,
) -> None:
    """Write the questions, from templates and by an LLM, and settle which of them stay: RUN/written and RUN/questions. Run it again, it goes on where it stopped.

    Example: cpqa generate runs/mine --kinds cpqa,pqa --llm-base-url http://localhost:8000/v1 --llm-model Qwen/Qwen3-8B
    """
    from cp_paraling_qa import building
    from cp_paraling_qa.stage import locked

    if transport not in ("live", "batch"):
        raise RecipeError(f"transport {transport!r}: choose live or batch")
    llm = _llm(llm_base_url, llm_model, no_llm, llm_concurrency, llm_timeout)
    if isinstance(llm, dict):
        llm |= {"temperature": llm_temperature, "max_tokens": llm_max_tokens, "attempts": llm_attempts, "reply_format": llm_format}
        llm |= {"prices": _prices(prices), "max_cost": max_cost}
    questions = {
        "kinds": kinds,
        "style": style,
        "samples": samples,
        "per_clip": per_clip,
        "rounds": rounds,
        "mix": _weights(mix),
        "seed": seed,
        "language": language,
        "vad": vad,
        "emotions": emotions,
        "opinions": opinions,
        "soft_labels": soft_labels,
        "forms": forms,
        "skip_filters": skip_filter,
        "strict": strict,
        "reuse": reuse,
        "live_clips": live_clips,
    }
    recipe = _stage_recipe(
        run,
        llm=llm,
        questions=questions,
        settle=_settle(near, contrast, conflict, text_answerable),
        text_llm={"base_url": text_llm_base_url, "model": text_llm_model} if text_llm_base_url or text_llm_model else "same" if text_audit else None,
    )
    if text_audit is False:
        recipe = recipe.model_copy(update={"text_llm": None})
    if near == 0:
        recipe = recipe.model_copy(update={"settle": replace(recipe.settle, near_within=None, near_across=None)})
    with locked(run, make=False):
        if dry_run:
            typer.echo(json.dumps(building.generate_dry(recipe, Screen())))
            return
        building.remember(recipe)
        building.generate(recipe, Screen(), transport=transport, poll=poll, engine=_engine(engine, ray_address, 0.0, recipe))  # type: ignore[arg-type]


@app.command()
def audit(
    dataset: Annotated[str, typer.Argument(help="A dataset folder, a Hub id, or a Parquet or JSONL file with the columns question and answer.")],
    config: Annotated[str | None, typer.Option("--config", help="Configuration (implicit where there is one).")] = None,
    split: Annotated[str | None, typer.Option("--split", help="Split (all).")] = None,
    llm_base_url: opt.BaseUrl = None,
    llm_model: opt.Model = None,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Let the embedded 135 M model answer from the words alone: shows the path, not much else.")
    ] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Questions that the text model is asked, chosen by their id (all).")] = None,
    cache: Annotated[Path | None, typer.Option("--cache", help="SQLite file of the text model's replies (audit.sqlite in the user's cache folder).")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the JSON here.")] = None,
) -> None:
    """Look a dataset over, ours or not: shortcuts, leaks, repeats, balance. Tables go to the screen, the JSON to standard output.

    Example: cpqa audit cp_paraling_qa --config implicit
    """
    from cp_paraling_qa.generate.audit.endpoint import text_model
    from cp_paraling_qa.generate.audit.report import audit as look
    from cp_paraling_qa.generate.audit.tables import render
    from cp_paraling_qa.stage import write_json

    place = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cp-paraling-qa" / "audit.sqlite"
    llm, name = text_model(llm_base_url, llm_model, embedded=embedded, cache=place)
    screen = Screen()
    with screen.bar("auditing", None) as tick:
        report = look(dataset, config=config, split=split, llm=llm, llm_name=name, limit=limit, told=lambda note: tick(1, note))
    for piece in render(report):
        screen.console.print(piece)
    if out is not None:
        write_json(out, report)
        screen.say(f"written to {out}")
    typer.echo(json.dumps(report, ensure_ascii=False))


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

    recipe = _stage_recipe(
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
    no_llm: opt.NoLlm = False,
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
        llm=_llm(llm_base_url, llm_model, no_llm, llm_concurrency, llm_timeout),
        questions={
            "kinds": kinds,
            "style": style,
            "samples": samples,
            "per_clip": per_clip,
            "mix": _weights(mix),
            "seed": seed,
            "reuse": reuse,
            "live_clips": live_clips,
        },
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
