"""LibriSpeech in its official layout."""

import shutil

import pytest
import soundfile
from conftest import voice

from cp_paraling_qa.corpora import corpus_named
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.stage import Drop, read_rows

SPEAKERS = """; Some pieces of information about the speakers
;ID  |SEX| SUBSET           |MINUTES| NAME
14   | F | train-clean-360  | 25.03 | Kristin LeMoine
84   | F | dev-clean        |  8.02 | Christie Nowak
60   | M | train-clean-100  | 20.18 | |CBW|Simon
1089 | M | test-clean       |  8.00 | Peter Bobbe
367  | F | test-other       |  8.00 | Kathrin
"""
# part, speaker, chapter → partition and gender, by the rule in the module and the table above
CHAPTERS = {
    ("train-clean-100", "60", "121082"): ("train", "male"),
    ("train-other-500", "20", "205"): ("train", None),
    ("dev-clean", "84", "121123"): ("validation", "female"),
    ("test-clean", "1089", "134686"): ("test1", "male"),
    ("test-other", "367", "130732"): ("test2", "female"),
}


@pytest.fixture
def librispeech(tmp_path):
    root = tmp_path / "corpora" / "LibriSpeech"
    for place, (part, speaker, chapter) in enumerate(CHAPTERS):
        folder = root / part / speaker / chapter
        folder.mkdir(parents=True)
        lines = []
        for number in range(2):
            name = f"{speaker}-{chapter}-{number:04d}"
            soundfile.write(folder / f"{name}.flac", voice(0.5, 90 + 10 * place + 45 * number), 16_000)
            lines.append(f"{name} LINE {number} OF {chapter} ISN'T LONG")
        (folder / f"{speaker}-{chapter}.trans.txt").write_text("\n".join(lines) + "\n")
    (root / "SPEAKERS.TXT").write_text(SPEAKERS)
    return root


@pytest.mark.parametrize("up", [False, True])
def test_the_folder_or_its_parent(tmp_path, librispeech, up):
    record = make_manifest(tmp_path / "run", [("librispeech", librispeech.parent if up else librispeech)])
    rows = list(read_rows(tmp_path / "run" / "manifest"))
    assert record["dropped"] == {} and len(rows) == 2 * len(CHAPTERS)
    for row in rows:
        part, speaker, chapter, name = row["audio_path"].split("/")[-4:]
        assert (row["split"], row["gender"]) == CHAPTERS[part, speaker, chapter]
        assert (row["speaker_id"], row["dialogue_id"], row["language"], row["license"]) == (speaker, chapter, "en", "cc-by-4.0")
        assert row["transcript"] == f"LINE {int(name[-9:-5])} OF {chapter} ISN'T LONG" and row["opinions"] == []


def test_one_part_alone(librispeech):
    rows = list(corpus_named("librispeech").records(librispeech / "dev-clean"))
    assert {(row["split"], row["gender"], row["speaker_id"]) for row in rows} == {("validation", "female", "84")}


def test_without_the_table_of_speakers_gender_is_unknown(librispeech):
    (librispeech / "SPEAKERS.TXT").unlink()
    assert {row["gender"] for row in corpus_named("librispeech").records(librispeech)} == {None}


def test_missing_lines_and_files_are_drops(librispeech):
    chapter = librispeech / "dev-clean" / "84" / "121123"
    (chapter / "84-121123-0000.flac").unlink()
    shutil.copy(chapter / "84-121123-0001.flac", chapter / "84-121123-0007.flac")
    (chapter / "._84-121123-0001.flac").write_bytes(b"junk")
    with open(chapter / "84-121123.trans.txt", "a") as table:
        table.write("84-121123-0008\n\n84-121123-0001 AGAIN\n")
    (librispeech / "test-clean" / "1089" / "134686" / "1089-134686.trans.txt").unlink()
    items = list(corpus_named("librispeech").records(librispeech))
    drops = {item.item.removeprefix("dev-clean/84/121123/"): item.reason for item in items if isinstance(item, Drop)}
    assert drops == {
        "84-121123.trans.txt line 1": "transcript line without a file",
        "84-121123.trans.txt line 3": "line without a transcript",
        "84-121123.trans.txt line 5": "duplicate transcript line",
        "84-121123-0007.flac": "file without a transcript line",
        "test-clean/1089/134686/1089-134686-0000.flac": "file without a transcript line",
        "test-clean/1089/134686/1089-134686-0001.flac": "file without a transcript line",
    }
    assert sum(isinstance(item, dict) for item in items) == 2 * len(CHAPTERS) - 3


def test_parts_behind_links_and_links_that_lead_back(tmp_path, librispeech):
    (tmp_path / "disk2").mkdir()
    shutil.move(librispeech / "dev-clean", tmp_path / "disk2" / "moved")
    (librispeech / "dev-clean").symlink_to(tmp_path / "disk2" / "moved")
    (librispeech / "dev-clean" / "back").symlink_to(librispeech)
    rows = list(corpus_named("librispeech").records(librispeech))
    assert len(rows) == 2 * len(CHAPTERS) and sum(row["split"] == "validation" for row in rows) == 2


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(CorpusError, match=r"trans\.txt"):
        list(corpus_named("librispeech").records(tmp_path))


@pytest.mark.parametrize(
    "root", [".", "corpora", "corpora/LibriSpeech/dev-clean", "corpora/LibriSpeech/dev-clean/84", "corpora/LibriSpeech/dev-clean/84/121123"]
)
def test_the_speakers_table_is_found_from_every_level(tmp_path, librispeech, root):
    rows = [row for row in corpus_named("librispeech").records(tmp_path / root) if isinstance(row, dict)]
    assert {(row["split"], row["gender"]) for row in rows if row["speaker_id"] == "84"} == {("validation", "female")}
