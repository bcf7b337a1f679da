"""Corpora mnsc and cpqa_eval: tables of questions in which many rows are about one recording."""

import io
import json

import pyarrow as pa
import pytest
import soundfile
from conftest import voice
from hub_fixtures import AUDIO, embedded, hf_table, write_parquet

from cp_paraling_qa.annotate.base import clip_audio
from cp_paraling_qa.corpora.cpqa_eval import CpqaEval
from cp_paraling_qa.corpora.manifest import Source, make_manifest
from cp_paraling_qa.corpora.mnsc import Mnsc, accent_in, gender_in
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.stage import Drop, read_rows

TEXT = pa.string()


def questions(rows, audio="context", question="instruction", answer="answer", **more):
    """A table with a row for each (pitch, question, answer)."""
    columns = {audio: [embedded(pitch) for pitch, _, _ in rows], question: [q for _, q, _ in rows], answer: [a for _, _, a in rows], **more}
    return hf_table(columns, {name: TEXT for name in columns} | {audio: AUDIO})


def manifest(run, name, root, **options):
    record = make_manifest(run, [Source(name, root, options)])
    rows = list(read_rows(run / "manifest"))
    for row in rows:
        clip_audio(row, record["config"]["corpora"])  # raises where the audio is not found again
    return record, rows


def facts(row):
    return [(o["field"], o["value"], o["source"]) for o in row["opinions"]]


@pytest.fixture
def mnsc(tmp_path):
    """The Hub's folders: a folder's one split is called train, whatever it is."""
    root = tmp_path / "MNSC"

    def write(config, rows, shard="00000-of-00001", **more):
        write_parquet(root / config / f"train-{shard}.parquet", questions(rows, **more))

    write("ASR-PART1-Test", [(100, "Transcribe.", "I go makan first."), (120, "Write it down.", "Can or not?"), (140, "Transcribe.", "Okay lah.")])
    write("ASR-PART3-Test", [(300, "Transcribe.", "<Speaker1>: you eat already? <Speaker2>: not yet")])
    write("SQA-PART3-Test", [(300, "What is asked?", "Whether she ate."), (300, "Who ate?", "Nobody, she is hungry.")])
    write("PQA-GR-Sentence-Test", [(100, "Male or female?", "The speaker is a woman."), (120, "Gender?", "It is a man speaking.")], "00000-of-00002")
    write("PQA-GR-Sentence-Test", [(140, "Is it a man?", "It could be a man or a woman.")], "00001-of-00002")
    write("PQA-AR-Sentence-Test", [(100, "Accent?", "A Malay accent."), (120, "Accent?", "It is Singaporean."), (140, "Accent?", "Not Indian.")])
    write("PQA-GR-Dialogue-Test", [(300, "Genders?", "Speaker 1 is male, speaker 2 is female."), (320, "Genders?", "Both speakers are female.")])
    write("ASR-PART2-Train", [(500, "Transcribe.", "Training text.")])
    return root


def test_rows_about_one_recording_are_one_clip_with_what_all_of_them_say(tmp_path, mnsc):
    record, rows = manifest(tmp_path / "run", "mnsc", mnsc)
    # 7 recordings in 14 rows; the seven further rows are no losses
    assert record["dropped"] == {} and record["rows_in"] == len(rows) == 6
    by_path = {row["audio_path"]: row for row in rows}
    assert sorted(by_path) == [
        "ASR-PART1-Test/train-00000-of-00001.parquet#0/context",
        "ASR-PART1-Test/train-00000-of-00001.parquet#1/context",
        "ASR-PART1-Test/train-00000-of-00001.parquet#2/context",
        "ASR-PART2-Train/train-00000-of-00001.parquet#0/context",
        "ASR-PART3-Test/train-00000-of-00001.parquet#0/context",
        "PQA-GR-Dialogue-Test/train-00000-of-00001.parquet#1/context",
    ]
    woman, man, unsure, training, pair, women = (by_path[path] for path in sorted(by_path))
    assert (woman["transcript"], woman["gender"], facts(woman)) == (
        "I go makan first.",
        "female",
        [("accent", "malay", "maker"), ("gender", "female", "maker")],
    )
    assert (man["gender"], facts(man)) == ("male", [("gender", "male", "maker")])  # "Singaporean" tells no accent apart
    assert (unsure["gender"], facts(unsure), unsure["transcript"]) == (None, [], "Okay lah.")
    assert (pair["transcript"], pair["gender"], facts(pair)) == (
        "you eat already? not yet",
        None,
        [],
    )  # a man and a woman; and "she" of the SQA answer is nobody's gender
    assert (women["transcript"], facts(women)) == (None, [("gender", "female", "maker")])
    assert {row["split"] for row in rows if row is not training} == {"test"} and training["split"] == "train"
    assert {row["license"] for row in rows} == {"other"}


