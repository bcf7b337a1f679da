"""Datasets without audio, official partitions, and what the card says about who may have what."""

import datasets
import numpy as np
import pytest
import soundfile
from conftest import voice, write_folder_corpus

from cp_paraling_qa import attach_audio, decode_audio
from cp_paraling_qa.annotate.base import annotate
from cp_paraling_qa.annotate.clips import make_clips
from cp_paraling_qa.annotate.prosody import Prosody
from cp_paraling_qa.audio import duration_of
from cp_paraling_qa.corpora.folder import Folder
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.dataset.assemble import assemble
from cp_paraling_qa.dataset.splits import SplitOptions, divide
from cp_paraling_qa.errors import AudioError, DatasetError
from cp_paraling_qa.generate.options import QuestionOptions
from cp_paraling_qa.generate.questions import make_questions


def built(tmp_path, corpora, **options):
    run = tmp_path / "run"
    make_manifest(run, corpora)
    annotate(run, {"prosody": Prosody()})
    make_clips(run)
    make_questions(run, QuestionOptions(), "none", say=lambda text: None)
    return assemble(run, **options)


def test_audio_is_left_out_and_put_back_bit_for_bit(tmp_path):
    root = write_folder_corpus(tmp_path / "corpus")
    whole = built(tmp_path, [("folder", root)], out=tmp_path / "whole")
    bare = assemble(tmp_path / "run", reference_only=True, out=tmp_path / "bare")
    assert whole["configs"] == bare["configs"] and not any("redistributed" in warning for warning in bare["warnings"])
    assert "holds no audio" in (tmp_path / "bare" / "README.md").read_text() and "holds no audio" not in (tmp_path / "whole" / "README.md").read_text()
    for config in ("baseline", "clips"):
        full, rows = (datasets.load_dataset(str(tmp_path / name), config, split="train") for name in ("whole", "bare"))
        key = "id" if config == "baseline" else "clip_id"
        assert rows[key] == full[key] and all(row["audio"]["bytes"] is None and (root / row["audio"]["path"]).is_file() for row in rows)
        assert all(row["end"] > row["start"] == 0 for row in rows)
        with pytest.raises(AudioError, match="attach_audio"):
            decode_audio(rows[0]["audio"])
        with pytest.raises(AudioError, match="attach_audio"):
            duration_of(rows[0]["audio"])
        back = attach_audio(rows, root)
        assert [row["audio"] for row in back] == [row["audio"] for row in full]
        assert attach_audio(back, tmp_path / "nowhere")[0]["audio"] == back[0]["audio"]  # what is there stays
    both = attach_audio(f"{tmp_path / 'bare'}:baseline", {"folder": root})
    assert set(both) == {"train", "test"} and both["test"][0]["audio"]["bytes"] is not None


def test_other_audio_than_the_dataset_was_built_from_is_refused_by_name(tmp_path):
    root = write_folder_corpus(tmp_path / "corpus")
    built(tmp_path, [("folder", root)], reference_only=True)
    rows = datasets.load_dataset(str(tmp_path / "run" / "dataset"), "baseline", split="test")
    with pytest.raises(DatasetError, match="no folder is given for corpus 'folder'"):
        attach_audio(rows, {"other": root})
    name = rows[0]["audio"]["path"]
    soundfile.write(root / name, voice(soundfile.info(root / name).duration, 99.0), 16_000)
    with pytest.raises(DatasetError, match=f"clip {rows[0]['clip_id']}.*other audio"):
        attach_audio(rows, root)
    (root / name).unlink()
    with pytest.raises(DatasetError, match=f"clip {rows[0]['clip_id']}.*missing"):
        attach_audio(rows, root)
    with pytest.raises(DatasetError, match="no column"):
        attach_audio(rows.remove_columns(["start"]), root)


def test_a_corpus_that_may_not_be_passed_on_is_warned_of(tmp_path, monkeypatch):
    root = write_folder_corpus(tmp_path / "corpus")
    monkeypatch.setattr(Folder, "redistributable", False)
    record = built(tmp_path, [("folder", root)])
    assert any("may not be redistributed" in warning and "--reference-only" in warning for warning in record["warnings"])
    assert "may not be redistributed" in (tmp_path / "run" / "dataset" / "README.md").read_text()


def rows_of(*clips):
    return [
        {"clip_id": f"{corpus}{number}", "corpus": corpus, "speaker_id": speaker, "dialogue_id": None, "gender": None, "split": split}
        for number, (corpus, speaker, split) in enumerate(clips)
    ]


def test_official_partitions_keep_their_names_and_shared_speakers_are_told():
    division = divide(rows_of(("a", "s", "train"), ("a", "t", "validation"), ("a", "s", "test1"), ("a", "u", "test2")), SplitOptions())
    assert sorted(division.split.values()) == ["test1", "test2", "train", "validation"] and division.shared_speakers == ["a/s"]
    disjoint = divide(rows_of(("a", "s", "train"), ("a", "t", "train"), ("a", "s", "test1"), ("a", "u", "test2")), SplitOptions(by="speaker"))
    assert disjoint.shared_speakers == [] and set(disjoint.split.values()) == {"train", "test"}


def test_an_evaluation_set_is_never_trained_on():
    division = divide(rows_of(("eval", None, "test"), ("eval", None, "test"), ("mine", "s", None), ("mine", "t", None)), SplitOptions())
    assert {division.split[name] for name in ("eval0", "eval1")} == {"test"} and set(division.split.values()) == {"train", "test"}
    alone = divide(rows_of(("eval", None, "test"), ("eval", None, "test")), SplitOptions())
    assert set(alone.split.values()) == {"test"}


def test_a_corpus_of_train_alone_is_divided_unless_a_test_set_comes_from_elsewhere():
    alone = divide(rows_of(("a", "s", "train"), ("a", "t", "train")), SplitOptions())
    assert set(alone.split.values()) == {"train", "test"}
    held = divide(rows_of(("a", "s", "train"), ("a", "t", "validation")), SplitOptions())
    assert held.split == {"a0": "train", "a1": "validation"} and held.official == ["a"]  # what its makers held out is not trained on
    beside = divide(rows_of(("a", "s", "train"), ("a", "t", "train"), ("b", "u", "test")), SplitOptions())
    assert [beside.split[f"a{n}"] for n in (0, 1)] == ["train", "train"]


def test_a_dataset_of_a_test_set_alone_can_be_built(tmp_path):
    root = write_folder_corpus(tmp_path / "corpus", split="test")
    record = built(tmp_path, [("folder", root)])
    assert set(record["configs"]["baseline"]) == {"test"}
    assert datasets.load_dataset(str(tmp_path / "run" / "dataset"), "baseline", split="test").num_rows > 0


def test_several_test_sets_reach_the_dataset(tmp_path):
    root = write_folder_corpus(tmp_path / "corpus")
    lines = (root / "metadata.jsonl").read_text().splitlines()
    names = ["train", "train", "test1", "test2"]
    lines = [line[:-1] + f', "split": "{names[number // 3]}"}}' for number, line in enumerate(lines)]
    (root / "metadata.jsonl").write_text("\n".join(lines))
    record = built(tmp_path, [("folder", root)])
    assert list(record["configs"]["baseline"]) == ["train", "test1", "test2"]
    assert np.sum(list(datasets.load_dataset(str(tmp_path / "run" / "dataset"), "clips").num_rows.values())) == 12
