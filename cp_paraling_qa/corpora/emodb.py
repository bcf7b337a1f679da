"""EmoDB: the Berlin database of emotional speech.

Ten actors (5 female, 5 male) say ten German everyday sentences in seven acted emotions, in an anechoic room: 535 clips of 16 kHz that at least 80% of 20
listeners recognised; version 2.0 adds 281 that fewer did. The labels are what the actors were told to play.

    wav/03a01Fa.wav      speaker (03) - sentence (a01) - emotion, by its German initial (F: Freude) - version (a)
    erkennung.txt        where it is there: how many of the listeners recognised the emotion, in percent (columns Satz, erkannt, natürlich)

Emotions: W anger (Wut, Ärger), L boredom (Langeweile), E disgust (Ekel), A fear (Angst), F happiness (Freude), T sadness (Trauer), N neutral. The root is the
folder that holds `wav`, or `wav` itself. Laryngograms (folders `laryngo`, `wav_laryng`) are not what a listener hears and are left out. There is no official
partition. Listeners' recognition is a vote share without names: an opinion of rater `listeners` beside the acted label.

Licence: CC0 1.0, as its authors publish it through audEERING's audb. Burkhardt, Paeschke, Rolfes, Sendlmeier & Weiss (2005), A Database of German Emotional
Speech, Interspeech, doi 10.21437/Interspeech.2005-446. Sentences and speakers as listed there and in http://emodb.bilderbar.info/docu/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from cp_paraling_qa.corpora.base import audio_files, existing_root, record
from cp_paraling_qa.corpora.walking import read_text
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.schema import ACTED, Opinion, opinion
from cp_paraling_qa.stage import Drop, Row

EMOTIONS = {"W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral"}
SPEAKERS = {
    **{"03": ("male", 31.0), "08": ("female", 34.0), "09": ("female", 21.0), "10": ("male", 32.0), "11": ("male", 26.0)},
    **{"12": ("male", 30.0), "13": ("female", 32.0), "14": ("female", 35.0), "15": ("male", 25.0), "16": ("female", 31.0)},
}
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
_NAME = re.compile(r"(\d\d)([ab]\d\d)([A-Z])([a-z]?)", re.IGNORECASE)


class EmoDB:
    """Reads the official folder; see the module for the corpus."""

    name: ClassVar[str] = "emodb"
    layout: ClassVar[str] = "wav/03a01Fa.wav: speaker, sentence, emotion, version"
    license: ClassVar[str | None] = "cc0-1.0"
    redistributable: ClassVar[bool] = True

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every clip, sorted by path."""
        files = audio_files(existing_root(root, self.layout))
        if not files:
            raise CorpusError(f"no audio below {root}: EmoDB's folder holds {self.layout}")
        recognised = _recognition(root, files)
        first: dict[str, str] = {}
        for path in files:
            where = path.relative_to(root)
            if any("laryng" in part.lower() for part in where.parts[:-1]):
                yield Drop(where.as_posix(), "laryngogram, not speech", "a signal of the vocal folds, beside the recording of the same name")
            elif path.stem in first:
                yield Drop(where.as_posix(), "duplicate file name", f"the same name stands at {first[path.stem]}")
            else:
                first[path.stem] = where.as_posix()
                yield self._clip(where.as_posix(), path.stem, recognised.get(path.stem.lower()))

    def _clip(self, where: str, stem: str, share: float | None) -> Row | Drop:
        code = _NAME.fullmatch(stem)
        if code is None:
            return Drop(where, "not an EmoDB file name", "expected two digits, a sentence code, an emotion letter and a version, as 03a01Fa")
        speaker, sentence, emotion = code[1], code[2].lower(), code[3].upper()
        for kind, value, known in (("speaker", speaker, SPEAKERS), ("sentence", sentence, SENTENCES), ("emotion", emotion, EMOTIONS)):
            if value not in known:
                return Drop(where, f"unknown {kind} code", f"{value} is none of {', '.join(known)}")
        gender, age = SPEAKERS[speaker]
        opinions: list[Opinion] = [opinion("emotion", EMOTIONS[emotion], source="human", rater=ACTED, license=self.license)]
        if share is not None:
            opinions.append(opinion("emotion", EMOTIONS[emotion], source="human", rater="listeners", probability=share, license=self.license))
        return record(where, speaker_id=speaker, gender=gender, age=age, language="de", transcript=SENTENCES[sentence], license=self.license, opinions=opinions)


def _recognition(root: Path, files: Iterable[Path]) -> dict[str, float]:
    """File stem, lower case → share of the listeners who recognised the emotion, 0–1, from erkennung.txt or version 2.0's listener_judgements.txt."""
    found: dict[str, float] = {}
    for folder in dict.fromkeys((root, *(path.parent.parent for path in files))):
        for name in ("erkennung.txt", "listener_judgements.txt"):
            if not (folder / name).is_file():
                continue
            rows = [line.split() for line in read_text(folder / name).splitlines()]
            column = next((i for i, title in enumerate(rows[0] if rows else []) if title.lower() in ("erkannt", "recognized")), len(rows[0]) if rows else 0)
            for row in rows[1:]:
                stem = row[0].lower().removesuffix(".wav").removesuffix("xx") if row else ""
                with suppress(IndexError, ValueError):
                    percent = float(row[column].replace(",", "."))
                    if _NAME.fullmatch(stem) and 0 <= percent <= 100:
                        found.setdefault(stem, percent / 100)
    return found
