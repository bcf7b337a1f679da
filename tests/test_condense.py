"""RUN/clips → RUN/condensed on small runs: what is kept, why the others fell, and what stays where it was."""

import io
import json
import math
import random
import shutil

import numpy as np
import pytest
import soundfile
from rich.console import Console

from cp_paraling_qa.annotate.base import annotate
from cp_paraling_qa.annotate.clips import make_clips
from cp_paraling_qa.condense import CONDENSE_JSON, CondenseOptions, dry_run, make_condensed, plot_distributions, render_funnel, render_sweep, sweep
from cp_paraling_qa.condense import stage as condense_stage
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.digests import digest
from cp_paraling_qa.errors import LabelError, RecipeError, StageError
from cp_paraling_qa.schema import CLIP_SCHEMA
from cp_paraling_qa.stage import check_chain, read_record, read_rows


class Silent:
    """An annotator with nothing to say: the opinions of these runs stand in their metadata."""

    name, version, config = "silent", 1, {}

    def setup(self):
        raise AssertionError("nothing to load")

    def wants(self, clip):
        return False

    def annotate(self, clips, sounds, rate):
        raise AssertionError("nothing to hear")


def model(field, value, start=None, end=None, rater="m", **more):
    return (
        {"field": field, "source": "model", "rater": rater, "start": start, "end": end} | ({"score": value} if field == "valence" else {"value": value}) | more
    )


