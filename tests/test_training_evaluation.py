"""Evaluation during training: who is held out, the figures, the best step, trackers, several processes."""

from __future__ import annotations

import glob
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from chat_server import ChatServer, Reply
from datasets import load_dataset
from safetensors.torch import load_file
from training_fixtures import HERTZ, tiny_model, tone, tone_rows, tones, write_dataset

from cp_paraling_qa.errors import DatasetError, LLMError, RecipeError, TrainingError
from cp_paraling_qa.judge.judging import JudgeConfig
from cp_paraling_qa.training.evaluating import evaluation, trackers
from cp_paraling_qa.training.evaluating.evaluation import Evaluation, kept_line, settle
from cp_paraling_qa.training.evaluating.held_out import SPEAKERS, HeldOut, hold_out
from cp_paraling_qa.training.evaluating.held_out_scores import lines_of, score_answers
from cp_paraling_qa.training.evaluating.trackers import Shown
from cp_paraling_qa.training.options import parse
from cp_paraling_qa.training.sft import train

ROOT = Path(__file__).resolve().parent.parent
EMOTIONS = {"DE": list(HERTZ)}


# Who is held out


def rows_of(split: str):
    return load_dataset(str(tones()), "baseline", split=split)


def none_of(split: str):
    raise DatasetError(f"no {split}")


def test_speakers_are_taken_out_of_the_training_rows() -> None:
    training = rows_of("train")  # 48 rows: 24 clips of 3 speakers, 16 rows each
    held, rest = hold_out(training, none_of, count=10, seed=1)
    assert len(held.rows) == 10 and held.available == 16 and len(rest) == 32
    assert not set(held.rows["speaker_id"]) & set(rest["speaker_id"]) and not set(held.rows["clip_id"]) & set(rest["clip_id"])
    assert held.warnings == () and held.label_spaces == {"DE": sorted(HERTZ)}
    assert held.described == "10 of 16 labelled rows of 1 of 3 speakers, taken out of the training rows"
    assert held.speakers == (f"tones {held.rows['speaker_id'][0]}",)
    again, _ = hold_out(training, none_of, count=10, seed=1)
    other = [hold_out(training, none_of, count=10, seed=seed)[0] for seed in range(2, 8)]
    assert again.rows["id"] == held.rows["id"] and any(found.rows["speaker_id"] != held.rows["speaker_id"] for found in other)


def test_a_fifth_of_the_rows_is_the_most_that_speakers_cost() -> None:
    """10 speakers with 2 rows each, 15 rows asked for: a fifth of 20 is 4 rows, so two speakers go and eight stay."""
    training = rows_of("train").select(range(20))
    training = training.remove_columns("speaker_id").add_column("speaker_id", [f"p{number // 2}" for number in range(20)])
    held, rest = hold_out(training, none_of, count=15)
    assert (held.available, len(rest), len(set(rest["speaker_id"]))) == (4, 16, 8)


def test_validation_goes_before_speakers_and_is_left_as_it_is() -> None:
    training, asked = rows_of("train"), []

    def splits(split: str):
        asked.append(split)
        return rows_of("test")

    held, rest = hold_out(training, splits, count=100)
    assert asked == ["validation"] and rest is training and len(held.rows) == 16
    assert held.warnings == ("3 of the 3 speakers of these rows are in the training rows too",)  # tones have speakers s0 to s2 in both
    taken, _ = hold_out(training, splits, count=3, split=SPEAKERS)
    assert asked == ["validation"] and "taken out" in taken.origin


def test_the_test_split_is_used_only_by_name_and_says_so() -> None:
    held, _ = hold_out(rows_of("train"), rows_of, count=4, split="test", test_split="test")
    assert held.origin == "split test" and "can no longer be tested" in held.warnings[0]
    itself, _ = hold_out(rows_of("train"), rows_of, count=4, split="train", test_split="test")
    assert any("clips of these rows are in the training rows too" in warning for warning in itself.warnings)


