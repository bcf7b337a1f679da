"""What the splits of a dataset share: speakers and clips that a model has met in training are no test, and questions that it has met are half of one."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, ClassVar

from cp_paraling_qa.generate.audit.control import order, spoken
from cp_paraling_qa.generate.audit.intervals import not_possible, share
from cp_paraling_qa.generate.audit.sources import Row
from cp_paraling_qa.generate.settle.likeness import plain_words


class Splits:
    """Speakers, clips, transcripts and questions that stand both in train and elsewhere."""

    needs: ClassVar[tuple[str, ...]] = ("split",)
    _WHAT = ("speakers", "clips", "transcripts", "questions", "questions_with_answer")

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, set[bytes]]] = defaultdict(lambda: {name: set() for name in self._WHAT})

    def add(self, row: Row) -> None:
        """Takes one row."""
        if row["split"] is None:
            return
        here = self._seen[row["split"]]
        if row["speaker_id"] is not None:
            here["speakers"].add(order(0, row["corpus"], row["speaker_id"]))
        if row["clip_id"] is not None:
            here["clips"].add(order(0, row["clip_id"]))
        if row["transcript"] is not None:
            here["transcripts"].add(spoken(row["transcript"]))
        question = plain_words(row["question"])
        here["questions"].add(order(0, question))
        here["questions_with_answer"].add(order(0, question, plain_words(row["answer"])))

    def report(self) -> dict[str, Any]:
        """JSON-able: for every split but train, the share of its distinct speakers, clips, transcripts and questions that train has as well."""
        if "train" not in self._seen or len(self._seen) < 2:
            return not_possible(f"a train split and another one are needed; there is {', '.join(sorted(self._seen)) or 'none'}")
        train = self._seen["train"]
        return {
            "shared_with_train": {
                split: {name: share(len(seen & train[name]), len(seen)) for name, seen in sets.items() if seen}
                for split, sets in sorted(self._seen.items())
                if split != "train"
            }
        }
