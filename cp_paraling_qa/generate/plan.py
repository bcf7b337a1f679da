"""Which LLM-written questions are wanted for a clip: how many, of which types, simple or complex. Chosen by the clip's id and a seed, never by its place in a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cp_paraling_qa.generate.records import pick
from cp_paraling_qa.schema import AXES, Seconds

MIX: Mapping[str, float] = {"CE": 6, "C": 1, "CG": 1, "CS": 1, "DE": 1, "DG": 0.5, "DS": 0.5}
"""Weights of the types among the contextual questions of many clips; a clip gets those that its ledger can answer. (Our choice: the paper's mix is not published.)"""

TYPES_OF = {"cpqa": ("C", "CE", "CG", "CS", "DE", "DG", "DS"), "pqa": ("DE", "DG", "DS")}
"""PQA* asks about the voice alone; CPQA about the voice and the matter, with some direct questions among it (arXiv 2505.13338, section 3.2)."""

COMPLEX_SHARE = 0.5
"""Of the types that can be complex; a speaker's gender or a number of voices is heard or not."""

MAY_BE_COMPLEX = ("C", "CE", "CS", "DE")
PQA_PER_CLIP = 2
_VOICE = {"emotion", *AXES, "pitch", "loudness", "rate", "intonation"}


@dataclass(frozen=True)
class Wanted:
    """One question wanted: a type, and simple (one thing heard) or complex (several things weighed)."""

    type: str
    difficulty: str


def per_clip(kind: str, duration: Seconds) -> int:
    """How many LLM-written questions a clip of this length gets where nobody says otherwise: about 7 for 30–60 s as in the paper, fewer for short ones.

    Example:
        >>> [per_clip("cpqa", seconds) for seconds in (2.5, 9, 15, 25, 45)]
        [2, 3, 4, 5, 7]
    """
    if kind == "pqa":
        return PQA_PER_CLIP
    return next((count for limit, count in ((6, 2), (12, 3), (20, 4), (30, 5)) if duration < limit), 7)


def possible(kind: str, known: Collection[str], speakers: int | None) -> list[str]:
    """The types that can be asked about a clip.

    Args:
        kind: pqa or cpqa.
        known: the evidence that there is, see `told.known_fields`.
        speakers: how many people are heard; which of several people says what can be asked where there are several, and nobody's gender alone then.
    """
    several = (speakers or 0) > 1
    there = {
        "C": "text" in known,
        "CE": "text" in known and bool(_VOICE & set(known)),
        "CG": "text" in known and "gender" in known and not several,
        "CS": "text" in known and several,
        "DE": "emotion" in known,
        "DG": "gender" in known and not several,
        "DS": "speakers" in known,
    }
    return [type for type in TYPES_OF[kind] if there[type]]


def choose(able: Mapping[str, float], count: int, *seed: object) -> list[Wanted]:
    """Which questions: types drawn by weight, one that was drawn weighing half as much from then on, so that a clip's few questions differ.

    Args:
        able: type → weight.
        count: how many.
        seed: what the choice depends on.
    """
    weights = {type: weight for type, weight in able.items() if weight > 0}
    if not weights:
        return []
    wanted = []
    for number in range(count):
        total = sum(weights.values())
        type = pick([type for type, weight in weights.items() for _ in range(round(1000 * weight / total))], *seed, number)
        weights[type] /= 2
        complex_ = type in MAY_BE_COMPLEX and pick(range(100), *seed, number, "difficulty") < 100 * COMPLEX_SHARE
        wanted.append(Wanted(type, "complex" if complex_ else "simple"))
    return wanted
