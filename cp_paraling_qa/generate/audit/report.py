"""`cpqa audit DATASET`: every audit over one dataset, ours or not, in one walk over its rows, and the text shortcut where a text model is given."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from cp_paraling_qa.embed import Embedder, SentenceEmbedder, bundled_model
from cp_paraling_qa.generate.audit.balance import AnswerLength, LabelBalance
from cp_paraling_qa.generate.audit.counts import Audit, Contrast, Evidence, Marks, Overview
from cp_paraling_qa.generate.audit.filtered import Filters
from cp_paraling_qa.generate.audit.findings import findings
from cp_paraling_qa.generate.audit.intervals import not_possible, ranked
from cp_paraling_qa.generate.audit.repeated import Repeats, WhyShare
from cp_paraling_qa.generate.audit.rows import DatasetRows
from cp_paraling_qa.generate.audit.shortcut import EndpointFactory, TextShortcut
from cp_paraling_qa.generate.audit.sides import Splits
from cp_paraling_qa.generate.audit.sources import Row
from cp_paraling_qa.generate.audit.words_alone import WordsAlone
from cp_paraling_qa.generate.records import qa_id
from cp_paraling_qa.llm import LLMConfig


def audit(
    dataset: str | Path,
    *,
    config: str | None = None,
    split: str | None = None,
    llm: LLMConfig | EndpointFactory | None = None,
    llm_name: str | None = None,
    samples: int = 1,
    limit: int | None = None,
    embedder: Embedder | Literal["auto"] | None = "auto",
    seed: int = 0,
    told: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Every audit of a dataset.

    Args:
        dataset: see `DatasetRows`.
        config: a configuration; None for the dataset's default.
        split: of train, validation, test, …; None for all.
        llm: the text model of the text-shortcut audit; None leaves that out.
        llm_name: what to call it.
        samples: its answers to each question.
        limit: how many questions it is asked, chosen by their id; None for all.
        embedder: for near repeats; "auto" for the embedded one where it is installed, None for none.
        seed: of folds, controls and choices.
        told: called with how the text model's work stands.

    Returns:
        JSON-able: dataset, config, split, columns, skipped (rows passed over, by reason), findings (what stands out, worst first), and for each audit its report, or
        `not_possible` with the reason.

    Raises:
        DatasetError: no such dataset, configuration or split; no question and answer; a damaged file.
        LLMError: the text model's endpoint cannot be used.
    """
    rows = DatasetRows(dataset, config=config, split=split)
    audits: dict[str, Audit] = {
        "overview": Overview(),
        "labels": LabelBalance(),
        "answer_length": AnswerLength(),
        "question_alone": WordsAlone("question", seed=seed),
        "transcript_alone": WordsAlone("transcript", seed=seed),
        "filters": Filters(),
        "repeats": Repeats(_embedder(embedder)),
        "why": WhyShare(),
        "evidence": Evidence(),
        "contrast_sets": Contrast(),
        "conflict": Marks("conflict"),
        "text_answerable": Marks("text_answerable"),
        "splits": Splits(),
    }
    columns = rows.columns | ({"evidence"} if "provenance" in rows.columns else set())
    needed = {name: (*one.needs, *_NEEDS.get(name, ())) for name, one in audits.items()}
    lacking = {name: [column for column in columns_ if column not in columns] for name, columns_ in needed.items()}
    possible = [one for name, one in audits.items() if not lacking[name]]
    for row in rows:
        for one in possible:
            one.add(row)
    skipped = ranked(rows.skipped)
    reports = {name: not_possible(f"no column {' and no column '.join(lacking[name])}") if lacking[name] else one.report() for name, one in audits.items()}
    reports["text_shortcut"] = _shortcut(rows, llm, name=llm_name, samples=samples, limit=limit, seed=seed, told=told)
    head = {"dataset": str(dataset), "config": rows.config, "split": split, "columns": sorted(rows.columns), "skipped": skipped}
    return head | {"findings": findings(reports)} | reports


_NEEDS = {"transcript_alone": ("transcript",), "conflict": ("conflict",), "text_answerable": ("text_answerable",)}
"""What an object of a class that reads one column or another needs beside what the class needs."""


def _shortcut(rows: DatasetRows, llm: LLMConfig | EndpointFactory | None, **options: Any) -> dict[str, Any]:
    if "transcript" not in rows.columns:
        return not_possible("no column transcript")
    if llm is None:
        return not_possible("no text model given: pass --llm-base-url and --llm-model, or --embedded")
    shortcut = TextShortcut(llm, **options)
    shortcut(_told_apart(row for row in rows if row["kind"] != "asr"))  # what was said is answered by the words, by definition
    return shortcut.result


def _told_apart(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows of which no two different ones have one id: what a foreign dataset calls `id` may be a clip's."""
    first: dict[str, str] = {}
    for row in rows:
        content = qa_id("", row["question"], row["answer"])
        own = first.setdefault(row["qa_id"], content) == content
        yield row if own else row | {"qa_id": qa_id(row["qa_id"], row["question"], row["answer"])}


def _embedder(given: Embedder | Literal["auto"] | None) -> Embedder | None:
    if given != "auto":
        return given
    return SentenceEmbedder() if bundled_model() is not None and importlib.util.find_spec("sentence_transformers") is not None else None
