"""Repeats among the LLM-written questions of a clip and of a speaker: which go, and why.

Within a clip a question repeats another that asks the same thing (`likeness`), whatever it is answered: one of two answers would be wrong, or there is nothing new in it.
Across the clips of a speaker the same question is wanted where the answer differs: that is what makes somebody listen. So there a contextual question repeats another
only where both come to the same answer (the same label, or the same named feelings), and

- the spoken words are the same: then question, words and label are all the same, and only the recording is another; or
- the answer says the same as well: then a listener learns nothing from the second pair that the first did not say.

The first of several stays: one of a contrast set, else one with a label, else the smallest qa_id, which is a hash of the content; so the order in which questions were
written or read means nothing. The same question of another speaker is no repeat.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cp_paraling_qa.embed import Embedder, Vectors
from cp_paraling_qa.generate.settle.likeness import OTHER, WHY, Sense, plain_words, said_by, sense_of
from cp_paraling_qa.generate.settle.options import SettleOptions

IN_CLIP, NEAR_IN_CLIP = "repeat in the clip", "near repeat in the clip"
OF_SPEAKER, NEAR_OF_SPEAKER = "repeat for the speaker", "near repeat for the speaker"
TOO_MANY_WHY = "too many why-questions of the speaker"
REASONS = (IN_CLIP, NEAR_IN_CLIP, OF_SPEAKER, NEAR_OF_SPEAKER, TOO_MANY_WHY)

CONTEXTUAL = ("C", "CE", "CG", "CS")
BLOCK = 512
"""Questions that are compared at a time …"""
CHUNK = 8192
"""… with so many others: 16 MB for a table of cosines, however many questions a speaker has."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Item:
    """A kept LLM-written question, as far as the rules look at it.

    Args:
        qa_id: of its row.
        clip: a number for its clip.
        words: a number for its clip's spoken words; -1 where there are none.
        type: of `schema.QUESTION_TYPES`.
        question: as asked.
        answer: as answered.
        label: the closed-form answer where there is one.
        fixed: one of a contrast set: others give way to it, it to none.
    """

    qa_id: str
    clip: int
    words: int
    type: str
    question: str
    answer: str
    label: str | None = None
    fixed: bool = False

    @cached_property
    def sense(self) -> Sense:
        """What the question asks."""
        return sense_of(self.question)

    @cached_property
    def said(self) -> str:
        """What the answer comes to."""
        return said_by(self.answer, self.label)

    @property
    def rank(self) -> tuple[bool, bool, str]:
        """Its place among repeats; the first stays."""
        return not self.fixed, self.label is None, self.qa_id


def repeats(speakers: Sequence[Sequence[Item]], options: SettleOptions, embed: Embedder | None = None) -> list[dict[str, str]]:
    """Which questions repeat others.

    Args:
        speakers: the questions of each speaker; those of a clip whose speaker nobody knows stand by themselves. Several at a time only so that few long batches are
            embedded rather than many short ones.
        options: which rules hold.
        embed: needed where `options.embeds`; called with texts that have something to be compared with, and with no others.

    Returns:
        for each speaker, qa_id → reason of those that go.
    """
    gone: list[dict[str, str]] = [{} for _ in speakers]
    left = [sorted(items, key=lambda item: item.rank) for items in speakers]
    if options.repeats:
        for items, dropped in zip(left, gone, strict=True):
            _exact(items, dropped)
    left = [[item for item in items if item.qa_id not in dropped] for items, dropped in zip(left, gone, strict=True)]
    for threshold, across in ((options.near_within, False), (options.near_across, True)):
        if threshold is None or embed is None:
            continue
        groups = [(number, group) for number, items in enumerate(left) for group in _comparable(items, across=across)]
        for number, qa_id in _near(groups, embed, threshold, across=across):
            gone[number][qa_id] = NEAR_OF_SPEAKER if across else NEAR_IN_CLIP
        left = [[item for item in items if item.qa_id not in dropped] for items, dropped in zip(left, gone, strict=True)]
    return gone


