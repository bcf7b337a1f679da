"""The CPQA evaluation set: clips of 30–60 s of speech in the wild, with questions about what is said and how.

480 clips with non-neutral emotion, chosen by data condensation, with 2,647 question–answer pairs written by an LLM and a set written by people. It is made to evaluate
speech LLMs: every clip is in the test partition, and nothing should be trained on it. On the Hub as `MERaLiON/CPQA-Evaluation-Set`:

    data/*.parquet      one row a question: a column of audio, the question, the answer

Its columns are found, not guessed: the audio by its type, the question and the answer by their names; where one cannot be told, the error lists what there is. Rows
about the same audio are one clip. The questions and answers are people's and an LLM's words about the clip: they are not opinions, and are not taken over; only
a transcript, a speaker, where the rows have them.

The clips come from other people's recordings, so the audio counts as not redistributable; see the dataset's card for its terms. Most are longer than the 30 s that
encoders hear: cut them, or raise --max-seconds.
Wang et al. (2025), Contextual Paralinguistic Data Creation for Multi-Modal Speech-LLM: Data Condensation and Spoken QA Generation, Interspeech, arXiv 2505.13338.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from cp_paraling_qa.corpora.base import existing_root, speaker_named
from cp_paraling_qa.corpora.hub import card, snapshot
from cp_paraling_qa.corpora.questions import ANSWER, BOTH, QUESTION, SPEAKER, TRANSCRIPT, Clips, column_called, question_tables, rows_of, words_in
from cp_paraling_qa.corpora.tables import Table, lost
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.stage import Drop, Row


class CpqaEval:
    """Reads the Hub's Parquet files; see the module.

    Args:
        subset: one configuration's folder.
        revision: branch, tag or commit on the Hub; None for main.
    """

    name: ClassVar[str] = "cpqa_eval"
    layout: ClassVar[str] = "the Hub id MERaLiON/CPQA-Evaluation-Set, or a folder with its Parquet files (audio, question, answer)"
    license: ClassVar[str | None] = None
    redistributable: ClassVar[bool] = False

    def __init__(self, subset: str | None = None, revision: str | None = None) -> None:
        self.subset, self.revision = subset, revision

    def locate(self, root: str) -> Path:
        """The folder that `root` names: itself, or the snapshot of the Hub's files.

        Raises:
            CorpusError: see `hub.snapshot`.
        """
        return snapshot(root, self.layout, revision=self.revision)

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every recording once, in the order in which it is first asked about."""
        files = question_tables(existing_root(root, self.layout), self.layout, self.subset)
        said, clips = card(root), Clips()
        for path in files:
            try:
                table = Table(path)
            except CorpusError as error:
                yield lost(path, root, error)
                continue
            question = column_called(table, QUESTION, "the questions")
            if (question or "").lower() not in BOTH:
                column_called(table, ANSWER, "the answers")
            transcript, speaker = column_called(table, TRANSCRIPT), column_called(table, SPEAKER)
            for place, row in rows_of(root, table, [transcript, speaker]):
                if isinstance(place, Drop):
                    yield place
                    continue
                columns = {
                    "transcript": words_in(row.values.get(transcript or "")),
                    "speaker_id": speaker_named(words_in(row.values.get(speaker or ""))),
                    "language": said.text("language"),
                    "license": said.text("license"),
                    "split": "test",
                }
                clips.at(place, row).add(columns, [])
        yield from clips.records()
