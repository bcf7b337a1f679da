"""Emotion by any transformers audio-classification checkpoint: WavLM, HuBERT, wav2vec2, Whisper encoders and their kin, and the MSP-Podcast baseline.

Checkpoints tuned on acted speech hear natural speech badly (one with 90 % on CREMA-D has 30 % on MELD); and one tuned on a corpus says nothing new about it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.listening import Listener, labels_of, softmax, stock
from cp_paraling_qa.annotate.windows import Window
from cp_paraling_qa.errors import LabelError
from cp_paraling_qa.labels import known_emotion
from cp_paraling_qa.schema import Opinion
from cp_paraling_qa.stage import Row

LEAST = 0.05
"""Probability from which a class is stated; the likeliest always is."""

SHORT = {
    **{
        "ang": "angry",
        "anx": "anxious",
        "bor": "bored",
        "cal": "calm",
        "con": "contempt",
        "dis": "disgust",
        "exc": "excited",
        "fea": "fearful",
        "fru": "frustrated",
    },
    **{"hap": "happy", "joy": "joy", "neu": "neutral", "oth": "other", "sad": "sad", "sur": "surprised", "unk": "unknown", "xxx": "unknown"},
    **{"ekel": "disgust", "angst": "fearful", "freude": "happy", "langeweile": "bored", "trauer": "sad", "wut": "angry", "ärger": "angry"},
    **{"neutrality": "neutral", "calmness": "calm", "no agreement": "unknown", "fearfulness": "fearful", "anxiety": "anxious", "others": "other"},
}
"""Abbreviations of IEMOCAP and of tools that follow it, German names of EmoDB's emotions, and nouns; "xxx" is IEMOCAP's mark for votes that did not agree."""

_GENDERS = {"female", "male", "f", "m", "woman", "man", "women", "men"}
_NUMBERED = re.compile(r"(label[ _-]?)?\d+")


def plain(label: str) -> str | None:
    """A checkpoint's label as one plain English word; None where it is only a number, or names something else than an emotion that is known.

    Example:
        >>> [plain(label) for label in ("ang", "Happiness", "生气/angry", "<unk>", "04_sad", "female_fear", "LABEL_2", "male", "up")]
        ['angry', 'happiness', 'angry', 'unknown', 'sad', 'fear', None, None, None]
    """
    text = label.strip().lower().strip("<>[]()\"'")
    parts = [text, *re.split(r"[/|,;:()\[\]_\-\s]+", text)]
    parts += [text.replace("_", " ").replace("-", " ")]
    if _NUMBERED.fullmatch(text) or text in _GENDERS:
        return None
    return next((SHORT.get(part, part) for part in parts if part in SHORT or known_emotion(part)), None)


def emotion_labels(rater: str, names: Sequence[str], given: Mapping[str, str] | None = None) -> list[str]:
    """The labels of a checkpoint's outputs, in order, in plain English words of `labels.py`.

    A label that is no known emotion is kept in lower case, if at least two others are known ("sarcastic" beside "angry" and "sad").

    Args:
        rater: the model, for messages.
        names: its labels.
        given: label → English word, from somebody who knows.

    Raises:
        LabelError: labels without a meaning, or of something else than emotion.
    """
    given = {name.lower(): word.lower() for name, word in (given or {}).items()}
    words = [given.get(name.lower()) or plain(name) for name in names]
    shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    nameless = [name for name, word in zip(names, words, strict=True) if word is None and _NUMBERED.fullmatch(name.strip().lower())]
    if nameless:
        raise LabelError(
            f"{rater}: its config calls its classes {shown}, which says nothing. Look up what they mean and put the names into id2label of its config.json, or pass labels={{{nameless[0]!r}: 'angry', …}}"
        )
    if {name.strip().lower() for name in names} <= _GENDERS | {"child", "other", "unknown"}:
        raise LabelError(f"{rater} tells {shown}: that is no emotion model; use it as speaker={rater}")
    if len({word for word in words if word and word not in ("other", "unknown")}) < 2:
        raise LabelError(f"{rater} tells {shown}: fewer than two of them are emotions, so this is no emotion model")
    return [word or name.strip().lower() for word, name in zip(words, names, strict=True)]


class EmotionClassifier(Listener):
    """States the emotion of each window: every class from `LEAST` on, and always the likeliest. Classes that mean the same word are added up.

    Args:
        model: Hub id or folder of an audio classifier.
        revision: of a Hub id.
        options: device, dtype, window and hop.
        labels: the checkpoint's label → English word, where its own say nothing.

    Raises:
        RecipeError: no such model.
        LabelError: labels that say nothing, or are no emotions.
    """

    kind = "emotion"

    def __init__(self, model: str, revision: str | None = None, options: AnnotatorOptions | None = None, *, labels: Mapping[str, str] | None = None) -> None:
        super().__init__(model, revision, options)
        names = labels_of(self.settings, self.source.rater)
        self.labels = emotion_labels(self.source.rater, names, labels)
        self.config |= {"labels": dict(zip(names, self.labels, strict=True)), "least_probability": LEAST}

    def _load(self) -> tuple[Any, Any, Any, Any]:
        if "ssl_type" in self.settings:
            from cp_paraling_qa.annotate.affect import odyssey

            return odyssey(self.source, self.settings)
        return stock(self.source)

    def _classes(self, logits: Any) -> Any:
        import numpy as np

        if self.settings.get("problem_type") == "multi_label_classification":
            return 1 / (1 + np.exp(-logits))
        return softmax(logits)

    def _said(self, clip: Row, spans: Sequence[Window], logits: Any) -> list[Opinion]:
        said = []
        for span, row in zip(spans, self._classes(logits), strict=True):
            shares: dict[str, float] = {}
            for label, probability in zip(self.labels, row, strict=True):
                shares[label] = min(1.0, shares.get(label, 0.0) + float(probability))
            ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
            said += [self._opinion("emotion", label, span, probability=p) for rank, (label, p) in enumerate(ranked) if p >= LEAST or rank == 0]
        return said
