"""The whole build, stage by stage, as `cpqa build` runs it. Each stage does only what is not there yet."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.progress import Screen
from cp_paraling_qa.recipe import Recipe
from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.stage import RECORD, Engine, Outcome, check_chain, clips_folder, locked, read_record, whole_file


def build(recipe: Recipe | Path | str | dict[str, Any], *, screen: Screen | None = None) -> Path:
    """Corpora in, dataset folder out.

    Args:
        recipe: a `Recipe`, its YAML file, or its entries.
        screen: where progress goes; None for standard error.

    Returns:
        RUN/dataset: `load_dataset(str(path), "implicit")`.

    Raises:
        CPQAError: whatever cannot go on, naming the item and the remedy. Run it again: it goes on where it stopped.
    """
    recipe = Recipe.load(recipe)
    screen = screen or Screen()
    if not recipe.corpora:
        raise RecipeError("no corpus to build from: give corpora in the recipe, or --corpus NAME --root DIR")
    with locked(recipe.run):
        _write_recipe(recipe)
        corpus(recipe, screen, keep_others=False)
        annotate(recipe, screen)
        condense(recipe, screen)
        generate(recipe, screen)
        return assemble(recipe, screen)


def corpus(recipe: Recipe, screen: Screen, *, keep_others: bool = True) -> dict[str, Any]:
    """corpus folders → RUN/manifest."""
    from cp_paraling_qa.corpora.manifest import make_manifest

    screen.title("corpus → manifest")
    with screen.bar("reading audio", None) as tick:
        record = make_manifest(
            recipe.run,
            [entry.source() for entry in recipe.corpora],
            limits=recipe.limits(),
            keep_others=keep_others,
            workers=recipe.workers,
            progress=lambda rows, outcome: tick(rows, _note(outcome)),
        )
    _told(screen, record, "clips")
    return record


def annotate(
    recipe: Recipe, screen: Screen, *, engine: Engine | None = None, without: Iterable[str] = (), changes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """RUN/manifest → RUN/annotations → RUN/clips. Annotators join those that the run has; `changes` are options that change for these."""
    from cp_paraling_qa.annotate.base import annotate as run_annotators
    from cp_paraling_qa.annotate.chosen import choose, unless_it_fails
    from cp_paraling_qa.annotate.clips import make_clips

    check_chain(recipe.run, "manifest")
    clips = (read_record(recipe.run / "manifest") or {}).get("rows_out", 0)
    with unless_it_fails(recipe.run):
        annotators = choose(recipe.run, recipe.annotate.specs(), recipe.annotate.options(), without=without, changes=changes)
        screen.title("manifest → annotations")
        with screen.bar("listening", clips * len(annotators)) as tick:
            record = run_annotators(recipe.run, annotators, workers=recipe.workers, engine=engine, progress=lambda name, rows, outcome: tick(rows, name))
    _told(screen, record, f"annotations by {', '.join(annotators) or 'nobody'}")
    screen.title("annotations → clips")
    record = make_clips(recipe.run, workers=0)
    _told(screen, record, "clips")
    return record


def condense(recipe: Recipe, screen: Screen) -> dict[str, Any]:
    """RUN/clips → RUN/condensed: the informative and reliable clips; without options the run is not condensed, and every clip passes."""
    from cp_paraling_qa.condense import CONDENSE_JSON, CONDENSE_PLOT, make_condensed, plot_distributions, render_funnel

    folder = recipe.run / "condensed"
    if recipe.condense is None:
        if folder.is_dir():
            screen.say(f"  {folder} is gone: every clip passes")
        shutil.rmtree(folder, ignore_errors=True)
        for name in (CONDENSE_JSON, CONDENSE_PLOT):
            (recipe.run / name).unlink(missing_ok=True)
        return {}
    screen.title("clips → condensed")
    with screen.bar("weighing", (read_record(recipe.run / "clips") or {}).get("rows_out", 0)) as tick:
        record = make_condensed(recipe.run, recipe.condense, progress=lambda rows, outcome: tick(rows, _note(outcome)))
    screen.console.print(render_funnel(record["funnel"]))
    screen.say(f"  before and after: {plot_distributions(recipe.run)}; every clip's reason: {folder / RECORD}")
    return record


def condense_dry(recipe: Recipe, screen: Screen) -> None:
    """What these and other thresholds would keep; nothing is written."""
    from cp_paraling_qa.condense import CondenseOptions, dry_run, render_funnel, render_sweep, sweep

    options = recipe.condense or CondenseOptions()
    screen.console.print(render_funnel(dry_run(recipe.run, options)))
    screen.console.print(render_sweep(sweep(recipe.run, options)))
    screen.say("  nothing was changed: the same command without --dry-run keeps the clips of the first table")


def generate(
    recipe: Recipe,
    screen: Screen,
    *,
    transport: Literal["live", "batch"] = "live",
    poll: Seconds = 30.0,
    engine: Engine | None = None,
    begin: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """RUN/clips → RUN/written → RUN/questions. `begin` is called once it is known that the options can be carried out."""
    from cp_paraling_qa.generate.questions import make_questions

    screen.title("clips → questions")
    clips = (read_record(clips_folder(recipe.run)) or {}).get("rows_out", 0)
    with screen.bar("asking", clips) as tick:
        record, summary = make_questions(
            recipe.run,
            recipe.questions,
            recipe.llm,
            rules=recipe.settle,
            text_llm=recipe.text_reader,
            transport=transport,
            poll=poll,
            engine=engine,
            begin=begin,
            say=screen.say,
            progress=lambda rows, outcome: tick(rows, _note(outcome)),
            told=lambda text: tick(0, text),
        )
    for line in record["summary"]:
        screen.say(f"  {line}")
    if record["retry"]:
        screen.say(f"  {record['retry']} questions are missing for passing reasons: run the same command again to ask for just those")
    for table in summary.render() if summary.live else ():
        screen.console.print(table)
    return record


def generate_dry(recipe: Recipe, screen: Screen) -> dict[str, Any]:
    """What asking would take; nothing is sent and nothing is written."""
    from cp_paraling_qa.generate.questions import estimate_questions

    reckoned = estimate_questions(recipe.run, recipe.questions, recipe.llm)
    for line in reckoned.lines():
        screen.say(f"  {line}")
    rounds = recipe.questions.rounds
    if rounds > 1:
        screen.say(
            f"  this is the first of at most {rounds} rounds: each of the others asks again for what a filter dropped, or a reply left out, of the one before"
        )
    if recipe.text_reader is not None:
        screen.say("  --text-audit comes on top: two short requests for each question that is kept, and up to four more where its answer is open")
    screen.say("  nothing was asked: the same command without --dry-run asks")
    return reckoned.plain() | {"rounds": rounds}


def assemble(recipe: Recipe, screen: Screen, out: Path | None = None, *, reference_only: bool = False) -> Path:
    """RUN/clips + RUN/questions → RUN/dataset; says how to load it."""
    from cp_paraling_qa.dataset.assemble import assemble as build_dataset

    screen.title("questions → dataset")
    folder = out or recipe.run / "dataset"
    with screen.bar("writing", 5) as tick:
        record = build_dataset(
            recipe.run,
            metadata=recipe.metadata,
            splits=recipe.splits,
            reference_only=reference_only or recipe.reference_only,
            out=out,
            workers=recipe.workers,
            progress=lambda name: tick(1, name),
        )
    for warning in record["warnings"]:
        screen.say(f"  note: {warning}")
    for name, counts in record["configs"].items():
        screen.say(f"  {name:9s} " + ", ".join(f"{rows} {split}" for split, rows in counts.items()))
    screen.say(f'  load_dataset("{folder}", "{next(iter(record["configs"]))}")')
    return folder


def _note(outcome: Outcome) -> str:
    lost = sum(outcome.counts().values())
    return f"{outcome.rows_out} rows" + (f", {lost} left out" if lost else "")


def _told(screen: Screen, record: Mapping[str, Any], what: str) -> None:
    screen.say(f"  {record['rows_out']} {what} of {record['rows_in']}")
    for reason, count in record["dropped"].items():
        first = next(drop for drop in record["dropped_items"] if drop["reason"] == reason)
        screen.say(f"  left out: {count} × {reason}, e.g. {first['item']}{': ' + first['detail'] if first['detail'] else ''}")


def remember(recipe: Recipe) -> None:
    """RUN/recipe.yaml, so that `cpqa build --recipe` makes the run again: what each stage was told, in whichever command. A budget is of one command, and is left out."""
    from cp_paraling_qa.annotate.chosen import choices_of
    from cp_paraling_qa.corpora.manifest import corpora_of
    from cp_paraling_qa.generate.options import LLMOptions

    known: dict[str, Any] = {}
    if entries := corpora_of(recipe.run):
        first = entries[0]
        known["corpora"] = [{"name": entry.reader, "root": entry.root, **entry.options} for entry in entries]
        known |= {
            "min_seconds": first.min_seconds,
            "max_seconds": first.max_seconds,
            "clip_seconds": "-".join(f"{s:g}" for s in first.cut) if first.cut else None,
        }
    if chosen := choices_of(recipe.run):
        known["annotate"] = recipe.annotate.model_dump() | {"annotators": [choice.asked for choice in chosen]}
    if isinstance(recipe.llm, LLMOptions):
        known["llm"] = recipe.llm.model_dump() | {"max_cost": None}
    _write_recipe(Recipe.load(recipe, **known))


def _write_recipe(recipe: Recipe) -> None:
    import yaml

    with whole_file(recipe.run / "recipe.yaml") as beside:
        beside.write_text(yaml.safe_dump(recipe.plain(), sort_keys=False, allow_unicode=True), encoding="utf-8")