def write(root, rows, *, start=0):
    """A folder corpus of these rows; `seconds` is the length of a clip's audio (1)."""
    root.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows):
        seconds = row.pop("seconds", 1.0)
        row.setdefault("file_name", f"{number:04d}.wav")
        noise = np.random.default_rng(start + number).normal(0, 0.01, round(seconds * 16_000))
        soundfile.write(root / row["file_name"], noise.astype(np.float32), 16_000, subtype="PCM_16")
    (root / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return root


def make(run, *roots):
    make_manifest(run, [("folder", root) for root in roots])
    annotate(run, {"silent": Silent()})
    make_clips(run)
    return run


def kept_names(run):
    return sorted(row["audio_path"] for row in read_rows(run / "condensed"))


def everything(run):
    return {path.relative_to(run).as_posix(): digest(path.read_bytes().hex()) for path in run.rglob("*") if path.is_file()}


REASONS = [
    # 9 s: windows label 0-3, 3-5, 5-7, 7-9
    {"file_name": "kept.wav", "seconds": 9.0, "speaker_id": "a", "gender": "female", "emotion": "sad", "valence": 0.2,
     "opinions": [model("emotion", "angry", 3, 5), model("emotion", "sad", 5, 9), model("valence", 0.6, 5, 7)],
     "words": [{"word": "so", "start": 1.0, "end": 1.4}, {"word": "it", "start": 5.2, "end": 5.4}, {"word": "ends"}]},
    {"file_name": "silent.wav", "speaker_id": "a", "gender": "female"},
    {"file_name": "tied.wav", "emotion": "sad", "opinions": [model("emotion", "happy")]},
    {"file_name": "other.wav", "emotion": "other"},
    {"file_name": "against.wav", "emotion": "happy", "valence": 0.3},
    {"file_name": "fleeting.wav", "seconds": 9.0,
     "opinions": [model("emotion", label, start, end) for label, start, end in (("sad", 0, 3), ("happy", 3, 5), ("angry", 5, 7), ("calm", 7, 9))]},
    {"file_name": "short.wav", "seconds": 0.5, "emotion": "sad"},
    {"file_name": "apart.wav", "opinions": [model("emotion", label, probability=p) for label, p in (("sad", 0.4), ("happy", 0.35), ("angry", 0.25))]},
    {"file_name": "unchecked.wav", "emotion": "surprise", "speaker_id": "b"},
]  # fmt: skip
FELL = {
    "silent.wav": "no emotion",
    "tied.wav": "opinions are tied",
    "other.wav": "emotion without a sentiment",
    "against.wav": "valence contradicts the emotion",
    "fleeting.wav": "emotion in too few windows",
    "short.wav": "shorter than 0.6 s",
    "apart.wav": "opinions disagree",
}
OPTIONS = CondenseOptions(min_seconds=0.6)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reasons")
    return make(folder / "run", write(folder / "corpus", [dict(row) for row in REASONS]))


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


def test_every_clip_is_kept_or_dropped_with_its_reason(run):
    record = make_condensed(run, OPTIONS)
    assert kept_names(run) == ["kept.wav", "unchecked.wav"]
    assert {item["item"].removeprefix("folder/"): item["reason"] for item in record["dropped_items"]} == FELL
    ids = {row["audio_path"]: row["clip_id"] for row in read_rows(run / "clips")}
    for item in record["dropped_items"]:
        assert ids[item["item"].removeprefix("folder/")] in item["detail"]
    assert record["rows_in"] == 9 == record["rows_out"] + len(record["dropped_items"])
    assert read_record(run / "condensed") == {key: value for key, value in record.items() if key != "funnel"}
    assert record["config"]["positive_above"] == 0.5 and json.loads((run / CONDENSE_JSON).read_text())["funnel"]["rows_out"] == 2
    check_chain(run, "manifest", "annotations", "clips", "condensed")


def test_the_funnel_adds_up_and_a_dry_run_writes_nothing(run):
    before = everything(run)
    funnel = dry_run(run, OPTIONS)
    sweep(run, OPTIONS)
    assert everything(run) == before
    assert [(step.rule, step.reason, step.dropped) for step in funnel.steps] == [
        ("sentiment", "no emotion", 1),
        ("sentiment", "opinions are tied", 1),
        ("sentiment", "emotion without a sentiment", 1),
        ("consistency", "valence contradicts the emotion", 1),
        ("occurrence", "emotion in too few windows", 1),
        ("length", "shorter than 0.6 s", 1),
        ("agreement", "opinions disagree", 1),
    ]
    assert (funnel.rows_in, funnel.rows_out, funnel.unchecked, funnel.emotions) == (9, 2, 1, {"sad": 1, "surprised": 1})
    record = make_condensed(run, OPTIONS)
    assert record["funnel"] == funnel and record["dropped"] == {step.reason: step.dropped for step in funnel.steps}
    text = io.StringIO()
    Console(file=text, width=120).print(render_funnel(funnel))
    lines = [" ".join(line.replace("│", " ").split()) for line in text.getvalue().splitlines()]
    assert "clips in 9" in lines and "length shorter than 0.6 s 1 3" in lines and "kept 7 2" in lines
    assert "1 sad, 1 surprised" in text.getvalue() and "1 of them had no valence" in " ".join(text.getvalue().split())


def test_kept_clips_keep_their_ledger_and_their_words_are_tagged(run):
    make_condensed(run, OPTIONS)
    before = next(row for row in read_rows(run / "clips") if row["audio_path"] == "kept.wav")
    after = next(row for row in read_rows(run / "condensed") if row["audio_path"] == "kept.wav")
    assert list(after) == CLIP_SCHEMA.names
    assert {key: value for key, value in after.items() if key != "words"} == {key: value for key, value in before.items() if key != "words"}
    # 0-3 sad at 0.2; 3-5 sad and angry, tied; 5-7 sad at (0.2 + 0.6) / 2 = 0.4, not negative; 7-9 sad. Kept by two windows of four.
    assert [(word["emotion"], word["gender"]) for word in after["words"]] == [("sad", "female"), (None, "female"), (None, None)]
    assert [(word["word"], word["start"]) for word in after["words"]] == [("so", 1.0), ("it", 5.2), ("ends", None)]


def test_no_clip_passing_is_an_error_that_changes_nothing(run):
    before = everything(run)
    with pytest.raises(RecipeError, match="no clip of .* passes condensation: 1 × no emotion, .*, 4 × longer than 0.1 s.*--dry-run"):
        make_condensed(run, CondenseOptions(max_seconds=0.1))
    assert everything(run) == before


def test_the_run_must_have_its_clips_as_they_are_now(run, tmp_path):
    with pytest.raises(StageError, match="cpqa corpus"):
        make_condensed(tmp_path / "nowhere")
    make_condensed(run, OPTIONS)
    write(tmp_path / "more", [{"emotion": "sad"}], start=500)
    make_manifest(run, [("folder", tmp_path / "more")])
    with pytest.raises(StageError, match="annotate"):
        make_condensed(run, OPTIONS)
    annotate(run, {"silent": Silent()})
    make_clips(run)
    with pytest.raises(StageError, match="condense"):
        check_chain(run, "manifest", "annotations", "clips", "condensed")
    assert make_condensed(run, OPTIONS)["rows_out"] == 3


def test_a_valence_that_is_none_stops_with_the_clips_name(run, monkeypatch):
    bad = next(read_rows(run / "clips"))["clip_id"]
    whole = condense_stage.Survey.__init__.__globals__["read_part"]

    def with_nan(path, columns=None):
        rows = whole(path, columns)
        for row in rows:
            for said in row["opinions"]:
                said["score"] = math.nan if row["clip_id"] == bad and said["field"] == "valence" else said["score"]
        return rows

    monkeypatch.setitem(condense_stage.Survey.__init__.__globals__, "read_part", with_nan)
    with pytest.raises(LabelError, match=f"clip {bad}: valence nan"):
        make_condensed(run, OPTIONS)


def test_thresholds_beside_the_chosen_ones(run):
    rows = {row.changed: row for row in sweep(run, OPTIONS)}
    assert rows[""].kept == 2 and rows[""].emotions == dry_run(run, OPTIONS).emotions
    assert rows["min_agreement 0.3"].emotions == {"sad": 2, "surprised": 1}  # apart.wav: sad with 40 % of the votes
    assert rows["min_windows 1"].kept == 3  # fleeting.wav: one window is enough
    assert rows["negative_below 0.5"].kept == 2
    assert "positive_above 0.4" in rows and "positive_above 0.6" in rows and len(rows) == 13
    for row in rows.values():
        assert row.kept == sum(row.emotions.values()) == dry_run(run, row.options).rows_out
    text = io.StringIO()
    Console(file=text, width=120).print(render_sweep(rows.values()))
    assert "as chosen" in text.getvalue() and "min_agreement 0.3" in text.getvalue()


def crowd(count, *, seed=0):
    """Clips of five emotions, a few of them rare; eight speakers, one of them everywhere, and some unknown."""
    generator = random.Random(seed)
    rows = []
    for _ in range(count):
        emotion = generator.choice(["neutral"] * 12 + ["happy"] * 6 + ["sad"] * 4 + ["angry"] * 2 + ["fearful"])
        speaker = generator.choice(["s0"] * 6 + [f"s{n}" for n in range(1, 8)] + [None])
        rows.append({"emotion": emotion, "speaker_id": speaker, "seconds": 0.2})
    return rows


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crowd")
    return make(folder / "run", write(folder / "one", crowd(150)), write(folder / "two", crowd(30, seed=1), start=1000))


def test_a_budget_balances_and_spares_the_rare(crowded, tmp_path):
    run = shutil.copytree(crowded, tmp_path / "run")
    record = make_condensed(run, CondenseOptions(max_clips=60))
    spread = json.loads((run / CONDENSE_JSON).read_text())["distributions"]
    before, after = spread["before"], spread["after"]
    assert record["rows_out"] == after["clips"] == 60 and record["dropped"] == {"over budget": 120}
    assert after["emotion"]["fearful"] == before["emotion"]["fearful"] < 12  # nothing lost below the level
    assert max(after["emotion"].values()) - min(n for e, n in after["emotion"].items() if n < before["emotion"][e]) <= 1  # and those above it are level
    for what in ("emotion", "corpus", "speaker"):
        assert after["effective"][what] > before["effective"][what]
    assert sum(after["speaker"].values()) + after["unknown_speakers"] == 60
    assert record["funnel"].rows_out == 60 and record["funnel"].steps[-1].reason == "over budget"
    assert dry_run(run, CondenseOptions(max_hours=60 * 0.2 / 3600)).rows_out == 60  # every clip lasts 0.2 s


def test_what_is_kept_does_not_depend_on_the_order_of_the_corpus(crowded, tmp_path):
    rows = [json.loads(line) for line in (crowded.parent / "one" / "metadata.jsonl").read_text().splitlines()]
    shutil.copytree(crowded.parent / "one", tmp_path / "one")
    random.Random(3).shuffle(rows)
    (tmp_path / "one" / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    other = make(tmp_path / "other", crowded.parent / "two", tmp_path / "one")
    run = shutil.copytree(crowded, tmp_path / "run")
    ids = []
    for folder in (run, other):
        make_condensed(folder, CondenseOptions(max_clips=50))
        ids.append({(row["clip_id"]) for row in read_rows(folder / "condensed")})
    # corpora are named by the folders' order here, so both runs have the names folder and folder-…: speakers and corpora are other strings, the clips the same
    assert len(ids[0]) == 50 and ids[0] == ids[1]


def test_it_goes_on_where_it_stopped_and_makes_only_what_changed(crowded, tmp_path):
    run = shutil.copytree(crowded, tmp_path / "run")
    options = CondenseOptions(max_clips=60)
    made = []

    def told(rows, outcome):
        made.append((rows, outcome.made))

    first = make_condensed(run, options, progress=told)
    assert sum(rows for rows, _ in made) == 180 and made[-1][1] == len(first["parts"]) >= 3
    (run / "condensed" / "stray.txt").write_text("not ours")
    made.clear()
    again = make_condensed(run, options, progress=told)
    assert made[-1][1] == 0 and again["key"] == first["key"] and not (run / "condensed" / "stray.txt").exists()
    whole = (run / "condensed" / f"{first['parts'][1]}.parquet").read_bytes()
    (run / "condensed" / "_stage.json").unlink()
    (run / "condensed" / f"{first['parts'][1]}.parquet").write_bytes(whole[:100])  # torn
    made.clear()
    again = make_condensed(run, options, progress=told)
    assert made[-1][1] == 1 and again["key"] == first["key"]
    assert make_condensed(run, CondenseOptions(max_clips=30))["rows_out"] == len(kept_names(run)) == 30
    other = make_condensed(run, CondenseOptions(max_clips=60, min_agreement=0.6))
    assert other["rows_out"] == 60 and other["key"] != first["key"]
    assert make_condensed(run, CondenseOptions())["rows_out"] == 180
    assert (run / CONDENSE_JSON).exists()


def test_ravdess_with_the_acted_label_as_one_opinion(ravdess_corpus, tmp_path):
    make_manifest(tmp_path / "run", [("ravdess", ravdess_corpus)])
    annotate(tmp_path / "run", {"silent": Silent()})
    make_clips(tmp_path / "run")
    funnel = dry_run(tmp_path / "run", CondenseOptions())
    assert (funnel.rows_out, funnel.unchecked, funnel.emotions) == (8, 8, {"angry": 4, "neutral": 2, "sad": 2})
    record = make_condensed(tmp_path / "run", CondenseOptions(max_clips=6))
    assert record["funnel"].emotions == {"angry": 2, "neutral": 2, "sad": 2}


def test_the_plot_is_a_picture_whatever_the_speakers_are_called(tmp_path):
    rows = [{"emotion": "sad", "speaker_id": name, "valence": 0.1} for name in ("$\\frac{", "演者", "_" * 60)]
    run = make(tmp_path / "run", write(tmp_path / "corpus", rows))
    with pytest.raises(StageError, match="cpqa condense"):
        plot_distributions(run)
    record = make_condensed(run)
    path = plot_distributions(run)
    assert path == run / "condense.png" and path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000
    assert read_record(run / "condensed")["key"] == record["key"]
    spread = json.loads((run / CONDENSE_JSON).read_text())["distributions"]
    assert spread["after"]["valence"] == [0, 3, 0, 0, 0, 0, 0, 0, 0, 0]  # 0.1 opens the second tenth


def test_a_window_of_zero_judges_each_clip_whole():
    from cp_paraling_qa.recipe import Recipe

    assert Recipe.load({"run": "x"}, condense={"window": 0.0}).condense == CondenseOptions(window=None)
    with pytest.raises(RecipeError, match="^recipe entry condense: positive_above is outside"):
        Recipe.load({"run": "x"}, condense={"positive_above": 2})
