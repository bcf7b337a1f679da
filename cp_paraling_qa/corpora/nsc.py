"""NSC: Singapore's National Speech Corpus, its conversations (parts 3, 5 and 6).

About 1,000 hours each of pairs of speakers of Singapore English, by the Info-communications Media Development Authority (IMDA): daily life and games (part 3);
debates, finance, positive and negative emotions (part 5); call centres (part 6). Every speaker has a long recording and a script that says when what is spoken.

    PART3/Scripts Same/3000-1.TextGrid              conversation 3000, speaker 1      Audio Same CloseMic/3000-1.wav; Audio Same BoundaryMic/3000.wav has both
    PART3/Scripts Separate/conf_2500_2500_00862025.TextGrid      Audio Separate StandingMic/conf_2500_2500_00862025.wav
                                                                 Audio Separate IVR/conf_2500_2500/00862025.wav
    PART5/Debate Scripts/app_4001_6001_phnd_deb-1.TextGrid       Debate Audio/…: session 4001, speaker 6001, deb-1, deb-2, deb-3
    PART5/Finance + Emotion Scripts/app_4001_6001_phnd_pos.TextGrid      Finance + Emotions Audio/…: fin, pos, neg
    PART6/Call Centre Design 1/Scripts/app_0016_0001_phnd_cc-hot.TextGrid      …/Audio/…: hol hot res, bnk ins tel, hdb moe msf

The root is anything above or one of these folders: scripts and recordings are matched by name, within their part. A speaker's interval is a clip, with its start
and end in the long recording; its text is the transcript, cleaned of markup (below). Where several microphones recorded the same words, one is read: the close
one before the far one, the standing one before the telephone; the others' files are dropped as such. Part 3's boundary microphone hears both speakers: it is read
only where there is no other. Scripts of parts 1, 2 and 4 are other corpora (prompts; code-switching) and are dropped.

What is skipped, by design and not as a loss of speech: intervals that are empty or hold nothing but `<S>` (pause), `<Z>` (nobody transcribed, often the other
speaker) or other non-speech tags. They are most of a script. Intervals with speech that was not written down in full (`<UNK>`, `<NEN>`, `**`) are dropped and
counted. The last interval may end a little after its recording: it is cut off there.
Markup in text: `[lah]` discourse particles, `(uh)` fillers, `!walao!` interjections and `#pasar malam#` other languages keep their words; `(ppl)`, `(ppb)`, `(ppc)`,
`(ppo)` laughter, breath, cough and other noise and `<tags>` go; `N_A_F_A` becomes NAFA.

Assumed, not documented with the corpus: parts 5 and 6 name files session, speaker, design as shown; the speaker's own tier is the one of
the script's name, else its first interval tier (tier names are unpredictable); a session's two halves share the session number, the dialogue; a speaker's number means somebody else in another part. Whether a
session is about positive or negative emotions is the dialogue's suffix (`part5-4001-pos`, `part5-4001-neg`): it says what was talked about, not how anybody
sounded, so it is no opinion. Ages and genders stand in spreadsheets that are not read. There is no official partition.

Licence: Singapore Open Data Licence, on request; it allows use and, with attribution, passing on, but not of personal data, which voices are: treated here as not
redistributable. Koh et al. (2019), Building the Singapore English National Speech Corpus, Interspeech, doi 10.21437/Interspeech.2019-1525.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

from cp_paraling_qa.corpora.base import AUDIO_SUFFIXES, existing_root, record
from cp_paraling_qa.corpora.textgrid import read_textgrid
from cp_paraling_qa.corpora.walking import folders
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.stage import Drop, Row

_NAMES = (
    ("part3", re.compile(r"(?P<session>\d{4})-(?P<speaker>\d)")),
    ("part3", re.compile(r"(?P<session>conf_\d{4})_\d{4}_(?P<speaker>\d{8})")),
    ("part5", re.compile(r"app_(?P<session>\d{4})_(?P<speaker>\d{4})_phn[a-z]_(?P<style>deb-\d|fin|pos|neg)")),
    ("part6", re.compile(r"app_(?P<session>\d{4})_(?P<speaker>\d{4})_phn[a-z]_cc-(?P<style>[a-z]{3})")),
)
_MICROPHONES = ("closemic", "standingmic", "ivr", "boundarymic")
"""By how near they are; each is part of its folder's name, without spaces and case."""

OVERHANG: Seconds = 0.25
"""By so much an interval may end after its recording."""

_TAG = re.compile(r"<[^<>]{1,8}>|\(pp[a-z]\)", re.IGNORECASE)
_INCOMPLETE = re.compile(r"<\s*(?:UNK|NEN)\s*/?>|\*\*", re.IGNORECASE)


class _Script(NamedTuple):
    """What a script's name says, and the recordings' names that it may be about: its speaker's own, else that of both."""

    path: Path
    speaker: str
    dialogue: str
    audio: tuple[str, str]


