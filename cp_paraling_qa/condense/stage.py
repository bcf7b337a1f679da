"""RUN/clips → RUN/condensed: the clips that pass, each with its whole ledger, their words tagged; every other clip dropped with its reason.

Two passes: a survey of all clips decides what the budget has room for (see `select`), then each part is made by itself. A part is known by its clips, the rules, and
which of its own clips the budget leaves out, so that a killed run goes on with the part that was in the making, and another budget makes only the parts it touches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cp_paraling_qa.condense.options import CondenseOptions
from cp_paraling_qa.condense.rules import OVER_BUDGET, Verdict, judge
from cp_paraling_qa.condense.select import key_of
from cp_paraling_qa.condense.survey import Survey
from cp_paraling_qa.condense.windows import hear, tagged
from cp_paraling_qa.digests import digest
from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.schema import CLIP_SCHEMA
from cp_paraling_qa.stage import Drop, Outcome, Part, Row, content_of, finish, run, write_json

CONDENSE_JSON = "condense.json"
"""Beside RUN/condensed: the funnel, the options, and the distributions before and after."""


@dataclass
class ClipsPart(Part):
    """A part of RUN/clips whose rows say, in `_over`, whether the budget leaves them out."""

    over: set[int] = field(default_factory=set)

    def rows(self) -> list[Row]:
        """The clips."""
        return [row | {"_over": bool(self.over) and key_of(row["clip_id"]) in self.over} for row in super().rows()]


class CondenseStage:
    """Judges clips by the rules; the balance was found before.

    Args:
        options: the rules' thresholds.
    """

    name = "condensed"
    version = 1
    schema = CLIP_SCHEMA

    def __init__(self, options: CondenseOptions) -> None:
        self.options = options
        self.config: dict[str, Any] = options.rules
        self.drops: list[Drop] = []

    def setup(self) -> None:
        """Nothing to load."""

    def __call__(self, rows: list[Row]) -> list[Row]:
        """Clips in, those that stay out."""
        kept = []
        for clip in rows:
            over = clip.pop("_over")
            heard = hear(clip, self.options)
            judged = judge(clip, heard, self.options)
            verdict = judged.verdict
            if verdict.reason is None and over:
                verdict = Verdict(OVER_BUDGET, f"{judged.emotion}, speaker {clip['speaker_id'] or 'unknown'}")
            if verdict.reason is None:
                kept.append(clip | {"words": tagged(clip, heard, judged.trusted, self.options.sources)})
            else:
                self.drops.append(Drop(f"{clip['corpus']}/{clip['audio_path']}", verdict.reason, f"clip {clip['clip_id']}: {verdict.detail}"))
        return kept


def make_condensed(run_folder: Path, options: CondenseOptions | None = None, *, progress: Callable[[int, Outcome], None] | None = None) -> dict[str, Any]:
    """Condenses RUN/clips into RUN/condensed, and tells in RUN/condense.json how clips are spread before and after.

    Args:
        run_folder: RUN.
        options: thresholds and budget; None for the defaults.
        progress: see `stage.run`.

    Returns:
        the stage's record, and under `funnel` the `Funnel`.

    Raises:
        StageError: RUN/clips has not finished or is out of date.
        LabelError: a clip with a valence that is none, named.
        RecipeError: no clip passes; the run is then left as it was.
    """
    options = options or CondenseOptions()
    survey = Survey(run_folder, options)
    funnel = survey.funnel()
    if not funnel.rows_out:
        why = ", ".join(f"{step.dropped} × {step.reason}" for step in funnel.steps if step.dropped) or "there are no clips"
        raise RecipeError(f"no clip of {run_folder} passes condensation: {why}. `cpqa condense {run_folder} --dry-run` shows what other thresholds would keep.")
    parts = []
    for path, over in survey.over_budget():
        parts.append(ClipsPart(path.stem, digest(content_of(path), sorted(over)), path, over))
    stage, folder = CondenseStage(options), run_folder / "condensed"
    outcome = run(stage, parts, folder, progress=progress)
    record = finish(folder, stage.name, {stage.name: outcome}, options.plain(), made_from=survey.record["key"])
    write_json(run_folder / CONDENSE_JSON, {"funnel": funnel.plain(), "options": options.plain(), "distributions": survey.distributions()})
    return record | {"funnel": funnel}
