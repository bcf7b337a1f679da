"""A RUN folder written by hand, as far as settling looks at it: clips, and the questions that were written about them."""

import re
import zlib
from collections import Counter

import numpy as np

from cp_paraling_qa.generate.records import question_row
from cp_paraling_qa.generate.settle import SettleOptions, settle
from cp_paraling_qa.schema import CLIP_SCHEMA, QUESTION_SCHEMA, opinion
from cp_paraling_qa.stage import Part, finish, read_rows, run


class Letters:
    """An embedder whose cosine can be told by hand: texts are counts of their words. It keeps what it was asked."""

    name = "words"

    def __init__(self):
        self.seen = []

    def __call__(self, texts):
        self.seen += texts
        rows = np.zeros((len(texts), 4096), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word, count in Counter(re.findall(r"\w+", text.lower())).items():
                row[zlib.crc32(word.encode()) % 4096] += count
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def clip(clip_id, words="Kids are talking by the door.", emotion="sad", speaker="s1", **more):
    said = [opinion("emotion", emotion, source="human", rater="a")] if emotion else []
    if "valence" in more:
        said.append(opinion("valence", score=more.pop("valence"), source="human", rater="a"))
    row = dict.fromkeys(CLIP_SCHEMA.names) | {"clip_id": clip_id, "corpus": "c", "duration": 2.0, "language": "en", "words": []}
    return row | {"speaker_id": speaker, "transcript": words, "opinions": said} | more


def ask(of, question, answer, *, kind="cpqa", type="CE", label=None, **more):
    return dict(question_row(of, kind, type, question, answer, label=label, generator=more.pop("generator", "llm"), prompt_hash="p", **more))


class Copy:
    """A stage that makes of each part what it was given."""

    version, config = 1, {}

    def __init__(self, name, schema):
        self.name, self.schema, self.drops = name, schema, []

    def setup(self):
        pass

    def __call__(self, rows):
        return rows


def write_run(folder, *parts):
    """RUN/clips and RUN/written; a part is [(clip, [question rows])]."""
    for name, schema, rows in (
        ("clips", CLIP_SCHEMA, [[one for one, _ in part] for part in parts]),
        ("written", QUESTION_SCHEMA, [[row for _, rows in part for row in rows] for part in parts]),
    ):
        made = [Part(f"part-{number:05d}", repr(content), content) for number, content in enumerate(rows)]
        outcome = run(Copy(name, schema), made, folder / name)
        finish(folder / name, name, {name: outcome}, {}, made_from="0")
    return folder


def settled(folder, *, embedder=None, **options):
    """Settles a run; its rows, and the record."""
    more = {name: options.pop(name) for name in ("shortcut", "shortcut_name", "told", "config") if name in options}
    from cp_paraling_qa.stage import read_record

    key = read_record(folder / "written")["key"]
    record = settle(folder, SettleOptions(**options), clips=folder / "clips", made_from=key, embedder=embedder or Letters(), **more)
    return list(read_rows(folder / "questions")), record
