"""A `whisper_llm` from two checkpoints: Whisper's encoder, a language model, and a fresh projector between them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cp_paraling_qa.errors import TrainingError
from cp_paraling_qa.training.loading import quiet
from cp_paraling_qa.training.whisper_llm.configuration import PROJECTORS, WhisperLLMConfig
from cp_paraling_qa.training.whisper_llm.encoder import ClipWhisperEncoder
from cp_paraling_qa.training.whisper_llm.modeling import WhisperLLMForConditionalGeneration
from cp_paraling_qa.training.whisper_llm.processing import AUDIO_TOKEN, WhisperLLMProcessor
from cp_paraling_qa.training.whisper_llm.templates import end_of_turn

DTYPES = ("float32", "bfloat16", "float16")
_PAD = "<|pad|>"
_PROBE_SECONDS = 3
_PROBE_IDS = 16
_SAMPLED = 4096  # rows of the embedding table that its usual norm is taken from
_CLOSE = 1e-3


def build_whisper_llm(
    out: str | Path,
    *,
    whisper: str,
    language_model: str,
    projector: str = "mlp",
    stack_size: int = 15,
    projector_hidden_size: int | None = None,
    mask_padding: bool = True,
    audio_token: str = AUDIO_TOKEN,
    seed: int = 0,
    dtype: str = "float32",
) -> dict[str, int]:
    """Writes a speech LLM that AutoModelForMultimodalLM and AutoProcessor load, where this package is imported. It is deaf until its projector is trained.

    Written beside `out` and renamed, so a killed call leaves no half of a model there.

    Args:
        out: folder to write to; it must not hold anything yet.
        whisper: folder or Hub id of a Whisper checkpoint.
        language_model: folder or Hub id of a causal language model with its tokenizer.
        projector: mlp, meralion or meralion2.
        stack_size: encoder positions (20 ms each) an embedding.
        projector_hidden_size: of the mlp; None is the language model's width.
        mask_padding: see `WhisperLLMConfig`.
        audio_token: what stands for a clip in the text; new unless the tokenizer knows it.
        seed: of the projector's weights.
        dtype: float32, bfloat16 or float16.

    Returns:
        Parameters by part.

    Raises:
        TrainingError: an option out of range, a checkpoint that does not load or is of another kind, a language model that does more behind its output layer than
            `scaled` knows, or a folder that holds something.
    """
    out = Path(out)
    _check(out, projector, dtype)
    with quiet():
        encoder, extractor = _whisper(whisper, dtype)
        lm, tokenizer = _language_model(language_model, dtype)
        reference = _probe(lm)
        processor, new = _processor(extractor, tokenizer, audio_token, stack_size, mask_padding)
        _new_rows(lm, new)
        config = WhisperLLMConfig(
            audio_config=encoder.config.to_dict(),
            text_config=_text_config(lm, tokenizer),
            audio_token_id=processor.audio_token_id,
            projector=projector,
            stack_size=stack_size,
            projector_hidden_size=projector_hidden_size,
            mask_padding=mask_padding,
            head_bias=lm.get_output_embeddings().bias is not None,
            tie_word_embeddings=lm.get_output_embeddings().weight is lm.get_input_embeddings().weight,
            dtype=dtype,
        )
        model = _join(config, encoder, lm, seed)
        _must_agree(reference, _probe(model), new, language_model)
        _size_projector(model, processor)
        model.generation_config = _generation(lm, processor)
        _write(out, model, processor)
    return parameters(model)


def parameters(model: Any) -> dict[str, int]:
    """Parameters by part; an output layer that shares the input's table is no part of its own."""
    parts = {"audio tower": model.model.audio_tower, "projector": model.model.multi_modal_projector, "language model": model.model.language_model}
    if not model.config.tie_word_embeddings:
        parts["output layer"] = model.lm_head
    return {name: sum(weight.numel() for weight in part.parameters()) for name, part in parts.items()}


def _check(out: Path, projector: str, dtype: str) -> None:
    if projector not in PROJECTORS:
        raise TrainingError(f"projector {projector!r} is not one of {', '.join(PROJECTORS)}")
    if dtype not in DTYPES:
        raise TrainingError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out}: there is something already; name a folder that does not exist")


