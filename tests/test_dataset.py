"""Clips and questions to a dataset folder, and what load_dataset makes of it."""

import re
import subprocess
import sys

import datasets
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import write_folder_corpus

from cp_paraling_qa import decode_audio
from cp_paraling_qa.building import build
from cp_paraling_qa.dataset.metadata import MetadataOptions, render
from cp_paraling_qa.dataset.splits import SplitOptions, divide
from cp_paraling_qa.errors import DatasetError, RecipeError
from cp_paraling_qa.progress import Screen
from cp_paraling_qa.schema import CLIP_SCHEMA, EXAMPLE_SCHEMA, compose, opinion

QUIET = Screen(quiet=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A run without an LLM: two corpora's worth of stages in a second or two."""
    place = tmp_path_factory.mktemp("built")
    root = write_folder_corpus(place / "corpus")
    return build({"run": place / "run", "corpora": [{"name": "folder", "root": root}], "llm": "none"}, screen=QUIET)


def load(folder, config, tmp_path, **options):
    return datasets.load_dataset(str(folder), config, cache_dir=str(tmp_path / "cache"), **options)


def test_configurations_splits_and_columns(built, tmp_path):
    assert datasets.get_dataset_config_names(str(built)) == ["baseline", "explicit", "clips"]
    for name in ("baseline", "explicit"):
        rows = load(built, name, tmp_path)
        assert set(rows) == {"train", "test"} and rows["train"].column_names == EXAMPLE_SCHEMA.names
        assert not set(rows["train"]["speaker_id"]) & set(rows["test"]["speaker_id"])
        assert rows["train"].features["audio"] == datasets.Audio(sampling_rate=16_000, decode=False)
    clips = load(built, "clips", tmp_path)
    assert clips["train"].column_names == [*CLIP_SCHEMA.names, "audio"] and sum(map(len, clips.values())) == 12


def test_audio_is_16_khz_mono_flac(built, tmp_path):
    row = load(built, "baseline", tmp_path)["train"][0]
    assert row["audio"]["bytes"][:4] == b"fLaC"
    samples, rate = decode_audio(row["audio"])
    assert rate == 16_000 and samples.ndim == 1 and 0.7 < len(samples) / rate < 1.1


def test_baseline_asks_and_explicit_tells(built, tmp_path):
    baseline = {row["id"]: row for row in load(built, "baseline", tmp_path, split="train")}
    explicit = {row["id"]: row for row in load(built, "explicit", tmp_path, split="train")}
    assert baseline.keys() == explicit.keys() and len(baseline) == 9 * 6  # emotion and gender of nine clips, each in three forms
    for name, row in explicit.items():
        assert row["metadata"].startswith("Voice: 0.0–") and f" s {row['emotion']}." in row["metadata"]
        assert "Valence: very negative" in row["metadata"] or row["emotion"] == "happy"
        assert row["prompt"] == f"{row['metadata']}\n{row['question']}"
        plain = baseline[name]
        assert plain["metadata"] is None and plain["prompt"] == plain["question"] == row["question"] and plain["answer"] == row["answer"]
    direct = [row for row in baseline.values() if row["type"] == "DE"]
    assert {row["label"] for row in direct} == {"angry", "sad", "happy"} and all(row["label"] == row["emotion"] for row in direct)


def test_streaming_processes_and_cache(built, tmp_path):
    whole = load(built, "baseline", tmp_path, split="train", num_proc=2)
    streamed = list(load(built, "baseline", tmp_path, split="train", streaming=True))
    assert [row["id"] for row in streamed] == whole["id"] and streamed[0]["audio"]["bytes"] == whole[0]["audio"]["bytes"]
    assert load(built, "baseline", tmp_path, split="train").cache_files == whole.cache_files


def test_questions_of_one_clip_stand_side_by_side_and_share_its_bytes(built):
    path = next(built.glob("data/*/baseline/train-*.parquet"))
    order = pq.read_table(path, columns=["clip_id"])["clip_id"].to_pylist()
    assert len(set(order)) == sum(a != b for a, b in zip(order, order[1:], strict=False)) + 1
    one_copy = pq.read_table(next(built.glob("data/*/clips/train-*.parquet")), columns=["audio"])["audio"].combine_chunks().field("bytes").to_pylist()
    assert path.stat().st_size < 1.3 * sum(map(len, one_copy)) + 30_000


def test_building_again_does_nothing_and_changed_data_are_served_at_once(tmp_path):
    root = write_folder_corpus(tmp_path / "corpus")
    recipe = {"run": tmp_path / "run", "corpora": [{"name": "folder", "root": root}], "llm": "none"}
    folder = build(recipe, screen=QUIET)
    first = load(folder, "baseline", tmp_path)
    stamp = (folder / "README.md").stat().st_mtime_ns
    assert build(recipe, screen=QUIET) == folder and (folder / "README.md").stat().st_mtime_ns == stamp
    lines = (root / "metadata.jsonl").read_text().splitlines()
    (root / "metadata.jsonl").write_text("\n".join(line.replace('"emotion": "sad"', '"emotion": "calm"') for line in lines) + "\n")
    build(recipe, screen=QUIET)
    second = load(folder, "baseline", tmp_path)
    assert "sad" in first["train"]["label"] and "sad" not in second["train"]["label"] and "calm" in second["train"]["label"]
    assert len(list((folder / "data").iterdir())) == 1  # the old files are gone
    assert not list(folder.glob(".building"))


def test_the_card_says_what_was_counted(built):
    text = (built / "README.md").read_text()
    header = yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)[1])
    assert header["license"] == "cc0-1.0" and header["language"] == ["en"]
    assert [config["config_name"] for config in header["configs"]] == ["baseline", "explicit", "clips"]
    assert all(re.fullmatch(r"data/[0-9a-f]{8}/.*-\*\.parquet", file["path"]) for config in header["configs"] for file in config["data_files"])
    assert "| train | 9 |" in text and "| `baseline` | 54 | 18 |" in text
    assert "Direct questions leak" in text and "0 speakers are in more than one split" in text
    assert "{{" not in text and "{%" not in text


