"""Dataset rows for training and prediction: loading, the length check, and the controls on metadata and audio."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cp_paraling_qa.audio import duration_of
from cp_paraling_qa.errors import AudioError, ClipLengthError, DatasetError, TrainingError
from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.training.families import Family
from cp_paraling_qa.training.sampler import RowLength

if TYPE_CHECKING:
    from cp_paraling_qa.training.encoding import Encoder

BUNDLED = "cp_paraling_qa"
"""Name of the sample that lies beside this library, as a dataset folder."""

SPLIT_OR_DROP = "split them (`cpqa corpus … --clip-seconds 10-30` cuts recordings at pauses), or pass --drop_unhearable to leave them out"
"""What can be done about clips that the encoder does not hear."""

_TOKENISED = 10_000  # rows at a time
_LISTED = 20  # clips that an error message spells out


def load_rows(dataset: str, configs: str | Sequence[str], split: str, *, cache_dir: str | None = None) -> Any:
    """Rows of one or several configs of a dataset, one behind the other, with a column `config` that says where each is from.

    Args:
        dataset: a dataset folder, or a Hub id; `cp_paraling_qa` is the bundled sample, seen from the checkout's root.
        configs: names, as a sequence or joined by commas. The paper's implicit arm, for one, trains on "baseline,implicit".
        split: train, validation or test.
        cache_dir: of `load_dataset`.

    Raises:
        DatasetError: no such dataset, config or split, or no rows in it.
    """
    from datasets import concatenate_datasets

    names = [name.strip() for name in (configs.split(",") if isinstance(configs, str) else configs) if name.strip()]
    if not names:
        raise DatasetError(f"{dataset}: no config named; pass one of baseline, explicit, implicit, combined")
    parts = []
    for name in names:
        part = load_config(dataset, name, split, cache_dir=cache_dir)
        missing = {"id", "clip_id", "audio", "question", "prompt", "answer"} - set(part.column_names)
        if missing:
            raise DatasetError(f"{dataset}: config {name!r} has no column {', '.join(sorted(missing))}; train on baseline, explicit, implicit or combined")
        parts.append(part.add_column("config", [name] * part.num_rows) if "config" not in part.column_names else part)
    return parts[0] if len(parts) == 1 else concatenate_datasets(parts)


def load_config(dataset: str, name: str | None, split: str, *, cache_dir: str | None = None) -> Any:
    """Rows of one config of any dataset with its audio left encoded: the collator decodes, with soundfile, without torchcodec.

    Raises:
        DatasetError: no such dataset, config or split, or no rows in it.
    """
    from datasets import Audio, load_dataset

    try:
        rows = load_dataset(dataset_path(dataset), name, split=split, cache_dir=cache_dir)
    except (ValueError, FileNotFoundError, ConnectionError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DatasetError(f"{dataset}: config {name!r}, split {split!r} cannot be loaded ({reason}); `cpqa build` writes a dataset folder") from error
    if not rows.num_rows:
        raise DatasetError(f"{dataset}: config {name!r} has no rows in split {split!r}")
    if getattr(rows.features.get("audio"), "decode", False):
        rows = rows.cast_column("audio", Audio(decode=False))
    return rows


def dataset_path(dataset: str) -> str:
    """Where a dataset lies: the bundled sample is found from anywhere, not from the checkout's root alone."""
    return str(Path(__file__).resolve().parent.parent) if dataset == BUNDLED and not Path(dataset).is_dir() else dataset


def first_rows(dataset: Any) -> dict[str, int]:
    """The first row of every clip that can be heard: clip_id → row number."""
    silent = silent_rows(dataset) if hasattr(dataset, "select_columns") else frozenset()
    first: dict[str, int] = {}
    for number, clip in enumerate(dataset["clip_id"]):
        if number not in silent:
            first.setdefault(clip, number)
    return first


