"""Arousal, dominance and valence by checkpoint: audEERING's wav2vec2 regressors and the MSP-Podcast baselines with WavLM, and single-axis or stock regressors.

Which output is which axis stands in the checkpoint's config by name, and is never guessed from its position: MSP-Podcast's tables say A, V, D, IEMOCAP's V, A, D,
and these models A, D, V. All were trained on MSP-Podcast's 1–7 put on 0–1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cp_paraling_qa.annotate import models
from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.checkpoints import Checkpoint
from cp_paraling_qa.annotate.listening import Listener, clip_name, features_of, labels_of, stock
from cp_paraling_qa.annotate.windows import Window
from cp_paraling_qa.errors import LabelError, RecipeError
from cp_paraling_qa.schema import AXES, Opinion
from cp_paraling_qa.stage import Row

TOLERANCE = 0.2
"""How far beyond 0–1 an answer may lie, and is then set to 0 or 1 (our choice). Linear heads overshoot on extreme clips by a tenth or so; a head on another scale
(1–7, −1–1) or with foreign weights goes further, and that is an error."""

_AXIS = {
    **{name: "arousal" for name in ("arousal", "activation", "aro", "act")},
    **{name: "valence" for name in ("valence", "val", "pleasure")},
    **{name: "dominance" for name in ("dominance", "dom", "control")},
}

WAVLM_LARGE = {
    **{
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
    },
    **{"conv_bias": False, "num_buckets": 320, "max_bucket_distance": 800},
}
"""Settings of microsoft/wavlm-large where they differ from transformers' defaults: the MSP-Podcast checkpoints name it and do not repeat them."""


def axes_of(rater: str, names: Sequence[str]) -> list[str]:
    """The axis of each output, by name.

    Raises:
        LabelError: a name that is no axis, or one axis twice.

    Example:
        >>> axes_of("some/model", ["Valence", "EmoAct", "dom"])
        ['valence', 'arousal', 'dominance']
    """
    axes = [_AXIS.get(re.sub(r"^emo|[^a-z]", "", name.lower())) for name in names]
    if None in axes or len(set(axes)) < len(axes):
        raise LabelError(
            f"{rater}: its config calls its outputs {', '.join(names)}; each has to be one of {', '.join(AXES)} in id2label, since the order differs from model to model"
        )
    return [str(axis) for axis in axes]


def in_range(value: float, what: str, rater: str, clip: Row) -> float:
    """A score on 0–1, with overshoot up to `TOLERANCE` taken off.

    Raises:
        LabelError: further outside, naming model and clip.
    """
    if not -TOLERANCE <= value <= 1 + TOLERANCE:
        raise LabelError(
            f"{rater} gives clip {clip_name(clip)} a {what} of {value:.3g}, far outside 0–1: its scale is another one, or its weights did not load"
        )
    return min(1.0, max(0.0, value))


class Affect(Listener):
    """States arousal, dominance and valence of each window, each 0–1.

    Args:
        model: Hub id or folder.
        revision: of a Hub id.
        options: device, dtype, window and hop.

    Raises:
        RecipeError: no such model.
        LabelError: outputs that its config does not call by the names of axes.
    """

    kind = "affect"

    def __init__(self, model: str, revision: str | None = None, options: AnnotatorOptions | None = None) -> None:
        super().__init__(model, revision, options)
        self.axes = axes_of(self.source.rater, labels_of(self.settings, self.source.rater))
        self.config |= {"axes": self.axes, "tolerance": TOLERANCE}

    def _load(self) -> tuple[Any, Any, Any, Any]:
        if "ssl_type" in self.settings:
            return odyssey(self.source, self.settings)
        return stock(self.source) if is_stock(self.source, self.settings) else speech_regressor(self.source, "SpeechRegressor")

    def _said(self, clip: Row, spans: Sequence[Window], logits: Any) -> list[Opinion]:
        said = []
        for span, row in zip(spans, logits, strict=True):
            for axis, value in sorted(zip(self.axes, map(float, row), strict=True)):
                said.append(self._opinion(axis, None, span, score=in_range(value, axis, self.source.rater, clip)))
        return said


def is_stock(source: Checkpoint, settings: Mapping[str, Any]) -> bool:
    """Whether a checkpoint was made with one of transformers' own audio classifiers, as its config says, else as its weights are called."""
    if settings.get("model_type") != "wav2vec2":
        return True
    made_with = settings.get("architectures")
    return any(name.endswith("ForSequenceClassification") for name in made_with) if made_with else "projector.weight" in source.shapes()


