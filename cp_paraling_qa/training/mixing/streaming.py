"""A mixture that is read while it is trained on (`--dataset_streaming true`): nothing is copied to a cache and nothing waits for a first pass.

Before training only the columns kind and type are read, for the sizes. Then every reader goes over its share of the files' row groups, each in an order of its own by
the seed, and takes the next row from the component that is furthest behind its share: at any moment every component is within one row of its share. A component whose rows were all
read starts again in a new order; the stream never ends, so `max_steps` has to say when to stop.

Readers are processes × loader workers: `datasets` and accelerate hand each of them its own shards, so that no two read the same row in one pass. Resuming reads what was
read before again and skips it (transformers does that), so it is exact as long as processes and workers stay as many as they were.
"""

from __future__ import annotations

import atexit
import itertools
import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cp_paraling_qa.audio import duration_of
from cp_paraling_qa.digests import digest
from cp_paraling_qa.errors import AudioError, ClipLengthError, DatasetError, RecipeError
from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.training.families import Family
from cp_paraling_qa.training.mixing.components import plan_of
from cp_paraling_qa.training.mixing.mixture import Drawn, Mixture
from cp_paraling_qa.training.mixing.pieces import Feed, feed_of, read_piece
from cp_paraling_qa.training.mixing.shares import rounded, shares

REREAD = "streamed: going on from a checkpoint reads the rows before it again and skips them; exact with as many processes and loader workers as before"

_PATIENCE = 3
"""Passes in which a reader's share of a small component may be empty, one after the other."""


@dataclass(frozen=True)
class Gate:
    """The length check on the way: clips outside the limits are refused by name, or left out and noted down.

    Attributes:
        shortest, longest: seconds that the encoder hears.
        notes: a file that gets a line for each clip left out; None refuses them. A file, since readers are other processes.
    """

    shortest: Seconds
    longest: Seconds
    notes: str | None

    def __call__(self, row: Mapping[str, Any]) -> bool:
        """Whether a row can be trained on.

        Raises:
            ClipLengthError: it cannot, and clips are not to be left out.
            DatasetError: its audio's header cannot be read.
        """
        if row["audio"] is None:
            return True
        try:
            seconds = duration_of(row["audio"])
        except AudioError as error:
            raise DatasetError(f"clip {row['clip_id']}: {error}") from error
        if self.shortest <= seconds <= self.longest:
            return True
        if self.notes is None:
            raise ClipLengthError(
                f"clip {row['clip_id']} ({seconds:.2f} s) is outside the {self.shortest:g} to {self.longest:g} s that the encoder hears. Nothing was cut; split it, or pass --drop_unhearable to leave such clips out."
            )
        with open(self.notes, "a", encoding="utf-8") as file:
            file.write(json.dumps([row["clip_id"], seconds]) + "\n")
        return False


class StreamedMixture(Mixture):
    """A mixture whose rows come while it is trained on; what was left out is known as far as it was read."""

    notes_file: str | None = None

    def left_out(self) -> dict[str, Seconds]:
        """The clips that were left out until now: clip_id → seconds. Of this machine's readers."""
        if self.notes_file is None or not Path(self.notes_file).exists():
            return {}
        return dict(json.loads(line) for line in Path(self.notes_file).read_text(encoding="utf-8").splitlines())


def stream_of(script_args: Any, training_args: Any, cpqa_args: Any, family: Family | None = None, processor: Any = None) -> StreamedMixture:
    """`streamed_rows` for a run: its readers, its seed, and how many rows it will read.

    Raises:
        RecipeError: max_steps does not say when to stop.
    """
    if training_args.max_steps < 1:
        raise RecipeError("dataset_streaming needs --max_steps: a stream has no end")
    processes = training_args.world_size
    batch = training_args.per_device_train_batch_size * training_args.gradient_accumulation_steps * processes
    readers = processes * max(1, training_args.dataloader_num_workers)
    return streamed_rows(script_args, cpqa_args, training_args.seed, family, processor, readers=readers, total=training_args.max_steps * batch)


def stream_digest(mixture: Mixture, script_args: Any, training_args: Any, cpqa_args: Any) -> str:
    """16 hex digits over what a stream's rows and their order follow from, as they cannot be read beforehand: S30 and S32, say, differ in nothing but their configs."""
    options = [getattr(cpqa_args, name) for name in ("metadata_dropout", "drop_unhearable", "stream_buffer")]
    components = [vars(part) for part in plan_of(script_args, cpqa_args).components]
    return digest(mixture.plain(), training_args.dataloader_num_workers, script_args.dataset_train_split, options, components)


