"""The preflight: its report, and every fault that it has to find, made on purpose."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from training_fixtures import tiny_model, tone_rows, tones, write_dataset

from cp_paraling_qa.errors import TrainingError
from cp_paraling_qa.training import run as fine_tuning
from cp_paraling_qa.training.collator import AudioQACollator
from cp_paraling_qa.training.families import FAMILIES
from cp_paraling_qa.training.loading import load_model, load_processor
from cp_paraling_qa.training.loss import row_losses
from cp_paraling_qa.training.options import parse
from cp_paraling_qa.training.parts import PartCount, count_parts
from cp_paraling_qa.training.preflight import checks
from cp_paraling_qa.training.preflight.report import WIDTH, rendered
from cp_paraling_qa.training.sampler import RowLength
from cp_paraling_qa.training.sft import main, train

FAMILY = FAMILIES["qwen2_audio"]


@pytest.fixture(scope="module")
def model():
    return load_model(tiny_model())


@pytest.fixture
def processor():
    return load_processor(tiny_model())


@pytest.fixture
def batch(processor):
    return AudioQACollator(processor, FAMILY)(tone_rows(2))


def arguments(out: Path, *more: str) -> list[str]:
    options = ["--model_name_or_path", str(tiny_model()), "--dataset_name", str(tones()), "--dataset_config", "baseline,explicit", "--output_dir", str(out)]
    return [*options, "--max_steps", "2", "--logging_steps", "1", "--per_device_train_batch_size", "4", "--gradient_checkpointing", "false", *more]


def run(out: Path, *more: str, say=lambda line: None):
    return train(*parse(arguments(out, *more)), say=say)


# The report


def test_the_report_says_what_will_be_trained(tmp_path) -> None:
    """96 rows: 24 clips, two questions each, in two configs. Lengths of the tones: 0.5 to 1.4 s in five steps; 23 s in all (4 full rounds and 4 clips more)."""
    said: list[str] = []
    trained = run(tmp_path, "--preflight_only", "true", "--gradient_accumulation_steps", "2", "--num_train_epochs", "3", "--max_steps", "-1", say=said.append)
    text = "\n".join(said)
    assert trained.losses == [] and not (tmp_path / "adapter_model.safetensors").exists() and not (tmp_path / "cpqa_run.json").exists()
    assert all(len(line) <= WIDTH for line in said), [line for line in said if len(line) > WIDTH]
    rows = {tuple(line.split()[:2]): line.split()[2:4] for line in said if line.split()[:1] in (["baseline"], ["explicit"], ["in"])}
    assert rows["baseline", "pqa_template"] == rows["explicit", "pqa_template"] == ["48", "24"]
    seconds = sum(0.5 + 0.9 * (number % 5) / 4 for number in range(24))
    assert float(next(line for line in said if line.split()[:2] == ["in", "all"] and "96" in line).split()[-1]) == pytest.approx(seconds, abs=1)
    assert "24 batches an epoch" in text and "12 steps an epoch, 36 steps in all, 3.00 epochs" in text
    counts = count_parts(load_model(tiny_model()), FAMILY)
    assert f"{counts['audio tower'].total:,}" in text and "memory of a training step" in text and "loss of the longest batch before training" in text
    assert "<|AUDIO|> × 12" in text and "⟦The speaker sounds sad.<|im_end|>⟧" in text  # 0.5 s at 25 a second
    assert "Voice: 0.0–0.5 s sad, clip 0" in text  # one example of each config
    assert said[-1].startswith("── nothing wrong was found")


def test_the_command_line_stops_after_it(tmp_path, capsys) -> None:
    assert main(arguments(tmp_path, "--preflight_only", "true")) == 0
    out = capsys.readouterr().out
    assert "nothing wrong was found" in out and "trained on" not in out


def test_the_labelled_share_is_that_of_the_batches(tmp_path, processor, model) -> None:
    """Counted anew from the collator's labels over the first rows."""
    from datasets import load_dataset

    said: list[str] = []
    run(tmp_path, "--preflight_only", "true", "--dataset_config", "baseline", say=said.append)
    rows = load_dataset(str(tones()), "baseline", split="train")
    whole = [AudioQACollator(processor, FAMILY)([row]) for row in rows]
    share = sum(int((batch["labels"] != -100).sum()) for batch in whole) / sum(batch["labels"].numel() for batch in whole)
    told = float(next(line for line in said if "labelled:" in line).split()[1].rstrip("%")) / 100
    assert told == pytest.approx(share, abs=0.005)


