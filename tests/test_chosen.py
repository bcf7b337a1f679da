"""Which annotators a run has: they join, one by one, and what was heard stays."""

import json
import shutil
from pathlib import Path

import pytest
from checkpoint_fixtures import classifier, rewrite, save
from conftest import write_folder_corpus

from cp_paraling_qa.annotate import KINDS, AnnotatorOptions, annotator
from cp_paraling_qa.annotate.base import annotate
from cp_paraling_qa.annotate.chosen import choices_of, choose
from cp_paraling_qa.building import annotate as build_annotations
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.errors import RecipeError, StageError
from cp_paraling_qa.progress import Screen
from cp_paraling_qa.recipe import Recipe


@pytest.mark.parametrize("spec", ["loudness", "prosody=large", "emotion=", ""])
def test_what_is_not_there_is_named_with_what_is(spec):
    with pytest.raises(RecipeError, match="annotator"):
        annotator(spec)


@pytest.mark.parametrize("kind", ["prosody", "asr", "speech", "egemaps", "speakers", "emotion"])
def test_every_kind_can_be_made_before_anything_is_loaded(kind):
    """Models from the Hub need their revision, so `affect` and `speaker` are tried in their own tests."""
    made = annotator(kind)
    assert made.name.startswith(kind) and json.dumps(made.config) and kind in KINDS


def test_options_are_checked():
    with pytest.raises(RecipeError, match="dtype"):
        AnnotatorOptions(dtype="int3")
    with pytest.raises(RecipeError, match="hop"):
        AnnotatorOptions(window=2, hop=3)


def test_one_that_joins_later_runs_alone_and_one_leaves_when_told(tmp_path):
    make_manifest(tmp_path, [("folder", write_folder_corpus(tmp_path / "corpus", speakers=1))])
    annotate(tmp_path, choose(tmp_path, ["prosody"], AnnotatorOptions()))
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "annotations").glob("*.parquet")}
    chosen = choose(tmp_path, ["asr"], AnnotatorOptions(device="cpu"))
    assert list(chosen) == ["prosody", "asr"]
    record = annotate(tmp_path, chosen)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "annotations").glob("*.parquet")}
    assert before.items() <= after.items() and len(after) == 2 and list(record["config"]["annotators"]) == ["prosody", "asr"]
    assert list(choose(tmp_path, ["prosody"], AnnotatorOptions())) == ["prosody", "asr"]  # once is enough
    with pytest.raises(RecipeError, match="leave out"):
        choose(tmp_path, [], AnnotatorOptions(), without=["egemaps"])
    assert list(choose(tmp_path, [], AnnotatorOptions(), without=["prosody"])) == ["asr"]
    assert [choice.spec for choice in choices_of(tmp_path)] == ["asr"]


