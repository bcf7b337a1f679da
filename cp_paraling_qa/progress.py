"""What the user sees while long work runs: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cp_paraling_qa.schema import Seconds

PLAIN_EVERY: Seconds = 10.0


class Tick(Protocol):
    """Called with how many more are done, and a note that stands behind the bar."""

    def __call__(self, more: int, note: str = "") -> None:
        """Moves the bar on."""


class Screen:
    """Prints to standard error, so that standard output stays a command's result.

    Args:
        quiet: say nothing at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        if not self.console.is_terminal and "COLUMNS" not in os.environ:
            self.console.width = 120  # a log file has no width of its own; tables need one

    def say(self, text: str) -> None:
        """A line; text from data cannot bring markup of its own."""
        self.console.print(escape(text))

    def title(self, text: str) -> None:
        """A line that opens a stage."""
        self.console.print(f"[bold]{escape(text)}[/bold]")

    @contextmanager
    def bar(self, what: str, total: int | None) -> Iterator[Tick]:
        """Progress of one piece of work over `total` items (None: nobody knows)."""
        if self.console.is_terminal:
            columns = (
                TextColumn("  {task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            )
            with Progress(*columns, console=self.console, transient=True) as progress:
                task = progress.add_task(what, total=total, note="")

                def move(more: int, note: str = "") -> None:
                    progress.update(task, advance=more, note=escape(note))

                yield move
            return
        done, last = 0, time.monotonic()

        def tick(more: int, note: str = "") -> None:
            nonlocal done, last
            done += more
            if time.monotonic() - last > PLAIN_EVERY:
                last = time.monotonic()
                self.say(f"  {what}: {done}{f' of {total}' if total else ''} {note}".rstrip())

        yield tick
