"""Two processes give what one gives: losses, gradients, the loss on held-out rows, what is saved; by DDP and by FSDP2, over gloo. And accelerate's configs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from distributed_runs import history
from safetensors.torch import load_file
from training_fixtures import example, tiny_model, tone, tone_rows, write_dataset

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.training.collator import AudioQACollator
from cp_paraling_qa.training.families import FAMILIES
from cp_paraling_qa.training.loading import load_model, load_processor
from cp_paraling_qa.training.loss import answer_tokens
from cp_paraling_qa.training.options import parse
from cp_paraling_qa.training.parts import layer_classes
from cp_paraling_qa.training.rows import load_rows
from cp_paraling_qa.training.sampler import ClipBatches, RowLength
from cp_paraling_qa.training.sft import train

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "trainer" / "accelerate"
TIMEOUT = 300  # a rank that waits for the other gives up after 60 s (distributed_runs.py)

CASES = {
    # one row in each process: with an odd number of text rows, one process has text alone while the other hears a clip; the last step has one row for two
    "plain": "--train_parts lora+projector --per_device_train_batch_size 1 --eval_strategy steps --eval_steps 5",
    # an odd number of shared batches, which the processes split
    "shared": "--train_parts tower-lora --share_clips --token_budget 120 --per_device_train_batch_size 3 --gradient_checkpointing true",
    "cached": "--train_parts lora+projector --share_clips --cache_tower --per_device_train_batch_size 3 --eval_strategy epoch",
    "full": "--train_parts full --learning_rate 0.0001 --per_device_train_batch_size 2",
}

LEFT_OUT = {("fsdp", "plain"), ("fsdp", "shared")}


def text_rows(number: int) -> list[dict[str, Any]]:
    about = [(f"What is tone {n} called?", f"It is called {'very ' * n}loud.") for n in range(number)]
    return [{**example(f"text{n}", tone(300, 0.1), *texts), "audio": None} for n, texts in enumerate(about)]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Path:
    """10 questions about 5 clips and 3 of text alone; 6 about 3 clips and 1 of text alone to hold out."""
    rows = {"train": tone_rows(5) + text_rows(3), "test": tone_rows(3, first=30) + text_rows(1)}
    return write_dataset(tmp_path_factory.mktemp("mixed"), {"baseline": rows})


def arguments(mixed: Path, out: Path, options: str) -> list[str]:
    shared = "--dataset_config baseline --num_train_epochs 1 --logging_steps 1 --learning_rate 0.003 --lora_dropout 0 --bf16 false --save_strategy epoch"
    shared += " --gradient_checkpointing false --per_device_eval_batch_size 2"
    places = ["--model_name_or_path", str(tiny_model()), "--dataset_name", str(mixed), "--output_dir", str(out), "--tower_cache_dir", str(out.parent / "tower")]
    return [*places, *shared.split(), *options.split()]


@pytest.fixture(scope="module")
def alone(mixed, tmp_path_factory) -> Path:
    """Every case in one process, with as many rows in a step: two accumulated batches."""
    out = tmp_path_factory.mktemp("alone")
    for name, options in CASES.items():
        train(*parse(arguments(mixed, out / name, f"{options} --gradient_accumulation_steps 2")), say=lambda line: None)
    return out


def fsdp_environment() -> dict[str, str]:
    """What `accelerate launch --config_file trainer/accelerate/fsdp2.yaml` gives its processes, in float32."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    command = ["--config_file", str(CONFIGS / "fsdp2.yaml"), "--main_process_port", "0", "--mixed_precision", "no", "trainer/sft.py"]
    environment = prepare_multi_gpu_env(_validate_launch_command(launch_command_parser().parse_args(command))[0])
    return {name: value for name, value in environment.items() if "FSDP" in name}


@pytest.fixture(scope="module")
def together(mixed, tmp_path_factory) -> dict[str, Any]:
    """Every case in two processes, by DDP and by FSDP2; and by both a run with dropout that is killed in its second epoch and goes on. One start for all of them."""
    out = tmp_path_factory.mktemp("together")
    broken = "--train_parts lora+projector --lora_dropout 0.2 --share_clips --per_device_train_batch_size 2 --num_train_epochs 2 --save_strategy steps --save_steps 5"
    runs: list[dict[str, Any]] = []
    for way, environment in (("ddp", {}), ("fsdp", fsdp_environment())):
        cases = {name: f"{options} {'--gradient_checkpointing true' * (way == 'fsdp')}" for name, options in CASES.items() if (way, name) not in LEFT_OUT}
        for name, options in {**cases, "broken": f"{broken} --save_total_limit 99"}.items():
            runs.append({"name": f"{way} {name}", "argv": arguments(mixed, out / way / name, options), "environment": environment})
        runs.append({**runs[-1], "name": f"{way} resumed", "forget": 5})
    (out / "cases.json").write_text(json.dumps(runs))
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CONFIGS / "cpu_ddp.yaml"), "--main_process_port", "0"]
    command += [str(ROOT / "tests" / "distributed_runs.py"), str(out / "cases.json"), str(out / "told.json")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    try:
        _, errors = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"the two processes wait for each other: {process.communicate()[1][-3000:]}")
    assert process.returncode == 0, "\n".join(line for line in errors.splitlines() if "[rank1]" not in line)[:6000]
    return json.loads((out / "told.json").read_text()) | {"errors": errors, "out": out}


def column(log: list[dict[str, float]], name: str) -> list[float]:
    return [entry[name] for entry in log if name in entry]


