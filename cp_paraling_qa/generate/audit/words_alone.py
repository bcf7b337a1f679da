"""Shortcuts that need no LLM: how well a bag of words predicts the label, from the question alone and from the transcript alone.

TF-IDF of words and pairs of words, logistic regression, cross-validated twice. With speakers (clips, where no speakers are known) held out, a sentence that always has the
same label can be learnt by heart, as a model that is trained on this dataset would. With sentences held out, only what words mean helps. What either scores above a constant
answer can be scored without listening. Far below it means that labels are spread evenly over each sentence: every one that was seen makes its own label less likely
for the rest. That is no shortcut, and what a balanced design looks like.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from cp_paraling_qa.generate.audit.control import order, said, spoken
from cp_paraling_qa.generate.audit.intervals import effective_number, not_possible, share
from cp_paraling_qa.generate.audit.sources import Row

FOLDS = 5
MOST = 10_000
"""Rows of one type that are learnt from, chosen by their id: more hardly move the figure, and take minutes."""
_TOKEN = r"(?u)[぀-ヿ㐀-鿿]|[^\W぀-ヿ㐀-鿿]+"
"""Words; in scripts without spaces, characters."""


class _Kept(NamedTuple):
    """A row that is learnt from; `place`, then the rest, orders them whatever the order of the rows."""

    place: int
    text: str
    label: str
    who: str
    words: str


class WordsAlone:
    """Predicts labels from one column's words.

    Args:
        column: question or transcript.
        seed: of the folds and of the choice of rows.
        most: rows of one type that are used at most.
    """

    needs: ClassVar[tuple[str, ...]] = ("label",)

    def __init__(self, column: str, *, seed: int = 0, most: int = MOST) -> None:
        self.column, self.seed, self.most = column, seed, most
        self._kept: dict[str, list[_Kept]] = defaultdict(list)  # heaps
        self._rows: Counter[str] = Counter()

    def add(self, row: Row) -> None:
        """Takes one row."""
        text = said(row) if self.column == "transcript" else row["question"]
        if row["label"] is None or not text:
            return
        kind = row["type"] or "–"
        self._rows[kind] += 1
        who = next((name for name in ("speaker_id", "clip_id", "transcript") if row[name] is not None), "qa_id")
        words = spoken(row["transcript"] or row["question"]).hex()
        place = -int.from_bytes(order(self.seed, row["qa_id"], row["split"]))
        heapq.heappush(self._kept[kind], _Kept(place, text, row["label"], f"{who}/{row['corpus']}/{row[who]}", words))
        if len(self._kept[kind]) > self.most:
            heapq.heappop(self._kept[kind])

    def report(self) -> dict[str, Any]:
        """JSON-able, by type: constant (share of the most frequent label), uar_chance (1 / labels), and `held_out` for speakers and for sentences.

        Each of those holds accuracy (its interval takes the groups for what is independent), uar (mean recall of the labels), groups and folds.
        """
        if not self._rows:
            return not_possible(f"no row with a label and a {self.column}")
        return {"from": self.column, "by_type": {kind: self._of_type(kind) for kind in sorted(self._rows)}}

    def _of_type(self, kind: str) -> dict[str, Any]:
        every = sorted(self._kept[kind])
        often = Counter(row.label for row in every)
        rows = [row for row in every if often[row.label] >= FOLDS]
        labels = Counter(row.label for row in rows)
        found = {"rows": self._rows[kind], "used": len(rows), "rare_labels": sorted(label for label, n in often.items() if n < FOLDS)}
        if len(labels) < 2:
            return found | not_possible(f"fewer than two labels with {FOLDS} rows")
        held_out = {
            "speakers": _predict(rows, [row.who for row in rows], self.seed),
            "sentences": _predict(rows, [row.words for row in rows], self.seed),
        }
        return found | {"constant": share(max(labels.values()), len(rows)), "uar_chance": 1 / len(labels), "held_out": held_out}


def _predict(rows: Sequence[_Kept], groups: Sequence[str], seed: int) -> dict[str, Any]:
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold

    if len(set(groups)) < 2:
        return not_possible("one group only")
    texts, labels = [row.text for row in rows], [row.label for row in rows]
    folds = StratifiedGroupKFold(min(FOLDS, len(set(groups))), shuffle=True, random_state=seed)
    guessed = np.empty(len(rows), dtype=object)
    try:
        for train, test in folds.split(texts, labels, groups):
            if len(train) and len(test):
                guessed[test] = _learn([texts[i] for i in train], [labels[i] for i in train], [texts[i] for i in test])
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        return not_possible("the texts hold no words")
    by_group: dict[str, list[bool]] = defaultdict(list)
    by_label: dict[str, list[bool]] = defaultdict(list)
    for guess, label, group in zip(guessed, labels, groups, strict=True):
        by_group[group].append(bool(guess == label))
        by_label[label].append(bool(guess == label))
    worth = effective_number((sum(each), len(each)) for each in by_group.values())
    return {
        "accuracy": share(sum(map(sum, by_group.values())), len(rows), effective=worth),
        "uar": sum(sum(each) / len(each) for each in by_label.values()) / len(by_label),
        "groups": len(by_group),
        "folds": folds.get_n_splits(),
    }


def _learn(texts: list[str], labels: list[str], unseen: list[str]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if len(set(labels)) < 2:
        return [labels[0]] * len(unseen)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=_TOKEN)
    return make_pipeline(words, LogisticRegression(C=10.0, max_iter=1000)).fit(texts, labels).predict(unseen)