def test_a_damaged_list_says_what_to_do(tmp_path):
    (tmp_path / "annotators.json").write_text("[{")
    with pytest.raises(StageError, match="delete it"):
        choices_of(tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(*classifier("wavlm:layer"), tmp_path_factory.mktemp("models") / "tiny")


def specs(run):
    return [choice.spec for choice in choices_of(run)]


def listen(run, *annotators, **options):
    return build_annotations(Recipe.load({"run": run, "annotate": {"annotators": list(annotators)} | options}), Screen())


def snapshot(run):
    return {path.relative_to(run): (path.read_bytes(), path.stat().st_mtime_ns) for path in run.rglob("*") if path.is_file()}


def test_one_that_fails_has_never_joined(tmp_path, model):
    """Weights turn out not to fit when they are loaded: that is after the annotator was chosen."""
    broken = shutil.copytree(model, tmp_path / "broken")
    rewrite(broken, lambda weights: {name: weight for name, weight in weights.items() if name != "classifier.weight"})
    run = tmp_path / "run"
    make_manifest(run, [("folder", write_folder_corpus(tmp_path / "corpus", speakers=1))])
    for first in (f"emotion={broken}", "nosuch"):
        with pytest.raises(RecipeError):
            listen(run, first)
        assert not (run / "annotators.json").exists() and not (run / "annotations").exists()
    listen(run, "prosody")
    before = {name: content for name, (content, _) in snapshot(run).items()}
    with pytest.raises(RecipeError, match="1 missing"):
        listen(run, f"emotion={broken}")
    assert {name: content for name, (content, _) in snapshot(run).items()} == before
    # what was heard before the other one failed stays, and so does who heard it
    with pytest.raises(RecipeError, match="1 missing"):
        listen(run, f"emotion={model}", f"emotion={broken}")
    assert specs(run) == ["prosody", f"emotion={model}"]
    (heard,) = (run / "annotations").glob("emotion-tiny-*.parquet")
    made = heard.stat().st_mtime_ns
    listen(run)
    assert heard.stat().st_mtime_ns == made
    # options under which it cannot work are taken back, too
    with pytest.raises(RecipeError, match="device"):
        listen(run, f"emotion={model}", dtype="bfloat16", device="nonsense")
    assert choices_of(run)[1].options.dtype == "float32"
    assert listen(run)["rows_out"] == 3 and heard.stat().st_mtime_ns == made


def test_a_folder_is_found_again_from_elsewhere_and_may_be_left_when_it_is_gone(tmp_path, model, monkeypatch):
    shutil.copytree(model, tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    choose(tmp_path, ["emotion=mine", "prosody"], AnnotatorOptions())
    monkeypatch.chdir("/")
    assert list(choose(tmp_path, [], AnnotatorOptions())) == ["emotion-mine", "prosody"] and specs(tmp_path)[0] == f"emotion={tmp_path / 'mine'}"
    (tmp_path / "mine").rename(tmp_path / "gone")
    with pytest.raises(RecipeError, match="--without emotion-mine"):
        choose(tmp_path, [], AnnotatorOptions())
    monkeypatch.chdir(tmp_path)
    assert list(choose(tmp_path, [], AnnotatorOptions(), without=["emotion=mine"])) == ["prosody"]


def test_two_folders_of_one_name_never_take_each_others_place(tmp_path, model):
    first, second = (str(shutil.copytree(model, tmp_path / name / "final")) for name in "ab")
    choose(tmp_path, [f"emotion={first}"], AnnotatorOptions())
    with pytest.raises(RecipeError, match="would both be the annotator emotion-final"):
        choose(tmp_path, [f"emotion={second}"], AnnotatorOptions())
    assert specs(tmp_path) == [f"emotion={first}"]
    assert list(choose(tmp_path, [f"emotion={second}"], AnnotatorOptions(), without=["emotion"])) == ["emotion-final"] and specs(tmp_path) == [
        f"emotion={second}"
    ]


def test_a_hub_model_keeps_its_commit_until_another_is_asked_for(tmp_path, model, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--someone--emotions"
    old, new = "0a" * 20, "1b" * 20
    shutil.copytree(model, repository / "snapshots" / old)
    assert choose(tmp_path, ["emotion=someone/emotions"], AnnotatorOptions())["emotion-someone-emotions"].config["revision"] == old  # the only one there
    shutil.copytree(model, repository / "snapshots" / new)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(new)
    choose(tmp_path, ["emotion=someone/emotions"], AnnotatorOptions())
    assert specs(tmp_path) == [f"emotion=someone/emotions@{old}"]
    choose(tmp_path, ["emotion=someone/emotions@main"], AnnotatorOptions())
    assert specs(tmp_path) == [f"emotion=someone/emotions@{new}"]
    assert choose(tmp_path, [], AnnotatorOptions(), without=["emotion=someone/emotions"]) == {}


def test_options_alone_change_those_that_are_there(tmp_path, model):
    choose(tmp_path, [f"emotion={model}"], AnnotatorOptions(window=3.0, hop=1.0))
    made = choose(tmp_path, [], AnnotatorOptions(), changes={"hop": 1.5})["emotion-tiny"]
    assert (made.config["window"], made.config["hop"]) == (3.0, 1.5)
    choose(tmp_path, [], AnnotatorOptions(), changes={"whisperx_python": "venv/bin/python"})
    assert choices_of(tmp_path)[0].options.whisperx_python == str(Path.cwd() / "venv/bin/python")


def test_the_command_without_annotators_goes_on_with_those_that_are_there(tmp_path, model):
    from typer.testing import CliRunner

    from cp_paraling_qa.cli import app

    run = tmp_path / "run"
    make_manifest(run, [("folder", write_folder_corpus(tmp_path / "corpus", speakers=1))])
    for words in ([f"--with=emotion={model}", "--window=3"], [], ["--hop=1"]):
        assert CliRunner().invoke(app, ["annotate", str(run), *words]).exit_code == 0
    (only,) = choices_of(run)
    assert (only.spec, only.options.window, only.options.hop) == (f"emotion={model}", 3.0, 1.0)


def test_a_folder_is_known_by_what_lies_in_the_middle_of_its_weights(tmp_path):
    from cp_paraling_qa.annotate.pinning import folder_digest

    weights = bytearray(3_000_000)
    (tmp_path / "model.bin").write_bytes(weights)
    before = folder_digest(tmp_path)
    weights[1_500_000] = 1
    (tmp_path / "model.bin").write_bytes(weights)
    assert folder_digest(tmp_path) != before and len(before) == 16


def test_a_model_is_emotion2vec_by_its_files_and_not_by_the_folder_around_it(tmp_path, model):
    place = shutil.copytree(model, tmp_path / "emotion2vec-rivals" / "tiny")
    assert annotator(f"emotion={place}").config["labels"]


def test_without_annotators_every_clip_passes_and_is_counted(tmp_path):
    from cp_paraling_qa.annotate.clips import make_clips

    make_manifest(tmp_path, [("folder", write_folder_corpus(tmp_path / "corpus", speakers=1))])
    annotate(tmp_path, {})
    record = make_clips(tmp_path)
    assert (record["rows_in"], record["rows_out"]) == (3, 3)
