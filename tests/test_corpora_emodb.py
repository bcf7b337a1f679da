"""EmoDB in its official layout."""

import shutil

import pytest
import soundfile
from conftest import voice

from cp_paraling_qa.corpora import corpus_named
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.labels import canonical, known_emotion
from cp_paraling_qa.ledger import consensus, shares
from cp_paraling_qa.stage import Drop, read_rows

# speaker, gender, age, emotion by the published code table
CLIPS = {
    "03a01Fa": ("03", "male", 31, "happiness", "Der Lappen liegt auf dem Eisschrank."),
    "08b01Wb": ("08", "female", 34, "anger", "Was sind denn das für Tüten, die da unter dem Tisch stehen?"),
    "09a05Tc": ("09", "female", 21, "sadness", "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück."),
    "16b10Ld": ("16", "female", 31, "boredom", "Die wird auf dem Platz sein, wo wir sie immer hinlegen."),
    "15a07Ea": ("15", "male", 25, "disgust", "In sieben Stunden wird es soweit sein."),
    "14b09Ac": ("14", "female", 35, "fear", "Ich will das eben wegbringen und dann mit Karl was trinken gehen."),
    "10b02Nb": ("10", "male", 32, "neutral", "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter."),
}


@pytest.fixture
def emodb(tmp_path):
    (tmp_path / "emodb" / "wav").mkdir(parents=True)
    for number, name in enumerate(CLIPS):
        soundfile.write(tmp_path / "emodb" / "wav" / f"{name}.wav", voice(0.4, 100 + 20 * number), 16_000)
    return tmp_path / "emodb"


@pytest.mark.parametrize("below", ["", "wav"])
def test_every_code(tmp_path, emodb, below):
    record = make_manifest(tmp_path / "run", [("emodb", emodb / below)])
    rows = list(read_rows(tmp_path / "run" / "manifest"))
    assert record["dropped"] == {} and len(rows) == len(CLIPS)
    for row in rows:
        name = row["audio_path"].rsplit("/", 1)[-1].removesuffix(".wav")
        (emotion,) = row["opinions"]
        assert (row["speaker_id"], row["gender"], row["age"], emotion["value"], row["transcript"]) == CLIPS[name]
        assert (emotion["field"], emotion["source"], emotion["rater"]) == ("emotion", "human", "actor")
        assert (row["language"], row["split"], row["dialogue_id"], row["license"]) == ("de", None, None, "cc0-1.0")
        assert known_emotion(emotion["value"]) and canonical(emotion["value"]) in ("happy", "angry", "sad", "bored", "disgust", "fearful", "neutral")


@pytest.mark.parametrize(
    ("table", "text", "encoding"),
    [
        ("erkennung.txt", "Satz erkannt natürlich\n03a01Fa.wav 90,00 100\n08b01Wb.wav 85\xa0 100\nnonsense\n", "latin-1"),
        ("listener_judgements.txt", "sample\tnatural\trecognized\n03a01Fa.wav\t55,5\t90,0\n08b01Wb\t1\t85\n", "utf-8"),
    ],
)
def test_what_listeners_recognised_is_their_opinion(emodb, table, text, encoding):
    (emodb / table).write_bytes(text.encode(encoding))
    rows = {row["audio_path"]: row for row in corpus_named("emodb").records(emodb)}
    opinions = rows["wav/03a01Fa.wav"]["opinions"]
    assert [(o["rater"], o["value"], o["probability"]) for o in opinions] == [("actor", "happiness", None), ("listeners", "happiness", 0.9)]
    assert rows["wav/08b01Wb.wav"]["opinions"][1]["probability"] == 0.85
    assert len(rows["wav/09a05Tc.wav"]["opinions"]) == 1
    assert consensus(opinions, "emotion") == "happiness" and shares(opinions, "emotion") == {"happiness": 1.0}


def test_what_is_wrong_is_counted_and_named(emodb):
    good = emodb / "wav" / "03a01Fa.wav"
    for name in ("99a01Fa.wav", "03a03Fa.wav", "03a01Xa.wav", "notes.wav", "._08b01Wb.wav"):
        shutil.copy(good, emodb / "wav" / name)
    for folder in ("copy", "laryngo"):
        (emodb / folder).mkdir()
        shutil.copy(good, emodb / folder / good.name)
    items = list(corpus_named("emodb").records(emodb))
    drops = {item.item: item.reason for item in items if isinstance(item, Drop)}
    assert drops == {
        "laryngo/03a01Fa.wav": "laryngogram, not speech",
        "wav/03a01Fa.wav": "duplicate file name",
        "wav/99a01Fa.wav": "unknown speaker code",
        "wav/03a03Fa.wav": "unknown sentence code",
        "wav/03a01Xa.wav": "unknown emotion code",
        "wav/notes.wav": "not an EmoDB file name",
    }
    assert len(items) - len(drops) == len(CLIPS)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(CorpusError, match=r"03a01Fa\.wav"):
        list(corpus_named("emodb").records(tmp_path))


def test_the_listeners_table_is_found_from_a_folder_higher_up(emodb):
    (emodb / "erkennung.txt").write_text("Satz erkannt\n03a01Fa.wav 90\n")
    rows = [row for row in corpus_named("emodb").records(emodb.parent) if isinstance(row, dict)]
    assert {row["audio_path"].rsplit("/", 1)[-1]: len(row["opinions"]) for row in rows}["03a01Fa.wav"] == 2
