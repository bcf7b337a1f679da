"""The rows of a training run: components loaded, drawn by their shares, mixed under a seed, with a report of what was drawn.

Shares follow `weight · size^(1 / temperature)`: temperature 1 keeps natural sizes, infinity makes them equal (or the weights alone decide), in between small components
gain, as in multilingual training (arXiv 1907.05019, section 3.2). Numbers of rows are these shares of the total, rounded so that they add up.

Within a component rows are drawn without replacement; when all were drawn, all can be drawn again. Which rows, and in which order, depends on the seed and on the rows,
never on their order in files or on the order of datasets. Audio is never copied: the result refers to the files that `datasets` has mapped.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from cp_paraling_qa.errors import ClipLengthError, DatasetError, RecipeError
from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.training.families import Family
from cp_paraling_qa.training.mixing.columns import Part, is_file, load_part
from cp_paraling_qa.training.mixing.components import ARMS, Component, Plan, entries, plan_of
from cp_paraling_qa.training.mixing.shares import mark, picked, rounded, shares
from cp_paraling_qa.training.rows import SPLIT_OR_DROP, check_seconds, clip_seconds, steered_prompts, unhearable


@dataclass(frozen=True)
class Drawn:
    """What a run takes from one component.

    Attributes:
        component: its name.
        available: rows that it has, after `max_rows` and without unhearable clips.
        drawn: rows in the mixture, repeats included.
        share: of the mixture, 0 to 1.
        types: question types of the drawn rows, with their numbers.
    """

    component: str
    available: int
    drawn: int
    share: float
    types: Mapping[str, int] = field(default_factory=dict)

    @property
    def repeats(self) -> float:
        """How often a row is drawn on average."""
        return self.drawn / self.available if self.available else math.nan


@dataclass
class Mixture:
    """Rows to train on.

    Attributes:
        rows: a `datasets.Dataset`, or an `IterableDataset` when streaming, with the columns of our datasets and `component`, `dataset`, `config`.
        report: one entry for each component.
        dropped: clips that were left out because they cannot be heard whole: clip_id → seconds.
        notes: what else the user should be told.
    """

    rows: Any
    report: tuple[Drawn, ...]
    dropped: dict[str, Seconds] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The report as the lines of a plain table, for the screen."""
        width = max(len(entry.component) for entry in self.report)
        head = f"{'component':{max(width, 9)}s}  available     drawn  share  repeats"
        body = [
            f"{entry.component:{max(width, 9)}s}  {entry.available:9,d}  {entry.drawn:8,d}  {entry.share:5.1%}  {entry.repeats:7.2f}"
            + (f"  {', '.join(f'{type} {count:,}' for type, count in entry.types.items())}" if entry.types else "")
            for entry in self.report
        ]
        return [head, *body]

    def plain(self) -> list[dict[str, Any]]:
        """The report as JSON-able rows, for a card or a log."""
        return [{**vars(entry), "types": dict(entry.types), "repeats": round(entry.repeats, 4)} for entry in self.report]