@pytest.mark.parametrize(("way", "name"), [(way, name) for way in ("ddp", "fsdp") for name in CASES if (way, name) not in LEFT_OUT])
def test_two_processes_are_one(together, alone, way, name) -> None:
    """Losses, gradient norms and what is saved; shards add up in another order."""
    log, expected = together[f"{way} {name}"]["log"], history(alone / name)
    for quantity in ("loss", "grad_norm", "mean_token_accuracy", "eval_loss", "eval_mean_token_accuracy"):
        assert column(log, quantity) == pytest.approx(column(expected, quantity), rel=1e-5 if way == "ddp" else 1e-4), quantity
    assert len(column(log, "loss")) == {"plain": 7, "full": 4}.get(name, len(column(log, "loss"))) >= 3
    file = "model.safetensors" if name == "full" else "adapter_model.safetensors"
    saved, other = load_file(together["out"] / way / name / file), load_file(alone / name / file)
    assert saved.keys() == other.keys()
    assert all(torch.allclose(saved[key], other[key], atol=2e-4) for key in saved)


@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_two_processes_go_on_as_if_never_killed(together, way) -> None:
    """With dropout, in the middle of the second epoch: every later loss bit for bit."""
    resumed, unbroken = together[f"{way} resumed"], together[f"{way} broken"]["log"]
    assert any("going on from" in line and "checkpoint-5" in line for line in resumed["lines"])
    assert len(column(unbroken, "loss")) == 8
    for quantity in ("loss", "grad_norm"):
        assert column(resumed["log"], quantity) == column(unbroken, quantity)


def test_nothing_is_printed_that_one_would_have_to_ignore(together) -> None:
    lines = [line for line in together["errors"].splitlines() if "mtime may not be reliable" not in line]  # transformers', where checkpoints are seconds apart
    assert not lines


def test_the_loss_on_held_out_rows_is_per_answer_token(together, mixed) -> None:
    """SECOND WAY: all rows in one batch, through the adapter as it was saved."""
    family = FAMILIES["qwen2_audio"]
    model = load_model(tiny_model(), adapter=together["out"] / "ddp" / "cached")
    batch = AudioQACollator(load_processor(tiny_model()), family)(list(load_rows(str(mixed), "baseline", "test")))
    with torch.no_grad():
        expected = float(answer_tokens(model, batch, family).losses.mean())
    assert column(together["ddp cached"]["log"], "eval_loss")[-1] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("world", [2, 3])
def test_uneven_batches_are_split_not_repeated(world) -> None:
    """Every row once an epoch, as many batches in each process; whole steps hold what one process accumulates."""
    lengths = [RowLength(f"c{n % 7}", 20, 5 + n % 9) for n in range(26)]
    whole = ClipBatches(lengths, batch_size=3, share=True, accumulate=world)
    shares = [ClipBatches(lengths, batch_size=3, share=True, rank=rank, world=world) for rank in range(world)]
    for epoch in range(3):
        for plan in (whole, *shares):
            plan.set_epoch(epoch)
        together, single = [list(plan) for plan in shares], list(whole)
        assert {len(share) for share in together} == {len(shares[0])}
        assert sorted(row for share in together for batch in share for row in batch) == list(range(26))
        steps = [sorted(row for batch in step for row in batch) for step in zip(*together, strict=True)]
        assert steps == [sorted(sum(single[start : start + world], [])) for start in range(0, len(single), world)]


def test_without_an_accelerator_sharding_is_refused(mixed, tmp_path, monkeypatch) -> None:
    """accelerate would leave it away without a word."""
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(RecipeError, match=r"no.*GPU|shards on GPUs only"):
        train(*parse(arguments(mixed, tmp_path, "--max_steps 1")), say=lambda line: None)


def test_shards_are_whole_layers() -> None:
    """transformers' own list names Qwen2AudioAttention too, a part of a layer."""
    model = load_model(tiny_model())
    assert layer_classes(model, FAMILIES["qwen2_audio"]) == ["Qwen2AudioEncoderLayer", "Qwen2DecoderLayer"]
    assert "Qwen2AudioAttention" in model._no_split_modules


@pytest.mark.parametrize(
    ("config", "way", "processes"),
    [("cpu", "NO", 1), ("cpu_ddp", "MULTI_GPU", 2), ("ddp", "MULTI_GPU", 2), ("fsdp2", "FSDP", 2), ("zero2", "DEEPSPEED", 2), ("zero3", "DEEPSPEED", 2)],
)
def test_accelerate_reads_its_configs(config, way, processes, monkeypatch) -> None:
    """As `accelerate launch` reads them, down to the plugin that each sets up; DeepSpeed itself need not be installed for that."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils import DeepSpeedPlugin, FullyShardedDataParallelPlugin
    from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    command = ["--config_file", str(CONFIGS / f"{config}.yaml"), "--main_process_port", "0", "trainer/sft.py"]
    options, read, _ = _validate_launch_command(launch_command_parser().parse_args(command))
    assert (str(read.distributed_type.value), options.num_processes) == (way, processes)
    environment: dict[str, str] = {}
    if way == "FSDP":
        environment = prepare_multi_gpu_env(options)
    elif way == "DEEPSPEED":
        options.deepspeed_fields_from_accelerate_config = ",".join([*read.deepspeed_config, "mixed_precision"])
        environment = prepare_deepspeed_cmd_env(options)[1]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if way == "FSDP":
        plugin = FullyShardedDataParallelPlugin()
        assert plugin.fsdp_version == 2 and plugin.reshard_after_forward is True and "FULL" in str(plugin.state_dict_type)
    elif way == "DEEPSPEED":
        assert DeepSpeedPlugin().zero_stage == int(config[-1])
    head = (CONFIGS / f"{config}.yaml").read_text(encoding="utf-8")
    assert f"accelerate launch --config_file trainer/accelerate/{config}.yaml" in head and ("un here" in head)
