"""CREMA-D: voice-only votes beside the played label, in each of the tables that hold them."""

import shutil

import pytest
import soundfile
from conftest import voice

from cp_paraling_qa.corpora import corpus_named
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.ledger import consensus, shares
from cp_paraling_qa.schema import ACTED
from cp_paraling_qa.stage import Drop, read_rows

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 73518\n"
# Columns as the repository has them; the first one has no name. 1xxxxx is the voice, 2xxxxx the face, 3xxxxx both.
TABULATED = """"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote","meanEmoResp"
"100009",5,5,0,0,1,1,"1001_IEO_ANG_MD",12,0.416666666666667,"A:D",50.5833333333333
"100010",2,1,0,0,7,0,"1002_DFA_SAD_XX",10,0.7,"N",71
"107442",0,0,0,0,3,1,"1040_ITH_SAD_XX",4,0.75,"N",20.5
"100077",0,0,0,0,9,0,"1003_WSI_NEU_XX",9,1,"N",59
"200009",9,0,0,0,0,0,"1001_IEO_ANG_MD",9,1,"A",80
"300010",0,0,0,0,0,9,"1002_DFA_SAD_XX",9,1,"S",80
"""
SUMMARY = """"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote","MultiModalLevel"
"9","1001_IEO_ANG_MD","A:D","37.2:58.6","A","45.5","A","44.2"
"10","1002_DFA_SAD_XX","N","83.4","S","66","S","60"
"""
RESPONSES = """"","localid","pos","ans","ttr","queryType","numTries","clipNum","questNum","subType","clipName","sessionNums","respEmo","respLevel","dispEmo","dispVal","dispLevel"
"1","r1",4,"A_80",3000,1,0,9,1,4,"1001_IEO_ANG_MD",1,"A",80,"A","MD",50
"2","r2",5,"D_34",3100,1,0,9,2,4,"1001_IEO_ANG_MD",2,"D",34,"A","MD",50
"3","r3",6,"D_50",3100,1,0,9,2,4,"1001_IEO_ANG_MD",3,"D",NA,"A","MD",50
"4","r4",6,"H_50",3100,2,0,9,2,4,"1001_IEO_ANG_MD",3,"H",50,"A","MD",50
"5","r4",6,"H_50",3100,3,0,9,2,4,"1001_IEO_ANG_MD",3,"H",50,"A","MD",50
"6","r1",6,"F_50",3100,1,0,9,3,4,"1001_IEO_ANG_MD",1,"F",50,"A","MD",50
"7","r5",6,"F_50",3100,1,0,7443,3,4,"1001_IEO_ANG_MD",1,"F",50,"A","MD",50
"""
PEOPLE = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Caucasian","Not Hispanic"\n1002,21,"Female","Caucasian","Not Hispanic"\n'
CLIPS = ("1001_IEO_ANG_MD", "1002_DFA_SAD_XX", "1040_ITH_SAD_X")


@pytest.fixture
def crema(tmp_path):
    root = tmp_path / "CREMA-D"
    for folder in ("AudioWAV", "AudioMP3", "processedResults"):
        (root / folder).mkdir(parents=True)
    for number, clip in enumerate(CLIPS):
        soundfile.write(root / "AudioWAV" / f"{clip}.wav", voice(0.5, 110.0 + 30 * number, seed=number), 16_000, subtype="PCM_16")
        soundfile.write(root / "AudioMP3" / f"{clip}.mp3", voice(0.5, 110.0 + 30 * number, seed=number), 44_100)
    (root / "AudioWAV" / "._1001_IEO_ANG_MD.wav").write_bytes(b"junk")
    (root / "VideoDemographics.csv").write_text(PEOPLE)
    (root / "processedResults" / "tabulatedVotes.csv").write_text(TABULATED)
    (root / "processedResults" / "summaryTable.csv").write_text(SUMMARY)
    return root


def read(root):
    found = list(corpus_named("crema_d").records(root))
    rows = {row["audio_path"].split("/")[-1].split(".")[0]: row for row in found if not isinstance(row, Drop)}
    return rows, [drop for drop in found if isinstance(drop, Drop)]


def opinions(row, field, acted=False):
    return [(o["value"], o["rater"], o["probability"]) for o in row["opinions"] if o["field"] == field and (o["rater"] == ACTED) == acted]


def test_actor_sentence_and_played_labels(crema):
    rows, _ = read(crema)
    row = rows["1001_IEO_ANG_MD"]
    assert (row["audio_path"], row["speaker_id"], row["gender"], row["age"]) == ("AudioWAV/1001_IEO_ANG_MD.wav", "1001", "male", 51.0)
    assert (row["transcript"], row["license"], row["split"]) == ("It's eleven o'clock.", "odbl", None)
    assert opinions(row, "emotion", acted=True) == [("angry", ACTED, None)] and opinions(row, "intensity", acted=True) == [("medium", ACTED, None)]
    assert opinions(rows["1002_DFA_SAD_XX"], "intensity", acted=True) == []  # XX: no level was asked for
    assert rows["1002_DFA_SAD_XX"]["gender"] == "female" and rows["1040_ITH_SAD_X"]["gender"] is None  # nobody wrote down actor 1040 here
    assert rows["1040_ITH_SAD_X"]["transcript"] == "I think I have a doctor's appointment." and opinions(rows["1040_ITH_SAD_X"], "intensity", acted=True) == []


