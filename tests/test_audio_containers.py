"""Sound inside video and MP4 files, and inside tables."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import voice

from cp_paraling_qa import audio
from cp_paraling_qa.errors import AudioError


def write_container(path, samples, rate, *, codec="flac", channels=1, picture=False):
    """A real container file, with a black picture where asked for."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        sound = container.add_stream(codec, rate=rate, layout="mono" if channels == 1 else "stereo")
        if picture:
            screen = container.add_stream("mpeg4", rate=25)
            screen.width, screen.height, screen.pix_fmt = 64, 64, "yuv420p"
            for _ in range(25):
                container.mux(screen.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), dtype=np.uint8), format="rgb24")))
            container.mux(screen.encode())
        block = np.tile(samples.astype(np.float32), (channels, 1))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="mono" if channels == 1 else "stereo")
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(format=sound.format.name, layout=sound.layout, rate=rate, frame_size=sound.codec_context.frame_size or 1024)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(sound.encode(part))
        container.mux(sound.encode())
    return path


@pytest.mark.parametrize(("name", "channels"), [("clip.mp4", 1), ("clip.mp4", 2), ("clip.m4a", 1), ("clip.mkv", 2)])
def test_the_sound_of_a_container(tmp_path, name, channels):
    samples = voice(1.0, 150, rate=48_000)
    path = write_container(tmp_path / name, samples, 48_000, codec="alac" if name == "clip.m4a" else "flac", channels=channels, picture=name != "clip.m4a")
    heard, rate = audio.read(path)
    assert rate == 48_000 and heard.dtype == np.float32
    assert len(heard) == 48_000 and np.abs(heard - samples).max() < 2**-14  # the codecs lose nothing but what 16 bits cannot hold
    part, _ = audio.read(path, start=0.25, end=0.75)
    assert len(part) == 24_000 and np.array_equal(part, heard[12_000:36_000])


def test_damaged_containers_and_pictures_alone_are_counted_reasons(tmp_path):
    path = write_container(tmp_path / "clip.mp4", voice(1.0, 150), 16_000)
    (tmp_path / "cut.mp4").write_bytes(path.read_bytes()[:600])
    (tmp_path / "empty.mp4").write_bytes(b"")
    for name in ("cut.mp4", "empty.mp4"):
        with pytest.raises(AudioError, match="damaged|empty"):
            audio.read(tmp_path / name)
    with pytest.raises(AudioError, match="span"):
        audio.read(path, start=0.5, end=9.0)


def test_without_pyav_the_remedy_is_named(tmp_path, monkeypatch):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\0" * 100)
    monkeypatch.setattr(audio, "find_spec", lambda name: None)
    with pytest.raises(AudioError, match=r"\.mp4 needs PyAV.*cp-paraling-qa\[video\]"):
        audio.read(path)


def test_a_cell_of_a_table(tmp_path):
    sounds = [audio.encode_flac(voice(0.5, 100 + 10 * n)) for n in range(5)]
    rows = pa.table({"audio": [{"bytes": sound, "path": None} for sound in sounds] + [{"bytes": None, "path": "x.wav"}]})
    pq.write_table(rows, tmp_path / "t.parquet", row_group_size=2)
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as file, pa.ipc.new_stream(file, rows.schema) as writer:
        writer.write_table(rows)
    for name in ("t.parquet", "t.arrow"):
        for n in (4, 0, 3):
            assert np.array_equal(audio.read(tmp_path / f"{name}#{n}/audio")[0], audio.read(sounds[n])[0])
        for place, reason in (("#6/audio", "no such row"), ("#5/audio", "no audio in the row"), ("#0/sound", "unreadable")):
            with pytest.raises(AudioError) as error:
                audio.read(f"{tmp_path / name}{place}")
            assert error.value.reason == reason
    with pytest.raises(AudioError, match="missing"):
        audio.read(tmp_path / "gone.parquet#0/audio")