def test_only_rows_that_can_be_scored_are_drawn() -> None:
    mixed = [row | ({"label": None} if number % 2 else {}) for number, row in enumerate(tone_rows(6))]
    mixed += [row | {"audio": None} for row in tone_rows(2, first=10)]
    table = load_dataset(str(write_dataset(Path(tiny_model()).parent / "mixed", {"baseline": {"train": mixed}})), "baseline", split="train")
    held, _ = hold_out(rows_of("train"), lambda split: table, count=99)
    assert len(held.rows) == 6 and all(held.rows["label"]) and held.labelled
    judged, _ = hold_out(rows_of("train"), lambda split: table, count=99, judged=True)
    assert len(judged.rows) == 12 and all(audio is not None for audio in judged.rows["audio"])
    with pytest.raises(DatasetError, match="closed label, so nothing could be scored.*--judge_base_url"):
        hold_out(rows_of("train"), lambda split: table.filter(lambda row: row["label"] is None), count=9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.remove_columns("speaker_id"), "no column speaker_id"),
        (lambda rows: rows.filter(lambda row: row["speaker_id"] == "s0"), "1 known speaker, so none"),
    ],
)
def test_nobody_to_take_out_is_an_error(change, message) -> None:
    with pytest.raises(DatasetError, match=message):
        hold_out(change(rows_of("train")), none_of, count=5)


# The figures


def held_rows(*labels: str | None, types=None, clips=None):
    return [
        {"clip_id": clips[n] if clips else f"c{n}", "question": "How?", "answer": f"They sound {label}.", "label": label, "type": types[n] if types else "DE"}
        for n, label in enumerate(labels)
    ]


def test_figures_by_hand() -> None:
    """Four labelled rows of three clips, and one without a label.

    Answers: sad ✓, sad ✓, angry ✗ (truth happy), nothing ✗: accuracy 2/4, 3 of 4 mapped. Swapped: happy ✗, sad ✓, happy ✓, nothing ✗: 2/4.
    Recall of sad 2/2, happy 0/1, angry 0/1: balanced 1/3. F1 of sad 1, others 0: macro 1/3, weighted 2/4.
    listens 0. Differences by clip: a: +1 and 0, b: −1, c: 0, mean 0; squares of sums 1 + 1 + 0; 1.96 · √(2 · 3/2) / 4.
    """
    rows = held_rows("sad", "sad", "happy", "angry", None, clips=["a", "a", "b", "c", "d"])
    found = score_answers(
        rows,
        ["The speaker sounds sad.", "Sad.", "They are angry.", "", "hello"],
        ["Happy.", "They sound sad.", "The speaker is happy.", "", "hello"],
        label_spaces=EMOTIONS,
    )
    figures = found.figures
    assert (figures["n"], figures["n_labelled"], figures["label_accuracy"], figures["label_coverage"]) == (5, 4, 0.5, 0.75)
    assert (figures["balanced_accuracy"], figures["f1_macro"], figures["f1_weighted"]) == pytest.approx((1 / 3, 1 / 3, 0.5))
    assert (figures["shuffled_label_accuracy"], figures["shuffled_label_coverage"], figures["listens"]) == (0.5, 0.75, 0)
    assert figures["listens_error"] == pytest.approx(1.96 * math.sqrt(3) / 4)
    assert found.labels == ["sad", "sad", "angry", None, None] and not any("judge" in name for name in figures)
    text = "\n".join(lines_of(7, figures, {}))
    assert "step 7  5 held-out rows: label accuracy 0.50" in text and "with other clips 0.50 (75% mapped): listens 0.00 ± 0.85" in text


def test_every_type_has_its_own_labels_and_line() -> None:
    """An emotion question is never answered by a gender: "male" does not make the first answer wrong or right."""
    rows = held_rows("sad", "male", "female", types=["DE", "DG", "DG"])
    answers = ["A male speaker who sounds sad.", "The speaker is a man.", "A man."]
    figures = score_answers(rows, answers, ["x"] * 3, label_spaces=EMOTIONS | {"DG": ["female", "male"]}).figures
    assert figures["label_accuracy_DE"] == 1 and figures["label_accuracy_DG"] == 0.5 and figures["n_labelled_DG"] == 2
    assert figures["label_accuracy"] == pytest.approx(2 / 3)


def test_rows_without_labels_have_no_label_figures() -> None:
    assert score_answers(held_rows(None, None), ["a", "b"], ["a", "b"], label_spaces={}).figures == {"n": 2.0}


def test_one_clip_has_no_interval() -> None:
    figures = score_answers(held_rows("sad"), ["Sad."], ["Happy."], label_spaces=EMOTIONS).figures
    assert figures["listens"] == 1 and "listens_error" not in figures


