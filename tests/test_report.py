"""The report: what it says, that nothing in it runs or reaches out, and that it bears any text."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import browser
import pytest

from cp_paraling_qa.errors import StorageError
from cp_paraling_qa.judge.scorefile import score_answers
from cp_paraling_qa.report import write_report
from cp_paraling_qa.report.card import FOR_LABELS, UNSHOWN, USABLE, judge_card
from cp_paraling_qa.report.disagreements import HARSH, LENIENT, PEOPLE, SPLIT, worst
from cp_paraling_qa.report.page import MOST_BYTES, render_report
from cp_paraling_qa.report.sound import data_uri
from cp_paraling_qa.report.tables import matrices, score_groups, slice_rows
from cp_paraling_qa.report.wording import clean

VOID = {"meta", "br", "img", "link", "input", "hr"}
HOSTILE = "</textarea></title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'>{{7*7}}{% raw %}\u202eevil\u2066\x00\x1b 😀 שלום العربية $x_1$"


class Page(HTMLParser):
    """Tags, attributes, ids and texts of a page; complains of tags that do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def row(number: int, prediction: str, label: str | None = "sad", **more: Any) -> dict[str, Any]:
    base = {"id": f"q{number}", "clip_id": f"c{number}", "config": "implicit", "type": "DE", "question": "How do they feel?"}
    return base | {"prediction": prediction, "reference": f"They sound {label}.", "label": label, "emotion": label} | more


def scored(rows: list[dict[str, Any]], scores: list[int] | None = None, explanation: str = "because", **options: Any) -> Any:
    def judge(prompts: list[Any]) -> list[str]:
        return [json.dumps({"explanation": explanation, "score": score}) for score in scores or ()]

    return score_answers(rows, judge=judge if scores else None, embedder=None, n_bootstrap=100, **options)


def page_of(rows: list[dict[str, Any]], scores: list[int] | None = None, *, audio: Any = None, **options: Any) -> Page:
    done = scored(rows, scores, **options)
    return Page(render_report({"file": "p.jsonl", **done.scores}, done.rows, audio=audio).decode("utf-8"))


