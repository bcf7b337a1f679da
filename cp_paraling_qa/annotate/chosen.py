"""Which annotators a run has: RUN/annotators.json. Kept apart from `_stage.json`, which is away while annotations are in the making.

Annotators only ever join: adding one later runs that one alone, and what the others heard, perhaps for days, stays. One leaves when it is told to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cp_paraling_qa.annotate import Annotator, AnnotatorOptions, annotator
from cp_paraling_qa.errors import RecipeError, StageError
from cp_paraling_qa.stage import write_json

FILE = "annotators.json"


@dataclass(frozen=True)
class Choice:
    """An annotator of a run: how it was asked for, with the revision that it got, and under which options."""

    spec: str
    options: AnnotatorOptions


def choices_of(run: Path) -> list[Choice]:
    """The annotators of a run, in the order in which they came.

    Raises:
        StageError: the file cannot be read.
    """
    path = run / FILE
    if not path.exists():
        return []
    try:
        return [Choice(entry["spec"], AnnotatorOptions(**entry["options"])) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StageError(f"{path} cannot be read ({error}): delete it, and name the annotators again with `cpqa annotate --with`") from None


def choose(run: Path, specs: Iterable[str], options: AnnotatorOptions, *, without: Iterable[str] = ()) -> dict[str, Annotator]:
    """The annotators of a run with more of them, by name; writes them down.

    Args:
        run: RUN.
        specs: those that join; one that is there already takes the options of this call.
        options: of those that join. The device holds for all.
        without: specifications or names of those that leave.

    Raises:
        RecipeError: an unknown annotator, or one to leave out that is not there.
    """
    found: dict[str, tuple[Choice, Annotator]] = {}
    for choice in [*choices_of(run), *(Choice(spec, options) for spec in specs)]:
        here = replace(choice, options=replace(choice.options, device=options.device))
        made = annotator(here.spec, here.options)
        found[made.name] = (replace(here, spec=_pinned(here.spec, made)), made)
    for gone in without:
        name = next((name for name, (choice, _) in found.items() if gone in (name, choice.spec, choice.spec.partition("@")[0])), None)
        if name is None:
            raise RecipeError(f"there is no annotator {gone!r} to leave out: the run has {', '.join(found) or 'none'}")
        del found[name]
    entries: list[dict[str, Any]] = [{"spec": choice.spec, "options": asdict(choice.options)} for choice, _ in found.values()]
    write_json(run / FILE, entries)
    return {name: made for name, (_, made) in found.items()}


def _pinned(spec: str, made: Annotator) -> str:
    """The specification with the revision that a Hub id was resolved to, so that a later run hears with the same weights."""
    model, revision = spec.partition("=")[2], made.config.get("revision")
    hub = model.count("/") == 1 and "@" not in model and not Path(model).exists()
    return f"{spec}@{revision}" if hub and isinstance(revision, str) else spec
