"""A small speech LLM whose parts are real: Whisper tiny.en's encoder and SmolLM2-135M-Instruct, joined in Qwen2-Audio's architecture. 171 M parameters.

Its language model speaks and its tower hears; the projector between them is random, so the model is deaf until the projector is trained. It is what timings and
trainings are tried on where no checkpoint can be downloaded. Both parts come from installed packages (see `small_weights`).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from cp_paraling_qa.digests import digest, file_digest
from cp_paraling_qa.errors import TrainingError
from cp_paraling_qa.training.loading import quiet
from cp_paraling_qa.training.small_weights import LANGUAGE_PACKAGE, WHISPER_PACKAGE, State, llama, package_file, read_gguf, whisper_encoder

DTYPES = ("float32", "bfloat16", "float16")
MARKER = "cpqa_small.json"
"""Written last: which files, seed and precision the model was built from, and its parameters by part."""
_BEGIN, _END, _PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
_AUDIO_TOKENS = ("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>")
_CONTROL = 3  # GGUF's number for tokens such as <|im_start|>
_CONTEXT = 8192

# SmolLM2's ChatML with Qwen2-Audio's line for a clip. `generation` tells transformers which tokens are the assistant's.
CHAT_TEMPLATE = """
{%- macro words(content) -%}
{%- if content is string -%}{{ content }}{%- else -%}{%- for block in content -%}{{ block['text'] }}{%- endfor -%}{%- endif -%}
{%- endmacro -%}
{%- set clips = namespace(count=0) -%}
{%- if messages[0]['role'] != 'system' -%}
{{- '<|im_start|>system\\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['role'] == 'assistant' -%}
{%- generation -%}{{- words(message['content']) + '<|im_end|>' -}}{%- endgeneration -%}
{{- '\\n' -}}
{%- elif message['content'] is string -%}
{{- message['content'] + '<|im_end|>\\n' -}}
{%- else -%}
{%- for block in message['content'] -%}
{%- if block['type'] == 'audio' -%}
{%- set clips.count = clips.count + 1 -%}
{{- 'Audio ' ~ clips.count ~ ': <|audio_bos|><|AUDIO|><|audio_eos|>\\n' -}}
{%- else -%}
{{- block['text'] -}}
{%- endif -%}
{%- endfor -%}
{{- '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""


def write_small_model(path: str | Path, *, seed: int = 0, dtype: str = "float32") -> dict[str, Any]:
    """Writes the model and its processor, so that AutoModelForMultimodalLM and AutoProcessor load them. 690 MB in float32.

    It is written beside `path` and renamed, so a killed call leaves no half of a model there. A folder that holds this very build already is left as it is.

    Args:
        path: folder to write to.
        seed: of the random projector.
        dtype: float32, bfloat16 or float16.

    Returns:
        What its done-marker holds: seed, dtype, `sources` (package → digest of the file read), `parameters` by part, and `files` with their digests.

    Raises:
        MissingExtraError: one of the two packages, or gguf, is not installed.
        TrainingError: a package's file is damaged; the folder holds something else, another build, or this one changed since.
    """
    from filelock import FileLock

    if dtype not in DTYPES:
        raise TrainingError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    path = Path(path).absolute()
    files = {WHISPER_PACKAGE: package_file(WHISPER_PACKAGE, "model.bin"), LANGUAGE_PACKAGE: package_file(LANGUAGE_PACKAGE, "*.gguf")}
    build = {"seed": seed, "dtype": dtype, "sources": {package: file_digest(file) for package, file in files.items()}, "template": digest(CHAT_TEMPLATE)}
    with FileLock(Path(tempfile.gettempdir()) / f"cpqa-small-{digest(str(path))}.lock"):
        return _built(path, build) or _write(path, build, files)


def _built(path: Path, build: dict[str, Any]) -> dict[str, Any] | None:
    """The done-marker of this very build; None where there is no folder, or an empty one.

    Raises:
        TrainingError: the path holds anything else. It is left alone: somebody may have trained there.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return None
    try:
        record: dict[str, Any] = json.loads((path / MARKER).read_text(encoding="utf-8"))
        changed = [name for name, content in record["files"].items() if not (path / name).is_file() or file_digest(path / name) != content]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise TrainingError(f"{path}: there is something else already; name a folder that does not exist") from error
    if differs := [f"{name} is {record.get(name)}" for name, value in build.items() if record.get(name) != value]:
        raise TrainingError(f"{path}: there is another small model already ({'; '.join(differs)}); name a folder that does not exist, or remove it")
    if changed:
        raise TrainingError(f"{path}: {', '.join(changed)} changed since the small model was written; name a folder that does not exist, or remove it")
    return record


def _write(path: Path, build: dict[str, Any], files: dict[str, Path]) -> dict[str, Any]:
    beside = path.with_name(f"{path.name}.part")
    shutil.rmtree(beside, ignore_errors=True)  # of a call that was killed
    try:
        with quiet():
            model, processor = _assemble(files, int(build["seed"]), str(build["dtype"]))
            model.save_pretrained(beside)
            processor.save_pretrained(beside)
        record = build | {"parameters": _parameters(model), "files": {file.name: file_digest(file) for file in sorted(beside.iterdir())}}
        (beside / MARKER).write_text(json.dumps(record, indent=1), encoding="utf-8")
        beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return record


def _tokenizer(reader: Any) -> Any:
    """SmolLM2's byte-level BPE, with three more tokens for audio."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens, kinds, merges = (reader.fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "token_type", "merges"))
    bpe = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=[tuple(merge.split(" ")) for merge in merges]))
    bpe.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    bpe.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    bpe.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (*control, *_AUDIO_TOKENS)])
    # padding must not be the end of a turn, or a trained model would not learn to stop
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=_BEGIN,
        eos_token=_END,
        pad_token=_PAD,
        unk_token=_PAD,
        model_max_length=_CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def _assemble(files: dict[str, Path], seed: int, dtype: str) -> tuple[Any, Any]:
    import torch
    from transformers import (
        GenerationConfig,
        LlamaConfig,
        Qwen2AudioConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
        WhisperFeatureExtractor,
    )

    tower_shape, tower = whisper_encoder(files[WHISPER_PACKAGE])
    reader = read_gguf(files[LANGUAGE_PACKAGE])
    language_shape, language = llama(reader)
    tokenizer = _tokenizer(reader)
    extractor = WhisperFeatureExtractor(feature_size=tower_shape["num_mel_bins"])
    processor = Qwen2AudioProcessor(feature_extractor=extractor, tokenizer=tokenizer, chat_template=CHAT_TEMPLATE)
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    text_config = LlamaConfig(vocab_size=len(tokenizer), tie_word_embeddings=False, **language_shape, **ids)
    config = Qwen2AudioConfig(
        audio_config={"model_type": "qwen2_audio_encoder", **tower_shape},
        text_config=text_config.to_dict(),
        audio_token_index=processor.audio_token_id,
        tie_word_embeddings=False,
        **ids,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2AudioForConditionalGeneration(config).eval()
    _fill(model, tower, language)
    model.generation_config = GenerationConfig(do_sample=False, max_new_tokens=64, **ids)
    for weight in model.parameters():  # not model.to(dtype), which would round the rotary frequencies as well
        weight.data = weight.data.to(getattr(torch, dtype))
    model.config.dtype = dtype
    return model, processor


def _fill(model: Any, tower: State, language: State) -> None:
    """Puts the weights in. Qwen2-Audio has an output layer of its own, so SmolLM2's one table is there twice."""
    import torch

    table = language["embed_tokens.weight"]
    new = model.lm_head.weight.shape[0] - len(table)
    language["embed_tokens.weight"] = torch.cat(
        [table, table.mean(0, keepdim=True).repeat(new, 1)]
    )  # the audio tokens: at the mean they are nobody's first choice
    model.model.audio_tower.load_state_dict(tower)
    model.model.language_model.load_state_dict(language)
    model.lm_head.load_state_dict({"weight": language["embed_tokens.weight"].clone()})


def _parameters(model: Any) -> dict[str, int]:
    parts = {
        "audio tower": model.model.audio_tower,
        "projector": model.model.multi_modal_projector,
        "language model": model.model.language_model,
        "output layer": model.lm_head,
    }
    return {name: sum(weight.numel() for weight in part.parameters()) for name, part in parts.items()}
