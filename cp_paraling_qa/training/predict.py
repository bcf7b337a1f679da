"""Prediction: what `python trainer/predict.py` runs, and the same as a Python call.

`predict` answers rows with a model in memory. `predict_file` does it from dataset to predictions.jsonl, and goes on where a killed run stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cp_paraling_qa.audio import duration_of
from cp_paraling_qa.errors import AudioError, CPQAError, DatasetError, RecipeError, StorageError
from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.stage import write_json
from cp_paraling_qa.training.rows import AudioSwapped, check_seconds, content_hash, load_rows, shuffled_audio

COPIED = ("id", "clip_id", "config", "question", "prompt", "label", "type", "kind", "speaker_id", "corpus", "emotion")
MARKS = ("text_answerable", "contrast_set", "conflict")
"""Copied where a row has them."""
"""Columns that go into predictions.jsonl as they are; beside them `prediction`, and `reference`, which is the row's answer."""


def lengths(rows: Sequence[Mapping[str, Any]]) -> tuple[list[Seconds], dict[str, Seconds]]:
    """Seconds of audio of every row and of every clip, from the headers; 0 for a row without audio.

    Raises:
        DatasetError: a clip whose header cannot be read, by name.
    """
    clips: dict[str, Seconds] = {}
    every = []
    for number in range(len(rows)):
        row = rows[number]
        if row.get("audio") is None:
            every.append(0.0)
            continue
        name = str(row.get("heard") or row.get("clip_id") or row.get("id") or f"of row {number}")
        if name not in clips:
            try:
                clips[name] = duration_of(row["audio"])
            except AudioError as error:
                raise DatasetError(f"clip {name}: {error}") from error
        every.append(clips[name])
    return every, clips


def predict(
    model: Any,
    processor: Any,
    rows: Sequence[Mapping[str, Any]],
    *,
    batch_size: int = 16,
    max_new_tokens: int = 64,
    on_batch: Callable[[list[int], list[str]], None] | None = None,
    skip: frozenset[int] = frozenset(),
) -> list[str]:
    """The model's answer to every row: greedy, so the same every time, and the same in any batch (up to float rounding of the batched sums).

    Rows are batched by length and padded on the left: with padding on the right a batch would answer worse than single rows do.

    Args:
        model: a speech LLM, with or without an adapter on it.
        processor: of the model.
        rows: each with `prompt` and `audio`, and `id` or `clip_id` for messages; a `datasets.Dataset` will do.
        batch_size: rows at a time.
        max_new_tokens: where an answer is cut that does not end by itself.
        on_batch: called with row numbers and answers of each finished batch.
        skip: numbers of rows that need no answer; theirs stays empty.

    Returns:
        One text a row, in the order of `rows`.

    Raises:
        ClipLengthError: clips that the encoder would cut or cannot hear, by name, before anything is predicted.
        DatasetError: a clip that does not decode, by name.
    """
    import torch
    from transformers import GenerationConfig

    from cp_paraling_qa.training.collator import encode, prompts, waveforms
    from cp_paraling_qa.training.families import family_of

    family, tokenizer = family_of(model.config), processor.tokenizer
    seconds, clips = lengths(rows)
    check_seconds(clips, family, processor)
    order = sorted((n for n in range(len(rows)) if n not in skip), key=lambda n: (seconds[n], len(rows[n]["prompt"]), n))
    stops = {tokenizer.convert_tokens_to_ids(family.end_of_turn), tokenizer.eos_token_id}
    settings = GenerationConfig(do_sample=False, max_new_tokens=max_new_tokens, pad_token_id=tokenizer.pad_token_id, eos_token_id=sorted(stops))
    answers = [""] * len(rows)
    model.eval()
    for start in range(0, len(order), batch_size):
        numbers = order[start : start + batch_size]
        part = [rows[n] for n in numbers]
        batch = encode(prompts(part, family, processor), waveforms(part, family, processor), processor, padding_side="left")
        with torch.inference_mode():
            output = model.generate(**{name: value.to(model.device) for name, value in batch.items()}, generation_config=settings)
        texts = [text.strip() for text in processor.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)]
        for number, text in zip(numbers, texts, strict=True):
            answers[number] = text
        if on_batch:
            on_batch(numbers, texts)
    return answers


