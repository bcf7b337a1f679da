"""What must not change a run: where it is killed, gradient checkpointing, loader workers, the way of attention, precision. What each `train_parts` trains, saves, loads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training_fixtures import tiny_model, tone_rows
from training_runs import arguments, logged, losses, run

from cp_paraling_qa.errors import RecipeError, TrainingError
from cp_paraling_qa.training.loading import load_model, load_processor
from cp_paraling_qa.training.options import CPQAArguments
from cp_paraling_qa.training.predict import predict

ROOT = Path(__file__).resolve().parent.parent
TWO_EPOCHS = ("--max_steps", "-1", "--num_train_epochs", "2", "--max_rows", "24", "--lora_dropout", "0.2", "--train_parts", "lora+projector")
SAVING = ("--save_strategy", "steps", "--save_total_limit", "2")


class Killed(Exception):
    """Raised where the run is to end."""


def _weights(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("batches", "killed"),
    [
        (("--length_grouped", "false"), 5),  # in the first epoch of 6 steps
        (("--gradient_accumulation_steps", "2"), 4),  # after the first epoch of 3 steps
        (("--share_clips", "--token_budget", "200", "--per_device_train_batch_size", "5", "--cache_tower"), 9),  # in the second epoch
    ],
)
def test_a_run_that_breaks_off_ends_like_one_that_does_not(tmp_path, batches, killed) -> None:
    """With dropout, over two epochs, between two checkpoints: every later loss bit for bit, and the adapter byte for byte."""

    def break_off(line: str) -> None:
        if line.startswith(f"step {killed}/"):
            raise Killed

    options = (*TWO_EPOCHS, *batches)
    unbroken = run(tmp_path / "unbroken", *options)
    assert len(unbroken.losses) > killed
    with pytest.raises(Killed):
        run(tmp_path / "broken", *options, *SAVING, "--save_steps", "3", say=break_off)
    said: list[str] = []
    resumed = run(tmp_path / "broken", *options, *SAVING, "--save_steps", "3", say=said.append)
    assert any(f"checkpoint-{(killed - 1) // 3 * 3}" in line for line in said if line.startswith("going on from"))
    assert resumed.losses == unbroken.losses
    assert _weights(resumed.adapter) == _weights(unbroken.adapter)


def test_a_killed_program_goes_on(tmp_path) -> None:
    """KILL −9 while it runs, wherever that may be; two loader workers."""
    options = (*TWO_EPOCHS, "--num_train_epochs", "4", "--share_clips", "--dataloader_num_workers", "2")
    command = [sys.executable, str(ROOT / "trainer" / "sft.py"), *arguments(tmp_path / "killed", *options, *SAVING, "--save_steps", "4")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, start_new_session=True)
    deadline = time.monotonic() + 300
    while not (tmp_path / "killed" / "checkpoint-8").exists() and program.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(program.pid, signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL, "the run was over before it could be killed"
    said: list[str] = []
    resumed = run(tmp_path / "killed", *options, *SAVING, "--save_steps", "4", say=said.append)
    assert any(line.startswith("going on from") for line in said)
    unbroken = run(tmp_path / "unbroken", *options, "--dataloader_num_workers", "0")
    assert len(unbroken.losses) == 24
    assert resumed.losses == unbroken.losses
    assert _weights(resumed.adapter) == _weights(unbroken.adapter)


def test_a_checkpoint_without_its_random_state_is_passed_over(tmp_path) -> None:
    """Killed while it was written: dropout could not go on as it would have."""
    unbroken = run(tmp_path, "--lora_dropout", "0.2", *SAVING, "--save_steps", "2")
    state = tmp_path / "checkpoint-4" / "rng_state.pth"
    state.write_bytes(state.read_bytes()[:200])
    said: list[str] = []
    resumed = run(tmp_path, "--lora_dropout", "0.2", *SAVING, "--save_steps", "2", say=said.append)
    assert any("checkpoint-2" in line for line in said if line.startswith("going on from"))
    assert resumed.losses == unbroken.losses


@pytest.mark.parametrize("options", [("--train_parts", "tower-lora", "--share_clips"), ("--train_parts", "full")])
def test_gradient_checkpointing_changes_nothing(tmp_path, options) -> None:
    """Also on a tower that is trimmed and trains, and with shared sequences."""
    plain = logged(tmp_path / "plain", *options)
    for name, more in {"on": (), "reentrant": ("--gradient_checkpointing_kwargs", '{"use_reentrant": true}')}.items():
        checkpointed = logged(tmp_path / name, *options, "--gradient_checkpointing", "true", *more)
        for quantity in ("loss", "grad_norm"):
            assert checkpointed[quantity] == pytest.approx(plain[quantity], rel=1e-5), (name, quantity)


def test_the_same_seed_is_the_same_run_with_loader_workers_too(tmp_path) -> None:
    options = ("--lora_dropout", "0.2", "--share_clips", "--train_parts", "lora+projector")
    once = run(tmp_path / "once", *options)
    again = run(tmp_path / "again", *options, "--dataloader_num_workers", "2")
    assert again.losses == once.losses and _weights(again.adapter) == _weights(once.adapter)
    other = run(tmp_path / "other", *options, "--seed", "1")
    assert other.losses != once.losses


@pytest.mark.parametrize("options", [(), ("--share_clips",)])
def test_eager_attention_is_sdpa(tmp_path, options) -> None:
    assert losses(run(tmp_path / "eager", "--attn_implementation", "eager", *options)) == pytest.approx(losses(run(tmp_path / "sdpa", *options)), rel=1e-4)


def test_bfloat16_autocast_with_everything(tmp_path) -> None:
    """On CPUs too: masks and cached towers in the right precision; 8 bits of mantissa are 0.4 %. The cache holds what an autocast tower says, not a float32 one."""
    bf16 = ("--bf16", "true")
    exact = losses(run(tmp_path / "float32", "--share_clips", "--cache_tower"))
    plain = losses(run(tmp_path / "bf16", *bf16))
    assert plain != exact
    for name, options in {"shared": ("--share_clips",), "eager": ("--share_clips", "--attn_implementation", "eager"), "cached": ("--cache_tower",)}.items():
        told = losses(run(tmp_path / name, *bf16, *options))
        assert all(torch.isfinite(torch.tensor(told)))
        reference = plain if name == "cached" else exact
        assert told[0] == pytest.approx(reference[0], rel=0.01), name
    files = [sorted((tmp_path / name / "tower").rglob("*.safetensors")) for name in ("float32", "cached")]
    assert {file.name for file in files[0]} >= {file.name for file in files[1]} and files[0][0].parent.parent.name != files[1][0].parent.parent.name
    by_name = {file.name: load_file(file)["states"] for file in files[0]}
    differs = [float((load_file(file)["states"].float() - by_name[file.name]).abs().max()) for file in files[1]]
    assert 1e-3 < max(differs) < 0.1


PARTS = {
    "lora": {"language_model"},
    "projector": {"multi_modal_projector"},
    "lora+projector": {"language_model", "multi_modal_projector"},
    "tower-lora": {"language_model", "audio_tower"},
    "full": {"language_model", "multi_modal_projector", "audio_tower", "lm_head"},
}
_LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "gate_proj", "up_proj", "down_proj", "fc1", "fc2")


def _changed(model: Any) -> set[str]:
    base = dict(load_model(tiny_model()).named_parameters())
    return {name for name, parameter in model.named_parameters() if not torch.equal(parameter, base[name])}


@pytest.mark.parametrize("parts", PARTS)
def test_what_is_trained_is_what_was_asked_for(tmp_path, parts) -> None:
    """Which weights differ from the base's, and no others; and adapter, merged model, and merged model saved and loaded again give the same answers."""
    trained = run(tmp_path, "--train_parts", parts, "--max_steps", "6")
    processor, rows = load_processor(trained.adapter), tone_rows(4, first=30)
    if parts == "full":
        model = load_model(trained.adapter)
    else:
        adapted = load_model(tiny_model(), adapter=trained.adapter)
        answers = predict(adapted, processor, rows, max_new_tokens=8)
        model = adapted.merge_and_unload()
        assert predict(model, processor, rows, max_new_tokens=8) == answers
    changed = _changed(model)
    assert {part for part in PARTS["full"] if any(part in name for name in changed)} == PARTS[parts]
    of_lora = {name for name in changed if "multi_modal_projector" not in name}
    if parts != "full":
        assert all(name.rsplit(".", 2)[-2] in _LINEARS and name.endswith(".weight") for name in of_lora)
        linears = [name for name, _ in model.named_parameters() if name.rsplit(".", 2)[-2] in _LINEARS and name.endswith(".weight")]
        assert of_lora == {name for name in linears if any(part in name for part in PARTS[parts])}
    else:
        assert changed == {name for name, _ in model.named_parameters() if "embed_positions" not in name}  # sinusoids
    model.save_pretrained(tmp_path / "merged")
    processor.save_pretrained(tmp_path / "merged")
    again = predict(load_model(tmp_path / "merged"), processor, rows, max_new_tokens=8)
    assert again == predict(model, processor, rows, max_new_tokens=8) != predict(load_model(tiny_model()), processor, rows, max_new_tokens=8)


def test_lora_is_the_default() -> None:
    assert CPQAArguments().train_parts == "lora"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--train_parts", "tower-lora", "--cache_tower"), "cache_tower"),
        (("--train_parts", "full", "--cache_tower"), "cache_tower"),
        (("--train_parts", "full", "--load_in_4bit"), "full cannot train quantised weights"),
    ],
)
def test_what_cannot_be_together_is_refused(tmp_path, options, message) -> None:
    with pytest.raises((RecipeError, TrainingError), match=message):
        run(tmp_path, *options)
    assert not list(tmp_path.glob("tower/**/*.safetensors"))


def test_a_finished_stream_takes_no_further_step(tmp_path) -> None:
    """A stream has no end; run again, the same command gives the same adapter."""
    options = ("--dataset_streaming", "true", "--max_steps", "2", "--save_strategy", "steps", "--save_steps", "1")
    first = run(tmp_path, *options)
    weights = (tmp_path / "adapter_model.safetensors").read_bytes()
    assert run(tmp_path, *options).losses == first.losses and len(first.losses) == 2
    assert (tmp_path / "adapter_model.safetensors").read_bytes() == weights
