"""`cpqa install-metric`: puts the metric where `evaluate.load("llm_judge")` finds it from any directory."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Annotated

import typer

from cp_paraling_qa.errors import StorageError
from cp_paraling_qa.stage import whole_file

NAME = "llm_judge"
_FOLDER = f"evaluate-metric--{NAME}"


def install_metric(remove: Annotated[bool, typer.Option("--remove", help="Take it away again.")] = False) -> None:
    """Make evaluate.load("llm_judge") work from any directory.

    Example: cpqa install-metric
    """
    folder = installed_at()
    if remove:
        typer.echo(f"removed {folder}" if uninstall() else f"nothing is installed at {folder}")
        return
    typer.echo(f"wrote {install()}")
    typer.echo(f'now evaluate.load("{NAME}") works from any directory. A folder ./{NAME} goes before it; so does, where the Hub can be reached, a metric')
    typer.echo(f"evaluate-metric/{NAME} that somebody may put there: set HF_EVALUATE_OFFLINE=1 to be sure of this one. To undo: cpqa install-metric --remove")


def metric_source() -> Path:
    """The metric's module: in the wheel inside this package, in a checkout beside it.

    Raises:
        StorageError: it is in neither.
    """
    inside = Path(__file__).parent / "_metric" / f"{NAME}.py"
    beside = Path(__file__).parents[1] / "metrics" / NAME / f"{NAME}.py"
    for path in (inside, beside):
        if path.is_file():
            return path
    raise StorageError(f"{beside} is missing: install cp-paraling-qa again")


def installed_at() -> Path:
    """The folder in which evaluate looks for a metric of this name when there is none in the current folder."""
    from evaluate.loading import init_dynamic_modules

    return Path(init_dynamic_modules()) / "metrics" / _FOLDER


def install() -> Path:
    """Writes the module under the hash of its content, as evaluate does; the newest one is loaded.

    Returns:
        the file.

    Raises:
        StorageError: the folder cannot be written to.
    """
    content = metric_source().read_bytes()
    place = installed_at() / hashlib.sha256(content).hexdigest()
    with whole_file(place / f"{NAME}.py") as beside:
        beside.write_bytes(content)
        for folder in (place.parents[1], place.parent, place):
            (folder / "__init__.py").touch()
    return place / f"{NAME}.py"


def uninstall() -> bool:
    """Whether there was something to take away."""
    folder = installed_at()
    there = folder.is_dir()
    shutil.rmtree(folder, ignore_errors=True)
    return there
