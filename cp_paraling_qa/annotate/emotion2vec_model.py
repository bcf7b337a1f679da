"""One emotion2vec model, loaded by FunASR, and strictly.

Loading is strict where FunASR only prints: every weight that inference uses must come out of the checkpoint. And nothing that comes from outside is run: model.pt
must load as tensors alone, code in the model's folder is not imported, and the layer specification in config.yaml, which FunASR evaluates, must be plain numbers.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.checkpoints import Checkpoint
from cp_paraling_qa.annotate.models import must_listen, probe_sounds
from cp_paraling_qa.annotate.pinning import folder_digest, hub_folder, hub_revision
from cp_paraling_qa.errors import RecipeError, StageError
from cp_paraling_qa.labels import INVENTORIES
from cp_paraling_qa.stage import Row

FEWEST_SAMPLES = 1600
"""Shorter windows are filled up with silence to 0.1 s: the convolutions need something to stand on."""

_UNUSED = "modality_encoders.AUDIO.decoder."
"""Only pre-training uses these weights; released checkpoints come without them."""

_PLAIN = re.compile(r"[\s\d\[\](),+*]+")


class Source(NamedTuple):
    """One model: what opinions call it, its revision, and its folder or its repository."""

    rater: str
    revision: str | None
    repository: str | None
    path: Path | None

    @property
    def short(self) -> str:
        """Its name as part of a file name."""
        return re.sub(r"[^\w.-]+", "-", self.rater.rpartition("/")[2]).strip("-.") or "model"


class Recogniser:
    """One loaded model."""

    def __init__(self, source: Source, hub: str, options: AnnotatorOptions) -> None:
        import numpy as np

        self.source, self.options = source, options
        folder = _folder(source, hub)
        weights = _checked_weights(folder, _checked_config(folder))
        try:
            with _silent():
                from funasr import AutoModel

                self._model = AutoModel(
                    model=str(folder),
                    init_param=str(folder / "model.pt"),
                    device=options.device,
                    ncpu=_threads(),
                    trust_remote_code=False,
                    disable_update=True,
                    disable_pbar=True,
                    disable_log=True,
                    log_level="ERROR",
                )
        except Exception as error:  # whatever a config that does not fit makes of FunASR
            raise StageError(
                f"{source.rater}: FunASR cannot build it from {folder} ({type(error).__name__}: {error}): check config.yaml and tokens.txt"
            ) from error
        _must_hold(self._model.model, weights, folder)
        heard = np.array([list(posterior.values()) for posterior in self.posteriors(probe_sounds())])
        must_listen(Checkpoint(str(folder), source.revision or "", source.rater, source.path is not None), heard, heard)

    def posteriors(self, sounds: Sequence[Any]) -> list[dict[str, float]]:
        """Label → probability for each sound, float32 of 16 kHz."""
        import numpy as np
        import torch

        filled = [np.pad(sound, (0, max(0, FEWEST_SAMPLES - len(sound)))).astype(np.float32) for sound in sounds]
        device = self.options.device.partition(":")[0]
        with _silent(), torch.autocast(device, dtype=getattr(torch, self.options.dtype), enabled=self.options.dtype != "float32"):
            answers = self._model.generate(filled, granularity="utterance", extract_embedding=False, fs=16_000)
        return [_posterior(answer, self.source.rater) for answer in answers]


def english(label: str) -> str:
    """A label of FunASR's in English.

    Example:
        >>> english("生气/angry"), english("<unk>")
        ('angry', 'unknown')
    """
    name = label.rpartition("/")[2].strip().lower()
    return "unknown" if name.strip("<>") in ("unk", "unknown") else name


def _posterior(answer: Row, model: str) -> dict[str, float]:
    labels, scores = [english(label) for label in answer["labels"]], [float(score) for score in answer["scores"]]
    if sorted(labels) != sorted(INVENTORIES["emotion2vec"]) or len(scores) != len(labels):
        raise StageError(
            f"{model} answers with {len(labels)} labels ({', '.join(labels) or 'none'}) and {len(scores)} scores, and emotion2vec+ has these nine: "
            f"{', '.join(INVENTORIES['emotion2vec'])}. Check its tokens.txt, or hear it as another kind of model"
        )
    if not all(0 <= score <= 1 for score in scores) or abs(sum(scores) - 1) > 0.02:
        raise StageError(f"{model} answers with scores that are no probabilities: {', '.join(f'{score:.3g}' for score in scores)}")
    return dict(zip(labels, scores, strict=True))


def source_of(model: str, revision: str | None, hub: str) -> Source:
    """What a model's id or folder means on a hub.

    Raises:
        RecipeError: neither an id nor a folder.

    Example:
        >>> source_of("iic/emotion2vec_plus_base", "0" * 40, "hf").repository
        'emotion2vec/emotion2vec_plus_base'
    """
    if Path(model).is_dir():
        folder = Path(model).resolve()
        return Source(folder.name, folder_digest(folder), None, folder)
    if model.count("/") != 1 or model.startswith(("/", ".", "~")):
        raise RecipeError(f"emotion2vec model {model!r} is neither a folder, nor an id as owner/name, nor a short name such as emotion2vec_plus_large")
    owner, _, name = model.partition("/")
    if hub == "ms":  # ModelScope does not tell commits without downloading
        return Source(model, revision or "master", f"iic/{name}" if owner == "emotion2vec" else model, None)
    repository = f"emotion2vec/{name}" if owner == "iic" else model
    return Source(model, hub_revision(repository, revision), repository, None)


def _folder(source: Source, hub: str) -> Path:
    if source.path is not None:
        return source.path
    if hub == "hf":
        return hub_folder(str(source.repository), source.revision, ["*.yaml", "*.json", "tokens.txt", "model.pt"])
    with _silent():
        try:
            hub_module = importlib.import_module("modelscope.hub.snapshot_download")
            return Path(hub_module.snapshot_download(source.repository, revision=source.revision))
        except Exception as error:  # requests', modelscope's and the system's own
            raise StageError(f"model {source.repository} cannot be loaded from ModelScope ({error}): check its name and the network, or take hub hf") from error


def _checked_config(folder: Path) -> dict[str, Any]:
    """config.yaml, unless it names another model, or its layer specification is more than numbers: FunASR evaluates it as Python."""
    import yaml

    path = folder / "config.yaml"
    try:
        config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        model, specification = config["model"], str(config["model_conf"]["modalities"]["audio"]["feature_encoder_spec"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise StageError(f"{path} is missing or is not the configuration of an emotion2vec model ({type(error).__name__}: {error})") from None
    if model != "Emotion2vec":
        raise StageError(f"{path} describes a model of class {model}, not Emotion2vec")
    if not _PLAIN.fullmatch(specification) or "**" in specification:
        raise StageError(f"{path}: feature_encoder_spec is more than numbers in brackets, and would be run as code: {specification[:80]!r}")
    return config


def _checked_weights(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Name in the model → tensor of the checkpoint, read without running anything that the file may hold."""
    import pickle

    import torch

    path = folder / "model.pt"
    if not path.is_file():
        raise StageError(f"{path} is missing: the folder of an emotion2vec model holds config.yaml, tokens.txt and model.pt")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise StageError(f"{path} holds more than tensors, which could run any code when loaded, and is refused: {str(error).splitlines()[0]}") from None
    except (RuntimeError, EOFError, OSError) as error:
        raise StageError(f"{path} cannot be read ({str(error).splitlines()[0]}): download it again") from None
    for wrapping in ("state_dict", "model_state_dict", "model"):  # as FunASR unwraps them
        state = state.get(wrapping, state)
    prefixes = [str(prefix) for prefix in config.get("scope_map") or () if str(prefix).lower() != "none"]  # as in [d2v_model., none]
    named = {}
    for name, value in state.items():
        for prefix in [*prefixes, "module."]:
            name = name.removeprefix(prefix)
        named[name] = value
    return named


