"""The outputs of a frozen audio tower, computed once a clip and kept on disk.

Several questions about a clip and several epochs then pay for the tower once. One file a clip (safetensors, written beside and renamed), in a folder named after
everything that shapes the numbers: the model's weights, the precision they are computed in, the extractor, and this module's `VERSION`.
A clip is known by the digest of its audio's bytes, not by its name, so that a file which changed is heard again.

Not where the tower trains, and not where the audio is changed on the way: the caller refuses that.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cp_paraling_qa.digests import digest
from cp_paraling_qa.errors import StorageError, TrainingError
from cp_paraling_qa.training.families import Family

VERSION = "tower-1"
"""Changes whenever the stored numbers would."""

_BATCH = 16  # clips through the tower at a time


@dataclass
class TowerCache:
    """Stored outputs of the clips of one run.

    Attributes:
        folder: of this tower and precision.
        files: clip name → file.
    """

    folder: Path
    files: dict[str, Path] = field(default_factory=dict)

    def read(self, name: str) -> Any:
        """The tower's outputs for a clip: a tensor of shape (positions, width).

        Raises:
            StorageError: the file is gone or broken, by name.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(self.files[name])["states"]
        except (OSError, SafetensorError, KeyError) as error:
            raise StorageError(f"clip {name}: its stored tower outputs cannot be read ({error}); delete {self.folder} and run again") from error


def open_cache(root: str | Path, *, weights: str, precision: str, processor: Any) -> Path:
    """The folder for a tower and a precision.

    Args:
        root: where caches lie.
        weights: fingerprint of the base model.
        precision: such as "float32" or "float32, autocast bfloat16": outputs of the one shift the loss of the other.
        processor: of the model; its extractor's settings count.
    """
    import transformers

    extractor = {name: value for name, value in processor.to_dict().items() if name in ("feature_extractor", "audio_processor")}
    return Path(root) / digest(VERSION, transformers.__version__, weights, precision, extractor)


def fill(
    folder: Path,
    clips: Mapping[str, Mapping[str, Any]],
    model: Any,
    processor: Any,
    family: Family,
    *,
    rank: int = 0,
    world: int = 1,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> TowerCache:
    """Stores the outputs of all clips that are not stored yet, shortest first.

    Args:
        folder: from `open_cache`.
        clips: clip name → a row that hears it.
        model: the base model; run as the caller has set it up (device, autocast).
        processor: of the model.
        family: of the model.
        rank: of this process: it fills its share.
        world: number of processes.
        tell: called with how many of how many clips are done.

    Raises:
        TrainingError: a family whose tower cannot be cached.
        StorageError: the folder cannot be written to.
    """
    from cp_paraling_qa.audio import duration_of

    if not family.caches_tower:
        raise TrainingError(f"{family.model_type}: its tower's outputs cannot be cached; pass --cache_tower false")
    cache = TowerCache(folder, {name: _file(folder, row["audio"]) for name, row in clips.items()})
    share = sorted(cache.files, key=lambda name: (duration_of(clips[name]["audio"]), name))[
        rank::world
    ]  # before one looks at what is stored: others store meanwhile
    todo = [name for name in share if not cache.files[name].is_file()]
    for start in range(0, len(todo), _BATCH):
        names = todo[start : start + _BATCH]
        for name, states in zip(names, _outputs([clips[name] for name in names], model, processor, family), strict=True):
            store(cache.files[name], states)
        tell(min(start + _BATCH, len(todo)), len(todo))
    return cache


def _outputs(rows: Sequence[Mapping[str, Any]], model: Any, processor: Any, family: Family) -> list[Any]:
    from cp_paraling_qa.training.encoding import Encoder

    _, samples = Encoder(processor, family).clips([{**row, "heard": str(number)} for number, row in enumerate(rows)])
    return tower_outputs(samples, model, processor, family)


def tower_outputs(samples: Sequence[Any], model: Any, processor: Any, family: Family) -> list[Any]:
    """What the tower says of each clip.

    The model itself is run on the clips' positions alone and stopped behind the tower, so that the tower gets exactly what it gets in training.

    Args:
        samples: float32 waveforms of shape (n,), 16 kHz.
        model: the model.
        processor: of the model.
        family: of the model.

    Returns:
        a tensor of shape (positions, width) a clip, on the CPU.
    """
    import torch

    heard = family.features(processor, samples)
    audio = [family.expand(processor, count) for count in heard.counts]
    width = max(map(len, audio))
    ids = torch.tensor([[*row, *[processor.tokenizer.pad_token_id] * (width - len(row))] for row in audio])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in audio])
    inputs = {"input_ids": ids, "attention_mask": mask, **heard.tensors}
    training = model.training
    model.eval()
    try:
        with torch.no_grad(), _stop_behind(family.part(model, "cached_part")) as caught, suppress(_Behind):
            model(**{name: value.to(model.device) for name, value in inputs.items()}, use_cache=False)
    finally:
        model.train(training)
    return [states.contiguous().cpu() for states in family.clip_states(caught[0], heard)]


class _Behind(Exception):
    """The tower has spoken; nobody needs the rest of the pass."""


@contextmanager
def _stop_behind(tower: Any) -> Iterator[list[Any]]:
    caught: list[Any] = []

    def catch(module: Any, args: Any, output: Any) -> None:
        caught.append(output)
        raise _Behind

    handle = tower.register_forward_hook(catch)
    try:
        yield caught
    finally:
        handle.remove()


def _file(folder: Path, audio: Any) -> Path:
    """By the digest of the audio's bytes."""
    content = audio.get("bytes") if isinstance(audio, dict) else None
    if content is None:
        content = Path(audio["path"] if isinstance(audio, dict) else audio).read_bytes()
    name = hashlib.sha256(content).hexdigest()[:32]
    return folder / name[:2] / f"{name}.safetensors"


def store(path: Path, states: Any) -> None:
    """One clip's outputs, of shape (positions, width), whole or not at all."""
    from safetensors.torch import save_file

    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"states": states}, beside)
        beside.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}; free some space, or pass --tower_cache_dir with another folder") from error