def test_the_judge_is_asked_about_the_answers_and_what_it_leaves_out_is_counted() -> None:
    """Two verdicts (5 of 5 and 0 of 5: mean 50) and one reply that is none."""

    def judge(prompts):
        assert len(prompts) == 3
        return ['{"explanation": "same", "score": 5}', '{"explanation": "other", "score": 0}', "no idea"]

    found = score_answers(held_rows("sad", "sad", "sad"), ["Sad.", "Happy.", "?"], ["x"] * 3, label_spaces=EMOTIONS, judge=judge)
    assert (found.figures["judge"], found.figures["judge_n_scored"]) == (50.0, 2)
    assert found.figures["judge_coverage"] == pytest.approx(2 / 3) and sum(found.unscored.values()) == 1
    assert "judge 50.0 (2 of 3 scored" in lines_of(1, found.figures, found.unscored)[-1]


def _hangs(prompts):
    threading.Event().wait(30)
    return []


def _throws(prompts):
    raise RuntimeError("boom")


@pytest.mark.parametrize(("judge", "why"), [(_throws, "RuntimeError: boom"), (_hangs, "no verdict within 0.2 s"), (lambda prompts: [], "returned 0 replies")])
def test_a_failed_judge_is_unscored_and_stops_nothing(judge, why) -> None:
    found = score_answers(held_rows("sad"), ["Sad."], ["Sad."], label_spaces=EMOTIONS, judge=judge, seconds=0.2 if judge is _hangs else 20)
    assert "judge" not in found.figures and found.figures["judge_coverage"] == 0 and found.figures["label_accuracy"] == 1
    assert sum(found.unscored.values()) == 1 and why in next(iter(found.unscored))


def test_a_judge_behind_an_endpoint() -> None:
    with ChatServer() as server:
        server.script = [Reply('{"explanation": "same", "score": 4}')]
        judge = JudgeConfig(server.base_url, "judge", attempts=1)
        found = score_answers(held_rows("sad"), ["Sad."], ["Sad."], label_spaces=EMOTIONS, judge=judge)
        assert found.figures["judge"] == 80.0 and "They sound sad." in server.bodies[0].decode()
    gone = score_answers(held_rows("sad"), ["Sad."], ["Sad."], label_spaces=EMOTIONS, judge=judge)  # the server is not there any more
    assert gone.figures["judge_n_scored"] == 0 and gone.unscored


# Options


def options(out: Path, *more: str):
    plain = ["--model_name_or_path", str(tiny_model()), "--dataset_name", str(tones()), "--dataset_config", "baseline", "--output_dir", str(out)]
    plain += ["--max_steps", "4", "--logging_steps", "1", "--per_device_train_batch_size", "4", "--learning_rate", "0.003", "--gradient_checkpointing", "false"]
    return parse([*plain, *more])


def test_options_become_the_trainers(tmp_path) -> None:
    _, training, _, ours = options(
        tmp_path, "--eval_every", "5", "--best_by", "listens", "--save_steps", "7", "--save_total_limit", "1", "--eval_batch_size", "3"
    )
    assert settle(training, ours)
    assert (training.eval_strategy, training.eval_steps, training.per_device_eval_batch_size, ours.eval_rows) == ("steps", 5, 3, 100)
    assert (training.save_strategy, training.save_steps, training.save_total_limit) == ("steps", 5, 2)  # a checkpoint at every evaluation
    assert (training.load_best_model_at_end, training.metric_for_best_model, training.greater_is_better) == (True, "listens", True)
    _, training, _, ours = options(tmp_path, "--eval_rows", "9", "--save_steps", "7", "--best_by", "loss")
    assert settle(training, ours) and training.eval_steps == 7 and training.greater_is_better is False
    _, training, _, ours = options(tmp_path)
    assert not settle(training, ours) and training.eval_strategy == "no" and not training.load_best_model_at_end


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--best_by", "loss"], "best_by needs held-out rows.*--eval_rows"),
        (["--judge_base_url", "http://127.0.0.1:1/v1"], "judge_base_url needs held-out rows"),
        (["--eval_rows", "0"], "eval_rows is 0"),
        (["--eval_rows", "4", "--best_by", "judge"], "best_by judge needs a judge"),
        (["--eval_rows", "4", "--judge_model", "m"], "both --judge_base_url and --judge_model"),
        (["--eval_rows", "4", "--best_by", "loss", "--save_only_model", "true"], "save_only_model"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, given, message) -> None:
    _, training, _, ours = options(tmp_path, *given)
    with pytest.raises(RecipeError, match=message):
        settle(training, ours)


