"""Batches: one clip a sequence is one row a sequence; the tower's outputs from the disk are the tower's outputs; every sampler's plan holds every row once."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from training_fixtures import example, tiny_model, tone

from cp_paraling_qa.errors import DatasetError, TrainingError
from cp_paraling_qa.training.batches import IGNORED, PADDING, block_mask, common_prefix, flex_block_mask, shared
from cp_paraling_qa.training.beginning import WORTH
from cp_paraling_qa.training.collator import AudioQACollator
from cp_paraling_qa.training.encoding import Encoded
from cp_paraling_qa.training.families import FAMILIES
from cp_paraling_qa.training.hearing.tower_cache import fill, open_cache, tower_outputs
from cp_paraling_qa.training.loading import load_model, load_processor
from cp_paraling_qa.training.loss import answer_tokens, row_losses
from cp_paraling_qa.training.sampler import ClipBatches, RowLength, padding_share

FAMILY = FAMILIES["qwen2_audio"]


def rows_about(clips: int, questions: int) -> list[dict[str, Any]]:
    """Several questions about each of a few tones, with a metadata block that they have in common; one row of text alone."""
    rows = []
    for clip in range(clips):
        samples = tone(200.0 * (clip + 1), 0.4 + 0.7 * clip, clip)
        for number in range(questions):
            question = f"Question {number}: how does the speaker feel{' now' * number}?"
            rows.append(example(f"c{clip}", samples, question, f"Feeling {number} of clip {clip}.", prompt=f"Voice: tone {clip}.\n{question}"))
    return [*rows, {**example("none", samples, "Is a whisper loud?", "No."), "audio": None}]


@pytest.fixture(scope="module")
def model() -> Any:
    return load_model(tiny_model(), dtype="float64").eval()


@pytest.fixture(scope="module")
def processor() -> Any:
    return load_processor(tiny_model())


def test_a_shared_sequence_has_the_losses_of_its_rows(model: Any, processor: Any) -> None:
    """EXACT: each answer's loss, whether its row has a sequence of its own or shares one; in float64, so that nothing hides in rounding."""
    rows = rows_about(3, 4)
    alone = row_losses(model, AudioQACollator(processor, FAMILY)(rows), FAMILY)
    batch = AudioQACollator(processor, FAMILY, share=True)(rows)
    assert batch["input_ids"].shape[0] == 4  # three clips and the row of text
    assert row_losses(model, batch, FAMILY) == pytest.approx(alone, abs=1e-9)
    one_by_one = [row_losses(model, AudioQACollator(processor, FAMILY)([row]), FAMILY)[0] for row in rows]
    assert alone == pytest.approx(one_by_one, abs=1e-9)
    assert len({round(loss, 6) for loss in alone}) == len(rows)


def test_a_block_of_another_question_is_not_seen(model: Any, processor: Any) -> None:
    """CHANGE ONE: another answer in a sequence leaves the others' losses as they were."""
    rows = rows_about(1, 3)[:3]
    before = row_losses(model, AudioQACollator(processor, FAMILY, share=True)(rows), FAMILY)
    rows[1] = {**rows[1], "answer": "Something else altogether, and longer."}
    after = row_losses(model, AudioQACollator(processor, FAMILY, share=True)(rows), FAMILY)
    assert [after[0], after[2]] == pytest.approx([before[0], before[2]], abs=1e-9)
    assert abs(after[1] - before[1]) > 1e-3


def test_gradients_of_shared_rows_are_those_of_single_rows(processor: Any) -> None:
    rows, found = rows_about(2, 3)[:6], []
    for share in (False, True):
        network = load_model(tiny_model(), dtype="float64").train()
        answer_tokens(network, AudioQACollator(processor, FAMILY, share=share)(rows), FAMILY).losses.sum().backward()
        found.append({name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None})
    assert found[0].keys() == found[1].keys()
    largest = max(float(gradient.abs().max()) for gradient in found[0].values())
    differs = max(float((found[0][name] - found[1][name]).abs().max()) for name in found[0])
    assert differs < 1e-6 * largest  # transformers' RMSNorm computes in float32 whatever the model is in


def test_what_all_rows_begin_with_is_read_once_and_changes_nothing(processor: Any) -> None:
    """Losses and gradients are those of rows read from their first token on; how much was read is counted at the first layer."""
    rows, found, read = [*rows_about(2, 3)[:6], rows_about(3, 1)[-1]], [], []
    batch = AudioQACollator(processor, FAMILY)(rows)
    for once, checkpointing in ((False, False), (True, False), (True, True)):
        network = load_model(tiny_model(), dtype="float64").train()
        if checkpointing:
            network.activation_checkpointing_enable()
        tokens = 0

        def count(module: Any, args: Any, kwargs: Any) -> None:
            nonlocal tokens
            tokens += (args[0] if args else kwargs["hidden_states"]).shape[:2].numel()

        FAMILY.part(network, "language_model").layers[0].register_forward_pre_hook(count, with_kwargs=True)
        losses = answer_tokens(network, batch, FAMILY, once=once).losses
        read.append(tokens)
        losses.sum().backward()
        found.append((losses, {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}))
    assert read[0] == batch["input_ids"].numel()
    assert read[1] <= read[0] - WORTH
    assert read[2] == read[0]  # with gradient checkpointing every row is read whole
    for losses, gradients in found[1:]:
        assert torch.allclose(losses, found[0][0], atol=1e-9)
        largest = max(float(gradient.abs().max()) for gradient in gradients.values())
        assert gradients.keys() == found[0][1].keys()
        assert max(float((gradients[name] - found[0][1][name]).abs().max()) for name in gradients) < 1e-6 * largest


