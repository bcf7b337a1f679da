"""MELD: ids that restart in each partition, speakers who do not, video and the sound beside it."""

import shutil

import numpy as np
import pytest
import soundfile
from conftest import voice

from cp_paraling_qa.corpora import corpus_named
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.corpora.meld import speaker
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.stage import Drop, read_rows

HEAD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
TRAIN = (
    HEAD
    + """1,"You\x92re a genius\x85 \x93Really\x94?",Chandler,joy,positive,0,0,4,4,"00:12:32,334","00:12:33,960"
2,"Aww, man, now we won’t be bank buddies!",Joey,sadness,negative,0,1,4,4,"00:12:34,211","00:12:37,505"
3,Hey!,All,joy,positive,0,2,4,4,"0:12:44,074","0:12:45,189"
4,Good.,Ross,anger,negative,1,0,2,7,"0:19:31,378","0:19:32,440"
5,Gone.,Ross,anger,negative,1,1,2,7,"0:19:31,378","0:19:32,440"
6,Good.,Ross,rage,negative,1,2,2,7,"0:19:31,378","0:19:32,440"
7,Again.,Ross,anger,negative,1,0,2,7,"0:19:31,378","0:19:32,440"
"""
)
DEV = HEAD + '1,"Oh my God, heâ€™s lost it.",Phoebe,sadness,negative,0,0,4,7,"00:20:57,256","00:21:00,049"\n'
TEST = HEAD + '1,"Why do all you’re coffee mugs have numbers on the bottom?",Joey,surprise,positive,0,0,3,19,"00:14:38,127","00:14:40,378"\n'
FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
CLIPS = {"train": ("0_utt0", "0_utt1", "0_utt2", "1_utt0", "1_utt2"), "dev": ("0_utt0",), "test": ("0_utt0",)}


