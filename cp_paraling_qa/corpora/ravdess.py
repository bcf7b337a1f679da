"""RAVDESS: the Ryerson Audio-Visual Database of Emotional Speech and Song, speech part.

24 professional actors (12 female, 12 male) say two sentences in eight acted emotions and two intensities, twice each: 1,440 clips, 48 kHz. Every word
is said in every emotion, so the words give nothing away. The labels are what the actors were told to play, not what listeners heard.

    Actor_01/03-01-06-01-02-01-12.wav
             modality (01 with pictures, 02 pictures alone, 03 audio only) - channel (01 speech, 02 song) - emotion - intensity - statement - repetition - actor (odd: male)

The three modalities are of one take: a video (.mp4) is read, through PyAV, only where its sound is not there as a file of its own.

Licence: CC BY-NC-SA 4.0. Livingstone & Russo (2018), The Ryerson Audio-Visual Database of Emotional Speech and Song, PLoS ONE 13(5), doi 10.1371/journal.pone.0196391.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from cp_paraling_qa.audio import CONTAINERS
from cp_paraling_qa.corpora.base import AUDIO_SUFFIXES, audio_files, existing_root, record
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.schema import ACTED, opinion
from cp_paraling_qa.stage import Drop, Row

EMOTIONS = {"01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fearful", "07": "disgust", "08": "surprised"}
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}


class Ravdess:
    """Reads the official folders; see the module for the corpus."""

    name: ClassVar[str] = "ravdess"
    layout: ClassVar[str] = "Actor_*/03-01-EE-II-SS-RR-AA.wav (or .flac)"
    license: ClassVar[str | None] = "cc-by-nc-sa-4.0"
    redistributable: ClassVar[bool] = True  # unchanged or changed, with attribution, not commercially, under the same licence

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every speech clip, sorted by path, sounds before videos."""
        files = sorted(audio_files(existing_root(root, self.layout), AUDIO_SUFFIXES | CONTAINERS), key=lambda path: path.suffix.lower() in CONTAINERS)
        if not files:
            raise CorpusError(f"no audio below {root}: RAVDESS's folder holds {self.layout}")
        first: dict[str, str] = {}
        for path in files:
            where, take = path.relative_to(root).as_posix(), re.sub(r"^01-", "03-", path.stem)
            if take in first:
                yield Drop(where, "duplicate file name", f"the same take stands at {first[take]}")
                continue
            first[take] = where
            yield self._clip(where, path.stem)

    def _clip(self, where: str, stem: str) -> Row | Drop:
        code = re.fullmatch(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)", stem)
        if code is None:
            return Drop(where, "not a RAVDESS file name", "expected seven two-digit numbers joined by hyphens")
        modality, channel, emotion, intensity, statement, _, actor = code.groups()
        if modality == "02":
            return Drop(where, "pictures without sound")
        if channel == "02":
            return Drop(where, "song, not speech")
        for kind, number, known in (("emotion", emotion, EMOTIONS), ("intensity", intensity, INTENSITIES), ("statement", statement, STATEMENTS)):
            if number not in known:
                return Drop(where, f"unknown {kind} code", f"{number} is none of {', '.join(known)}")
        return record(
            where,
            speaker_id=f"Actor_{actor}",
            gender="male" if int(actor) % 2 else "female",
            language="en",
            transcript=STATEMENTS[statement],
            license=self.license,
            opinions=[
                opinion(field, value, source="human", rater=ACTED, license=self.license)
                for field, value in (("emotion", EMOTIONS[emotion]), ("intensity", INTENSITIES[intensity]))
            ],
        )