def speech_regressor(source: Checkpoint, head: str, **more: Any) -> tuple[Any, Any, Any, Any]:
    """A wav2vec2 checkpoint with audEERING's heads.

    Args:
        source: where from.
        head: class in `affect_heads`.
        more: settings that its config does not have.

    Raises:
        RecipeError: as `models.load`.
    """
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor

    from cp_paraling_qa.annotate import affect_heads

    config = Wav2Vec2Config.from_pretrained(**{key: value for key, value in source.arguments.items() if key != "trust_remote_code"})
    for name, value in more.items():
        setattr(config, name, value)
    model = models.load(getattr(affect_heads, head), source, config=config)
    extractor = models.extractor(source) or Wav2Vec2FeatureExtractor(do_normalize=True)  # as audEERING's say that have one
    return model, features_of(extractor), model, config


def odyssey(source: Checkpoint, settings: Mapping[str, Any]) -> tuple[Any, Any, Any, Any]:
    """A baseline of the Odyssey 2024 challenge on MSP-Podcast; the code in its repository is not run.

    Raises:
        RecipeError: as `models.load`; also an encoder inside that cannot be told.
        LabelError: more or fewer names than outputs.
    """
    import numpy as np

    from cp_paraling_qa.annotate.affect_heads import OdysseyConfig, OdysseyModel

    models.must_hear(source, settings.get("sampling_rate", 16_000))
    labels = labels_of(settings, source.rater)
    outputs = int(settings.get("num_classes") or len(labels))
    if outputs != len(labels):
        raise LabelError(f"{source.rater}: its config.json has num_classes {outputs} and names {', '.join(labels)}: correct id2label there")
    known = {key: value for key, value in settings.items() if key not in ("model_type", "auto_map", "architectures", "dtype", "torch_dtype")}
    config = OdysseyConfig(**known | {"ssl_config": _encoder_inside(source, settings), "num_classes": outputs})
    if not hasattr(config, "classifier_hidden_layers"):
        config.classifier_hidden_layers = 1
    model = models.load(OdysseyModel, source, config=config)
    mean, std = float(settings.get("mean", 0.0)), float(settings.get("std", 1.0))

    def features(samples: Any) -> Any:
        return ((samples.astype(np.float64) - mean) / (std + 1e-6)).astype(np.float32)

    return model, features, model, config.ssl_config


def _encoder_inside(source: Checkpoint, settings: Mapping[str, Any]) -> Any:
    """Settings of the encoder that a baseline names in `ssl_type`. Sizes follow the weights."""
    from transformers import AutoConfig, WavLMConfig

    named = str(settings.get("ssl_type") or "microsoft/wavlm-large")
    folder = next((path for path in (Path(source.place) / named, Path(named)) if (path / "config.json").is_file()), None)
    try:
        if folder is None and named == "microsoft/wavlm-large":
            sizes = {key: settings[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads") if key in settings}
            return WavLMConfig(**WAVLM_LARGE | sizes | _sizes(source.shapes()))
        with models.quiet():
            return AutoConfig.from_pretrained(str(folder or named), trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise RecipeError(f"{source.rater}: the settings of the encoder inside it, {named}, cannot be found: {str(error).splitlines()[0][:200]}") from error


def _sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Sizes of a WavLM encoder as its weights have them; empty where they cannot be looked at beforehand."""
    found: dict[str, Any] = {}
    convolutions = [
        shape for name, shape in sorted(shapes.items(), key=lambda item: (len(item[0]), item[0])) if re.search(r"conv_layers\.\d+\.conv\.weight$", name)
    ]
    if convolutions:
        found |= {"conv_dim": [shape[0] for shape in convolutions], "conv_kernel": [shape[2] for shape in convolutions]}
        found["conv_bias"] = any(re.search(r"conv_layers\.\d+\.conv\.bias$", name) for name in shapes)
    for name, shape in shapes.items():
        if name.endswith("encoder.layers.0.feed_forward.intermediate_dense.weight"):
            found["intermediate_size"], found["hidden_size"] = shape
        elif name.endswith("rel_attn_embed.weight"):
            found["num_buckets"], found["num_attention_heads"] = shape
        elif re.search(r"pos_conv_embed\.conv\.(weight_v|parametrizations\.weight\.original1)$", name):
            found |= {"num_conv_pos_embeddings": shape[2], "num_conv_pos_embedding_groups": shape[0] // shape[1]}
    layers = {int(number[1]) for name in shapes if (number := re.search(r"encoder\.layers\.(\d+)\.", name))}
    return found | ({"num_hidden_layers": len(layers)} if layers else {})