def _exact(items: Iterable[Item], gone: dict[str, str]) -> None:
    """Repeats word for word; items in the order of their rank."""
    clips: set[tuple[int, str]] = set()
    pairs: dict[tuple[str, ...], int] = {}
    for item in items:
        asked = item.sense.exact
        keys: list[tuple[str, ...]] = []
        if item.type in CONTEXTUAL:
            keys = [("answer", asked, item.said, plain_words(item.answer))]
            keys += [("words", asked, item.said, str(item.words))] if item.said and item.words >= 0 else []
        if not item.fixed and (item.clip, asked) in clips:
            gone[item.qa_id] = IN_CLIP
        elif not item.fixed and any(pairs.get(key, item.clip) != item.clip for key in keys):
            gone[item.qa_id] = OF_SPEAKER
        else:
            clips.add((item.clip, asked))
            for key in keys:
                pairs.setdefault(key, item.clip)


def _comparable(items: Iterable[Item], *, across: bool) -> Iterator[list[Item]]:
    """Questions that could repeat each other, in the order of their rank; those that stand alone are left out."""
    groups: dict[tuple[object, ...], list[Item]] = defaultdict(list)
    for item in items:
        if not across:
            groups[item.clip, item.sense.ask, item.sense.telling].append(item)
        elif item.type in CONTEXTUAL:
            groups[item.said, item.sense.ask, item.sense.telling].append(item)
    for group in groups.values():
        if len(group) > 1 and (not across or len({item.clip for item in group}) > 1):
            yield group


def _near(groups: Sequence[tuple[int, list[Item]]], embed: Embedder, threshold: float, *, across: bool) -> Iterator[tuple[int, str]]:
    """The near repeats of each group. Answers are embedded only for questions that are near to another one's."""
    questions = _Texts(item.question for _, group in groups for item in group)
    questions.load(embed)
    close: list[tuple[int, _Compared]] = []
    for number, group in groups:
        if pair := _Compared(group, questions, threshold, across=across).with_a_like():
            close.append((number, _Compared(pair, questions, threshold, across=across)))
    if across:
        answers = _Texts(item.answer for _, compared in close for item in compared.items)
        answers.load(embed)
        for _, compared in close:
            compared.hear(answers)
    for number, compared in close:
        for item in compared.repeated():
            yield number, item.qa_id


