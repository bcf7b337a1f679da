"""Lhotse manifests, in and out: written by hand in lhotse's form, and by lhotse itself where it is installed."""

import gzip
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from conftest import voice

from cp_paraling_qa.corpora import corpus_named, lhotse_export
from cp_paraling_qa.corpora.lhotse_export import to_lhotse
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.errors import CorpusError, StageError
from cp_paraling_qa.schema import opinion, word
from cp_paraling_qa.stage import Drop, read_rows


def audio(path, seconds, pitch=120.0, *, rate=16_000, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = voice(seconds, pitch, rate=rate)
    soundfile.write(path, np.stack([samples] * channels, 1), rate)
    return path


def recording(name, source, seconds, *, channels=1, rate=16_000, **more):
    ids = list(range(channels))
    source = {"type": "file", "channels": ids, "source": str(source)} if not isinstance(source, dict) else source
    return {"id": name, "sources": [source], "sampling_rate": rate, "num_samples": round(seconds * rate), "duration": seconds, "channel_ids": ids} | more


def supervision(name, about, start, duration, **more):
    return {"id": name, "recording_id": about, "start": start, "duration": duration, "channel": 0} | more


def write(path, items):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(item) + "\n" for item in items)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def read(root):
    items = list(corpus_named("lhotse").records(root))
    return [item for item in items if isinstance(item, dict)], [item for item in items if isinstance(item, Drop)]


@pytest.fixture
def talk(tmp_path):
    """One recording of 3 s with two turns, and one that is a single clip."""
    root = tmp_path / "talk"
    audio(root / "wavs" / "long.wav", 3.0)
    audio(root / "wavs" / "short.flac", 0.7, 200)
    write(root / "recordings.jsonl.gz", [recording("long", "wavs/long.wav", 3.0), recording("short", root / "wavs" / "short.flac", 0.7)])
    turns = [
        supervision(
            "t1",
            "long",
            0.5,
            1.0,
            text="hi you",
            language="English",
            speaker="S1",
            gender="F",
            custom={"emotion": "Happy", "valence": 0.75, "arousal": 4.0, "age": 31},
            alignment={"word": [["hi", 0.5, 0.3, None], ["you", 0.9, 0.25, 0.5]]},
        ),
        supervision("t2", "long", 1.5, 1.6, text="oh", speaker="S2", gender="male"),
        supervision("t3", "short", 0, 0.7, speaker="S1"),
    ]
    write(root / "supervisions.jsonl.gz", turns)
    return root


def test_supervisions_are_clips(tmp_path, talk):
    record = make_manifest(tmp_path / "run", [("lhotse", talk)])
    rows = list(read_rows(tmp_path / "run" / "manifest"))
    assert record["dropped"] == {} and len(rows) == 3
    first, second, whole = rows
    assert (first["audio_path"], first["start"], first["end"], first["transcript"]) == ("wavs/long.wav", 0.5, 1.5, "hi you")
    assert (first["speaker_id"], first["gender"], first["language"], first["age"], first["dialogue_id"]) == ("S1", "female", "en", 31, "long")
    # words are timed from the recording's start there, from the clip's here: 0.5 - 0.5, 0.9 - 0.5
    assert [(w["word"], w["start"], w["end"], w["probability"]) for w in first["words"]] == [("hi", 0.0, 0.3, None), ("you", 0.4, 0.65, 0.5)]
    assert [(o["field"], o["value"], o["score"], o["source"]) for o in first["opinions"]] == [
        ("emotion", "happy", None, "human"),
        ("valence", None, 0.75, "human"),
    ]
    assert (second["start"], second["end"], second["gender"]) == (1.5, 3.0, "male")  # 0.1 s beyond the recording's end is cut off
    assert (whole["audio_path"], whole["start"], whole["end"], whole["dialogue_id"]) == ("wavs/short.flac", 0.0, 0.7, None)