class ClipRows(Mapping[str, Mapping[str, Any]]):
    """Clip → a row that hears it, read when it is asked for: the audio of all clips would not fit into memory.

    Args:
        parts: datasets; a clip of several is read from the first.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self.places: dict[str, tuple[Any, int]] = {}
        for part in parts:
            for clip, number in first_rows(part).items():
                self.places.setdefault(clip, (part, number))

    def __getitem__(self, clip: str) -> Any:
        part, number = self.places[clip]
        return part[number]

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


def clip_seconds(dataset: Any) -> dict[str, Seconds]:
    """Length of every clip, read from the audio's header once a clip; rows without audio have none.

    Raises:
        DatasetError: a clip whose header cannot be read, by name.
    """
    first = first_rows(dataset)
    audio = dataset.select_columns(["audio"]).select(list(first.values())) if hasattr(dataset, "select_columns") else [dataset[n] for n in first.values()]
    seconds: dict[str, Seconds] = {}
    for clip, row in zip(first, audio, strict=True):
        if row["audio"] is None:
            continue
        try:
            seconds[clip] = duration_of(row["audio"])
        except AudioError as error:
            raise DatasetError(f"clip {clip}: {error}") from error
    return seconds


def check_seconds(seconds: Mapping[str, Seconds], family: Family, processor: Any, *, remedy: str = "split or remove them") -> None:
    """Refuses clips that the encoder would cut or cannot hear.

    Args:
        seconds: clip_id → length.
        family: of the model.
        processor: says how much its encoder hears.
        remedy: what the user can do, for the message.

    Raises:
        ClipLengthError: names the clips, their lengths and the limits.
    """
    longest = family.hears(processor)
    long = {clip: length for clip, length in seconds.items() if length > longest}
    short = {clip: length for clip, length in seconds.items() if length < family.min_seconds}
    if long or short:
        raise ClipLengthError(
            " ".join(
                [
                    *([f"longer than the {longest:g} s that the encoder hears: {_listed(long)}."] if long else []),
                    *([f"shorter than {family.min_seconds:g} s, in which nothing can be heard: {_listed(short)}."] if short else []),
                    f"Nothing was cut or left out; {remedy}.",
                ]
            )
        )


def unhearable(seconds: Mapping[str, Seconds], family: Family, processor: Any) -> dict[str, Seconds]:
    """The clips among `seconds` that the encoder would cut or cannot hear."""
    longest = family.hears(processor)
    return {clip: length for clip, length in seconds.items() if not family.min_seconds <= length <= longest}


def _listed(clips: Mapping[str, Seconds]) -> str:
    shown = ", ".join(f"{clip} ({length:.2f} s)" for clip, length in list(clips.items())[:_LISTED])
    return shown + (f" and {len(clips) - _LISTED} more" if len(clips) > _LISTED else "")


def steered_prompts(
    prompts: Iterable[str],
    questions: Sequence[str],
    metadata: Iterable[str | None],
    clips: Iterable[str],
    *,
    dropout: float = 0.0,
    shuffle: bool = False,
    seed: int = 0,
) -> list[str]:
    """Prompts with metadata taken away or swapped, row by row: the controls of the paper's explicit arm.

    Args:
        prompts: of every row, as are the next three.
        questions: what a row shows without its metadata.
        metadata: the block; only rows whose prompt shows it are steered.
        clips: which clip a row is about.
        dropout: share of the rows with metadata, 0 to 1, that show the bare question: exactly round(share · rows), drawn by the seed, the same in every epoch.
        shuffle: every remaining row shows the metadata of another clip's row, so that the block looks right and says nothing about this clip.
        seed: of both draws.

    Raises:
        TrainingError: a share outside 0–1; no metadata in the rows; or nobody to swap with.
    """
    if not 0 <= dropout <= 1:
        raise TrainingError(f"metadata dropout {dropout:g} is outside 0–1")
    prompts, metadata, clips = list(prompts), list(metadata), list(clips)
    with_block = {n: block for n, block in enumerate(metadata) if block and block in prompts[n]}
    if not with_block and (dropout or shuffle):
        raise TrainingError("metadata dropout and shuffling need prompts that show metadata: train on config explicit or combined")
    bare = set(random.Random(f"{seed} dropout").sample(list(with_block), round(dropout * len(with_block))))
    donors = _donors([n for n in with_block if n not in bare], clips, random.Random(f"{seed} shuffle")) if shuffle else {}
    for n, block in with_block.items():
        if n in bare:
            prompts[n] = questions[n]
        elif n in donors:
            prompts[n] = prompts[n].replace(block, with_block[donors[n]], 1)
    return prompts


def _donors(rows: Sequence[int], clips: Sequence[str], draw: random.Random) -> dict[int, int]:
    if len({clips[n] for n in rows}) < 2 and rows:
        raise TrainingError("metadata cannot be shuffled: all rows are about one clip")
    donors = {}
    for n in rows:
        other = draw.choice(rows)
        while clips[other] == clips[n]:
            other = draw.choice(rows)
        donors[n] = other
    return donors


def shuffled_audio(dataset: Any, seed: int) -> dict[str, str]:
    """For every clip another one to play in its place: another speaker, and another emotion where there is one. Shows whether the model listens.

    Returns:
        clip_id → clip_id.

    Raises:
        TrainingError: all rows are about one clip.
    """
    first = first_rows(dataset)
    columns = {name: dataset[name] if name in dataset.column_names else [None] * len(dataset) for name in ("speaker_id", "emotion")}
    about = {clip: (columns["speaker_id"][n], columns["emotion"][n]) for clip, n in first.items()}
    clips, swap = sorted(about), {}
    for clip in clips:
        speaker, emotion = about[clip]
        others = [other for other in clips if other != clip]
        if not others:
            raise TrainingError("audio cannot be shuffled: all rows are about one clip")
        strangers = [other for other in others if about[other][0] != speaker] or others
        pool = [other for other in strangers if about[other][1] != emotion] or strangers
        swap[clip] = random.Random(f"{seed} {clip}").choice(pool)
    return swap


class AudioSwapped(Sequence[Mapping[str, Any]]):
    """Rows that play another clip than their own; `heard` says which.

    Args:
        rows: a dataset.
        swap: clip_id → clip_id, from `shuffled_audio`.
    """

    def __init__(self, rows: Any, swap: Mapping[str, str]) -> None:
        self.rows, self.swap, self.first = rows, swap, first_rows(rows)

    def __len__(self) -> int:
        """As many as before."""
        return len(self.rows)

    def __getitem__(self, number: Any) -> Any:
        """One row, with the other clip's audio."""
        row = dict(self.rows[number])
        row["heard"] = self.swap[row["clip_id"]]
        if "audio" in row:
            row["audio"] = self.rows[self.first[row["heard"]]]["audio"]
        return row


