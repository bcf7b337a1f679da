"""Rows and batches: labels, the length check, metadata and audio controls."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from training_fixtures import example, tiny_model, tone, tone_rows, tones, write_dataset

from cp_paraling_qa.errors import ClipLengthError, DatasetError, TrainingError
from cp_paraling_qa.training.answering.generation import Answerer
from cp_paraling_qa.training.batches import IGNORED, padded
from cp_paraling_qa.training.collator import AudioQACollator
from cp_paraling_qa.training.encoding import Encoder
from cp_paraling_qa.training.families import FAMILIES
from cp_paraling_qa.training.loading import load_model, load_processor
from cp_paraling_qa.training.rows import (
    SPLIT_OR_DROP,
    AudioSwapped,
    ClipRows,
    check_seconds,
    clip_seconds,
    content_hash,
    load_rows,
    shuffled_audio,
    steered_prompts,
)

FAMILY = FAMILIES["qwen2_audio"]


@pytest.fixture(scope="module")
def processor():
    return load_processor(tiny_model())


def test_labels_are_the_answer_and_its_end(processor) -> None:
    rows = tone_rows(3)  # clips of 0.5 to 0.95 s, a word and a sentence each: six lengths
    batch = AudioQACollator(processor, FAMILY)(rows)
    for row, ids, mask, labels in zip(rows, batch["input_ids"], batch["attention_mask"], batch["labels"], strict=True):
        labelled = labels != IGNORED
        assert processor.tokenizer.decode(ids[labelled]) == row["answer"] + "<|im_end|>"
        assert (labels[labelled] == ids[labelled]).all()
        last = int(mask.sum())
        assert labelled[last - 1] and not labelled[last:].any()  # the end token, then nothing on the padding
        assert not labelled[ids == processor.audio_token_id].any()
        assert processor.tokenizer.decode(ids[~labelled & mask.bool()]).endswith("<|im_start|>assistant\n")


def test_audio_positions_follow_the_clip(processor) -> None:
    rows = [example("short", tone(300, 0.4), "q?", "a."), example("long", tone(300, 2.0), "q?", "a.")]
    batch = AudioQACollator(processor, FAMILY)(rows)
    # 25 positions a second
    assert (batch["input_ids"] == processor.audio_token_id).sum(-1).tolist() == [10, 50]


def test_text_rows_need_no_audio(processor) -> None:
    text = example("none", tone(300, 0.4), "What is a tone?", "A sound.") | {"audio": None}
    alone = AudioQACollator(processor, FAMILY)([text])
    assert "input_features" not in alone
    mixed = AudioQACollator(processor, FAMILY)([text, *tone_rows(1)])
    assert mixed["input_features"].shape[0] == 2  # the two questions of the clip
    assert (mixed["input_ids"][0] != processor.audio_token_id).all()


def test_an_answer_that_the_tokenizer_would_merge_into_the_prompt_is_not_shifted(processor) -> None:
    """A token across the border, here a newline and "The": at inference the prompt ends with the newline, so that is where the labels begin; all of the answer is in them."""
    merging = copy.deepcopy(processor)
    assert merging.tokenizer.add_tokens(["\nThe"]) == 1
    row = tone_rows(1)[0]
    assert row["answer"].startswith("The ")
    encoder = Encoder(merging, FAMILY)
    whole = merging.tokenizer(encoder.text(row) + row["answer"])["input_ids"]
    assert merging.tokenizer.convert_tokens_to_ids("\nThe") in whole  # so it would have been merged
    asked, told = encoder.prompts([row], {"clip000": 3})[0], encoder.answered([row], {"clip000": 3})[0]
    assert told.prompt == asked.prompt
    assert told.answer == merging.tokenizer(row["answer"] + "<|im_end|>")["input_ids"]
    assert merging.tokenizer.decode(told.answer) == row["answer"] + "<|im_end|>"
    batch = AudioQACollator(merging, FAMILY)([row])
    assert batch["labels"][batch["labels"] != IGNORED].tolist() == told.answer


@pytest.mark.parametrize("config", ["baseline", "explicit"])
@pytest.mark.parametrize("share", [False, True])
def test_training_reads_what_prediction_reads(processor, config, share, monkeypatch) -> None:
    """TOKEN FOR TOKEN: what the model is given when it answers is what it was given in training, up to the answer."""
    rows, given = list(load_rows(str(tones()), config, "train"))[:6], {}

    def listen(rows, *args, **kwargs):
        given["ids"] = padded(rows, *args, **kwargs)
        raise Listened

    monkeypatch.setattr("cp_paraling_qa.training.batches.padded", listen)
    with pytest.raises(Listened):
        Answerer(load_model(tiny_model()), processor, share=False)(rows)
    trained = AudioQACollator(processor, FAMILY, share=share)(rows)
    asked = [ids[mask.bool()].tolist() for ids, mask in zip(given["ids"]["input_ids"], given["ids"]["attention_mask"], strict=True)]
    assert asked == _prompts(trained)
    assert any("Voice:" in processor.tokenizer.decode(ids) for ids in asked) == (config == "explicit")


class Listened(Exception):
    """Heard what was to be heard."""


def _prompts(batch) -> list[list[int]]:
    """The prompts of a training batch, row by row: every sequence's prefix with each of its blocks, up to the labels."""
    blocks = batch["blocks"] if "blocks" in batch else torch.where(batch["attention_mask"].bool(), 1, -1)
    prompts = []
    for ids, labels, numbers in zip(batch["input_ids"], batch["labels"], blocks, strict=True):
        for block in range(1, int(numbers.max()) + 1):
            own = ((numbers == 0) | (numbers == block)) & (labels == IGNORED)
            prompts.append(ids[own].tolist())
    return prompts


