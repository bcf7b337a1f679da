"""`cpqa generate` and `cpqa audit`: parsing and printing only."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cp_paraling_qa import cli_options as opt
from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.progress import Screen


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


def _settle(near: float | None, contrast: bool | None, conflict: bool | None, text_answerable: str | None, seed: int | None) -> dict[str, Any]:
    chosen: dict[str, Any] = {"contrast": contrast, "conflict": conflict, "conflict_items": conflict, "seed": seed}
    if near:
        chosen |= {"near_within": near, "near_across": near}
    if text_answerable is not None:
        try:
            chosen["text_answerable"] = text_answerable if text_answerable in ("keep", "drop") else float(text_answerable)
        except ValueError:
            raise RecipeError(f"--text-answerable {text_answerable}: give keep, drop, or a share from 0 to 1") from None
    return chosen


def generate(
    run: opt.RunArg,
    kinds: opt.Kinds = None,
    llm_base_url: opt.BaseUrl = None,
    llm_model: opt.Model = None,
    no_llm: opt.NoLlm = None,
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

    What is not given is as the run's last command had it (RUN/recipe.yaml), but for --max-cost, which is of one command.

    Example: cpqa generate runs/mine --kinds cpqa,pqa --llm-base-url http://localhost:8000/v1 --llm-model Qwen/Qwen3-8B
    """
    from cp_paraling_qa import building
    from cp_paraling_qa.stage import locked

    if transport not in ("live", "batch"):
        raise RecipeError(f"transport {transport!r}: choose live or batch")
    questions = {
        "kinds": kinds,
        "style": style,
        "samples": samples,
        "per_clip": per_clip,
        "rounds": rounds,
        "mix": opt.weights(mix),
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
    recipe = opt.stage_recipe(
        run,
        llm=opt.llm_entry(
            llm_base_url,
            llm_model,
            no_llm,
            temperature=llm_temperature,
            max_tokens=llm_max_tokens,
            concurrency=llm_concurrency,
            timeout=llm_timeout,
            attempts=llm_attempts,
            reply_format=llm_format,
            prices=_prices(prices),
            max_cost=max_cost,
        ),
        questions=questions,
        settle=_settle(near, contrast, conflict, text_answerable, seed),
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
        building.generate(
            recipe,
            Screen(),
            transport=transport,  # type: ignore[arg-type]
            poll=poll,
            engine=opt.engine_of(engine, ray_address, recipe.workers),
            begin=lambda: building.remember(recipe),
        )


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
