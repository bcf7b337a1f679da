"""The fast mel against the stock extractor, for every kind of input and option that the stock one takes. Lengths and loudness are in test_training_model.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from conftest import voice
from transformers import WhisperFeatureExtractor

from cp_paraling_qa.training.hearing.mel import FastWhisperFeatureExtractor

CLIP = voice(1.0, 180, seed=3)
BROKEN = CLIP.copy()
BROKEN[5_000] = np.nan

INPUTS: dict[str, Any] = {
    "float64": [CLIP.astype(np.float64)],
    "float16": [CLIP.astype(np.float16)],
    "16-bit integers": [(CLIP * 32_767).astype(np.int16)],
    "one array": CLIP,
    "one array of float64": CLIP.astype(np.float64),
    "one array of integers": (CLIP * 32_767).astype(np.int16),
    "an array of two clips": np.stack([CLIP, CLIP[::-1]]),
    "a reversed view": [CLIP[::-1]],
    "every second sample": [CLIP[::2]],
    "numbers in a list": CLIP[:800].tolist(),
    "lists of numbers": [CLIP[:800].tolist(), CLIP[:900].tolist()],
    "a tuple of clips": (CLIP, CLIP[:7_777]),
    "no samples": [np.zeros(0, np.float32)],
    "a sample that is no number": [BROKEN],
    "clipped hard": [np.sign(CLIP)],
    "a constant": [np.ones(20_001, np.float32)],
    "far too loud": [CLIP * np.float32(1e4)],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "as the processor calls it": {},
    "no mask": {"return_attention_mask": False},
    "normalised": {"do_normalize": True},
    "another length": {"max_length": 32_000},
    "a multiple": {"max_length": 20_000, "pad_to_multiple_of": 1_600},
    "as lists": {"return_tensors": None},
    "as torch": {"return_tensors": "pt"},
}


def compare(inputs: Any, *, extractor: dict[str, Any] | None = None, **options: Any) -> None:
    settings = {"sampling_rate": 16_000, "padding": "max_length", "return_attention_mask": True, "return_tensors": "np"} | options
    stock, fast = (kind(**{"feature_size": 128, **(extractor or {})})(inputs, **settings) for kind in (WhisperFeatureExtractor, FastWhisperFeatureExtractor))
    assert set(fast) == set(stock)
    for name in stock:
        one, other = np.asarray(fast[name]), np.asarray(stock[name])
        assert one.shape == other.shape and type(fast[name]) is type(stock[name]), name
        assert np.array_equal(np.isnan(one), np.isnan(other)), name
        assert not np.size(one) or np.nanmax(np.abs(one - other), initial=0) <= (1e-6 if name == "input_features" else 0), name


@pytest.mark.filterwarnings("ignore:All-NaN slice encountered")
@pytest.mark.parametrize("name", list(INPUTS))
def test_every_input(name: str) -> None:
    compare(INPUTS[name])


@pytest.mark.parametrize("name", list(OPTIONS))
def test_every_option(name: str) -> None:
    compare([CLIP, CLIP[:3_333]], **OPTIONS[name])


@pytest.mark.parametrize(
    "settings", [{"return_attention_mask": True}, {"feature_size": 80, "chunk_length": 5}, {"padding_value": 0.5}, {"n_fft": 512, "hop_length": 200}]
)
@pytest.mark.parametrize("mask", [None, False, True])
def test_every_extractor(settings: dict[str, Any], mask: bool | None) -> None:
    compare([CLIP, CLIP[:3_333]], extractor=settings, return_attention_mask=mask)


def test_the_fast_path_is_really_taken(monkeypatch) -> None:
    """On what the audio processors send, and not where the length is another."""

    def stock(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the stock path")

    monkeypatch.setattr(WhisperFeatureExtractor, "__call__", stock)
    fast = FastWhisperFeatureExtractor()
    assert fast([CLIP], sampling_rate=16_000, padding="max_length", return_attention_mask=True)["attention_mask"].sum() == 100
    for options in ({"padding": "longest"}, {"truncation": False}, {"truncation": None}, {"max_length": 5}, {"sampling_rate": 8_000}, {"device": "cuda"}):
        with pytest.raises(RuntimeError, match="the stock path"):
            fast([CLIP], **{"sampling_rate": 16_000, **options})


def test_bfloat16_autocast_around_it_changes_nothing() -> None:
    fast = FastWhisperFeatureExtractor()
    plain = fast([CLIP], sampling_rate=16_000)["input_features"]
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        assert np.array_equal(fast([CLIP], sampling_rate=16_000)["input_features"], plain)