def test_one_configuration_alone(mnsc):
    rows = list(Mnsc(subset="PQA-GR-Sentence-Test").records(mnsc))
    assert [row["gender"] for row in rows] == ["female", "male", None]
    again = list(Mnsc().records(mnsc / "PQA-GR-Sentence-Test"))  # its folder as the root
    assert [(row["gender"], row["split"]) for row in again] == [("female", "test"), ("male", "test"), (None, "test")]
    with pytest.raises(CorpusError, match="no Parquet file of PQA-XX below"):
        list(Mnsc(subset="PQA-XX").records(mnsc))


def test_a_rows_own_attributes_and_the_first_layout(tmp_path):
    attributes = [json.dumps({"Gender": "F", "speaker_id": "s7"}), "not JSON", json.dumps({"gender": "one of each"})]
    table = questions([(100, "q", "Hello."), (120, "q", "Well."), (140, "q", "Yes.")], other_attributes=attributes)
    write_parquet(tmp_path / "m" / "ASR-PART1" / "test-00000-of-00001.parquet", table)
    write_parquet(tmp_path / "m" / "data" / "x.parquet", table)
    first, second, third = (item for item in Mnsc().records(tmp_path / "m") if not isinstance(item, Drop))
    assert (first["gender"], first["speaker_id"], first["split"], first["transcript"]) == ("female", "s7", "test", "Hello.")
    assert (second["gender"], third["gender"]) == (None, None)
    assert [item for item in Mnsc().records(tmp_path / "m") if isinstance(item, Drop)] == [
        Drop("data/x.parquet", "file outside MNSC's configurations", "expected in a folder such as ASR-PART1-Test: keep its name")
    ]


def test_columns_that_cannot_be_told_are_listed(tmp_path, mnsc):
    write_parquet(mnsc / "ASR-PART5-Test" / "train.parquet", questions([(100, "q", "a")], answer="zzz"))
    with pytest.raises(CorpusError, match="no column for the answers of ASR-PART5-Test.*the columns are context, instruction, zzz"):
        list(Mnsc().records(mnsc))
    write_parquet(mnsc / "ASR-PART5-Test" / "train.parquet", pa.table({"instruction": ["q"], "answer": ["a"]}))
    with pytest.raises(CorpusError, match="no column of audio.*the columns are instruction, answer"):
        list(Mnsc().records(mnsc))
    (tmp_path / "none").mkdir()
    with pytest.raises(CorpusError, match="MERaLiON/Multitask-National-Speech-Corpus-v1"):
        list(Mnsc().records(tmp_path / "none"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Female", "female"),
        ("The speakers are both men.", "male"),
        ("One man and one lady.", None),
        ("This human being speaks of many things.", None),  # neither "hu-man" nor "many"
        ("It is unclear; maybe a woman.", None),
        ("", None),
    ],
)
def test_only_an_unambiguous_answer_tells_a_gender(answer, expected):
    assert gender_in(answer) == expected


def test_only_an_unambiguous_answer_tells_an_accent():
    assert [accent_in(text) for text in ("Indian", "Chinese or Malay", "Chinese Singaporean", "the second speaker's")] == ["indian", None, "chinese", None]