def _whisper(path: str, dtype: str) -> tuple[Any, Any]:
    """Encoder and feature extractor of a Whisper checkpoint."""
    from transformers import AutoConfig, AutoFeatureExtractor, WhisperModel

    try:
        kind = AutoConfig.from_pretrained(path).model_type
        if kind != "whisper":
            raise TrainingError(f"{path}: a model of type {kind}, not whisper")
        whole, info = WhisperModel.from_pretrained(path, dtype=dtype, output_loading_info=True)
        extractor = AutoFeatureExtractor.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: no Whisper model can be loaded from there ({_first_line(error)})") from error
    if missing := sorted(name for name in info["missing_keys"] if name.startswith("encoder.")):
        raise TrainingError(f"{path}: its encoder's weights are incomplete; {missing[0]} and {len(missing) - 1} more are missing")
    encoder = whole.get_encoder()
    encoder.__class__ = ClipWhisperEncoder
    frames, positions = extractor.nb_max_frames, encoder.config.max_source_positions
    if frames != 2 * positions or extractor.feature_size != encoder.config.num_mel_bins:
        raise TrainingError(
            f"{path}: its extractor makes {extractor.feature_size} × {frames} features, its encoder takes {encoder.config.num_mel_bins} × {2 * positions}"
        )
    return encoder, extractor


def _language_model(path: str, dtype: str) -> tuple[Any, Any]:
    """A causal language model and its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        lm = AutoModelForCausalLM.from_pretrained(path, dtype=dtype).eval()
        tokenizer = AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: no causal language model can be loaded from there ({_first_line(error)})") from error
    if not isinstance(lm.get_output_embeddings(), torch.nn.Linear):
        raise TrainingError(f"{path}: a {lm.config.model_type} has no linear output layer, which a speech LLM here needs")
    return lm, tokenizer


def _processor(extractor: Any, tokenizer: Any, audio_token: str, stack_size: int, mask_padding: bool) -> tuple[WhisperLLMProcessor, list[int]]:
    """The processor, and the ids that are new: the tokenizer learns the audio token and, where it needs one, a padding token."""
    new = _add(tokenizer, audio_token, {"extra_special_tokens": [audio_token]})
    try:
        processor = WhisperLLMProcessor(extractor, tokenizer, audio_token=audio_token, stack_size=stack_size, mask_padding=mask_padding)
    except ValueError as error:
        raise TrainingError(str(error)) from error
    if tokenizer.pad_token is None or tokenizer.pad_token == end_of_turn(processor):
        new += _add(tokenizer, _PAD, {"pad_token": _PAD})  # padding that is also the answer's end would leave the model without an end to learn
    return processor, new


def _add(tokenizer: Any, token: str, how: dict[str, Any]) -> list[int]:
    known = token in tokenizer.get_vocab()
    tokenizer.add_special_tokens(how, replace_extra_special_tokens=False)
    return [] if known else [tokenizer.convert_tokens_to_ids(token)]


def _new_rows(lm: Any, new: list[int]) -> None:
    """Rows for new tokens, at the mean of the others: so they are nobody's first choice. Many tables have unused rows at their end, which are taken first."""
    known = lm.get_input_embeddings().weight.shape[0]
    old = min([*new, known])
    if new and max(new) >= known:
        lm.resize_token_embeddings(max(new) + 1, mean_resizing=False)
    fresh = sorted({*new, *range(known, lm.get_input_embeddings().weight.shape[0])})
    head = lm.get_output_embeddings()
    with torch.no_grad():
        for table in (lm.get_input_embeddings().weight, head.weight, *([] if head.bias is None else [head.bias])):
            table[fresh] = table[:old].float().mean(0).to(table.dtype)


def _text_config(lm: Any, tokenizer: Any) -> dict[str, Any]:
    """The language model's own, with the tokenizer's ids where it has none, and its padding."""
    text: dict[str, Any] = lm.config.get_text_config().to_dict()
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if text.get(name) is None or name == "pad_token_id":
            text[name] = getattr(tokenizer, name)
    return text