@pytest.mark.parametrize(("change", "message"), [({"answer": "  "}, "its answer is empty"), ({"prompt": "Say <|AUDIO|>"}, "stands for audio")])
def test_rows_that_cannot_be_trained_on_are_named(processor, change, message) -> None:
    row = tone_rows(1)[0] | change
    with pytest.raises(DatasetError, match=f"row {row['id']}.*{message}"):
        AudioQACollator(processor, FAMILY)([row])


def test_broken_audio_is_named(processor) -> None:
    row = tone_rows(1)[0]
    row["audio"] = {"bytes": row["audio"]["bytes"][:600], "path": None}
    with pytest.raises(DatasetError, match=f"row {row['id']}, clip clip000: truncated"):
        AudioQACollator(processor, FAMILY)([row])


@pytest.mark.parametrize(("samples", "message"), [(480_001, "longer than the 30 s"), (1_599, "shorter than 0.1 s")])
def test_the_collator_never_cuts(processor, samples, message) -> None:
    with pytest.raises(ClipLengthError, match=f"{message}.*odd-one"):
        AudioQACollator(processor, FAMILY)([*tone_rows(1), example("odd-one", tone(300, samples / 16_000), "q?", "a.")])


@pytest.mark.parametrize("samples", [480_000, 1_600])
def test_clips_at_the_limits_are_heard_in_full(processor, samples) -> None:
    batch = AudioQACollator(processor, FAMILY)([example("edge", tone(300, samples / 16_000), "q?", "a.")])
    assert int(batch["feature_attention_mask"].sum()) == samples // 160


@pytest.fixture(scope="module")
def with_odd_clips(tmp_path_factory):
    rows = [*tone_rows(3), example("too-long", tone(300, 30.5), "q?", "a."), example("too-short", tone(300, 0.05), "q?", "a.")]
    rows.append(example("too-long", tone(300, 30.5), "another?", "b."))
    return load_rows(str(write_dataset(tmp_path_factory.mktemp("odd"), {"baseline": {"train": rows}})), "baseline", "train")


def test_length_check_names_every_clip_once(processor, with_odd_clips) -> None:
    with pytest.raises(ClipLengthError) as caught:
        check_seconds(clip_seconds(with_odd_clips), FAMILY, processor, remedy=SPLIT_OR_DROP)
    message = str(caught.value)
    assert message.count("too-long (30.50 s)") == 1
    assert "too-short (0.05 s)" in message
    assert "--drop_unhearable" in message and "--clip-seconds" in message and "clip000" not in message


def test_a_row_with_audio_needs_a_name(processor) -> None:
    """Without one it would be taken for every other such row, and hear another's clip."""
    rows = [{"audio": row["audio"], "prompt": row["prompt"], "answer": row["answer"]} for row in tone_rows(2)]
    with pytest.raises(DatasetError, match="neither clip_id nor id"):
        AudioQACollator(processor, FAMILY)(rows)