class Journal:
    """Finished rows of a run under way, one JSON line each, behind a first line that says which run it is.

    A line that a kill cut in half is cut off; a journal of another run is set aside as `.bak`.

    Args:
        path: beside the predictions.
        run: what makes this run this run.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path, self.run = path, dict(run)
        self.done: dict[int, str] = {}
        whole = self._read()
        if path.exists() and whole == 0:
            path.replace(path.with_name(path.name + ".bak"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("ab")
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}; pass another --out") from error
        if whole:
            self.file.truncate(whole)
        else:
            self._write({"run": self.run})

    def _read(self) -> int:
        """Fills `done`; returns the length of the whole lines in bytes, 0 where there is no journal of this run."""
        if not self.path.exists():
            return 0
        whole = 0
        for number, line in enumerate(self.path.read_bytes().splitlines(keepends=True)):
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n") or (number == 0 and entry.get("run") != self.run):
                break
            if number:
                self.done[int(entry["row"])] = str(entry["prediction"])
            whole += len(line)
        return whole

    def add(self, numbers: Sequence[int], texts: Sequence[str]) -> None:
        """Writes the answers of a finished batch, out of this process's hands at once."""
        for number, text in zip(numbers, texts, strict=True):
            self.done[number] = text
            self._write({"row": number, "prediction": text})

    def _write(self, entry: Mapping[str, Any]) -> None:
        try:
            self.file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            self.file.flush()
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}; free some space and run again, it goes on from here") from error

    def close(self) -> None:
        """Ends writing; the file stays."""
        self.file.close()


def predict_file(
    model: str,
    *,
    dataset: str,
    config: str,
    out: str | Path,
    adapter: str | None = None,
    split: str = "test",
    batch_size: int = 16,
    max_new_tokens: int = 64,
    limit: int | None = None,
    shuffle_audio: int | None = None,
    dtype: str = "float32",
    device: str | None = None,
    say: Callable[[str], None] = print,
) -> Path:
    """Answers every row of a split, into a JSON Lines file in the dataset's order.

    Finished rows stand in `<out>.journal` until the file is complete; then it appears whole. A run with the same model, adapter (by content), rows and
    settings goes on from the journal, or finds its file finished; predictions of another run are replaced, and kept as `.bak`.

    Args:
        model: folder or Hub id.
        dataset: folder or Hub id.
        config: one or several, joined by commas.
        out: the file to write.
        adapter: folder or Hub id of a PEFT adapter.
        split: train, validation or test.
        batch_size: rows at a time.
        max_new_tokens: most tokens of an answer.
        limit: the first so many rows only.
        shuffle_audio: a seed: every row gets the clip of another speaker, with another emotion where there is one. A model that listens answers badly.
        dtype: of the weights.
        device: where to run; None: a GPU where there is one.
        say: takes one line of progress at a time.

    Returns:
        The path of the file.

    Raises:
        ClipLengthError: clips that the encoder would cut or cannot hear, by name.
        DatasetError: dataset, config or split that cannot be loaded.
        TrainingError: model or adapter that cannot be loaded.
    """
    import torch

    from cp_paraling_qa.training.loading import fingerprint, load_model, load_processor, quiet, threads_for

    out = Path(out)
    if batch_size < 1 or max_new_tokens < 1 or (limit is not None and limit < 1):
        raise RecipeError("batch_size, max_new_tokens and limit have to be 1 or more")
    with quiet():
        rows: Any = load_rows(dataset, config, split)
        swap = None if shuffle_audio is None else shuffled_audio(rows, shuffle_audio)
        view: Any = rows if swap is None else AudioSwapped(rows, swap)
        count = len(rows) if limit is None else min(limit, len(rows))
        run = {
            "model": fingerprint(model),
            "adapter": adapter and fingerprint(adapter),
            "data": content_hash(rows),
            "rows": count,
            "max_new_tokens": max_new_tokens,
        }
        run |= {"split": split, "config": config, "shuffle_audio": shuffle_audio, "dtype": dtype}
        done = out.with_name(out.name + ".run.json")
        if out.exists():
            if _stands(done) == run:
                say(f"{out} is there already, from the same model and rows")
                return out
            out.replace(out.with_name(out.name + ".bak"))
            done.unlink(missing_ok=True)
        processor = load_processor(model)
        network = load_model(model, adapter=adapter, dtype=dtype, device=device or ("cuda" if torch.cuda.is_available() else None))
        journal = Journal(out.with_name(out.name + ".journal"), run)
        if journal.done:
            say(f"going on: {len(journal.done)} of {count} rows are done")
        progress = _Progress(count, len(journal.done), say)

        def keep(numbers: list[int], texts: list[str]) -> None:
            journal.add(numbers, texts)
            progress(len(journal.done))

        try:
            with threads_for(network):
                predict(
                    network,
                    processor,
                    _First(view, count),
                    batch_size=batch_size,
                    max_new_tokens=max_new_tokens,
                    skip=frozenset(journal.done),
                    on_batch=keep,
                )
        finally:
            journal.close()
    _finish(out, view, journal.done, count)
    write_json(done, run)
    journal.path.unlink()
    return out


