"""Corpus hf: datasets of the Hub and in its formats on the disk, from the tables to audio that is found again."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from conftest import voice
from hub_fixtures import AUDIO, embedded, hf_table, sound, write_parquet

from cp_paraling_qa import audio
from cp_paraling_qa.annotate.base import clip_audio
from cp_paraling_qa.corpora import corpus_named
from cp_paraling_qa.corpora.cells import age, clip_columns
from cp_paraling_qa.corpora.hf import Hf
from cp_paraling_qa.corpora.manifest import Source, make_manifest
from cp_paraling_qa.errors import AudioError, CorpusError
from cp_paraling_qa.stage import read_rows

EMOTIONS = ["neutral", "happy", "sad"]
TYPES = {"audio": AUDIO, "sentence": pa.string(), "label": pa.int64(), "who": pa.int64(), "sex": pa.string(), "excitement": pa.float64()}
MAP = {"transcript": "sentence", "emotion": "label", "speaker_id": "who", "gender": "sex", "arousal": "excitement"}


def manifest(run, root, **options):
    record = make_manifest(run, [Source("hf", root, options)])
    return record, list(read_rows(run / "manifest"))


def heard_again(record, rows):
    """Every clip's audio, as annotators read it."""
    return [clip_audio(row, record["config"]["corpora"]) for row in rows]


def emotions(row):
    return [(o["value"], o["probability"]) for o in row["opinions"] if o["field"] == "emotion"]


