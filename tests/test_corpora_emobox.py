"""EmoBox's repository with downloads: rows in its own words, copied from its tables."""

import json

import pytest
import soundfile
from conftest import voice

from cp_paraling_qa.corpora import corpus_named
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.stage import Drop, read_rows

MAPS = {
    "iemocap": {"neu": "Neutral", "hap": "Happy", "ang": "Angry", "sad": "Sad", "exc": "Happy"},
    "emodb": {"anger": "Angry", "boredem": "Boredom", "disgust": "Disgust", "fear": "Fear", "happy": "Happy", "Neutral": "Neutral", "sad": "Sad"},
    "meld": {"neutral": "Neutral", "joy": "Happy", "sadness": "Sad", "surprise": "Surprise", "disgust": "Disgust", "anger": "Angry", "fear": "Fear"},
    "pavoque": {"angry": "Angry", "neutral": "Neutral", "sad": "Sad", "happy": "Happy", "poker": "Poker"},
    "tess": {"fear": "Fear", "ps": "Surprise", "neutral": "Neutral"},
    "esd": {"Angry": "Angry"},
}


def row(dataset, key, wav, emo, **more):
    common = {"type": "raw", "sample_rate": 16000, "num_frame": 8000.0, "task": "category", "length": 0.5}
    return {"key": f"{dataset}-{key}", "dataset": dataset, "wav": f"downloads/{dataset}/{wav}", **common, "emo": emo, "channel": 1} | more


def table(root, dataset, rows, *, name=None):
    folder = root / "data" / dataset
    folder.mkdir(parents=True, exist_ok=True)
    (folder / (name or f"{dataset}.jsonl")).parent.mkdir(exist_ok=True)
    (folder / (name or f"{dataset}.jsonl")).write_text("".join(json.dumps(r) + "\n" for r in rows))
    if dataset in MAPS:
        (folder / "label_map.json").write_text(json.dumps(MAPS[dataset], indent=4))


def audio(root, wav, pitch, seconds=0.5):
    (root / wav).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(root / wav, voice(seconds, pitch), 16_000)


def read(root):
    items = list(corpus_named("emobox").records(root))
    return {i["audio_path"]: i for i in items if isinstance(i, dict)}, {i.item: i.reason for i in items if isinstance(i, Drop)}


IEMOCAP = [
    row("iemocap", "Ses01F_impro04_F000", "Session1/sentences/wav/Ses01F_impro04/Ses01F_impro04_F000.wav", "neu"),
    row("iemocap", "Ses01F_impro04_M000", "Session1/sentences/wav/Ses01F_impro04/Ses01F_impro04_M000.wav", "exc"),
    row("iemocap", "Ses01M_script01_1_F004", "Session1/sentences/wav/Ses01M_script01_1/Ses01M_script01_1_F004.wav", "sad"),
]
EMODB = [
    row("emodb", "03a01Fa", "wav/03a01Fa.wav", "happy"),
    row("emodb", "15a07Nc", "wav/15a07Nc.wav", "neutral"),  # its label map has "Neutral"
    row("emodb", "16b10Ld", "wav/16b10Ld.wav", "boredem"),
]


@pytest.fixture
def emobox(tmp_path):
    root = tmp_path / "EmoBox"
    table(root, "iemocap", IEMOCAP)
    for fold in (1, 2):
        table(root, "iemocap", IEMOCAP[:1], name=f"fold_{fold}/iemocap_test_fold_{fold}.jsonl")
        table(root, "iemocap", IEMOCAP[1:], name=f"fold_{fold}/iemocap_train_fold_{fold}.jsonl")
    table(root, "emodb", EMODB)
    table(root, "emodb", EMODB[:1], name="fold_1/emodb_test_fold1.jsonl")
    table(root, "emodb", EMODB[1:], name="fold_1/emodb_train_fold1.jsonl")
    for number, one in enumerate(IEMOCAP + EMODB):
        audio(root, one["wav"], 100 + 15 * number)
    return root


