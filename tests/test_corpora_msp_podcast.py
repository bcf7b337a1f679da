"""MSP-Podcast: workers' votes from whichever file has them, order A, V, D, five partitions, and memory that does not grow with the votes."""

import json
import tracemalloc

import pytest
import soundfile
from conftest import voice

from cp_paraling_qa.corpora import corpus_named
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.corpora.msp_votes import DetailedTable, JsonByName, LabelsText
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.ledger import axis_mean, consensus, shares
from cp_paraling_qa.stage import Drop, read_rows

ONE, TWO, THREE, HIDDEN = "MSP-PODCAST_0001_0008", "MSP-PODCAST_0002_0033_0001", "MSP-PODCAST_0003_0001", "MSP-PODCAST_test3_0001"
GONE = "MSP-PODCAST_0009_0009"
CONSENSUS = f"""FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
{ONE}.wav,N,2.6,4.8,5.0,127,Male,Train
{TWO}.wav,X,4.0,1.0,7.0,Unknown,Unknown,Development
{THREE}.wav,H,4.0,7.0,4.0,31,Female,Test2
{GONE}.wav,A,4.0,4.0,4.0,5,Female,Test1
"""
LABELS = f"""{ONE}.wav; N; A:2.666667; V:4.666667; D:5.000000;
WORKER00000005; Neutral; Neutral,Concerned; A:4.000000; V:4.000000; D:4.000000;
WORKER00000007; Other-Annoyed; bored; A:lot of noise; Angry; A:1.000000; V:5.000000; D:7.000000;
WORKER00000008; Surprise; Surprise,Happy; A:3.000000; V:5.000000; D:4.000000;

{TWO}.wav; X; A:4.000000; V:1.000000; D:7.000000;
WORKER00000005; Fear; ; A:4.000000; V:9.000000; D:7.000000;
WORKER00000009; Sad; Sad; A:4.000000; V:1.000000; D:7.000000;

{THREE}.wav; H; A:4.000000; V:7.000000; D:4.000000;
WORKER00000010; Happy; Happy; A:4.000000; V:7.000000; D:4.000000;
"""
WORKERS = [  # the same votes as rows: file, worker, primary, secondary, act, dom, val — columns in another order than labels.txt has
    (ONE, "WORKER00000005", "Neutral", "Neutral,Concerned", 4, 4, 4),
    (ONE, "WORKER00000007", 'Other-"well,\nannoyed"', "bored", 1, 7, 5),
    (TWO, "WORKER00000005", "Fear", "", 4, 7, 9),
    (TWO, "WORKER00000009", "Sad", "Sad", 4, 7, 1),
    (ONE, "WORKER00000008", "Surprise", "Surprise,Happy", 3, 4, 5),  # a clip's rows need not stand together
    (THREE, "WORKER00000010", "Happy", "Happy", 4, 4, 7),
]
GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 0.5
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 0.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.1
            text = ""
        intervals [2]:
            xmin = 0.1
            xmax = 0.3
            text = "hello"
        intervals [3]:
            xmin = 0.3
            xmax = 0.5
            text = "there"
