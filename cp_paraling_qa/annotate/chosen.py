"""Which annotators a run has: RUN/annotators.json. Kept apart from `_stage.json`, which is away while annotations are in the making.

Annotators only ever join: adding one later runs that one alone, and what the others heard, perhaps for days, stays. One leaves when it is told to, and one that
fails before it has heard anything has never joined.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cp_paraling_qa.annotate import Annotator, AnnotatorOptions, annotator, local_model
from cp_paraling_qa.annotate.pinning import COMMIT
from cp_paraling_qa.errors import CPQAError, RecipeError, StageError
from cp_paraling_qa.stage import RECORD, write_json

FILE = "annotators.json"


@dataclass(frozen=True)
class Choice:
    """An annotator of a run.

    Args:
        name: of the annotator.
        asked: the specification that asked for it, folders by their whole path.
        spec: the same with the commit that it got, where it comes from the Hub.
        options: under which it hears.
    """

    name: str
    asked: str
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
        return [Choice(**entry | {"options": AnnotatorOptions(**entry["options"])}) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StageError(f"{path} cannot be read ({error}): delete it, and name the annotators again with `cpqa annotate --with`") from None


def choose(
    run: Path, specs: Iterable[str], options: AnnotatorOptions, *, without: Iterable[str] = (), changes: Mapping[str, Any] | None = None
) -> dict[str, Annotator]:
    """The annotators of a run with more of them, by name; writes them down.

    Args:
        run: RUN.
        specs: those that join; one that is there already takes the options of this call and keeps its commit, unless another revision is asked for.
        options: of those that join. The device holds for all.
        without: specifications or names of those that leave; their models need not be there any more.
        changes: options that change for those that are there.

    Raises:
        RecipeError: an unknown annotator, one to leave out that is not there, or two models of one name.
    """
    there, joining, leaving = choices_of(run), [whole(spec) for spec in specs], [whole(gone) for gone in without]
    options = replace(options, whisperx_python=_program(options.whisperx_python))
    changes = {name: _program(value) if name == "whisperx_python" else value for name, value in (changes or {}).items()}
    for gone in leaving:
        if gone not in joining and not any(_is(gone, choice, there) for choice in there):
            raise RecipeError(f"there is no annotator {gone!r} to leave out: the run has {', '.join(choice.name for choice in there) or 'none'}")
    found: dict[str, tuple[Choice, Annotator]] = {}
    for choice in there:
        if any(_is(gone, choice, there) for gone in leaving):
            continue
        mine = options if choice.asked in joining else replace(choice.options, **changes | {"device": options.device})
        try:
            found[choice.name] = replace(choice, options=mine), annotator(choice.spec, mine)
        except CPQAError as error:
            raise RecipeError(f"{error}. It is an annotator of {run}: `--without {choice.name}` lets it leave") from None
    had = {choice.asked for choice, _ in found.values()}
    for spec in joining:
        if spec in had or spec in leaving:
            continue
        made = annotator(spec, options)
        new = Choice(made.name, spec, _pinned(spec, made), options)
        if made.name in found:
            _must_be_one(found[made.name][0], new)
        found[made.name] = new, made
    _write(run, [choice for choice, _ in found.values()])
    return {name: made for name, (_, made) in found.items()}


@contextmanager
def unless_it_fails(run: Path) -> Iterator[None]:
    """Leaves a run as it was where annotators fail in the block before they made anything.

    Those that joined leave, changed options are as they were, and annotations that were finished still are. What was made stays, and its annotator with it.
    """
    list_of, record_of = run / FILE, run / "annotations" / RECORD
    before, chosen, record, parts = choices_of(run), _bytes(list_of), _bytes(record_of), _parts(run)
    try:
        yield
    except Exception:  # raised again below: whatever it was, the run is as it was
        now, sources = _parts(run), [path.name for path in (run / "manifest").glob("*.parquet")]
        made = {
            choice.name: choice for choice in choices_of(run) if any(now.get(f"{choice.name}-{part}") != parts.get(f"{choice.name}-{part}") for part in sources)
        }
        kept = [made.pop(choice.name, choice) for choice in before]
        _write(run, [*kept, *made.values()])
        if chosen is None and not (kept or made):
            list_of.unlink()
        if record is not None and all(now.get(f"{name}.parquet") == parts.get(f"{name}.parquet") for name in json.loads(record)["parts"]):
            record_of.write_bytes(record)
        raise


def whole(spec: str) -> str:
    """A specification with its folder, where it names one, by its whole path: the next call may come from elsewhere."""
    path = local_model(spec)
    return spec.strip() if path is None else f"{spec.strip().removesuffix(_model(spec))}{path}"


def _model(spec: str) -> str:
    return spec.strip().partition("=")[2].removeprefix("whisperx:")


def _is(gone: str, choice: Choice, there: Iterable[Choice]) -> bool:
    """Whether an annotator is meant: by name, by specification, or by kind where there is one of that kind."""
    of_kind = [other for other in there if other.asked.partition("=")[0] == gone]
    folder = gone.removesuffix(_model(gone)) + str(Path(_model(gone)).expanduser().absolute())  # which may no longer be there
    asked = (choice.name, choice.spec, choice.asked, choice.asked.partition("@")[0])
    return gone in asked or folder == choice.asked or of_kind == [choice]


def _must_be_one(before: Choice, new: Choice) -> None:
    """Refuses two folders of one name, which would take each other's place."""
    first, second = local_model(before.asked), local_model(new.asked)
    if first and second and first != second:
        raise RecipeError(f"{first} and {second} would both be the annotator {new.name}: rename one of them, or let the first leave with --without {new.name}")


def _pinned(spec: str, made: Annotator) -> str:
    """The specification with the commit that its Hub id was resolved to, so that a later run hears with the same weights."""
    revision, model = str(made.config.get("revision")), spec.partition("=")[2] or made.config.get("model")
    if local_model(spec) or not model or not COMMIT.fullmatch(revision):
        return spec
    return f"{spec.partition('=')[0]}={model.partition('@')[0]}@{revision}"


def _program(python: str | None) -> str | None:
    """An interpreter by its whole path, unless it is one to look for on PATH."""
    return os.path.abspath(os.path.expanduser(python)) if python and os.sep in python else python


def _write(run: Path, choices: Iterable[Choice]) -> None:
    write_json(run / FILE, [asdict(choice) for choice in choices])


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _parts(run: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (run / "annotations").glob("*.parquet")}
