"""Emotion by emotion2vec+ (Ma et al., arXiv 2312.15185) through FunASR: seed, base or large alone, or all three as paper B (arXiv 2505.13338) has them.

A clip is heard in windows of 4 s every 2 s, each giving its label to its middle 2 s (see `windows`). Per window and model there is an opinion for every class with a
posterior of at least 0.05, and always for the likeliest; its `probability` is the posterior, its `rater` the model.

The ensemble's answer is the mean posterior of its models. It is not stored: the ledger adds up the probabilities of all raters, which is that mean (but for the classes
below 0.05), and an opinion holding the mean beside them would vote a second time.

What to know before trusting it: it was fine-tuned on corpora of EmoBox, so evaluating it, or a model taught with its labels, on those is circular. It is sure of
itself where nobody speaks (silence is often "sad"): look at `speech` opinions beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.emotion2vec_model import Recogniser, source_of
from cp_paraling_qa.annotate.pinning import package_version, require_rate
from cp_paraling_qa.annotate.windows import windows
from cp_paraling_qa.errors import MissingExtraError, RecipeError
from cp_paraling_qa.schema import Opinion, opinion
from cp_paraling_qa.stage import Row

SIZES = ("seed", "base", "large")
NAMES: dict[str, tuple[str, ...]] = {f"emotion2vec_plus_{size}": (f"iic/emotion2vec_plus_{size}",) for size in SIZES} | {
    "emotion2vec_plus_ensemble": tuple(f"iic/emotion2vec_plus_{size}" for size in SIZES)
}
"""Short names, and the models behind them by their ids on ModelScope; the Hugging Face Hub has the same under emotion2vec/."""

KEEP = 0.05


class Emotion2Vec:
    """States the emotion of each window of a clip.

    Args:
        models: ids (iic/emotion2vec_plus_large, or emotion2vec/… as on the Hub), short names (see `NAMES`) or folders (config.yaml, tokens.txt, model.pt).
        revision: branch, tag or commit, where there is one model.
        hub: "hf", the Hugging Face Hub, whose revisions can be pinned; or "ms", ModelScope.
        keep: posterior from which a class has an opinion.
        options: device, dtype (below float32 by autocast), window and hop.

    Raises:
        RecipeError: no model, a revision for several, or a folder that does not exist.
    """

    version = 1

    def __init__(
        self,
        models: str | Sequence[str] = ("iic/emotion2vec_plus_large",),
        *,
        revision: str | None = None,
        hub: str = "hf",
        keep: float = KEEP,
        options: AnnotatorOptions = AnnotatorOptions(),  # noqa: B008  # frozen
    ) -> None:
        if hub not in ("hf", "ms"):
            raise RecipeError(f"hub {hub!r}: choose hf (Hugging Face) or ms (ModelScope)")
        named = [models] if isinstance(models, str) else list(models)
        ids = [model for name in named for model in NAMES.get(name, (name,))]
        if not ids or len(set(ids)) < len(ids) or (revision and len(ids) > 1):
            raise RecipeError(f"emotion2vec: one or several different models, and a revision only for one: {', '.join(ids) or 'none given'}")
        self.sources = [source_of(model, revision, hub) for model in ids]
        self.hub, self.keep, self.options = hub, keep, options
        ensemble = set(ids) == set(NAMES["emotion2vec_plus_ensemble"])
        name = "emotion2vec_plus_ensemble" if ensemble else "+".join(source.short for source in self.sources)
        self.name = name if name.startswith("emotion2vec") else f"emotion2vec-{name}"
        self.config: dict[str, Any] = {
            "models": [{"model": source.rater, "revision": source.revision} for source in self.sources],
            "package": f"funasr {package_version('funasr')}",
            "hub": hub,
            "window": options.window,
            "hop": options.hop,
            "keep": keep,
            "dtype": options.dtype,
        }
        if len(self.sources) == 1:
            self.config["revision"] = self.sources[0].revision
        self._loaded: list[Recogniser] = []

    def wants(self, clip: Row) -> bool:
        """Every clip has a voice."""
        return True

    def setup(self) -> None:
        """Loads the models.

        Raises:
            MissingExtraError: FunASR is not installed.
            StageError: weights that cannot be had, do not fit, or are more than tensors; other labels than the nine.
            RecipeError: answers that are uniform or the same for everything.
        """
        if find_spec("funasr") is None:
            raise MissingExtraError("funasr", "emotion2vec", "recognising emotion with emotion2vec+")
        self._loaded = [Recogniser(source, self.hub, self.options) for source in self.sources]

    def annotate(self, clips: Sequence[Row], sounds: Sequence[Any], rate: int) -> list[Row]:
        """The opinions of every model about every window. FunASR hears windows one by one, so no clip depends on its neighbours."""
        require_rate(rate)
        rows = []
        for samples in sounds:
            cuts = windows(len(samples) / rate, self.options.window, self.options.hop)
            parts = [samples[round(cut.start * rate) : round(cut.end * rate)] for cut in cuts]
            said: list[Opinion] = []
            for recogniser in self._loaded:
                for cut, posterior in zip(cuts, recogniser.posteriors(parts), strict=True):
                    likeliest = max(posterior, key=lambda label: posterior[label])
                    said += [
                        opinion(
                            "emotion",
                            label,
                            source="model",
                            rater=recogniser.source.rater,
                            revision=recogniser.source.revision,
                            probability=min(1.0, probability),
                            start=cut.label_start,
                            end=cut.label_end,
                        )
                        for label, probability in sorted(posterior.items(), key=lambda item: -item[1])
                        if probability >= self.keep or label == likeliest
                    ]
            rows.append({"opinions": said})
        return rows
