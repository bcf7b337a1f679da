"""Prediction: what `python trainer/predict.py` runs, and the same as a Python call.

`predict_file` answers a dataset split with a speech LLM (see `generation`), `predict_from_words` with a text model that reads the transcripts alone (see `cascade`). Both write
predictions.jsonl, and go on where a killed run stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cp_paraling_qa.digests import digest
from cp_paraling_qa.errors import CPQAError, RecipeError, TrainingError
from cp_paraling_qa.training.answering.asked import AskedRows
from cp_paraling_qa.training.answering.generation import predict
from cp_paraling_qa.training.answering.journal import Journal, PredictionsFile, Progress
from cp_paraling_qa.training.answering.shown import METADATA, shown_prompts
from cp_paraling_qa.training.rows import load_rows, shuffled_audio

COPIED = ("id", "clip_id", "config", "question", "prompt", "label", "type", "kind", "speaker_id", "corpus", "emotion")
"""Columns that go into predictions.jsonl as they are; beside them `prediction`, and `reference`, which is the row's answer."""
MARKS = ("text_answerable", "contrast_set", "conflict")
"""Copied where a row has them."""

__all__ = ["COPIED", "MARKS", "Journal", "main", "make_parser", "predict", "predict_file", "predict_from_words"]

Say = Callable[[str], None]


def predict_file(
    model: str,
    *,
    dataset: str,
    config: str,
    out: str | Path,
    adapter: str | None = None,
    split: str = "test",
    batch_size: int = 16,
    token_budget: int | None = None,
    max_new_tokens: int = 64,
    limit: int | None = None,
    shuffle_audio: int | None = None,
    metadata: str | None = None,
    seed: int = 0,
    dtype: str = "float32",
    device: str | None = None,
    say: Say = print,
) -> Path:
    """Answers every row of a split, into a JSON Lines file in the dataset's order.

    Finished rows stand in `<out>.journal` until the file is complete; then it appears whole. A run with the same model, adapter (by content), rows and
    settings goes on from the journal, in the batches of an unbroken run, or finds its file finished; predictions of another run are replaced, and kept as `.bak`.

    Args:
        model: folder or Hub id.
        dataset: folder or Hub id.
        config: one or several, joined by commas.
        out: the file to write.
        adapter: folder or Hub id of a PEFT adapter.
        split: train, validation or test.
        batch_size: most rows at a time.
        token_budget: most tokens of a batch, padding and answers included; None for no such limit.
        max_new_tokens: most tokens of an answer.
        limit: the first so many rows only.
        shuffle_audio: a seed: every row gets the clip of another speaker, with another emotion where there is one. A model that listens answers badly.
        metadata: what prompts show of it: none, model or shuffled (see `shown`); None leaves them as the dataset has them.
        seed: of the metadata's shuffling: the draw of a training run with this seed over the same rows.
        dtype: of the weights.
        device: where to run; None: a GPU where there is one.
        say: takes one line of progress at a time.

    Returns:
        The path of the file.

    Raises:
        ClipLengthError: clips that the encoder would cut or cannot hear, by name.
        DatasetError: dataset, config or split that cannot be loaded; rows without the metadata that is asked for, by id.
        TrainingError: model or adapter that cannot be loaded; a batch that does not fit.
    """
    import torch

    from cp_paraling_qa.training.loading import fingerprint, load_model, load_processor, quiet, threads_for

    _one_or_more(batch_size=batch_size, max_new_tokens=max_new_tokens, limit=limit, token_budget=token_budget)
    with quiet():
        asked, run = _asked(dataset, config, split, limit, metadata, seed, shuffle_audio)
        run = {"model": fingerprint(model), "adapter": adapter and fingerprint(adapter), "dtype": dtype, "max_new_tokens": max_new_tokens} | run
        file = PredictionsFile(Path(out), run, say)
        if file.stands():
            return file.path
        processor = load_processor(model)
        network = load_model(model, adapter=adapter, dtype=dtype, device=device or ("cuda" if torch.cuda.is_available() else None))
        journal = file.journal(len(asked))
        progress = Progress(len(asked), len(journal.done), say)

        def keep(numbers: list[int], texts: list[str]) -> None:
            journal.add(numbers, texts)
            progress(len(journal.done))

        try:
            with threads_for(network):
                predict(
                    network,
                    processor,
                    asked,
                    batch_size=batch_size,
                    token_budget=token_budget,
                    max_new_tokens=max_new_tokens,
                    skip=frozenset(journal.done),
                    on_batch=keep,
                )
        finally:
            journal.close()
    file.write(_line(asked.light(number), journal.done[number]) for number in range(len(asked)))
    file.finish(journal)
    return file.path