def check_alone(page: Page) -> None:
    """Nothing runs, nothing is fetched, every id is one."""
    assert not page.tags.keys() & {"script", "iframe", "object", "embed", "link", "form", "img"}
    assert not [item for item in page.attributes if item[1].startswith("on") and item[1] != "onset"]
    for _, name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            assert value.startswith(("data:audio/", "#")), (name, value[:80])
        if name == "style":
            assert not re.search(r"url\((?!#)", value), value[:80]
    policy = next(value for tag, name, value in page.attributes if tag == "meta" and name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'") and "script-src" not in policy
    ids = Counter(value for _, name, value in page.attributes if name == "id")
    assert [name for name, count in ids.items() if count > 1] == []


def test_hostile_text_is_text_everywhere() -> None:
    rows = [
        row(n, "They sound sad." if n % 2 else HOSTILE + "sad", type=HOSTILE, config=HOSTILE, emotion=HOSTILE, gender=f"{HOSTILE}{n % 3}") for n in range(30)
    ]
    rows += [row(99, "x" * 100_000 + " they sound sad", clip_id=HOSTILE, id=HOSTILE, question=HOSTILE, reference=HOSTILE, label="angry")]
    done = scored(rows, [n % 6 for n in range(30)] + [5], explanation=HOSTILE)
    scores = {"file": f"/somewhere/{HOSTILE.replace('/', '')}.jsonl"} | done.scores
    scores["judge"]["models"] = [HOSTILE]
    made = render_report(scores, done.rows, audio={HOSTILE: b"fLaC" + bytes(100)})
    page = Page(made.decode("utf-8"))
    check_alone(page)
    assert "<script>alert(1)</script><img src=x onerror=alert(1)>\"'>{{7*7}}{% raw %}" in page.words
    assert "😀 שלום العربية $x_1$" in page.words
    assert "\x00" not in made.decode() and "\x1b" not in made.decode()
    assert len(made) < 1_000_000
    assert "more characters in judgements.jsonl" in page.words  # the 100,000 are cut, and it is said
    assert "/somewhere" not in made.decode()


def test_what_a_page_says_of_a_small_file() -> None:
    # 3 of 4 labels right, one refused; scores 5, 5, 0, 1 → mean 2.75 of 5 → 55.0
    rows = [row(0, "sad"), row(1, "sad"), row(2, "angry", "angry"), row(3, "I cannot tell.", "angry")]
    page = page_of(rows, [5, 5, 0, 1])
    assert "LLM judge, 0–100 55.0 95 % interval" in page.words
    assert "coverage 100 %: 4 of 4 answers scored" in page.words
    assert "Accuracy of labels, % 75.0" in page.words
    assert "Not shown to be usable" in page.words
    assert "4 answers about 4 clips" in page.words
    assert "Score 0 of 5; true angry , answered angry" in page.words  # the right answer that the judge gave nothing
    assert "refusal 1 25 %" in page.words
    assert page.tags["table"] == page.tags["caption"]
    check_alone(page)


def test_without_a_judge_nothing_is_claimed_of_one() -> None:
    page = page_of([row(0, "sad"), row(1, "angry")])
    assert "No judge was asked" in page.words and page.words.count("Not shown: no judge was asked.") == 2
    assert page.tags["audio"] == 0
    nothing = page_of([row(0, "Something.", None)])
    assert "Not shown: no answer has a true label." in nothing.words


def test_confusion_by_hand() -> None:
    rows = [row(0, "sad"), row(1, "happy"), row(2, "I cannot tell."), row(3, "happy", "happy"), row(4, "It is sad.", "happy", type="CE")]
    found = {matrix.title: matrix for matrix in matrices(scored(rows).scores)}
    direct = found["implicit · DE: direct, emotion"]
    assert direct.columns == ["happy", "sad", "unmapped"]
    # happy: 1 of 1 right; sad: one happy, one sad, one unmapped
    assert direct.rows == [("happy", 1, [(1, 1.0), (0, 0.0), (0, 0.0)]), ("sad", 3, [(1, 1 / 3), (1, 1 / 3), (1, 1 / 3)])]
    assert direct.right == [0, 1]


def test_slices_grey_what_is_small_and_leave_out_what_is_alike() -> None:
    rows = [row(n, "sad", gender="female" if n < 19 else "male", duration=float(n)) for n in range(60)]
    done = scored(rows, [5] * 60)
    shown = slice_rows(done.scores)
    assert "Config" not in shown and "Question type" not in shown
    assert [(name, n, judged.few) for name, n, judged, _ in shown["Gender"]] == [("female", 19, True), ("male", 41, False)]
    assert [(name, n) for name, n, _, _ in shown["Duration"]] == [("up to 19.0 s", 20), ("over 19.0 to 39.0 s", 20), ("over 39.0 s", 20)]
    page = Page(render_report({"file": "p", **done.scores}, done.rows).decode())
    assert "female (fewer than 20) 19" in page.words
    assert page.tags["svg"] == 3  # two forests, one distribution
    check_alone(page)


def one(name: str, score: float | None, label: str | None, mapped: str | None, scores: list[Any], human: float | None = None) -> dict[str, Any]:
    return {"id": name, "config": "c", "score": score, "label": label, "mapped": mapped, "scores": scores, "human": human}


def test_worst_disagreements_by_hand() -> None:
    rows = [
        one("harsh", 1.0, "sad", "sad", [1, 1]),
        one("lenient", 5.0, "sad", None, [5, 5]),
        one("lenient too", 4.0, "sad", "angry", [4, 4]),
        one("split", 2.5, None, None, [0, 5, None]),
        one("people", 5.0, None, None, [5, 5], human=1.0),
        one("half", 2.5, "sad", "sad", [3, 2]),  # half the scale is not more than half
        one("fine", 5.0, "sad", "sad", [5, 4], human=4.0),
        one("unscored", None, "sad", "sad", [None, None]),
    ]
    assert [(item.kind, item.row["id"], round(item.size, 3)) for item in worst(rows, (0, 5))] == [
        (LENIENT, "lenient", 1.0),
        (LENIENT, "lenient too", 0.8),
        (HARSH, "harsh", 0.8),
        (PEOPLE, "people", 0.8),
        (SPLIT, "split", 1.0),
    ]
    many = [one(f"l{n:02}", 5.0, "sad", "angry", [5]) for n in range(50)] + [one("h", 0.0, "sad", "sad", [0])]
    found = worst(many, (0, 5))
    assert len(found) == 20 and found[-1].row["id"] == "h"  # one kind does not crowd out another


def test_the_score_distribution_counts_each_answer_once() -> None:
    rows = [one("a", 4.5, "sad", "sad", []), one("b", 4.4, "sad", None, []), one("c", 0.0, None, None, []), one("d", None, "sad", "sad", [])]
    assert score_groups(rows) == {"right label (n = 1)": {5: 1}, "wrong label (n = 1)": {4: 1}, "no label (n = 1)": {0: 1}}
    assert score_groups([one("a", -1.7, None, None, [])]) == {"no label (n = 1)": {-2: 1}}  # a scale may lie below 0


GOOD = {
    "judge": {"model": "m", "models": ["m"], "repeats": 3, "rubric": "open", "rubric_hash": "h", "scale": [0, 5], "temperatures": [0.7]},
    "n": 200,
    "n_scored": 198,
    "coverage": 0.99,
    "judge_alpha": 0.9,
    "judge_label_n": 198,
    "judge_label_auc": 0.9,
    "judge_label_auc_ci_low": 0.85,
    "judge_label_auc_ci_high": 0.95,
    "human_spearman": 0.7,
    "human_spearman_n": 100,
    "human_spearman_ci_low": 0.6,
    "human_spearman_ci_high": 0.8,
    "alt_test": {"passed": True, "winning_rate": 1.0, "n_raters": 3, "advantage_probability": 0.8, "epsilon": 0.15, "n": 100},
}
NOBODY = {"human_spearman": None, "human_spearman_n": 0, "human_spearman_ci_low": None, "alt_test": None}


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({}, USABLE, "agrees with people"),
        ({"coverage": 0.9}, UNSHOWN, "coverage is below its bar"),
        ({"judge_alpha": 0.7}, UNSHOWN, "stability is below its bar"),
        ({"judge_alpha": None}, UNSHOWN, "nothing is known of its stability"),
        ({"human_spearman_ci_low": 0.45}, UNSHOWN, "agreement with people is below its bar"),
        ({"human_spearman_n": 49}, UNSHOWN, "agreement with people is below its bar"),
        ({"alt_test": GOOD["alt_test"] | {"passed": False}}, UNSHOWN, "agreement with people is below its bar"),  # type: ignore[operator]
        ({"alt_test": GOOD["alt_test"] | {"passed": None, "reason": "too few items"}}, USABLE, "agrees with people"),  # type: ignore[operator]
        (NOBODY, FOR_LABELS, "questions that have a label"),
        (NOBODY | {"judge_label_auc_ci_low": 0.5}, UNSHOWN, "validity against labels is below its bar"),
        (NOBODY | {"judge_label_auc": None}, UNSHOWN, "nothing is known of its agreement with people"),
    ],
)
def test_the_verdict_follows_from_what_was_shown(changes: dict[str, Any], verdict: str, said: str) -> None:
    card = judge_card(GOOD | changes)
    assert card is not None and card.verdict == verdict
    assert said in card.sentence