def row_lengths(dataset: Any, encoder: Encoder) -> list[RowLength]:
    """Tokens of every row: its clip's positions from the header's seconds, its texts' tokens, and what the chat template puts around clip, question and answer.

    Made for grouping: a position or two may be off where the encoder rounds.
    """
    processor, family, per_second = encoder.processor, encoder.family, encoder.positions_per_second()
    end = len(family.encode(processor, encoder.end))
    frame = {audio: len(family.encode(processor, family.render(processor, "", audio=audio))) - audio + end for audio in (False, True)}
    seconds, silent = clip_seconds(dataset), silent_rows(dataset)
    lengths = []
    for start in range(0, len(dataset), _TOKENISED):
        part = {name: dataset.select_columns([name])[start : start + _TOKENISED][name] for name in ("clip_id", "prompt", "answer")}
        texts = [(prompt or "") + (answer or "") for prompt, answer in zip(part["prompt"], part["answer"], strict=True)]
        for number, (clip, ids) in enumerate(zip(part["clip_id"], processor.tokenizer(texts, add_special_tokens=False)["input_ids"], strict=True), start):
            heard = None if number in silent else clip
            lengths.append(RowLength(heard, 0 if heard is None else round(seconds[clip] * per_second), frame[heard is not None] + len(ids)))
    return lengths


class HeardRows(Sequence[Mapping[str, Any]]):
    """Rows of a dataset, a batch at a time: a clip's audio is read once for all rows of the batch that hear it, and not at all where nobody needs it.

    Args:
        rows: a `datasets.Dataset`.
        audio: whether to read the audio; without it a row says only that there is some (its `audio` is True).
    """

    def __init__(self, rows: Any, *, audio: bool = True) -> None:
        self.rows, self.audio = rows, audio
        self.text = rows.select_columns([name for name in rows.column_names if name != "audio"])
        self.sound = rows.select_columns(["audio"]) if "audio" in rows.column_names else None
        self.silent = silent_rows(rows)

    def __len__(self) -> int:
        """As many as the dataset's."""
        return len(self.rows)

    def __getitem__(self, number: Any) -> Any:
        """One row."""
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Rows by number: what a data loader asks for."""
        heard: dict[str, Any] = {}
        rows = []
        for number in numbers:
            row = dict(self.text[int(number)])
            clip = row["clip_id"]
            if number in self.silent or self.sound is None:
                row["audio"] = None
            elif not self.audio:
                row["audio"] = True
            else:
                if clip not in heard:
                    heard[clip] = self.sound[int(number)]["audio"]
                row["audio"] = heard[clip]
            rows.append(row)
        return rows


def silent_rows(rows: Any) -> frozenset[int]:
    """Numbers of the rows without audio, found in the column's validity, without reading any audio."""
    import pyarrow.compute as pc

    if "audio" not in rows.column_names:
        return frozenset(range(len(rows)))
    null = pc.is_null(rows.data.column("audio")).to_numpy()
    chosen = null if rows._indices is None else null[rows._indices.column(0).to_numpy()]
    return frozenset(chosen.nonzero()[0].tolist())


def content_hash(dataset: Any) -> str:
    """16 hex digits over what the model is shown and asked for: clips, prompts and answers, in their order."""
    digest = hashlib.sha256()
    for row in zip(dataset["id"], dataset["clip_id"], dataset["prompt"], dataset["answer"], strict=True):
        digest.update("\x1f".join(value or "" for value in row).encode() + b"\x1e")
    return digest.hexdigest()[:16]
