"""MSP-Podcast: speech of podcasts, rated by crowds.

Turns of 3 to 11 s from podcasts under Creative Commons licences: 207,136 of them (324 hours) in release 1.12, more than 400 hours in 2.0. Five or more workers each
choose one primary emotion, tick any number of secondary ones, and score arousal, valence and dominance from 1 to 7.

    Audios/MSP-PODCAST_0001_0008.wav
    Labels/labels_consensus.csv (.json)     FileName, EmoClass (A S H U F D C N O, X for no agreement), EmoAct, EmoVal, EmoDom, SpkrID, Gender, Split_Set
    Labels/labels.txt, labels_detailed.csv (.json)     every worker's votes: see `msp_votes`; the first one that is there is read
    Transcripts/MSP-PODCAST_0001_0008.txt   by people; about 3,200 turns have none
    ForceAligned/MSP-PODCAST_0001_0008.TextGrid     (in some releases under Transcripts/) its words with their times
    Partitions.txt                          Train; MSP-PODCAST_0001_0008.wav
    Speaker_ids.txt                         MSP-PODCAST_0001_0008.wav; 127      and      Speaker_127; Male

Folders change their name and case between releases (Audio, labels, label, labels_concensus.csv): any is taken. The folder of previous releases is not looked at.

Where a worker's votes are there, they are the opinions, and the corpus's consensus is left out; else that is the one opinion, of rater "consensus". A vote is the
primary emotion; secondary ones ("what else do you hear?") are no votes, and are left out. "Other-Annoyed" and its like are "other". Axes are found by name: the
files write activation, valence and dominance in one order, and other corpora in others. A speaker "Unknown" is nobody's id. The partitions are train, validation
(Development), test1, test2 and test3; the labels of the last are not public, but its turns are clips all the same. A dialogue is a podcast. Speakers are shared
between the test sets, by design.

Licence: on a signed agreement; audio and labels may not be passed on. Lotfian & Busso (2019), Building Naturalistic Emotionally Balanced Speech Corpus by
Retrieving Emotional Speech from Existing Podcast Recordings, IEEE Transactions on Affective Computing 10(4), doi 10.1109/TAFFC.2017.2736999; Busso et al. (2025),
The MSP-Podcast Corpus, arXiv 2509.09791.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from cp_paraling_qa.corpora.base import AUDIO_SUFFIXES, existing_root, record
from cp_paraling_qa.corpora.labelling import (
    CONSENSUS,
    DUPLICATE_ROW,
    MISSING_FILE,
    UNKNOWN_EMOTION,
    UNLABELLED,
    child,
    decoded,
    ratings,
    spoken,
    stream_rows,
)
from cp_paraling_qa.corpora.msp_votes import JsonByName, LabelsText, Vote, from_columns, open_votes
from cp_paraling_qa.corpora.textgrid import read_textgrid
from cp_paraling_qa.corpora.walking import folders
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.schema import Opinion, Word, opinion, word
from cp_paraling_qa.stage import Drop, Row

EMOTIONS = {
    **{"A": "angry", "S": "sad", "H": "happy", "U": "surprised", "F": "fearful", "D": "disgust", "C": "contempt", "N": "neutral", "O": "other"},
    **{
        "ANGRY": "angry",
        "ANGER": "angry",
        "SAD": "sad",
        "SADNESS": "sad",
        "HAPPY": "happy",
        "HAPPINESS": "happy",
        "SURPRISE": "surprised",
        "SURPRISED": "surprised",
    },
    **{"FEAR": "fearful", "FEARFUL": "fearful", "DISGUST": "disgust", "DISGUSTED": "disgust", "CONTEMPT": "contempt", "NEUTRAL": "neutral"},
}
NOTHING = ("", "X", "N/A", "NA", "NAN", "NONE", "NULL", "UNKNOWN", "NO AGREEMENT")
SPLITS = {
    **{"train": "train", "development": "validation", "dev": "validation", "validation": "validation"},
    **{f"test{number}": f"test{number}" for number in ("", 1, 2, 3)},
}
LOW, HIGH = 1, 7
SILENCES = ("", "sp", "sil", "spn", "<eps>", "<sil>")

_PODCAST = re.compile(r"(.+?_\d+)_\d+(?:_\d+)*")


class MspPodcast:
    """Reads a release as it unpacks; see the module for the corpus."""

    name: ClassVar[str] = "msp_podcast"
    layout: ClassVar[str] = "Audios/*.wav, Labels/labels_consensus.csv with labels.txt or labels_detailed.csv, Transcripts/*.txt, Partitions.txt"
    license: ClassVar[str | None] = "other"
    redistributable: ClassVar[bool] = False

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every turn of the labels, in their order; then those that the partitions alone name; then the files that nothing names."""
        release = Release(_home(existing_root(root, self.layout), self.layout), root)
        if not release.audio:
            raise CorpusError(f"no audio in {root}: MSP-Podcast's folder holds {self.layout}")
        missing: set[str] = set()
        for name, label in release.labels():
            if name not in release.audio:
                missing.add(name)
            yield from self._turn(release, name, label)
        for name in release.partitions:
            if name not in missing and release.audio.get(name) != USED:
                yield from self._turn(release, name, {})
        for name in sorted(name for name, place in release.audio.items() if place != USED):
            if "_test3_" in name.lower():
                yield from self._turn(release, name, {})
            else:
                yield Drop(release.take(name), UNLABELLED, "neither the labels nor the partitions name it")
        yield from release.extra

    def _turn(self, release: Release, name: str, label: Mapping[str, Any]) -> Iterator[Row | Drop]:
        place = release.audio.get(name)
        if place is None:
            yield Drop(f"{name}.wav", MISSING_FILE, "the labels or partitions name it, the audio folder lacks it")
            return
        if place == USED:
            yield Drop(f"{name}.wav", DUPLICATE_ROW, "an earlier row labels the same turn")
            return
        where = release.take(name)
        votes = release.votes.votes(name) if release.votes else []
        opinions: list[Opinion] = []
        for vote in votes or [from_columns(CONSENSUS, label)]:
            for found in self._opinions(name, vote):
                if isinstance(found, Drop):
                    yield found
                else:
                    opinions.append(found)
        words: list[Word] = []
        try:
            words = release.words(name)
        except CorpusError as error:
            yield Drop(f"{name}.TextGrid", "damaged alignment", str(error))
        speaker, gender = release.speaker(name, label)
        split = str(label.get("Split_Set") or "") or release.partitions.get(name) or ("test3" if "_test3_" in name.lower() else "")
        podcast = _PODCAST.fullmatch(name)
        yield record(
            where,
            speaker_id=speaker,
            dialogue_id=podcast[1] if podcast else None,
            gender=gender,
            language="en",
            transcript=release.transcript(name),
            words=words,
            split=SPLITS.get(split.lower().replace(" ", "")),
            license=self.license,
            opinions=opinions,
        )

    def _opinions(self, name: str, vote: Vote) -> Iterator[Opinion | Drop]:
        said = vote.emotion.upper()
        emotion = "other" if said.startswith("OTHER") else EMOTIONS.get(said)
        if emotion:
            yield opinion("emotion", emotion, source="human", rater=vote.rater, license=self.license)
        elif said not in NOTHING:
            yield Drop(f"{name} {vote.rater}", UNKNOWN_EMOTION, repr(vote.emotion))
        axes = [(axis, "" if score.upper() in NOTHING else score) for axis, score in zip(("arousal", "valence", "dominance"), vote[2:], strict=True)]
        yield from ratings(f"{name} {vote.rater}", axes, LOW, HIGH, rater=vote.rater, licence=self.license)