def predict_from_words(
    *,
    dataset: str,
    config: str,
    out: str | Path,
    llm_base_url: str | None = None,
    llm_model: str | None = None,
    llm_cache: str | Path | None = None,
    llm_concurrency: int = 16,
    split: str = "test",
    max_new_tokens: int = 256,
    limit: int | None = None,
    metadata: str | None = None,
    seed: int = 0,
    say: Say = print,
) -> Path:
    """Lets a text model answer from the transcripts alone: the cascade control. The file is that of `predict_file`, each line with `answered_from`: "transcript".

    A row without an answer (no transcript, or a failed request) has the prediction null and its reason in `unanswered`: it is counted, and scores nothing.

    Args:
        dataset: folder or Hub id.
        config: one or several, joined by commas.
        out: the file to write.
        llm_base_url: an OpenAI-compatible endpoint, up to and with /v1; its key comes from OPENAI_API_KEY. None: the embedded model.
        llm_model: its name there.
        llm_cache: SQLite file of replies, for several runs to share.
        llm_concurrency: requests under way at the most.
        split: train, validation or test.
        max_new_tokens: most tokens of an answer; a longer one is a failure, never cut.
        limit: the first so many rows only.
        metadata: what prompts show of it, as of `predict_file`; "model" is transcript and metadata together.
        seed: of the metadata's shuffling.
        say: takes one line of progress at a time.

    Raises:
        DatasetError: as of `predict_file`; or no row has a transcript.
        LLMError: the endpoint cannot be used; finished rows are kept.
    """
    from cp_paraling_qa.training.answering import cascade
    from cp_paraling_qa.training.loading import quiet

    _one_or_more(max_new_tokens=max_new_tokens, limit=limit, llm_concurrency=llm_concurrency)
    opened, name = cascade.endpoint(
        llm_base_url, llm_model, cache=None if llm_cache is None else Path(llm_cache), concurrency=llm_concurrency, max_tokens=max_new_tokens
    )
    with quiet():
        asked, run = _asked(dataset, config, split, limit, metadata, seed, None)
    rows = [asked.light(number) for number in range(len(asked))]
    cascade.refuse_without_words(rows, dataset)
    run = {"text_model": name, "prompts": cascade.PROMPT_HASH, "transcripts": digest([row.get("transcript") for row in rows])} | run
    file = PredictionsFile(Path(out), run | {"max_new_tokens": max_new_tokens}, say)
    if file.stands():
        return file.path
    journal = file.journal(len(rows))
    progress = Progress(len(rows), len(journal.done), say)

    def keep(number: int, text: str) -> None:
        journal.add([number], [text])
        progress(len(journal.done))

    try:
        with opened as endpoint:
            unanswered, transient = cascade.answer_from_words(rows, endpoint, skip=frozenset(journal.done), on_answer=keep)
    finally:
        journal.close()
    answers: dict[int, str | None] = {number: journal.done.get(number) for number in range(len(rows))}
    more = [{"answered_from": "transcript"} | ({"unanswered": unanswered[number]} if number in unanswered else {}) for number in range(len(rows))]
    file.write(_line(row, answers[number]) | more[number] for number, row in enumerate(rows))
    say(f"answered {len(journal.done)} of {len(rows)} from the transcript" + (f"; without an answer: {cascade.reasons(unanswered)}" if unanswered else ""))
    if transient:
        say(f"{transient} of them may be answered when asked again: run the same command once more")
    else:
        file.finish(journal)
    return file.path


def _one_or_more(**numbers: int | None) -> None:
    wrong = [name for name, value in numbers.items() if value is not None and value < 1]
    if wrong:
        raise RecipeError(f"{' and '.join(wrong)} must be 1 or more")


def _asked(
    dataset: str, config: str, split: str, limit: int | None, metadata: str | None, seed: int, shuffle_audio: int | None
) -> tuple[AskedRows, dict[str, Any]]:
    """The rows as they will be asked, and what of them makes a run this run. Controls are drawn over the whole split, so a limit changes no prompt."""
    rows = load_rows(dataset, config, split)
    prompts = None if metadata is None else shown_prompts(rows, metadata, dataset=dataset, split=split, seed=seed)
    swap = None if shuffle_audio is None else shuffled_audio(rows, shuffle_audio)
    asked = AskedRows(rows, prompts=prompts, swap=swap, limit=limit)
    shown = rows["prompt"] if prompts is None else prompts
    copied = [rows[name] for name in (*COPIED, *MARKS) if name != "prompt" and name in rows.column_names]
    content = digest(list(zip(*copied, shown, rows["answer"], strict=True)))
    run = {"data": content, "rows": len(asked), "split": split, "config": config, "shuffle_audio": shuffle_audio, "metadata": metadata}
    return asked, run | ({"seed": seed} if metadata == "shuffled" else {})