def test_one_clip_in_all_rows_is_read_once(model: Any, processor: Any) -> None:
    """The beginning goes through the clip up to where the questions part, and stops before the first position that an answer is read off."""
    rows = rows_about(1, 4)[:4]
    assert len({row["clip_id"] for row in rows}) == 1
    for asked in (rows, [rows[0]] * 4):
        batch = AudioQACollator(processor, FAMILY)(asked)
        whole = answer_tokens(model, batch, FAMILY, once=False).losses
        assert torch.allclose(answer_tokens(model, batch, FAMILY).losses, whole, atol=1e-9)


def test_the_mask_of_a_shared_sequence() -> None:
    """BY HAND: prefix a b, block c d, block e, padding."""
    blocks = torch.tensor([[0, 0, 1, 1, 2, PADDING]])
    expected = ["100000", "110000", "111000", "111100", "110010", "110001"]
    mask = block_mask(blocks, torch.float32)[0, 0]
    assert ["".join(str(int(value == 0)) for value in line) for line in mask] == expected
    dense = flex_block_mask(blocks)
    looks = [[bool(dense.mask_mod(torch.tensor(0), torch.tensor(0), torch.tensor(q), torch.tensor(k))) for k in range(6)] for q in range(6)]
    assert ["".join(str(int(value)) for value in line) for line in looks] == expected


def test_a_shared_sequence_by_hand() -> None:
    rows = [Encoded([1, 9, 9, 2, 5], [6, 7], "c", 3), Encoded([1, 9, 9, 2, 8, 8], [6], "c", 3)]
    assert common_prefix(rows) == 4
    batch = shared([rows], pad_id=0)
    assert batch["input_ids"].tolist() == [[1, 9, 9, 2, 5, 6, 7, 8, 8, 6]]
    assert batch["labels"].tolist() == [[IGNORED] * 5 + [6, 7] + [IGNORED] * 2 + [6]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4, 5, 6, 4, 5, 6]]
    assert batch["blocks"].tolist() == [[0, 0, 0, 0, 1, 1, 1, 2, 2, 2]]


def test_equal_prompts_keep_one_token_each() -> None:
    """The token before an answer predicts it, so it is never shared."""
    assert common_prefix([Encoded([1, 2, 3], [4]), Encoded([1, 2, 3], [5])]) == 2


def test_labels_are_answers_and_end_tokens_alone(processor: Any) -> None:
    rows = rows_about(2, 3)
    for share in (False, True):
        batch = AudioQACollator(processor, FAMILY, share=share)(rows)
        told = processor.tokenizer.decode(batch["labels"][batch["labels"] != IGNORED])
        assert told == "".join(f"{row['answer']}<|im_end|>" for row in rows)
        assert FAMILY.audio_token_id(processor) not in batch["labels"]


def test_the_audio_token_in_a_text_is_refused_by_name(processor: Any) -> None:
    row = {**rows_about(1, 1)[0], "answer": "It says <|AUDIO|>."}
    with pytest.raises(DatasetError, match=row["id"]):
        AudioQACollator(processor, FAMILY)([row])


def test_a_batch_of_text_hears_silence_where_it_has_to(model: Any, processor: Any) -> None:
    """The silence has no label: the loss is that of the text alone."""
    text = [rows_about(1, 1)[-1]]
    silent = AudioQACollator(processor, FAMILY, always_audio=True)(text)
    assert silent["input_features"].shape[0] == 1 and silent["input_ids"].shape[0] == 2
    plain = AudioQACollator(processor, FAMILY)(text)
    assert "input_features" not in plain
    assert row_losses(model, silent, FAMILY) == pytest.approx(row_losses(model, plain, FAMILY), abs=1e-9)


def test_cached_towers_give_the_same_losses(model: Any, processor: Any, tmp_path) -> None:
    rows = rows_about(3, 2)
    folder = open_cache(tmp_path, weights="w", precision="float64", processor=processor)
    clips = {row["clip_id"]: row for row in rows if row["audio"]}
    cache = fill(folder, clips, model, processor, FAMILY)
    for share in (False, True):
        batch = AudioQACollator(processor, FAMILY, share=share, cache=cache)([{**row, "audio": row["audio"] and True} for row in rows])
        heard = AudioQACollator(processor, FAMILY, share=share)(rows)
        assert row_losses(model, batch, FAMILY) == pytest.approx(row_losses(model, heard, FAMILY), abs=1e-9)
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    assert len(files) == 3
    fill(folder, clips, model, processor, FAMILY)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")} == files  # nothing is computed twice
    changed = {"c0": {**clips["c0"], "audio": clips["c1"]["audio"]}}
    assert torch.equal(fill(folder, changed, model, processor, FAMILY).read("c0"), cache.read("c1"))  # known by its sound, not by its name


