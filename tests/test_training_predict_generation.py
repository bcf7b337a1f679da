"""Answers from memory: one prefill a clip, in any batch, under any adapter, equal what transformers' own `generate` says of single rows."""

from __future__ import annotations

import itertools
import json
import shutil
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from training_fixtures import example, tiny_model, tone
from transformers import AutoModelForMultimodalLM, AutoProcessor, Gemma3TextConfig, Lfm2Config, Qwen2Config

from cp_paraling_qa.audio import decode_audio
from cp_paraling_qa.errors import ClipLengthError, TrainingError
from cp_paraling_qa.training.answering.generation import Answerer, predict
from cp_paraling_qa.training.answering.greedy import window
from cp_paraling_qa.training.loading import load_model, load_processor, put_adapter, quiet

NEW = 14


def rows_about(questions: tuple[int, ...] = (5, 1, 3)) -> list[dict[str, Any]]:
    """So many questions about each of a few tones, some with a metadata block in common, one with another block; a row of text alone in their midst."""
    rows = []
    for clip, count in enumerate(questions):
        samples = tone(250.0 * (clip + 1), 0.4 + 0.8 * clip, clip)
        for number in range(count):
            block = f"Voice: tone {clip if number != 2 else 'unknown'}.\n" if clip != 1 else ""
            question = f"Question {number}: how does the speaker feel{' now' * number}?"
            rows.append(example(f"c{clip}", samples, question, "x", prompt=block + question))
    return [*rows[:2], {**example("none", samples, "Is a whisper loud?", "No."), "audio": None}, *rows[2:]]


@lru_cache
def ready() -> tuple[Any, Any]:
    """In float64, so that no two tokens are as good as equally probable."""
    return load_model(tiny_model(), dtype="float64"), load_processor(tiny_model())


@lru_cache
def stock() -> tuple[Any, Any]:
    """transformers as it comes: whole tower, stock mel."""
    return AutoModelForMultimodalLM.from_pretrained(tiny_model(), dtype=torch.float64).eval(), AutoProcessor.from_pretrained(tiny_model())


def alone(row: dict[str, Any], model: Any = None, **options: Any) -> str:
    """What a model card's few lines answer to a row."""
    own, processor = stock()
    model = model or own
    blocks = [*([{"type": "audio"}] if row["audio"] else []), {"type": "text", "text": row["prompt"]}]
    text = processor.apply_chat_template([{"role": "user", "content": blocks}], add_generation_prompt=True, tokenize=False)
    audio = {"audio": [decode_audio(row["audio"])[0]], "sampling_rate": 16_000} if row["audio"] else {}
    inputs = processor(text=[text], return_tensors="pt", **audio)
    out = model.generate(**inputs, do_sample=False, **({"max_new_tokens": NEW} | options))
    return processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0].strip()


def test_answers_are_those_of_stock_generate_on_single_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_about()
    expected = [alone(row) for row in rows]
    assert len(set(expected)) > 5  # it does look at what it is asked
    for size, share in ((1, True), (4, True), (16, True), (16, False)):
        assert predict(*ready(), rows, batch_size=size, max_new_tokens=NEW, share=share) == expected
    model, shapes = ready()[0], []
    monkeypatch.setattr("cp_paraling_qa.training.answering.generation._WORTH", 1)  # what the template begins with is short here: once for all rows nevertheless
    hook = model.get_input_embeddings().register_forward_pre_hook(lambda module, args: shapes.append(tuple(args[0].shape)))
    try:
        assert predict(*ready(), rows, batch_size=16, max_new_tokens=NEW) == expected
    finally:
        hook.remove()
    begin = stock()[1].tokenizer.encode("<|im_start|>user")
    assert shapes[0][0] == 1 and shapes[0][1] >= len(begin) and shapes[1][0] == 4  # once for all; then a sequence a clip and one for the text


def test_a_clip_is_computed_once_for_all_its_questions() -> None:
    """Nine rows hear three clips: the tower hears three, and the language model gets each clip's positions once."""
    model, processor = ready()
    rows, heard, tokens = rows_about(), [], []
    hooks = [
        model.get_input_embeddings().register_forward_pre_hook(lambda module, args: tokens.append(args[0])),
        model.model.audio_tower.register_forward_pre_hook(lambda module, args: heard.append(len(args[0]))),
    ]
    try:
        predict(model, processor, rows, batch_size=16, max_new_tokens=2)
    finally:
        for hook in hooks:
            hook.remove()
    encoder = Answerer(model, processor).encoder
    _, samples = encoder.clips(rows)
    assert heard == [3]
    assert sum(int((part == encoder.audio_id).sum()) for part in tokens) == sum(encoder.features(samples).counts)
    assert tokens[-1].shape == (10, 1)  # the second token of every row