def test_a_prompt_is_rendered_token_for_token(processor) -> None:
    """Put back into token ids, the rendered text is the prompt and the answer that the model gets."""
    from cp_paraling_qa.training.encoding import Encoder

    encoder = Encoder(processor, FAMILY)
    row = tone_rows(1)[0]
    names, samples = encoder.clips([row])
    counts = dict(zip(names, encoder.features(samples).counts, strict=True))
    encoded = encoder.answered([row], counts)[0]
    text = rendered(encoded, processor, encoder.audio_id)
    back = text.replace(f"<|AUDIO|> × {counts[names[0]]}", "<|AUDIO|>" * counts[names[0]]).replace("⟦", "").replace("⟧", "")
    assert FAMILY.encode(processor, back) == [*encoded.prompt, *encoded.answer]
    assert text[text.index("⟦") + 1 : text.index("⟧")] == processor.tokenizer.decode(encoded.answer)


# Faults, made on purpose


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lora_target_modules", "q_proj", "v_proj"], "matches 4 modules of the audio tower .*--train_parts tower-lora"),
        (["--lora_target_modules", "all-linear"], "modules of the audio tower"),
        (["--lora_target_modules", "q_projj", "nothing"], "matches no module of the model"),
        (["--lora_target_modules", "(unclosed"], "is no regular expression"),
        (["--train_parts", "projector", "--lora_target_modules", "q_proj", "k_proj"], "trains no LoRA"),
        (["--train_parts", "tower-lora", "--lora_target_modules", ".*language_model.*q_proj"], "matches nothing in the audio tower"),
        (["--lora_modules_to_save", "audio_tower"], "parameters of the audio tower would be trained, which train_parts lora leaves frozen"),
        (["--train_parts", "projector", "--lora_modules_to_save", "lm_head"], "should train the projector, and trains nothing of it"),
    ],
)
def test_wrong_targets_are_refused_before_training(tmp_path, options, message) -> None:
    with pytest.raises(TrainingError, match=message):
        run(tmp_path, *options)
    assert not list(tmp_path.glob("checkpoint-*"))


def test_several_faults_are_told_together(tmp_path, capsys) -> None:
    assert main(arguments(tmp_path, "--lora_modules_to_save", "audio_tower", "--cache_tower", "true", "--tower_cache_dir", str(tmp_path / "cache"))) == 2
    error = capsys.readouterr().err
    assert "1. " in error and "2. cache_tower keeps the audio tower's outputs" in error and not (tmp_path / "cache").exists()


def test_nothing_to_train_is_refused() -> None:
    counts = {"audio tower": PartCount(0, 5), "projector": PartCount(0, 5), "language model": PartCount(0, 5)}
    assert "no parameter would be trained" in checks.part_problems(counts, "lora", cache_tower=False)[0]
    assert checks.part_problems(counts | {"language model": PartCount(3, 5)}, "lora", cache_tower=True) == []
    assert "trains nothing of it" in checks.part_problems(counts | {"language model": PartCount(3, 5)}, "lora+projector", cache_tower=False)[0]


def test_a_right_batch_has_no_problems(batch, processor, model) -> None:
    assert checks.batch_problems(batch, processor, FAMILY, model.get_output_embeddings().weight.shape[0]) == []
    problems, loss = checks.forward_problems(model, batch, FAMILY, ["a"])
    assert problems == []
    assert loss == pytest.approx(_mean_loss(model, batch), rel=1e-6)


def _mean_loss(model, batch) -> float:
    """Over answer tokens, from the mean of every row and its number of labels."""
    counts = (batch["labels"] != -100).sum(-1).tolist()
    with torch.no_grad():
        return sum(loss * count for loss, count in zip(row_losses(model, batch, FAMILY), counts, strict=True)) / sum(counts)


def _all_labelled(batch) -> None:
    batch["labels"] = batch["input_ids"].clone()


def _none_labelled(batch) -> None:
    batch["labels"][:] = -100