class Nsc:
    """Reads scripts and the recordings that they are about; see the module."""

    name: ClassVar[str] = "nsc"
    layout: ClassVar[str] = "PART3, PART5 or PART6 with their Scripts folders (.TextGrid) and Audio folders (.wav)"
    license: ClassVar[str | None] = "other"
    redistributable: ClassVar[bool] = False

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every interval with speech, script by script; then the recordings that no script is about."""
        scripts: list[Path] = []
        audio: dict[tuple[str, str], list[Path]] = {}
        for folder, names in folders(existing_root(root, self.layout)):
            for path in (folder / name for name in names):
                if path.suffix.lower() == ".textgrid":
                    scripts.append(path)
                elif path.suffix.lower() in AUDIO_SUFFIXES:
                    audio.setdefault((_part(root, path), _stem(path)), []).append(path)
        if not scripts:
            raise CorpusError(f"no .TextGrid file below {root}: an NSC folder holds {self.layout}")
        for files in audio.values():
            files.sort(key=lambda path: (_distance(path), path))
        used: set[Path] = set()
        for path in sorted(scripts):
            script, part = _script(path), _part(root, path)
            where = path.relative_to(root).as_posix()
            if script is None:
                yield Drop(where, "not a script of part 3, 5 or 6", "its name is none of 3000-1, conf_2500_2500_00862025, app_4001_6001_phnd_pos")
                continue
            file = next((audio[part, name][0] for name in script.audio if (part, name) in audio), None)
            if file is None:
                yield Drop(where, "script without a recording", f"no audio file of the name {script.audio[0]} in the same part")
                continue
            used.add(file)
            yield from self._turns(root, script, file)
        for (part, stem), group in audio.items():
            for file in group:
                if file not in used:
                    other = group[0] in used or any((part, f"{stem}-{speaker}") in audio for speaker in (1, 2))
                    reason = "another microphone's recording" if other else "recording without a script"
                    yield Drop(
                        file.relative_to(root).as_posix(), reason, "the nearest microphone is read" if other else "no .TextGrid of its name in the same part"
                    )

    def _turns(self, root: Path, script: _Script, file: Path) -> Iterator[Row | Drop]:
        where = script.path.relative_to(root).as_posix()
        try:
            tiers = [tier for tier in read_textgrid(script.path) if tier.kind == "intervals"]
        except (CorpusError, OSError) as error:
            yield Drop(where, "script cannot be read", str(error))
            return
        tier = next((tier for tier in tiers if tier.name.strip().lower() == script.path.stem.lower()), tiers[0] if tiers else None)
        spans = list(enumerate(tier.spans if tier else [], 1))
        spoken = [(number, span) for number, span in spans if _INCOMPLETE.search(span.text) or _TAG.sub("", span.text).strip(" .")]
        if not spoken:
            yield Drop(where, "script without speech", f"{len(spans)} intervals, none with words")
        length = _length(file) if spoken else None
        for number, span in spoken:
            item = f"{where} interval {number}"
            if _INCOMPLETE.search(span.text):
                yield Drop(item, "speech not written down in full", span.text[:80])
            elif not 0 <= span.start < span.end:
                yield Drop(item, "interval ends before it starts", f"{span.start:g}–{span.end:g} s")
            else:
                yield record(
                    file.relative_to(root).as_posix(),
                    start=span.start,
                    end=length if length is not None and span.start < length < span.end <= length + OVERHANG else span.end,
                    speaker_id=script.speaker,
                    dialogue_id=script.dialogue,
                    language="en",
                    transcript=clean(span.text),
                    license=self.license,
                )


def _part(root: Path, path: Path) -> str:
    """The folder PART3, PART5, … that a file lies in, as far as there is one: file names start anew in each."""
    parts = (root.resolve() / path.relative_to(root)).parts
    return next((part.lower() for part in reversed(parts) if re.fullmatch(r"part ?\d", part.lower())), "")


def _stem(path: Path) -> str:
    """A recording's name as its script has it: the telephone's files have the first half of it in their folder's name."""
    folder = path.parent.name.lower()
    return f"{folder}_{path.stem.lower()}" if re.fullmatch(r"conf_\d{4}_\d{4}", folder) and not path.stem.lower().startswith("conf") else path.stem.lower()


def _distance(path: Path) -> int:
    """The place of a recording's microphone in `_MICROPHONES`; 0 where its folders name none."""
    folder = re.sub(r"[^a-z]", "", "/".join(path.parts[-4:-1]).lower())
    return next((place for place, name in enumerate(_MICROPHONES) if name in folder), 0)


def _script(path: Path) -> _Script | None:
    stem = path.stem.lower()
    for part, pattern in _NAMES:
        if name := pattern.fullmatch(stem):
            found = name.groupdict()
            speaker = stem if part == "part3" and "_" not in stem else found["speaker"]  # 3000-1: the first of conversation 3000
            style = f"-{found['style']}" if found.get("style") else ""
            return _Script(
                path, f"{part}-{speaker}", f"{part}-{found['session']}{style}", (stem, found["session"] if "-" in stem and part == "part3" else stem)
            )
    return None


def _length(file: Path) -> Seconds | None:
    """A recording's length by its header; None where that cannot be read (the manifest then says why)."""
    import soundfile

    try:
        info = soundfile.info(str(file))
    except (soundfile.LibsndfileError, RuntimeError, OSError):
        return None
    return float(info.frames / info.samplerate)


def clean(text: str) -> str:
    """A transcript without NSC's markup; see the module for what goes and what keeps its words.

    Example:
        >>> clean("<FIL/> (uh) I like #pasar malam# [lah] !walao! (ppl) at N_A_F_A <S>")
        'uh I like pasar malam lah walao at NAFA'
    """
    text = _TAG.sub(" ", text)
    text = re.sub(r"(?<![^\W_])(?:[^\W_]_)+[^\W_](?![^\W_])", lambda letters: letters[0].replace("_", ""), text)
    return " ".join(re.sub(r"[\[\]()!#~_]", " ", text).split())
