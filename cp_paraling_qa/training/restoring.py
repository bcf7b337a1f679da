"""A whole model's weights back from a checkpoint.

Models are saved under the names of their published checkpoints, which for Qwen2-Audio and others are not the names of their modules. Trainer (transformers 5.23) puts
the file's names straight into the model and passes over what does not fit: nothing is loaded, a warning is logged, and training goes on from the base model's weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cp_paraling_qa.errors import TrainingError
from cp_paraling_qa.training.families import Family


def restore(model: Any, folder: str | Path, family: Family) -> None:
    """Loads the weights of a checkpoint into a model of the same shape, in place, by the way on which models are loaded.

    Raises:
        TrainingError: the checkpoint holds other weights than the model has.
    """
    saved = family.load(str(folder), dtype=model.dtype)
    try:
        model.load_state_dict(saved.state_dict(), strict=True)
    except RuntimeError as error:
        raise TrainingError(
            f"{folder}: these are not this model's weights ({str(error).strip().splitlines()[0]}); remove the checkpoint, or start afresh"
        ) from error
