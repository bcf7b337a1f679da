"""`cpqa export`: parsing and printing only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cp_paraling_qa.progress import Screen


def export(
    dataset: Annotated[str, typer.Argument(help="Dataset folder such as RUN/dataset, cp_paraling_qa for the bundled sample, or a Hub id.")],
    format: Annotated[str, typer.Option("--format", help="ms-swift, llamafactory, or jsonl: our own columns.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write: new, empty, or of this very export, which then goes on.")],
    config: Annotated[
        str, typer.Option("--config", help="baseline, explicit, implicit or combined; with commas for several in one file.")
    ] = "baseline,implicit",
    split: Annotated[str, typer.Option("--split", help="train, test, …; with commas for several, a file each.")] = "train",
    absolute: Annotated[
        bool | None,
        typer.Option(
            "--absolute/--relative", help="Audio paths: absolute, or from the folder (what the framework finds: absolute for ms-swift, else relative)."
        ),
    ] = None,
    drop_tagged: Annotated[bool, typer.Option("--drop-tagged", help="Leave out rows whose text holds a tag of the framework, such as <audio>.")] = False,
) -> None:
    """Write a dataset for another trainer: rows in its form, and every clip once as a file.

    Example: cpqa export runs/mine/dataset --format ms-swift --config baseline,implicit --split train,test --out runs/mine/swift
    """
    from cp_paraling_qa.dataset.export import export as write

    screen = Screen()
    with screen.bar("writing rows", None) as tick:
        done = write(dataset, out, format=format, configs=_names(config), splits=_names(split), absolute=absolute, drop_tagged=drop_tagged, tick=tick)
    if done.unchanged:
        screen.say(f"{out} holds this export already")
    if done.left_out:
        screen.say(f"left out {len(done.left_out)} rows with a tag in their text: {', '.join(done.left_out[:20])}")
    for name, rows in zip(done.files, done.rows.values(), strict=True):
        typer.echo(f"{out / name}: {rows:,} rows")
    typer.echo(f"{out / 'audio'}: {done.clips:,} clips")
    typer.echo(f"next: {_next(format, out, done.files, absolute)}")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _next(format: str, out: Path, files: list[str], absolute: bool | None) -> str:
    """The command that trains on it."""
    if format == "ms-swift":
        place = f"ROOT_IMAGE_DIR={out} " if absolute is False else ""
        return f"{place}swift sft --model Qwen/Qwen2-Audio-7B-Instruct --dataset {out / files[0]}"
    if format == "llamafactory":
        return f"llamafactory-cli train with stage: sft, template: qwen2_audio, dataset_dir: {out}, dataset: cpqa_{Path(files[0]).stem}"
    return f'load_dataset("json", data_files="{out / files[0]}")'
