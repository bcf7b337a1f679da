"""CREMA-D: the Crowd-sourced Emotional Multimodal Actors Dataset.

91 American actors (48 men, 43 women, aged 20 to 74) say twelve sentences in six acted emotions, one of the sentences at three intensities: 7,442 clips. 2,443
people then said what they heard or saw, each clip as voice alone, face alone and both, about ten votes a time, with a strength of 0 to 100 for each vote.
What the actor played and what listeners hear are different things: from the voice alone their majority names the played emotion for only two clips of five.

    AudioWAV/1001_DFA_ANG_XX.wav               actor _ sentence _ played emotion _ level (LO, MD, HI; XX: none asked for)
    VideoDemographics.csv                      ActorID, Age, Sex, Race, Ethnicity
    finishedResponses.csv                      one row a vote: localid (the rater), queryType (1 voice, 2 face, 3 both), clipName, respEmo, respLevel, …
    processedResults/tabulatedVotes.csv        one row a clip and modality, by the first digit of its number: "100001" is voice; A, D, F, H, N, S, numResponses, …
    processedResults/summaryTable.csv          FileName, VoiceVote ("N", or "A:D" where two are level), VoiceLevel, …

Here the votes on the voice alone are opinions: one a rater from finishedResponses.csv (practice and repeated questions are not in that file), or else shares of the
votes without a rater from tabulatedVotes.csv, or else the winners of summaryTable.csv. The played emotion stands beside them with rater "actor", which counts only
where nobody voted. Field `intensity` is low, medium or high: the played level, and each vote's strength, taken to the nearest of the 20, 50 and 80 by which the
corpus writes the played levels as numbers. A copy without the tables has the played labels alone. One file's name, 1040_ITH_SAD_X.wav, lacks an X.

The repository keeps audio in git-lfs: a clone without it has text files of about 130 bytes in place of sound, which are counted as such.

Licence: Open Database License 1.0, its contents under DbCL 1.0. Cao et al. (2014), CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, IEEE Transactions
on Affective Computing 5(4), doi 10.1109/TAFFC.2014.2336244.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from cp_paraling_qa.audio import POINTER, is_pointer
from cp_paraling_qa.corpora.base import audio_files, existing_root, record
from cp_paraling_qa.corpora.labelling import MISSING_FILE, child, read_rows, stream_rows
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.schema import ACTED, Opinion, opinion
from cp_paraling_qa.stage import Drop, Row

EMOTIONS = {"ANG": "angry", "DIS": "disgust", "FEA": "fearful", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
LETTERS = {code[0]: emotion for code, emotion in EMOTIONS.items()}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": None, "X": None}
SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
VOICE = "1"
PRACTICE = ("7443", "7444")
"""Clip numbers of the practice questions: the clips themselves are 1 to 7442."""

_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})")

Votes = dict[str, list[Opinion]]


class CremaD:
    """Reads the repository's folders; see the module for the corpus."""

    name: ClassVar[str] = "crema_d"
    layout: ClassVar[str] = "AudioWAV/1001_DFA_ANG_XX.wav, VideoDemographics.csv, finishedResponses.csv and processedResults/tabulatedVotes.csv"
    license: ClassVar[str | None] = "odbl"
    redistributable: ClassVar[bool] = True

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every clip, sorted by path; then the clips of the tables that have no file."""
        home, files = _audio(existing_root(root, self.layout), self.layout)
        tables = {name: path for name, *places in TABLES if (path := _table(home, places))}
        for name, path in list(tables.items()):
            if is_pointer(path):
                del tables[name]
                yield Drop(path.relative_to(root).as_posix(), POINTER, "its labels are missing until then")
        votes: Votes = {}
        for name, reader in (("summary", summary_votes), ("tabulated", tabulated_votes), ("responses", response_votes)):
            if name in tables:
                votes |= reader(tables[name], self.license)
        people = {row.get("ActorID", ""): row for row in read_rows(tables["people"])} if "people" in tables else {}
        first: dict[str, str] = {}
        for path in files:
            where, key = path.relative_to(root).as_posix(), clip_key(path.stem)
            if key in first:
                yield Drop(where, "duplicate file name", f"the same clip stands at {first[key]}")
                continue
            first[key] = where
            yield self._clip(where, path.stem, votes.get(key, []), people)
        for key in sorted(key for key in votes.keys() - first.keys() if _NAME.fullmatch(key)):
            yield Drop(key, MISSING_FILE, "the tables name this clip, the audio folder lacks it")

    def _clip(self, where: str, stem: str, votes: list[Opinion], people: dict[str, dict[str, str]]) -> Row | Drop:
        name = _NAME.fullmatch(stem)
        if name is None:
            return Drop(where, "not a CREMA-D file name", "expected actor_sentence_emotion_level, as in 1001_DFA_ANG_XX")
        actor, sentence, emotion, level = name.groups()
        for kind, code, known in (("sentence", sentence, SENTENCES), ("emotion", emotion, EMOTIONS), ("level", level, LEVELS)):
            if code not in known:
                return Drop(where, f"unknown {kind} code", f"{code} is none of {', '.join(known)}")
        played = [("emotion", EMOTIONS[emotion]), ("intensity", LEVELS[level])]
        person = people.get(actor, {})
        age, sex = person.get("Age", ""), person.get("Sex", "").lower()
        return record(
            where,
            speaker_id=actor,
            gender=sex if sex in ("female", "male") else None,
            age=float(age) if age.isdigit() else None,
            language="en",
            transcript=SENTENCES[sentence],
            license=self.license,
            opinions=[opinion(field, value, source="human", rater=ACTED, license=self.license) for field, value in played if value] + votes,
        )


def response_votes(path: Path, licence: str | None) -> Votes:
    """Every rater's own vote on the voice: emotion, and its strength in words. A rater's second vote on a clip (two slipped in) does not count."""
    votes: defaultdict[str, list[Opinion]] = defaultdict(list)
    seen: set[tuple[str, str]] = set()
    for row in stream_rows(path):
        key, rater, emotion = clip_key(row.get("clipName", "")), row.get("localid", ""), LETTERS.get(row.get("respEmo", ""))
        real = row.get("queryType") == VOICE and row.get("subType", "4") == "4" and row.get("clipNum") not in PRACTICE and _NAME.fullmatch(key)
        if not real or emotion is None or (key, rater) in seen:
            continue
        seen.add((key, rater))
        votes[key] += _opinions([(emotion, None)], _level(row.get("respLevel", "")), rater, licence)
    return dict(votes)


def tabulated_votes(path: Path, licence: str | None) -> Votes:
    """Shares of the votes on the voice; the strength is that of the mean vote."""
    votes: Votes = {}
    for row in stream_rows(path):
        number = next(iter(row.values()), "")
        if len(number) != 6 or number[0] != VOICE:
            continue
        counts = {emotion: int(float(row.get(letter) or 0)) for letter, emotion in LETTERS.items()}
        if total := sum(counts.values()):
            found = [(emotion, count / total) for emotion, count in counts.items() if count]
            votes[clip_key(row.get("fileName", ""))] = _opinions(found, _level(row.get("meanEmoResp", "")), None, licence)
    return votes


def summary_votes(path: Path, licence: str | None) -> Votes:
    """The winners of the vote on the voice, level ones in equal shares; the strength is their mean."""
    votes: Votes = {}
    for row in stream_rows(path):
        winners = [LETTERS[letter] for letter in row.get("VoiceVote", "").split(":") if letter in LETTERS]
        levels = [float(level) for level in row.get("VoiceLevel", "").split(":") if re.fullmatch(r"[\d.]+", level)]
        if winners:
            level = _level(str(sum(levels) / len(levels)) if levels else "")
            votes[clip_key(row.get("FileName", ""))] = _opinions([(emotion, 1 / len(winners)) for emotion in winners], level, None, licence)
    return votes


TABLES = (
    ("people", "VideoDemographics.csv"),
    ("responses", "finishedResponses.csv"),
    ("tabulated", "processedResults/tabulatedVotes.csv", "tabulatedVotes.csv"),
    ("summary", "processedResults/summaryTable.csv", "summaryTable.csv"),
)


def clip_key(stem: str) -> str:
    """A clip's name as all files of the corpus agree on it: without suffix, and with both X of the level.

    Example:
        >>> clip_key("1040_ITH_SAD_X"), clip_key("1001_DFA_ANG_XX.wav")
        ('1040_ITH_SAD_XX', '1001_DFA_ANG_XX')
    """
    stem = stem.split(".")[0]
    return stem + "X" if stem.endswith("_X") else stem


def _level(strength: str) -> str | None:
    """A strength of 0–100 in words: the nearest of low 20, medium 50 and high 80. None where there is none (the tables write -1 and NA)."""
    if not re.fullmatch(r"\d+(\.\d*)?", strength):
        return None
    return "low" if float(strength) < 35 else "medium" if float(strength) < 65 else "high"


def _opinions(emotions: Iterable[tuple[str, float | None]], level: str | None, rater: str | None, licence: str | None) -> list[Opinion]:
    votes = [opinion("emotion", emotion, source="human", rater=rater, probability=share, license=licence) for emotion, share in emotions]
    return votes + ([opinion("intensity", level, source="human", rater=rater, license=licence)] if level else [])


def _audio(root: Path, layout: str) -> tuple[Path, list[Path]]:
    """The repository's folder (`root`, one in it, or the one around it) and its audio files: the WAV form where it is there, else the MP3 form, which raters heard."""
    folders = [root, *(path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith("."))]
    for form in ("AudioWAV", "AudioMP3"):
        for home in folders:
            if (folder := child(home, form)) and (files := audio_files(folder)):
                return home, files
    if files := audio_files(root):
        around = root.resolve().parent
        return (around if any(_table(around, places) for _, *places in TABLES) else root), files
    raise CorpusError(f"no audio below {root}: CREMA-D's folder holds {layout}")


def _table(home: Path, places: Iterable[str]) -> Path | None:
    return next((home / place for place in places if (home / place).is_file()), None)