@pytest.fixture
def dataset(tmp_path):
    """Five clips in three row groups for training, two for development, one of no known split; as push_to_hub lays them out."""
    root = tmp_path / "acme-emotions"

    def part(name, pitches):
        write_parquet(
            root / "data" / f"{name}-00000-of-00001.parquet",
            hf_table(
                {
                    "audio": [embedded(pitch, f"{pitch}.flac") for pitch in pitches],
                    "sentence": [f"Sentence {pitch}." for pitch in pitches],
                    "label": [number % 3 if number < 4 else -1 for number, _ in enumerate(pitches)],
                    "who": [pitch // 100 for pitch in pitches],
                    "sex": ["F", "male_masculine", "", "other", None][: len(pitches)],
                    "excitement": [0.25, None, 0.5, 1.0, 0.0][: len(pitches)],
                },
                TYPES,
                {"label": EMOTIONS},
            ),
        )

    part("train", [100, 120, 140, 160, 180])
    part("dev", [200, 220])
    part("holdout", [300])
    (root / "README.md").write_text("---\nlicense: cc-by-4.0\nlanguage:\n- de\n---\n# Emotions\n")
    return root


def test_a_mapped_dataset_reaches_the_manifest_and_its_audio_is_found_again(tmp_path, dataset):
    record, rows = manifest(tmp_path / "run", dataset, columns=MAP)
    assert record["dropped"] == {} and len(rows) == 8
    by_path = {row["audio_path"]: row for row in rows}
    # rows are numbered within their file: 5 rows in groups of 2, 2 and 1
    assert [path for path in by_path if "train" in path] == [f"data/train-00000-of-00001.parquet#{number}/audio" for number in range(5)]
    assert {row["split"] for row in rows if "dev" in row["audio_path"]} == {"validation"}
    assert by_path["data/holdout-00000-of-00001.parquet#0/audio"]["split"] is None
    train = [by_path[f"data/train-00000-of-00001.parquet#{number}/audio"] for number in range(5)]
    assert [row["transcript"] for row in train] == [f"Sentence {pitch}." for pitch in (100, 120, 140, 160, 180)]
    assert [emotions(row) for row in train] == [[("neutral", None)], [("happy", None)], [("sad", None)], [("neutral", None)], []]  # -1 is no label
    assert [row["gender"] for row in train] == ["female", "male", None, None, None]
    assert [[o["score"] for o in row["opinions"] if o["field"] == "arousal"] for row in train] == [[0.25], [], [0.5], [1.0], [0.0]]
    assert {row["speaker_id"] for row in train} == {"1"} and {row["split"] for row in train} == {"train"}
    assert {(row["license"], row["language"]) for row in rows} == {("cc-by-4.0", "de")}  # the card's
    for (samples, rate), pitch in zip(heard_again(record, train), (100, 120, 140, 160, 180), strict=True):
        assert rate == 16_000 and np.abs(samples - voice(0.4, pitch)).max() < 1e-4  # 16-bit steps are 3e-5


def test_without_a_map_columns_of_our_own_names_are_taken(tmp_path):
    table = hf_table(
        {
            "id": ["a", "b"],
            "speech": [embedded(100, kind="WAV"), embedded(130, kind="WAV")],
            "transcript": ["One.", "Two."],
            "emotion": [[0, 2], [1]],
            "intensity": ["Strong", None],
            "start": [12.5, 80.0],  # where the clip was cut from: the embedded clip has no twelfth second
            "end": [12.9, 80.4],
            "picture": [{"bytes": b"GIF89a", "path": None}] * 2,
        },
        {"id": pa.string(), "speech": AUDIO, "transcript": pa.string(), "emotion": pa.list_(pa.int64()), "intensity": pa.string()}
        | {"start": pa.float64(), "end": pa.float64(), "picture": AUDIO},
        {"emotion": EMOTIONS},
    )
    info = json.loads(table.schema.metadata[b"huggingface"])
    info["info"]["features"]["picture"] = {"_type": "Image"}  # stored just like audio
    write_parquet(tmp_path / "own" / "only.parquet", table.replace_schema_metadata({"huggingface": json.dumps(info)}))
    record, rows = manifest(tmp_path / "run", tmp_path / "own")
    assert [row["audio_path"] for row in rows] == ["only.parquet#0/speech", "only.parquet#1/speech"]
    assert [row["transcript"] for row in rows] == ["One.", "Two."]
    assert [emotions(row) for row in rows] == [[("neutral", 0.5), ("sad", 0.5)], [("happy", None)]]  # two labels share a vote
    assert [[o["value"] for o in row["opinions"] if o["field"] == "intensity"] for row in rows] == [["strong"], []]
    assert {row["split"] for row in rows} == {None}  # nothing is named after a split, so nothing is a partition
    assert [row["end"] - row["start"] for row in rows] == pytest.approx([0.4, 0.4])
    assert len(heard_again(record, rows)) == 2


def test_start_and_end_from_the_map_cut_the_embedded_audio(tmp_path):
    columns = {"audio": [embedded(100, seconds=2.0)], "from": [0.5], "to": [1.25]}
    write_parquet(tmp_path / "d" / "x.parquet", hf_table(columns, {"audio": AUDIO, "from": pa.float64(), "to": pa.float64()}))
    record, rows = manifest(tmp_path / "run", tmp_path / "d", columns={"start": "from", "end": "to"})
    assert [(row["start"], row["end"]) for row in rows] == [(0.5, 1.25)]
    assert len(heard_again(record, rows)[0][0]) == 0.75 * 16_000


def test_audio_inside_a_struct_and_class_names_of_the_card(tmp_path):
    kind = pa.struct([("text", pa.string()), ("audio", AUDIO)])
    columns = {"context": [{"text": f"T{pitch}", "audio": embedded(pitch)} for pitch in (100, 150, 200)], "mood": [2, 0, 1]}
    write_parquet(tmp_path / "d" / "train.parquet", hf_table(columns, {"context": kind, "mood": pa.int64()}, metadata=False))
    (tmp_path / "d" / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: mood\n    dtype:\n      class_label:\n        names:\n          '0': sad\n          '1': happy\n          '2': angry\n---\n"
    )
    record, rows = manifest(tmp_path / "run", tmp_path / "d", columns={"transcript": "context.text", "emotion": "mood"})
    assert [row["audio_path"] for row in rows] == [f"train.parquet#{number}/context.audio" for number in range(3)]
    assert [(row["transcript"], emotions(row)[0][0]) for row in rows] == [("T100", "angry"), ("T150", "sad"), ("T200", "happy")]
    assert len(heard_again(record, rows)) == 3


def test_a_dataset_of_save_to_disk(tmp_path):
    """Written by `datasets` itself; the feature is put in afterwards, since encoding one asks for torchcodec."""
    from datasets import Dataset, DatasetDict

    table = hf_table({"clip": [embedded(100 + 20 * n) for n in range(5)], "emotion": [0, 1, 2, 0, 1]}, {"clip": AUDIO, "emotion": pa.int64()})
    plain = Dataset(table.replace_schema_metadata(None))
    DatasetDict({"train": plain.select(range(3)), "test": plain.select(range(3, 5))}).save_to_disk(str(tmp_path / "saved"), num_shards={"train": 2, "test": 1})
    for file in (tmp_path / "saved").rglob("*.arrow"):
        with pa.memory_map(str(file)) as source:
            batches = pa.ipc.open_stream(source).read_all()
        features = {"clip": {"_type": "Audio"}, "emotion": {"_type": "ClassLabel", "names": EMOTIONS}}
        batches = pa.table(batches.to_pydict(), schema=batches.schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})}))
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, batches.schema) as writer:
            writer.write_table(batches, max_chunksize=1)  # several batches
    record, rows = manifest(tmp_path / "run", tmp_path / "saved")
    assert sorted((row["audio_path"], row["split"], emotions(row)[0][0]) for row in rows) == [
        ("test/data-00000-of-00001.arrow#0/clip", "test", "neutral"),
        ("test/data-00000-of-00001.arrow#1/clip", "test", "happy"),
        ("train/data-00000-of-00002.arrow#0/clip", "train", "neutral"),
        ("train/data-00000-of-00002.arrow#1/clip", "train", "happy"),
        ("train/data-00001-of-00002.arrow#0/clip", "train", "sad"),
    ]
    assert len(heard_again(record, rows)) == 5
    one, _ = manifest(tmp_path / "run1", tmp_path / "saved" / "train")  # a single dataset of save_to_disk
    assert one["rows_out"] == 3
    (tmp_path / "saved" / "test" / "state.json").write_text("{")
    with pytest.raises(CorpusError, match="save it again"):
        list(Hf().records(tmp_path / "saved"))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_audiofolder(tmp_path, kind):
    for split, names in (("train", "ab"), ("test", "c")):
        folder = tmp_path / "clips" / split
        (folder / "wav").mkdir(parents=True)
        rows = [{"file_name": f"wav/{name}.wav", "emotion": "sad", "transcript": f"The {name}, then."} for name in names]
        for name in names:
            soundfile.write(folder / "wav" / f"{name}.wav", voice(0.4, 50 + ord(name)), 16_000)
        if split == "train":
            rows.append({"file_name": "wav/ghost.wav", "emotion": "sad", "transcript": ""})
            soundfile.write(folder / "wav" / "orphan.wav", voice(0.4, 300), 16_000)
        if kind == "csv":
            lines = [",".join(rows[0])] + [f'{row["file_name"]},{row["emotion"]},"{row["transcript"]}"' for row in rows]
            (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
        elif kind == "jsonl":
            (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            write_parquet(folder / "metadata.parquet", pa.Table.from_pylist(rows))
    record, rows = manifest(tmp_path / "run", tmp_path / "clips")
    assert sorted((row["audio_path"], row["split"], row["transcript"]) for row in rows) == [
        ("test/wav/c.wav", "test", "The c, then."),
        ("train/wav/a.wav", "train", "The a, then."),
        ("train/wav/b.wav", "train", "The b, then."),
    ]
    assert {tuple(emotions(row)) for row in rows} == {(("sad", None),)}
    assert record["dropped"] == {"row whose file is missing": 1, "file without a row": 1}
    assert {drop["item"] for drop in record["dropped_items"]} == {f"hf/train/metadata.{kind} row 2", "hf/train/wav/orphan.wav"}
    assert len(heard_again(record, rows)) == 3


def test_folders_as_labels_where_nothing_else_says(tmp_path):
    for emotion in ("happy", "sad"):
        (tmp_path / "d" / "train" / emotion).mkdir(parents=True)
        soundfile.write(tmp_path / "d" / "train" / emotion / "1.wav", voice(0.4, 100 + len(emotion)), 16_000)
    record, rows = manifest(tmp_path / "run", tmp_path / "d", columns={"emotion": "label"})
    assert [(row["audio_path"], row["split"], emotions(row)) for row in rows] == [
        ("train/happy/1.wav", "train", [("happy", None)]),
        ("train/sad/1.wav", "train", [("sad", None)]),
    ]
    with pytest.raises(CorpusError, match="text.*one column only: label"):
        list(Hf({"transcript": "text"}).records(tmp_path / "d"))


def test_paths_in_a_table_of_text_need_a_name_and_stay_inside(tmp_path):
    root = tmp_path / "d"
    (root / "audio").mkdir(parents=True)
    soundfile.write(root / "audio" / "1.wav", voice(1.0, 100), 16_000)
    (root / "train.tsv").write_text("path\ttext\tstart\tend\n1.wav\tno\t\t\naudio/1.wav\tYes\t0.25\t0.75\n../secret.wav\tx\t\t\n\ty\t\t\n")
    with pytest.raises(CorpusError, match="no column of audio.*path, text, start, end"):
        list(Hf().records(root))
    record, rows = manifest(tmp_path / "run", root, columns={"audio": "path", "transcript": "text", "start": "start", "end": "end"})
    assert [(row["audio_path"], row["transcript"], row["start"], row["end"]) for row in rows] == [("audio/1.wav", "Yes", 0.25, 0.75)]
    assert record["dropped"] == {"row whose file is missing": 1, "path leaves the dataset's folder": 1, "row without audio": 1}


def test_rows_with_bytes_with_a_path_and_with_neither_in_one_group(tmp_path):
    root = tmp_path / "d"
    root.mkdir()
    soundfile.write(root / "far.wav", voice(0.4, 210), 16_000)
    audios = [embedded(100), {"bytes": None, "path": "far.wav"}, {"bytes": None, "path": None}, {"bytes": b"", "path": None}]
    write_parquet(root / "x.parquet", hf_table({"audio": audios, "emotion": ["sad"] * 4}, {"audio": AUDIO, "emotion": pa.string()}), rows=4)
    record, rows = manifest(tmp_path / "run", root)
    assert [row["audio_path"] for row in rows] == ["x.parquet#0/audio", "far.wav"]
    assert record["dropped"] == {"row without audio": 1, "file is empty": 1}
    assert len(heard_again(record, rows)) == 2


def test_what_is_wrong_in_a_dataset_is_counted_and_named(tmp_path, dataset):
    bad = {"audio": [embedded(400 + n) for n in range(5)], "emotion": ["hapy", "sad", "sad", "sad", "sad"], "valence": [0.5, 3.5, 0.5, 0.5, 0.5]}
    bad |= {"gender": ["f", "f", "robot", "f", "f"], "age": ["31", "31", "31", "old", "twenties"]}
    types = {"audio": AUDIO, "emotion": pa.string(), "valence": pa.float64(), "gender": pa.string(), "age": pa.string()}
    root = tmp_path / "bad"
    write_parquet(root / "train-a.parquet", hf_table(bad, types))
    write_parquet(root / "train-b.parquet", pa.table({"frame": [1]}))
    (root / "train-c.parquet").write_bytes((root / "train-a.parquet").read_bytes()[:3000])
    (root / "train-d.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    record, rows = manifest(tmp_path / "run", root)
    assert [(row["audio_path"], row["age"]) for row in rows] == [("train-a.parquet#4/audio", None)]  # an age group is no age
    assert record["dropped"] == {
        "unknown emotion": 1,
        "valence is outside 0–1": 1,
        "unknown gender": 1,
        "age is not a number": 1,
        "table without the column of audio": 1,
        "table is damaged": 1,
        "Git LFS pointer instead of the file": 1,
    }
    named = {drop["reason"]: drop for drop in record["dropped_items"]}
    assert named["unknown emotion"]["item"] == "hf/train-a.parquet#0/audio" and "'hapy'" in named["unknown emotion"]["detail"]
    assert "git lfs pull" in named["Git LFS pointer instead of the file"]["detail"]


def test_unknown_columns_on_either_side_say_what_there_is(dataset):
    with pytest.raises(CorpusError, match="mood, which a clip does not have: it has audio, transcript, speaker_id"):
        Hf({"mood": "label"})
    with pytest.raises(CorpusError, match="words, which the dataset does not have: it has sentence, label, who"):
        list(Hf({"transcript": "words"}).records(dataset))
    with pytest.raises(CorpusError, match="no column 'sound' for the audio: the columns are audio, sentence"):
        list(Hf({"audio": "sound"}).records(dataset))
    with pytest.raises(CorpusError, match="no map"):
        corpus_named("hf", {"columns": ["transcript"]})


def test_several_columns_of_audio_have_to_be_told_apart(tmp_path):
    table = hf_table({"far": [embedded(100)], "near": [embedded(150)]}, {"far": AUDIO, "near": AUDIO})
    write_parquet(tmp_path / "d" / "x.parquet", table)
    with pytest.raises(CorpusError, match="far, near: say which"):
        list(Hf().records(tmp_path / "d"))
    assert [row["audio_path"] for row in Hf({"audio": "near"}).records(tmp_path / "d")] == ["x.parquet#0/near"]


def test_configurations_by_the_card_and_by_folder(tmp_path, dataset):
    shutil.move(dataset / "data", dataset / "main")
    write_parquet(dataset / "noisy" / "whatever.parquet", hf_table({"audio": [embedded(500)]}, {"audio": AUDIO}))
    configs = [
        {"config_name": "clean", "data_files": [{"split": "train", "path": "main/train-*"}, {"split": "test", "path": ["main/dev-*"]}]},
        {"config_name": "rough", "data_files": "noisy/*.parquet"},
    ]
    (dataset / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n")
    with pytest.raises(CorpusError, match="the configurations clean, rough: name one"):
        list(Hf().records(dataset))
    with pytest.raises(CorpusError, match="no configuration 'dirty': there are clean, rough, main, noisy"):
        list(Hf(subset="dirty").records(dataset))
    rows = list(Hf(subset="clean").records(dataset))
    assert [row["split"] for row in rows] == ["test"] * 2 + ["train"] * 5  # the card calls the dev files test
    assert [(row["audio_path"], row["split"]) for row in Hf(subset="rough").records(dataset)] == [("noisy/whatever.parquet#0/audio", None)]
    assert len(list(Hf(subset="main").records(dataset))) == 8  # a folder that the card does not know


def test_scripts_are_not_run_and_empty_folders_say_what_was_expected(tmp_path, dataset):
    (dataset / f"{dataset.name}.py").write_text("raise SystemExit('a dataset script ran')\n")
    assert len(list(Hf().records(dataset))) == 8
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "data.tar").write_bytes(b"")
    with pytest.raises(CorpusError, match="Hub id.*archives: unpack"):
        list(Hf().records(tmp_path / "empty"))
    with pytest.raises(CorpusError, match="does not exist"):
        manifest(tmp_path / "run", tmp_path / "nowhere")


def test_a_hub_id_is_downloaded_at_its_revision_and_the_commit_is_on_record(tmp_path, dataset, monkeypatch):
    asked = []
    cached = tmp_path / "hub" / "datasets--acme--emotions" / "snapshots" / "0123abcd"

    def download(repo_id, *, repo_type, revision=None, allow_patterns=None):
        asked.append((repo_id, repo_type, revision, allow_patterns))
        shutil.copytree(dataset, cached, dirs_exist_ok=True)
        return str(cached)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    record, rows = manifest(tmp_path / "run", "acme/emotions", columns=MAP, revision="v1")
    assert asked == [("acme/emotions", "dataset", "v1", None)]
    assert record["config"]["corpora"]["hf"] == str(cached) and len(rows) == 8  # the folder is named after the commit
    assert len(heard_again(record, rows)) == 8
    assert Hf().locate(str(dataset)) == dataset  # a folder is itself
    (dataset / "README.md").write_text("---\nconfigs:\n- config_name: small\n  data_files:\n  - split: test\n    path: data/dev-*\n---\n")
    asked.clear()
    Hf(subset="small").locate("acme/emotions")
    assert [only for *_, only in asked] == [["README.md"], ["README.md", "data/dev-*"]]  # not the whole dataset for one configuration


def test_a_hub_id_that_cannot_be_had_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match=r"acme/emotions.*cache.*hf download --repo-type dataset acme/emotions"):
        Hf().locate("acme/emotions")  # the tests are offline
    with pytest.raises(CorpusError, match=r"no-such-folder does not exist: give a Hub id"):
        Hf().locate("no-such-folder")


def test_cells_of_other_tables():
    values = {
        "speaker_id": 7.0,
        "dialogue_id": "n/a",
        "transcript": "None",
        "age": 31,
        "gender": "Female",
        "split": "Dev",
        "valence": "0.5",
        "language": "English",
    }
    columns = clip_columns(values)
    assert (columns["speaker_id"], columns["dialogue_id"], columns["transcript"]) == ("7", None, "None")  # "None" may be what was said
    assert (columns["age"], columns["gender"], columns["split"]) == (31.0, "female", "validation")
    assert [(o["field"], o["score"]) for o in columns["opinions"]] == [("valence", 0.5)] and columns["language"] == "en"
    assert clip_columns({"speaker_id": "Unknown"})["speaker_id"] is None
    assert [age(value) for value in ("twenties", "20-29", "60+", None, "44")] == [None, None, None, None, 44.0]


def test_our_own_dataset_can_be_read_back(tmp_path):
    """The bundled sample's clips: embedded audio, opinions and words in full."""
    root = Path(__file__).parents[1] / "cp_paraling_qa"
    rows = list(Hf(subset="clips").records(root))
    assert rows and {row["split"] for row in rows} == {"train", "test"}
    assert all(row["opinions"] and row["start"] is None for row in rows)
    samples, rate = audio.read(root / rows[-1]["audio_path"])
    assert rate == 16_000 and len(samples)


def test_a_nested_or_missing_field_of_a_table_is_an_audio_error(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", hf_table({"audio": [embedded(100)]}, {"audio": AUDIO}))
    assert audio.read(f"{path}#0/audio")[1] == audio.read(sound(100))[1]
    for cell in ("#0/speech", "#0/audio.sound", "#7/audio"):
        with pytest.raises(AudioError):
            audio.read(f"{path}{cell}")
