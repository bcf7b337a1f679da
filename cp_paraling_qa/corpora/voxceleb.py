"""VoxCeleb 1 and 2: celebrities speaking in videos, found by face and lips.

1,251 and 6,112 speakers, 150 thousand and 1.1 million clips of at least 4 s. No words, no emotion: they are for speakers and their gender.

    wav/id10001/1zcIwhmdeo4/00001.wav              VoxCeleb1: speaker / video / clip; also within vox1_dev_wav/ and vox1_test_wav/
    dev/aac/id00012/21Uxsk56VDQ/00001.m4a          VoxCeleb2: in MP4, which needs PyAV, or a .wav of the same name beside it or in dev/wav/… (then that is read)
    vox1_meta.csv    tabs: VoxCeleb1 ID, VGGFace1 ID, Gender, Nationality, Set
    vox2_meta.csv    commas with spaces: VoxCeleb2 ID, VGGFace2 ID, Gender, Set

The root holds one corpus or both (their speakers' ids do not meet), or is `wav` itself, with the tables in it, above it (up to three folders), or one folder below. Partitions are
those of speaker verification, which the column Set names: dev is train (it is the larger one, and what systems are trained on), test is test; no speaker is in
both. Where the table lacks a speaker, the folder's name (vox1_test_wav, dev) says it. VoxCeleb1's other split, iden_split.txt, divides each speaker's clips and
is not used. A video is the dialogue. Nationality is not an accent and is left out; the language is not known. The tables name speakers, not clips: clips that
were never downloaded cannot be told.

Licence: the lists are under a Creative Commons licence; the sound belongs to the videos' owners and may not be passed on. Nagrani, Chung & Zisserman (2017), VoxCeleb: a large-scale
speaker identification dataset, Interspeech, arXiv 1706.08612; Chung, Nagrani & Zisserman (2018), VoxCeleb2, Interspeech, arXiv 1806.05622.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

from cp_paraling_qa.corpora.base import AUDIO_SUFFIXES, existing_root, record
from cp_paraling_qa.corpora.walking import folders, read_text
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.stage import Drop, Row

_SPLITS = {"dev": "train", "test": "test"}
_GENDERS = {"m": "male", "f": "female"}


class _Speaker(NamedTuple):
    id: str
    gender: str | None
    split: str | None


class VoxCeleb:
    """Reads the official folders of either corpus or both; see the module."""

    name: ClassVar[str] = "voxceleb"
    layout: ClassVar[str] = "wav/id10001/<video>/00001.wav or dev/aac/id00012/<video>/00001.m4a, and vox1_meta.csv, vox2_meta.csv"
    license: ClassVar[str | None] = "other"
    redistributable: ClassVar[bool] = False

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every clip, folder by folder."""
        speakers = _speakers(existing_root(root, self.layout))
        found = False
        for folder, names in folders(root):
            for name in names:
                if Path(name).suffix.lower() not in AUDIO_SUFFIXES:
                    continue
                clip = self._clip(root, folder / name, speakers)
                found |= isinstance(clip, dict)
                if clip is not None:
                    yield clip
        if not found:
            raise CorpusError(f"no clip below {root}: a VoxCeleb folder holds {self.layout}")

    def _clip(self, root: Path, path: Path, speakers: dict[str, _Speaker]) -> Row | Drop | None:
        where = path.relative_to(root).as_posix()
        known = speakers.get(path.parent.parent.name)
        if known is None and not re.fullmatch(r"id\d{5}", path.parent.parent.name):
            return Drop(where, "not a VoxCeleb path", "expected a speaker's folder (id10001), a video's folder in it, and the clip in that")
        if path.suffix.lower() == ".m4a" and any(wav.is_file() for wav in _converted(path)):
            return None  # the same clip, which is read from there
        return record(
            where,
            speaker_id=known.id if known else path.parent.parent.name,
            dialogue_id=path.parent.name,
            gender=known.gender if known else None,
            split=(known.split if known else None) or _split_of((root.resolve().name, *path.relative_to(root).parts)),
            license=self.license,
        )


def _converted(path: Path) -> list[Path]:
    """Where a .m4a's copy as WAV stands: beside it, or in the folder wav beside aac."""
    wav = path.with_suffix(".wav")
    parts = list(wav.parts)
    if "aac" in parts:
        place = len(parts) - 1 - parts[::-1].index("aac")
        return [wav, Path(*parts[:place], "wav", *parts[place + 1 :])]
    return [wav]


def _split_of(parts: tuple[str, ...]) -> str | None:
    """The partition that a folder names: dev, test, vox1_dev_wav, vox2_test_aac, …."""
    for part in reversed(parts[:-3]):
        if named := re.fullmatch(r"(?:vox(?:celeb)?[12]?_)?(dev|test)(?:_(?:wav|aac|m4a|mp4))?", part.lower()):
            return _SPLITS[named[1]]
    return None


def _speakers(root: Path) -> dict[str, _Speaker]:
    """Speakers by their id, and by their VGGFace name, which older copies of VoxCeleb1 have as folders."""
    tables: dict[str, Path] = {}
    places = [(root, "vox[12]_meta.csv"), *((above, "vox[12]_meta.csv") for above in root.resolve().parents[:3]), (root, "*/vox[12]_meta.csv")]
    for folder, pattern in places:
        for path in sorted(folder.glob(pattern)):
            tables.setdefault(path.name, path)
    speakers: dict[str, _Speaker] = {}
    for path in tables.values():
        lines = [line for line in read_text(path).splitlines() if line.strip()]
        mark = "\t" if lines and "\t" in lines[0] else ","
        names = [name.strip().lower() for name in lines[0].split(mark)] if lines else []
        for line in lines[1:]:
            row = dict(zip(names, (cell.strip() for cell in line.split(mark)), strict=False))
            id = next((value for name, value in row.items() if name.startswith("voxceleb")), "")
            if not id:
                continue
            speaker = _Speaker(id, _GENDERS.get(row.get("gender", "").lower()[:1]), _SPLITS.get(row.get("set", "").lower()))
            speakers[id] = speaker
            face = next((value for name, value in row.items() if name.startswith("vggface1")), "")
            if face:
                speakers.setdefault(face, speaker)
    return speakers
