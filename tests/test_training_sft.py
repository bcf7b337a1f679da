"""Fine-tuning: the command line, the loss, going on after a kill, adapters."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from training_fixtures import tiny_model, tone_rows, tones
from training_runs import logged, run
from trl import ModelConfig

from cp_paraling_qa.errors import RecipeError, TrainingError
from cp_paraling_qa.training.families import FAMILIES
from cp_paraling_qa.training.loading import load_model, load_processor
from cp_paraling_qa.training.options import TINY_DEFAULTS, CPQAArguments, DataArguments, parse
from cp_paraling_qa.training.parts import adapter_config
from cp_paraling_qa.training.predict import predict
from cp_paraling_qa.training.sft import Trained, main, next_command

ROOT = Path(__file__).resolve().parent.parent


def test_one_batch_of_four_is_four_of_one(tmp_path) -> None:
    """Gradient accumulation gives the same losses and gradients, and the same adapter; 14 rows leave a step of 2. The held-out loss does not depend on its batches."""
    epoch = ("--max_steps", "-1", "--num_train_epochs", "1", "--max_rows", "14", "--eval_strategy", "epoch")
    whole = logged(tmp_path / "whole", *epoch, "--per_device_eval_batch_size", "16")
    single = logged(
        tmp_path / "single", *epoch, "--per_device_train_batch_size", "1", "--gradient_accumulation_steps", "4", "--per_device_eval_batch_size", "3"
    )
    assert [len(values) for values in whole.values()] == [4, 4, 1]
    for quantity, values in whole.items():
        assert single[quantity] == pytest.approx(values, rel=1e-4), quantity
    one, other = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("whole", "single"))
    for name, weights in one.items():
        assert torch.allclose(weights, other[name], atol=2e-4), name
    assert whole["loss"][-1] < whole["loss"][0]


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
    return subprocess.run([*command, *options], capture_output=True, text=True, cwd=cwd, env=environment, timeout=300)


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
    assert re.search(r"pqa_template +96 ", done.stdout) and "step 3/3" in done.stdout
    assert "python trainer/predict.py --model out/tiny-model --adapter out" in done.stdout
    assert json.loads((tmp_path / "out/adapter_config.json").read_text())["r"] == 16
    assert (tmp_path / "out/processor_config.json").is_file()
    assert not done.stderr  # no warning of anybody's


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


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({}, "--model base --adapter out --dataset D --config baseline"),
        ({"train_parts": "full"}, "--model out --dataset D --config baseline"),
        ({"arm": "S30"}, "--model base --adapter out --dataset D --config baseline,implicit"),
        ({"arm": "S32"}, "--model base --adapter out --dataset D --config explicit,combined"),
        ({"mixture": "cpqa=1", "mixture_metadata": True}, "--model base --adapter out --dataset D --config explicit,combined"),
    ],
)
def test_the_next_command_asks_what_was_trained(options, asked) -> None:
    trained = Trained(Path("out"), "base", [], 0.0, 1)
    command = next_command(trained, DataArguments(dataset_name="D", dataset_config="baseline"), CPQAArguments(**options))
    assert command == f"python trainer/predict.py {asked} --split test --out out/predictions.jsonl"