def label(one):
    return [(o["field"], o["value"], o["rater"], o["source"]) for o in one["opinions"]]


def test_rows_with_labels_in_words_and_speakers_by_the_turn(tmp_path, emobox):
    record = make_manifest(tmp_path / "run", [("emobox", emobox)])
    rows = {r["audio_path"].rsplit("/", 1)[-1]: r for r in read_rows(tmp_path / "run" / "manifest")}
    assert record["dropped"] == {} and len(rows) == 6

    def who(one):
        return one["speaker_id"], one["gender"], one["dialogue_id"], one["language"]

    assert who(rows["Ses01F_impro04_F000.wav"]) == ("Ses01F", "female", "Ses01F_impro04", "en")
    assert who(rows["Ses01F_impro04_M000.wav"]) == ("Ses01M", "male", "Ses01F_impro04", "en")
    assert who(rows["Ses01M_script01_1_F004.wav"]) == ("Ses01F", "female", "Ses01M_script01_1", "en")
    assert who(rows["03a01Fa.wav"]) == ("03", "male", None, "de") and who(rows["16b10Ld.wav"])[:2] == ("16", "female")
    assert label(rows["Ses01F_impro04_M000.wav"]) == [("emotion", "happy", None, "human")]  # its annotators' agreement
    assert label(rows["15a07Nc.wav"]) == [("emotion", "neutral", "actor", "human")]
    assert label(rows["16b10Ld.wav"]) == [("emotion", "boredom", "actor", "human")]
    assert {r["split"] for r in rows.values()} == {None}  # folds are EmoBox's own


def test_a_corpus_with_a_partition_of_its_own_keeps_it(tmp_path):
    rows = [row("meld", f"dia1_utt{n}-{part}", f"{part}/dia1_utt{n}.mp4", "joy", channel=3) for n, part in enumerate(("train", "dev", "test"))]
    table(tmp_path, "meld", rows)
    for one, part in zip(rows, ("train", "valid", "test"), strict=True):
        table(tmp_path, "meld", [one], name=f"fold_1/meld_{part}_fold_1.jsonl")
        (tmp_path / one["wav"]).parent.mkdir(parents=True)
        (tmp_path / one["wav"]).write_bytes(b"an MP4 file")
    audio(tmp_path, "downloads/meld/dev/dia1_utt1.wav", 100)  # converted by the user
    mer = [row("mer2023", key, f"{key}.wav", "sad") for key in ("a", "b", "c")]
    table(tmp_path, "mer2023", mer)
    for part, some in {"train": mer[:1], "test": mer[1:], "test1": mer[1:2], "test2": mer[2:]}.items():
        table(tmp_path, "mer2023", some, name=f"fold_1/mer2023_{part}_fold_1.jsonl")
    for one in mer:
        audio(tmp_path, one["wav"], 100)
    rows, drops = read(tmp_path)
    assert {path.removeprefix("downloads/"): (one["split"], one["dialogue_id"], one["speaker_id"]) for path, one in rows.items()} == {
        "meld/train/dia1_utt0.mp4": ("train", "dia1-train", None),
        "meld/dev/dia1_utt1.wav": ("validation", "dia1-dev", None),
        "meld/test/dia1_utt2.mp4": ("test", "dia1-test", None),
        "mer2023/a.wav": ("train", None, None),
        "mer2023/b.wav": ("test1", None, None),
        "mer2023/c.wav": ("test2", None, None),
    }
    assert not drops


def test_spans_within_one_long_recording(tmp_path):
    rows = [
        row("pavoque", "obadiah0060-sad", "pavoque-sad.flac", "sad", start_time=0.5, end_time=1.25),
        row("pavoque", "poker_d0012-sad", "pavoque-sad.flac", "poker", start_time=1.25, end_time=2.0),
    ]
    table(tmp_path, "pavoque", rows)
    audio(tmp_path, "downloads/pavoque/pavoque-sad.flac", 120, 2.0)
    make_manifest(tmp_path / "run", [("emobox", tmp_path)])
    found = list(read_rows(tmp_path / "run" / "manifest"))
    assert [(r["start"], r["end"], r["language"], label(r)[0][1]) for r in found] == [(0.5, 1.25, "de", "sad"), (1.25, 2.0, "de", "poker")]