class Pool:
    """The components of a run, loaded and not yet drawn from.

    Args:
        plan: which components.
        parts: of each component, by name.
        cpqa_args: our options.
        match: the pool whose number of rows is taken for the mixture's size.
    """

    def __init__(self, plan: Plan, parts: Mapping[str, Sequence[Part]], cpqa_args: Any, match: Pool | None = None) -> None:
        self.plan, self.parts, self.args, self.match = plan, parts, cpqa_args, match

    def texts(self) -> list[str]:
        """Prompts and answers of all rows: what a tokenizer of the run's own can be trained on."""
        return [text for parts in self.parts.values() for part in parts for name in ("prompt", "answer") for text in part.column(name) if text]

    def draw(self, seed: int, family: Family | None = None, processor: Any = None, *, whole: bool = False) -> Mixture:
        """The mixture.

        Args:
            seed: of every choice in it.
            family: of the model, for the length check; without it none is made.
            processor: of the model.
            whole: every row once in the datasets' order, whatever the weights: for held-out rows.

        Raises:
            ClipLengthError: clips that cannot be heard, where `drop_unhearable` is not set; or none can be.
            DatasetError: a component without rows.
            TrainingError: metadata controls that the rows do not allow.
        """
        able, dropped = self._hearable(family, processor)
        able = {name: self._limited(name, rows, seed) for name, rows in able.items()}
        if whole or self.plan.ordered:
            draws = [(name, part, number, 0) for name, rows in able.items() for part, number in rows]
        else:
            draws = self._by_share(able, seed, family, processor)
        draws = draws[: self.args.max_rows]
        rows, names, types = self._rows(draws, seed, steer=not whole)
        return Mixture(rows, self._report(able, names, types), dropped)

    def _limited(self, name: str, rows: list[tuple[Part, int]], seed: int) -> list[tuple[Part, int]]:
        """At most `max_rows` of a component, chosen by the seed, in their order."""
        limit = next(part.max_rows for part in self.plan.components if part.name == name)
        if limit is None or limit >= len(rows):
            return rows
        chosen = {number for number, _ in picked([part.keys[number] for part, number in rows], limit, seed, name, "max_rows")}
        return [row for number, row in enumerate(rows) if number in chosen]

    def _by_share(self, able: Mapping[str, list[tuple[Part, int]]], seed: int, family: Family | None, processor: Any) -> list[tuple[str, Part, int, int]]:
        sizes = {name: len(rows) for name, rows in able.items()}
        parts = shares({part.name: part.weight for part in self.plan.components}, sizes, self.plan.temperature)
        counts = rounded(self._size(sizes, family, processor), parts)
        draws = []
        for name, rows in able.items():
            keys = [part.keys[number] for part, number in rows]
            draws += [(name, *rows[number], turn) for number, turn in picked(keys, counts[name], seed, name)]
        return sorted(draws, key=lambda draw: (mark(seed, draw[0], draw[3], draw[1].keys[draw[2]]), draw[0], draw[3]))

    def _size(self, sizes: Mapping[str, int], family: Family | None, processor: Any) -> int:
        if self.match is not None:
            return sum(len(rows) for rows in self.match._hearable(family, processor)[0].values())
        return int(self.args.mixture_size or sum(sizes.values()))

    def _hearable(self, family: Family | None, processor: Any) -> tuple[dict[str, list[tuple[Part, int]]], dict[str, Seconds]]:
        """The rows of each component that can be trained on, and the clips that were left out."""
        lengths: dict[tuple[str, str], Seconds] = {}
        if family is not None:
            for parts in self.parts.values():
                for part in parts:
                    _measure(part, lengths)
        dropped: dict[tuple[str, str], Seconds] = {}
        if family is not None:
            # each dataset's clip by itself: another one's of the same name may be long enough
            odd = {key: length for key, length in lengths.items() if unhearable({key[1]: length}, family, processor)}
            if self.args.drop_unhearable:
                dropped = odd
            else:
                check_seconds({clip: length for (_, clip), length in odd.items()}, family, processor, remedy=SPLIT_OR_DROP)
        able = {}
        for name, parts in self.parts.items():
            able[name] = [(part, number) for part in parts for number in part.numbers if (part.dataset, part.clips[number]) not in dropped]
            if not able[name]:
                raise ClipLengthError(f"component {name}: none of its clips can be heard whole: split them, or give it weight 0")
        return able, {clip: length for (_, clip), length in dropped.items()}

    def _rows(self, draws: Sequence[tuple[str, Part, int, int]], seed: int, *, steer: bool) -> tuple[Any, list[str], list[str | None]]:
        """The dataset of the draws, in their order; with each row's component and type."""
        from datasets import concatenate_datasets

        copies: dict[int, int] = {}
        parts = {id(part): part for _, part, _, _ in draws}
        for _, part, _, turn in draws:
            copies[id(part)] = max(copies.get(id(part), 0), turn + 1)
        first, offsets = 0, {}
        for key, count in copies.items():
            offsets[key] = first
            first += count * len(parts[key].rows)
        places = [offsets[id(part)] + turn * len(part.rows) + number for _, part, number, turn in draws]
        columns: dict[str, list[Any]] = {}
        for name in ("prompt", "question", "metadata", "clip_id", "kind", "type"):
            of_part = {key: part.column(name) for key, part in parts.items()}
            columns[name] = [of_part[id(part)][number] for _, part, number, _ in draws]
        shown = steered_prompts(
            *(columns[name] for name in ("prompt", "question", "metadata", "clip_id")),
            dropout=self.args.metadata_dropout if steer else 0.0,
            shuffle=self.args.metadata_shuffle and steer,
            seed=seed,
        )
        names = [str(kind or name) if self.plan.ordered else name for (name, *_), kind in zip(draws, columns["kind"], strict=True)]
        base = concatenate_datasets([part.rows for key, part in parts.items() for _ in range(copies[key])])
        for column, values in (("prompt", shown), ("component", names)):
            spread: list[str | None] = [None] * first  # also over rows that are not drawn: a column added after select would copy all audio
            for place, value in zip(places, values, strict=True):
                spread[place] = value
            base = base.add_column(column, pa.array(spread, pa.string()))
        return (base if places == list(range(first)) else base.select(places)), names, columns["type"]

    def _report(self, able: Mapping[str, list[tuple[Part, int]]], names: Sequence[str], types: Sequence[str | None]) -> tuple[Drawn, ...]:
        sizes: Counter[str] = Counter()
        for name, rows in able.items():
            sizes.update(str(part.column("kind")[number] or name) if self.plan.ordered else name for part, number in rows)
        drawn = Counter(names)
        by_type = Counter((name, type) for name, type in zip(names, types, strict=True) if type)
        return tuple(
            Drawn(name, size, drawn[name], drawn[name] / max(1, len(names)), {type: n for (of, type), n in sorted(by_type.items()) if of == name})
            for name, size in sizes.items()
        )


