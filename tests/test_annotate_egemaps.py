"""openSMILE's functionals of synthetic voices whose figures are known."""

import warnings

import numpy as np
import pytest
from conftest import voice

pytest.importorskip("opensmile")

from cp_paraling_qa.annotate import egemaps
from cp_paraling_qa.annotate.egemaps import FEATURES, LICENSE, Egemaps, unit
from cp_paraling_qa.errors import MissingExtraError


@pytest.fixture(scope="module")
def annotator():
    made = Egemaps()
    made.setup()
    return made


def hear(annotator, sound):
    (row,) = annotator.annotate([{}], [sound], 16_000)
    return {m["name"]: m["value"] for m in row.get("measures", [])}


def test_a_voice_has_all_features_with_units(annotator):
    (row,) = annotator.annotate([{}], [np.concatenate([voice(1.5, 150), np.zeros(4000, np.float32) + 1e-4, voice(1.0, 150)])], 16_000)
    assert len(row["measures"]) == FEATURES and all(np.isfinite(m["value"]) for m in row["measures"])
    units = {m["name"]: m["unit"] for m in row["measures"]}
    assert units == {name: unit(name) for name in units} and {u for u in units.values()} == {
        "semitones",
        "semitones/s",
        "ratio",
        "",
        "1/s",
        "share",
        "dB",
        "Hz",
        "dB/Hz",
        "s",
    }


@pytest.mark.parametrize("pitch", [100.0, 150.0, 220.0])
def test_pitch_is_in_semitones_above_27_5_hertz(annotator, pitch):
    found = hear(annotator, voice(1.5, pitch))
    assert found["F0semitoneFrom27.5Hz_sma3nz_percentile50.0"] == pytest.approx(12 * np.log2(pitch / 27.5), abs=0.5)


def test_half_the_amplitude_is_six_decibels_less(annotator):
    loud = voice(1.5, 150)
    assert hear(annotator, loud)["equivalentSoundLevel_dBp"] - hear(annotator, loud / 2)["equivalentSoundLevel_dBp"] == pytest.approx(6.02, abs=0.1)


def test_what_cannot_be_measured_is_left_out(annotator):
    noise = hear(annotator, np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32))
    assert noise and not [name for name in noise if "_sma3nz" in name and "UV" not in name] and "alphaRatioUV_sma3nz_amean" in noise
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # openSMILE's own warning does not reach the user
        assert annotator.annotate([{}, {}], [voice(0.05, 150), voice(1, 150)], 16_000)[0] == {}  # shorter than a window of 60 ms


def test_full_scale_does_not_turn_over(annotator):
    square = np.where(np.arange(16_000) % 100 < 50, 1.0, -1.0).astype(np.float32)  # 160 Hz; a sample of 1 is one more than 16 bits hold
    full, near = hear(annotator, square), hear(annotator, square * np.float32(0.999))
    assert full["equivalentSoundLevel_dBp"] == pytest.approx(near["equivalentSoundLevel_dBp"], abs=0.05)
    assert full["F0semitoneFrom27.5Hz_sma3nz_amean"] == pytest.approx(12 * np.log2(160 / 27.5), abs=0.5)


def test_a_clip_does_not_depend_on_its_neighbours(annotator):
    sounds = [voice(1, 120), voice(0.4, 240, seed=1), voice(2, 180, seed=2)]
    together = annotator.annotate([{}] * 3, sounds, 16_000)
    assert [annotator.annotate([{}], [sound], 16_000)[0] for sound in sounds[::-1]] == together[::-1]


def test_the_licence_is_said(annotator, monkeypatch):
    assert annotator.config["license"] == LICENSE and "commercial" in LICENSE
    monkeypatch.setattr(egemaps, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"not for commercial use.*\[opensmile\]"):
        Egemaps().setup()