def write_mp4(path, samples, rate=48_000):
    """A stereo AAC track, as the official clips have one, in an MP4 container."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.stack([samples, samples]), format="fltp", layout="stereo")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    root = tmp_path_factory.mktemp("official") / "MELD.Raw"
    number = 0
    for split, folder in FOLDERS.items():
        (root / folder).mkdir(parents=True)
        for clip in CLIPS[split]:
            write_mp4(root / folder / f"dia{clip}.mp4", voice(0.6, 100.0 + 25 * number, rate=48_000, seed=number))
            number += 1
    (root / "train_sent_emo.csv").write_text(TRAIN, encoding="utf-8")
    (root / "dev_sent_emo.csv").write_text(DEV, encoding="utf-8")
    (root / "test_sent_emo.csv").write_bytes(TEST.encode("cp1252"))
    return root


@pytest.fixture
def meld(official, tmp_path):
    return shutil.copytree(official, tmp_path / "MELD.Raw")


def read(root):
    found = list(corpus_named("meld").records(root))
    rows = {f"{row['split']} {row['audio_path'].split('/')[-1].split('.')[0]}": row for row in found if not isinstance(row, Drop)}
    return rows, [drop for drop in found if isinstance(drop, Drop)]


def test_real_video_reaches_the_manifest(meld, tmp_path):
    make_manifest(tmp_path / "run", [("meld", meld)])
    rows = list(read_rows(tmp_path / "run" / "manifest"))
    assert len(rows) == 6 and {row["sampling_rate"] for row in rows} == {48_000}
    assert all(row["duration"] == pytest.approx(0.6, abs=0.05) for row in rows)  # AAC pads the last frame of 1,024 samples


def test_ids_restart_in_each_partition_and_speakers_do_not(meld):
    rows, _ = read(meld)
    assert {key: (row["dialogue_id"], row["split"], row["speaker_id"]) for key, row in rows.items()} == {
        "train dia0_utt0": ("train_dia0", "train", "Chandler"),
        "train dia0_utt1": ("train_dia0", "train", "Joey"),
        "train dia0_utt2": ("train_dia0", "train", None),  # All: not one person
        "train dia1_utt0": ("train_dia1", "train", "Ross"),
        "validation dia0_utt0": ("validation_dia0", "validation", "Phoebe"),
        "test dia0_utt0": ("test_dia0", "test", "Joey"),
    }
    assert rows["test dia0_utt0"]["audio_path"] == "output_repeated_splits_test/dia0_utt0.mp4"
    assert rows["test dia0_utt0"]["opinions"][0]["value"] == "surprise"
    assert [(o["field"], o["value"], o["source"], o["rater"]) for o in rows["train dia0_utt0"]["opinions"]] == [("emotion", "joy", "human", "consensus")]
    assert all((row["start"], row["end"]) == (None, None) for row in rows.values())  # the times are the episode's, the file is the clip


def test_quotes_are_mended(meld):
    rows, _ = read(meld)
    assert rows["train dia0_utt0"]["transcript"] == 'You\'re a genius... "Really"?'  # Windows-1252 taken for control characters
    assert rows["train dia0_utt1"]["transcript"] == "Aww, man, now we won't be bank buddies!"
    assert rows["validation dia0_utt0"]["transcript"] == "Oh my God, he's lost it."  # UTF-8 taken for Windows-1252
    assert rows["test dia0_utt0"]["transcript"] == "Why do all you're coffee mugs have numbers on the bottom?"


def test_sound_beside_or_instead_of_video(meld):
    soundfile.write(meld / "train_splits" / "dia0_utt0.wav", voice(0.5, 200), 16_000)
    rows, before = read(meld)
    assert rows["train dia0_utt0"]["audio_path"] == "train_splits/dia0_utt0.wav" and rows["train dia0_utt1"]["audio_path"].endswith(".mp4")
    assert len(rows) == 6
    for path in (meld / "train_splits").glob("*.mp4"):
        path.unlink()
    assert [key for key in read(meld)[0] if key.startswith("train")] == ["train dia0_utt0"]  # a folder of sound alone
    assert not any("dia0_utt0" in drop.item for drop in before)


def test_what_is_lost_is_named(meld, tmp_path):
    test = meld / FOLDERS["test"]
    shutil.copy(test / "dia0_utt0.mp4", test / "final_videos_testdia0_utt0.mp4")
    shutil.copy(test / "dia0_utt0.mp4", test / "dia108_utt2.mp4")
    (test / "._dia0_utt0.mp4").write_bytes(b"junk")
    (meld / "loose").mkdir()
    shutil.copy(test / "dia0_utt0.mp4", meld / "loose" / "dia0_utt0.mp4")
    rows, drops = read(meld)
    assert len(rows) == 6
    assert {(drop.reason.split(":")[0], drop.item.split("/")[-1]) for drop in drops} == {
        ("file is missing", "train_sent_emo.csv row 5: dia1_utt1"),
        ("unknown emotion", "train_sent_emo.csv row 6: dia1_utt2"),
        ("duplicate row", "train_sent_emo.csv row 7: dia1_utt0"),
        ("final_videos_test", "final_videos_testdia0_utt0.mp4"),
        ("file without a label", "dia108_utt2.mp4"),
        ("clip outside the partitions' folders", "dia0_utt0.mp4"),
    }


@pytest.mark.parametrize("place", ["nested", "repository", "beside"])
def test_tables_and_clips_may_lie_elsewhere(meld, tmp_path, place):
    root = meld
    for split, folder in FOLDERS.items():
        if place == "nested":
            (meld / split).mkdir()
            (meld / folder).rename(meld / split / folder)
        table = meld / f"{split}_sent_emo.csv"
        if place == "repository":
            (meld / "data" / "MELD").mkdir(parents=True, exist_ok=True)
            table.rename(meld / "data" / "MELD" / table.name)
            (meld / "data" / table.name).write_text(HEAD)  # an older one
        elif place == "beside":
            table.rename(meld.parent / table.name)
    rows, _ = read(root)
    assert len(rows) == 6 and all((root / row["audio_path"]).is_file() for row in rows.values())


def test_whom_a_name_names():
    people = ("Joey", "Mrs. Geller", "Dr. Green", "Phoebe Sr", "Professor Spafford", "Frank Jr.", "Joey’s Sister", "Randall", "Chandler (on phone)", "JANICE")
    assert [speaker(name) for name in people] == [
        *("Joey", "Mrs. Geller", "Dr. Green", "Phoebe Sr", "Professor Spafford", "Frank Jr.", "Joey's Sister", "Randall", "Chandler", "Janice")
    ]
    nobody = (
        "All",
        "Both",
        "Ross and Joey",
        "Joey/Chandler",
        "Man",
        "Old Woman",
        "Person 1",
        "Guest #1",
        "Fireman No. 3",
        "2nd Customer",
        "The Casting Director",
    )
    nobody += ("Guy at the bar", "Flight Attendant", "Nurse", "Another Scientist", "The Girls", "Mother", "Everyone", "")
    assert [name for name in nobody if speaker(name)] == []


def test_another_folder_is_refused_with_the_layout(meld, tmp_path):
    for folder in FOLDERS.values():
        shutil.rmtree(meld / folder)
    with pytest.raises(CorpusError, match="no clip called"):
        read(meld)
    (tmp_path / "other").mkdir()
    with pytest.raises(CorpusError, match="train_splits"):
        read(tmp_path / "other")