def test_the_output_layer_sees_last_positions_alone() -> None:
    model, processor = ready()
    seen: list[int] = []
    hook = model.lm_head.register_forward_hook(lambda module, args, output: seen.append(output.shape[1]))
    try:
        for share in (True, False):
            predict(model, processor, rows_about(), max_new_tokens=3, share=share)
    finally:
        hook.remove()
    assert set(seen) == {1}


def test_rows_that_are_finished_leave_the_batch() -> None:
    """The token that most answers hold early is made a stop: rows end at different steps, and the batch gets smaller, without a change to any answer."""
    rows = rows_about()
    model, processor = load_model(tiny_model(), dtype="float64"), load_processor(tiny_model())
    tokens = Answerer(model, processor, NEW).tokens(rows)
    often = Counter(token for answer in tokens for token in set(answer[2:])).most_common()
    stop = next(token for token, count in often if 2 < count < len(rows))
    model.generation_config.eos_token_id = [stop]
    ends = [*model.generation_config.eos_token_id, processor.tokenizer.eos_token_id]
    sizes: list[int] = []
    hook = model.get_input_embeddings().register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    try:
        shorter = Answerer(model, processor, NEW).tokens(rows)
    finally:
        hook.remove()
    assert shorter == [answer[: answer.index(stop)] if stop in answer else answer for answer in tokens]
    assert len({len(answer) for answer in shorter}) > 1
    assert sizes[-1] < len(rows) and all(later <= earlier for earlier, later in itertools.pairwise(sizes[-NEW + 2 :]))
    expected = [alone(row, eos_token_id=ends) for row in rows]
    assert [processor.tokenizer.decode(answer, skip_special_tokens=True).strip() for answer in shorter] == [
        text.removesuffix(processor.tokenizer.decode([stop])).strip() for text in expected
    ]


def test_penalties_of_a_checkpoint_count_in_a_batch_as_alone() -> None:
    """Qwen2-Audio-7B-Instruct's own generation config: sampling, which is not done, and a repetition penalty, which must not hit the padding token."""
    model, processor = load_model(tiny_model(), dtype="float64"), load_processor(tiny_model())
    other = AutoModelForMultimodalLM.from_pretrained(tiny_model(), dtype=torch.float64).eval()
    for network in (model, other):
        network.generation_config.update(do_sample=True, temperature=0.7, top_p=0.5, top_k=20, repetition_penalty=1.3)
    rows = rows_about()
    plain = dict.fromkeys(("temperature", "top_p"), 1.0) | {"top_k": 50}
    expected = [alone(row, other, **plain) for row in rows]
    assert expected != [alone(row) for row in rows]
    for share in (True, False):
        assert predict(model, processor, rows, max_new_tokens=NEW, share=share) == expected


def test_adapters_answer_in_a_batch_as_alone_and_merged(tmp_path: Path) -> None:
    """LoRA on the language model and a projector of its own, with weights that say something."""
    from peft import LoraConfig, get_peft_model

    base, processor = load_model(tiny_model(), dtype="float64"), load_processor(tiny_model())
    torch.manual_seed(0)
    targets = r".*language_model.*\.(q_proj|v_proj|down_proj)"
    with quiet():
        adapted = get_peft_model(base, LoraConfig(r=4, target_modules=targets, modules_to_save=["multi_modal_projector"], task_type="CAUSAL_LM"))
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.add_(0.3 * torch.randn_like(weight))
    adapted.save_pretrained(tmp_path)
    rows = rows_about()
    expected = [predict(adapted, processor, [row], max_new_tokens=NEW, share=False)[0] for row in rows]
    assert expected != predict(*ready(), rows, max_new_tokens=NEW)
    reloaded = put_adapter(load_model(tiny_model(), dtype="float64"), tmp_path)
    assert predict(reloaded, processor, rows, max_new_tokens=NEW) == expected
    assert predict(reloaded.merge_and_unload(), processor, rows, max_new_tokens=NEW) == expected


def test_windows_by_config() -> None:
    """Plain caches have none; Gemma 3's local layers slide; a recurrent state cannot pass over padding."""
    assert window(Qwen2Config(num_hidden_layers=2)) == float("inf")
    assert window(Gemma3TextConfig(num_hidden_layers=8, sliding_window=512)) == 512
    assert window(Lfm2Config(num_hidden_layers=2, layer_types=["conv", "full_attention"])) == 0