def _line(row: Mapping[str, Any], prediction: str | None) -> dict[str, Any]:
    """A row's line of predictions.jsonl."""
    line = {name: row.get(name) for name in COPIED} | {"prediction": prediction, "reference": row["answer"]}
    line |= {name: row[name] for name in MARKS if row.get(name) is not None}
    return line | ({"heard": row["heard"]} if row.get("heard") else {})


_SPEECH = ("model", "adapter", "batch_size", "token_budget", "shuffle_audio", "dtype", "device")
_WORDS = ("llm_base_url", "llm_model", "llm_cache", "llm_concurrency")
"""Options of the one way of answering that the other has no use for."""


def make_parser() -> argparse.ArgumentParser:
    """The command line of `trainer/predict.py`."""
    parser = argparse.ArgumentParser(
        prog="predict.py",
        description="Answer the questions of a dataset split with a speech LLM, into predictions.jsonl. Run again after a kill, it goes on.",
        epilog="example: python trainer/predict.py --model runs/sft/tiny-model --adapter runs/sft --dataset cp_paraling_qa --config implicit --split test --out predictions.jsonl",
    )

    def options(group: Any) -> Callable[..., None]:
        def option(name: str, **settings: Any) -> None:
            names = [f"--{name}"] + ([f"--{name.replace('_', '-')}"] if "_" in name else [])
            group.add_argument(*names, **settings)

        return option

    option = options(parser)
    option("dataset", required=True, help="dataset folder such as RUN/dataset, cp_paraling_qa for the bundled sample, or a Hub id")
    option("config", required=True, help="baseline, explicit, implicit or combined; several joined by commas")
    option("split", default="test", help="train, validation or test (default: test)")
    option("out", required=True, help="the JSON Lines file to write")
    option("max_new_tokens", type=int, help="most tokens of an answer (default: 64; with --transcript_only 256)")
    option("limit", type=int, help="the first so many rows only")
    option(
        "metadata",
        choices=METADATA,
        help="what prompts show of it, whatever the config: none, the bare question; model, the annotators' block; shuffled, another clip's block, as a control"
        " (default: prompts as the dataset has them)",
    )
    option("seed", type=int, default=0, help="of --metadata shuffled; the draw of a training run with the same seed (default: 0)")

    option = options(parser.add_argument_group("a speech LLM answers"))
    option("model", help="folder or Hub id of the base model")
    option("adapter", help="folder or Hub id of the adapter that sft.py wrote")
    option("batch_size", type=int, help="most rows at a time (default: 16)")
    option("token_budget", type=int, help="most tokens of a batch, padding and answers included (default: no limit)")
    option("shuffle_audio", type=int, metavar="SEED", help="control: every row gets another speaker's clip; a model that listens answers badly")
    option("dtype", choices=["float32", "bfloat16", "float16", "auto"], help="of the weights (default: float32)")
    option("device", help="cpu, cuda, … (default: a GPU where there is one)")

    option = options(parser.add_argument_group("a text model answers from the transcript"))
    option("transcript_only", action="store_true", help="control: a text model that never hears the clip; what a cascade of ASR and LLM reaches")
    option("llm_base_url", help="OpenAI-compatible endpoint, e.g. http://localhost:8000/v1; its key comes from OPENAI_API_KEY (default: the embedded model)")
    option("llm_model", help="the endpoint's name of the model")
    option("llm_cache", help="SQLite file of replies, for several runs to share")
    option("llm_concurrency", type=int, help="requests under way at most (default: 16)")
    return parser


def _run(arguments: dict[str, Any]) -> Path:
    words = arguments.pop("transcript_only")
    given = {name: value for name, value in arguments.items() if value is not None}
    if foreign := [f"--{name}" for name in (_SPEECH if words else _WORDS) if name in given]:
        raise RecipeError(f"{', '.join(foreign)}: {'not with' if words else 'only with'} --transcript_only; leave out one or the other")
    if words:
        return predict_from_words(**given)
    if "model" not in given:
        raise TrainingError("no model named: pass --model, or --transcript_only for the text model")
    return predict_file(given.pop("model"), **given)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns 0, or 2 after an error that names its item and remedy."""
    try:
        out = _run(vars(make_parser().parse_args(argv)))
    except CPQAError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"predictions: {out}")
    print(f"next: cpqa score {out}")
    return 0