USED = -1


class Release:
    """One release on disk. Of its parts only names are held: some 100 bytes a turn."""

    def __init__(self, home: Path, root: Path) -> None:
        self.home, self.root = home, root
        self.label_folder = _labels(home) or home
        self.places: list[tuple[str, str]] = []
        self.extra: list[Drop] = []
        self.audio = self._audio()  # name → its folder and suffix in `places`, or USED
        self.votes = open_votes(self.label_folder)
        self.transcripts = _inside(home, "Transcripts", "Transcript", "Transcription")
        around = [folder for folder in (home, self.transcripts) if folder]
        self.alignments = next(
            (found for folder in around if (found := _inside(folder, "ForceAligned", "Force_Aligned", "ForcedAligned", "ForcedAlignment"))), None
        )

    def take(self, name: str) -> str:
        """The path of a turn's audio below the root; from now on it counts as used."""
        folder, suffix = self.places[self.audio[name]]
        self.audio[name] = USED
        return f"{folder}{name}{suffix}"

    def labels(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(name, row) of what the votes add up to: from the table, else the JSON file, else labels.txt."""
        if table := child(self.label_folder, "labels_consensus.csv", "labels_concensus.csv"):
            for row in stream_rows(table):
                if name := row.get("FileName", "").removesuffix(".wav"):
                    yield name, row
        elif path := child(self.label_folder, "labels_consensus.json", "labels_concensus.json"):
            values = JsonByName(path)
            for name in values.starts:
                value = values.value(name)
                yield name, (value[0] if isinstance(value, list) and value else value) or {}
        elif path := child(self.label_folder, "labels.txt"):
            text = self.votes if isinstance(self.votes, LabelsText) else LabelsText(path)
            for name in text.starts:
                vote = text.consensus(name)
                yield name, {"EmoClass": vote.emotion, "EmoAct": vote.arousal, "EmoVal": vote.valence, "EmoDom": vote.dominance}

    @cached_property
    def partitions(self) -> dict[str, str]:
        """name → Train, Development, Test1, …; empty where the file is missing."""
        path = child(self.home, "Partitions.txt", "Partition.txt") or child(self.label_folder, "Partitions.txt", "Partition.txt")
        pairs = _pairs(path)
        return {name.removesuffix(".wav"): split for split, name in pairs if name.endswith(".wav")}

    @cached_property
    def _speakers(self) -> tuple[dict[str, str], dict[str, str]]:
        """name → speaker, and speaker → gender; read only where the labels do not say it."""
        path = child(self.home, "Speaker_ids.txt") or child(self.label_folder, "Speaker_ids.txt")
        people: tuple[dict[str, str], dict[str, str]] = {}, {}
        for key, value in _pairs(path):
            name, sound, _ = key.partition(".wav")
            people[0 if sound else 1][name.removeprefix("Speaker_")] = value.removeprefix("Speaker_")
        return people

    def speaker(self, name: str, label: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """Who speaks, and their gender; None where nobody knows."""
        speaker = str(label.get("SpkrID") or "").strip() or self._speakers[0].get(name, "")
        speaker = speaker.removesuffix(".0")
        gender = str(label.get("Gender") or "").strip() or self._speakers[1].get(speaker, "")
        return None if speaker.upper() in NOTHING else speaker, gender.lower() if gender.lower() in ("female", "male") else None

    def transcript(self, name: str) -> str | None:
        """What is said; None where nobody wrote it down."""
        data = _bytes(self.transcripts / f"{name}.txt") if self.transcripts else None
        return None if data is None else spoken(decoded(data))

    def words(self, name: str) -> list[Word]:
        """The words with their times; empty where they were not aligned.

        Raises:
            CorpusError: the file is no TextGrid.
        """
        if self.alignments is None:
            return []
        try:
            tiers = read_textgrid(self.alignments / f"{name}.TextGrid")
        except OSError:
            return []
        spans = next((tier.spans for tier in tiers if "word" in tier.name.lower()), [])
        return [word(span.text, span.start, span.end) for span in spans if span.text.lower() not in SILENCES]

    def _audio(self) -> dict[str, int]:
        """Every audio file, in one walk through the folder."""
        found: dict[str, int] = {}
        numbers: dict[tuple[str, str], int] = {}
        for folder, names in folders(_inside(self.home, "Audios", "Audio", "Wavs", "Wav") or self.home):
            prefix = folder.relative_to(self.root).as_posix()
            if "previous_releases" in prefix.lower():
                continue
            prefix = "" if prefix == "." else f"{prefix}/"
            for file in names:
                name, dot, ending = file.rpartition(".")
                if (suffix := dot + ending).lower() not in AUDIO_SUFFIXES:
                    continue
                if name in found:
                    self.extra.append(Drop(f"{prefix}{file}", "duplicate file name", "the same turn stands in another folder or format"))
                    continue
                number = numbers.setdefault((prefix, suffix), len(numbers))
                if number == len(self.places):
                    self.places.append((prefix, suffix))
                found[name] = number
        return found


def _home(root: Path, layout: str) -> Path:
    """The release's folder: the root, or one folder in it."""
    for folder in (root, *(path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith("."))):
        if _labels(folder):
            return folder
    raise CorpusError(f"no labels_consensus.csv, labels_consensus.json or labels.txt in {root}: MSP-Podcast's folder holds {layout}")


def _labels(home: Path) -> Path | None:
    """The folder with the labels of a release; None where this is none."""
    names = [f"labels_{word}.{ending}" for word in ("consensus", "concensus") for ending in ("csv", "json")]
    folders_ = (_inside(home, "Labels", "Label"), home)
    return next((folder for folder in folders_ if folder and child(folder, *names, "labels.txt")), None)


def _inside(home: Path, *names: str) -> Path | None:
    """A folder of one of these names in any case, and what it holds where it holds nothing but its own name once more (as some archives unpack)."""
    folder = child(home, *names)
    if folder is None or not folder.is_dir():
        return None
    return again if (again := folder / folder.name).is_dir() else folder


def _pairs(path: Path | None) -> Iterator[tuple[str, str]]:
    """The two halves of each line "Train; MSP-PODCAST_0001_0008.wav"."""
    if path is None:
        return
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        for line in file:
            first, semicolon, second = line.partition(";")
            if semicolon and second.strip(" ;\r\n\t"):
                yield first.strip(), second.strip(" ;\r\n\t")


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
