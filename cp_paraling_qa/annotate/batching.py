"""Many sounds through one model, so that what is said of one does not depend on the others.

Three ways, by what a model allows:

- masked: sounds of like length together, padded, with an attention mask and a pooling that heed it. Exact where each layer heeds the mask; a trial proves it.
- equal: only sounds of one length together. For encoders whose group normalisation runs over time (wav2vec2-base and its kin, trained without a mask), and for
  those whose convolutions carry padding into the sound (data2vec, SEW, conformers): there even masked padding changes the numbers.
- fixed: every sound fills the same input (Whisper's 30 s, AST's 10 s), as these models were trained.

How much goes together is measured: a short trial on the first sounds, none of them heard twice. On a CPU one at a time is often as fast, and then it stays so.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cp_paraling_qa.schema import SAMPLING_RATE, Seconds

MASK_AWARE = {"hubert", "unispeech", "unispeech-sat", "wav2vec2", "wav2vec2-bert", "wavlm"}
"""Model types whose layers all heed the mask, unless their first convolution is normalised over time (feat_extract_norm "group")."""

FIXED = {"audio-spectrogram-transformer", "whisper"}

PADDING = 0.85
"""A sound joins longer ones if it has at least this share of the longest one's length: padding is worked through like sound."""

MOST = 64
"""Sounds in a group."""

CPU_BUDGETS: tuple[Seconds, ...] = (8.0, 16.0)
GPU_BUDGETS: tuple[Seconds, ...] = (30.0, 60.0, 120.0, 240.0)
"""Seconds of audio in a group, padding included. Larger groups leave a CPU's cache and are slower."""

ROUNDS = 4
GAIN = 0.95
"""A group must take at most this share of the time that one at a time takes to be worth it: what the clock says is uncertain."""
HOPELESS = 1.5
"""A group that twice takes this many times as long is not tried again, nor is a larger one."""


class Encoder(NamedTuple):
    """How a loaded model is fed.

    Args:
        features: samples → array; (n,) or (frames, bins) of any length, or of one shape for every sound.
        forward: (batch, mask or None) → logits of shape (batch, k).
        batching: masked, equal or fixed.
        device: as torch names it.
        dtype: torch's, of the model.
        longest: seconds that it hears at once; None without limit.
    """

    features: Callable[[Any], Any]
    forward: Callable[[Any, Any], Any]
    batching: str
    device: str
    dtype: Any
    longest: Seconds | None = None


def way(settings: Any) -> str:
    """masked, equal or fixed, by the settings of a model's encoder (see the module)."""
    if settings.model_type in FIXED:
        return "fixed"
    heeds = settings.model_type in MASK_AWARE and getattr(settings, "feat_extract_norm", "layer") == "layer"
    return "masked" if heeds else "equal"


class Pace:
    """Chooses how much goes together, by timing the work itself: group after group, each beside a few sounds of like length that go one at a time.

    The fastest turns are compared, not the mean ones: whatever else runs on the machine only ever adds time.

    Args:
        budgets: seconds of audio in a group, to choose from, in ascending order.
    """

    def __init__(self, budgets: Sequence[Seconds]) -> None:
        self.costs: dict[Seconds, list[float]] = {budget: [] for budget in budgets}
        self.alone: list[float] = []
        self.chosen: Seconds | None = None if budgets else 0.0

    def trial(self, possible: Callable[[Seconds], bool]) -> Seconds | None:
        """The budget to try next, of those that are possible now; None where none is, or the choice is made."""
        left = [budget for budget in self.costs if len(self.costs[budget]) < ROUNDS and possible(budget)]
        return min(left, key=lambda budget: (len(self.costs[budget]), budget)) if left and self.chosen is None else None

    def learn(self, budget: Seconds, together: float, alone: float) -> None:
        """Records a trial: seconds of work for a second of audio, in a group and beside it one at a time."""
        self.costs[budget].append(together)
        self.alone.append(alone)
        if len(self.costs[budget]) > 1 and min(self.costs[budget]) > HOPELESS * min(self.alone):
            self.forget(budget)
        elif all(len(costs) >= ROUNDS for costs in self.costs.values()):
            fastest = {0.0: GAIN * min(self.alone)} | {budget: min(costs) for budget, costs in self.costs.items()}
            self.chosen = min(fastest, key=lambda budget: fastest[budget])

    def forget(self, budget: Seconds) -> None:
        """A group of this size, or a larger one, is not made again."""
        self.costs = {smaller: costs for smaller, costs in self.costs.items() if smaller < budget}
        self.chosen = None if self.costs else 0.0


