"""All questions of a run under the rules, without writing anything: which go, which are marked, which are added. The stage then makes each part by itself.

Speaker by speaker: contrast sets first, which are fixed from then on; then repeats, and the share of why-questions. Then, over all clips, items about conflict. Last, where
somebody answered the questions from the words alone, what was answered. Nothing hangs on the order of clips, rows or parts: ties are broken by hashes of the content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cp_paraling_qa.digests import digest
from cp_paraling_qa.embed import Embedder
from cp_paraling_qa.generate.records import qa_id
from cp_paraling_qa.generate.settle.contrast import Member, Spoken, contrast_sets
from cp_paraling_qa.generate.settle.facts import AGREE, CLIP_COLUMNS, NOBODY_TELLS, OPPOSE, Facts, Speaker
from cp_paraling_qa.generate.settle.memo import Memo
from cp_paraling_qa.generate.settle.options import SettleOptions
from cp_paraling_qa.generate.settle.repeats import Item, repeats, too_many_why
from cp_paraling_qa.generate.settle.shortcut import ANSWERABLE, Shortcut, Tried, too_easy
from cp_paraling_qa.generate.settle.wordings import CONFLICT_HASH, CONTRAST_HASH, conflict_item
from cp_paraling_qa.generate.templates import GENERATOR as TEMPLATE
from cp_paraling_qa.stage import Row, read_part

VERSION = 2
"""Raised when the rules change in a way that options do not show."""
BATCH = 20_000
"""Questions of how many are compared at a time; a speaker with more is a batch alone. 384 float32 each: 31 MB, and as much for their answers."""


CONTRAST_COUNTS = ("contrast: sets", "contrast: rows marked", "contrast: rows added", "contrast: unknown speaker", "contrast: language other than English")
"""What is counted of contrast sets; the last two are clips that can be in none."""


class Added(NamedTuple):
    """A row to be added; `difficulty` and the rest as in `schema.Question`."""

    qa_id: str
    clip_id: str
    difficulty: str
    question: str
    answer: str
    label: str
    contrast_set: str | None
    generator: str
    prompt_hash: str
    evidence: tuple[str, ...]


@dataclass
class Plan:
    """What becomes of the rows of one part.

    Args:
        gone: qa_id → reason.
        sets: qa_id → contrast set, for rows that were there already.
        added: new rows.
        conflict: clip_id → whether words and voice oppose each other, where anybody can tell.
        answerable: qa_id → whether the words alone were enough, where that was tried.
    """

    gone: dict[str, str] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    added: list[Added] = field(default_factory=list)
    conflict: dict[str, bool] = field(default_factory=dict)
    answerable: dict[str, bool | None] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """Identifies it. 16 hex digits."""
        return digest(asdict(self) | {"added": sorted(self.added)})


@dataclass
class Group:
    """The questions of one speaker on their way through the rules."""

    items: list[Item]
    key: str
    gone: dict[str, str] | None


class Survey:
    """The questions of a run under the rules.

    Args:
        parts: clips part and written part, side by side.
        options: which rules.
        embed: for near repeats; called only where there is something to compare.
        embedder: its name.
        memo: what was found before.
        shortcut: answers questions from the words alone; None: nobody tries.
        told: called now and then with how far it is.
    """

    def __init__(
        self,
        parts: Sequence[tuple[Path, Path]],
        options: SettleOptions,
        *,
        embed: Embedder,
        embedder: str,
        memo: Memo,
        shortcut: Shortcut | None = None,
        told: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.options, self.embed, self.embedder, self.memo, self.told = options, embed, embedder, memo, told
        self.facts = Facts(parts, conflict=options.conflict)
        self.plans = [Plan() for _ in parts]
        self.counts: dict[str, int] = dict.fromkeys(CONTRAST_COUNTS if options.contrast else (), 0)
        self.written = len(self.facts.clip_of) > 0
        self._speakers()
        self._conflicts()
        self.untried = 0
        if shortcut is not None:
            self._shortcut(shortcut, [clips for clips, _ in parts])

    # -- speaker by speaker ----------------------------------------------------------------------------------------------------------------

    def _speakers(self) -> None:
        waiting: list[Group] = []
        for done, speaker in enumerate(self.facts.by_speaker()):
            items, writers = self.facts.items(speaker.rows)
            if self.options.contrast and self.written:
                items = self._contrast(speaker, items, writers)
            if not items:
                continue
            waiting.append(self._group(items))
            if sum(len(group.items) for group in waiting) >= BATCH:
                self._compare(waiting)
                waiting = []
                self.told(f"compared the questions of {done + 1} speakers")
        self._compare(waiting)

    def _group(self, items: list[Item]) -> Group:
        rules = [self.options.repeats, self.options.near_within, self.options.near_across]
        known = sorted((item.qa_id, item.words, item.type, item.label, item.fixed) for item in items)
        key = digest("repeats", VERSION, self.embedder, rules, known)
        return Group(items, key, self.memo.get(key) if len(items) > 1 else {})

    def _compare(self, groups: Sequence[Group]) -> None:
        """Lets the repeats of these speakers go, and what is beyond the share of why-questions."""
        new = [group for group in groups if group.gone is None]
        for group, gone in zip(new, repeats([group.items for group in new], self.options, self.embed), strict=True):
            group.gone = gone
        self.memo.put((group.key, group.gone or {}) for group in new)
        for group in groups:
            gone = dict(group.gone or {})
            if self.options.max_why_share is not None:
                gone |= too_many_why([item for item in group.items if item.qa_id not in gone], self.options.max_why_share)
            for item in group.items:
                if item.qa_id in gone:
                    self._plan(item.clip).gone[item.qa_id] = gone[item.qa_id]

    def _plan(self, clip: int) -> Plan:
        return self.plans[self.facts.part[clip]]

    def _contrast(self, speaker: Speaker, items: list[Item], writers: dict[str, str]) -> list[Item]:
        """Adds and marks the rows of the speaker's contrast sets; the items with those among them."""
        facts = self.facts
        able = [int(clip) for clip in speaker.clips if facts.some_words[clip] and facts.emotion[clip] >= 0]
        self.counts["contrast: language other than English"] += sum(not facts.english[clip] for clip in able)
        able = [clip for clip in able if facts.english[clip]]
        if speaker.name is None:
            self.counts["contrast: unknown speaker"] += len(able)
            return items
        often = Counter(facts.words[clip] for clip in able)
        spoken = [
            Spoken(clip, facts.clip_id(clip), facts.words[clip], facts.label(clip) or "", facts.spoken(clip)) for clip in able if often[facts.words[clip]] > 1
        ]
        if not spoken:
            return items
        members = [m for each in contrast_sets(speaker.name, spoken, items, writers, taken=facts.taken, seed=self.options.seed) for m in each]
        self.counts["contrast: sets"] += len({member.set_id for member in members})
        return self._fix(members, items)

    def _fix(self, members: Sequence[Member], items: list[Item]) -> list[Item]:
        there = {item.qa_id: at for at, item in enumerate(items)}
        items = list(items)
        for member in members:
            plan = self._plan(member.clip)
            if member.qa_id in there:
                at = there[member.qa_id]
                items[at] = replace(items[at], fixed=True)
                plan.sets[member.qa_id] = member.set_id
                self.counts["contrast: rows marked"] += 1
                continue
            text = (member.question, member.answer)
            items.append(Item(member.qa_id, member.clip, self.facts.words[member.clip], "CE", *text, member.label, fixed=True))
            new = Added(
                member.qa_id, self.facts.clip_id(member.clip), "simple", *text, member.label, member.set_id, member.generator, CONTRAST_HASH, ("emotion",)
            )
            plan.added.append(new)
            self.counts["contrast: rows added"] += 1
        return items

    # -- over all clips --------------------------------------------------------------------------------------------------------------------

    def _conflicts(self) -> None:
        """Marks clips, and adds an item to those in conflict and to as many that are not: as many of each sentiment of the words, so that neither tells the other."""
        facts = self.facts
        marks, positive = np.array(facts.conflict), np.array(facts.positive, dtype=bool)
        for clip in np.flatnonzero(marks != NOBODY_TELLS).tolist():
            self._plan(clip).conflict[facts.clip_id(clip)] = bool(marks[clip])
        if not self.options.conflict:
            return
        self.counts["conflict: clips in conflict"], self.counts["conflict: clips without"] = int((marks == OPPOSE).sum()), int((marks == AGREE).sum())
        self.counts |= {"conflict: items": 0, "conflict: clips without an opposite": 0}
        if not (self.options.conflict_items and self.written):
            return
        for words, side in (("positive", positive), ("negative", ~positive)):
            sides = [sorted(np.flatnonzero(side & (marks == mark)).tolist(), key=facts.key.__getitem__) for mark in (OPPOSE, AGREE)]
            number = min(map(len, sides))
            self.counts["conflict: clips without an opposite"] += len(sides[0]) - number
            for clip in (*sides[0][:number], *sides[1][:number]):
                self._conflict_item(clip, words)

    def _conflict_item(self, clip: int, words: str) -> None:
        name, label = self.facts.clip_id(clip), self.facts.label(clip) or ""
        question, answer = conflict_item(name, words, label, conflict=self.facts.conflict[clip] == OPPOSE, seed=self.options.seed)
        new = Added(qa_id(name, question, answer), name, "complex", question, answer, label, None, TEMPLATE, CONFLICT_HASH, ("emotion", "text"))
        self._plan(clip).added.append(new)
        self.counts["conflict: items"] += 1

    # -- from the words alone --------------------------------------------------------------------------------------------------------------

    def _shortcut(self, shortcut: Shortcut, clips: Sequence[Path]) -> None:
        self.told("answering from the words alone")
        answers = shortcut(self._kept(clips))
        rows: list[Tried] = []
        place: dict[str, int] = {}
        for part in range(len(clips)):
            plan = self.plans[part]
            added = {row.qa_id: row for row in plan.added}
            for row in self._kept_of(part):
                name = row["qa_id"]
                if name in answers:
                    plan.answerable[name] = answers[name]
                new = added.get(name)
                rows.append(Tried(name, row["type"], answers.get(name), row["contrast_set"], new is not None and new.prompt_hash == CONFLICT_HASH))
                place[name] = part
        self.untried = sum(name not in answers for name in place)
        gone = too_easy(rows, self.options.text_answerable)
        for name in gone:
            self.plans[place[name]].gone[name] = ANSWERABLE
        left = [row for row in rows if row.qa_id not in gone]
        self.counts["words alone: tried"] = len(rows) - self.untried
        self.counts["words alone: enough"] = sum(row.answerable is True for row in rows)
        self.counts["words alone: not enough"] = sum(row.answerable is False for row in rows)
        self.counts["words alone: nobody can tell"] = sum(row.answerable is None for row in rows) - self.untried
        self.counts["words alone: rows left"] = len(left)
        self.counts["words alone: enough among those left"] = sum(row.answerable is True for row in left)

    def _kept_of(self, part: int) -> Iterator[Row]:
        """The kept LLM-written rows of a part after the rules, those of settle among them."""
        plan, facts = self.plans[part], self.facts
        for row in facts.read(np.arange(facts.first_row[part], facts.first_row[part + 1])):
            if row["qa_id"] not in plan.gone:
                yield row | {"contrast_set": plan.sets.get(row["qa_id"])}
        for new in plan.added:
            yield {"kind": "cpqa", "type": "CE"} | {name: value for name, value in new._asdict().items() if name not in ("prompt_hash", "evidence")}

    def _kept(self, clips: Sequence[Path]) -> Iterator[Row]:
        """The same of all parts, with the transcript, language and emotion of their clips."""
        first = 0
        for part, path in enumerate(clips):
            told: dict[str, Row] = {}
            for at, clip in enumerate(read_part(path, [name for name in CLIP_COLUMNS if name != "opinions"])):
                told[clip["clip_id"]] = {"transcript": clip["transcript"], "language": clip["language"], "emotion": self.facts.label(first + at)}
            first += len(told)
            for row in self._kept_of(part):
                yield row | told[row["clip_id"]]
