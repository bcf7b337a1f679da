"""TESS as it comes from the library, and as it is copied about."""

import shutil

import pytest
import soundfile
from conftest import voice

from cp_paraling_qa.corpora import corpus_named
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.labels import adjective, canonical
from cp_paraling_qa.stage import Drop, read_rows

SET = "TESS Toronto emotional speech set data"
CLIPS = {
    "OAF_angry/OAF_back_angry.wav": ("OAF", 64, "Say the word back.", "angry"),
    "OAF_neutral/OA_bite_neutral.wav": ("OAF", 64, "Say the word bite.", "neutral"),
    "OAF_Pleasant_surprise/OAF_germ_ps.wav": ("OAF", 64, "Say the word germ.", "pleasant surprise"),
    "YAF_Sad/YAF_thumb_sad.wav": ("YAF", 26, "Say the word thumb.", "sad"),
    "YAF_fear/YAF_pain_fear.wav": ("YAF", 26, "Say the word pain.", "fear"),
    "YAF_disgust/YAF_gas_disgust.wav": ("YAF", 26, "Say the word gas.", "disgust"),
    "YAF_happy/YAF_goose_happy.wav": ("YAF", 26, "Say the word goose.", "happy"),
}


@pytest.fixture
def tess(tmp_path):
    for number, name in enumerate(CLIPS):
        path = tmp_path / "tess" / SET / name
        path.parent.mkdir(parents=True)
        soundfile.write(path, voice(0.4, 150 + 20 * number, rate=24_414), 24_414)
    return tmp_path / "tess"


def test_every_label_speaker_and_the_misnamed_file(tmp_path, tess):
    record = make_manifest(tmp_path / "run", [("tess", tess)])
    rows = list(read_rows(tmp_path / "run" / "manifest"))
    assert record["dropped"] == {} and len(rows) == len(CLIPS)
    for row in rows:
        (emotion,) = row["opinions"]
        assert (row["speaker_id"], row["age"], row["transcript"], emotion["value"]) == CLIPS[row["audio_path"].removeprefix(f"{SET}/")]
        assert (row["gender"], row["language"], row["sampling_rate"], emotion["rater"], row["split"]) == ("female", "en", 24_414, "actor", None)
    assert canonical("pleasant surprise") == "surprised" and adjective("pleasant surprise") == "pleasantly surprised"


def test_the_copy_within_the_copy_and_other_files(tess):
    # Kaggle's archive: the whole set stands once more in a folder of the same name within itself
    shutil.copytree(tess / SET, tess / SET / "TESS Toronto emotional speech set data again")
    good = tess / SET / "OAF_angry" / "OAF_back_angry.wav"
    for name in ("OAF_back_bored.wav", "03a01Fa.wav", "._OAF_back_angry.wav"):
        shutil.copy(good, good.with_name(name))
    items = list(corpus_named("tess").records(tess))
    rows, drops = [item for item in items if isinstance(item, dict)], [item for item in items if isinstance(item, Drop)]
    assert {row["audio_path"] for row in rows} == {f"{SET}/{name}" for name in CLIPS}
    assert sorted(drop.reason for drop in drops) == ["duplicate file name"] * len(CLIPS) + ["not a TESS file name", "unknown emotion code"]
    assert f"{SET}/OAF_angry/OAF_back_angry.wav" in next(drop.detail for drop in drops if drop.item.endswith("again/OAF_angry/OAF_back_angry.wav"))


def test_all_files_in_one_folder(tmp_path, tess):
    (tmp_path / "flat").mkdir()
    for name in CLIPS:
        shutil.copy(tess / SET / name, tmp_path / "flat")
    assert {row["speaker_id"] for row in corpus_named("tess").records(tmp_path / "flat")} == {"OAF", "YAF"}


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(CorpusError, match=r"OAF_back_angry\.wav"):
        list(corpus_named("tess").records(tmp_path))
