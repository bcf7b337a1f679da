"""A table of answers with playable audio, for W&B, trackio and TensorBoard. The curves go there by themselves, through the trainer's log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cp_paraling_qa.schema import SAMPLING_RATE

COLUMNS = ("question", "reference", "answer", "answer to another clip", "label", "audio")
NAME = "eval/answers"


@dataclass(frozen=True)
class Shown:
    """One row of the table.

    Attributes:
        question: as the model was asked.
        reference: the right answer.
        answer: of the model.
        swapped: its answer where another clip was played.
        label: the closed label; None where there is none.
        samples: of the clip, float32 of shape (n,), 16 kHz.
    """

    question: str
    reference: str
    answer: str
    swapped: str
    label: str | None
    samples: Any

    def texts(self) -> list[str]:
        """All but the audio, in the order of `COLUMNS`."""
        return [self.question, self.reference, self.answer, self.swapped, self.label or ""]


def show(callbacks: Sequence[Any], rows: Sequence[Shown], step: int, tell: Callable[[str], None], *, first: bool) -> None:
    """Sends the table to every tracker of a trainer. A tracker that fails is named, and training goes on.

    Args:
        callbacks: of the trainer.
        rows: of the table.
        step: of training.
        tell: takes a line about a tracker that failed.
        first: whether this process shows these clips for the first time; TensorBoard gets their audio only then.
    """
    for callback in callbacks:
        name = type(callback).__name__
        try:
            if name == "WandbCallback":
                _wandb(callback, rows, step)
            elif name == "TrackioCallback":
                _trackio(callback, rows, step)
            elif name == "TensorBoardCallback" and callback.tb_writer is not None:
                _tensorboard(callback.tb_writer, rows, step, audio=first)
        except Exception as error:  # whatever a tracker throws, the run is worth more than its table
            tell(f"{name} did not take the table of answers ({type(error).__name__}: {error})")


def _wandb(callback: Any, rows: Sequence[Shown], step: int) -> None:
    wandb = callback._wandb
    if wandb.run is None:
        return
    data = [[*row.texts(), wandb.Audio(row.samples, sample_rate=SAMPLING_RATE)] for row in rows]
    wandb.log({NAME: wandb.Table(columns=list(COLUMNS), data=data), "train/global_step": step})


def _trackio(callback: Any, rows: Sequence[Shown], step: int) -> None:
    import numpy as np

    trackio = callback._trackio
    whole = [(np.clip(row.samples, -1, 1) * 32767).astype(np.int16) for row in rows]
    data = [[*row.texts(), trackio.Audio(samples, sample_rate=SAMPLING_RATE)] for row, samples in zip(rows, whole, strict=True)]
    trackio.log({NAME: trackio.Table(columns=list(COLUMNS), data=data), "train/global_step": step})


def _tensorboard(writer: Any, rows: Sequence[Shown], step: int, *, audio: bool) -> None:
    numbered = [[str(number), *row.texts()] for number, row in enumerate(rows, start=1)]
    writer.add_text(NAME, _markdown(["clip", *COLUMNS[:-1]], numbered), step)
    for number, row in enumerate(rows, start=1):
        if audio:
            writer.add_audio(f"eval/clip {number}", row.samples, step, sample_rate=SAMPLING_RATE)
    writer.flush()


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; bars and line breaks in a cell would end it."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ⏎ ") for cell in cells) + " |"

    return "\n".join([line(head), "|" + " --- |" * len(head), *map(line, rows)])