def test_arrays_and_plain_json_are_read_as_well(tmp_path):
    rows = [row("tess", "OAF_back_ps", "OAF_back_ps.wav", "ps"), row("tess", "YAF_back_fear", "YAF_back_fear.wav", "FEAR")]
    table(tmp_path, "tess", [])
    (tmp_path / "data" / "tess" / "tess.jsonl").write_text(json.dumps(rows, indent=2))
    (tmp_path / "data" / "casia").mkdir()
    (tmp_path / "data" / "casia" / "casia.json").write_text(json.dumps({"casia-1": {"wav": "downloads/casia/1.wav", "emo": "sad", "length": 0.5}}))
    for number, wav in enumerate(["downloads/tess/OAF_back_ps.wav", "downloads/tess/YAF_back_fear.wav", "downloads/casia/1.wav"]):
        audio(tmp_path, wav, 100 + 50 * number)
    rows, drops = read(tmp_path)
    assert not drops
    assert {(one["speaker_id"], one["gender"], label(one)[0][1]) for one in rows.values()} == {
        ("OAF", "female", "surprise"),
        ("YAF", "female", "fear"),
        (None, None, "sad"),
    }


def test_other_tasks(tmp_path):
    rows = [
        row("abc", "1", "1.wav", 0.25, task="valence"),
        row("abc", "2", "2.wav", "0.5", task="arousal"),
        row("abc", "3", "3.wav", 4.5, task="valence"),
        row("abc", "4", "4.wav", "sad", task="intent"),
        row("abc", "5", "5.npy", "sad", type="feature"),
    ]
    table(tmp_path, "abc", rows)
    for number in range(1, 5):
        audio(tmp_path, f"downloads/abc/{number}.wav", 100)
    found, drops = read(tmp_path)
    assert [(o["field"], o["score"]) for one in found.values() for o in one["opinions"]] == [("valence", 0.25), ("arousal", 0.5)]
    assert drops == {"abc-3": "valence is no number on 0–1", "abc-4": "unknown task", "abc-5": "features, not audio"}


def test_what_is_missing_or_wrong_is_counted_and_named(emobox):
    table(emobox, "esd", [])  # empty in the repository
    table(emobox, "iemocap", [*IEMOCAP, IEMOCAP[0], row("iemocap", "x", "x.wav", "neu"), row("iemocap", "Ses01F_impro04_F001", "y.wav", "zzz")])
    with open(emobox / "data" / "iemocap" / "iemocap.jsonl", "a") as file:
        file.write('{"key": 1\n{"key": "iemocap-z"}\n')
    audio(emobox, "downloads/iemocap/y.wav", 90)
    audio(emobox, "downloads/iemocap/Session1/dialog/wav/Ses01F_impro04.wav", 90)
    (emobox / "downloads" / "iemocap" / "._y.wav").write_bytes(b"junk")
    (emobox / "data" / "track2").mkdir()
    rows, drops = read(emobox)
    assert len(rows) == 6
    assert drops == {
        "data/esd/esd.jsonl": "dataset without rows",
        "iemocap-Ses01F_impro04_F000": "duplicate row",
        "iemocap-x": "file is missing",
        "iemocap-Ses01F_impro04_F001": "unknown emotion",
        "data/iemocap/iemocap.jsonl line 7": "not an EmoBox row",
        "data/iemocap/iemocap.jsonl line 8": "not an EmoBox row",
        "downloads/iemocap/Session1/dialog/wav/Ses01F_impro04.wav": "file without a label",
    }


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(CorpusError, match="label_map"):
        read(tmp_path)