"""


def detailed_csv():
    quoted = lambda cell: '"' + str(cell).replace('"', '""') + '"'  # noqa: E731
    rows = [",".join(map(quoted, (f"{file}.wav", *rest))) for file, *rest in WORKERS]
    return "FileName,Workers,EmoClass_Major,EmoClass_Second,EmoAct,EmoDom,EmoVal\n" + "\n".join(rows) + "\n"


def detail_csv():
    lines = [f'{file}.wav,"{worker}; {major}; {minor}; A:{act}; V:{val}; D:{dom};"' for file, worker, major, minor, act, dom, val in WORKERS]
    return "FileName,EmoDetail\n" + "\n".join(line.replace('"well,', "well,").replace('annoyed";', "annoyed;") for line in lines) + "\n"


def detailed_json(indent=None):
    votes = {}
    for file, worker, major, minor, act, dom, val in WORKERS:
        vote = {"EmoClass_Major": major, "EmoClass_Second": minor, "EmoAct": str(act), "EmoDom": str(dom), "EmoVal": str(val)}
        votes.setdefault(f"{file}.wav", {})[worker] = vote
    return json.dumps(votes, indent=indent)


@pytest.fixture
def msp(tmp_path):
    root = tmp_path / "MSP-PODCAST"
    for folder in ("Audios", "Labels", "Transcripts", "ForceAligned"):
        (root / folder).mkdir(parents=True)
    for number, name in enumerate((ONE, TWO, THREE, HIDDEN)):
        soundfile.write(root / "Audios" / f"{name}.wav", voice(0.5, 110.0 + 30 * number, seed=number), 16_000, subtype="PCM_16")
    (root / "Audios" / f"._{ONE}.wav").write_bytes(b"junk")
    (root / "Labels" / "labels_consensus.csv").write_text(CONSENSUS)
    (root / "Labels" / "labels.txt").write_text(LABELS)
    (root / "Transcripts" / f"{ONE}.txt").write_text("Hello, there’s more.\n", encoding="utf-8")
    (root / "ForceAligned" / f"{ONE}.TextGrid").write_text(GRID)
    parts = ((ONE, "Train"), (TWO, "Development"), (THREE, "Test2"), (GONE, "Test1"), (HIDDEN, "Test3"))
    (root / "Partitions.txt").write_text("".join(f"{part}; {name}.wav\n" for name, part in parts))
    (root / "Speaker_ids.txt").write_text(f"Speaker_127; Male\nSpeaker_31; Female\n\n{ONE}.wav; 127\n{TWO}.wav; Unknown\n{THREE}.wav; 31\n")
    return root


def read(root):
    found = list(corpus_named("msp_podcast").records(root))
    rows = {row["audio_path"].split("/")[-1].removesuffix(".wav"): row for row in found if not isinstance(row, Drop)}
    return rows, [drop for drop in found if isinstance(drop, Drop)]


def emotions(row):
    return [(o["value"], o["rater"]) for o in row["opinions"] if o["field"] == "emotion"]


def scores(row, rater):
    return {o["field"]: o["score"] for o in row["opinions"] if o["rater"] == rater and o["score"] is not None}


def test_partitions_speakers_and_podcasts(msp):
    rows, drops = read(msp)
    assert {name: (row["split"], row["speaker_id"], row["gender"], row["dialogue_id"]) for name, row in rows.items()} == {
        ONE: ("train", "127", "male", "MSP-PODCAST_0001"),
        TWO: ("validation", None, None, "MSP-PODCAST_0002"),  # Unknown is nobody
        THREE: ("test2", "31", "female", "MSP-PODCAST_0003"),
        HIDDEN: ("test3", None, None, None),  # no labels, and a clip all the same
    }
    assert rows[HIDDEN]["opinions"] == [] and rows[ONE]["audio_path"] == f"Audios/{ONE}.wav"
    assert [(drop.reason, drop.item) for drop in drops] == [("rating outside its scale", f"{TWO} WORKER00000005"), ("file is missing", f"{GONE}.wav")]


def test_transcripts_and_aligned_words(msp):
    rows, _ = read(msp)
    assert (rows[ONE]["transcript"], rows[TWO]["transcript"]) == ("Hello, there's more.", None)
    assert [(w["word"], w["start"], w["end"]) for w in rows[ONE]["words"]] == [("hello", 0.1, 0.3), ("there", 0.3, 0.5)]
    (msp / "ForceAligned" / f"{ONE}.TextGrid").write_text(GRID[:400])
    (msp / "ForceAligned").rename(msp / "Transcripts" / "ForceAligned")
    rows, drops = read(msp)
    assert rows[ONE]["words"] == [] and (f"{ONE}.TextGrid", "damaged alignment") in {(drop.item, drop.reason) for drop in drops}


@pytest.mark.parametrize("form", ["labels.txt", "columns", "detail", "json", "indented json"])
def test_every_workers_vote_from_each_file(msp, form):
    if form != "labels.txt":
        (msp / "Labels" / "labels.txt").unlink()
        name = "labels_detailed.json" if "json" in form else "labels_detailed.csv"
        text = {"columns": detailed_csv, "detail": detail_csv, "json": detailed_json, "indented json": lambda: detailed_json(4)}[form]()
        (msp / "Labels" / name).write_text(text)
    rows, drops = read(msp)
    assert emotions(rows[ONE]) == [("neutral", "WORKER00000005"), ("other", "WORKER00000007"), ("surprised", "WORKER00000008")]
    assert shares(rows[ONE]["opinions"], "emotion") == {"neutral": 0.5, "surprised": 0.5}  # "other" names nothing, secondary emotions are no votes
    # A:1 V:5 D:7 of 1–7: 0, 4/6, 1; the order in the file is activation, valence, dominance
    assert scores(rows[ONE], "WORKER00000007") == pytest.approx({"arousal": 0.0, "valence": 2 / 3, "dominance": 1.0})
    assert axis_mean(rows[ONE]["opinions"], "arousal") == pytest.approx((3 / 6 + 0 + 2 / 6) / 3)
    assert "consensus" not in {o["rater"] for row in rows.values() for o in row["opinions"]}
    assert "valence" not in scores(rows[TWO], "WORKER00000005") and [drop.reason for drop in drops][0] == "rating outside its scale"  # V:9
    assert emotions(rows[TWO]) == [("fearful", "WORKER00000005"), ("sad", "WORKER00000009")]
    assert emotions(rows[THREE]) == [("happy", "WORKER00000010")]


@pytest.mark.parametrize("form", ["csv", "json", "json of lists", "labels.txt"])
def test_the_consensus_where_no_worker_is_named(msp, form):
    labels = msp / "Labels"
    if form == "labels.txt":
        (labels / "labels.txt").write_text("\n".join(line for line in LABELS.split("\n") if not line.startswith("WORKER")))
    else:
        (labels / "labels.txt").unlink()
    if form != "csv":
        names, *lines = CONSENSUS.splitlines()
        (labels / "labels_consensus.csv").unlink()
        entries = {line.split(",")[0]: dict(zip(names.split(",")[1:], line.split(",")[1:], strict=True)) for line in lines}
        if "json" in form:
            (labels / "labels_consensus.json").write_text(json.dumps({key: [entry] if "lists" in form else entry for key, entry in entries.items()}))
    rows, _ = read(msp)
    assert emotions(rows[ONE]) == [("neutral", "consensus")] and emotions(rows[TWO]) == []  # X: no agreement
    assert consensus(rows[THREE]["opinions"], "emotion") == "happy"
    assert scores(rows[TWO], "consensus") == pytest.approx({"arousal": 0.5, "valence": 0.0, "dominance": 1.0})  # 4, 1 and 7 of 1–7
    assert {name: (row["split"], row["speaker_id"], row["gender"]) for name, row in rows.items()} == {
        ONE: ("train", "127", "male"),  # from Partitions.txt and Speaker_ids.txt where labels.txt is all there is
        TWO: ("validation", None, None),
        THREE: ("test2", "31", "female"),
        HIDDEN: ("test3", None, None),
    }


def test_folders_of_other_releases(msp, tmp_path):
    (msp / "Labels").rename(msp / "label")
    (msp / "label" / "labels_consensus.csv").rename(msp / "label" / "labels_concensus.csv")
    (msp / "Audios").rename(msp / "wavs")
    (msp / "Audio").mkdir()
    (msp / "wavs").rename(msp / "Audio" / "Audio")
    old = msp / "Previous_releases_information" / "files_removed"
    old.mkdir(parents=True)
    soundfile.write(old / "MSP-PODCAST_0000_0001.wav", voice(0.5, 150), 16_000)
    for root in (msp, tmp_path):
        rows, drops = read(root)
        assert len(rows) == 4 and all((root / row["audio_path"]).is_file() for row in rows.values())
        assert [drop.reason for drop in drops] == ["rating outside its scale", "file is missing"]


def test_what_is_lost_is_named(msp, tmp_path):
    with open(msp / "Labels" / "labels_consensus.csv", "a") as file:
        file.write(f"{ONE}.wav,H,2.6,4.8,5.0,127,Male,Train\n")
    with open(msp / "Labels" / "labels.txt", "a") as file:
        file.write("WORKER00000011; Bewildered; ; A:4.0; V:4.0; D:4.0;\n")
    soundfile.write(msp / "Audios" / "MSP-PODCAST_0007_0001.wav", voice(0.5, 150), 16_000)
    record = make_manifest(tmp_path / "run", [("msp_podcast", msp)])
    assert len(list(read_rows(tmp_path / "run" / "manifest"))) == 4
    assert record["dropped"] == {
        "rating outside its scale": 1,
        "unknown emotion": 1,
        "file is missing": 1,
        "duplicate row": 1,
        "file without a label": 1,
    }


def test_another_folder_is_refused_with_the_layout(msp, tmp_path):
    with pytest.raises(CorpusError, match="labels_consensus"):
        read(msp / "Audios")
    (tmp_path / "x").mkdir()
    (msp / "Labels").rename(tmp_path / "x" / "Labels")
    with pytest.raises(CorpusError, match="no audio"):
        read(tmp_path / "x")


def test_votes_are_looked_up_and_not_held(tmp_path):
    """Ten times the votes on each of the same 2,000 clips take no more memory: what is held is where they begin."""

    def held(workers):
        lines = []
        for clip in range(2_000):
            lines.append(f"MSP-PODCAST_0001_{clip:04d}.wav; N; A:4.0; V:4.0; D:4.0;")
            lines += [f"WORKER{w:08d}; Neutral; Neutral,Concerned; A:4.000000; V:4.000000; D:{1 + w % 7}.000000;" for w in range(workers)]
        (tmp_path / "labels.txt").write_text("\n".join(lines))
        tracemalloc.start()
        file = LabelsText(tmp_path / "labels.txt")
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert [len(file.votes(f"MSP-PODCAST_0001_{clip:04d}")) for clip in (0, 999, 1999)] == [workers] * 3 and file.votes("other") == []
        return size

    assert held(50) < 1.05 * held(5) < 2_000 * 300


def test_json_keys_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("cp_paraling_qa.corpora.msp_votes._BLOCK", 700)  # a block ends within keys, within the space behind them, within values
    entries = {f"MSP-PODCAST_{n:04d}.wav": {"EmoClass": "N" * (n % 40), "SpkrID": str(n)} for n in range(300)}
    (tmp_path / "labels_consensus.json").write_text(json.dumps(entries, indent=2, separators=(",", "   :    ")))
    values = JsonByName(tmp_path / "labels_consensus.json")
    assert [values.value(name.removesuffix(".wav")) for name in entries] == list(entries.values())
    (tmp_path / "cut.json").write_text(json.dumps(entries)[:-30])
    with pytest.raises(CorpusError, match="MSP-PODCAST_0299"):
        JsonByName(tmp_path / "cut.json").value("MSP-PODCAST_0299")


def test_an_open_quote_swallows_no_more_than_its_row(tmp_path):
    rows = [f"c{n}.wav,WORKER{n},Neutral,,4,4,4" for n in range(100)]
    rows[10] = 'c10.wav,WORKER10,"Neutral,,4,4,4'
    (tmp_path / "labels_detailed.csv").write_text("FileName,Workers,EmoClass_Major,EmoClass_Second,EmoAct,EmoDom,EmoVal\n" + "\n".join(rows))
    table = DetailedTable(tmp_path / "labels_detailed.csv")
    assert len(table.starts) == 100 and table.votes("c11")[0].emotion == "Neutral" and table.votes("c99")[0].rater == "WORKER99"
