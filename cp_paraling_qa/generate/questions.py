"""RUN/clips → RUN/questions: template questions of every clip, and LLM-written ones where an LLM is named."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cp_paraling_qa.generate.filters import SMALL_MODEL_FILTERS
from cp_paraling_qa.generate.options import LLMOptions, QuestionOptions
from cp_paraling_qa.generate.reuse import clips_of, llm_rows
from cp_paraling_qa.generate.write import Options, QuestionWriter
from cp_paraling_qa.ledger import consensus, gender
from cp_paraling_qa.llm import LLMConfig
from cp_paraling_qa.stage import Outcome, Row, check_clips, clips_folder, finish, next_parts, read_rows, run, write_json

TAKEN, LIVE = "taken over from the dataset", "written live"


def make_questions(
    run_folder: Path,
    options: QuestionOptions,
    llm: LLMOptions | str,
    *,
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, Outcome], None] | None = None,
    told: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Writes the questions of every clip of a run.

    Args:
        run_folder: RUN.
        options: which questions.
        llm: who writes the contextual ones; "none" for nobody.
        say: told who writes.
        progress: see `stage.run`.
        told: called after every reply of the LLM with how it stands.

    Returns:
        the stage's record, with `summary`: lines for the screen.

    Raises:
        LLMError: the endpoint cannot be used at all; finished parts and replies stay.
    """
    clips = check_clips(run_folder)["clips"]
    parts = next_parts(clips_folder(run_folder))
    settings = llm if isinstance(llm, LLMOptions) else None
    reuse = _reused(run_folder, options) if settings is not None else {}
    writer = _writer(options, settings, reuse, cache=run_folder / "cache" / "replies.sqlite", told=told)
    if settings is not None:
        say(f"  LLM: {writer.config['model']}{'' if settings.base_url is None else ' at ' + settings.base_url}")
    try:
        outcome = run(writer, parts, run_folder / "questions", progress=progress)
    finally:
        writer.close()
    record = finish(run_folder / "questions", "questions", {"questions": outcome}, writer.config | {"llm": writer.config.get("model")}, made_from=clips["key"])
    record["summary"] = summary(run_folder, reuse, record["dropped"])
    write_json(run_folder / "questions" / "_stage.json", record)
    return record


def _writer(
    options: QuestionOptions, llm: LLMOptions | None, reuse: dict[str, list[Row]], *, cache: Path, told: Callable[[str], None] | None
) -> QuestionWriter:
    chosen: dict[str, Any] = {
        "templates": options.templates,
        "seed": options.seed,
        "rounds": options.rounds,
        "per_clip": options.per_clip if llm is not None else 0,
    }
    if llm is not None:
        chosen |= {name: value for name, value in (("temperature", llm.temperature), ("max_tokens", llm.max_tokens)) if value is not None}
    strict = options.strict if options.strict is not None else llm is not None and llm.base_url is None
    if not strict:
        chosen["skip_filters"] = SMALL_MODEL_FILTERS
    endpoint = None
    if llm is not None and llm.base_url and llm.model:
        endpoint = LLMConfig(llm.base_url, llm.model, concurrency=llm.concurrency, timeout=llm.timeout, cache=cache)
    return QuestionWriter(Options(**chosen), endpoint, reuse=reuse, cache=cache, told=told)


def summary(run_folder: Path, reuse: dict[str, list[Row]], failed: dict[str, int]) -> list[str]:
    """What came of it, for a person: kept and dropped by kind, where the LLM-written ones come from, and why others are missing."""
    kept: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    clips: dict[str, set[str]] = defaultdict(set)
    rows: Counter[str] = Counter()
    every = [row["clip_id"] for row in read_rows(clips_folder(run_folder), ["clip_id"])]
    asked = Counter(TAKEN if name in reuse else LIVE for name in every)
    for row in read_rows(run_folder / "questions", ["clip_id", "kind", "dropped"]):
        if row["dropped"] is not None:
            dropped[row["dropped"]] += 1
            continue
        kept[row["kind"]] += 1
        if row["kind"] in ("pqa", "cpqa"):
            where = TAKEN if row["clip_id"] in reuse else LIVE
            clips[where].add(row["clip_id"])
            rows[where] += 1
    lines = [f"{count} {kind} questions" for kind, count in sorted(kept.items())]
    lines += [f"{rows[where]} LLM-written questions {where}, for {len(clips[where])} of {asked[where]} clips" for where in sorted(rows)]
    if dropped:
        lines.append("dropped: " + ", ".join(f"{count} × {reason}" for reason, count in dropped.most_common()))
    if failed:
        lines.append("no row: " + ", ".join(f"{count} × {reason}" for reason, count in failed.items()))
    return lines


def _reused(run_folder: Path, options: QuestionOptions) -> dict[str, list[Row]]:
    """The rows of `options.reuse` for clips of this run, without those that get live questions: the first ones in an order that depends on the clips alone."""
    if options.reuse is None:
        return {}
    found: dict[str, list[Row]] = {name: [] for name in clips_of(options.reuse)}
    for row in llm_rows(options.reuse):
        found.setdefault(row["clip_id"], []).append(row)
    emotions = {
        row["clip_id"]: (consensus(row["opinions"], "emotion"), gender(row)) for row in read_rows(clips_folder(run_folder), ["clip_id", "gender", "opinions"])
    }
    clips = sorted(emotions, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    live = set(clips[: options.live_clips])
    return {name: found[name] for name in clips if name in found and name not in live and _fits(found[name], emotions[name])}


def _fits(rows: list[Row], labels: tuple[str | None, str | None]) -> bool:
    """Whether rows of another dataset still say what this run's ledger says: labels may have been corrected since."""
    return all(row["label"] is None or row["label"] in labels for row in rows)
