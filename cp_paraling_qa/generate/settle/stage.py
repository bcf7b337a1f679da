"""RUN/written → RUN/questions: the rules over all questions of a run, and their marks. A dropped row stays beside the kept ones with its reason.

Two passes: a survey of all questions decides (see `survey`), then each part is made by itself. A part is known by its written rows, its clips, and what the survey decided
about them, so that a killed run goes on with the part that was in the making. A finished run whose input and options are what they were is not surveyed again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cp_paraling_qa import __version__
from cp_paraling_qa.digests import digest
from cp_paraling_qa.embed import PACKAGE, Embedder, SentenceEmbedder, Vectors, bundled_model
from cp_paraling_qa.errors import MissingExtraError, StageError
from cp_paraling_qa.generate.records import question_row
from cp_paraling_qa.generate.settle import wordings
from cp_paraling_qa.generate.settle.memo import Memo
from cp_paraling_qa.generate.settle.options import SettleOptions
from cp_paraling_qa.generate.settle.repeats import REASONS
from cp_paraling_qa.generate.settle.shortcut import ANSWERABLE, Shortcut
from cp_paraling_qa.generate.settle.survey import VERSION, Added, Plan, Survey
from cp_paraling_qa.schema import QUESTION_SCHEMA
from cp_paraling_qa.stage import Drop, Outcome, Part, Row, content_of, finish, parts_of, read_part, read_record, run, write_json

WRITTEN, QUESTIONS = "written", "questions"
MEMO = Path("cache") / "repeats.sqlite"


@dataclass
class WrittenPart(Part):
    """A part of RUN/written, clip by clip, with what the survey decided about it."""

    clips: Path = field(default_factory=Path)
    plan: Plan = field(default_factory=Plan)

    def rows(self) -> list[Row]:
        """A row for each clip: the clip itself, its written rows, and what becomes of them."""
        written: dict[str, list[Row]] = defaultdict(list)
        for row in super().rows():
            written[row["clip_id"]].append(row)
        added: dict[str, list[Added]] = defaultdict(list)
        for new in self.plan.added:
            added[new.clip_id].append(new)
        clips = read_part(self.clips)
        return [{"clip": clip, "rows": written.get(clip["clip_id"], []), "added": added.get(clip["clip_id"], []), "plan": self.plan} for clip in clips]


class SettleStage:
    """Carries out what the survey decided."""

    name = QUESTIONS
    version = VERSION
    schema = QUESTION_SCHEMA

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}  # all that shapes a part's rows is in its plan
        self.drops: list[Drop] = []

    def setup(self) -> None:
        """Nothing to load."""

    def __call__(self, rows: list[Row]) -> list[Row]:
        """Clips with their written rows in, question rows out: those that were there, then those that were added, clip by clip."""
        made: list[Row] = []
        for row in rows:
            made += _settled(row["clip"], row["rows"], row["added"], row["plan"])
        return made


def _settled(clip: Row, written: Sequence[Row], added: Sequence[Added], plan: Plan) -> list[Row]:
    rows = [dict(row) for row in written]
    for new in sorted(added):
        more = {name: value for name, value in new._asdict().items() if name not in ("qa_id", "clip_id", "question", "answer")}
        rows.append(dict(question_row(clip, "cpqa", "CE", new.question, new.answer, **more)))
    for row in rows:
        name = row["qa_id"]
        row["conflict"] = plan.conflict.get(clip["clip_id"])
        if row["dropped"] is None and row["kind"] in ("pqa", "cpqa"):
            row["dropped"] = plan.gone.get(name)
            row["contrast_set"] = plan.sets.get(name, row["contrast_set"])
            row["text_answerable"] = plan.answerable.get(name)
    return rows


def settle(
    run_folder: Path,
    options: SettleOptions,
    *,
    clips: Path,
    made_from: str,
    config: Mapping[str, Any] | None = None,
    embedder: Embedder | None = None,
    shortcut: Shortcut | None = None,
    shortcut_name: str | None = None,
    progress: Callable[[int, Outcome], None] | None = None,
    told: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Settles RUN/written into RUN/questions.

    Args:
        run_folder: RUN.
        options: which rules.
        clips: the folder of the clips that the questions are about; its parts have the names of those of RUN/written.
        made_from: the key of RUN/written.
        config: what else the record shall say of how the questions came about.
        embedder: compares sentences; None for the bundled MiniLM, which is loaded only where there is something to compare. Its `name`, if it has one, is part of the key.
        shortcut: answers the questions that are left from the words alone, see `Shortcut`.
        shortcut_name: who that is (model, prompt): another name is another result.
        progress: see `stage.run`; rows are clips.
        told: called now and then while all questions are compared.

    Returns:
        the stage's record, with `settled` (rows dropped here, by reason) and `counts` (contrast sets, conflict, words alone: see `Survey`); `retry` is the number of rows
        that `shortcut` could not try for passing reasons.

    Raises:
        StageError: RUN/written has not finished, or its parts are not those of the clips.
        MissingExtraError: questions are to be compared by meaning, and no model for it is installed.
        LabelError: a clip with a valence that is none, named.
    """
    folder, written = run_folder / QUESTIONS, run_folder / WRITTEN
    sources = parts_of(written)
    pairs = [(clips / path.name, path) for path in sources]
    if missing := [path for path, _ in pairs if not path.is_file()]:
        raise StageError(f"{missing[0]} is not there, though {written / missing[0].name} asks about its clips: run `cpqa generate {run_folder}` again")
    model = embedder if embedder is not None else SentenceEmbedder()
    name = str(getattr(model, "name", type(model).__name__)) if options.embeds else None
    chosen = {"settle": options.plain() | {"embedder": name, "wordings": dict(wordings.plain()), "version": VERSION, "shortcut": shortcut_name}}
    key = digest(__version__, made_from, chosen, dict(config or {}), shortcut is None)  # what `shortcut` could not try is tried again: see below
    record = read_record(folder)
    if record is not None and (before := record.get("survey")) and before["key"] == key and before["contents"] == _contents(folder, record["parts"]):
        unchanged: dict[str, Any] = record | before["own"]
        return unchanged

    memo = Memo(run_folder / MEMO)
    try:
        survey = Survey(pairs, options, embed=_explained(model), embedder=str(name), memo=memo, shortcut=shortcut, told=told)
        memo.forget_others()
    finally:
        memo.close()
    parts = [
        WrittenPart(path.stem, digest(content_of(path), content_of(of), plan.content), path, of, plan)
        for (of, path), plan in zip(pairs, survey.plans, strict=True)
    ]
    stage = SettleStage()
    outcome = run(stage, parts, folder, progress=progress)
    record = finish(folder, QUESTIONS, {QUESTIONS: outcome}, dict(config or {}) | chosen, made_from=made_from)
    own = {"retry": survey.untried, "seconds": record["seconds"], "dropped": record["dropped"], "dropped_items": record["dropped_items"]}
    record |= own | {"counts": dict(survey.counts), **_tally(survey)}
    if not survey.untried:
        record["survey"] = {"key": key, "contents": _contents(folder, record["parts"]), "own": own}
    write_json(folder / "_stage.json", record)
    return record


def _contents(folder: Path, parts: Sequence[str]) -> str | None:
    """Identifies the rows of finished parts; None where one is not there."""
    paths = [folder / f"{name}.parquet" for name in parts]
    return digest([content_of(path) for path in paths]) if all(path.is_file() for path in paths) else None


def _tally(survey: Survey) -> dict[str, Any]:
    gone = Counter(reason for plan in survey.plans for reason in plan.gone.values())
    return {"settled": {reason: gone[reason] for reason in (*REASONS, ANSWERABLE) if gone[reason]}}


def _explained(model: Embedder) -> Embedder:
    """The model, whose absence says what can be done without it."""

    def embed(texts: Sequence[str]) -> Vectors:
        try:
            return model(texts)
        except MissingExtraError as error:
            package = PACKAGE if bundled_model() is None else "sentence-transformers"
            raise MissingExtraError(package, "embedded", "finding near repeats (settle.near_within and settle.near_across; null switches them off)") from error

    return embed
