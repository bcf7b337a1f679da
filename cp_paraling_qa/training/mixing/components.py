"""What a training mixture is made of: components by name, from `--mixture`, from a recipe's `mixture:`, or from one of the paper's arms.

    asr  pqa_template  pqa  cpqa        rows of one kind, from the run's own dataset
    pqa_template:DE  cpqa:CE            rows of one kind and type; emotion, gender and speakers stand for pqa_template:DE, :DG and :DS
    cpqa@DATASET                        rows of one kind from another dataset
    DATASET@CONFIG                      all rows of a config of another dataset
    text@FILE                           prompts and answers without audio: JSON Lines, JSON, CSV or Parquet with columns prompt and answer, or a Hub id

    --mixture cpqa=2,pqa=1                                        name=weight with commas; names alone take their natural sizes
    mixture: {cpqa: 2, pqa: 1}                                    the same in a recipe
    mixture:                                                      and in full
      - {name: cpqa, weight: 2}
      - {name: other, dataset: runs/b/dataset, kinds: [cpqa], types: [CE], metadata: true, weight: 1, max_rows: 5000}
      - {name: chat, text: chat.jsonl, columns: {prompt: instruction, answer: output}, weight: 0.5}

The arms are those of arXiv 2508.07273: S10 is ASR and template questions, S20 adds LLM-written questions about the voice alone (PQA*), S30 contextual ones (CPQA),
and S32 is S30 with metadata in the prompt.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.schema import KINDS, QUESTION_TYPES

ARMS: Mapping[str, tuple[str, ...]] = {
    "S10": ("asr", "pqa_template"),
    "S20": ("asr", "pqa_template", "pqa"),
    "S30": ("asr", "pqa_template", "pqa", "cpqa"),
    "S32": ("asr", "pqa_template", "pqa", "cpqa"),
}
WITH_METADATA = ("S32",)

ALIASES = {"emotion": ("pqa_template", "DE"), "gender": ("pqa_template", "DG"), "speakers": ("pqa_template", "DS")}
WRITTEN = ("pqa", "cpqa")
TEXT = "text"

_ENTRY = ("name", "dataset", "config", "split", "kinds", "types", "weight", "max_rows", "metadata", "text", "columns")


@dataclass(frozen=True)
class Component:
    """One part of a mixture.

    Attributes:
        name: in the report, and in the rows' column `component`.
        datasets: folders, Hub ids, or files of text; the rows of all of them are one pool.
        configs: of each dataset; empty for files.
        split: of each dataset; None for the run's own.
        kinds, types: rows that are taken; empty for all.
        weight: relative share, 0 or more; None for the natural size.
        max_rows: draw from at most so many of its rows, chosen under the seed.
        text: rows without audio.
        columns: our name of a column → the dataset's.
    """

    name: str
    datasets: tuple[str, ...]
    configs: tuple[str, ...] = ()
    split: str | None = None
    kinds: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    weight: float | None = None
    max_rows: int | None = None
    text: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)

    def takes(self, kind: str | None, type: str | None) -> bool:
        """Whether a row of this kind and type belongs to the component."""
        return (not self.kinds or kind in self.kinds) and (not self.types or type in self.types)


@dataclass(frozen=True)
class Plan:
    """Components and how their shares come about.

    Attributes:
        components: those of weight 0 are left out already.
        temperature: see `shares`; None where weights alone decide.
        arm: S10, …, or None.
        ordered: every row once in the datasets' own order: a run that names neither mixture nor arm.
    """

    components: tuple[Component, ...]
    temperature: float | None = None
    arm: str | None = None
    ordered: bool = False


def plan_of(script_args: Any, cpqa_args: Any) -> Plan:
    """The mixture that a run asks for, by --arm, --mixture, both (the mixture then changes the arm's weights, and adds to it), or --dataset_config alone.

    Raises:
        RecipeError: an unknown name, weight or option; or nothing to take rows from.
    """
    datasets = _datasets(script_args.dataset_name)
    if cpqa_args.mixture_temperature is not None and not cpqa_args.mixture_temperature > 0:
        raise RecipeError(f"mixture_temperature {cpqa_args.mixture_temperature:g}: give a number above 0; 1 is natural sizes, inf is equal ones")
    given = entries(cpqa_args.mixture)
    if cpqa_args.arm is None and not given:
        return _whole_configs(datasets, script_args.dataset_config, cpqa_args)
    if cpqa_args.arm is not None and cpqa_args.arm not in ARMS:
        raise RecipeError(f"arm {cpqa_args.arm!r} is not one of {', '.join(ARMS)}")
    metadata = bool(cpqa_args.mixture_metadata) or cpqa_args.arm in WITH_METADATA
    merged: dict[str, dict[str, Any]] = {name: {"name": name} for name in ARMS.get(cpqa_args.arm or "", ())}
    for entry in given:
        merged[entry["name"]] = merged.get(entry["name"], {}) | entry
    components = tuple(component(entry, datasets, metadata=metadata) for entry in merged.values() if entry.get("weight") != 0)
    if not components:
        raise RecipeError("the mixture is empty: every component has weight 0")
    return Plan(components, _temperature(components, cpqa_args), cpqa_args.arm)


def _temperature(components: Sequence[Component], cpqa_args: Any) -> float | None:
    """The arm's weights scale natural sizes; a mixture's weights are the shares; names alone take natural sizes."""
    if cpqa_args.mixture_temperature is not None:
        return float(cpqa_args.mixture_temperature)
    if cpqa_args.arm is not None:
        return 1.0
    weighted = [part.name for part in components if part.weight is not None]
    if weighted and len(weighted) < len(components):
        bare = ", ".join(part.name for part in components if part.weight is None)
        raise RecipeError(f"mixture: {', '.join(weighted)} have weights and {bare} none: give a weight to each, to none, or set mixture_temperature")
    return None if weighted else 1.0


def _whole_configs(datasets: tuple[str, ...], configs: str | None, cpqa_args: Any) -> Plan:
    names = tuple(name.strip() for name in (configs or "").split(",") if name.strip())
    if not datasets or not names:
        raise RecipeError(
            "pass --dataset_name (a dataset folder such as RUN/dataset, or cp_paraling_qa) and --dataset_config (such as baseline,implicit), --arm or --mixture"
        )
    for option in ("mixture_size", "mixture_temperature", "match_arm"):
        if getattr(cpqa_args, option) is not None:
            raise RecipeError(f"{option} needs a mixture: pass --mixture or --arm too")
    if cpqa_args.mixture_metadata:
        raise RecipeError("mixture_metadata needs a mixture: pass --mixture or --arm too, or --dataset_config explicit,combined")
    return Plan(tuple(Component(name, datasets, (name,)) for name in names), ordered=True)


def entries(mixture: Any) -> list[dict[str, Any]]:
    """A mixture in any of its forms as a list of mappings with a name each.

    Example:
        >>> entries("cpqa=2,pqa=1")
        [{'name': 'cpqa', 'weight': 2.0}, {'name': 'pqa', 'weight': 1.0}]

    Raises:
        RecipeError: what cannot be read, or a name that comes twice.
    """
    if mixture is None or mixture == "":
        return []
    if isinstance(mixture, str):
        mixture = _written(mixture)
    if isinstance(mixture, Mapping):
        mixture = [({"name": name, **value} if isinstance(value, Mapping) else {"name": name, "weight": value}) for name, value in mixture.items()]
    if not isinstance(mixture, list) or not all(isinstance(entry, Mapping) for entry in mixture):
        raise RecipeError(f"mixture: give NAME=WEIGHT with commas, a mapping of names to weights, or a list of mappings; not {mixture!r}")
    found = [_entry(dict(entry)) for entry in mixture]
    if twice := sorted({entry["name"] for entry in found if sum(other["name"] == entry["name"] for other in found) > 1}):
        raise RecipeError(f"mixture: {', '.join(twice)} stands there twice: give each component a name of its own")
    return found


def _written(text: str) -> Any:
    if text.lstrip().startswith(("{", "[")):
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RecipeError(f"mixture {text!r} is no YAML: {error}") from None
    pairs = [item.strip().rpartition("=") for item in text.split(",") if item.strip()]
    return [{"name": name, "weight": weight} if sign else {"name": weight} for name, sign, weight in pairs]


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    """One mapping, checked: a name, a weight that is a number, no option that does not exist."""
    if unknown := sorted(set(map(str, entry)) - set(_ENTRY)):
        raise RecipeError(f"mixture: there is no {', '.join(unknown)}: an entry has {', '.join(_ENTRY)}")
    source = entry.get("text") or entry.get("dataset")
    entry["name"] = str(entry.get("name") or (f"{source}@{entry['config']}" if source and entry.get("config") else source) or "")
    if not entry["name"]:
        raise RecipeError("mixture: an entry of the list has neither name nor dataset")
    for option, least in (("weight", 0.0), ("max_rows", 1.0)):
        value = entry.get(option)
        if value is None:
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if isinstance(value, bool) or not least <= number < math.inf or (option == "max_rows" and number != int(number)):
            raise RecipeError(f"mixture: {option} of {entry['name']} is {value!r}: give a number of at least {least:g}")
        entry[option] = number if option == "weight" else int(number)
    return entry


def component(entry: Mapping[str, Any], datasets: tuple[str, ...], *, metadata: bool) -> Component:
    """The component that an entry describes.

    Args:
        entry: from `entries`.
        datasets: the run's own.
        metadata: whether prompts show metadata where the entry does not say.

    Raises:
        RecipeError: a name, kind or type that does not exist, or nowhere to take rows from.
    """
    name, text = entry["name"], entry.get("text")
    what, _, place = name.partition("@")
    if what == TEXT and place and text is None:
        text = place
    common = {
        "name": name,
        "split": entry.get("split"),
        "weight": entry.get("weight"),
        "max_rows": entry.get("max_rows"),
        "columns": _mapping(name, entry.get("columns")),
    }
    if text:
        if not isinstance(text, str):
            raise RecipeError(f"mixture: text of {name} is {text!r}: give a file or a Hub id")
        return Component(datasets=_datasets(text), configs=_several(entry.get("config")), text=True, **common)
    if name == TEXT:
        raise RecipeError("mixture: rows without audio come from a file or a Hub id: write text@FILE=WEIGHT, or {name: text, text: FILE}")
    kinds, types = _kinds_and_types(entry, what)
    own = _datasets(entry.get("dataset"))
    configs = _several(entry.get("config"))
    if place and not own:
        dataset, _, config = name.rpartition("@")
        own, configs = ((place,), configs) if _is_kind(what) else ((dataset,), configs or (config,))
    if not own and not datasets:
        raise RecipeError(f"mixture: {name} has no dataset: pass --dataset_name, or give the entry one")
    if not configs:
        if not kinds:
            raise RecipeError(
                f"mixture: {name} is neither a kind of row ({', '.join([*KINDS, *ALIASES])}), nor DATASET@CONFIG, nor text@FILE, and its entry names no kinds and no config"
            )
        configs = configs_of(kinds, metadata=bool(entry.get("metadata", metadata)))
    elif entry.get("metadata") is not None:
        raise RecipeError(
            f"mixture: {name} has both config and metadata: give one of them (metadata chooses explicit and combined, else baseline and implicit)"
        )
    return Component(datasets=own or datasets, configs=configs, kinds=kinds, types=types, **common)


def _is_kind(what: str) -> bool:
    return what in ALIASES or what.partition(":")[0] in KINDS


def configs_of(kinds: Iterable[str], *, metadata: bool) -> tuple[str, ...]:
    """The configs that hold rows of these kinds.

    Example:
        >>> configs_of(["asr", "cpqa"], metadata=True)
        ('explicit', 'combined')
    """
    written = {kind in WRITTEN for kind in kinds}
    return tuple((("combined" if metadata else "implicit") if group else ("explicit" if metadata else "baseline")) for group in sorted(written))


def _kinds_and_types(entry: Mapping[str, Any], what: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    kinds, types = _several(entry.get("kinds")), _several(entry.get("types"))
    kind, _, type = what.partition(":")
    if what in ALIASES:
        kind, type = ALIASES[what]
    if kind in KINDS:
        kinds, types = kinds or (kind,), types or ((type,) if type else ())
    for given, known, word in ((kinds, KINDS, "kind"), (types, QUESTION_TYPES, "type")):
        if unknown := sorted(set(given) - set(known)):
            raise RecipeError(f"mixture: {entry['name']} asks for {word} {', '.join(unknown)}: choose among {', '.join(known)}")
    return kinds, types


def _several(value: Any) -> tuple[str, ...]:
    """One name, several with commas, or a list of them."""
    items = value.split(",") if isinstance(value, str) else value or ()
    return tuple(name for item in items if (name := str(item).strip()))


def _datasets(name: str | None) -> tuple[str, ...]:
    """One dataset, or several with commas; a path that exists is taken as it is."""
    return (name,) if isinstance(name, str) and Path(name).exists() else _several(name)


def _mapping(name: str, columns: Any) -> dict[str, str]:
    if not isinstance(columns or {}, Mapping):
        raise RecipeError(f"mixture: columns of {name} is {columns!r}: give a mapping of our names to the dataset's, such as {{prompt: instruction}}")
    return {str(ours): str(theirs) for ours, theirs in (columns or {}).items()}