def _measure(part: Part, lengths: dict[tuple[str, str], Seconds]) -> None:
    """Adds the length of every clip of a part that is not known yet; headers alone are read."""
    if part.silent:
        return
    new: dict[str, int] = {}
    for number in part.numbers:
        if (part.dataset, part.clips[number]) not in lengths:
            new.setdefault(part.clips[number], number)
    if new:
        found = clip_seconds(part.rows.select_columns(["clip_id", "audio"]).select(list(new.values())))
        lengths.update({(part.dataset, clip): length for clip, length in found.items()})


def load_pool(script_args: Any, cpqa_args: Any, split: str | None = None) -> Pool:
    """Loads what a run's options name: --mixture, --arm, or --dataset_config alone.

    Args:
        script_args: TRL's: dataset_name, dataset_config, dataset_train_split.
        cpqa_args: ours: arm, mixture, mixture_size, mixture_temperature, mixture_metadata, match_arm, max_rows, drop_unhearable, metadata_dropout, metadata_shuffle.
        split: None for the training split. In another one a component may have no rows, and is left out then.

    Raises:
        DatasetError: a dataset that cannot be read, or a component that has no rows in it, by name, with what makes them.
        RecipeError: options that name no mixture.
    """
    plan = plan_of(script_args, cpqa_args)
    if cpqa_args.mixture_size is not None and (cpqa_args.mixture_size < 1 or cpqa_args.match_arm is not None):
        raise RecipeError("mixture_size is a number of rows of at least 1, and match_arm sets it: give one of them")
    parts = {part.name: _parts(part, split or script_args.dataset_train_split, plan, lenient=split is not None) for part in plan.components}
    if split is not None:
        parts = {name: found for name, found in parts.items() if found}
        if not parts:
            raise DatasetError(
                f"{script_args.dataset_name}: split {split!r} holds no row of the run's components: {', '.join(part.name for part in plan.components)}"
            )
    return Pool(plan, parts, cpqa_args, _match(script_args, cpqa_args) if split is None else None)


def _match(script_args: Any, cpqa_args: Any) -> Pool | None:
    if cpqa_args.match_arm is None:
        return None
    if cpqa_args.match_arm not in ARMS:
        raise RecipeError(f"match_arm {cpqa_args.match_arm!r} is not one of {', '.join(ARMS)}")
    left_out = {entry["name"]: 0 for entry in entries(cpqa_args.mixture) if entry.get("weight") == 0 and entry["name"] in ARMS[cpqa_args.match_arm]}
    return load_pool(script_args, replace(cpqa_args, arm=cpqa_args.match_arm, match_arm=None, mixture=left_out or None, mixture_temperature=None))


def _parts(component: Component, split: str, plan: Plan, *, lenient: bool) -> list[Part]:
    """A component's rows in every dataset and config that may hold them; in a lenient split those of another split alone.

    Raises:
        DatasetError: none of them does.
    """
    parts, failed = [], []
    split = split if lenient else component.split or split  # a component's own split is trained on, so no other can be had from there
    for dataset in component.datasets:
        if lenient and is_file(dataset):
            continue  # a file is trained on whole
        for config in component.configs or (None,):
            try:
                part = load_part(component, dataset, config, split)
            except DatasetError as error:
                if not component.kinds or component.text:  # the user named it, so it has to be there
                    if lenient:
                        continue
                    raise
                failed.append(str(error))
                continue
            parts += [part] if part.numbers else []
    if not parts and not lenient:
        raise no_rows(component, split, plan, failed)
    return parts


def no_rows(component: Component, split: str, plan: Plan, failed: Sequence[str] = ()) -> DatasetError:
    """The error of a component that a dataset cannot serve: what is missing, and the command that makes it."""
    what = (
        "rows" if not component.kinds else f"rows of kind {', '.join(component.kinds)}" + (f" and type {', '.join(component.types)}" if component.types else "")
    )
    where = f"{', '.join(component.datasets)} has none in config {', '.join(component.configs) or '-'}, split {split!r}"
    kinds = ",".join(dict.fromkeys(kind for part in plan.components for kind in part.kinds)) or ",".join(component.kinds)
    remedy = f"`cpqa generate RUN --kinds {kinds}`, then `cpqa assemble RUN`, makes them" if kinds else "name another dataset, config or split"
    arm = f"arm {plan.arm} needs " if plan.arm else ""
    why = f" ({failed[0]})" if failed else ""
    return DatasetError(f"component {component.name}: {arm}{what}: {where}{why}. {remedy}; or leave it out with --mixture {component.name}=0 beside --arm")


def training_rows(script_args: Any, cpqa_args: Any, seed: int, family: Family | None = None, processor: Any = None) -> Mixture:
    """What a run trains on: `load_pool`, then `Pool.draw`. The same arguments and rows give the same mixture, whatever the order of files.

    Raises:
        DatasetError, RecipeError, ClipLengthError, TrainingError: as those two.
    """
    return load_pool(script_args, cpqa_args).draw(seed, family, processor)
