"""Gender, and age where it is given, by checkpoint: audEERING's age-gender models, or any audio classifier that tells female from male."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from cp_paraling_qa.annotate.affect import in_range, is_stock, speech_regressor
from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.emotion import LEAST
from cp_paraling_qa.annotate.listening import Listener, labels_of, softmax, stock
from cp_paraling_qa.annotate.windows import Window
from cp_paraling_qa.errors import LabelError
from cp_paraling_qa.schema import Opinion
from cp_paraling_qa.stage import Row

_VOICE = {
    **{name: "female" for name in ("female", "f", "woman", "women", "fem", "girl")},
    **{name: "male" for name in ("male", "m", "man", "men", "boy")},
    **{name: "child" for name in ("child", "children", "c", "kid")},
}

PUBLISHED = re.compile(r"wav2vec2-large-robust-\d+-ft-age-gender$")
"""audEERING's own checkpoints, whose model card gives the order of the classes: it holds where their config does not name them."""
CARD = ["female", "male", "child"]


def voices_of(rater: str, names: Sequence[str]) -> list[str]:
    """What each class of a checkpoint is: female, male or child; labels about age are none of them and are passed over.

    Raises:
        LabelError: no female and male among them, a class twice, or one that is something else.

    Example:
        >>> voices_of("some/model", ["Male", "F"]), voices_of("some/model", ["age", "child", "male", "female"])
        (['male', 'female'], ['child', 'male', 'female'])
    """
    classes = [name for name in names if not re.fullmatch(r"age([_ -]?(years|logits))?", name.strip().lower())]
    voices = [_VOICE.get(re.sub(r"^(gender|sex|voice)[\W_]*|[\W_]*(voice|speaker)$", "", name.strip().lower())) for name in classes]
    if not {"female", "male"} <= set(voices) and PUBLISHED.search(rater) and all(re.fullmatch(r"label_\d+", name.lower()) for name in classes):
        return CARD
    if not {"female", "male"} <= set(voices) or None in voices or len(set(voices)) < len(voices):
        raise LabelError(f"{rater}: its config calls its classes {', '.join(names)}; a model of gender has female and male (and child) in id2label")
    return [str(voice) for voice in voices]


class Speaker(Listener):
    """States the gender of each window, female or male with its probability, and the age of the whole clip in years where the model tells it.

    A window that sounds most of all like a child gets no gender: such models do not tell boys from girls.

    Args:
        model: Hub id or folder.
        revision: of a Hub id.
        options: device, dtype, window and hop.

    Raises:
        RecipeError: no such model.
        LabelError: classes that are not female and male.
    """

    kind = "speaker"

    def __init__(self, model: str, revision: str | None = None, options: AnnotatorOptions | None = None) -> None:
        super().__init__(model, revision, options)
        self.voices = voices_of(self.source.rater, labels_of(self.settings, self.source.rater))
        self._tells_age = not is_stock(self.source, self.settings)
        self.config |= {"labels": self.voices, "least_probability": LEAST}

    def _load(self) -> tuple[Any, Any, Any, Any]:
        return speech_regressor(self.source, "AgeGenderModel", voice_classes=len(self.voices)) if self._tells_age else stock(self.source)

    def _classes(self, logits: Any) -> Any:
        return softmax(logits[:, 1:] if self._tells_age else logits)

    def _said(self, clip: Row, spans: Sequence[Window], logits: Any) -> list[Opinion]:
        said = []
        for span, row in zip(spans, self._classes(logits), strict=True):
            ranked = sorted(zip(map(float, row), self.voices, strict=True), reverse=True)
            if ranked[0][1] != "child":
                said += [
                    self._opinion("gender", voice, span, probability=p)
                    for rank, (p, voice) in enumerate(ranked)
                    if voice != "child" and (p >= LEAST or rank == 0)
                ]
        if self._tells_age:
            heard = [span.label_end - span.label_start for span in spans]
            years = sum(float(age) * seconds for age, seconds in zip(logits[:, 0], heard, strict=True)) / sum(heard)
            said.append(self._opinion("age", f"{100 * in_range(years, 'age (in centuries)', self.source.rater, clip):.0f}"))
        return said