def clip(**more):
    return {"clip_id": "c", "duration": 5.5, "gender": "female", "opinions": [], "transcript": "x"} | more


def test_the_metadata_block_is_time_stamped_with_vad_in_words_and_numbers():
    track = [opinion("emotion", "sad", source="model", start=0.0, end=2.0), opinion("emotion", "angry", source="model", start=2.0, end=5.5)]
    row = clip(opinions=[*track, opinion("arousal", score=0.71, source="model"), opinion("valence", score=0.1, source="model")])
    assert render(row, MetadataOptions()) == "Voice: 0.0–2.0 s sad; 2.0–5.5 s angry. Arousal: aroused. Valence: very negative."
    assert render(row, MetadataOptions(fields=("vad", "gender"), numbers=True)) == "Arousal: aroused (0.71). Valence: very negative (0.10). Speaker: female."
    assert render(row, MetadataOptions(hide_asked=True), question_type="DE") == "Voice: not labelled."
    assert render(row, MetadataOptions(hide_asked=True), question_type="CE").startswith("Voice: 0.0–2.0 s sad")
    assert render(clip(), MetadataOptions()) == "Voice: not labelled."
    assert compose(None, "Q?") == "Q?"
    with pytest.raises(RecipeError, match="mood"):
        MetadataOptions(fields=("mood",))


def people(*speakers, **more):
    return [
        {"clip_id": f"{s}{i}", "corpus": "c", "speaker_id": s, "dialogue_id": None, "gender": "female", "split": None} | more
        for s in speakers
        for i in range(4)
    ]


def test_splits_are_disjoint_repeatable_and_balanced_by_gender():
    clips = [*people(*[f"f{i}" for i in range(6)]), *people(*[f"m{i}" for i in range(6)], gender="male")]
    division = divide(clips, SplitOptions(test_share=0.3, validation_share=0.1))
    assert divide(list(reversed(clips)), SplitOptions(test_share=0.3, validation_share=0.1)).split == division.split
    sides = {name: {c["speaker_id"] for c in clips if division.split[c["clip_id"]] == name} for name in ("train", "validation", "test")}
    assert [len(sides[name]) for name in ("train", "validation", "test")] == [6, 2, 4] and sum(len(s) for s in sides.values()) == 12
    assert {name[0] for name in sides["test"]} == {"f", "m"}
    assert divide(clips, SplitOptions(seed=1)).split != divide(clips, SplitOptions(seed=2)).split


