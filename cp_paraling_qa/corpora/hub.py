"""Where a Hugging Face dataset's files are: on the Hub or on the disk, by configuration and split. Nothing of a dataset is ever executed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from cp_paraling_qa.corpora.base import AUDIO_SUFFIXES
from cp_paraling_qa.corpora.folder import SPLITS
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.schema import SPLIT_NAMES

TABLES = {".parquet", ".arrow", ".csv", ".tsv", ".jsonl"}
PACKED = {".tar", ".gz", ".zip", ".tgz"}

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class File(NamedTuple):
    """A file of a dataset, and the split that it belongs to."""

    path: Path
    split: str | None  # train, validation, test, test1, …; None where it has none of these names


def partition(name: str | None) -> str | None:
    """A split's name as ours: train, validation or test (test1, …); None for any other.

    Example:
        >>> partition("dev"), partition("Test"), partition("holdout")
        ('validation', 'test', None)
    """
    name = (name or "").strip().lower()
    name = SPLITS.get(name, name)
    return name if SPLIT_NAMES.fullmatch(name) else None


def snapshot(root: str, layout: str, *, revision: str | None = None, subset: str | None = None, folder: str | None = None) -> Path:
    """The folder of a dataset: the local one, or that of the Hub's files, downloaded where they are not yet in the cache.

    The snapshot's folder is named after the commit that the revision stood for, so that a run's record of its root tells what it was made from.

    Args:
        root: a folder, or a Hub id, org/name.
        layout: what the folder would hold, for messages.
        revision: branch, tag or commit on the Hub; None for main.
        subset: configuration to download alone, where the dataset's card says which files it has.
        folder: folder to download alone, for datasets without a card.

    Raises:
        CorpusError: neither a folder nor on the Hub; the Hub cannot be reached; or its terms are not accepted.
    """
    if Path(root).expanduser().exists():
        return Path(root).expanduser()
    if not _HUB_ID.fullmatch(root):
        raise CorpusError(f"{root} does not exist: give {layout}")
    import huggingface_hub
    from huggingface_hub import errors

    def download(**only: Any) -> Path:
        return Path(huggingface_hub.snapshot_download(root, repo_type="dataset", revision=revision, **only))

    at = f"{root} at {revision}" if revision else root
    try:
        if folder is None and subset is not None:
            folders = card(download(allow_patterns=["README.md"])).patterns(subset)
        else:
            folders = [f"{folder}/*"] if folder is not None else []
        return download(allow_patterns=["README.md", *folders]) if folders else download()
    except errors.GatedRepoError:
        raise CorpusError(f"the dataset {at} is gated: accept its terms at https://huggingface.co/datasets/{root}, then `hf auth login`") from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError):
        raise CorpusError(f"there is no folder {root}, and no dataset {at} on the Hub (or it is private: `hf auth login`)") from None
    except errors.HFValidationError as error:
        raise CorpusError(f"{root} is no Hub id: {error}") from None
    except OSError as error:  # offline, unreachable, and whatever else the network does
        raise CorpusError(
            f"there is no folder {root}, and the dataset {at} is neither in the Hub's cache nor could it be downloaded ({(str(error).splitlines() or [type(error).__name__])[0]}): "
            f"go online once, or run `hf download --repo-type dataset {root} --local-dir DIR` on a machine that is, and give DIR"
        ) from None


class Card(NamedTuple):
    """What the YAML of a dataset's README.md says."""

    data: dict[str, Any]

    @property
    def configs(self) -> dict[str, dict[str, Any]]:
        """Configurations by name."""
        found = self.data.get("configs")
        return {str(config.get("config_name", "default")): config for config in found if isinstance(config, dict)} if isinstance(found, list) else {}

    @property
    def default(self) -> str | None:
        """The configuration that is meant where none is named; None where the card leaves it open."""
        names = [name for name, config in self.configs.items() if config.get("default")] or [name for name in self.configs if name == "default"]
        return names[0] if names else next(iter(self.configs)) if len(self.configs) == 1 else None

    def patterns(self, subset: str) -> list[str]:
        """Patterns of a configuration's files; the folder of its name where the card does not know it."""
        config = self.configs.get(subset, {"data_dir": subset})
        by_split = _by_split(config)
        return [pattern for patterns in by_split.values() for pattern in patterns] if by_split else [f"{config.get('data_dir') or '.'}/*"]

    def text(self, key: str) -> str | None:
        """An entry of which there is one: the licence, the language."""
        value = self.data.get(key)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        return value if isinstance(value, str) and value else None

    def class_names(self, column: str, subset: str | None) -> list[str] | None:
        """Names of a column of class numbers, for tables that do not carry them themselves."""
        infos = self.data.get("dataset_info")
        infos = infos if isinstance(infos, list) else [infos]
        infos = [info for info in infos if isinstance(info, dict) and (subset is None or info.get("config_name") in (None, subset))]
        for feature in (feature for info in infos for feature in info.get("features") or [] if isinstance(feature, dict)):
            kind = feature.get("dtype")
            if feature.get("name") == column and isinstance(kind, dict) and isinstance(kind.get("class_label"), dict):
                names = kind["class_label"].get("names") or []
                return [str(name) for name in (names.values() if isinstance(names, dict) else names)]
        return None