def _join(config: WhisperLLMConfig, encoder: Any, lm: Any, seed: int) -> Any:
    """The parts in one model, without a second copy of any. The projector alone is new."""
    with torch.device("meta"):
        model = WhisperLLMForConditionalGeneration(config)
    inner = model.model
    body = next((module for module in lm.modules() if type(module) is type(inner.language_model)), None)  # of a model with eyes too, its language model
    if body is None:
        raise TrainingError(f"a {lm.config.model_type} keeps its layers in no {type(inner.language_model).__name__}, so it cannot be taken apart here")
    inner.audio_tower, inner.language_model, model.lm_head = encoder, body, lm.get_output_embeddings()
    inner.multi_modal_projector = _projector(inner.multi_modal_projector, seed).to(lm.dtype)
    return model.eval()


def _projector(meta: Any, seed: int) -> Any:
    """The projector with seeded weights, each layer's outputs as large as its inputs; its biases at zero."""
    projector = meta.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for layer in projector.modules():
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
            torch.nn.init.zeros_(layer.bias)
        elif isinstance(layer, torch.nn.LayerNorm):
            layer.reset_parameters()
    return projector


@torch.no_grad()  # type: ignore[untyped-decorator]
def _probe(model: Any) -> torch.Tensor:
    """Logits of a short text."""
    logits: torch.Tensor = model(input_ids=torch.arange(1, _PROBE_IDS + 1)[None], use_cache=False).logits
    return logits.float()


def _must_agree(reference: torch.Tensor, ours: torch.Tensor, new: list[int], path: str) -> None:
    """Logits of the language model alone and within the speech LLM, those of new tokens apart."""
    old = [id for id in range(reference.shape[-1]) if id not in new]
    difference = float((reference - ours[..., : reference.shape[-1]])[..., old].abs().max() / reference.abs().max())
    if not difference < _CLOSE:
        raise TrainingError(
            f"{path}: within the speech LLM its logits differ by {difference:.3g} of their size; what it does behind its output layer is not known to "
            "whisper_llm/modeling.py (`scaled`)"
        )


@torch.no_grad()  # type: ignore[untyped-decorator]
def _size_projector(model: Any, processor: WhisperLLMProcessor) -> None:
    """Scales the projector's last layer so that a sound's embeddings have the norm that tokens have, or else the first steps are spent on learning the size.

    The sound is noise that swells and fades: Whisper ends in a layer norm, so its outputs hardly differ in size from sound to sound.
    """
    rate = processor.feature_extractor.sampling_rate
    count = min(_PROBE_SECONDS * rate, processor.feature_extractor.n_samples)
    noise = np.random.default_rng(0).standard_normal(count) * 0.1 * np.sin(np.arange(count) * 2 * np.pi * 2 / rate)
    inputs = processor(text=processor.audio_token, audio=[noise.astype(np.float32)], sampling_rate=rate, return_tensors="pt")
    heard = model.get_audio_features(inputs["input_features"], inputs["feature_attention_mask"]).float().norm(dim=-1).median()
    table = model.get_input_embeddings()
    rows = torch.arange(0, table.num_embeddings, -(-table.num_embeddings // _SAMPLED))
    model.model.multi_modal_projector.project.weight.mul_(table(rows).float().norm(dim=-1).median() / heard)


def _generation(lm: Any, processor: WhisperLLMProcessor) -> Any:
    """Greedy, so that answers repeat; it stops where the language model stops and at the template's end of a turn."""
    from transformers import GenerationConfig

    tokenizer = processor.tokenizer
    stops = lm.generation_config.eos_token_id if lm.generation_config is not None else None
    ends = {
        *(stops if isinstance(stops, list) else [stops]),
        tokenizer.eos_token_id,
        *tokenizer(end_of_turn(processor), add_special_tokens=False)["input_ids"][:1],
    }
    ids = sorted(end for end in ends if end is not None)
    return GenerationConfig(do_sample=False, max_new_tokens=64, bos_token_id=tokenizer.bos_token_id, eos_token_id=ids, pad_token_id=tokenizer.pad_token_id)


def _write(out: Path, model: Any, processor: Any) -> None:
    beside = out.with_name(f"{out.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        model.save_pretrained(beside)
        processor.save_pretrained(beside)
        if out.exists():
            out.rmdir()  # empty: looked at before anything was loaded
        beside.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