def test_speakers_of_one_dialogue_stay_together():
    clips = people("a", "b", "c", "d", "e", "f")
    for row in clips:
        row["dialogue_id"] = "d1" if row["speaker_id"] in "ab" else None
    for seed in range(10):
        split = divide(clips, SplitOptions(seed=seed)).split
        assert split["a0"] == split["b0"]


def test_an_official_partition_wins_and_shared_speakers_are_told():
    clips = people("a", "b")
    for number, row in enumerate(clips):
        row["split"] = "test" if number % 4 == 0 else "train"
    division = divide(clips, SplitOptions())
    assert division.official == ["c"] and division.shared_speakers == ["c/a", "c/b"]
    assert divide(clips, SplitOptions(by="speaker")).shared_speakers == []


def test_named_test_speakers():
    division = divide(people("a", "b", "c"), SplitOptions(test_speakers=("b",)))
    assert {name for name, side in division.split.items() if side == "test"} == {f"b{i}" for i in range(4)}
    with pytest.raises(DatasetError, match="test speaker x is not in the clips"):
        divide(people("a", "b"), SplitOptions(test_speakers=("x",)))


def test_one_speaker_cannot_be_divided():
    with pytest.raises(DatasetError, match=r"all 4 clips belong to one group \(speaker 'a'\).*second speaker"):
        divide(people("a"), SplitOptions())
    assert len(set(divide(people(None), SplitOptions()).split.values())) == 2  # unknown speakers are not one speaker


def test_audio_that_changed_or_went_is_named(tmp_path):
    from cp_paraling_qa.dataset.assemble import assemble

    root = write_folder_corpus(tmp_path / "corpus")
    folder = build({"run": tmp_path / "run", "corpora": [{"name": "folder", "root": root}], "llm": "none"}, screen=QUIET)
    (root / "s0_sad.wav").unlink()
    with pytest.raises(DatasetError, match=r"s0_sad\.wav.*file is missing.*cpqa corpus"):
        assemble(tmp_path / "run", splits=SplitOptions(seed=5))
    assert len(load(folder, "baseline", tmp_path)["train"]) == 54  # what was there still is


OFFLINE = """
import sys, socket
sys.modules["cp_paraling_qa"] = None  # an import of ours would fail
def refuse(*a, **k): raise OSError("no network")
socket.socket.connect = refuse
from datasets import load_dataset
print(len(load_dataset({folder!r}, "explicit", split="train", cache_dir={cache!r})))
"""


def test_stock_datasets_alone_offline_and_without_torchcodec(built, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OFFLINE.format(folder=str(built), cache=str(tmp_path))], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "54", done.stderr


def test_clips_without_a_partition_follow_their_speaker():
    clips = people("a", "b", "c", "d")
    for row in clips:
        row["split"] = {"a0": "test", "b0": "train"}.get(row["clip_id"])
    for seed in range(5):
        division = divide(clips, SplitOptions(seed=seed))
        assert {division.split[f"a{i}"] for i in range(4)} == {"test"} and {division.split[f"b{i}"] for i in range(4)} == {"train"}
        assert division.shared_speakers == []


def test_a_folder_with_other_things_is_not_built_into(tmp_path, built):
    from cp_paraling_qa.dataset.assemble import assemble

    run = built.parent
    (tmp_path / "mine/data/recordings").mkdir(parents=True)
    (tmp_path / "mine/data/recordings/x.wav").write_text("precious")
    with pytest.raises(DatasetError, match="choose an empty folder"):
        assemble(run, out=tmp_path / "mine")
    assert (tmp_path / "mine/data/recordings/x.wav").exists()
    for seed in (0, 1):  # into an empty folder, and again into its own
        record = assemble(run, out=tmp_path / "new", splits=SplitOptions(seed=seed))
    assert [path.name for path in (tmp_path / "new/data").iterdir()] == [record["data"]]