def test_audio_outside_the_root_and_beside_the_manifest(tmp_path, talk):
    far = audio(tmp_path / "elsewhere" / "far.wav", 0.6, 300)
    audio(talk / "sub" / "near.wav", 0.6, 330)
    write(talk / "sub" / "recordings.jsonl", [recording("far", far, 0.6), recording("near", "near.wav", 0.6)])
    write(talk / "sub" / "supervisions.jsonl", [supervision("f", "far", 0, 0.6), supervision("n", "near", 0, 0.6)])
    make_manifest(tmp_path / "run", [("lhotse", talk)])
    assert {row["audio_path"] for row in read_rows(tmp_path / "run" / "manifest")} >= {far.as_posix(), "sub/near.wav"}


def test_sources_relative_to_where_a_recipe_was_called(tmp_path):
    audio(tmp_path / "download" / "Libri" / "a.wav", 0.5)
    manifests = tmp_path / "data" / "manifests"
    write(manifests / "recordings.jsonl", [recording("a", "download/Libri/a.wav", 0.5)])
    write(manifests / "supervisions.jsonl", [supervision("a", "a", 0, 0.5)])
    record = make_manifest(tmp_path / "run", [("lhotse", manifests)])
    (row,) = read_rows(tmp_path / "run" / "manifest")
    assert record["dropped"] == {} and row["audio_path"] == (tmp_path / "download" / "Libri" / "a.wav").as_posix()


def test_partitions_by_the_manifests_names(tmp_path):
    parts = {
        "libri_%s_train-clean-100.jsonl.gz": "train",
        "libri_%s_dev-clean.jsonl.gz": "validation",
        "libri_%s_test-clean.jsonl.gz": "test1",
        "libri_%s_test-other.jsonl": "test2",
        "%s.jsonl": None,
        "valid/%s.jsonl": "validation",
    }
    for number, name in enumerate(parts):
        audio(tmp_path / f"{number}.wav", 0.5, 100 + 10 * number)
        write(tmp_path / (name % "recordings"), [recording(f"r{number}", f"{number}.wav", 0.5)])
        write(tmp_path / (name % "supervisions"), [supervision(f"s{number}", f"r{number}", 0, 0.5)])
    rows, drops = read(tmp_path)
    assert not drops and {row["audio_path"]: row["split"] for row in rows} == {f"{n}.wav": split for n, split in enumerate(parts.values())}


def test_one_test_part_is_test_and_one_recordings_file_serves_several(tmp_path):
    audio(tmp_path / "a.wav", 0.5)
    audio(tmp_path / "b.wav", 0.5, 200)
    write(tmp_path / "x_recordings.jsonl", [recording("a", "a.wav", 0.5), recording("b", "b.wav", 0.5)])
    write(tmp_path / "x_supervisions_test.jsonl", [supervision("a", "a", 0, 0.5)])
    write(tmp_path / "x_supervisions_train.jsonl", [supervision("b", "b", 0, 0.5)])
    rows, _ = read(tmp_path)
    assert {row["audio_path"]: row["split"] for row in rows} == {"a.wav": "test", "b.wav": "train"}


