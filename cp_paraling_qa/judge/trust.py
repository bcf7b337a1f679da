"""How far a judge can be trusted, in figures: whether it repeats itself, whether it tells right labels from wrong ones, and whether it says what people say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cp_paraling_qa.judge.figures import Items, number

People = Sequence[Sequence[float | None] | None]
"""Per item None, or one rating per rater."""


def trust_figures(items: Items, given: Sequence[Sequence[float | None]] | None, people: People | None) -> dict[str, Any]:
    """The keys of a result that say how far its judge can be trusted.

    Args:
        items: scores, labels and clusters.
        given: the judges' scores, one list per judge and repeat; None: nobody judged.
        people: what people said, on the judge's scale; None: nobody was asked.

    Returns:
        judge_alpha (Krippendorff, ordinal, between judges and repeats); the keys of `label_validity` and `human_validity`; llm_judge_corrected (0–100) with
        _ci_low, _ci_high, _method and _n. Every key is always there, None where there is nothing to say.
    """
    from cp_paraling_qa.judge.statistics.agreement import krippendorff_alpha
    from cp_paraling_qa.judge.statistics.validity import human_validity, label_validity

    n = len(items)
    options: dict[str, Any] = {"clusters": items.clusters, "n_bootstrap": items.n_bootstrap, "seed": items.seed}
    scores = items.scores if items.scores is not None else [None] * n
    alpha = krippendorff_alpha(given, "ordinal") if given is not None and len(given) > 1 else None
    found = {"judge_alpha": number(alpha)}
    found |= label_validity(scores, items.correct if items.scores is not None else [None] * n, **options)
    found |= human_validity(scores, people if people is not None else [None] * n, scale=items.scale, **options)
    told: dict[str, Any] = plain(found | _corrected(items, people, options))
    return told


def _corrected(items: Items, people: People | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The judge's mean, corrected by what people said of some items."""
    names = [f"llm_judge_corrected{end}" for end in ("", "_ci_low", "_ci_high", "_method", "_n")]
    said = [_mean(of) for of in people] if people is not None else []
    both = items.scores is not None and any(score is not None and one is not None for score, one in zip(items.scores, said, strict=bool(said)))
    if not both or items.scores is None:
        return dict.fromkeys(names)
    from cp_paraling_qa.judge.statistics.correction import corrected_score

    low, high = items.scale
    if items.scale == (0, 1):  # people's majority: half a mark is not a verdict that a judge can be right or wrong about
        said = [None if one is None or one == 0.5 else float(one > 0.5) for one in said]
    done = corrected_score(items.scores, said, scale=items.scale, **options)
    percent = [None if math.isnan(value) else 100 * (value - low) / (high - low) for value in (done.score, done.low, done.high)]
    return dict(zip(names, [*percent, done.method, done.n_human], strict=True))


def _mean(ratings: Sequence[float | None] | None) -> float | None:
    known = [value for value in ratings or () if value is not None]
    return math.fsum(known) / len(known) if known else None


def plain(value: Any) -> Any:
    """The same with None for NaN, at any depth: JSON has no NaN."""
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value
