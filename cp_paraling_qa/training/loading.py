"""A model and its processor from a path or a Hub id, ready to train or to answer."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cp_paraling_qa.errors import TrainingError
from cp_paraling_qa.training.families import family_of
from cp_paraling_qa.training.hearing.mel import use_fast_mel

_TINY_PARAMETERS = 5_000_000
_HASHED_WHOLE = 64 * 2**20
_WHICH = ("revision", "trust_remote_code")
_HARMLESS = (
    "`is_gradient_checkpointing` is deprecated",  # read by PEFT 0.21
    "`gradient_checkpointing` is deprecated",  # TRL 1.16's name for it
)


def load_processor(path: str | Path, **kwargs: Any) -> Any:
    """The processor of a checkpoint, with the exact fast mel.

    Raises:
        TrainingError: nothing there that loads, or a family that is not in the registry; names the path.
    """
    family = family_of(load_config(_described(path), **{name: kwargs[name] for name in _WHICH if name in kwargs}))
    try:
        processor = family.load_processor(str(path), **kwargs)
    except (OSError, ValueError, ImportError) as error:
        raise _unloadable(path, error) from error
    family.fit_padding(processor)
    use_fast_mel(processor)
    return processor


def load_config(path: str | Path, **kwargs: Any) -> Any:
    """The config of a checkpoint.

    Raises:
        TrainingError: nothing there that loads.
    """
    from transformers import AutoConfig

    import cp_paraling_qa.training.whisper_llm  # noqa: F401 (makes it known to the auto classes)

    _must_exist(path)
    try:
        return AutoConfig.from_pretrained(str(path), **kwargs)
    except (OSError, ValueError) as error:
        raise _unloadable(path, error) from error


def load_model(path: str | Path, *, adapter: str | Path | None = None, dtype: str = "float32", device: str | None = None, **kwargs: Any) -> Any:
    """A speech LLM, with its tower trimmed where the family allows.

    Args:
        path: folder or Hub id of the base model.
        adapter: folder or Hub id of a PEFT adapter to put on it.
        dtype: float32, bfloat16, float16 or auto.
        device: where to put it; None leaves it on the CPU.
        kwargs: for `from_pretrained`: revision, attn_implementation, quantization_config, …

    Raises:
        TrainingError: nothing there that loads, or a family that is not in the registry.
    """
    family = family_of(load_config(path, **{name: kwargs[name] for name in _WHICH if name in kwargs}))
    if family.untested:
        warnings.warn(
            f"{family.model_type}: no model of this family has been run with this library yet ({family.untested}); compare a few rows by hand", stacklevel=2
        )
    try:
        model = family.load(str(path), dtype=dtype, **kwargs)
    except (OSError, ValueError) as error:
        raise _unloadable(path, error) from error
    family.prepare(model)
    if device:
        model.to(device)
    return put_adapter(model, adapter) if adapter else model


def put_adapter(model: Any, adapter: str | Path) -> Any:
    """The model with a PEFT adapter on it, ready to answer.

    Raises:
        TrainingError: no adapter there, or one made for another model.
    """
    from peft import PeftModel

    try:
        with quiet():
            return PeftModel.from_pretrained(model, str(adapter)).eval()
    except (OSError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{adapter}: no adapter for this model can be loaded from there ({_first_line(error)})") from error


def fingerprint(path: str | Path, revision: str | None = None) -> str:
    """A short hash of what a model folder holds, so that a model trained anew under the old path is not taken for the old one.

    A Hub id stands for itself, with its revision where that is not main. Files over 64 MiB count by size and time of change; the others by content. Checkpoints and cards are left out.
    """
    folder = Path(path)
    if not folder.is_dir():
        return str(path) if revision in (None, "main") else f"{path}@{revision}"
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*")):
        if file.is_file() and file.suffix in (".json", ".safetensors", ".bin", ".jinja", ".txt") and file.name != "cpqa_run.json" and ".run." not in file.name:
            status = file.stat()
            content = f"{status.st_size} {status.st_mtime_ns}".encode() if status.st_size > _HASHED_WHOLE else file.read_bytes()
            digest.update(file.name.encode() + b"\x1f" + hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


@contextmanager
def threads_for(model: Any) -> Iterator[None]:
    """One CPU thread for a tiny model: its matrices are too small to share, and a second thread made its steps up to ten times slower."""
    import torch

    before = torch.get_num_threads()
    if sum(parameter.numel() for parameter in model.parameters()) < _TINY_PARAMETERS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps progress bars of the libraries and `_HARMLESS` warnings off the screen; other warnings pass."""
    import datasets
    from transformers.utils import logging

    bars, dataset_bars = logging.is_progress_bar_enabled(), not datasets.are_progress_bars_disabled()
    logging.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            for text in _HARMLESS:
                warnings.filterwarnings("ignore", message=text)
            yield
    finally:
        if bars:
            logging.enable_progress_bar()
        if dataset_bars:
            datasets.enable_progress_bars()


def _described(path: str | Path) -> str | Path:
    """Where the model's config lies: the folder of an adapter holds a processor, its base model has the config."""
    adapter = Path(path) / "adapter_config.json"
    if adapter.is_file() and not (Path(path) / "config.json").is_file():
        return str(json.loads(adapter.read_text(encoding="utf-8"))["base_model_name_or_path"])
    return path


def _must_exist(path: str | Path) -> None:
    """A path that cannot be a Hub id fails at once, not after a round of network timeouts."""
    if not Path(path).exists() and (isinstance(path, Path) or str(path).startswith((".", "/", "~")) or str(path).count("/") > 1):
        raise TrainingError(f"{path}: no model can be loaded from there (no such folder); `cpqa tiny-model PATH` writes a small one to try with")


def _unloadable(path: str | Path, error: BaseException) -> TrainingError:
    return TrainingError(f"{path}: no model can be loaded from there ({_first_line(error)}); `cpqa tiny-model PATH` writes a small one to try with")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
