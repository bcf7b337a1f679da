"""Tiny checkpoints built from configs, for the tests of annotators by checkpoint. Random weights, but large enough for every head to have something to say."""

import json
import warnings

import numpy as np
import torch
from safetensors.torch import load_file, save_file

EMOTIONS = {0: "angry", 1: "happy", 2: "neutral", 3: "sad"}
CONV = {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
BODY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
LAYER = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}


def loud(model, seed=0):
    """Weights of ordinary size: those of initialisation are so small that every answer is nearly the same."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "original0" not in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 1.5 / max(1, weight[0].numel()) ** 0.5)
            elif "norm" not in name and "original0" not in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.2)
    return model


def labelled(names):
    return {"id2label": dict(names), "label2id": {name: number for number, name in names.items()}}


def save(model, extractor, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
    if extractor is not None:
        extractor.save_pretrained(folder)
    return folder


def waveform_extractor(**more):
    from transformers import Wav2Vec2FeatureExtractor

    return Wav2Vec2FeatureExtractor(**{"return_attention_mask": True} | more)


def classifier(kind, names=EMOTIONS):
    """(model, feature extractor) of one of transformers' audio classifiers."""
    import transformers as t

    common = BODY | labelled(names)
    if kind == "whisper":
        config = t.WhisperConfig(
            d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=48, decoder_ffn_dim=48,
            num_mel_bins=80, vocab_size=64, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, classifier_proj_size=16, **labelled(names),
        )  # fmt: skip
        return loud(t.WhisperForAudioClassification(config)), t.WhisperFeatureExtractor()
    if kind == "ast":
        config = t.ASTConfig(**common, max_length=256, num_mel_bins=64, frequency_stride=16, time_stride=16)
        return loud(t.ASTForAudioClassification(config)), t.ASTFeatureExtractor(max_length=256, num_mel_bins=64)
    if kind == "wav2vec2-bert":
        config = t.Wav2Vec2BertConfig(**common, classifier_proj_size=16, feature_projection_input_dim=160)
        return loud(t.Wav2Vec2BertForSequenceClassification(config)), t.SeamlessM4TFeatureExtractor(feature_size=80, num_mel_bins=80, padding_value=1)
    if kind == "data2vec-audio":
        config = t.Data2VecAudioConfig(**common, conv_dim=(16,) * 7, classifier_proj_size=16, num_conv_pos_embedding_groups=2)
        return loud(t.Data2VecAudioForSequenceClassification(config)), waveform_extractor()
    if kind == "sew":
        config = t.SEWConfig(**common, conv_dim=(16,) * 13, classifier_proj_size=16, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2)
        return loud(t.SEWForSequenceClassification(config)), waveform_extractor()
    if kind == "wav2vec2-conformer":
        config = t.Wav2Vec2ConformerConfig(**common, **CONV, feat_extract_norm="layer", classifier_proj_size=16)
        return loud(t.Wav2Vec2ConformerForSequenceClassification(config)), waveform_extractor()
    family, _, norm = kind.partition(":")
    name = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM", "unispeech-sat": "UniSpeechSat"}[family]
    more = LAYER if norm == "layer" else {"feat_extract_norm": "group"}
    config = getattr(t, f"{name}Config")(**common, **CONV, **more, classifier_proj_size=16)
    return loud(getattr(t, f"{name}ForSequenceClassification")(config)), waveform_extractor(return_attention_mask=norm == "layer")


def rewrite(folder, change, **settings):
    """Changes the weights (a function of the state dict) and settings of a saved checkpoint."""
    weights = change(load_file(folder / "model.safetensors"))
    save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text()) | settings
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def headed(folder, heads, names, *, architecture="Wav2Vec2ForSpeechClassification", seed=3, **config):
    """A checkpoint as audEERING publishes them: `wav2vec2.*` and a dense head under each name, with the old names of weight norm. Returns its state dict, too."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    settings = Wav2Vec2Config(**BODY, **CONV, **LAYER, **labelled(names), architectures=[architecture], **config)
    body = loud(Wav2Vec2Model(settings), seed)
    weights = {f"wav2vec2.{name}": weight for name, weight in body.state_dict().items() if name != "masked_spec_embed"}
    weights = {
        name.replace("parametrizations.weight.original0", "weight_g").replace("parametrizations.weight.original1", "weight_v"): w for name, w in weights.items()
    }
    generator = torch.Generator().manual_seed(seed + 1)
    for head, outputs in heads.items():
        weights |= {
            f"{head}.dense.weight": torch.randn(32, 32, generator=generator) * 0.3,
            f"{head}.dense.bias": torch.randn(32, generator=generator) * 0.1,
            f"{head}.out_proj.weight": torch.randn(outputs, 32, generator=generator) * 0.05,
            f"{head}.out_proj.bias": torch.full((outputs,), 0.5),
        }
    folder.mkdir()
    settings.save_pretrained(folder)
    save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    waveform_extractor().save_pretrained(folder)
    return folder, body.eval(), weights


def sounds(seconds, seed=0):
    """Noisy buzzes of different pitch, so that no two are alike; float32, 16 kHz."""
    made = []
    for number, length in enumerate(seconds):
        time = np.arange(round(length * 16_000)) / 16_000
        noise = np.random.default_rng(seed + number).normal(0, 0.05, len(time))
        made.append((0.3 * np.sin(2 * np.pi * (110 + 40 * number) * time) * (0.2 + np.sin(9 * time + number) ** 2) + noise).astype(np.float32))
    return made


def clips(heard):
    return [
        {"clip_id": f"{number:016x}", "corpus": "test", "audio_path": f"{number}.wav", "duration": len(samples) / 16_000, "language": "en"}
        for number, samples in enumerate(heard)
    ]