def _without_end(batch) -> None:
    last = (batch["labels"][0] != -100).nonzero()[-1]
    batch["labels"][0, last] = -100


def _padding_labelled(batch) -> None:
    row = int((batch["attention_mask"] == 0).nonzero()[0, 0])
    batch["labels"][row, -1] = batch["input_ids"][row, -1]


def _audio_token_lost(batch) -> None:
    row, place = next((row, place) for row, place in (batch["labels"] == -100).nonzero().tolist() if place > 25)  # past the template, inside the clip
    batch["input_ids"][row, place] = batch["input_ids"][row, 0]


def _shifted(batch) -> None:
    batch["labels"] = torch.where(batch["labels"] != -100, batch["labels"] - 1, batch["labels"])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (_all_labelled, "every token of the longest batch is labelled"),
        (_all_labelled, "labels of the longest batch are on audio positions"),
        (_none_labelled, "no token of the longest batch is labelled"),
        (_without_end, "1 answers of the longest batch do not end with '<|im_end|>'"),
        (_padding_labelled, "1 labels of the longest batch are on padding"),
        (_audio_token_lost, "audio positions, the audio tower gives"),
        (_shifted, "labels of the longest batch are not the tokens at their places"),
    ],
)
def test_faults_of_a_batch(batch, processor, fault, message) -> None:
    fault(batch)
    found = checks.batch_problems(batch, processor, FAMILY, 10_000)
    assert any(message in problem for problem in found), found


def test_labels_beyond_the_output_layer(batch, processor) -> None:
    highest = int(batch["labels"].max())
    assert f"a label of the longest batch is id {highest}, the output layer has {highest} rows" in checks.batch_problems(batch, processor, FAMILY, highest)[0]
    assert checks.batch_problems(batch, processor, FAMILY, highest + 1) == []


def test_shared_sequences_are_checked_too(processor) -> None:
    shared = AudioQACollator(processor, FAMILY, share=True)(tone_rows(2))
    assert checks.batch_problems(shared, processor, FAMILY, 10_000) == []
    shared["labels"][shared["blocks"] == 0] = shared["input_ids"][shared["blocks"] == 0]
    assert any("audio positions" in problem for problem in checks.batch_problems(shared, processor, FAMILY, 10_000))


def test_a_wrong_count_of_audio_positions_stops_the_run(tmp_path, monkeypatch) -> None:
    """One position too many for each clip, as with a processor of another model."""
    plain = type(FAMILY).expand
    monkeypatch.setattr(type(FAMILY), "expand", lambda self, processor, count: plain(self, processor, count + 1))
    with pytest.raises(TrainingError, match=r"the text of the longest batch has \d+ audio positions, the audio tower gives \d+"):
        run(tmp_path)


def test_a_loss_that_is_not_finite(batch, model, tmp_path, monkeypatch) -> None:
    broken = copy.deepcopy(model)
    broken.get_output_embeddings().weight.data[3] = float("nan")
    problems, loss = checks.forward_problems(broken, batch, FAMILY, ["r1", "r2"])
    assert loss is None and "not finite at" in problems[0] and "r1, r2" in problems[0]
    load = fine_tuning.load_model

    def poisoned(*args, **kwargs):
        loaded = load(*args, **kwargs)
        loaded.get_output_embeddings().weight.data[3] = float("nan")
        return loaded

    monkeypatch.setattr(fine_tuning, "load_model", poisoned)
    with pytest.raises(TrainingError, match="the loss of the longest batch is not finite"):
        run(tmp_path)


def test_a_model_that_cannot_take_the_batch_is_named_not_thrown(batch, model) -> None:
    batch["input_ids"][0, 0] = 10**6
    problems, _ = checks.forward_problems(model, batch, FAMILY, ["r1"])
    assert "the model cannot take the longest batch (4 × " in problems[0]


def test_the_dry_pass_leaves_random_numbers_and_mode_alone(batch, model) -> None:
    before = torch.get_rng_state()
    model.train()
    checks.forward_problems(model, batch, FAMILY, [])
    assert model.training and torch.equal(before, torch.get_rng_state())
    model.eval()