def test_what_cannot_be_read_as_it_is_meant_is_dropped_and_named(tmp_path):
    audio(tmp_path / "mono.wav", 1.0)
    audio(tmp_path / "two.wav", 1.0, channels=2)
    ok = recording("mono", "mono.wav", 1.0)
    recordings = [
        ok,
        recording("two", "two.wav", 1.0, channels=2),
        recording("pipe", {"type": "command", "channels": [0], "source": "sph2pipe x"}, 1.0),
        recording("gone", "gone.wav", 1.0),
        recording("fast", "mono.wav", 0.9, transforms=[{"name": "Speed", "kwargs": {"factor": 1.1}}]),
        recording("resampled", "mono.wav", 1.0, transforms=[{"name": "Resample", "kwargs": {}}]),
        recording("unheard", "mono.wav", 1.0),
        {"id": "broken"},
    ]
    turns = [
        supervision("left", "two", 0, 1.0),
        supervision("both", "two", 0, 1.0, channel=[0, 1]),
        supervision("third", "two", 0, 1.0, channel=2),
        supervision("pipe", "pipe", 0, 1.0),
        supervision("gone", "gone", 0, 1.0),
        supervision("fast", "fast", 0, 0.9),
        supervision("resampled", "resampled", 0, 1.0),
        supervision("late", "mono", 0.5, 0.9),
        supervision("moody", "mono", 0, 0.5, custom={"emotion": "wistful"}),
        supervision("stray", "nobody", 0, 0.5),
        supervision("timeless", "mono", "x", 0.5),
    ]
    write(tmp_path / "recordings.jsonl", recordings)
    write(tmp_path / "supervisions.jsonl", turns)
    with open(tmp_path / "supervisions.jsonl", "a") as file:
        file.write("{not json\n")
    write(tmp_path / "other_supervisions.jsonl", [supervision("o", "mono", 0, 0.5)])
    rows, drops = read(tmp_path)
    assert [row["audio_path"] for row in rows] == ["two.wav", "mono.wav"]
    assert {drop.item.replace("supervisions.jsonl ", "").replace("recordings.jsonl ", ""): drop.reason for drop in drops} == {
        "left": "one channel of several",
        "third": "no such channel",
        "pipe": "source is not a file",
        "gone": "file is missing",
        "fast": "recording changed on the fly",
        "late": "supervision lies outside its recording",
        "moody": "unknown emotion",
        "stray": "supervision without a recording",
        "timeless": "not a supervision",
        "line 12": "line is not JSON",
        "item 8": "not a recording",
        "unheard": "recording without a supervision",
        "other_supervisions.jsonl": "supervisions without recordings",
    }


def test_a_manifest_that_was_cut_off_gives_what_it_has(talk):
    whole = (talk / "supervisions.jsonl.gz").read_bytes()
    (talk / "supervisions.jsonl.gz").write_bytes(whole[: len(whole) - 8])  # without the checksum and length at its end
    _, drops = read(talk)
    assert "manifest breaks off" in {drop.reason for drop in drops}


def test_folders_that_are_none(tmp_path, talk):
    with pytest.raises(CorpusError, match="supervisions"):
        read(tmp_path / "talk" / "wavs")
    with pytest.raises(StageError, match="neither clips nor a manifest"):
        to_lhotse(tmp_path, tmp_path / "out")


def test_round_trip_keeps_text_speaker_times_words_and_opinions(tmp_path, talk):
    said = [
        opinion("emotion", "angry", source="human", rater="r1"),
        opinion("emotion", "sad", source="human", rater="r2", probability=0.5),
        opinion("arousal", score=0.8, source="model", rater="m", revision="abc", start=0.25, end=0.75),
    ]
    tagged = word("hi", 0.0, 0.3) | {"emotion": "angry", "gender": "female"}
    write(
        talk / "more_supervisions.jsonl",
        [supervision("m", "long", 2.0, 0.5, text="Ünd?", speaker="S3", custom={"opinions": said, "dialogue_id": "d", "split": "test2", "words": [tagged]})],
    )
    shutil.copy(talk / "recordings.jsonl.gz", talk / "more_recordings.jsonl.gz")
    make_manifest(tmp_path / "run", [("lhotse", talk)])
    before = {row["clip_id"]: row for row in read_rows(tmp_path / "run" / "manifest")}
    paths = to_lhotse(tmp_path / "run", tmp_path / "out")
    assert paths == (tmp_path / "out" / "recordings.jsonl.gz", tmp_path / "out" / "supervisions.jsonl.gz")
    first = [path.read_bytes() for path in paths]
    assert to_lhotse(tmp_path / "run", tmp_path / "out") == paths and [path.read_bytes() for path in paths] == first
    make_manifest(tmp_path / "again", [("lhotse", tmp_path / "out")])
    after = {row["clip_id"]: row for row in read_rows(tmp_path / "again" / "manifest")}
    assert before.keys() == after.keys() and len(before) == 4  # a clip_id is the hash of the samples and the span
    kept = ("speaker_id", "dialogue_id", "gender", "age", "language", "transcript", "words", "split", "license", "opinions", "start", "end", "sampling_rate")
    for name, row in before.items():
        assert {key: after[name][key] for key in kept} == {key: row[key] for key in kept} | {
            "start": pytest.approx(row["start"]),
            "end": pytest.approx(row["end"]),
        }
    (one,) = (row for row in after.values() if row["speaker_id"] == "S3")
    assert one["opinions"] == said and one["words"] == [tagged]