def test_a_key_in_the_judges_address_is_refused(tmp_path) -> None:
    _, training, _, ours = options(tmp_path, "--eval_rows", "4", "--judge_base_url", "http://host/v1?api_key=sk-1", "--judge_model", "m")
    with pytest.raises(LLMError, match="api_key"):
        settle(training, ours)


# Runs


class Script:
    """In place of generation: right answers at the steps named, wrong ones at the others; to swapped audio always wrong."""

    def __init__(self, monkeypatch, right: set[int]) -> None:
        self.calls, self.right = 0, right
        monkeypatch.setattr(evaluation, "predict", self)

    def __call__(self, model, processor, rows, **settings):
        self.calls += 1
        step = 2 * -(-self.calls // 2)  # two calls an evaluation, evaluations at steps 2, 4, 6
        heard = not any("heard" in row for row in rows)
        return [row["label"] if heard and step in self.right else "no idea" for row in rows]


def evaluated(out: Path, *more: str, say=lambda line: None):
    common = ["--eval_rows", "4", "--eval_every", "2", "--eval_max_new_tokens", "4", "--max_steps", "6", "--best_by", "label_accuracy"]
    return train(*options(out, *common, *more), say=say)


@pytest.mark.parametrize("parts", ["lora+projector", "full"])
def test_the_best_step_is_kept_and_stays_after_a_kill(tmp_path, monkeypatch, parts) -> None:
    """Best at step 2 of 6. The run's folder holds the weights of checkpoint 2; a run killed after step 4 and moved elsewhere ends with the same ones."""
    name = "model.safetensors" if parts == "full" else "adapter_model.safetensors"
    said: list[str] = []
    Script(monkeypatch, {2})
    evaluated(tmp_path / "a", "--train_parts", parts, say=said.append)
    kept = load_file(tmp_path / "a" / name)
    assert sorted(path.name for path in (tmp_path / "a").glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-6"]
    best, last = (load_file(tmp_path / "a" / f"checkpoint-{step}" / name) for step in (2, 6))
    assert all((kept[key] == best[key]).all() for key in best) and any((last[key] != best[key]).any() for key in best)
    assert any(line.startswith("kept step 2, the best of the evaluated steps by label_accuracy (1) on 4 of 16 labelled rows") for line in said)
    card = (tmp_path / "a" / "README.md").read_text()
    assert (
        "after step 2 of 6" in card
        and "| label accuracy | 1.000 | 4 | 100.0% |" in card
        and "**Does it listen?**" in card
        and "these scores are optimistic" in card
    )
    shutil.rmtree(tmp_path / "a" / "checkpoint-6")
    (tmp_path / "a" / name).unlink()
    (tmp_path / "a").rename(tmp_path / "b")
    script = Script(monkeypatch, {2})
    script.calls = 2  # the evaluation of step 2 is behind it
    evaluated(tmp_path / "b", "--train_parts", parts)
    again = load_file(tmp_path / "b" / name)
    assert all((kept[key] == again[key]).all() for key in kept)
    state = json.loads((tmp_path / "b" / "checkpoint-6" / "trainer_state.json").read_text())
    assert (state["best_global_step"], state["best_metric"]) == (2, 1.0)


def test_a_score_that_is_missing_never_chooses(tmp_path, monkeypatch) -> None:
    """The judge is not there: no step can be best by it, so the last one is kept, and training ends as usual."""
    Script(monkeypatch, set())
    said: list[str] = []
    judge = ["--judge_base_url", "http://127.0.0.1:9/v1", "--judge_model", "m", "--best_by", "judge", "--max_steps", "2"]
    monkeypatch.setattr(evaluation, "_JUDGE_ATTEMPTS", 1)
    trained = evaluated(tmp_path, *judge, say=said.append)
    assert any("judge none (0 of 4 scored; " in line for line in said) and "kept the last step: no evaluation could be scored by judge" in said
    card = (tmp_path / "README.md").read_text()
    assert "| LLM judge | not scored | 0 | 0.0% |" in card and "could be scored by judge" in card and len(trained.losses) == 2


def test_evaluating_changes_nothing_in_training(tmp_path) -> None:
    """With dropout, every random number counts: the adapter is the same bytes with three evaluations as with none, on the same rows."""
    data = write_dataset(tmp_path / "data", {"baseline": {"train": tone_rows(8), "validation": tone_rows(4, first=30)}})
    common = ["--dataset_name", str(data), "--lora_dropout", "0.2", "--max_steps", "3", "--train_parts", "lora"]
    with_it = train(*options(tmp_path / "with", *common, "--eval_every", "1", "--eval_rows", "4", "--eval_max_new_tokens", "4"), say=lambda line: None)
    without = train(*options(tmp_path / "without", *common), say=lambda line: None)
    assert with_it.losses == without.losses
    assert (with_it.adapter / "adapter_model.safetensors").read_bytes() == (without.adapter / "adapter_model.safetensors").read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "with/evaluation/step-000003.jsonl").read_text().splitlines()]
    assert len(lines) == 4 and all(line["swapped_clip"] != line["clip_id"] and isinstance(line["prediction"], str) for line in lines)
    from cp_paraling_qa.judge.scorefile import score_file

    assert score_file(tmp_path / "with/evaluation/step-000003.jsonl")["n"] == 4  # `cpqa score` reads it