def streamed_rows(
    script_args: Any, cpqa_args: Any, seed: int, family: Family | None = None, processor: Any = None, *, readers: int = 1, total: int | None = None
) -> StreamedMixture:
    """The streamed form of `training_rows`.

    Args:
        script_args: TRL's.
        cpqa_args: ours.
        seed: of every order.
        family: of the model, for the length check.
        processor: of the model.
        readers: processes × loader workers (at least 1 a process); each gets a shard of its own.
        total: rows that the run will read, for the report: steps × batch × accumulation × processes.

    Raises:
        RecipeError: an option that needs all rows at once.
        DatasetError: no rows for a component; or files that are neither Parquet nor JSON Lines.
    """
    for option, why in (
        ("metadata_shuffle", "it shows the metadata of other clips"),
        ("match_arm", "an epoch has no end"),
        ("mixture_size", "an epoch has no end"),
        ("max_rows", "an epoch has no end"),
    ):
        if getattr(cpqa_args, option):
            raise RecipeError(f"{option} cannot be used with dataset_streaming: {why}. Leave one of them away")
    plan = plan_of(script_args, cpqa_args)
    if limited := [part.name for part in plan.components if part.max_rows is not None]:
        raise RecipeError(f"max_rows of {', '.join(limited)} cannot be used with dataset_streaming")
    feeds = {part.name: feed_of(part, part.split or script_args.dataset_train_split, plan) for part in plan.components}
    sizes = {name: feed.size for name, feed in feeds.items()}
    parts = shares({part.name: part.weight for part in plan.components}, sizes, 1.0 if plan.ordered else plan.temperature)
    gate, notes = None, None
    if family is not None:
        notes = _notes() if cpqa_args.drop_unhearable else None
        gate = Gate(family.min_seconds, family.hears(processor), notes)
    stream = Stream(tuple(feeds.values()), parts, seed, readers, gate, cpqa_args.metadata_dropout, plan.ordered, cpqa_args.stream_buffer)
    counts = rounded(total or sum(sizes.values()), parts)
    report = tuple(Drawn(name, sizes[name], counts[name], parts[name]) for name in feeds)
    mixture = StreamedMixture(stream.dataset(), report, notes=(REREAD,))
    mixture.notes_file = notes
    return mixture


def _notes() -> str:
    """A file for what the loader's workers leave out, which goes when this process ends."""
    folder = tempfile.mkdtemp(prefix="cpqa-stream-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(Path(folder) / "left_out.jsonl")


@dataclass(frozen=True)
class Stream:
    """Endless rows from several feeds.

    Attributes:
        feeds: the components.
        parts: share of each, by name.
        seed: of the order.
        of: into how many shards the rows fall.
        gate: says which rows can be trained on; None takes all.
        dropout: share of the rows with metadata that show the bare question, chosen by a hash of row and seed.
        kinds: name rows after their kind instead of their component.
        buffer: rows held to be shuffled, over all components.
    """

    feeds: tuple[Feed, ...]
    parts: Mapping[str, float]
    seed: int
    of: int
    gate: Gate | None = None
    dropout: float = 0.0
    kinds: bool = False
    buffer: int = 500

    def dataset(self) -> Any:
        """As an `IterableDataset` of `of` shards, one for each reader: a shard never ends, so a reader that held two would read the first alone."""
        from datasets import IterableDataset

        return IterableDataset.from_generator(_endless, gen_kwargs={"shards": list(range(self.of)), "stream": self})

    def __call__(self, shards: Sequence[int]) -> Iterator[dict[str, Any]]:
        """The rows of some shards, without end: always of the component that lags most behind its share."""
        sources = {feed.component.name: self._mixed(feed, frozenset(shards)) for feed in self.feeds}
        drawn: Counter[str] = Counter()
        for count in itertools.count(1):
            name = max(sources, key=lambda name: (self.parts[name] * count - drawn[name], name))
            drawn[name] += 1
            row = next(sources[name])
            yield row | {"component": str(row["kind"] or name) if self.kinds else name}

    def _mixed(self, feed: Feed, shards: frozenset[int]) -> Iterator[dict[str, Any]]:
        """One component's rows through a buffer, out of which they come at random."""
        chance = random.Random(f"{self.seed} {feed.component.name} {sorted(shards)} buffer")
        held: list[dict[str, Any]] = []
        room = max(1, self.buffer // len(self.feeds))
        for row in self._rows(feed, shards):
            if len(held) < min(room, feed.size):
                held.append(row)
                continue
            place = chance.randrange(len(held))
            yield held[place]
            held[place] = row

    def _rows(self, feed: Feed, shards: frozenset[int]) -> Iterator[dict[str, Any]]:
        """One component's rows in these shards, pass after pass, each in an order of its own."""
        name = feed.component.name
        cut = -(-self.of // len(feed.pieces))  # a piece is divided where there are more shards than pieces
        slices = [(piece, number, cut) for piece in feed.pieces for number in range(cut)]
        idle = 0
        for turn in itertools.count():
            chance = random.Random(f"{self.seed} {name} {turn}")
            order = chance.sample(slices, len(slices))
            given = 0
            for piece, number, parts in (item for place, item in enumerate(order) if place % self.of in shards):
                rows = read_piece(feed.component, piece)[number::parts]
                for row in random.Random(f"{self.seed} {name} {turn} {piece} {number}").sample(rows, len(rows)):
                    if self.gate is None or self.gate(row):
                        given += 1
                        yield self._steered(row)
            idle = 0 if given else idle + 1
            if idle == _PATIENCE:  # fewer rows than readers: this one takes from all of them
                shards = frozenset(range(self.of))
            elif idle > _PATIENCE:
                raise ClipLengthError(f"component {name}: none of its clips can be heard whole: split them, or give it weight 0")

    def _steered(self, row: dict[str, Any]) -> dict[str, Any]:
        shown = row["metadata"] and row["metadata"] in row["prompt"]
        bare = shown and self.dropout and random.Random(f"{self.seed} dropout {row['id']} {row['answer']}").random() < self.dropout
        return row | {"prompt": row["question"]} if bare else row


def _endless(shards: list[int], stream: Stream) -> Iterator[dict[str, Any]]:
    from torch.utils.data import get_worker_info

    worker = get_worker_info()
    readers = int(os.environ.get("WORLD_SIZE", 1)) * (worker.num_workers if worker else 1)
    if worker is not None and readers != stream.of:
        raise DatasetError(
            f"the stream was made for {stream.of} readers, and {readers} (processes × loader workers) read it: pass readers={readers} to streamed_rows"
        )
    yield from stream(shards)