def test_shares_of_the_voice_votes_alone(crema):
    rows, _ = read(crema)
    # 5 A, 5 D, 1 N, 1 S of twelve voice votes; the nine angry votes on the face are not heard
    assert opinions(rows["1001_IEO_ANG_MD"], "emotion") == [
        ("angry", None, 5 / 12),
        ("disgust", None, 5 / 12),
        ("neutral", None, 1 / 12),
        ("sad", None, 1 / 12),
    ]
    assert consensus(rows["1001_IEO_ANG_MD"]["opinions"], "emotion") is None  # level, and what the actor played does not decide
    assert consensus(rows["1002_DFA_SAD_XX"]["opinions"], "emotion") == "neutral"  # played sad, voted sad on sight
    assert shares(rows["1002_DFA_SAD_XX"]["opinions"], "emotion") == pytest.approx({"neutral": 0.7, "angry": 0.2, "disgust": 0.1})
    assert opinions(rows["1040_ITH_SAD_X"], "emotion") == [("neutral", None, 0.75), ("sad", None, 0.25)]  # the file's name lacks an X, the table's does not
    # mean strengths 50.6, 71 and 20.5 of 100 are nearest to 50, 80 and 20
    assert [opinions(rows[clip], "intensity") for clip in CLIPS] == [[("medium", None, None)], [("high", None, None)], [("low", None, None)]]


def test_raters_own_votes_where_the_file_is_there(crema):
    (crema / "finishedResponses.csv").write_text(RESPONSES)
    rows, _ = read(crema)
    row = rows["1001_IEO_ANG_MD"]
    assert opinions(row, "emotion") == [
        ("angry", "r1", None),
        ("disgust", "r2", None),
        ("disgust", "r3", None),
    ]  # not: r1's repeat, r4's two sights, r5's practice
    assert opinions(row, "intensity") == [("high", "r1", None), ("low", "r2", None)]  # 80, 34, and none
    assert opinions(rows["1002_DFA_SAD_XX"], "emotion")[0] == ("angry", None, 0.2)  # no rater's row for this clip: the shares


def test_winners_where_nothing_else_is_there(crema):
    (crema / "processedResults" / "tabulatedVotes.csv").unlink()
    rows, _ = read(crema)
    assert opinions(rows["1001_IEO_ANG_MD"], "emotion") == [("angry", None, 0.5), ("disgust", None, 0.5)]
    assert opinions(rows["1001_IEO_ANG_MD"], "intensity") == [("medium", None, None)]  # (37.2 + 58.6) / 2 = 47.9
    (crema / "processedResults" / "summaryTable.csv").unlink()
    rows, _ = read(crema)
    assert [consensus(rows[clip]["opinions"], "emotion") for clip in CLIPS] == ["angry", "sad", "sad"]  # nobody voted: the played label


def test_what_is_lost_is_named(crema, tmp_path):
    wav = crema / "AudioWAV"
    (wav / "1001_IEO_FEA_HI.wav").write_text(POINTER)
    shutil.copy(wav / "1001_IEO_ANG_MD.wav", wav / "1001_IEO_JOY_MD.wav")
    shutil.copy(wav / "1001_IEO_ANG_MD.wav", wav / "take2.wav")
    (crema / "finishedResponses.csv").write_text(POINTER)
    record = make_manifest(tmp_path / "run", [("crema_d", crema)])
    assert len(list(read_rows(tmp_path / "run" / "manifest"))) == 3
    assert record["dropped"] == {
        "git-lfs pointer in place of the file: run `git lfs pull`": 2,
        "unknown emotion code": 1,
        "not a CREMA-D file name": 1,
        "file is missing": 1,
    }
    assert {drop["item"] for drop in record["dropped_items"]} == {
        *("crema_d/finishedResponses.csv", "crema_d/AudioWAV/1001_IEO_FEA_HI.wav"),
        *("crema_d/AudioWAV/1001_IEO_JOY_MD.wav", "crema_d/AudioWAV/take2.wav", "crema_d/1003_WSI_NEU_XX"),
    }


def test_a_clone_without_lfs_says_what_to_do(crema, tmp_path):
    for path in (crema / "AudioWAV").glob("1*.wav"):
        path.write_text(POINTER)
    with pytest.raises(CorpusError, match="git lfs pull"):
        make_manifest(tmp_path / "run", [("crema_d", crema)])


def test_other_forms_of_the_folder(crema, tmp_path):
    assert len(read(crema.parent)[0]) == 3  # the folder around it
    low = {row["audio_path"]: row["opinions"] for row in corpus_named("crema_d").records(crema / "AudioWAV") if isinstance(row, dict)}
    assert low == {
        row["audio_path"].removeprefix("AudioWAV/"): row["opinions"] for row in read(crema)[0].values()
    }  # one too low: the votes are found all the same
    shutil.rmtree(crema / "AudioWAV")
    rows, _ = read(crema)
    assert rows["1001_IEO_ANG_MD"]["audio_path"] == "AudioMP3/1001_IEO_ANG_MD.mp3"
    flat = tmp_path / "flat"
    shutil.copytree(crema / "AudioMP3", flat)
    assert len(read(flat)[0]) == 3
    (tmp_path / "none").mkdir()
    with pytest.raises(CorpusError, match="AudioWAV"):
        read(tmp_path / "none")