def hear(encoder: Encoder, sounds: Sequence[Any], pace: Pace) -> Any:
    """The model's raw answers, float32 of shape (sounds, k), in the order of the sounds.

    Args:
        encoder: the model.
        sounds: samples each, 16 kHz; at least one.
        pace: how much goes together; learns.
    """
    import numpy as np

    answers: dict[int, Any] = {}
    waiting = sorted(range(len(sounds)), key=lambda i: (-len(sounds[i]), i))  # the longest first: too little memory shows at once
    lengths = [len(samples) for samples in sounds]

    def group(budget: Seconds) -> list[int]:
        return _group(encoder, lengths, waiting, budget)

    def worth_trying(budget: Seconds) -> bool:
        return 2 <= len(group(budget)) <= len(waiting) - 2  # behind it, two sounds to compare it with

    def work(groups: list[list[int]]) -> float:
        """Seconds of work for each second of audio."""
        began = time.perf_counter()
        for members in groups:
            answers.update(zip(members, answer(encoder, [sounds[i] for i in members]), strict=True))
        return (time.perf_counter() - began) / sum(lengths[i] for members in groups for i in members) * SAMPLING_RATE

    while waiting:
        trial = pace.trial(worth_trying)
        together = group(pace.chosen or 0.0 if trial is None else trial)
        try:
            taken = work([together])
        except RuntimeError as error:
            if len(together) == 1 or "out of memory" not in str(error).lower():
                raise
            pace.forget(trial or pace.chosen or 0.0)
            continue
        waiting = waiting[len(together) :]
        if trial is not None:
            alone = [[i] for i in waiting[: max(2, min(4, len(together)))]]
            pace.learn(trial, taken, work(alone))
            waiting = waiting[len(alone) :]
    return np.stack([answers[i] for i in range(len(sounds))])


def _group(encoder: Encoder, lengths: Sequence[int], waiting: Sequence[int], budget: Seconds) -> list[int]:
    """The first of those that wait, and those behind it that may and should go with it."""
    longest = lengths[waiting[0]]
    heard = (encoder.longest or 0) * SAMPLING_RATE if encoder.batching == "fixed" else longest
    shortest = {"masked": PADDING * longest, "equal": longest, "fixed": 0}[encoder.batching]
    most = max(1, min(MOST, int(budget * SAMPLING_RATE / heard)))
    members = waiting[:most]
    return [i for i in members if lengths[i] >= shortest]


def answer(encoder: Encoder, sounds: Sequence[Any]) -> Any:
    """The model's raw answers to one group, float32 of shape (sounds, k)."""
    import numpy as np
    import torch

    parts = [np.asarray(encoder.features(samples), dtype=np.float32) for samples in sounds]
    lengths = [len(part) for part in parts]
    batch = np.zeros((len(parts), max(lengths), *parts[0].shape[1:]), dtype=np.float32)
    for row, part in zip(batch, parts, strict=True):
        row[: len(part)] = part
    mask = None
    if encoder.batching == "masked" and min(lengths) < max(lengths):
        mask = (torch.arange(batch.shape[1])[None, :] < torch.tensor(lengths)[:, None]).long().to(encoder.device)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")  # WavLM's own doing
        logits = encoder.forward(torch.from_numpy(batch).to(encoder.device, encoder.dtype), mask)
        return logits.float().cpu().numpy()