class _Texts:
    """Each different text once, and its vector."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.number: dict[str, int] = {}
        for text in texts:
            self.number.setdefault(text, len(self.number))
        self.vectors: Vectors = np.zeros((0, 0), dtype=np.float32)

    def load(self, embed: Embedder) -> None:
        """Embeds them."""
        if self.number:
            self.vectors = embed(list(self.number))


class _Compared:
    """Questions of one group side by side, in numbers."""

    def __init__(self, items: Sequence[Item], questions: _Texts, threshold: float, *, across: bool) -> None:
        self.items, self.questions, self.threshold, self.across = items, questions, threshold, across
        self.answers: Vectors | None = None
        self.question = np.array([questions.number[item.question] for item in items])
        matters: dict[frozenset[str] | None, int] = {}
        self.matter = np.array([-1 if item.sense.ask == OTHER else matters.setdefault(item.sense.matter, len(matters)) for item in items])
        self.clip = np.array([item.clip for item in items])
        self.words = np.array([item.words if item.said else -1 for item in items])
        self.answer = self.question

    def hear(self, answers: _Texts) -> None:
        """From now on the answers count as well."""
        self.answers, self.answer = answers.vectors, np.array([answers.number[item.answer] for item in self.items])

    def asks_same(self, some: NDArray[np.int64], others: NDArray[np.int64]) -> Flags:
        """Whether each of some asks the same as each of others; a table."""
        vectors, cut = self.questions.vectors, self.threshold
        same = vectors[self.question[some]] @ vectors[self.question[others]].T >= cut
        matter = self.matter[some]
        same |= (matter[:, None] == self.matter[others]) & (matter >= 0)[:, None]
        clips = self.clip[some][:, None] == self.clip[others]
        found: Flags = same & ~clips if self.across else same
        return found

    def repeats(self, some: NDArray[np.int64], others: NDArray[np.int64]) -> Flags:
        """Whether each of some repeats each of others; a table."""
        same = self.asks_same(some, others)
        if self.answers is None or not same.any():
            return same
        words = self.words[some]
        alike = (words[:, None] == self.words[others]) & (words >= 0)[:, None]
        alike |= self.answers[self.answer[some]] @ self.answers[self.answer[others]].T >= self.threshold
        found: Flags = same & alike
        return found

    def with_a_like(self) -> list[Item]:
        """Those that ask the same as another one."""
        every = np.arange(len(self.items))
        like = np.zeros(len(every), dtype=bool)
        for first in range(0, len(every), BLOCK):
            some = every[first : first + BLOCK]
            for start in range(0, first + len(some), CHUNK):
                others = every[start : min(start + CHUNK, first + len(some))]
                same = self.asks_same(some, others) & (others[None, :] < some[:, None])
                like[some] |= same.any(axis=1)
                like[others] |= same.any(axis=0)
        return [item for item, found in zip(self.items, like, strict=True) if found]

    def repeated(self) -> Iterator[Item]:
        """Those that repeat one that stays; greedy, in the order of their rank."""
        stay = np.zeros(len(self.items), dtype=np.int64)
        kept = 0
        for first in range(0, len(self.items), BLOCK):
            some = np.arange(first, min(first + BLOCK, len(self.items)))
            out = np.zeros(len(some), dtype=bool)
            for start in range(0, kept, CHUNK):
                out |= self.repeats(some, stay[start : min(start + CHUNK, kept)]).any(axis=1)
            among = self.repeats(some, some)
            for at, item in enumerate(self.items[first : first + BLOCK]):
                if not item.fixed and (out[at] or among[at, :at][~out[:at]].any()):
                    out[at] = True
                    yield item
                else:
                    out[at] = False
                    stay[kept] = some[at]
                    kept += 1


def too_many_why(items: Iterable[Item], share: float) -> dict[str, str]:
    """The questions for reasons that are beyond their share of a speaker's contextual questions.

    arXiv 2505.13338 filters "why does the speaker feel …"; how many it leaves is not told. Those of clips that have nothing else stay first, then one of each clip, then those with the smallest qa_id. One may always stay.

    Args:
        items: what is left of a speaker's questions.
        share: of the contextual questions that are left afterwards; 0–1.

    Returns:
        qa_id → reason.

    Example:
        >>> why = [Item(f"w{n}", n, 0, "CE", "Why is the speaker so sad?", "So.") for n in range(4)]
        >>> too_many_why([*why, Item("f", 0, 0, "CE", "How does the speaker feel?", "Sad.")], 0.5)
        {'w2': 'too many why-questions of the speaker', 'w3': 'too many why-questions of the speaker', 'w0': 'too many why-questions of the speaker'}
    """
    contextual = [item for item in items if item.type in CONTEXTUAL]
    why = sorted((item for item in contextual if item.sense.ask == WHY and not item.fixed), key=lambda item: item.rank)
    others = len(contextual) - len(why)
    if share >= 1:
        return {}
    most = max(1, int(share * others / (1 - share) + 1e-9))
    has_more = {item.clip for item in contextual if item.sense.ask != WHY or item.fixed}
    turn: dict[int, int] = defaultdict(int)
    order = []
    for item in why:
        order.append((turn[item.clip], item.clip in has_more, item.rank, item.qa_id))
        turn[item.clip] += 1
    return {qa_id: TOO_MANY_WHY for *_, qa_id in sorted(order)[most:]}