def test_a_finished_run_finds_its_best_step_again_after_a_move(tmp_path) -> None:
    (tmp_path / "checkpoint-4").mkdir()
    held = HeldOut(rows_of("test"), "split validation", 16)
    callback = Evaluation(SimpleNamespace(), held, None)
    args = SimpleNamespace(load_best_model_at_end=True, output_dir=str(tmp_path))
    state = SimpleNamespace(best_model_checkpoint=None, best_global_step=4, best_metric=0.5)
    callback.on_train_begin(args, state, None)
    assert state.best_model_checkpoint == str(tmp_path / "checkpoint-4")
    assert kept_line(state, "f1_macro", held) == "kept step 4, the best of the evaluated steps by f1_macro (0.5) on 16 of 16 rows of split validation"


def test_two_processes_answer_and_score_as_one(tmp_path) -> None:
    """Five rows shared out unevenly over two processes: the same answers, figures and kept step as with one process."""
    common = ["--eval_rows", "5", "--eval_every", "2", "--eval_max_new_tokens", "3", "--max_steps", "2", "--best_by", "listens", "--lora_dropout", "0"]
    train(*options(tmp_path / "one", *common), say=lambda line: None)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(_free_port()), str(ROOT / "trainer/sft.py")]
    command += [
        "--model_name_or_path",
        str(tiny_model()),
        "--dataset_name",
        str(tones()),
        "--dataset_config",
        "baseline",
        "--use_cpu",
        "true",
        "--logging_steps",
        "1",
    ]
    command += [
        "--learning_rate",
        "0.003",
        "--gradient_checkpointing",
        "false",
        "--per_device_train_batch_size",
        "2",
        "--output_dir",
        str(tmp_path / "two"),
        *common,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
    answers = [(tmp_path / name / "evaluation/step-000002.jsonl").read_text() for name in ("one", "two")]
    assert answers[0] == answers[1]
    states = [json.loads((tmp_path / name / "checkpoint-2/trainer_state.json").read_text()) for name in ("one", "two")]
    scores = [
        {key: value for entry in state["log_history"] for key, value in entry.items() if key.startswith("eval_l") and "loss" not in key} for state in states
    ]
    assert scores[0] == scores[1] and "eval_listens" in scores[0] and states[0]["best_global_step"] == states[1]["best_global_step"] == 2
    assert done.stdout.count("nothing wrong was found") == 1 and done.stdout.count("kept step 2") == 1  # the first process alone tells


def _free_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# Trackers

SHOWN = [
    Shown("How | does\nshe feel?", "Sad.", "Happy.", "Angry.", "sad", tone(400.0, 0.2)),
    Shown("And he?", "Happy.", "Happy.", "Sad.", None, tone(150.0, 0.1)),
]


def _as(name: str, **attributes):
    """A callback of the trainer as `show` sees it: by its class's name, with the tracker's own writer."""
    return type(name, (), attributes)()


def _events(folder: Path):
    """TensorBoard's records: length (8 bytes), its checksum (4), the event, its checksum (4)."""
    from tensorboardX.proto.event_pb2 import Event

    for file in glob.glob(str(folder / "events*")):
        data, place = Path(file).read_bytes(), 0
        while place < len(data):
            (length,) = struct.unpack_from("<Q", data, place)
            event = Event()
            event.ParseFromString(data[place + 12 : place + 12 + length])
            yield from event.summary.value
            place += 12 + length + 4


def test_tensorboard_gets_a_table_and_audio_that_plays(tmp_path) -> None:
    import io

    import soundfile
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(tmp_path))
    callback = _as("TensorBoardCallback", tb_writer=writer)
    for step, first in ((2, True), (4, False)):
        trackers.show([callback], SHOWN, step, print, first=first)
    writer.close()
    values = list(_events(tmp_path))
    sounds = [value for value in values if value.HasField("audio")]
    assert [value.tag.replace("_", " ") for value in sounds] == ["eval/clip 1", "eval/clip 2"]  # once, not at every step
    samples, rate = soundfile.read(io.BytesIO(sounds[0].audio.encoded_audio_string), dtype="float32")
    assert rate == 16_000 and np.allclose(samples, SHOWN[0].samples, atol=1e-4)
    texts = [value.tensor.string_val[0].decode() for value in values if value.tensor.string_val]
    assert len(texts) == 2 and "| 1 | How \\| does ⏎ she feel? | Sad. | Happy. | Angry. | sad |" in texts[0]