def test_padding_that_ends_a_turn(processor, model, tmp_path, monkeypatch) -> None:
    assert checks.tokenizer_problems(model, processor, FAMILY) == []
    processor.tokenizer.pad_token = "<|im_end|>"
    assert "'<|im_end|>' is also the end of a turn" in checks.tokenizer_problems(model, processor, FAMILY)[0]
    monkeypatch.setattr(fine_tuning, "load_processor", lambda *args, **kwargs: processor)
    with pytest.raises(TrainingError, match="also the end of a turn"):
        run(tmp_path)


def test_a_tokenizer_of_another_size(processor, model) -> None:
    rows = model.get_input_embeddings().num_embeddings
    processor.tokenizer.add_tokens([f"<extra {number}>" for number in range(rows)])
    assert f"the model's embeddings have {rows} rows" in checks.tokenizer_problems(model, processor, FAMILY)[0]


def test_another_audio_token(processor, model) -> None:
    config = copy.deepcopy(model.config)
    config.audio_token_id = 0
    other = SimpleNamespace(config=config, get_input_embeddings=model.get_input_embeddings)
    assert "the model's config looks for 0" in checks.tokenizer_problems(other, processor, FAMILY)[0]
    processor.audio_token = "<|nothing|>"
    assert "does not know the audio token <|nothing|>" in checks.tokenizer_problems(model, processor, FAMILY)[0]


def test_precision() -> None:
    layer = torch.nn.Linear(2, 2)
    assert checks.precision_problems(layer, bf16=True, device="cuda", bf16_supported=True) == []
    assert checks.precision_problems(layer, bf16=True, device="cpu", bf16_supported=False) == []
    assert "no bfloat16" in checks.precision_problems(layer, bf16=True, device="cuda", bf16_supported=False)[0]
    assert "no bfloat16" in checks.precision_problems(layer.bfloat16(), bf16=False, device="cuda", bf16_supported=False)[0]
    assert "2 trained weights are float16" in checks.precision_problems(layer.half(), bf16=False, device="cuda", bf16_supported=True)[0]
    assert checks.precision_problems(layer.half().requires_grad_(False), bf16=False, device="cpu", bf16_supported=False) == []


def test_a_quantised_projector_is_found() -> None:
    """With bitsandbytes itself, where the skip list does not name the projector, and where it does."""
    from transformers import BitsAndBytesConfig

    for skip, parts in ((None, {"audio tower", "projector"}), (["model.audio_tower", "model.multi_modal_projector", "lm_head"], set())):
        quantised = load_model(tiny_model(), quantization_config=BitsAndBytesConfig(load_in_4bit=True, llm_int8_skip_modules=skip))
        found = checks.quantised_problems(quantised, FAMILY)
        assert {part for part in ("audio tower", "projector") if any(f"the {part} is quantised" in problem for problem in found)} == parts


def test_rows_longer_than_the_models_positions(model, tmp_path) -> None:
    config = copy.deepcopy(model.config)
    config.get_text_config().max_position_embeddings = 40
    lengths = [RowLength("a", 10, 20), RowLength("b", 30, 20), RowLength(None, 0, 40), RowLength("c", 30, 11)]
    found = checks.length_problems(config, lengths, lambda number: f"row {number}")
    assert found == [
        "2 rows are longer than the 40 positions of the language model (row 1: 30 audio + 20 text tokens, row 3: 30 audio + 11 text tokens): "
        "nothing is ever cut, so shorten or remove them"
    ]
    long = tone_rows(2)
    long[1] |= {"id": "endless", "prompt": "why " * 3000}
    data = write_dataset(tmp_path / "data", {"baseline": {"train": long}})
    with pytest.raises(TrainingError, match=r"1 rows are longer than the \d+ positions of the language model \(row endless, clip clip000"):
        run(tmp_path / "out", "--dataset_name", str(data), "--dataset_config", "baseline")


def test_rows_without_answers(tmp_path) -> None:
    assert checks.answer_problems(["a", "b", "c"], ["x", " ", None]) == ["2 rows have no answer (b, c): remove them"]
    rows = tone_rows(2)
    rows[2] |= {"id": "mute", "answer": ""}
    data = write_dataset(tmp_path / "data", {"baseline": {"train": rows}})
    with pytest.raises(TrainingError, match=r"1 rows have no answer \(mute\)"):
        run(tmp_path / "out", "--dataset_name", str(data), "--dataset_config", "baseline")
