"""Which annotators a run has: they join, one by one, and what was heard stays."""

import json

import pytest
from conftest import write_folder_corpus

from cp_paraling_qa.annotate import KINDS, AnnotatorOptions, annotator
from cp_paraling_qa.annotate.base import annotate
from cp_paraling_qa.annotate.chosen import choices_of, choose
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.errors import RecipeError, StageError


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