def test_processes_that_fill_a_cache_leave_no_gap(model: Any, processor: Any, tmp_path) -> None:
    """One process may have stored its share before the other looks what is there."""
    clips = {row["clip_id"]: row for row in rows_about(5, 1) if row["audio"]}
    for rank in (1, 0):
        cache = fill(tmp_path, clips, model, processor, FAMILY, rank=rank, world=2)
    assert {name for name, file in cache.files.items() if file.is_file()} == set(clips)


def test_a_clips_tower_outputs_do_not_depend_on_its_batch(model: Any, processor: Any) -> None:
    clips = [tone(300.0, seconds, 1) for seconds in (0.31, 1.234, 2.0)]
    together = tower_outputs(clips, model, processor, FAMILY)
    for clip, states in zip(clips, together, strict=True):
        assert torch.allclose(tower_outputs([clip], model, processor, FAMILY)[0], states, atol=1e-9)
        assert len(states) == FAMILY.features(processor, [clip]).counts[0]


def lengths_of(clips: int, questions: int) -> list[RowLength]:
    draw = random.Random(0)
    return [RowLength(f"c{clip}", 20 + 10 * clip, draw.randint(5, 60)) for clip in range(clips) for _ in range(questions)]


@pytest.mark.parametrize("settings", [{}, {"by_length": False}, {"share": True}, {"token_budget": 700}, {"share": True, "token_budget": 900}])
def test_an_epoch_holds_every_row_once(settings: dict[str, Any]) -> None:
    lengths = lengths_of(16, 5)
    plan = ClipBatches(lengths, batch_size=8, **settings)
    for epoch in range(3):
        plan.set_epoch(epoch)
        batches = list(plan)
        assert sorted(number for batch in batches for number in batch) == list(range(80))
        assert len(batches) == len(plan) and max(map(len, batches)) <= 8
    plan.set_epoch(0)
    first = list(plan)
    assert first == list(ClipBatches(lengths, batch_size=8, **settings))
    assert first != batches and first != list(ClipBatches(lengths, batch_size=8, seed=1, **settings))


def test_a_step_has_the_same_rows_however_it_is_split() -> None:
    """4 rows at once, 4 accumulated, 2 on each of 2 processes: the same rows in every step; 22 rows leave an incomplete step at the end."""
    lengths = lengths_of(11, 2)
    whole = [sorted(batch) for batch in ClipBatches(lengths, batch_size=4)]
    single = list(ClipBatches(lengths, batch_size=1, accumulate=4))
    assert [sorted(sum(single[start : start + 4], [])) for start in range(0, 22, 4)] == whole
    ranks = [list(ClipBatches(lengths, batch_size=2, rank=rank, world=2)) for rank in range(2)]
    assert len(ranks[0]) == len(ranks[1])
    assert [sorted(a + b) for a, b in zip(*ranks, strict=True)] == whole


def test_a_budget_bounds_every_batch() -> None:
    lengths = lengths_of(16, 5)
    for batch in ClipBatches(lengths, batch_size=99, token_budget=500):
        assert len(batch) * max(lengths[number].audio + lengths[number].text for number in batch) <= 500
    with pytest.raises(TrainingError, match="alone has"):
        ClipBatches(lengths, batch_size=8, token_budget=100)


def test_rows_alike_in_length_leave_little_padding() -> None:
    lengths = lengths_of(40, 5)
    grouped = padding_share(list(ClipBatches(lengths, batch_size=8)), lengths)
    random_order = padding_share(list(ClipBatches(lengths, batch_size=8, by_length=False)), lengths)
    assert grouped < 0.05 < 0.2 < random_order


def test_processes_share_out_uneven_batches_evenly() -> None:
    lengths = lengths_of(7, 3)
    shares = [list(ClipBatches(lengths, batch_size=6, share=True, rank=rank, world=4)) for rank in range(4)]
    assert len({len(share) for share in shares}) == 1
    seen = Counter(number for share in shares for batch in share for number in batch)
    assert set(seen) == set(range(21)) and max(seen.values()) <= 2


def test_float32_differs_by_rounding_alone(processor: Any) -> None:
    rows = rows_about(2, 7)[:14]
    network = load_model(tiny_model()).eval()
    alone = row_losses(network, AudioQACollator(processor, FAMILY)(rows), FAMILY)
    together = row_losses(network, AudioQACollator(processor, FAMILY, share=True)(rows), FAMILY)
    assert float(np.abs(np.subtract(alone, together)).max()) < 1e-4