def _must_hold(model: Any, weights: dict[str, Any], folder: Path) -> None:
    """Every weight of the model that inference uses is the checkpoint's: FunASR goes on with random ones and prints a line."""
    import torch

    mine = {name: value for name, value in model.state_dict().items() if not name.startswith(_UNUSED)}
    missing = [name for name in mine if name not in weights]
    misfit = [name for name, value in mine.items() if name in weights and weights[name].shape != value.shape]
    lost = [
        name
        for name, value in mine.items()
        if name in weights and name not in misfit and not torch.equal(value.cpu().float(), weights[name].to(value.dtype).float())
    ]
    modules = {name.split(".")[0] for name in mine}
    unexpected = [name for name in weights if name not in mine and name.split(".")[0] in modules and not name.startswith(_UNUSED)]
    for names, what in (
        (missing, "lacks"),
        (misfit, "has in another shape"),
        (lost, "has, but FunASR did not load,"),
        (unexpected, "has, and the model has not,"),
    ):
        if names:
            raise StageError(
                f"{folder / 'model.pt'} {what} {len(names)} weights ({', '.join(names[:3])}, …): it does not belong to config.yaml; download both again"
            )


def _threads() -> int:
    """FunASR sets torch's threads for the whole process: to what they are."""
    import torch

    return int(torch.get_num_threads())


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """FunASR prints, logs to the root logger and puts a handler on it; afterwards everything is as it was."""
    root = logging.getLogger()
    level, handlers, hydra = root.level, list(root.handlers), os.environ.get("HYDRA_FULL_ERROR")
    if not handlers:
        root.addHandler(logging.NullHandler())
    root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        if hydra is None:
            os.environ.pop("HYDRA_FULL_ERROR", None)
