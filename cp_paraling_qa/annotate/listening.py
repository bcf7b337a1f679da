"""What all annotators by checkpoint have in common: a clip is cut into windows, the windows of many clips are heard together, and each clip gets its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cp_paraling_qa.annotate import batching, models
from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.checkpoints import Checkpoint, checkpoint
from cp_paraling_qa.annotate.pinning import first_line
from cp_paraling_qa.annotate.windows import Window, windows
from cp_paraling_qa.audio import MIN_SECONDS
from cp_paraling_qa.errors import CPQAError, LabelError, RecipeError
from cp_paraling_qa.schema import SAMPLING_RATE, Opinion, Seconds, opinion
from cp_paraling_qa.stage import Row

EXACT = 1e-4
"""A padded and masked batch is exact where its answers differ from those to each sound alone by no more than this, relative to the largest."""


class Listener:
    """An annotator by one transformers checkpoint. Those that say something are `EmotionClassifier`, `Affect` and `Speaker`.

    Args:
        model: Hub id or folder.
        revision: of a Hub id: commit, branch or tag; resolved to a commit now.
        options: device, dtype, window and hop.

    Raises:
        RecipeError: no such model, or none of this kind.
        LabelError: labels in its config that cannot be understood.
    """

    kind: ClassVar[str]
    version = 1

    def __init__(self, model: str, revision: str | None = None, options: AnnotatorOptions | None = None) -> None:
        self.source: Checkpoint = checkpoint(model, revision)
        self.options = options or AnnotatorOptions()
        self.settings = self.source.settings()
        self.name = f"{self.kind}-{self.source.slug}"
        self.config: dict[str, Any] = {
            "model": self.source.rater,
            "revision": self.source.revision,
            "dtype": self.options.dtype,
            "window": self.options.window,
            "hop": self.options.hop if self.options.window is not None else None,
        }
        self.license: str | None = None
        self._encoder: batching.Encoder | None = None
        self._pace = batching.Pace(())

    def setup(self) -> None:
        """Loads the model and plays two sounds to it.

        Raises:
            RecipeError: weights that do not fit, a head that does not listen, another sampling rate, or windows longer than what the model hears.
        """
        import torch

        try:
            model, features, forward, settings = self._load()
        except CPQAError:
            raise
        except Exception as error:  # whatever transformers makes of a config.json that is no good
            said = f"{type(error).__name__}: {first_line(error)}"
            raise RecipeError(f"{self.source.rater}: its config.json makes no model ({said}): fetch it again, or choose another checkpoint") from error
        try:
            model.to(self.options.device)
        except (RuntimeError, AssertionError) as error:
            raise RecipeError(f"device {self.options.device!r} cannot be used: {str(error).splitlines()[0]}") from error
        encoder = batching.Encoder(features, forward, batching.way(settings), self.options.device, torch.float32, longest(self.source, settings))
        if encoder.longest is not None and self.options.window is not None and self.options.window > encoder.longest:
            raise RecipeError(
                f"{self.source.rater} hears {encoder.longest:g} s at once, and would cut windows of {self.options.window:g} s: choose --window {encoder.longest:g} or less"
            )
        encoder = self._proven(encoder)
        dtype = getattr(torch, self.options.dtype)
        model.to(dtype)
        self._encoder = encoder._replace(dtype=dtype)
        self._pace = batching.Pace(batching.CPU_BUDGETS if self.options.device.startswith("cpu") else batching.GPU_BUDGETS)
        self.license = self.source.license()

    def _load(self) -> tuple[Any, Any, Any, Any]:
        """The model in float32, how samples become its input, how it is called, and the settings of its encoder."""
        raise NotImplementedError

    def _said(self, clip: Row, spans: Sequence[Window], logits: Any) -> list[Opinion]:
        """Opinions about one clip from the raw answers to its windows, (windows, k)."""
        raise NotImplementedError

    def _classes(self, logits: Any) -> Any:
        """The probabilities among raw answers, (n, classes); None where there are none."""
        return None

    def _proven(self, encoder: batching.Encoder) -> batching.Encoder:
        """Refuses a model that does not listen, and falls back on groups of one length where masking is not exact."""
        import numpy as np

        low, high = models.probe_sounds()
        alone = np.concatenate([batching.answer(encoder, [sound]) for sound in (low, high)])
        models.must_listen(self.source, alone, self._classes(alone))
        if encoder.batching == "masked":
            short = high[:7_777]
            alone = np.concatenate([alone, batching.answer(encoder, [short])])
            together = batching.answer(encoder, [low, high, short])
            if np.abs(alone - together).max() > 1e-6 + EXACT * np.abs(alone).max():
                return encoder._replace(batching="equal")
        return encoder

    def wants(self, clip: Row) -> bool:
        """Every clip that is long enough to be heard at all."""
        return bool(clip["duration"] >= MIN_SECONDS)

    def annotate(self, clips: Sequence[Row], sounds: Sequence[Any], rate: int) -> list[Row]:
        """Opinions of each clip.

        Raises:
            LabelError: an answer that is no number, or outside its range, naming model and clip.
        """
        import numpy as np

        if self._encoder is None:
            self.setup()
        assert self._encoder is not None  # setup raises otherwise
        models.must_hear(self.source, rate)
        spans = [self._spans(len(samples) / SAMPLING_RATE) for samples in sounds]
        pieces = [piece for samples, cut in zip(sounds, spans, strict=True) for piece in _cut(np.asarray(samples, dtype=np.float32), cut)]
        if not pieces:
            return []
        answers = batching.hear(self._encoder, pieces, self._pace).astype(np.float64)
        rows, first = [], 0
        for clip, cut in zip(clips, spans, strict=True):
            mine = answers[first : first + len(cut)]
            first += len(cut)
            if not np.isfinite(mine).all():
                remedy = "pass dtype float32" if self.options.dtype != "float32" else "is its audio sound?"
                raise LabelError(f"{self.source.rater} answers {mine[~np.isfinite(mine)][0]} to clip {clip_name(clip)}: {remedy}")
            rows.append({"opinions": self._said(clip, cut, mine)})
        return rows

    def _spans(self, duration: float) -> list[Window]:
        assert self._encoder is not None
        longest = self._encoder.longest
        if self.options.window is None and longest is not None:  # more would be cut off in silence
            return windows(duration, longest, longest)
        return windows(duration, self.options.window, self.options.hop)

    def _opinion(self, field: str, value: str | None = None, span: Window | None = None, **more: Any) -> Opinion:
        """An opinion of this model; numbers rounded, since the last digits depend on how many sounds were heard together."""
        times = {} if span is None else {"start": round(span.label_start, 4), "end": round(span.label_end, 4)}
        more = {key: round(number, 4) for key, number in more.items()}
        return opinion(field, value, source="model", rater=self.source.rater, revision=self.source.revision, license=self.license, **times, **more)


def _cut(samples: Any, spans: Sequence[Window]) -> list[Any]:
    """The samples of each window; those of full length have exactly the same number of samples."""
    pieces = []
    for span in spans:
        length = min(len(samples), round((span.end - span.start) * SAMPLING_RATE))
        first = min(round(span.start * SAMPLING_RATE), len(samples) - length)
        pieces.append(samples[first : first + length])
    return pieces


def longest(source: Checkpoint, settings: Any) -> Seconds | None:
    """Seconds that a model with an input of fixed size hears at once; None for the others."""
    if settings.model_type not in batching.FIXED:
        return None
    found = models.extractor(source)
    return float(found.chunk_length) if settings.model_type == "whisper" else found.max_length / 100  # AST: a frame every 10 ms


def softmax(logits: Any) -> Any:
    """Probabilities of shape (n, classes), each row adding up to 1."""
    import numpy as np

    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def clip_name(clip: Mapping[str, Any]) -> str:
    """A clip as a user finds it again."""
    where = "/".join(str(clip[key]) for key in ("corpus", "audio_path") if clip.get(key))
    return f"{where} ({clip['clip_id']})" if where and clip.get("clip_id") else where or str(clip.get("clip_id", "without a name"))


def labels_of(settings: Mapping[str, Any], rater: str = "this checkpoint") -> list[str]:
    """The names of a checkpoint's outputs in their order, from its config.

    Raises:
        LabelError: `id2label` that does not count from 0.

    Example:
        >>> labels_of({"id2label": {"1": "happy", "0": "angry"}})
        ['angry', 'happy']
    """
    named = settings.get("id2label")
    if not named:
        return [f"LABEL_{number}" for number in range(int(settings.get("num_labels", settings.get("num_classes", 2))))]
    try:
        numbered = {int(number): str(name) for number, name in named.items()}
        return [numbered[number] for number in range(len(numbered))]
    except (ValueError, KeyError, AttributeError):
        raise LabelError(f"{rater}: id2label in its config.json does not number its labels 0, 1, 2, …: {named}; correct it there") from None


def stock(source: Checkpoint) -> tuple[Any, Any, Any, Any]:
    """Any checkpoint of transformers' own audio classifiers: what `Listener._load` gives.

    Raises:
        RecipeError: as `models.load`; also where it has no feature extractor, which alone knows how its input was scaled.
    """
    from transformers import AutoModelForAudioClassification

    model = models.load(AutoModelForAudioClassification, source)
    extractor = models.extractor(source)
    if extractor is None:
        raise RecipeError(
            f"{source.rater}: there is no preprocessor_config.json in it, which says how its input is scaled: take that of the model it was tuned from"
        )
    key = model.main_input_name

    def forward(batch: Any, mask: Any) -> Any:
        return model(**{key: batch}, **({} if mask is None else {"attention_mask": mask})).logits

    return model, features_of(extractor), forward, model.config


def features_of(extractor: Any) -> Any:
    """How samples become input by a feature extractor, one sound at a time: whatever it normalises by is of this sound alone."""

    def features(samples: Any) -> Any:
        found = extractor(samples, sampling_rate=SAMPLING_RATE, return_tensors="np")
        mask = found.pop("attention_mask", None)
        array = next(iter(found.values()))[0]
        return array if mask is None or mask.shape[1] != len(array) else array[: int(mask.sum())]

    return features
