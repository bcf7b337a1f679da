"""IEMOCAP: the official layout, whose speaker is whose, and every rater's vote."""

import shutil

import pytest
import soundfile
from conftest import voice

from cp_paraling_qa.corpora import corpus_named
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.ledger import axis_mean, consensus, shares
from cp_paraling_qa.stage import Drop, read_rows

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
IMPRO = (
    HEADER
    + """[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.0000, 3.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral;\t()
C-E4:\tNeutral; Frustration;\t(a bit; tired)
C-F1:\tAnger;\t()
A-E3:\tval 3; act 2; dom  4;\t()
A-E4:\tval 2; act 2; dom  3;\t(polite)
A-F1:\tval 5; act 5; dom  5;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M000\txxx\t[3.0000, 4.0000, 1.0000]
C-E2:\tNeutral state;\t()
C-E3:\tExcited;\t()
C-E4:\tOther;\t(amused)
C-M1:\tHappiness;\t()
A-E3:\tval 3; act 9; dom ;\t()

[12.0000 - 13.0000]\tSes01F_impro01_F001\tang\t[1.5000, 4.5000, 5.0000]

[14.0000 - 15.0000]\tSes01F_impro01_F002\txxx\t[2.5000, 2.5000, 2.5000]

[16.0000 - 17.0000]\tSes01F_impro01_M001\tsad\t[2.0000, 2.0000, 2.0000]
C-E2:\tSadness;\t()
"""
)
TEXT = """Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
M: (door opens)
Ses01F_impro01_M000 [010.0100-011.3925]: I don\x92t know\x85
Ses01F_impro01_XX00 [011.0000-012.0000]: Nobody labelled this.
"""


