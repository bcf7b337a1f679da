"""The speech LLM of a Whisper encoder and a language model: its processor and templates, how it is built from two checkpoints, and how the training code takes it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from training_fixtures import tone, tone_rows
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, WhisperModel
from whisper_llm_fixtures import KIND_ENDS, TALK, ask, built, extractor, language_checkpoint, loaded, text_config, tokenizer_of, whisper_checkpoint

from cp_paraling_qa.errors import ClipLengthError, TrainingError
from cp_paraling_qa.training.families import FAMILIES
from cp_paraling_qa.training.whisper_llm import WhisperLLMProcessor, build_whisper_llm, end_of_turn

KINDS = ("llama", "gemma2", "qwen2")


def processor_of(kind: str, **more) -> WhisperLLMProcessor:
    tokenizer = tokenizer_of(kind)
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|audio|>"]}, replace_extra_special_tokens=False)
    return WhisperLLMProcessor(extractor(), tokenizer, **more)


CHAT = [{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": "How?"}]}]
ANSWERED = [*CHAT, {"role": "assistant", "content": [{"type": "text", "text": "Happy."}]}, {"role": "user", "content": "Why?"}]


# Templates and processor


@pytest.mark.parametrize(
    ("kind", "rendered", "longer"),
    [
        (
            "qwen2",
            "<|im_start|>user\n<|audio|>\nHow?<|im_end|>\n<|im_start|>assistant\n",
            "<|im_start|>user\n<|audio|>\nHow?<|im_end|>\n<|im_start|>assistant\nHappy.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n",
        ),
        (
            "gemma2",
            "<bos><start_of_turn>user\n<|audio|>\nHow?<end_of_turn>\n<start_of_turn>model\n",
            "<bos><start_of_turn>user\n<|audio|>\nHow?<end_of_turn>\n<start_of_turn>model\nHappy.<end_of_turn>\n<start_of_turn>user\nWhy?<end_of_turn>\n",
        ),
        (
            "llama",
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n<|audio|>\nHow?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n<|audio|>\nHow?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nHappy.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>",
        ),
    ],
)
def test_clips_in_the_language_models_own_template(kind: str, rendered: str, longer: str) -> None:
    processor = processor_of(kind)
    assert processor.apply_chat_template(CHAT, add_generation_prompt=True) == rendered
    assert processor.apply_chat_template(ANSWERED) == longer
    assert end_of_turn(processor) == {"qwen2": "<|im_end|>", "gemma2": "<end_of_turn>", "llama": "<|eot_id|>"}[kind]
    plain = [{"role": "user", "content": "How?"}]
    assert processor.apply_chat_template(plain) == tokenizer_of(kind).apply_chat_template(plain, tokenize=False)


def test_a_language_model_that_cannot_chat_gets_a_plain_template() -> None:
    for kind, begin in (("qwen2", ""), ("gemma2", "<bos>")):
        tokenizer = tokenizer_of(kind)
        tokenizer.chat_template = None
        tokenizer.add_special_tokens({"extra_special_tokens": ["<|audio|>"]}, replace_extra_special_tokens=False)
        processor = WhisperLLMProcessor(extractor(), tokenizer)
        assert processor.apply_chat_template(CHAT, add_generation_prompt=True) == f"{begin}User: <|audio|>\nHow?\nAssistant:"
        assert processor.apply_chat_template(ANSWERED) == f"{begin}User: <|audio|>\nHow?\nAssistant: Happy.{tokenizer.eos_token}\nUser: Why?\n"
        assert end_of_turn(processor) == tokenizer.eos_token


@pytest.mark.parametrize(
    ("template", "end"),
    [
        ("{% for m in messages %}[{{ m.role }}] {{ m.content }} {{ eos_token }}{% endfor %}", "<|im_end|>"),  # Llama 2: a space before the end
        ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", "<|im_end|>"),  # nothing but a line break: the tokenizer's own
        ("{% for m in messages %}{{ m.content }}###\n{% endfor %}", "###"),  # an end that is no token
        ("{% for m in messages %}{{ m.content }}</s>{{ eos_token }}{% endfor %}", "</s><|im_end|>"),
    ],
)
def test_end_of_turn_is_read_off_the_template(template: str, end: str) -> None:
    assert end_of_turn(processor_of("qwen2", chat_template=template)) == end
    assert "<|audio|>" in processor_of("qwen2", chat_template=template).apply_chat_template(CHAT)


def test_a_tokenizer_that_never_ends_is_refused() -> None:
    tokenizer = tokenizer_of("qwen2")
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|audio|>"]}, replace_extra_special_tokens=False)
    tokenizer.chat_template = tokenizer.eos_token = None
    with pytest.raises(TrainingError, match="neither a chat template nor an end token"):
        WhisperLLMProcessor(extractor(), tokenizer)
    with pytest.raises(ValueError, match=r"does not know <\|noise\|>"):
        WhisperLLMProcessor(extractor(), tokenizer_of("qwen2"), audio_token="<|noise|>")


@pytest.mark.parametrize("kind", KINDS)
def test_one_begin_token_whoever_wrote_it(kind: str) -> None:
    processor = processor_of(kind)
    ids = processor(text=processor.apply_chat_template(CHAT), audio=[tone(200, 1.0)], sampling_rate=16_000)["input_ids"][0]
    begin = processor.tokenizer.bos_token_id
    assert ids.count(begin) == (1 if TALK[kind]["bos"] else 0)
    if TALK[kind]["bos"]:
        assert processor(text="How?")["input_ids"][0][0] == begin
        with pytest.raises(ValueError, match="some texts begin with"):
            processor(text=["How?", processor.tokenizer.bos_token + "How?"])


@pytest.mark.parametrize(("samples", "count"), [(1, 1), (480, 1), (1_601, 2), (16_000, 10), (31_999, 20)])
def test_an_audio_token_becomes_as_many_as_the_clip_takes(samples: int, count: int) -> None:
    """In stacks of 5 positions, 100 ms: 1,601 samples are 11 frames, 6 positions."""
    processor = processor_of("qwen2", stack_size=5)
    out = processor(text="a <|audio|> b", audio=[np.ones(samples, np.float32)], sampling_rate=16_000, return_tensors="pt")
    assert int((out["input_ids"] == processor.audio_token_id).sum()) == count
    assert out["input_features"].shape == (1, 80, 200) and out["feature_attention_mask"].shape == (1, 200)
    assert int(out["feature_attention_mask"].sum()) == -(-samples // 160)
    whole = processor_of("qwen2", stack_size=5, mask_padding=False)(text="<|audio|>", audio=[np.ones(samples, np.float32)], sampling_rate=16_000)
    assert whole["input_ids"][0] == [processor.audio_token_id] * 20 and np.all(whole["feature_attention_mask"] == 1)


def test_settings_of_the_text_do_not_reach_the_audio() -> None:
    processor = processor_of("qwen2", stack_size=5)
    plain = processor(text="<|audio|>", audio=[tone(200, 1.5)], sampling_rate=16_000, return_tensors="pt")
    cut = processor(
        text="<|audio|>", audio=[tone(200, 1.5)], sampling_rate=16_000, return_tensors="pt", padding="longest", max_length=100, pad_to_multiple_of=8
    )
    assert torch.equal(plain["input_features"], cut["input_features"])


def test_clips_that_cannot_be_heard_whole_are_refused() -> None:
    processor = processor_of("qwen2")
    for seconds, said in ((2.01, "clip 1 of the batch lasts 2.01 s; the encoder hears more than 0 and at most 2 s"), (0, "lasts 0.00 s")):
        with pytest.raises(ClipLengthError, match=said):
            processor(text="<|audio|><|audio|>", audio=[tone(200, 1.0), np.zeros(int(seconds * 16_000), np.float32)], sampling_rate=16_000)
    with pytest.raises(ValueError, match=r"Found total 1 <\|audio\|> tokens and 2 audio inputs"):
        processor(text="<|audio|>", audio=[tone(200, 1.0)] * 2, sampling_rate=16_000)


def test_a_chat_with_a_clip_in_it_is_the_same_as_text_and_clip() -> None:
    _, processor = loaded(built("gemma2"))
    clip = tone(200, 1.0)
    chat = [{"role": "user", "content": [{"type": "audio", "audio": clip}, {"type": "text", "text": "How?"}]}]
    one = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt")
    other = processor(text=processor.apply_chat_template(CHAT, add_generation_prompt=True), audio=[clip], sampling_rate=16_000, return_tensors="pt")
    assert one.keys() == other.keys() == {"input_ids", "attention_mask", "input_features", "feature_attention_mask"}
    assert all(torch.equal(one[name], other[name]) for name in one)


# Building


@pytest.mark.parametrize("kind", KINDS)
def test_built_from_two_checkpoints(kind: str) -> None:
    model, processor = loaded(built(kind))
    lm = AutoModelForCausalLM.from_pretrained(language_checkpoint(kind)).eval()
    whisper = WhisperModel.from_pretrained(whisper_checkpoint()).eval()
    text = processor.tokenizer("The speaker sounds happy.", return_tensors="pt")["input_ids"]
    old = lm.config.vocab_size
    assert torch.allclose(model(input_ids=text).logits[..., :old], lm(input_ids=text).logits, atol=1e-6)
    batch = ask(processor, ["How?"], [32_000])
    assert torch.equal(model.model.audio_tower(batch["input_features"]).last_hidden_state, whisper.encoder(batch["input_features"]).last_hidden_state)
    new = [processor.audio_token_id, *([processor.tokenizer.pad_token_id] if kind == "llama" else [])]
    assert new == list(range(old, old + len(new))) and model.config.audio_token_id == new[0]
    for ours, theirs in ((model.get_input_embeddings().weight, lm.get_input_embeddings().weight), (model.lm_head.weight, lm.lm_head.weight)):
        assert torch.equal(ours[:old], theirs) and torch.allclose(ours[new], theirs.mean(0).expand(len(new), -1), atol=1e-6)
    assert (model.lm_head.weight is model.get_input_embeddings().weight) == (kind == "gemma2")
    assert processor.tokenizer.pad_token != end_of_turn(processor)
    assert set(KIND_ENDS[kind]) <= {processor.tokenizer.convert_ids_to_tokens(end) for end in model.generation_config.eos_token_id}


@pytest.mark.parametrize("projector", ["mlp", "meralion", "meralion2"])
def test_a_fresh_projector_speaks_as_loud_as_text(projector: str) -> None:
    model, processor = loaded(built("gemma2", projector))
    batch = ask(processor, ["How?", "Why?"], [32_000, 9_000])
    with torch.no_grad():
        heard = model.get_audio_features(batch["input_features"], batch["feature_attention_mask"]).norm(dim=-1).median()
        read = model.get_input_embeddings()(torch.arange(200)).norm(dim=-1).median()
    assert 0.5 < float(heard / read) < 2.0


@pytest.mark.parametrize("kind", KINDS)
def test_saving_and_loading_change_nothing(kind: str, tmp_path) -> None:
    model, processor = loaded(built(kind))
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    before, after = (load_file(folder / "model.safetensors") for folder in (built(kind), tmp_path))
    assert before.keys() == after.keys() and all(torch.equal(value, after[name]) for name, value in before.items())
    assert ("lm_head.weight" in before) == (kind != "gemma2")
    for name in ("config.json", "processor_config.json", "chat_template.jinja", "tokenizer.json", "generation_config.json"):
        assert (tmp_path / name).read_text() == (built(kind) / name).read_text(), name
    again, other = loaded(tmp_path)
    batch = ask(other, ["How?"], [9_000])
    assert torch.equal(model(**batch).logits, again(**batch).logits)
    assert "auto_map" not in json.loads((tmp_path / "config.json").read_text())  # no code travels with it
    assert type(AutoConfig.from_pretrained(tmp_path).text_config) is type(AutoConfig.for_model(**text_config(kind)))
    assert AutoTokenizer.from_pretrained(tmp_path).convert_tokens_to_ids("<|audio|>") == model.config.audio_token_id


def test_unused_rows_of_a_table_are_taken_first_and_builds_repeat(tmp_path) -> None:
    settings = {"whisper": str(whisper_checkpoint()), "language_model": str(language_checkpoint("qwen2", rows=7)), "projector": "meralion"}
    counts = build_whisper_llm(tmp_path / "a", **settings)
    build_whisper_llm(tmp_path / "b", **settings)
    build_whisper_llm(tmp_path / "c", **settings, seed=1)
    one, same, other = (load_file(tmp_path / name / "model.safetensors") for name in "abc")
    table = one["model.language_model.embed_tokens.weight"]
    tokens = len(AutoTokenizer.from_pretrained(language_checkpoint("qwen2")))
    assert len(table) == tokens + 7
    assert torch.allclose(table[tokens], table[:tokens].mean(0), atol=1e-6)
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert {name for name, value in one.items() if not torch.equal(value, other[name])} == {
        f"model.multi_modal_projector.{layer}.weight" for layer in ("compress", "expand", "project")
    }
    assert sum(counts.values()) == sum(value.numel() for value in one.values())
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_half_precision_builds(tmp_path) -> None:
    build_whisper_llm(
        tmp_path / "a", whisper=str(whisper_checkpoint()), language_model=str(language_checkpoint("gemma2")), dtype="bfloat16", mask_padding=False
    )
    assert {value.dtype for value in load_file(tmp_path / "a" / "model.safetensors").values()} == {torch.bfloat16}
    model, processor = loaded(tmp_path / "a")
    assert model.dtype == torch.bfloat16 and not model.config.mask_padding and not processor.mask_padding
    assert torch.isfinite(model(**ask(processor, ["How?"], [9_000])).logits).all()


def test_what_cannot_be_built_says_why(tmp_path, monkeypatch) -> None:
    good = {"whisper": str(whisper_checkpoint()), "language_model": str(language_checkpoint("gemma2"))}
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("")
    for changed, said in (
        ({"whisper": good["language_model"]}, "a model of type gemma2, not whisper"),
        ({"whisper": str(tmp_path / "nowhere")}, "no Whisper model can be loaded"),
        ({"language_model": str(tmp_path / "full")}, "no causal language model can be loaded"),
        ({"language_model": str(built("qwen2"))}, "no causal language model can be loaded"),
        ({"projector": "linear"}, "projector 'linear' is not one of mlp, meralion, meralion2"),
        ({"dtype": "int8"}, "dtype 'int8' is not one of"),
        ({"out": tmp_path / "full"}, "there is something already"),
    ):
        arguments = {"out": tmp_path / "out", **good, **changed}
        with pytest.raises(TrainingError, match=said):
            build_whisper_llm(**arguments)
    broken = load_file(whisper_checkpoint() / "model.safetensors")
    save_file(
        {name: value for name, value in broken.items() if "encoder.layers.1.fc1" not in name},
        tmp_path / "full" / "model.safetensors",
        metadata={"format": "pt"},
    )
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / "full" / name).write_text((whisper_checkpoint() / name).read_text())
    with pytest.raises(TrainingError, match=r"weights are incomplete; encoder.layers.1.fc1.bias and 1 more are missing"):
        build_whisper_llm(tmp_path / "out", **good | {"whisper": str(tmp_path / "full")})
    monkeypatch.setattr("cp_paraling_qa.training.whisper_llm.modeling.scaled", lambda logits, config: logits)
    with pytest.raises(TrainingError, match="within the speech LLM its logits differ by"):
        build_whisper_llm(tmp_path / "out", **good)  # as it is with a model whose scaling is not known
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("cohere", {"logit_scale": 0.25}),
        ("granite", {"logits_scaling": 3.0, "embedding_multiplier": 2.0}),
        ("phi", {}),  # an output layer with a bias
        ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256}),  # a table of another name, learned positions, tied
    ],
)
def test_other_language_models(kind: str, more: dict, tmp_path) -> None:
    tokenizer = tokenizer_of("qwen2")
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = AutoConfig.for_model(**{**({} if kind == "gpt2" else text_config("llama")), "model_type": kind, "vocab_size": len(tokenizer), **ids, **more})
    lm = AutoModelForCausalLM.from_config(config).eval()
    if kind == "phi":
        lm.lm_head.bias.data.uniform_(-1, 1)
    lm.save_pretrained(tmp_path / "lm")
    tokenizer.save_pretrained(tmp_path / "lm")
    build_whisper_llm(tmp_path / "out", whisper=str(whisper_checkpoint()), language_model=str(tmp_path / "lm"))
    model, processor = loaded(tmp_path / "out")
    text = torch.arange(20)[None]
    assert torch.allclose(model(input_ids=text).logits[..., : len(tokenizer)], lm(input_ids=text).logits, atol=1e-5)
    batch = ask(processor, ["How?", "How does the speaker feel?"], [9_000, 32_000])
    assert model.generate(**batch, max_new_tokens=3, min_new_tokens=3).shape == (2, batch["input_ids"].shape[1] + 3)


# In the training code


@pytest.mark.parametrize("masked", [True, False])
def test_losses_padded_shared_and_from_the_cache_are_the_same(masked: bool, tmp_path) -> None:
    from cp_paraling_qa.training.collator import AudioQACollator
    from cp_paraling_qa.training.hearing.tower_cache import fill
    from cp_paraling_qa.training.loading import load_model, load_processor
    from cp_paraling_qa.training.loss import row_losses

    path = tmp_path / "model"
    build_whisper_llm(path, whisper=str(whisper_checkpoint()), language_model=str(language_checkpoint("llama")), stack_size=7, mask_padding=masked)
    model, processor, family = load_model(path).eval(), load_processor(path), FAMILIES["whisper_llm"]
    rows = tone_rows(3)
    cache = fill(tmp_path / "cache", {row["clip_id"]: row for row in rows}, model, processor, family)
    with torch.no_grad():
        plain = row_losses(model, AudioQACollator(processor, family)(rows), family)
        shared = row_losses(model, AudioQACollator(processor, family, share=True)(rows), family)
        cached = row_losses(model, AudioQACollator(processor, family, cache=cache)(rows), family)
    assert len(plain) == 6 and len({round(loss, 3) for loss in plain}) > 3
    assert plain == pytest.approx(shared, abs=1e-4) and plain == pytest.approx(cached, abs=1e-5)


def test_the_loss_of_the_training_code_is_the_models_own() -> None:
    """`answer_tokens` asks the output layer at answer positions alone; the soft cap behind it still applies."""
    from cp_paraling_qa.training.collator import AudioQACollator
    from cp_paraling_qa.training.loading import load_model, load_processor
    from cp_paraling_qa.training.loss import answer_tokens

    path = built("gemma2")
    model, processor, family = load_model(path).eval(), load_processor(path), FAMILIES["whisper_llm"]
    batch = AudioQACollator(processor, family)(tone_rows(2))
    with torch.no_grad():
        assert float(answer_tokens(model, batch, family).losses.mean()) == pytest.approx(float(model(**batch).loss), rel=1e-5)
    ends = [row[row != -100][-1].item() for row in batch["labels"]]
    assert ends == [processor.tokenizer.convert_tokens_to_ids("<end_of_turn>")] * 4


def test_command(tmp_path) -> None:
    from typer.testing import CliRunner

    from cp_paraling_qa.cli import app

    arguments = ["whisper-llm", str(tmp_path / "out"), "--whisper", str(whisper_checkpoint()), "--language-model", str(language_checkpoint("qwen2"))]
    done = CliRunner().invoke(app, [*arguments, "--always-30-s", "--dtype", "float32", "--projector", "meralion"])
    assert done.exit_code == 0 and done.stdout.startswith(f"{tmp_path / 'out'}: audio tower 0.0 M, projector 0.0 M"), done.output
    model, _ = loaded(tmp_path / "out")
    assert (model.config.mask_padding, model.config.projector, model.dtype) == (False, "meralion", torch.float32)
