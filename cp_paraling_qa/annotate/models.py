"""Loading a checkpoint loudly: weights that do not fit, or a head that does not listen, are an error and never a number.

Checkpoints whose head is not the stock one load into stock classes with a warning and answer with the numbers of a random head (near 1/K for every class). So
every weight must find its place, and then two different sounds are played to the model: it must tell its classes apart, and the sounds from each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cp_paraling_qa.annotate.checkpoints import Checkpoint
from cp_paraling_qa.annotate.pinning import first_line
from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.schema import SAMPLING_RATE

HARMLESS = re.compile(r"(^|\.)(masked_spec_embed|num_batches_tracked|position_ids)$")
"""Weights that only training uses, or that follow from the config: checkpoints have or lack them as they please."""

UNIFORM = 3e-5
"""Probabilities that differ by no more than this are all 1/K. A head that was never trained differs by more, but its weights are missing, and that is noticed."""

DEAF = 1e-7
"""Answers to two very different sounds that differ by no more than this, relative to the largest, rest on the head's bias alone."""


def load(model_class: Any, source: Checkpoint, **arguments: Any) -> Any:
    """A model with every weight in its place, in float32, ready to answer.

    Args:
        model_class: a class with transformers' `from_pretrained`.
        source: where from.
        arguments: for `from_pretrained`: config.

    Raises:
        RecipeError: weights that are missing, unexpected or of another shape, a pickle that holds more than weights, or nothing there that loads.
    """
    import pickle

    import torch
    from safetensors import SafetensorError

    try:
        with quiet():
            model, info = model_class.from_pretrained(
                **source.arguments, **arguments, output_loading_info=True, dtype=torch.float32, ignore_mismatched_sizes=True
            )
    except pickle.UnpicklingError as error:
        raise RecipeError(
            f"{source.rater}: its weights are a pickle that holds more than weights, which could run any code: it is not loaded. Choose one with model.safetensors"
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, ImportError, SafetensorError) as error:
        remedy = "code that comes with a checkpoint is not run: choose one of a class that transformers has" if "custom code" in str(error) else "is it whole?"
        raise RecipeError(f"{source.rater}: no {_name(model_class)} can be loaded from it ({first_line(error)}); {remedy}") from error
    _must_fit(source, info, type(model).__name__)
    return model.eval()


def _must_fit(source: Checkpoint, info: Mapping[str, Any], kind: str) -> None:
    wrong = []
    for key, what in (("missing_keys", "missing"), ("unexpected_keys", "unexpected"), ("mismatched_keys", "of another shape")):
        names = sorted(str(entry[0] if isinstance(entry, tuple) else entry) for entry in info.get(key) or ())
        names = [name for name in names if not HARMLESS.search(name)]
        if names:
            wrong.append(f"{len(names)} {what} ({', '.join(names[:4])}{', …' if len(names) > 4 else ''})")
    wrong += [str(message) for message in info.get("error_msgs") or ()]
    if wrong:
        raise RecipeError(
            f"{source.rater}: its weights do not fit {kind}: {'; '.join(wrong)}. Its answers would be those of a random head: choose a checkpoint made for this class"
        )


def extractor(source: Checkpoint) -> Any:
    """The feature extractor of a checkpoint; None where it has none.

    Raises:
        RecipeError: it cannot be loaded, or hears another sampling rate than 16 kHz.
    """
    if not any(source.path(name) for name in ("preprocessor_config.json", "processor_config.json")):
        return None
    from transformers import AutoFeatureExtractor

    try:
        with quiet():
            found = AutoFeatureExtractor.from_pretrained(**source.arguments)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise RecipeError(f"{source.rater}: its feature extractor cannot be loaded ({first_line(error)})") from error
    must_hear(source, getattr(found, "sampling_rate", None))
    return found


def must_hear(source: Checkpoint, rate: Any) -> None:
    """Refuses a model that was trained at another rate than that of the clips.

    Raises:
        RecipeError: naming both rates.
    """
    if rate != SAMPLING_RATE:
        raise RecipeError(f"{source.rater} hears audio at {rate} Hz, and clips are heard at {SAMPLING_RATE} Hz: choose a checkpoint for {SAMPLING_RATE} Hz")


def probe_sounds() -> list[Any]:
    """Two sounds that no trained head takes for the same: a low monotone buzz of slow syllables, and a loud gliding one in noise. float32, 16 kHz."""
    import numpy as np

    def buzz(seconds: float, pitch: float, glide: float, pace: float, noise: float) -> Any:
        time = np.arange(round(seconds * SAMPLING_RATE)) / SAMPLING_RATE
        phase = 2 * np.pi * np.cumsum(pitch * 2 ** (glide * time)) / SAMPLING_RATE
        tone = sum(np.sin(k * phase) / k for k in range(1, 10))
        hiss = np.random.default_rng(7).normal(0, 1, len(time))
        return (0.1 * tone * (0.1 + np.sin(np.pi * pace * time) ** 2) + noise * hiss).astype(np.float32)

    return [buzz(1.3, 105.0, 0.0, 2.0, 0.001), buzz(1.0, 210.0, 1.0, 6.0, 0.1)]


def must_listen(source: Checkpoint, logits: Any, probabilities: Any | None = None) -> None:
    """Refuses a head that answers the same whatever it hears, or gives every class the same probability.

    Args:
        source: the model, for the message.
        logits: of shape (2, k), its raw answers to the two `probe_sounds`.
        probabilities: of shape (2, classes), where some of them are classes.

    Raises:
        RecipeError: the head is uniform, deaf, or answers NaN.
    """
    import numpy as np

    if not np.isfinite(logits).all():
        raise RecipeError(
            f"{source.rater} answers {logits[~np.isfinite(logits)][0]} to a plain sound: its weights are damaged, or dtype {np.dtype(logits.dtype)} is too small for them: fetch it again, or choose another checkpoint"
        )
    if probabilities is not None and probabilities.shape[1] > 1 and (np.ptp(probabilities, axis=1) <= UNIFORM).all():
        raise RecipeError(
            f"{source.rater} gives each of its {probabilities.shape[1]} classes the same probability, whatever it hears: its head was never trained, or did not load. Choose another checkpoint"
        )
    if np.abs(logits[0] - logits[1]).max() <= DEAF * max(1e-3, float(np.abs(logits).max())):
        raise RecipeError(
            f"{source.rater} answers two different sounds with the same numbers: its head was never trained, or did not load. Choose another checkpoint"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps the bars and reports of transformers off the screen: what they report is an error here, and said as one."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _name(model_class: Any) -> str:
    return "audio classifier" if model_class.__name__.startswith("Auto") else str(model_class.__name__)
