"""IEMOCAP: the Interactive Emotional Dyadic Motion Capture database.

Ten actors in five sessions, a woman and a man each, play scripts and improvise: about 12 hours of English dialogue in 10,039 turns. At least three outsiders named
the emotion of each turn (often more than one word), two or more scored valence, activation and dominance from 1 to 5, and some of the actors judged themselves.

    IEMOCAP_full_release/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt      labels; its sub-folders hold the same votes once more, and are left alone
        % [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]
        [6.2901 - 8.2357]   Ses01F_impro01_F000   neu   [2.5000, 2.5000, 2.5000]
        C-E2:   Neutral;   ()                        E: an outsider's vote
        C-F1:   Neutral; Anger;   (comment)          F, M: the actress's or the actor's own report
        A-E3:   val 3; act 2; dom  2;   ()
    IEMOCAP_full_release/Session1/dialog/transcriptions/Ses01F_impro01.txt     Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
    IEMOCAP_full_release/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav

The letter in `Ses01F` says who wore the markers, not who speaks: the speaker is the session with the letter of the turn (Ses01F_impro01_M003 is spoken by Ses01M).
A vote of k words is k opinions of probability 1/k. The actors' reports have source "self", and so never make a consensus. The label and scores of the header line
were drawn by the corpus from the votes (xxx where these did not agree): they become opinions of rater "consensus" only where the file has no outsider's vote, or
none on the axes. There is no official partition: most papers leave one session out.

Licence: free for research on a signed agreement; neither audio nor labels may be passed on. Busso et al. (2008), IEMOCAP: Interactive emotional dyadic motion
capture database, Language Resources and Evaluation 42(4), doi 10.1007/s10579-008-9076-6.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from cp_paraling_qa.corpora.base import audio_files, existing_root, record
from cp_paraling_qa.corpora.labelling import CONSENSUS, DUPLICATE_ROW, MISSING_FILE, UNKNOWN_EMOTION, UNLABELLED, child, decoded, ratings, spoken
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.schema import Opinion, Source, opinion
from cp_paraling_qa.stage import Drop, Row

CODES = {
    **{"ang": "angry", "hap": "happy", "exc": "excited", "sad": "sad", "fru": "frustrated", "fea": "fearful"},
    **{"sur": "surprised", "neu": "neutral", "dis": "disgust", "oth": "other"},
}
"""The header's codes. xxx is none of them: it says that the raters did not agree."""

WORDS = CODES | {
    **{"anger": "angry", "happiness": "happy", "excited": "excited", "excitement": "excited", "sadness": "sad", "frustration": "frustrated", "fear": "fearful"},
    **{"surprise": "surprised", "neutral": "neutral", "neutral state": "neutral", "disgust": "disgust", "other": "other"},
    **{emotion: emotion for emotion in CODES.values()},
}
"""What the raters' rows say."""

AXES = {"val": "valence", "act": "arousal", "dom": "dominance"}
GENDERS = {"F": "female", "M": "male"}
LOW, HIGH = 1, 5

_TURN = re.compile(r"\[\s*[-\d.]+\s*-\s*[-\d.]+\s*\]\s+(\S+)\s+(\S+)\s+\[([^\]]*)\]")
_VOTE = re.compile(r"([CA])-([EFM]\w*)\s*:\s*([^(]*)")
_SCORE = re.compile(r"\b(val|act|dom)\s+(-?[\d.]+)")
_TEXT = re.compile(r"(Ses\w+)\s*\[[^\]]*\]\s*:\s*(.*)")


@dataclass
class Turn:
    """What an evaluation file says of one turn: the header's name, code and [V, A, D], and the raters' rows (kind C or A, rater, text)."""

    name: str
    code: str
    scores: str
    votes: list[tuple[str, str, str]] = field(default_factory=list)


