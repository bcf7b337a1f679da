"""RUN/clips → RUN/written → RUN/questions: template questions of every clip and LLM-written ones where an LLM is named, then the rules that hold over all of them.

The LLM is asked live, or by the Batch API, which fills the cache of replies beforehand; what is written does not depend on which.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cp_paraling_qa.embedded import EMBEDDED_MODEL, MODEL_NAME, embedded_config
from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.generate.audit.shortcut import TextShortcut
from cp_paraling_qa.generate.options import MAX_TOKENS, TEMPERATURE, LLMOptions, QuestionOptions
from cp_paraling_qa.generate.reuse import clips_of, llm_rows
from cp_paraling_qa.generate.settle import SettleOptions, settle
from cp_paraling_qa.generate.summary import Summary, summarise
from cp_paraling_qa.generate.write import QuestionWriter
from cp_paraling_qa.ledger import consensus, gender
from cp_paraling_qa.llm import LLMConfig
from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.stage import RECORD, Engine, Outcome, Row, check_clips, clips_folder, finish, next_parts, read_rows, run, write_json

if TYPE_CHECKING:
    from cp_paraling_qa.llm_estimate import Estimate

Told = Callable[[str], None]
CACHE = Path("cache") / "replies.sqlite"
BATCHES = Path("cache") / "batches"


def make_questions(
    run_folder: Path,
    options: QuestionOptions,
    llm: LLMOptions | Literal["none"],
    *,
    rules: SettleOptions | None = None,
    text_llm: LLMOptions | None = None,
    transport: Literal["live", "batch"] = "live",
    poll: Seconds = 30.0,
    engine: Engine | None = None,
    begin: Callable[[], None] = lambda: None,
    say: Told = lambda text: None,
    progress: Callable[[int, Outcome], None] | None = None,
    told: Told | None = None,
) -> tuple[dict[str, Any], Summary]:
    """Writes the questions of every clip of a run, and settles which of them stay.

    Args:
        run_folder: RUN.
        options: which questions.
        llm: who writes those that an LLM writes; "none" for nobody.
        rules: that hold over all questions; None for the defaults.
        text_llm: who answers the questions from the words alone; None for nobody, and no mark.
        transport: live, or OpenAI's Batch API.
        poll: seconds between two looks at a batch.
        engine: see `stage.run`.
        begin: called before anything is asked, once it is known that the options can be carried out.
        say: told who writes, and how batches stand.
        progress: see `stage.run`.
        told: called after every reply of the LLM with how it stands.

    Returns:
        the record of RUN/questions, and what came of it for a person.

    Raises:
        LLMError: the endpoint cannot be used at all; finished parts and replies stay.
        RecipeError: options that exclude each other.
    """
    clips = check_clips(run_folder)["clips"]
    settings = llm if isinstance(llm, LLMOptions) else None
    if transport == "batch" and (settings is None or settings.base_url is None):
        raise RecipeError("--transport batch needs an endpoint with OpenAI's Batch API: give --llm-base-url and --llm-model")
    if (
        engine is not None
        and settings is not None
        and options.llm_kinds
        and (settings.base_url is None or settings.max_cost is not None or transport == "batch")
    ):
        raise RecipeError("--engine ray asks a live endpoint from every worker: it needs --llm-base-url, and takes neither --max-cost nor --transport batch")
    writer, reuse = _writer(run_folder, options, settings, told, clips["rows_out"])
    begin()
    if settings is None and options.llm_kinds:
        say(f"  LLM: none, so no questions of kind {' or '.join(options.llm_kinds)}")
    elif settings is not None and writer.options.llm_kinds:
        say(f"  LLM: {writer.config['model']}{'' if settings.base_url is None else ' at ' + settings.base_url}, {writer.style}")
    spent = 0.0
    if transport == "batch":
        writer, spent = _filled(run_folder, writer, say, poll)
    folder = run_folder / "written"
    try:
        outcome = run(writer, next_parts(clips_folder(run_folder)), folder, progress=progress, engine=engine)
        stats = writer.stats
    finally:
        writer.close()
    written = finish(folder, "written", {"written": outcome}, writer.config | {"llm": writer.config.get("model")}, made_from=clips["key"])
    left = text_llm.max_cost if text_llm is not None else None
    if left is not None and text_llm == settings:  # one budget for both
        left = max(0.0, left - spent - (stats.cost + stats.uncertain_cost if stats is not None else 0.0))
    record = _settled(run_folder, written, rules or SettleOptions(seed=options.seed), text_llm, left, say, told)
    summary = summarise(run_folder, record, reuse=set(reuse), seed=options.seed)
    summary.spent(writer.tally, stats)
    record["summary"] = summary.lines()
    write_json(run_folder / "questions" / RECORD, record)
    return record, summary


def estimate_questions(run_folder: Path, options: QuestionOptions, llm: LLMOptions | Literal["none"]) -> Estimate:
    """What the first round of requests will take, without sending one: a later round asks again only for what a filter dropped.

    Raises:
        RecipeError: no LLM is to write anything.
    """
    clips = check_clips(run_folder)["clips"]
    if not isinstance(llm, LLMOptions) or not options.llm_kinds:
        raise RecipeError("nothing is asked of an LLM: there is nothing to estimate")
    from cp_paraling_qa.llm_estimate import estimate

    writer, _ = _writer(run_folder, options, llm, None, clips["rows_out"])
    config = writer.llm or LLMConfig("http://127.0.0.1/v1", MODEL_NAME, temperature=TEMPERATURE, max_tokens=MAX_TOKENS[writer.style], cache=writer.cache)
    return estimate(writer.requests(read_rows(clips_folder(run_folder))), dataclasses.replace(config, seed=options.seed))


def endpoint(llm: LLMOptions, cache: Path, *, max_tokens: int) -> LLMConfig | None:
    """How an endpoint is asked; None for the embedded model."""
    if not llm.base_url or not llm.model:
        return None
    return LLMConfig(
        llm.base_url,
        llm.model,
        temperature=TEMPERATURE if llm.temperature is None else llm.temperature,
        max_tokens=llm.max_tokens or max_tokens,
        concurrency=llm.concurrency,
        timeout=llm.timeout,
        attempts=llm.attempts,
        cache=cache,
        reply_format=llm.reply_format,
        prices=llm.price,
        max_cost=llm.max_cost,
    )


def _writer(run_folder: Path, options: QuestionOptions, llm: LLMOptions | None, told: Told | None, clips: int) -> tuple[QuestionWriter, dict[str, list[Row]]]:
    """The stage, and the clips whose questions are taken over."""
    if llm is None:
        kinds = tuple(kind for kind in options.kinds if kind not in options.llm_kinds)
        if not kinds:
            raise RecipeError(f"{' and '.join(options.kinds)} are written by an LLM: give --llm-base-url and --llm-model, or --embedded-llm")
        return QuestionWriter(options.model_copy(update={"kinds": kinds}), told=told, total=clips), {}
    if (llm.temperature is not None or llm.max_tokens is not None) and llm.base_url is None:
        raise RecipeError("the embedded model is asked as it can be asked: temperature and max_tokens belong to an endpoint (--llm-base-url)")
    reuse = _reused(run_folder, options)
    cache = run_folder / CACHE
    config = endpoint(llm, cache, max_tokens=MAX_TOKENS[options.style or "whole"])
    return QuestionWriter(options, config, reuse=reuse, cache=cache, told=told, total=clips), reuse


def _filled(run_folder: Path, writer: QuestionWriter, say: Told, poll: Seconds) -> tuple[QuestionWriter, float]:
    """The writer, with every reply that a batch could give in the cache, and what that cost in USD."""
    from cp_paraling_qa.llm_batch import CachedOnly, fill_cache

    assert writer.llm is not None
    folder = run_folder / BATCHES
    folder.mkdir(parents=True, exist_ok=True)
    config = dataclasses.replace(writer.llm, seed=writer.options.seed)

    def ask(client: CachedOnly) -> None:
        with contextlib.closing(_twin(writer, client)) as dry:
            for part in next_parts(clips_folder(run_folder)):
                dry(part.rows())

    result = fill_cache(config, folder, ask, told=lambda text: say(f"  {text}"), poll=poll)
    if result.stopped:
        say(f"  {result.stopped}")
    say(f"  batches: {result.batches} with {result.sent:,} requests, {result.good:,} good replies{'' if result.cost is None else f', {result.cost:.2f} USD'}")
    return _twin(writer, functools.partial(CachedOnly, folder=folder)), result.cost or 0.0


def _twin(writer: QuestionWriter, client: Any) -> QuestionWriter:
    """The same stage, answered by something else."""
    made = client if not isinstance(client, functools.partial) else None
    return QuestionWriter(
        writer.options,
        writer.llm,
        reuse=writer.reuse,
        cache=writer.cache,
        client=(lambda config: made) if made is not None else client,
        told=writer.told if made is None else None,
        total=writer.tally.total,
    )


def _settled(
    run_folder: Path, written: dict[str, Any], rules: SettleOptions, text_llm: LLMOptions | None, left: float | None, say: Told, told: Told | None
) -> dict[str, Any]:
    """RUN/written → RUN/questions; the record tells of both: which requests never became a row, and which rows went. `left`: USD that the text model may spend."""
    audit, model = None, None
    if text_llm is not None and writes(written):
        cache = run_folder / CACHE
        model = endpoint(text_llm, cache, max_tokens=MAX_TOKENS["whole"])
        model = dataclasses.replace(model, max_cost=left) if model is not None else None
        audit = TextShortcut(model or functools.partial(embedded_config, cache), name=None if model else EMBEDDED_MODEL, seed=rules.seed, told=told)
        say(f"  from the words alone: {model.model if model else EMBEDDED_MODEL}{' at ' + model.base_url if model else ''}")
    settled = functools.partial(
        settle,
        run_folder,
        rules,
        clips=clips_folder(run_folder),
        made_from=written["key"],
        config=written["config"],
        shortcut=audit.tried if audit is not None else None,
        shortcut_name=str(audit.config | {"model": model.model if model else EMBEDDED_MODEL}) if audit is not None else None,
        told=told or (lambda text: None),
    )
    record = settled()
    if audit is not None and not audit.result and "text_audit" not in record:
        # killed after settling, before what the text model came to was written down; its replies are in the cache
        write_json(run_folder / "questions" / RECORD, {name: value for name, value in record.items() if name != "survey"})
        record = settled()
    if audit is not None and audit.result:
        record["text_audit"] = audit.result
    return record | {
        "dropped": written["dropped"],
        "dropped_items": written["dropped_items"],
        "retry": written["retry"] + record["retry"],
        "seconds": record["seconds"] + written["seconds"],
    }


def writes(record: Mapping[str, Any]) -> bool:
    """Whether an LLM was to write any of a record's questions."""
    return bool(record["config"].get("llm"))


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
    return all(row["label"] is None or row["label"] in labels for row in rows if row["type"] not in ("DS", "CS"))