@pytest.mark.parametrize("slides", [24, 400])
def test_sliding_windows(tmp_path: Path, slides: int) -> None:
    """Gemma 2 slides on every other layer. Over 24 tokens, far fewer than a prompt has, padding within a row would push tokens out of sight: plain batches. Over 400, shared ones."""
    from whisper_llm_fixtures import built

    path = tmp_path / "model"
    shutil.copytree(built("gemma2"), path)
    config = json.loads((path / "config.json").read_text())
    config["text_config"]["sliding_window"] = slides
    (path / "config.json").write_text(json.dumps(config))
    model, processor = load_model(path), load_processor(path)
    assert Answerer(model, processor, 8).window == slides
    rows = [row for row in rows_about((3, 2)) if row["audio"]]
    expected = [predict(model, processor, [row], max_new_tokens=8, share=False)[0] for row in rows]
    heard: list[int] = []
    hook = model.model.audio_tower.register_forward_pre_hook(lambda module, args: heard.append(len(args[0])))
    try:
        assert predict(model, processor, rows, max_new_tokens=8) == expected
    finally:
        hook.remove()
    assert heard == ([5] if slides == 24 else [2])


def test_a_plan_holds_every_row_once_the_longest_first() -> None:
    rows = rows_about((5, 1, 3, 7))
    answerer = Answerer(*ready(), max_new_tokens=10)
    told = answerer._lengths(rows)
    size = [row.audio + row.text for row in told]
    for options in ({"batch_size": 4}, {"batch_size": 16}, {"batch_size": 16, "token_budget": 600}):
        batches = answerer.plan(rows, **options)
        assert sorted(itertools.chain(*batches)) == list(range(len(rows)))
        assert max(map(len, batches)) <= options["batch_size"]
        if "token_budget" in options:
            assert all(len(batch) * (max(size[n] for n in batch) + 10) <= 600 for batch in batches)
        assert max(size) == max(size[n] for n in batches[0])
    assert [len({told[n].clip for n in batch}) for batch in answerer.plan(rows, batch_size=4)[:2]] == [
        1,
        1,
    ]  # seven questions of one clip: together, as far as they go
    with pytest.raises(TrainingError, match=r"row \d+ alone has"):
        answerer.plan(rows, token_budget=40)


def test_lengths_are_those_of_the_prompts() -> None:
    """The plan's figures are made from headers and texts; they may be off by the rounding of the encoder."""
    answerer, rows = Answerer(*ready()), rows_about()
    names, samples = answerer.encoder.clips(rows)
    counts = dict(zip(names, answerer.encoder.features(samples).counts, strict=True))
    whole = [len(row.prompt) for row in answerer.encoder.prompts(rows, counts)]
    assert [row.audio + row.text for row in answerer._lengths(rows)] == pytest.approx(whole, abs=12)


def test_batches_do_not_depend_on_what_is_skipped() -> None:
    """A run that goes on answers in the very batches of an unbroken run, so that not even rounding differs."""
    rows, whole, later = rows_about(), [], []
    predict(*ready(), rows, batch_size=4, max_new_tokens=2, on_batch=lambda numbers, texts: whole.append(numbers))
    done = frozenset([*whole[0], whole[1][0]])
    predict(*ready(), rows, batch_size=4, max_new_tokens=2, skip=done, on_batch=lambda numbers, texts: later.append(numbers))
    assert later == whole[1:]


def test_rows_without_names_are_not_taken_for_one_another() -> None:
    named = [row for row in rows_about() if row["audio"]]
    rows = [{"prompt": row["prompt"], "audio": row["audio"]} for row in named]
    assert predict(*ready(), rows, max_new_tokens=NEW) == predict(*ready(), named, max_new_tokens=NEW)


def test_too_long_is_refused_before_anything_is_answered() -> None:
    answered: list[Any] = []
    rows = [*rows_about(), example("endless", tone(300, 31), "q?", "a.")]
    with pytest.raises(ClipLengthError, match=r"endless \(31.00 s\)"):
        predict(*ready(), rows, on_batch=lambda *batch: answered.append(batch))
    assert not answered


def test_memory_that_does_not_suffice_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    answerer = Answerer(*ready())
    monkeypatch.setattr(answerer, "_generate", full)
    with pytest.raises(TrainingError, match="--batch_size"):
        answerer(rows_about())