def test_wandb_gets_a_table_and_audio(tmp_path, monkeypatch) -> None:
    import wandb

    for name, value in (("WANDB_MODE", "offline"), ("WANDB_SILENT", "true"), ("WANDB_DIR", str(tmp_path)), ("WANDB_CACHE_DIR", str(tmp_path / "cache"))):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    run = wandb.init(project="p", dir=str(tmp_path), mode="offline", settings=wandb.Settings(console="off", silent=True))
    problems: list[str] = []
    trackers.show([_as("WandbCallback", _wandb=wandb)], SHOWN, 2, problems.append, first=True)
    wandb.finish()
    assert problems == [] and run is not None
    uploads = [path.read_bytes() for path in (tmp_path / "data").glob("artifacts/staging/*")]
    assert sum(content[:4] == b"RIFF" for content in uploads) == 2
    table = next(found for content in uploads if content[:1] == b"{" and (found := json.loads(content)).get("data"))
    assert table["columns"] == list(trackers.COLUMNS) and [row[:5] for row in table["data"]] == [row.texts() for row in SHOWN]
    assert all(row[5]["_type"] == "audio-file" and row[5]["path"].endswith(".wav") for row in table["data"])


def test_trackio_gets_a_table_and_audio(tmp_path) -> None:
    """What trackio would store of the row, by its own code, in a process of its own: it reads its folder when it is imported."""
    pytest.importorskip("trackio")
    program = (
        "import sys, json; sys.path.insert(0, sys.argv[1])\n"
        "import trackio, test_training_evaluation as t\n"
        "from types import SimpleNamespace\n"
        "from cp_paraling_qa.training.evaluating import trackers\n"
        "logged = []\n"
        "tracker = SimpleNamespace(Audio=trackio.Audio, Table=trackio.Table, log=logged.append)\n"
        "trackers.show([t._as('TrackioCallback', _trackio=tracker)], t.SHOWN, 2, print, first=True)\n"
        "print(json.dumps([logged[0]['train/global_step'], logged[0][trackers.NAME]._process_data('p', 'r', 2)]))\n"
    )
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program, str(Path(__file__).parent)], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    step, rows = json.loads(done.stdout)
    assert step == 2 and [list(row)[:5] for row in rows] == [list(trackers.COLUMNS[:5])] * 2 and rows[0]["reference"] == "Sad."
    assert len(list(tmp_path.glob("**/*.wav"))) == 2 and all(row["audio"]["_type"] == "trackio.audio" for row in rows)


def test_a_tracker_that_fails_is_told_and_stops_nothing() -> None:
    class Writer:
        def add_text(self, *args):
            raise OSError("disk full")

    told: list[str] = []
    trackers.show([_as("TensorBoardCallback", tb_writer=Writer()), _as("PrinterCallback")], SHOWN, 2, told.append, first=True)
    assert told == ["TensorBoardCallback did not take the table of answers (OSError: disk full)"]


def test_a_swap_needs_two_clips() -> None:
    with pytest.raises(TrainingError, match="all rows are about one clip"):
        Evaluation(SimpleNamespace(), HeldOut(rows_of("test").select([0]), "split validation", 1), None)


def test_the_judge_thread_does_not_outlive_its_time() -> None:
    began = time.perf_counter()
    score_answers(held_rows("sad"), ["Sad."], ["Sad."], label_spaces=EMOTIONS, judge=_hangs, seconds=0.1)
    assert time.perf_counter() - began < 5