def card(root: Path) -> Card:
    """The YAML at the top of README.md; an empty one where there is none, or none that can be read."""
    try:
        found = re.match(r"\ufeff?\s*---\s*\n(.*?)\n---", (root / "README.md").read_text(encoding="utf-8", errors="replace"), re.DOTALL)
        data = yaml.safe_load(found[1]) if found else {}
    except (OSError, yaml.YAMLError):
        data = {}
    return Card(data if isinstance(data, dict) else {})


def dataset_files(root: Path, subset: str | None = None) -> list[File]:
    """The tables and sounds of a dataset, in a fixed order, each with its split.

    As `datasets` finds them: what `save_to_disk` recorded; else the patterns that the card gives; else file and folder names with a split in them. Where nothing
    names a split, there is none: everything called "train" would be no partition.

    Args:
        root: the dataset's folder.
        subset: configuration: one of the card's, or a folder's name.

    Raises:
        CorpusError: there is no such configuration, or several and none was named.
    """
    if (root / "dataset_dict.json").is_file() or (root / "state.json").is_file():
        return list(_saved(root))
    found = card(root)
    subset = subset or found.default
    if subset is None and found.configs:
        raise CorpusError(f"{root} has the configurations {', '.join(found.configs)}: name one with the option subset")
    config = found.configs.get(subset or "", {})
    if subset is not None and not config:
        if not (root / subset).is_dir():
            there = [*found.configs, *sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))]
            raise CorpusError(f"{root} has no configuration {subset!r}: there are {', '.join(there) or 'none'}")
        config = {"data_dir": subset}
    base = root / str(config.get("data_dir") or "")
    by_split = _by_split(config)
    if by_split:
        files = {File(path, partition(split)) for split, patterns in by_split.items() for pattern in patterns for path in _matches(base, pattern)}
        return sorted(files, key=str)
    return _by_names(base)


def _by_split(config: dict[str, Any]) -> dict[str, list[str]]:
    """A configuration's patterns by split; files without a split under no name."""
    files = config.get("data_files")
    items = [files] if isinstance(files, str) else files if isinstance(files, list) else []
    found: dict[str, list[str]] = {}
    for item in items:
        paths = item.get("path") if isinstance(item, dict) else item
        found.setdefault(str(item.get("split", "")) if isinstance(item, dict) else "", []).extend([paths] if isinstance(paths, str) else paths or [])
    return found


def _matches(base: Path, pattern: str) -> Iterator[Path]:
    from datasets.data_files import resolve_pattern

    try:
        found = resolve_pattern(pattern, str(base.resolve()))
    except FileNotFoundError:
        return
    yield from (base / Path(path).relative_to(base.resolve()) for path in found if Path(path).is_relative_to(base.resolve()) and _is_data(Path(path)))


def _is_data(path: Path) -> bool:
    return path.suffix.lower() in TABLES | AUDIO_SUFFIXES | PACKED


def _by_names(base: Path) -> list[File]:
    """All files below a folder; split names stand in the names of files or folders, as `datasets` has it."""
    from datasets.data_files import DEFAULT_PATTERNS_ALL, EmptyDatasetError, get_data_patterns

    files = [p for p in base.rglob("*") if _is_data(p) and p.is_file() and not any(part.startswith((".", "__")) for part in p.relative_to(base).parts)]
    try:
        patterns = get_data_patterns(str(base.resolve()))
    except EmptyDatasetError:
        return []
    splits: dict[Path, str | None] = {}
    if {str(split): list(found) for split, found in patterns.items()} != {str(split): list(found) for split, found in DEFAULT_PATTERNS_ALL.items()}:
        for split, found in patterns.items():
            for pattern in found:
                for path in _matches(base, pattern):
                    splits.setdefault(path, partition(str(split)))
    return sorted((File(path, splits.get(path)) for path in files), key=str)


def _saved(root: Path) -> Iterator[File]:
    """What `save_to_disk` wrote: a dataset, or a folder with one for each split."""
    folders = {root: None}
    try:
        if (root / "dataset_dict.json").is_file():
            folders = {root / split: split for split in json.loads((root / "dataset_dict.json").read_text(encoding="utf-8"))["splits"]}
        for folder, split in folders.items():
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            for file in state["_data_files"]:
                yield File(folder / file["filename"], partition(split or state.get("_split")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{root} is a dataset of save_to_disk whose record cannot be read ({error}): save it again") from None
