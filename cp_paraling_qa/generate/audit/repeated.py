"""Questions that repeat each other in a clip and for a speaker, and questions for reasons, by the rules with which a run drops them (`generate.settle`)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from cp_paraling_qa.embed import Embedder
from cp_paraling_qa.generate.audit.control import order, spoken
from cp_paraling_qa.generate.audit.intervals import not_possible, ranked, share
from cp_paraling_qa.generate.audit.sources import Row
from cp_paraling_qa.generate.settle.likeness import WHY, ask_of, plain_words
from cp_paraling_qa.generate.settle.options import NEAR, SettleOptions
from cp_paraling_qa.generate.settle.repeats import IN_CLIP, NEAR_IN_CLIP, NEAR_OF_SPEAKER, OF_SPEAKER, Item, repeats

MADE = ("asr", "pqa_template")
"""Kinds that templates make: they repeat their wordings on purpose, and the filters for what an LLM writes say nothing about them."""
MOST = 20_000
"""Questions that are compared by meaning, of whole speakers chosen by their name: embedding takes seconds a thousand."""
BATCH = 2000
EXAMPLES = 3

_Asked = tuple[str, int, int, str, str, str, str | None]
"""The arguments of an `Item`."""


class Repeats:
    """Repeats word for word over all written questions, and near ones where an embedding is at hand. Rows without a type count as contextual.

    Args:
        embed: sentence embedding; None leaves near repeats out.
        near: cosine, 0–1.
        most: questions that are compared by meaning at most.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, embed: Embedder | None, *, near: float = NEAR, most: int = MOST) -> None:
        self.embed, self.near, self.most = embed, near, most
        self._speakers: dict[str, list[_Asked]] = defaultdict(list)
        self._clips: dict[str, int] = {}
        self._words: dict[bytes, int] = {}
        self._asked: Counter[str] = Counter()
        self._ids: Counter[str] = Counter()
        self._made = self._alone = 0

    def add(self, row: Row) -> None:
        """Takes one row."""
        if row["kind"] in MADE:
            self._made += 1
            return
        asked = plain_words(row["question"])
        self._asked[asked] += 1
        if row["clip_id"] is None:
            self._alone += 1
            return
        self._ids[row["qa_id"]] += 1
        clip = self._clips.setdefault(row["clip_id"], len(self._clips))
        words = self._words.setdefault(spoken(row["transcript"]), len(self._words)) if row["transcript"] else -1
        name = f"{row['qa_id']} {self._ids[row['qa_id']]}"  # a row that stands there twice is a repeat as well
        who = f"speaker/{row['corpus']}/{row['speaker_id']}" if row["speaker_id"] is not None else f"clip/{row['clip_id']}"
        self._speakers[who].append((name, clip, words, row["type"] or "C", row["question"], row["answer"], row["label"]))

    def report(self) -> dict[str, Any]:
        """JSON-able: distinct questions, and for each kind of repeat the share of the questions that repeat another one, with examples."""
        asked = self._asked.total()
        if not asked:
            return not_possible("every question is a template's")
        found: dict[str, Any] = {
            "templates_left_out": self._made,
            "distinct": share(len(self._asked), asked),
            "most_frequent": [{"question": question} | share(n, asked) for question, n in ranked(self._asked, EXAMPLES).items() if n > 1],
        }
        if not self._speakers:
            missing = not_possible("no column clip_id")
            return found | {"repeats": missing, "near_repeats": missing}
        everyone = sorted(self._speakers, key=lambda who: order(0, who))
        found["repeats"] = self._repeats(everyone, None, (IN_CLIP, OF_SPEAKER))
        if self.embed is None:
            return found | {"near_repeats": not_possible("no sentence embedding at hand: pip install 'cp-paraling-qa[embedded]'")}
        some: list[str] = []
        for who in everyone:
            if some and sum(len(self._speakers[one]) for one in some) + len(self._speakers[who]) > self.most:
                break
            some.append(who)
        return found | {"near": self.near, "near_repeats": self._repeats(some, self.embed, (NEAR_IN_CLIP, NEAR_OF_SPEAKER))}

    def _repeats(self, who: Sequence[str], embed: Embedder | None, reasons: tuple[str, ...]) -> dict[str, Any]:
        options = SettleOptions(near_within=self.near, near_across=self.near)
        counts: Counter[str] = Counter()
        examples: dict[str, list[str]] = {reason: [] for reason in reasons}
        n = 0
        for some in self._batches(who):
            items = [[Item(*asked) for asked in self._speakers[one]] for one in some]
            n += sum(map(len, items))
            for mine, gone in zip(items, repeats(items, options, embed), strict=True):
                counts.update(gone.values())
                for item in mine:
                    if (reason := gone.get(item.qa_id)) in examples and len(examples[reason]) < EXAMPLES:
                        examples[reason].append(item.question)
        return {reason: share(counts[reason], n) | {"examples": examples[reason]} for reason in reasons}

    def _batches(self, who: Iterable[str]) -> Iterator[list[str]]:
        """Speakers, some thousand questions at a time: what the rules make of a question takes more room than the question."""
        some: list[str] = []
        for one in who:
            some.append(one)
            if sum(len(self._speakers[each]) for each in some) >= BATCH:
                yield some
                some = []
        if some:
            yield some


class WhyShare:
    """How many questions ask why the speaker sounds the way they do, in any of its paraphrases (English): what arXiv 2505.13338 filters."""

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self._why: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()

    def add(self, row: Row) -> None:
        """Takes one row."""
        if row["kind"] in MADE or row["language"] not in (None, "en"):
            return
        why = ask_of(row["question"]) == WHY
        for kind in ("", row["type"] or "–"):
            self._rows[kind] += 1
            self._why[kind] += why

    def report(self) -> dict[str, Any]:
        """JSON-able: the share over all written questions, and by type."""
        if not self._rows:
            return not_possible("no written question in English")
        part = {kind: share(self._why[kind], n) for kind, n in sorted(self._rows.items())}
        return {"all": part.pop(""), "by_type": part}