def test_a_stage_whose_input_was_made_anew_is_refused(tmp_path):
    from cp_paraling_qa.corpora.manifest import make_manifest
    from cp_paraling_qa.dataset.assemble import assemble
    from cp_paraling_qa.errors import StageError

    root = write_folder_corpus(tmp_path / "corpus")
    build({"run": tmp_path / "run", "corpora": [{"name": "folder", "root": root}], "llm": "none"}, screen=QUIET)
    lines = (root / "metadata.jsonl").read_text().splitlines()
    (root / "metadata.jsonl").write_text("\n".join(lines[1:]) + "\n")
    make_manifest(tmp_path / "run", [("folder", root)])
    with pytest.raises(StageError, match=r"annotations was made from other manifest than there are now: run `cpqa annotate"):
        assemble(tmp_path / "run")


def test_splits_and_configurations_without_rows(tmp_path):
    root = write_folder_corpus(tmp_path / "corpus")
    rows = [yaml.safe_load(line) for line in (root / "metadata.jsonl").read_text().splitlines()]

    def rebuilt(name, *, blank):
        import json

        lines = [json.dumps(row | ({"emotion": None, "gender": None} if row["speaker_id"] in blank else {})) for row in rows]
        (root / "metadata.jsonl").write_text("\n".join(lines) + "\n")
        recipe = {"run": tmp_path / name, "corpora": [{"name": "folder", "root": root}], "llm": "none", "splits": {"test_speakers": ["s0"]}}
        return build(recipe, screen=QUIET)

    unlabelled_test = rebuilt("a", blank={"s0"})
    assert {name: part.num_rows for name, part in load(unlabelled_test, "baseline", tmp_path).items()} == {"train": 54}
    assert "baseline has no rows in test" in (unlabelled_test / "README.md").read_text()
    unlabelled = rebuilt("b", blank={"s0", "s1", "s2", "s3"})
    assert datasets.get_dataset_config_names(str(unlabelled)) == ["clips"] and len(load(unlabelled, "clips", tmp_path)["train"]) == 9


def test_disk_full_is_said_plainly_and_leaves_the_old_dataset(tmp_path, monkeypatch):
    from cp_paraling_qa.dataset import assemble as module
    from cp_paraling_qa.errors import StorageError

    root = write_folder_corpus(tmp_path / "corpus")
    folder = build({"run": tmp_path / "run", "corpora": [{"name": "folder", "root": root}], "llm": "none"}, screen=QUIET)
    before = sorted(path.relative_to(folder) for path in folder.rglob("*.parquet"))
    messages = [OSError("Not enough disk space. Needed: Unknown size (download: Unknown size"), OSError(28, "No space left on device")]
    for number, error in enumerate(messages, 1):
        with monkeypatch.context() as patch, pytest.raises(StorageError, match=r"run/dataset failed: N[^.]*\. Free some space"):
            patch.setattr(module, "write_parquet", lambda *a, error=error: (_ for _ in ()).throw(error))
            module.assemble(tmp_path / "run", splits=SplitOptions(seed=number))
    assert sorted(path.relative_to(folder) for path in folder.glob("data/**/*.parquet")) == before
    assert len(load(folder, "baseline", tmp_path)["train"]) == 54
    build({"run": tmp_path / "run", "corpora": [{"name": "folder", "root": root}], "llm": "none"}, screen=QUIET)
    assert not (folder / ".building").exists()


def test_speakers_who_are_nearly_the_whole_corpus_are_trained_on():
    """In MELD the six friends share dialogues: together they are one group, which no share of the clips should be."""
    clips = people("ross", "joey", "monica", *[f"guest{i}" for i in range(4)])
    for row in clips:
        row["dialogue_id"] = None if row["speaker_id"].startswith("guest") else "d1"
    for seed in range(10):
        division = divide(clips, SplitOptions(by="speaker", test_share=0.2, seed=seed))
        assert {name for name in ("ross0", "joey0", "monica0") if division.split[name] == "train"} == {"ross0", "joey0", "monica0"}
        assert sum(side == "test" for side in division.split.values()) in (4, 8)  # of 28: one guest is 14%, two are 29%
