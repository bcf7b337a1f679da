"""Fine-tuning: the command line, the loss, going on after a kill, adapters."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from training_fixtures import tiny_model, tone_rows, tones
from trl import ModelConfig

from cp_paraling_qa.errors import RecipeError, TrainingError
from cp_paraling_qa.training.families import FAMILIES
from cp_paraling_qa.training.loading import load_model, load_processor
from cp_paraling_qa.training.options import TINY_DEFAULTS, parse
from cp_paraling_qa.training.predict import predict
from cp_paraling_qa.training.sft import adapter_config, main, train

ROOT = Path(__file__).resolve().parent.parent


def arguments(out: Path, *more: str) -> list[str]:
    options = ["--model_name_or_path", str(tiny_model()), "--dataset_name", str(tones()), "--dataset_config", "baseline", "--output_dir", str(out)]
    options += ["--max_steps", "4", "--logging_steps", "1", "--per_device_train_batch_size", "4", "--learning_rate", "0.003", "--lora_dropout", "0.0"]
    return [*options, "--gradient_checkpointing", "false", "--save_strategy", "no", *more]


def run(out: Path, *more: str, say=lambda line: None):
    return train(*parse(arguments(out, *more)), say=say)


def test_one_batch_of_four_is_four_of_one(tmp_path) -> None:
    """Gradient accumulation gives the same losses, and the same adapter."""
    whole = run(tmp_path / "whole")
    steps = run(tmp_path / "steps", "--per_device_train_batch_size", "1", "--gradient_accumulation_steps", "4")
    assert [loss for _, loss in steps.losses] == pytest.approx([loss for _, loss in whole.losses], rel=1e-4)
    one, other = (load_file(folder / "adapter_model.safetensors") for folder in (whole.adapter, steps.adapter))
    for name, weights in one.items():
        assert torch.allclose(weights, other[name], atol=2e-4), name
    assert whole.losses[-1][1] < whole.losses[0][1]


def test_gradient_checkpointing_changes_nothing(tmp_path) -> None:
    plain, checkpointed = run(tmp_path / "plain"), run(tmp_path / "checkpointed", "--gradient_checkpointing", "true")
    assert [loss for _, loss in checkpointed.losses] == pytest.approx([loss for _, loss in plain.losses], rel=1e-5)


def test_going_on_is_loss_identical(tmp_path) -> None:
    """A run killed after step 2, while it wrote the checkpoint of step 3, ends like one that was never killed."""
    saving = ("--save_strategy", "steps", "--save_steps", "1", "--save_total_limit", "9", "--lora_dropout", "0.1")
    unbroken = run(tmp_path / "run", *saving)
    weights = (unbroken.adapter / "adapter_model.safetensors").read_bytes()
    for file in unbroken.adapter.glob("adapter*"):
        file.unlink()
    shutil.rmtree(tmp_path / "run" / "checkpoint-4")
    state = tmp_path / "run" / "checkpoint-3" / "trainer_state.json"
    state.write_bytes(state.read_bytes()[:100])  # torn
    said: list[str] = []
    resumed = run(tmp_path / "run", *saving, say=said.append)
    assert any("going on from" in line and "checkpoint-2" in line for line in said)
    assert resumed.losses == unbroken.losses  # every logged loss, bit for bit
    assert (resumed.adapter / "adapter_model.safetensors").read_bytes() == weights


def test_another_run_is_not_continued(tmp_path) -> None:
    run(tmp_path, "--save_strategy", "steps", "--save_steps", "2")
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(TrainingError, match=r"learning_rate was 0.003, is 0.001.*--overwrite_output_dir"):
        run(tmp_path, "--learning_rate", "0.001")
    fresh = run(tmp_path, "--learning_rate", "0.001", "--overwrite_output_dir")
    assert fresh.losses[0][0] == 1 and not list(tmp_path.glob("checkpoint-*"))
    assert (tmp_path / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize(("parts", "lora", "projector"), [("lora+projector", True, True), ("lora", True, False), ("projector", False, True)])
def test_adapter_reloads_and_merges_to_the_same_answers(tmp_path, parts, lora, projector) -> None:
    """What is trained is what was asked for; the adapter put on a fresh model and the merged model answer alike, and unlike the base."""
    trained = run(tmp_path, "--train_parts", parts, "--max_steps", "12")
    names = load_file(trained.adapter / "adapter_model.safetensors")
    assert any("lora_A" in name for name in names) == lora
    assert any("multi_modal_projector" in name for name in names) == projector
    assert not any("audio_tower" in name for name in names)
    processor, rows = load_processor(trained.adapter), tone_rows(4, first=30)
    model = load_model(tiny_model(), adapter=trained.adapter)
    answers = predict(model, processor, rows, max_new_tokens=8)
    merged = predict(model.merge_and_unload(), processor, rows, max_new_tokens=8)
    assert merged == answers != predict(load_model(tiny_model()), processor, rows, max_new_tokens=8)


def test_merged_model_saves_and_loads_as_a_stock_one(tmp_path) -> None:
    from transformers import AutoModelForMultimodalLM

    trained = run(tmp_path / "run", "--max_steps", "12")
    merged = load_model(tiny_model(), adapter=trained.adapter).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    stock = AutoModelForMultimodalLM.from_pretrained(tmp_path / "merged")
    processor, rows = load_processor(trained.adapter), tone_rows(2, first=30)
    assert predict(stock, processor, rows, max_new_tokens=8) == predict(merged, processor, rows, max_new_tokens=8)


def test_unknown_train_parts_are_refused() -> None:
    with pytest.raises(RecipeError, match="'everything' is not one of lora"):
        adapter_config(FAMILIES["qwen2_audio"], "everything", ModelConfig())


def test_recipe_then_command_line(tmp_path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"learning_rate": 0.002, "lora_r": 4, "train_parts": "projector", "model_name_or_path": "somewhere"}))
    script, training, model, ours = parse(["--config", str(recipe), "--lora_r", "8", "--dataset_config", "baseline,implicit"])
    assert (training.learning_rate, model.lora_r, ours.train_parts, script.dataset_config) == (0.002, 8, "projector", "baseline,implicit")
    assert (training.max_length, training.remove_unused_columns, training.report_to) == (None, False, [])
    assert training.bf16 is torch.cuda.is_available()


def test_without_a_model_the_tiny_defaults_hold() -> None:
    script, training, model, _ = parse(["--max_steps", "7"])
    assert (script.dataset_name, script.dataset_config, model.model_name_or_path) == ("cp_paraling_qa", "implicit", None)
    assert (training.max_steps, training.learning_rate, training.gradient_checkpointing) == (7, 0.003, False)


def test_tiny_recipe_says_what_the_defaults_say() -> None:
    recipe = yaml.safe_load((ROOT / "trainer/recipes/tiny.yaml").read_text(encoding="utf-8"))
    assert recipe.items() >= TINY_DEFAULTS.items()


@pytest.mark.parametrize("recipe", sorted((ROOT / "trainer/recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_parse(recipe) -> None:
    parse(["--config", str(recipe), "--bf16", "false"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--learning_rat", "1"], "learning_rat"),
        (["--config", "nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["--config"], "needs the path"),
        (["--max_length", "512"], "max_length"),
    ],
)
def test_wrong_options_are_named(options, message) -> None:
    with pytest.raises(RecipeError, match=message):
        parse(options)


def test_unknown_recipe_keys_are_named(tmp_path) -> None:
    (tmp_path / "recipe.yaml").write_text("learning_rat: 1\n")
    with pytest.raises(RecipeError, match="learning_rat"):
        parse(["--config", str(tmp_path / "recipe.yaml")])


def test_errors_are_one_line_and_exit_2(capsys, tmp_path) -> None:
    assert main(["--dataset_name", str(tones()), "--dataset_config", "nothing", "--output_dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "'nothing'" in error and "Traceback" not in error


def _launch(*options: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(ROOT / "trainer/accelerate/cpu.yaml"), str(ROOT / "trainer/sft.py")]
    return subprocess.run([*command, *options], capture_output=True, text=True, cwd=cwd, env=environment, timeout=120)


def test_accelerate_launch_with_a_recipe(tmp_path) -> None:
    """From a foreign folder, no model named: a tiny one is built, recipe and command line are both heard, and the next command is printed."""
    recipe = ROOT / "trainer/recipes/tiny.yaml"
    done = _launch(
        "--config",
        str(recipe),
        "--dataset_name",
        str(tones()),
        "--dataset_config",
        "baseline,explicit",
        "--max_steps",
        "3",
        "--logging_steps",
        "1",
        "--output_dir",
        "out",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "96 questions about 24 clips" in done.stdout and "step 3/3" in done.stdout
    assert "python trainer/predict.py --model out/tiny-model --adapter out" in done.stdout
    assert json.loads((tmp_path / "out/adapter_config.json").read_text())["r"] == 16
    assert (tmp_path / "out/processor_config.json").is_file()
    assert "Warning" not in done.stderr and "Traceback" not in done.stderr


def test_help_names_both_kinds_of_options(tmp_path) -> None:
    done = _launch("--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for option in (
        "--model_name_or_path",
        "--dataset_config",
        "--train_parts",
        "--drop_unhearable",
        "--config trainer/recipes/qwen2_audio_lora.yaml",
        "(default: lora+projector)",
    ):
        assert option in done.stdout


LEARNED = ROOT / "cp_paraling_qa" / "README.md"


@pytest.mark.skipif(not LEARNED.is_file(), reason="the bundled dataset is not built yet")
def test_training_teaches(tmp_path) -> None:
    """LEARNING TEST, one seed on the bundled sample: direct emotion on voices it has not heard, far above chance (1 in 6), and gone with shuffled audio."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from learning import learn
    finally:
        sys.path.pop(0)
    result = learn(str(ROOT / "cp_paraling_qa"), seed=0, steps=220, out=tmp_path)
    assert result["voices"] >= 3
    assert result["accuracy"] >= 0.45
    assert result["shuffled"] <= 0.25
