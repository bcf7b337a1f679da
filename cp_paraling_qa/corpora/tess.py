"""TESS: the Toronto emotional speech set.

Two actresses, 64 (OAF: older adult female) and 26 (YAF) years old, say "Say the word …" with 200 words in seven acted emotions: 2,800 clips of 24,414 Hz, not a
common rate. The labels are what the actresses were told to play.

    OAF_angry/OAF_back_angry.wav      speaker _ word _ emotion; folders are free: none, one a speaker and emotion, nested in "TESS Toronto emotional speech set data"

Emotions: angry, disgust, fear, happy, neutral, sad, and `ps`, which is pleasant surprise. One file is misnamed: OA_bite_neutral.wav is OAF's. The copy on Kaggle
holds everything twice, one folder within the other: the second file of a name is dropped as a duplicate. There is no official partition.

Licence: CC BY-NC-ND 4.0 (no derivatives: the audio may not be passed on in our form). Pichora-Fuller & Dupuis (2020), Toronto emotional speech set (TESS),
Borealis, doi 10.5683/SP2/E8H2MF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from cp_paraling_qa.corpora.base import audio_files, existing_root, record
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.schema import ACTED, opinion
from cp_paraling_qa.stage import Drop, Row

EMOTIONS = {
    **{name: name for name in ("angry", "disgust", "fear", "happy", "neutral", "sad")},
    **{name: "pleasant surprise" for name in ("ps", "pleasant_surprise", "pleasant_surprised")},
}
AGES = {"OAF": 64.0, "YAF": 26.0}
_TYPOS = {"OA": "OAF"}
_NAME = re.compile(r"(OAF?|YAF)_([a-z'-]+)_([a-z_]+)", re.IGNORECASE)


class Tess:
    """Reads the files wherever they lie below the root; see the module for the corpus."""

    name: ClassVar[str] = "tess"
    layout: ClassVar[str] = "OAF_back_angry.wav, YAF_back_ps.wav: speaker, word, emotion, in any folders"
    license: ClassVar[str | None] = "cc-by-nc-nd-4.0"
    redistributable: ClassVar[bool] = False

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every clip; of two files of one name, the one higher up."""
        files = audio_files(existing_root(root, self.layout))
        if not files:
            raise CorpusError(f"no audio below {root}: the TESS folder holds {self.layout}")
        first: dict[str, str] = {}
        for path in sorted(files, key=lambda path: (len(path.parts), path)):
            where = path.relative_to(root).as_posix()
            if path.stem.lower() in first:
                yield Drop(where, "duplicate file name", f"the same name stands at {first[path.stem.lower()]}")
                continue
            first[path.stem.lower()] = where
            yield self._clip(where, path.stem)

    def _clip(self, where: str, stem: str) -> Row | Drop:
        code = _NAME.fullmatch(stem)
        if code is None:
            return Drop(where, "not a TESS file name", "expected OAF or YAF, a word and an emotion, joined by underscores")
        speaker, emotion = code[1].upper(), code[3].lower()
        speaker = _TYPOS.get(speaker, speaker)
        if emotion not in EMOTIONS:
            return Drop(where, "unknown emotion code", f"{emotion} is none of {', '.join(EMOTIONS)}")
        return record(
            where,
            speaker_id=speaker,
            gender="female",
            age=AGES[speaker],
            language="en",
            transcript=f"Say the word {code[2].lower()}.",
            license=self.license,
            opinions=[opinion("emotion", EMOTIONS[emotion], source="human", rater=ACTED, license=self.license)],
        )