def _stands(path: Path) -> Any:
    """What a finished run says of itself; None where nothing, or nothing whole, is there."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


class _First(Sequence[Mapping[str, Any]]):
    """The first rows of a sequence, read when asked for."""

    def __init__(self, rows: Any, length: int) -> None:
        self.rows, self.length = rows, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: Any) -> Any:
        return self.rows[number]


class _Progress:
    """A line every few seconds, and one at the end."""

    def __init__(self, total: int, before: int, say: Callable[[str], None]) -> None:
        self.total, self.before, self.say = total, before, say
        self.began = self.last = time.perf_counter()

    def __call__(self, done: int) -> None:
        now = time.perf_counter()
        if done < self.total and now - self.last < 5:
            return
        self.last = now
        left = (now - self.began) / max(1, done - self.before) * (self.total - done)
        self.say(f"predicted {done}/{self.total}" + (f"  {left:.0f} s left" if done < self.total else f"  in {now - self.began:.0f} s"))


def _finish(out: Path, rows: Any, answers: Mapping[int, str], count: int) -> None:
    """Writes the file in the dataset's order, beside and then into place."""
    beside = out.with_name(out.name + ".part")
    columns = rows.without_audio() if isinstance(rows, AudioSwapped) else rows.select_columns([name for name in rows.column_names if name != "audio"])
    try:
        with beside.open("w", encoding="utf-8") as file:
            for number in range(count):
                row = columns[number]
                line = {name: row.get(name) for name in COPIED} | {"prediction": answers[number], "reference": row["answer"]}
                line |= {name: row[name] for name in MARKS if row.get(name) is not None}
                if row.get("heard"):
                    line["heard"] = row["heard"]
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        beside.replace(out)
    except OSError as error:
        raise StorageError(f"{out}: {error.strerror}; free some space and run again, no answer is lost") from error


def make_parser() -> argparse.ArgumentParser:
    """The command line of `trainer/predict.py`."""
    parser = argparse.ArgumentParser(
        prog="predict.py",
        description="Answer the questions of a dataset split with a speech LLM, into predictions.jsonl. Run again after a kill, it goes on.",
        epilog="example: python trainer/predict.py --model runs/sft/tiny-model --adapter runs/sft --dataset cp_paraling_qa --config implicit --split test --out predictions.jsonl",
    )

    def option(name: str, **settings: Any) -> None:
        names = [f"--{name}"] + ([f"--{name.replace('_', '-')}"] if "_" in name else [])
        parser.add_argument(*names, **settings)

    option("model", required=True, help="folder or Hub id of the base model")
    option("adapter", help="folder or Hub id of the adapter that sft.py wrote")
    option("dataset", required=True, help="dataset folder such as RUN/dataset, cp_paraling_qa for the bundled sample, or a Hub id")
    option("config", required=True, help="baseline, explicit, implicit or combined; several joined by commas")
    option("split", default="test", help="train, validation or test (default: test)")
    option("out", required=True, help="the JSON Lines file to write")
    option("batch_size", type=int, default=16, help="rows at a time (default: 16)")
    option("max_new_tokens", type=int, default=64, help="most tokens of an answer (default: 64)")
    option("limit", type=int, help="the first so many rows only")
    option("shuffle_audio", type=int, metavar="SEED", help="control: every row gets another speaker's clip; a model that listens answers badly")
    option("dtype", default="float32", choices=["float32", "bfloat16", "float16", "auto"], help="of the weights (default: float32)")
    option("device", help="cpu, cuda, … (default: a GPU where there is one)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns 0, or 2 after an error that names its item and remedy."""
    arguments = vars(make_parser().parse_args(argv))
    try:
        out = predict_file(arguments.pop("model"), **arguments)
    except CPQAError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"predictions: {out}")
    print(f"next: cpqa score {out}")
    return 0