class Iemocap:
    """Reads the full release; see the module for the corpus."""

    name: ClassVar[str] = "iemocap"
    layout: ClassVar[str] = "Session{1-5}/dialog/EmoEvaluation/*.txt, dialog/transcriptions/*.txt and sentences/wav/DIALOG/TURN.wav"
    license: ClassVar[str | None] = "other"
    redistributable: ClassVar[bool] = False

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every labelled turn, by session, dialogue and time; after each session its files that no label names."""
        for session in _sessions(existing_root(root, self.layout), self.layout):
            yield from self._session(root, session)

    def _session(self, root: Path, session: Path) -> Iterator[Row | Drop]:
        dialog = session / "dialog"
        files = {path.stem: path.relative_to(root).as_posix() for path in audio_files(session / "sentences" / "wav")}
        named: set[str] = set()
        for path in _texts(dialog / "EmoEvaluation"):
            transcripts = _transcripts(dialog / "transcriptions" / path.name)
            for turn in _turns(decoded(path.read_bytes()).splitlines()):
                where = f"{path.relative_to(root).as_posix()} {turn.name}"
                if turn.name in named:
                    yield Drop(where, DUPLICATE_ROW, "an earlier line labels the same turn")
                elif turn.name not in files:
                    yield Drop(where, MISSING_FILE, f"{session.name}/sentences/wav/{path.stem}/{turn.name}.wav is not there")
                else:
                    yield from self._clip(files[turn.name], turn, transcripts.get(turn.name))
                named.add(turn.name)
        for stem in sorted(files.keys() - named):
            yield Drop(files[stem], UNLABELLED, "no file in EmoEvaluation names this turn")

    def _clip(self, where: str, turn: Turn, transcript: str | None) -> Iterator[Row | Drop]:
        dialogue, _, last = turn.name.rpartition("_")
        opinions: list[Opinion] = []
        for found in self._opinions(turn):
            if isinstance(found, Drop):
                yield found
            else:
                opinions.append(found)
        gender = GENDERS.get(last[:1])
        yield record(
            where,
            speaker_id=f"{dialogue[:5]}{last[0]}" if gender else None,
            dialogue_id=dialogue or None,
            gender=gender,
            language="en",
            transcript=transcript,
            license=self.license,
            opinions=opinions,
        )

    def _opinions(self, turn: Turn) -> Iterator[Opinion | Drop]:
        heard: set[str] = set()
        for kind, rater, text in turn.votes:
            item = f"{turn.name} {kind}-{rater}"
            votes = list(self._categories(item, rater, text) if kind == "C" else self._scores(item, rater, _SCORE.findall(text)))
            if rater.startswith("E") and any(not isinstance(vote, Drop) for vote in votes):
                heard.add(kind)
            yield from votes
        if "C" not in heard and turn.code.lower() != "xxx":
            yield from self._categories(turn.name, CONSENSUS, turn.code)
        if "A" not in heard:
            yield from self._scores(turn.name, CONSENSUS, zip(("val", "act", "dom"), turn.scores.replace(",", " ").split(), strict=False))

    def _categories(self, item: str, rater: str, text: str) -> Iterator[Opinion | Drop]:
        """One rater's words: "Frustration; Anger;" are two opinions of one half each."""
        words = [word.strip() for word in text.split(";") if word.strip()]
        for word in dict.fromkeys(words):
            if (emotion := WORDS.get(word.lower())) is None:
                yield Drop(item, UNKNOWN_EMOTION, f"{word!r} is none of {', '.join(CODES.values())}")
                continue
            yield opinion(
                "emotion",
                emotion,
                source=_source(rater),
                rater=rater,
                probability=words.count(word) / len(words) if len(words) > 1 else None,
                license=self.license,
            )

    def _scores(self, item: str, rater: str, scores: Iterable[tuple[str, str]]) -> Iterator[Opinion | Drop]:
        named = [(AXES[name], value) for name, value in scores]
        yield from ratings(item, named, LOW, HIGH, source=_source(rater), rater=rater, licence=self.license)


def _source(rater: str) -> Source:
    """Outsiders are E1, E2, …; the actress is F1, F2, … and the actor M1, M2, …, by session."""
    return "self" if rater[0] in "FM" else "human"


def _sessions(root: Path, layout: str) -> list[Path]:
    """The session folders of a root: the release itself, the folder around it, or one session alone."""
    for folder in (root, child(root, "IEMOCAP_full_release"), *(path for path in sorted(root.iterdir()) if path.is_dir())):
        if folder is not None and (found := sorted(path for path in folder.glob("Session*") if (path / "dialog" / "EmoEvaluation").is_dir())):
            return found
    if (root / "dialog" / "EmoEvaluation").is_dir():
        return [root]
    raise CorpusError(f"no IEMOCAP in {root}: give IEMOCAP_full_release, which holds {layout}")


def _texts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.txt") if not path.name.startswith("."))


def _turns(lines: Iterable[str]) -> Iterator[Turn]:
    turn: Turn | None = None
    for line in lines:
        if header := _TURN.match(line.strip()):
            if turn:
                yield turn
            turn = Turn(header[1], header[2], header[3])
        elif turn and (vote := _VOTE.match(line.strip())):
            turn.votes.append((vote[1], vote[2], vote[3]))
    if turn:
        yield turn


def _transcripts(path: Path) -> dict[str, str | None]:
    """What is said in each turn of a dialogue; empty where the file is missing. Lines of other forms (stage directions, asides) belong to no turn."""
    if not path.is_file():
        return {}
    lines = (_TEXT.match(line.strip()) for line in decoded(path.read_bytes()).splitlines())
    return {line[1]: spoken(line[2]) for line in lines if line}
