"""Reading and encoding of clips, good and bad."""

import numpy as np
import pytest
import soundfile
from conftest import voice

from cp_paraling_qa import audio
from cp_paraling_qa.errors import AudioError


def test_sixteen_bit_audio_comes_back_as_the_same_integers():
    whole = np.array([0, 1, -1, 20_000, -20_000, 32_767, -32_768, 12_345], dtype=np.int16).repeat(50)
    samples = whole.astype(np.float32) / 32768
    again, rate = audio.read(audio.encode_flac(samples))
    assert rate == 16_000
    assert (again * 32768).astype(np.int16).tolist() == whole.tolist()


@pytest.mark.parametrize(("rate", "subtype", "channels"), [(8_000, "PCM_16", 1), (96_000, "PCM_24", 1), (44_100, "FLOAT", 2), (16_000, "PCM_U8", 2)])
def test_other_rates_depths_and_channels_become_16_khz_mono(tmp_path, rate, subtype, channels):
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32) * 0.5
    soundfile.write(tmp_path / "a.wav", np.stack([tone] * channels, 1), rate, subtype=subtype)
    samples, out = audio.decode_audio(str(tmp_path / "a.wav"))
    assert (out, samples.shape, samples.dtype) == (16_000, (16_000,), np.float32)
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() == 440  # a wrong rate would have moved the tone
    assert np.abs(samples[1000:-1000]).max() == pytest.approx(0.5, abs=0.02)


def test_stereo_is_the_mean_of_both_channels(tmp_path):
    left, right = voice(0.3, 120), voice(0.3, 180)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), 16_000, subtype="FLOAT")
    assert audio.read(tmp_path / "a.wav")[0] == pytest.approx((left + right) / 2, abs=1e-6)


def bad_files(folder):
    good = voice(1.0, 150)
    soundfile.write(folder / "good.wav", good, 16_000)
    soundfile.write(folder / "good.flac", good, 16_000)
    wav, flac = (folder / "good.wav").read_bytes(), (folder / "good.flac").read_bytes()
    (folder / "empty.wav").write_bytes(b"")
    (folder / "header.wav").write_bytes(wav[:44])
    (folder / "half.wav").write_bytes(wav[: len(wav) // 2])
    (folder / "half.flac").write_bytes(flac[: len(flac) // 2])
    (folder / "text.wav").write_bytes(b"this is no audio\n" * 50)
    soundfile.write(folder / "nan.wav", np.where(np.arange(len(good)) == 77, np.nan, good), 16_000, subtype="FLOAT")
    soundfile.write(folder / "silent.wav", np.zeros(16_000), 16_000)
    soundfile.write(folder / "none.wav", np.zeros(0), 16_000)
    return {
        "empty.wav": "file is empty",
        "header.wav": "truncated or damaged",
        "half.wav": "truncated or damaged",
        "half.flac": "truncated or damaged",
        "text.wav": "not audio",
        "nan.wav": "NaN or infinite samples",
        "silent.wav": "digital silence",
        "none.wav": "no samples",
        "missing.wav": "file is missing",
    }


def test_each_kind_of_bad_audio_has_its_own_countable_reason(tmp_path):
    expected = bad_files(tmp_path)
    found = {}
    for name in expected:
        with pytest.raises(AudioError) as caught:
            audio.read(tmp_path / name)
        found[name] = caught.value.reason
    assert found == expected


def test_a_wav_written_by_a_streaming_program_is_whole(tmp_path):
    """Such programs cannot go back to fill in the length: they leave the largest number there, and nothing is missing."""
    soundfile.write(tmp_path / "a.wav", voice(0.5, 150), 16_000)
    data = bytearray((tmp_path / "a.wav").read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(data)
    assert len(audio.read(tmp_path / "a.wav")[0]) == 8_000


def test_a_span_is_read_and_one_outside_the_file_is_refused(tmp_path):
    whole = voice(1.0, 150)
    soundfile.write(tmp_path / "a.wav", whole, 16_000, subtype="FLOAT")
    assert audio.read(tmp_path / "a.wav", start=0.25, end=0.5)[0] == pytest.approx(whole[4000:8000])
    with pytest.raises(AudioError, match="span lies outside"):
        audio.read(tmp_path / "a.wav", start=0.5, end=1.5)


def test_a_clip_is_named_by_its_samples_rate_and_span(tmp_path):
    samples = voice(0.5, 150)
    name = audio.clip_id(samples, 16_000, 0.0, 0.5)
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    assert audio.clip_id(audio.read(tmp_path / "a.wav")[0], 16_000, 0.0, 0.5) == name
    others = {audio.clip_id(samples, 8_000, 0.0, 0.5), audio.clip_id(samples, 16_000, 1.0, 1.5), audio.clip_id(samples * 0.99, 16_000, 0.0, 0.5)}
    assert name not in others and len(others) == 3


def test_a_row_without_audio_is_refused():
    with pytest.raises(AudioError, match="no audio in the row"):
        audio.decode_audio({"bytes": None, "path": None})
    assert audio.duration_of({"bytes": audio.encode_flac(voice(0.5, 100)), "path": None}) == pytest.approx(0.5)


def test_a_git_lfs_pointer_says_what_to_do_whatever_its_suffix(tmp_path):
    for name in ("a.wav", "a.mp4"):
        (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 73518\n")
        with pytest.raises(AudioError, match="git lfs pull"):
            audio.read(tmp_path / name)
    (tmp_path / "b.mp4").write_bytes(b"")
    with pytest.raises(AudioError) as error:
        audio.read(tmp_path / "b.mp4")
    assert error.value.reason == "file is empty"


def test_what_is_no_audio_is_said_in_the_same_words_every_time(tmp_path):
    """The name of bytes is their address in memory: with it, two runs would write different records."""
    details = set()
    for _ in range(2):
        with pytest.raises(AudioError) as error:
            audio.read(bytes(b"this is no audio\n" * 50))
        details.add((error.value.reason, error.value.detail))
    assert details == {("not audio", "Format not recognised")}


def test_a_span_that_was_rounded_up_ends_with_its_file(tmp_path):
    soundfile.write(tmp_path / "a.wav", voice(1.2345, 150), 16_000)  # 19,752 samples; tables say 1.24
    assert len(audio.read(tmp_path / "a.wav", start=1.0, end=1.24)[0]) == 3_752
    with pytest.raises(AudioError, match="span"):
        audio.read(tmp_path / "a.wav", start=1.0, end=1.25)
