"""The whole build, stage by stage, as `cpqa build` runs it. Each stage does only what is not there yet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.progress import Screen
from cp_paraling_qa.recipe import Recipe
from cp_paraling_qa.stage import Outcome, locked, read_record, whole_file


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
        generate(recipe, screen)
        return assemble(recipe, screen)


def corpus(recipe: Recipe, screen: Screen, *, keep_others: bool = True) -> dict[str, Any]:
    """corpus folders → RUN/manifest."""
    from cp_paraling_qa.corpora.manifest import make_manifest

    screen.title("corpus → manifest")
    with screen.bar("reading audio", None) as tick:
        record = make_manifest(
            recipe.run,
            [(entry.name, entry.root) for entry in recipe.corpora],
            keep_others=keep_others,
            workers=recipe.workers,
            min_seconds=recipe.min_seconds,
            max_seconds=recipe.max_seconds,
            progress=lambda rows, outcome: tick(rows, _note(outcome)),
        )
    _told(screen, record, "clips")
    return record


def annotate(recipe: Recipe, screen: Screen) -> dict[str, Any]:
    """RUN/manifest → RUN/annotations → RUN/clips."""
    from cp_paraling_qa.annotate import ANNOTATORS, Asr
    from cp_paraling_qa.annotate.base import annotate as run_annotators
    from cp_paraling_qa.annotate.clips import make_clips

    if unknown := [name for name in recipe.annotate.annotators if name not in ANNOTATORS]:
        raise RecipeError(f"unknown annotator {', '.join(unknown)}: known are {', '.join(sorted(ANNOTATORS))}")
    annotators = {
        name: Asr(recipe.annotate.asr_model, recipe.annotate.asr_language) if name == "asr" else ANNOTATORS[name]() for name in recipe.annotate.annotators
    }
    clips = (read_record(recipe.run / "manifest") or {}).get("rows_out", 0)
    screen.title("manifest → annotations")
    with screen.bar("listening", clips * len(annotators)) as tick:
        record = run_annotators(recipe.run, annotators, workers=recipe.workers, progress=lambda name, rows, outcome: tick(rows, name))
    _told(screen, record, "annotations")
    screen.title("annotations → clips")
    record = make_clips(recipe.run, workers=0)
    _told(screen, record, "clips")
    return record


def generate(recipe: Recipe, screen: Screen) -> dict[str, Any]:
    """RUN/clips → RUN/questions."""
    from cp_paraling_qa.generate.questions import make_questions

    screen.title("clips → questions")
    clips = (read_record(recipe.run / "clips") or {}).get("rows_out", 0)
    with screen.bar("asking", clips) as tick:
        record = make_questions(
            recipe.run, recipe.questions, recipe.llm, say=screen.say, progress=lambda rows, outcome: tick(rows, _note(outcome)), told=lambda text: tick(0, text)
        )
    for line in record["summary"]:
        screen.say(f"  {line}")
    if record["retry"]:
        screen.say(f"  {record['retry']} requests failed for passing reasons: run the same command again to try just those")
    return record


def assemble(recipe: Recipe, screen: Screen, out: Path | None = None) -> Path:
    """RUN/clips + RUN/questions → RUN/dataset; says how to load it."""
    from cp_paraling_qa.dataset.assemble import assemble as build_dataset

    screen.title("questions → dataset")
    folder = out or recipe.run / "dataset"
    with screen.bar("writing", 5) as tick:
        record = build_dataset(recipe.run, metadata=recipe.metadata, splits=recipe.splits, out=out, workers=recipe.workers, progress=lambda name: tick(1, name))
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


def _write_recipe(recipe: Recipe) -> None:
    import yaml

    with whole_file(recipe.run / "recipe.yaml") as beside:
        beside.write_text(yaml.safe_dump(recipe.plain(), sort_keys=False, allow_unicode=True), encoding="utf-8")