@pytest.fixture
def iemocap(tmp_path):
    """Session 1 with one dialogue of five turns; the last has no audio, one wav has no label, and the wearer of the markers is always the woman."""
    session = tmp_path / "IEMOCAP_full_release" / "Session1"
    evaluation = session / "dialog" / "EmoEvaluation"
    for sub in ("Categorical", "Attribute", "Self-evaluation"):
        (evaluation / sub).mkdir(parents=True)
    (evaluation / "Categorical" / "Ses01F_impro01_e2_cat.txt").write_text("Ses01F_impro01_F000 :Anger; ()\n")
    (evaluation / "Ses01F_impro01.txt").write_text(IMPRO)
    (evaluation / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07 junk [1.0 - 2.0]\tSes01F_junk_F000\tang\t[1, 1, 1]")
    (session / "dialog" / "transcriptions").mkdir()
    (session / "dialog" / "transcriptions" / "Ses01F_impro01.txt").write_bytes(TEXT.encode("latin-1"))
    wavs = session / "sentences" / "wav" / "Ses01F_impro01"
    wavs.mkdir(parents=True)
    for number, turn in enumerate(("F000", "M000", "F001", "F002", "F099")):
        soundfile.write(wavs / f"Ses01F_impro01_{turn}.wav", voice(0.5, 120.0 + 20 * number, seed=number), 16_000, subtype="PCM_16")
    (wavs / "._Ses01F_impro01_F000.wav").write_bytes(b"junk")
    (session / "dialog" / "wav").mkdir()
    shutil.copy(wavs / "Ses01F_impro01_F000.wav", session / "dialog" / "wav" / "Ses01F_impro01.wav")
    return tmp_path / "IEMOCAP_full_release"


def read(root):
    found = list(corpus_named("iemocap").records(root))
    rows = {row["audio_path"].rsplit("_", 1)[1].removesuffix(".wav"): row for row in found if not isinstance(row, Drop)}
    return rows, [drop for drop in found if isinstance(drop, Drop)]


def opinions(row, field):
    return [(o["value"], o["source"], o["rater"], o["probability"]) for o in row["opinions"] if o["field"] == field]


def test_speaker_and_gender_follow_the_turn_and_not_the_file(iemocap):
    rows, _ = read(iemocap)
    assert {turn: (row["speaker_id"], row["gender"]) for turn, row in rows.items()} == {
        "F000": ("Ses01F", "female"),
        "M000": ("Ses01M", "male"),  # in a dialogue named after the woman
        "F001": ("Ses01F", "female"),
        "F002": ("Ses01F", "female"),
    }
    assert {row["dialogue_id"] for row in rows.values()} == {"Ses01F_impro01"}
    assert rows["F000"]["audio_path"] == "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    assert {(row["split"], row["language"], row["start"], row["end"]) for row in rows.values()} == {(None, "en", None, None)}


def test_every_vote_is_an_opinion_and_self_reports_stay_apart(iemocap):
    rows, _ = read(iemocap)
    assert opinions(rows["F000"], "emotion") == [
        ("neutral", "human", "E2", None),
        ("neutral", "human", "E3", None),
        ("neutral", "human", "E4", 0.5),
        ("frustrated", "human", "E4", 0.5),
        ("angry", "self", "F1", None),
    ]
    assert shares(rows["F000"]["opinions"], "emotion") == pytest.approx({"neutral": 2.5 / 3, "frustrated": 0.5 / 3})
    assert [value for value, *_ in opinions(rows["M000"], "emotion")] == ["neutral", "excited", "other", "happy"]
    assert consensus(rows["M000"]["opinions"], "emotion") is None  # neutral and excited are level; the actor's own word does not decide


def test_axes_are_found_by_name_on_0_to_1(iemocap):
    rows, _ = read(iemocap)
    # E3: val 3, act 2, dom 4; E4: 2, 2, 3; a score s of 1–5 is (s - 1) / 4. The woman's own fives do not count.
    scores = {(o["field"], o["rater"]): o["score"] for o in rows["F000"]["opinions"] if o["score"] is not None}
    assert scores[("valence", "E3")] == 0.5 and scores[("arousal", "E3")] == 0.25 and scores[("dominance", "E3")] == 0.75 and scores[("arousal", "F1")] == 1.0
    means = [axis_mean(rows["F000"]["opinions"], axis) for axis in ("valence", "arousal", "dominance")]
    assert means == pytest.approx([0.375, 0.25, 0.625])


def test_the_header_speaks_only_where_no_rater_does(iemocap):
    rows, _ = read(iemocap)
    assert opinions(rows["F001"], "emotion") == [("angry", "human", "consensus", None)]
    # [1.5, 4.5, 5.0] is [V, A, D]: 0.5 / 4, 3.5 / 4, 4 / 4
    assert {o["field"]: o["score"] for o in rows["F001"]["opinions"] if o["score"] is not None} == {"valence": 0.125, "arousal": 0.875, "dominance": 1.0}
    assert {o["rater"] for o in rows["F001"]["opinions"]} == {"consensus"}
    assert opinions(rows["F002"], "emotion") == []  # xxx: the raters did not agree
    assert "consensus" not in {o["rater"] for o in rows["F000"]["opinions"] + rows["M000"]["opinions"]}


def test_transcripts_in_an_old_encoding(iemocap):
    rows, _ = read(iemocap)
    assert [rows[turn]["transcript"] for turn in ("F000", "M000", "F001")] == ["Excuse me.", "I don't know...", None]
    (iemocap / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt").unlink()
    rows, _ = read(iemocap)
    assert len(rows) == 4 and rows["F000"]["transcript"] is None


def test_what_is_lost_is_named(iemocap):
    _, drops = read(iemocap)
    assert [(drop.reason, drop.item.split("/")[-1]) for drop in drops] == [
        ("rating outside its scale", "Ses01F_impro01_M000 A-E3"),  # act 9; the turn itself stays
        ("file is missing", "Ses01F_impro01.txt Ses01F_impro01_M001"),
        ("file without a label", "Ses01F_impro01_F099.wav"),
    ]
    assert "arousal" in drops[0].detail and "Ses01F_impro01_M001.wav" in drops[1].detail


@pytest.mark.parametrize("up", ["release", "parent", "session"])
def test_the_root_may_be_the_release_its_parent_or_a_session(iemocap, tmp_path, up):
    root = {"release": iemocap, "parent": iemocap.parent, "session": iemocap / "Session1"}[up]
    record = make_manifest(tmp_path / "run", [("iemocap", root)])
    rows = list(read_rows(tmp_path / "run" / "manifest"))
    assert len(rows) == 4 and all((root / row["audio_path"]).is_file() for row in rows)
    assert record["dropped"] == {"rating outside its scale": 1, "file is missing": 1, "file without a label": 1}


def test_another_folder_is_refused_with_the_layout(tmp_path):
    (tmp_path / "Session1").mkdir()
    with pytest.raises(CorpusError, match="EmoEvaluation"):
        list(corpus_named("iemocap").records(tmp_path))