def test_the_evaluation_set_is_its_clips_once_each_and_all_test(tmp_path):
    rows = [(100, "Who shouts?", "An angry woman."), (150, "Why?", "She lost."), (100, "How many speak?", "Two.")]
    root = tmp_path / "CPQA"
    table = questions(rows, audio="audio", question="Question", answer="Answer", emotion=["angry", "sad", "angry"], transcript=[None, "We lost.", "Get out!"])
    write_parquet(root / "data" / "train-00000-of-00001.parquet", table)
    (root / "README.md").write_text("---\nlicense: cc-by-nc-4.0\nlanguage: en\n---\n")
    record, found = manifest(tmp_path / "run", "cpqa_eval", root)
    assert record["dropped"] == {} and record["rows_in"] == 2
    assert [(row["audio_path"], row["transcript"]) for row in found] == [
        ("data/train-00000-of-00001.parquet#0/audio", "Get out!"),  # from the third row, which is about the same audio
        ("data/train-00000-of-00001.parquet#1/audio", "We lost."),
    ]
    # whose labels those are nobody says, and answers are no opinions
    assert {(row["split"], row["license"], row["language"], tuple(row["opinions"])) for row in found} == {("test", "cc-by-nc-4.0", "en", ())}


def test_the_evaluation_sets_columns_are_needed_and_its_audio_may_lie_beside_it(tmp_path):
    root = tmp_path / "CPQA"
    root.mkdir()
    soundfile.write(root / "1.wav", voice(0.5, 100), 16_000)
    columns = {"audio": [{"bytes": None, "path": path} for path in ("1.wav", "1.wav", "2.wav")], "question": list("abc"), "answer": list("def")}
    write_parquet(root / "test.parquet", hf_table(columns, {"audio": AUDIO, "question": TEXT, "answer": TEXT}))
    record, rows = manifest(tmp_path / "run", "cpqa_eval", root)
    assert [row["audio_path"] for row in rows] == ["1.wav"] and record["dropped"] == {"row whose file is missing": 1}
    write_parquet(root / "test.parquet", hf_table({name: columns[name] for name in ("audio", "question")}, {"audio": AUDIO, "question": TEXT}))
    with pytest.raises(CorpusError, match="no column for the answers.*the columns are audio, question"):
        list(CpqaEval().records(root))


def test_from_the_hub_mnscs_test_configurations_alone_unless_one_is_named(tmp_path, mnsc, monkeypatch):
    asked = []
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda repo_id, **given: asked.append((repo_id, given)) or str(mnsc))
    assert Mnsc().locate("MERaLiON/Multitask-National-Speech-Corpus-v1") == mnsc
    Mnsc(subset="ASR-PART2-Train", revision="abc").locate("MERaLiON/Multitask-National-Speech-Corpus-v1")
    CpqaEval().locate("MERaLiON/CPQA-Evaluation-Set")
    assert [given.get("allow_patterns") for _, given in asked] == [["README.md", "*-Test/*"], ["README.md", "ASR-PART2-Train/*"], None]
    assert [given["revision"] for _, given in asked] == [None, "abc", None] and {given["repo_type"] for _, given in asked} == {"dataset"}


def test_audio_that_differs_in_its_bytes_alone_is_the_manifests_duplicate(tmp_path):
    flac, wav = embedded(100), io.BytesIO()
    samples, rate = soundfile.read(io.BytesIO(flac["bytes"]), dtype="int16")
    soundfile.write(wav, samples, rate, format="WAV", subtype="PCM_16")
    rows = [flac, {"bytes": wav.getvalue(), "path": None}]
    write_parquet(
        tmp_path / "c" / "x.parquet",
        hf_table({"audio": rows, "question": list("ab"), "answer": list("cd")}, {"audio": AUDIO, "question": TEXT, "answer": TEXT}),
    )
    record, found = manifest(tmp_path / "run", "cpqa_eval", tmp_path / "c")
    assert len(found) == 1 and record["dropped"] == {"duplicate audio": 1}