def test_clips_rows_are_read_when_asked_for_and_once_a_clip(with_odd_clips) -> None:
    clips = ClipRows([with_odd_clips, with_odd_clips])
    assert len(clips) == 5 and list(clips) == list(dict.fromkeys(with_odd_clips["clip_id"]))
    assert clips["too-long"]["question"] == "q?"  # the first row about it


def test_rows_without_answer_are_hashed_too_so_that_the_preflight_can_name_them() -> None:
    rows = {"id": ["a"], "clip_id": [None], "prompt": ["q?"], "answer": [None]}
    assert content_hash(rows) == content_hash(rows | {"answer": [""]}) != content_hash(rows | {"answer": ["x"]})


def test_several_configs_are_one_behind_the_other() -> None:
    rows = load_rows(str(tones()), "baseline, explicit", "test")
    assert rows["config"] == ["baseline"] * 16 + ["explicit"] * 16
    assert "Voice:" not in rows[0]["prompt"] and "Voice:" in rows[16]["prompt"]


@pytest.mark.parametrize(
    ("config", "split", "message"), [("nothing", "test", "config 'nothing'"), ("baseline", "dev", "split 'dev'"), (" , ", "test", "no config")]
)
def test_what_cannot_be_loaded_is_named(config, split, message) -> None:
    with pytest.raises(DatasetError, match=message):
        load_rows(str(tones()), config, split)


def steered(rows, **options) -> list[str]:
    return steered_prompts(*(rows[name] for name in ("prompt", "question", "metadata", "clip_id")), **options)


def test_metadata_dropout_is_exact_and_repeats() -> None:
    rows = load_rows(str(tones()), "explicit", "train")
    dropped = steered(rows, dropout=0.25, seed=7)
    bare = [n for n, question in enumerate(rows["question"]) if dropped[n] == question]
    assert len(bare) == 12  # a quarter of 48
    assert dropped == steered(rows, dropout=0.25, seed=7) != steered(rows, dropout=0.25, seed=8)
    others = [n for n in range(48) if n not in bare]
    assert [dropped[n] for n in others] == [rows["prompt"][n] for n in others]


def test_metadata_shuffle_shows_another_clips_block() -> None:
    rows = load_rows(str(tones()), "explicit", "train")
    shuffled = steered(rows, shuffle=True, seed=1)
    for before, after in zip(rows.remove_columns("audio"), shuffled, strict=True):
        block, question = after.split("\n")
        assert question == before["question"]
        assert block != before["metadata"] and block in rows["metadata"]
    assert shuffled == steered(rows, shuffle=True, seed=1)


@pytest.mark.parametrize(("options", "message"), [({"dropout": 1.5}, "outside 0–1"), ({"dropout": 0.5}, "config explicit")])
def test_metadata_controls_refuse_what_they_cannot_do(options, message) -> None:
    with pytest.raises(TrainingError, match=message):
        steered(load_rows(str(tones()), "baseline", "train"), **options)


def test_shuffled_audio_is_another_speaker_with_another_emotion() -> None:
    rows = load_rows(str(tones()), "baseline", "train")
    swap = shuffled_audio(rows, 3)
    about = {row["clip_id"]: (row["speaker_id"], row["emotion"], row["audio"]["bytes"]) for row in rows}
    assert set(swap) == set(about)
    assert all(about[clip][0] != about[other][0] and about[clip][1] != about[other][1] for clip, other in swap.items())
    swapped = AudioSwapped(rows, swap)
    assert all(swapped[n]["audio"]["bytes"] == about[swap[rows[n]["clip_id"]]][2] and swapped[n]["answer"] == rows[n]["answer"] for n in range(5))
    assert swap == shuffled_audio(rows, 3) != shuffled_audio(rows, 4)


def test_one_clip_has_nobody_to_swap_with(tmp_path) -> None:
    rows = load_rows(str(write_dataset(tmp_path, {"baseline": {"train": tone_rows(1)}})), "baseline", "train")
    with pytest.raises(TrainingError, match="one clip"):
        shuffled_audio(rows, 0)


def test_features_do_not_depend_on_autocast(processor) -> None:
    """Inside a bfloat16 autocast the stock extractor raises."""
    rows = tone_rows(1)
    plain = AudioQACollator(processor, FAMILY)(rows)["input_features"]
    with torch.autocast("cpu", torch.bfloat16):
        inside = AudioQACollator(processor, FAMILY)(rows)["input_features"]
    assert np.array_equal(plain.numpy(), inside.numpy())
