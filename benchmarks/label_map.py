"""How often does a mapper find the one label that a free-text answer claims? Ours against exact match, a binary LLM judge and raw Sentence-BERT.

    python benchmarks/label_map.py [--quick] [--llm] [--items FILE ...]

All see the items of `label_items.yaml` (English; how they were written stands in its head) and of `tests/judge_label_languages.yaml` (six other languages).
Right at first contact, before anything was mended for it, by set: 380/404, 137/141, 66/76 and, by another hand, 197/220. Only these say what unseen text may bring:

- words: `map_labels` without an embedding, the word lists and their grammar;
- ours: `map_labels` with the bundled all-MiniLM-L6-v2 for answers without a known word, as `compute` has it;
- exact match: the answer, lower case and without punctuation, is the label;
- first label: the first word of the answer that is a label;
- SBERT: the label whose embedding is nearest to the answer's, with no threshold, the label bare and as "The speaker sounds X.";
- binary judge (--llm): AudioBench's idea for emotion and gender, where an LLM reads prediction and label and says yes or no. A verdict is no label, so it is asked
  twice: about the right label, where there is one, and about another, drawn by the item's number; it is right if it says yes and no. That is easier than mapping.
  Here the judge is the embedded SmolLM2-135M-Instruct. Without --llm this row is left out and said to be.

An item is right where the mapper returns its label, or none where it has none. Speed is answers a second of CPU time, without embeddings, the best of some rounds.
--quick times fewer rounds, and asks the judge about 60 items only. The last line is JSON, over the English items: right, negation, contrast_quotes_others (shares of
`ours`), refusals_mapped (share given a label), words_right, raw_sbert (the better of its two), exact_match, first_label, other_languages, labels_per_second.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

FILES = (ROOT / "benchmarks" / "label_items.yaml", ROOT / "benchmarks" / "label_items_others.yaml", ROOT / "tests" / "judge_label_languages.yaml")
NOT_THE_SPEAKERS = ("contrast", "quoted", "third_person", "contrast_and_others")
BINARY_ITEMS = 60


class Item(NamedTuple):
    """An answer, the labels to choose from, and the right one."""

    kind: str
    space: tuple[str, ...]
    text: str
    gold: str | None
    english: bool


Mapper = Callable[[Sequence[str], tuple[str, ...]], Sequence[str | None]]


def read_items(path: Path) -> Iterator[Item]:
    """The items of a file: batches of kinds of spaces, or languages of spaces."""
    import yaml

    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    spaces = {name: tuple(labels) for name, labels in content.pop("spaces").items()}
    for batch, parts in content.items():
        english = all(isinstance(found, dict) for found in parts.values())
        for kind, found in parts.items() if english else [(re.sub("^(?:second|third|fourth)_", "", batch), parts)]:
            for name, items in found.items():
                for text, gold in items:
                    yield Item(kind, spaces[name], text, gold, english)


def over_spaces(items: list[Item], mapper: Mapper) -> list[bool]:
    """Whether each item comes out right."""
    right = [False] * len(items)
    for space in dict.fromkeys(item.space for item in items):
        at = [i for i, item in enumerate(items) if item.space == space]
        for i, label in zip(at, mapper([items[i].text for i in at], space), strict=True):
            right[i] = label == items[i].gold
    return right


def words_of(text: str) -> str:
    return " ".join(re.findall(r"[\u0900-\u0963\u0970-\u097f]+|\w+", text.lower()))


def exact_match(texts: Sequence[str], space: tuple[str, ...]) -> list[str | None]:
    named = {words_of(label): label for label in space}
    return [named.get(words_of(text)) for text in texts]


def first_label(texts: Sequence[str], space: tuple[str, ...]) -> list[str | None]:
    found: list[str | None] = []
    for text in texts:
        places = {label: f" {words_of(text)} ".find(f" {words_of(label)} ") for label in space}
        said = [label for label in space if places[label] >= 0]
        found.append(min(said, key=lambda label: places[label], default=None))
    return found


def nearest(embedder: Any, frame: str) -> Mapper:
    """The label whose embedding is nearest, whatever the answer says."""

    def mapper(texts: Sequence[str], space: tuple[str, ...]) -> list[str | None]:
        likeness = embedder(texts) @ embedder([frame.format(label) for label in space]).T
        return [space[int(row.argmax())] for row in likeness]

    return mapper


def speed(items: list[Item], rounds: int) -> float:
    """Answers a second of CPU time, in the mix of the file, without embeddings."""
    from cp_paraling_qa.judge.label_map import map_labels

    groups = [([item.text for item in items if item.space == space], space) for space in dict.fromkeys(item.space for item in items)]
    best = float("inf")
    for _ in range(rounds + 1):  # the first builds the vocabularies
        started = time.process_time()
        for texts, space in groups:
            map_labels(texts, space)
        best = min(best, time.process_time() - started)
    return len(items) / best


def binary_judge(items: list[Item]) -> tuple[list[bool], dict[str, int]]:
    """What an LLM that only says yes or no gets right, and how often it said what."""
    from cp_paraling_qa.embedded import embedded_llm
    from cp_paraling_qa.judge.judging import JudgeConfig, ask
    from cp_paraling_qa.judge.rubric import quote

    schema = {"type": "object", "properties": {"verdict": {"type": "string", "enum": ["yes", "no"]}}, "required": ["verdict"], "additionalProperties": False}
    asked: list[tuple[int, str, str]] = []
    for i, item in enumerate(items):
        others = [label for label in item.space if label != item.gold]
        asked += [(i, item.gold, "yes")] if item.gold else []
        asked.append((i, others[i % len(others)], "no"))

    def prompts() -> Iterator[list[dict[str, str]]]:
        for i, label, _ in asked:
            order = "Does the answer say that the speaker's label is the one given? Reply with one JSON object, the verdict yes or no."
            yield [{"role": "system", "content": order}, {"role": "user", "content": f"Label: {quote(label)}\nAnswer: {quote(items[i].text)}"}]

    right = [True] * len(items)
    counts: dict[str, int] = {}
    with embedded_llm() as server:
        judge = JudgeConfig(base_url=server.base_url, model=server.model, max_tokens=64, concurrency=1)
        for (i, _, expected), reply in zip(asked, ask(judge, prompts, schema, contract="binary"), strict=True):
            try:
                said = json.loads(reply.text or "")["verdict"]
            except (ValueError, KeyError, TypeError):
                said = None
            counts[str(said)] = counts.get(str(said), 0) + 1
            right[i] &= said == expected
    return right, counts


def table(items: list[Item], columns: dict[str, list[bool]]) -> None:
    kinds = list(dict.fromkeys(item.kind for item in items))
    print(f"{'kind':22}{'n':>5}" + "".join(f"{name:>14}" for name in columns))
    for kind in [*kinds, "English", "other languages"]:
        at = [
            i for i, item in enumerate(items) if item.kind == kind or (kind == "English" and item.english) or (kind == "other languages" and not item.english)
        ]
        print(f"{kind:22}{len(at):5}" + "".join(f"{sum(right[i] for i in at) / len(at):14.1%}" for right in columns.values() if at))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds of timing, fewer items for the judge")
    parser.add_argument("--llm", action="store_true", help="the binary judge too")
    parser.add_argument("--items", type=Path, nargs="+", default=FILES, help="item files")
    arguments = parser.parse_args()
    from cp_paraling_qa.embed import SentenceEmbedder
    from cp_paraling_qa.judge.label_map import map_labels

    items = [item for path in arguments.items for item in read_items(path)]
    embedder = SentenceEmbedder()
    columns = {
        "words": over_spaces(items, lambda texts, space: [match.label for match in map_labels(texts, space)]),
        "ours": over_spaces(items, lambda texts, space: [match.label for match in map_labels(texts, space, embedder=embedder)]),
        "exact match": over_spaces(items, exact_match),
        "first label": over_spaces(items, first_label),
        "SBERT bare": over_spaces(items, nearest(embedder, "{}")),
        "SBERT sentence": over_spaces(items, nearest(embedder, "The speaker sounds {}.")),
    }
    table(items, columns)
    english = [i for i, item in enumerate(items) if item.english]

    def share(name: str, kinds: Sequence[str] = ()) -> float:
        at = [i for i in english if not kinds or items[i].kind in kinds]
        return round(sum(columns[name][i] for i in at) / max(len(at), 1), 4)

    figures: dict[str, Any] = {
        "n": len(english),
        "right": share("ours"),
        "negation": share("ours", ["negation"]),
        "contrast_quotes_others": share("ours", NOT_THE_SPEAKERS),
        "refusals_mapped": round(1 - share("ours", ["refusal"]), 4),
        "words_right": share("words"),
        "raw_sbert": max(share("SBERT bare"), share("SBERT sentence")),
        "exact_match": share("exact match"),
        "first_label": share("first label"),
        "labels_per_second": round(speed([items[i] for i in english], 3 if arguments.quick else 10)),
    }
    if others := [i for i, item in enumerate(items) if not item.english]:
        figures["other_languages"] = round(sum(columns["ours"][i] for i in others) / len(others), 4)
    if arguments.llm:
        chosen = english[:: max(1, len(english) // BINARY_ITEMS)] if arguments.quick else english
        verdicts, counts = binary_judge([items[i] for i in chosen])
        same = sum(columns["ours"][i] for i in chosen) / len(chosen)
        figures |= {"binary_judge": round(sum(verdicts) / len(verdicts), 4), "binary_judge_n": len(chosen)}
        print(f"binary judge (SmolLM2-135M): {figures['binary_judge']:.1%} of {len(chosen)} items; ours on the same: {same:.1%}. It said {counts}")
    else:
        print("binary judge: left out; --llm asks the embedded LLM")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