def test_an_alpha_says_on_how_many_answers() -> None:
    card = judge_card(GOOD | {"panel": {"alpha_n": 1198}})
    assert card is not None and card.checks[1].value == "α = 0.90 between 3 repeats, n = 1,198"


def test_an_alpha_of_nearly_nothing_has_no_minus() -> None:
    card = judge_card(GOOD | {"judge_alpha": -0.001})
    assert card is not None and card.checks[1].value.startswith("α = 0.00 between")


def test_audio_plays_while_there_is_room_and_what_is_left_out_is_said() -> None:
    rows = [row(n, "angry") for n in range(30)]
    noise = random.Random(0).randbytes(400_000)
    done = scored(rows, [5] * 30)
    made = render_report({"file": "p.jsonl", **done.scores}, done.rows, audio=lambda clip: None if clip == "c0" else b"fLaC" + noise)
    page = Page(made.decode())
    assert len(made) < MOST_BYTES
    # 20 answers, one without audio; 400 kB are 533 kB in base64: nine fit under 5 MB
    assert page.tags["audio"] == 9
    assert "10 clips would not fit" in page.words
    check_alone(page)
    assert "audio/flac" in next(value for tag, name, value in page.attributes if tag == "audio" and name == "src")


def test_only_what_browsers_play_is_embedded() -> None:
    assert data_uri(b"OggS1") == "data:audio/ogg;base64,T2dnUzE="
    assert data_uri(b"RIFF....WAVE").startswith("data:audio/wav;base64,")  # type: ignore[union-attr]
    assert data_uri(b"\xff\xfb\x90") == "data:audio/mpeg;base64,//uQ"
    assert data_uri(b"<svg onload=1>") is None and data_uri(b"") is None


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = scored([row(0, "sad")])
    out = write_report({"file": "p", **done.scores}, done.rows, tmp_path / "new" / "report.html")
    before = out.read_bytes()
    assert before.endswith(b"</html>") or before.endswith(b"</html>\n")
    assert write_report({"file": "p", **done.scores}, done.rows, out).read_bytes() == before  # and the same again

    def full(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="Free some space"):
        write_report({"file": "p", **done.scores}, done.rows, out)
    monkeypatch.undo()
    assert out.read_bytes() == before
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_clean_keeps_what_is_text() -> None:
    assert clean("a\tb\nc\rd\x00\x07\x1b\x7fe 日本 \ud800") == "a\tb\nc de 日本 ?"


def test_on_a_phone_only_boxes_scroll_sideways(tmp_path: Path) -> None:
    rows = [row(n, "sad" if n % 3 else "W" * 5000, gender="f" * 60 if n % 2 else "m", emotion=f"a-very-long-emotion-name-{n % 7}") for n in range(80)]
    done = scored(rows, [n % 6 for n in range(80)])
    out = write_report({"file": "p" * 80, **done.scores}, done.rows, tmp_path / "report.html")
    with browser.page(width=390) as tab:
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        faults: list[str] = []
        tab.on("console", lambda message: faults.append(message.text))
        tab.goto(out.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") == 390
        assert asked == [out.as_uri()] and faults == []