def test_audio_in_a_table_is_written_out(tmp_path):
    sound = audio(tmp_path / "a.wav", 0.5).read_bytes()
    pq.write_table(pa.table({"audio": [{"bytes": sound, "path": "a.wav"}]}), tmp_path / "t.parquet")
    row = {"corpus": "hf", "audio_path": "t.parquet#0/audio", "clip_id": "c1"}
    made = lhotse_export._recording(row, "hf/t", {"hf": tmp_path}, tmp_path / "out")
    (source,) = made["sources"]
    assert source["source"] == str(tmp_path / "out" / "audio" / "c1.wav") and (made["num_samples"], made["sampling_rate"]) == (8_000, 16_000)
    written, rate = soundfile.read(source["source"])
    assert rate == 16_000 and np.abs(written - soundfile.read(tmp_path / "a.wav")[0]).max() <= 1 / 32_768


def test_export_says_what_is_gone(tmp_path, talk):
    make_manifest(tmp_path / "run", [("lhotse", talk)])
    (talk / "wavs" / "short.flac").unlink()
    with pytest.raises(CorpusError, match=r"short\.flac.*read the corpus again"):
        to_lhotse(tmp_path / "run", tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))  # whole or not at all


def test_lhotse_itself_reads_what_is_written_and_is_read(tmp_path, talk):
    lhotse = pytest.importorskip("lhotse")
    audio(talk / "wavs" / "two.wav", 0.8, 250, rate=8_000, channels=2)
    write(talk / "stereo_recordings.jsonl", [recording("two", "wavs/two.wav", 0.8, channels=2, rate=8_000)])
    write(talk / "stereo_supervisions.jsonl", [supervision("two", "two", 0.1, 0.5, channel=[0, 1], text="both")])
    make_manifest(tmp_path / "run", [("lhotse", talk)])
    rows = {row["clip_id"]: row for row in read_rows(tmp_path / "run" / "manifest")}
    paths = to_lhotse(tmp_path / "run", tmp_path / "out")
    recordings, supervisions = (lhotse.load_manifest(path) for path in paths)
    lhotse.validate_recordings_and_supervisions(recordings, supervisions)
    assert len(recordings) == 3 and len(supervisions) == 4
    for one in supervisions:
        row = rows[one.id]
        assert (one.text, one.speaker, one.gender, one.start) == (row["transcript"], row["speaker_id"], row["gender"], row["start"])
        assert one.end == pytest.approx(row["end"])
        sound = recordings[one.recording_id].load_audio(offset=one.start, duration=one.duration)
        assert sound.shape[1] == round(row["duration"] * row["sampling_rate"])
    (hi,) = (one for one in supervisions if one.text == "hi you")
    assert hi.custom["emotion"] == "happy" and hi.custom["valence"] == 0.75
    assert [(item.symbol, item.start, item.duration) for item in hi.alignment["word"]] == [("hi", 0.5, 0.3), ("you", 0.9, 0.25)]
    # and lhotse's own files, of its own making
    own = tmp_path / "own"
    own.mkdir()
    supervisions.to_file(own / "x_supervisions_dev.jsonl.gz")
    recordings.to_file(own / "x_recordings_dev.jsonl.gz")
    read_back, drops = read(own)
    assert not drops and len(read_back) == 4 and {row["split"] for row in read_back} == {"validation"}
    cuts = tmp_path / "cuts"
    cuts.mkdir()
    lhotse.CutSet.from_manifests(recordings=recordings, supervisions=supervisions).trim_to_supervisions().to_file(cuts / "cuts_train.jsonl.gz")
    read_back, drops = read(cuts)
    assert [drop.reason for drop in drops] == ["cut that is no plain stretch of a recording"]  # the stereo one is a MultiCut
    spans = {(row["transcript"], row["start"] or 0.0, row["split"]) for row in read_back}
    assert spans == {("hi you", 0.5, "train"), ("oh", 1.5, "train"), (None, 0.0, "train")}
