"""Corpora to manifest: the official layouts, and everything that can be wrong with a folder."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from conftest import voice, write_folder_corpus

from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.schema import CLIP_SCHEMA
from cp_paraling_qa.stage import read_record, read_rows


def manifest(run, *corpora, **options):
    record = make_manifest(run, [(name, Path(root)) for name, root in corpora], **options)
    return record, list(read_rows(run / "manifest"))


def emotions(row):
    return [o["value"] for o in row["opinions"] if o["field"] == "emotion"]


def test_ravdess_rows(tmp_path, ravdess_corpus):
    record, rows = manifest(tmp_path / "run", ("ravdess", ravdess_corpus))
    assert record["dropped"] == {} and len(rows) == 8
    row = next(r for r in rows if r["audio_path"] == "Actor_02/03-01-05-02-02-01-02.wav")
    assert list(row) == CLIP_SCHEMA.names
    assert (row["speaker_id"], row["gender"], row["sampling_rate"], row["transcript"]) == ("Actor_02", "female", 48_000, "Dogs are sitting by the door.")
    assert row["duration"] == pytest.approx(0.7) and (row["start"], row["end"]) == (0.0, row["duration"])
    assert emotions(row) == ["angry"]
    assert [(o["field"], o["value"], o["source"], o["rater"]) for o in row["opinions"]] == [
        ("emotion", "angry", "human", "actor"),
        ("intensity", "strong", "human", "actor"),
    ]
    assert next(r for r in rows if "Actor_01" in r["audio_path"])["gender"] == "male"
    assert len({r["clip_id"] for r in rows}) == 8


def test_what_is_wrong_in_a_ravdess_folder_is_counted_and_named(tmp_path, ravdess_corpus):
    actor = ravdess_corpus / "Actor_01"
    good = actor / "03-01-05-01-02-01-01.wav"
    shutil.copy(good, actor / "03-01-09-01-02-01-01.wav")  # no ninth emotion
    shutil.copy(good, actor / "03-02-05-01-02-01-01.wav")  # song
    shutil.copy(good, actor / "notes.wav")
    shutil.copy(good, actor / "03-01-05-01-02-02-01.wav")  # another name, the same samples
    (actor / "._03-01-05-01-02-01-01.wav").write_bytes(b"junk of a file manager")
    (ravdess_corpus / "backup").mkdir()
    shutil.copy(good, ravdess_corpus / "backup")  # the same name twice
    (actor / "03-01-03-01-01-01-01.wav").write_bytes(good.read_bytes()[:5000])
    record, rows = manifest(tmp_path / "run", ("ravdess", ravdess_corpus))
    assert len(rows) == 8
    assert record["dropped"] == {
        "unknown emotion code": 1,
        "song, not speech": 1,
        "not a RAVDESS file name": 1,
        "duplicate audio": 1,
        "duplicate file name": 1,
        "truncated or damaged": 1,
    }
    named = {drop["reason"]: drop for drop in record["dropped_items"]}
    assert named["unknown emotion code"]["item"] == "ravdess/Actor_01/03-01-09-01-02-01-01.wav"
    assert "09" in named["unknown emotion code"]["detail"]
    assert "Actor_01/03-01-05-01-02-01-01.wav" in named["duplicate audio"]["detail"]


@pytest.mark.parametrize("name", ["ravdess", "folder"])
def test_missing_and_empty_folders_say_what_was_expected(tmp_path, name):
    with pytest.raises(CorpusError, match="does not exist"):
        manifest(tmp_path / "run", (name, tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=r"Actor_|metadata\.csv"):
        manifest(tmp_path / "run", (name, tmp_path / "empty"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(CorpusError, match="is a file"):
        manifest(tmp_path / "run", (name, tmp_path / "file"))


def test_a_corpus_without_one_usable_clip_is_an_error(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "metadata.csv").write_text("file_name,emotion\nghost.wav,sad\n")
    with pytest.raises(CorpusError, match="no usable clip.*1 × metadata row without a file"):
        manifest(tmp_path / "run", ("folder", tmp_path / "c"))


def test_a_corpus_whose_clips_are_all_too_long_says_how_to_cut_them(tmp_path):
    soundfile.write(tmp_path / "talk.wav", voice(31.0, 120), 16_000)
    (tmp_path / "metadata.csv").write_text("file_name,emotion\ntalk.wav,sad\n")
    with pytest.raises(CorpusError, match=r"1 × longer than 30 s. E.g. folder/talk.wav: 31.0000 s; .*--clip-seconds 10-30"):
        make_manifest(tmp_path / "run", [("folder", tmp_path)])


def test_folder_columns_and_short_forms_of_opinions(tmp_path, folder_corpus):
    _, rows = manifest(tmp_path / "run", ("folder", folder_corpus))
    row = next(r for r in rows if r["audio_path"] == "s1_sad.wav")
    assert (row["speaker_id"], row["gender"], row["language"], row["license"]) == ("s1", "male", "en", "cc0-1.0")
    assert {(o["field"], o["value"], o["score"], o["source"]) for o in row["opinions"]} == {
        ("emotion", "sad", None, "human"),
        ("arousal", None, 0.2, "human"),
        ("valence", None, 0.1, "human"),
    }


def test_a_csv_in_sub_folders_named_after_splits(tmp_path):
    for split, speaker in (("train", "a"), ("test", "b")):
        folder = tmp_path / "c" / split
        folder.mkdir(parents=True)
        soundfile.write(folder / "1.wav", voice(0.5, 100 + ord(speaker)), 16_000)
        (folder / "metadata.csv").write_text(
            f'file_name,speaker_id,emotion,transcript,valence,age\n1.wav,{speaker},Joy,"Well, yes",0.75,31\n', encoding="utf-8-sig"
        )
    _, rows = manifest(tmp_path / "run", ("folder", tmp_path / "c"))
    assert {(r["audio_path"], r["split"], r["speaker_id"]) for r in rows} == {("train/1.wav", "train", "a"), ("test/1.wav", "test", "b")}
    assert emotions(rows[0]) == ["joy"] and rows[0]["transcript"] == "Well, yes" and rows[0]["age"] == 31


def test_rows_without_files_files_without_rows_and_bad_cells_are_counted(tmp_path, folder_corpus):
    soundfile.write(folder_corpus / "orphan.wav", voice(0.5, 99), 16_000)
    extra = [
        {"file_name": "ghost.wav"},
        {"speaker_id": "s9"},
        {"file_name": "s0_sad.wav"},
        {"file_name": "../../etc/passwd"},
    ]
    bad = {
        "x1.wav": {"emotion": "hapy"},
        "x2.wav": {"valence": 3.5},
        "x3.wav": {"arousal": "high"},
        "x4.wav": {"gender": "robot"},
        "x5.wav": {"split": "holdout"},
        "x6.wav": {"opinions": "{"},
    }
    for number, (name, cells) in enumerate(bad.items()):
        soundfile.write(folder_corpus / name, voice(0.4, 90 + number), 16_000)
        extra.append({"file_name": name, **cells})
    with open(folder_corpus / "metadata.jsonl", "a") as file:
        file.writelines(json.dumps(row) + "\n" for row in extra)
    record, rows = manifest(tmp_path / "run", ("folder", folder_corpus))
    assert len(rows) == 12
    assert record["dropped"] == {
        "metadata row without a file": 1,
        "metadata row without file_name": 1,
        "duplicate file_name": 1,
        "file_name leaves the corpus folder": 1,
        "file without a metadata row": 1,
        "unknown emotion": 1,
        "valence is outside 0–1": 1,
        "arousal is not a number": 1,
        "unknown gender": 1,
        "unknown split": 1,
        "opinions is not JSON": 1,
    }
    assert any("'hapy'" in drop["detail"] and drop["item"].endswith("x1.wav") for drop in record["dropped_items"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metadata.csv", "file_name,transcript\na.wav,Größe\n".encode("latin-1"), "not UTF-8.*byte .*iconv"),
        ("metadata.csv", b"name,emotion\na.wav,sad\n", "no column file_name.*name, emotion"),
        ("metadata.jsonl", b'{"file_name": "a.wav"}\n{"file_name": \n', "line 2 is not JSON"),
        ("metadata.jsonl", b'["a.wav"]\n', "line 1 is not a JSON object"),
    ],
)
def test_metadata_that_cannot_be_read_names_the_file_and_the_place(tmp_path, name, content, message):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / name).write_bytes(content)
    with pytest.raises(CorpusError, match=message) as caught:
        manifest(tmp_path / "run", ("folder", tmp_path / "c"))
    assert name in str(caught.value)


def test_null_transcripts_and_numbers_stay_null(tmp_path):
    (tmp_path / "c").mkdir()
    soundfile.write(tmp_path / "c" / "a.wav", voice(0.5, 120), 16_000)
    (tmp_path / "c" / "metadata.jsonl").write_text('{"file_name": "a.wav", "transcript": null, "age": NaN, "valence": NaN, "speaker_id": null}\n')
    _, rows = manifest(tmp_path / "run", ("folder", tmp_path / "c"))
    assert (rows[0]["transcript"], rows[0]["age"], rows[0]["speaker_id"], rows[0]["opinions"]) == (None, None, None, [])


def test_bad_audio_and_lengths_are_counted_drops(tmp_path, folder_corpus):
    files = {"short.wav": voice(0.05, 150), "long.wav": np.tile(voice(1.0, 151), 31), "silent.wav": np.zeros(16_000)}
    for name, samples in files.items():
        soundfile.write(folder_corpus / name, samples, 16_000)
    (folder_corpus / "zero.wav").write_bytes(b"")
    with open(folder_corpus / "metadata.jsonl", "a") as file:
        file.writelines(json.dumps({"file_name": name, "emotion": "sad"}) + "\n" for name in [*files, "zero.wav"])
    record, rows = manifest(tmp_path / "run", ("folder", folder_corpus))
    assert len(rows) == 12
    assert record["dropped"] == {"shorter than 0.1 s": 1, "longer than 30 s": 1, "digital silence": 1, "file is empty": 1}
    assert "--max-seconds" in next(d["detail"] for d in record["dropped_items"] if d["reason"] == "longer than 30 s")


def test_a_second_corpus_joins_and_the_first_is_not_read_again(tmp_path, ravdess_corpus, folder_corpus):
    manifest(tmp_path / "run", ("ravdess", ravdess_corpus))
    before = (tmp_path / "run/manifest/ravdess-00000.parquet").stat().st_mtime_ns
    record, rows = manifest(tmp_path / "run", ("folder", folder_corpus))
    assert {r["corpus"] for r in rows} == {"ravdess", "folder"} and len(rows) == 20
    assert (tmp_path / "run/manifest/ravdess-00000.parquet").stat().st_mtime_ns == before
    assert set(record["config"]["corpora"]) == {"ravdess", "folder"}


def test_a_file_that_was_replaced_is_read_again(tmp_path, folder_corpus):
    _, before = manifest(tmp_path / "run", ("folder", folder_corpus))
    soundfile.write(folder_corpus / "s0_sad.wav", voice(1.3, 123, seed=9), 16_000)
    _, after = manifest(tmp_path / "run", ("folder", folder_corpus))
    changed = [(a["clip_id"], b["clip_id"]) for a, b in zip(before, after, strict=True) if a["clip_id"] != b["clip_id"]]
    assert len(changed) == 1 and next(r for r in after if r["audio_path"] == "s0_sad.wav")["duration"] == pytest.approx(1.3)


def test_workers_read_the_same_rows_in_the_same_order(tmp_path):
    root = write_folder_corpus(tmp_path / "c", speakers=30)
    _, here = manifest(tmp_path / "a", ("folder", root))
    _, there = manifest(tmp_path / "b", ("folder", root), workers=2)
    assert here == there and len(here) == 90
    assert len(list((tmp_path / "a" / "manifest").glob("*.parquet"))) == 2
    assert pq.read_schema(next((tmp_path / "a" / "manifest").glob("*.parquet"))).names == CLIP_SCHEMA.names
    assert read_record(tmp_path / "a" / "manifest")["key"] == read_record(tmp_path / "b" / "manifest")["key"]


def test_two_folders_of_one_kind_are_two_corpora(tmp_path):
    roots = [write_folder_corpus(tmp_path / name, speakers=2 + number) for number, name in enumerate(("one", "two"))]
    for path in sorted(roots[1].glob("*.wav")):  # other samples than the first folder's
        soundfile.write(path, voice(0.6, 97, seed=len(path.name) + ord(path.name[1]) + ord(path.name[3])), 16_000)
    record, rows = manifest(tmp_path / "run", ("folder", roots[0]), ("folder", roots[1]))
    assert {row["corpus"] for row in rows} == {"folder", "folder-two"} and record["config"]["corpora"]["folder-two"] == str(roots[1])
    again, _ = manifest(tmp_path / "run", ("folder", roots[1]))  # the same folder again is the same corpus
    assert again["key"] == record["key"]


def test_a_corpus_that_moved_is_read_from_its_new_place(tmp_path, folder_corpus):
    manifest(tmp_path / "run", ("folder", folder_corpus))
    folder_corpus.rename(tmp_path / "moved")
    record, rows = manifest(tmp_path / "run", ("folder", tmp_path / "moved"))
    assert record["config"]["corpora"] == {"folder": str(tmp_path / "moved")} and len(rows) == 12


def test_a_killed_or_failed_second_corpus_does_not_lose_the_first(tmp_path, ravdess_corpus, folder_corpus, monkeypatch):
    run = tmp_path / "run"
    manifest(run, ("ravdess", ravdess_corpus))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "metadata.csv").write_text("file_name\na.wav\n")
    (tmp_path / "bad" / "a.wav").write_bytes(b"")
    before = read_record(run / "manifest")
    with pytest.raises(CorpusError, match="no usable clip"):
        manifest(run, ("folder", tmp_path / "bad"))
    assert read_record(run / "manifest") == before is not None  # the next stage goes on with what the run had

    from cp_paraling_qa.corpora import manifest as module

    def killed(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "finish", killed)
        manifest(run, ("folder", folder_corpus))
    record, rows = manifest(run, ("folder", folder_corpus))
    assert set(record["config"]["corpora"]) == {"ravdess", "folder"} and len(rows) == 20


def written(tmp_path, name, content, files=("a.wav",)):
    (tmp_path / "c").mkdir()
    for number, file in enumerate(files):
        soundfile.write(tmp_path / "c" / file, voice(0.5, 120 + 9 * number), 16_000)
    (tmp_path / "c" / name).write_text(content, encoding="utf-8")
    return tmp_path / "c"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"opinions": [{"field": "emotion", "value": 3}]}, "unknown emotion"),
        ({"opinions": [{"field": "valence", "score": "high"}]}, "score is not a number"),
        ({"opinions": [{"field": "valence", "score": 2}]}, "valence score is outside 0–1"),
        ({"opinions": [{"value": "sad"}]}, "an opinion without a field"),
        ({"opinions": [{"field": "emotion", "value": "sad", "source": "alien"}]}, "opinion source 'alien' is not one of human, model, maker, self"),
        ({"opinions": [{"field": "emotion", "mood": "sad"}]}, "an opinion has no such entry"),
        ({"opinions": ["sad"]}, "opinions is not a list of objects"),
        ({"words": [{"start": 0.1}]}, "an entry of words has no word"),
        ({"words": [{"word": "a", "end": "late"}]}, "end is not a number"),
    ],
)
def test_a_bad_nested_cell_costs_its_row_alone(tmp_path, row, reason):
    rows = [{"file_name": "a.wav", **row}, {"file_name": "b.wav"}]
    root = written(tmp_path, "metadata.jsonl", "".join(json.dumps(row) + "\n" for row in rows), ("a.wav", "b.wav"))
    record, kept = manifest(tmp_path / "run", ("folder", root))
    assert record["dropped"] == {reason: 1} and [r["audio_path"] for r in kept] == ["b.wav"]


def test_nested_cells_are_brought_to_their_kind(tmp_path):
    words = [{"word": "well", "start": float("nan"), "end": "0.4", "probability": None}]
    opinions = [{"field": "arousal", "score": "0.5", "rater": 5, "source": "model", "revision": 2.0}]
    root = written(tmp_path, "metadata.jsonl", json.dumps({"file_name": "a.wav", "words": words, "opinions": opinions}) + "\n")
    _, rows = manifest(tmp_path / "run", ("folder", root))
    assert rows[0]["words"] == [{"word": "well", "start": None, "end": 0.4, "probability": None, "emotion": None, "gender": None}]
    assert [(o["score"], o["rater"], o["revision"]) for o in rows[0]["opinions"]] == [(0.5, "5", "2")]


def test_what_tables_write_for_missing_is_missing_and_whole_numbers_are_ids(tmp_path):
    root = written(tmp_path, "metadata.csv", "file_name, speaker_id, emotion, gender\na.wav, NaN, null, None\nb.wav, 7.5, sad, female\n", ("a.wav", "b.wav"))
    _, rows = manifest(tmp_path / "run", ("folder", root))
    assert [(r["speaker_id"], r["gender"], emotions(r)) for r in rows] == [(None, None, []), ("7.5", "female", ["sad"])]
    (tmp_path / "d").mkdir()
    soundfile.write(tmp_path / "d" / "a.wav", voice(0.5, 99), 16_000)
    (tmp_path / "d" / "metadata.jsonl").write_text('{"file_name": "a.wav", "speaker_id": 7.0, "transcript": "None"}\n')
    _, rows = manifest(tmp_path / "other", ("folder", tmp_path / "d"))
    assert (rows[0]["speaker_id"], rows[0]["transcript"]) == ("7", "None")


def test_other_line_separators_may_stand_in_a_text(tmp_path):
    text = "well\u2028yes\x85no"
    root = written(tmp_path, "metadata.jsonl", json.dumps({"file_name": "a.wav", "transcript": text}, ensure_ascii=False) + "\n")
    _, rows = manifest(tmp_path / "run", ("folder", root))
    assert rows[0]["transcript"] == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('file_name,transcript\na.wav,"not closed\nb.wav,x\n', "is no CSV.*quote that is not closed"),
        ("file_name,emotion,emotion\na.wav,sad,sad\n", "two columns called emotion"),
        ("file_name;emotion\na.wav;sad\n", "separated by commas"),
    ],
)
def test_a_table_that_would_be_misread_is_refused(tmp_path, content, message):
    with pytest.raises(CorpusError, match=message):
        manifest(tmp_path / "run", ("folder", written(tmp_path, "metadata.csv", content)))


def test_a_comma_without_quotes_costs_its_row(tmp_path):
    root = written(tmp_path, "metadata.csv", "file_name,transcript\na.wav,hello, world\nb.wav,fine\n", ("a.wav", "b.wav"))
    record, rows = manifest(tmp_path / "run", ("folder", root))
    assert len(rows) == 1 and record["dropped"] == {"more cells than columns": 1, "file without a metadata row": 1}


def test_linked_folders_are_read_and_links_that_lead_nowhere_are_counted(tmp_path, ravdess_corpus):
    (tmp_path / "put together").mkdir()
    (tmp_path / "put together" / "Actor_01").symlink_to(ravdess_corpus / "Actor_01")
    (tmp_path / "put together" / "round").symlink_to(tmp_path / "put together")
    (tmp_path / "put together" / "03-01-05-01-01-01-07.wav").symlink_to(tmp_path / "gone.wav")
    record, rows = manifest(tmp_path / "run", ("ravdess", tmp_path / "put together"))
    assert len(rows) == 4 and record["dropped"] == {"file is missing": 1}


def test_unknown_speakers_are_not_one_speaker(tmp_path):
    root = written(tmp_path, "metadata.csv", "file_name,speaker_id\na.wav,Unknown\nb.wav,unk\nc.wav,s1\n", ("a.wav", "b.wav", "c.wav"))
    _, rows = manifest(tmp_path / "run", ("folder", root))
    assert [row["speaker_id"] for row in rows] == [None, None, "s1"]


def test_ravdess_videos_are_read_where_their_sound_is_not_there(tmp_path, ravdess_corpus):
    from test_audio_containers import write_container

    folder = ravdess_corpus / "Actor_01"
    names = ("01-01-05-01-02-01-01", "02-01-05-01-02-01-01", "01-01-08-01-02-01-01")  # as sound there; pictures alone; nowhere else
    for number, name in enumerate(names):
        write_container(folder / f"{name}.mp4", voice(0.7, 300 + 30 * number), 48_000)
    record, rows = manifest(tmp_path / "run", ("ravdess", ravdess_corpus))
    assert record["dropped"] == {"duplicate file name": 1, "pictures without sound": 1} and len(rows) == 9
    assert [(row["audio_path"], emotions(row)) for row in rows if row["audio_path"].endswith(".mp4")] == [(f"Actor_01/{names[2]}.mp4", ["surprised"])]


def test_containers_are_tried_again_once_pyav_is_there(tmp_path, ravdess_corpus, monkeypatch):
    from test_audio_containers import write_container

    from cp_paraling_qa import audio

    write_container(ravdess_corpus / "Actor_01" / "01-01-08-01-02-01-01.mp4", voice(0.7, 300), 48_000)
    with monkeypatch.context() as patch:
        patch.setattr(audio, "find_spec", lambda name: None)
        record, rows = manifest(tmp_path / "run", ("ravdess", ravdess_corpus))
    assert record["dropped"] == {".mp4 needs PyAV": 1} and record["retry"] == 1 and len(rows) == 8
    record, rows = manifest(tmp_path / "run", ("ravdess", ravdess_corpus))
    assert record["dropped"] == {} and record["retry"] == 0 and len(rows) == 9


def test_every_emotion_that_a_reader_can_say_is_known_and_has_a_sentiment_or_is_none():
    from cp_paraling_qa.corpora import crema_d, emobox, emodb, iemocap, meld, msp_podcast, ravdess, tess
    from cp_paraling_qa.labels import ALIASES, INVENTORIES, NO_EMOTION, SENTIMENT, canonical, in_one_word, known_emotion

    said = {*iemocap.WORDS.values(), *meld.EMOTIONS, *emobox._WORDS.values()}
    said |= {word for reader in (crema_d, emodb, msp_podcast, ravdess, tess) for word in reader.EMOTIONS.values()}
    said |= {label for names in INVENTORIES.values() for label in names} | set(ALIASES)
    for label in said:
        assert known_emotion(label) and (canonical(label) in SENTIMENT) != (canonical(label) in NO_EMOTION), label
        assert " " not in in_one_word(label), label


def test_file_names_of_another_alphabet_are_counted_and_named(tmp_path):
    root = tmp_path / "TESS"
    root.mkdir()
    for number, name in enumerate((b"OAF_bar_sad.wav", b"OAF_caf\xe9_sad.wav")):
        soundfile.write(tmp_path / "a.wav", voice(0.5, 120 + 30 * number), 16_000)
        os.rename(tmp_path / "a.wav", os.path.join(os.fsencode(root), name))
    record, rows = manifest(tmp_path / "run", ("tess", root))
    assert [row["audio_path"] for row in rows] == ["OAF_bar_sad.wav"]
    assert [drop["item"] for drop in record["dropped_items"]] == ["tess/OAF_caf\\xe9_sad.wav"]
    (root / "OAF_bar_sad.wav").unlink()
    box = tmp_path / "vox" / "id10001" / "video"
    box.mkdir(parents=True)
    for number, name in enumerate((b"00001.wav", b"0000\xe9.wav")):
        soundfile.write(tmp_path / "a.wav", voice(0.5, 220 + 30 * number), 16_000)
        os.rename(tmp_path / "a.wav", os.path.join(os.fsencode(box), name))
    record, rows = manifest(tmp_path / "other", ("voxceleb", tmp_path / "vox"))
    assert len(rows) == 1 and record["dropped"] == {"file name is not UTF-8": 1}


def test_half_a_character_is_a_counted_drop(tmp_path):
    text = '{"file_name": "a.wav", "transcript": "well \\ud83d"}\n{"file_name": "b.wav", "transcript": "well \\ud83d\\ude00"}\n'
    root = written(tmp_path, "metadata.jsonl", text, ("a.wav", "b.wav"))
    record, rows = manifest(tmp_path / "run", ("folder", root))
    assert record["dropped"] == {"text is not Unicode": 1} and [row["transcript"] for row in rows] == ["well 😀"]
