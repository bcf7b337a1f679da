"""MNSC: the Multitask National Speech Corpus, Singapore's National Speech Corpus made into tasks for speech LLMs.

Read, conversational and call-centre English of Singapore (NSC parts 1–6) as speech recognition (ASR), spoken question answering (SQA), dialogue summaries (SDS) and
paralinguistic questions (PQA) about gender (GR) and accent (AR), of sentences and of dialogues of about 30 s. The -Test configurations are verified by people and
are what AudioBench evaluates on: do not train on them. On the Hub as `MERaLiON/Multitask-National-Speech-Corpus-v1`:

    ASR-PART1-Test/train-00000-of-00002.parquet      (each folder's one split is called train: what it is stands in the folder's name)
    SQA-PART3-Test/…  SDS-PART3-Test/…  PQA-GR-Sentence-Test/…  PQA-AR-Dialogue-Train/…
    columns context (audio, 16 kHz), instruction, answer

One recording stands in several configurations: the sentences of the PQA tests are those of the ASR tests. Rows with the same audio are one clip, with the transcript
of the one and the gender and accent of the others; for that a partition's clips are held in memory (about 1 kB each). The questions and answers are not taken over.
Gender and accent are taken where the row's attributes or its answer name exactly one and nothing is denied or left open; "both are women" is, "a man and a
woman" is not. They come from the speakers' registration, so they are the maker's opinions. Speakers are not named.

From the Hub, without `subset`, the -Test configurations alone are downloaded: all of it is over a terabyte.
Licence: Singapore Open Data Licence (`other`), under IMDA's terms for the NSC; audio counts as not redistributable here.
Wang et al. (2025), Advancing Singlish Understanding: Bridging the Gap with Datasets and Multimodal Models, arXiv 2501.01034.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from cp_paraling_qa.corpora.base import existing_root, speaker_named
from cp_paraling_qa.corpora.cells import gender
from cp_paraling_qa.corpora.hub import partition, snapshot
from cp_paraling_qa.corpora.questions import (
    ANSWER,
    ATTRIBUTES,
    QUESTION,
    SPEAKER,
    TRANSCRIPT,
    Clips,
    attributes_of,
    column_called,
    question_tables,
    rows_of,
    words_in,
)
from cp_paraling_qa.corpora.tables import Table, lost
from cp_paraling_qa.errors import CorpusError, LabelError
from cp_paraling_qa.schema import Opinion, opinion
from cp_paraling_qa.stage import Drop, Row

_CONFIG = re.compile(r"(ASR|SDS|SQA|PQA)[-_](.+?)(?:[-_](train|test))?", re.IGNORECASE)
_FEMALE = {"female", "females", "woman", "women", "girl", "girls", "lady", "ladies"}
_MALE = {"male", "males", "man", "men", "boy", "boys", "gentleman", "gentlemen"}
_ACCENTS = {"chinese", "malay", "indian", "eurasian", "filipino", "javanese", "tamil"}
_OPEN = {"not", "no", "neither", "nor", "cannot", "can't", "isn't", "or", "either", "unclear", "unknown", "unsure", "uncertain", "possibly", "maybe"}
_SPEAKER_TAG = re.compile(r"<\s*speaker\s*\d+\s*>\s*:?\s*", re.IGNORECASE)


class Mnsc:
    """Reads the Hub's Parquet files; see the module.

    Args:
        subset: one configuration, such as PQA-GR-Sentence-Test.
        revision: branch, tag or commit on the Hub; None for main.
    """

    name: ClassVar[str] = "mnsc"
    layout: ClassVar[str] = (
        "the Hub id MERaLiON/Multitask-National-Speech-Corpus-v1, or a folder with ASR-PART1-Test/*.parquet, PQA-GR-Sentence-Test/*.parquet, …"
    )
    license: ClassVar[str | None] = "other"
    redistributable: ClassVar[bool] = False

    def __init__(self, subset: str | None = None, revision: str | None = None) -> None:
        self.subset, self.revision = subset, revision

    def locate(self, root: str) -> Path:
        """The folder that `root` names: itself, or the snapshot of the Hub's files.

        Raises:
            CorpusError: see `hub.snapshot`.
        """
        return snapshot(root, self.layout, revision=self.revision, folder=self.subset or "*-Test")

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every recording once, test before train; the transcribed ones first."""
        partitions: dict[str, list[tuple[str, Path]]] = {}
        for path in question_tables(existing_root(root, self.layout), self.layout, self.subset):
            config = next((name for name in (*reversed(path.relative_to(root).parts[:-1]), root.name) if _CONFIG.fullmatch(name)), None)
            split = None if config is None else split_of(config, path)
            if config is None or split is None:
                yield Drop(
                    path.relative_to(root).as_posix(), "file outside MNSC's configurations", "expected in a folder such as ASR-PART1-Test: keep its name"
                )
            else:
                partitions.setdefault(split, []).append((config, path))
        if not partitions:
            raise CorpusError(f"no file below {root} is in a folder of one of MNSC's configurations: give {self.layout}")
        for split, files in sorted(partitions.items()):
            clips = Clips()
            for config, path in sorted(files, key=lambda file: (not file[0].upper().startswith("ASR"), file)):
                yield from self._read(root, config, path, split, clips)
            yield from clips.records()

    def _read(self, root: Path, config: str, path: Path, split: str, clips: Clips) -> Iterator[Drop]:
        try:
            table = Table(path)
        except CorpusError as error:
            yield lost(path, root, error)
            return
        task = config[:3].upper()
        answer = column_called(table, ANSWER, f"the answers of {config}" if task in ("ASR", "PQA") else None)
        question = column_called(table, QUESTION)
        others = [name for name in table.columns if name.lower() in (*ATTRIBUTES, *SPEAKER, *TRANSCRIPT, "gender", "sex", "accent")]
        for place, row in rows_of(root, table, [*dict.fromkeys(filter(None, (answer, question, *others)))]):
            if isinstance(place, Drop):
                yield place
                continue
            said = str(row.values.get(answer or "") or "")
            about = topic(config, str(row.values.get(question or "") or "")) if task == "PQA" else None
            facts = attributes_of({name: row.values.get(name) for name in others})
            opinions = [one for one in (self._gender(facts, said if about == "gender" else ""), self._accent(facts, said if about == "accent" else "")) if one]
            written = next((words_in(facts[name]) for name in TRANSCRIPT if words_in(facts.get(name))), said if task == "ASR" else None) or ""
            columns = {
                "transcript": _SPEAKER_TAG.sub("", written).strip() or None,
                "speaker_id": speaker_named(next((words_in(facts[name]) for name in SPEAKER if words_in(facts.get(name))), None)),
                "gender": next((one["value"] for one in opinions if one["field"] == "gender"), None),
                "language": "en",
                "split": split,
                "license": self.license,
            }
            clips.at(place, row).add(columns, opinions)

    def _gender(self, facts: dict[str, Any], answer: str) -> Opinion | None:
        value = gender_in(answer)
        for name in ("gender", "sex"):
            try:
                value = value or gender(facts.get(name))
            except LabelError:  # an attribute in words of its own, such as "one man, one woman"
                continue
        return opinion("gender", value, source="maker", license=self.license) if value else None

    def _accent(self, facts: dict[str, Any], answer: str) -> Opinion | None:
        value = accent_in(answer) or accent_in(str(facts.get("accent") or ""))
        return opinion("accent", value, source="maker", license=self.license) if value else None


