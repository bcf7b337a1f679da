"""Mel frames → encoder positions → embeddings: the counts that processor and model have to agree on."""

from __future__ import annotations

from typing import Any

CONV_STRIDE = 2
"""Mel frames (10 ms each) per encoder position: the stride of Whisper's second convolution."""


def positions(frames: Any) -> Any:
    """Encoder positions of so many mel frames: ⌈frames / 2⌉. Takes an int or an integer tensor, and gives the like."""
    return (frames + CONV_STRIDE - 1) // CONV_STRIDE


def embeddings(frames: Any, stack_size: int) -> Any:
    """Embeddings of a clip of so many mel frames: ⌈positions / stack_size⌉. Takes an int or an integer tensor, and gives the like."""
    return (positions(frames) + stack_size - 1) // stack_size