def split_of(config: str, path: Path) -> str | None:
    """The partition that a configuration is of; in the corpus's first layout it stood in the file's name.

    Example:
        >>> split_of("ASR-PART1-Test", Path("train-00000-of-00002.parquet")), split_of("ASR-PART1", Path("test-00000-of-00001.parquet"))
        ('test', 'test')
    """
    code = _CONFIG.fullmatch(config)
    assert code is not None
    return partition(code[3]) if code[3] else partition(re.split(r"[-_.]", path.name)[0])


def topic(config: str, question: str) -> str | None:
    """What a paralinguistic configuration asks about, by its name, else by the question: gender, accent, or None."""
    parts = set(re.split(r"[-_]", config.upper()))
    if "GR" in parts or "AR" in parts:
        return "gender" if "GR" in parts else "accent"
    asked = {"gender" for _ in re.findall(r"\bgender\b|\bmale\b|\bfemale\b", question, re.I)} | {
        "accent" for _ in re.findall(r"\baccent|\bethnic", question, re.I)
    }
    return asked.pop() if len(asked) == 1 else None


def gender_in(answer: str) -> str | None:
    """The one gender that an answer names.

    Example:
        >>> gender_in("The speaker is a woman."), gender_in("Speaker 1 is male and speaker 2 is female."), gender_in("Not a man.")
        ('female', None, None)
    """
    words = set(re.findall(r"[a-z']+", answer.lower()))
    said = {name for name, those in (("female", _FEMALE), ("male", _MALE)) if words & those}
    return said.pop() if len(said) == 1 and not words & _OPEN else None


def accent_in(answer: str) -> str | None:
    """The one accent, by Singapore's communities, that an answer names.

    Example:
        >>> accent_in("A Malay Singaporean accent."), accent_in("Chinese and Indian accents."), accent_in("Singaporean.")
        ('malay', None, None)
    """
    words = set(re.findall(r"[a-z']+", answer.lower()))
    return (words & _ACCENTS).pop() if len(words & _ACCENTS) == 1 and not words & _OPEN else None
