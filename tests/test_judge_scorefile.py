"""predictions.jsonl → scores per config and type, and a table that shows coverage."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge import read_predictions, render, score_file


def row(number: int, config: str, kind: str, prediction: str | None, label: str | None, **more: Any) -> dict[str, Any]:
    base = {
        "id": f"q{number}",
        "clip_id": f"c{number}",
        "config": config,
        "question": "?",
        "prompt": "?",
        "prediction": prediction,
        "reference": f"{label}.",
        "label": label,
    }
    return base | {"type": kind, "kind": "pqa_template", "speaker_id": "s", "corpus": "sample", "emotion": "sad"} | more


ROWS = [
    row(1, "implicit", "DE", "She is sad.", "sad"),
    row(2, "implicit", "DE", "furious", "angry"),
    row(3, "implicit", "DE", "I cannot tell", "angry"),
    row(4, "implicit", "DG", "A woman, and she is sad.", "female"),
    row(5, "implicit", "DG", "a man", "female"),
    row(6, "implicit", "C", "She talks about rain.", None),
    row(1, "baseline", "DE", "angry", "sad"),
]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in rows), encoding="utf-8")
    return path


def shown(result: Any) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(render(result))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_each_type_has_its_own_label_space(tmp_path: Path) -> None:
    result = score_file(write(tmp_path / "p.jsonl", ROWS), embedder=None)
    assert result["label_spaces"] == {"DE": ["angry", "sad"], "DG": ["female"]}
    assert list(result["configs"]) == ["baseline", "implicit"]
    implicit = result["configs"]["implicit"]
    # right: 1, 2, 4; unmapped: 3 (refusal) and 5 (male is not in the space that occurs); 6 has no label
    assert (implicit["n"], implicit["n_labelled"], implicit["accuracy"]) == (6, 5, pytest.approx(0.6))
    assert implicit["label_coverage"] == pytest.approx(0.6)
    assert implicit["types"]["DE"]["accuracy"] == pytest.approx(2 / 3)
    assert implicit["types"]["DG"]["accuracy"] == pytest.approx(0.5)
    assert (implicit["types"]["C"]["n"], implicit["types"]["C"]["accuracy"]) == (1, None)
    assert implicit["llm_judge"] is None
    json.dumps(result, allow_nan=False)


def test_judged_once_over_all_rows_and_sliced(tmp_path: Path) -> None:
    calls: list[int] = []

    def judge(prompts: list[Any]) -> list[str | None]:
        calls.append(len(prompts))
        assert "The speaker's emotion is sad." in prompts[0][1]["content"]
        return ['{"explanation": "", "score": 5}'] * 5 + [None, '{"explanation": "", "score": 0}']

    result = score_file(write(tmp_path / "p.jsonl", ROWS), judge=judge, embedder=None)
    assert calls == [7]
    assert result["configs"]["implicit"]["llm_judge"] == 100.0
    assert result["configs"]["implicit"]["coverage"] == pytest.approx(5 / 6)
    assert result["configs"]["implicit"]["types"]["C"]["llm_judge"] is None
    assert result["configs"]["baseline"]["llm_judge"] == 0.0
    assert result["judge"]["model"] == "judge"
    assert len(result["judge"]["rubric_hash"]) == 12
    text = shown(result)
    assert "100.0 (83%)" in text
    assert "0.600 (60%)" in text
    assert "0.0 (100%)" in text


def test_several_results_in_one_table(tmp_path: Path) -> None:
    result = score_file(write(tmp_path / "p.jsonl", ROWS[:3]), embedder=None)
    text = shown([("before", result), ("after", result)])
    assert text.count("before") == text.count("after") == 1
    assert text.count("0.667 (67%)") >= 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no predictions"),
        (b"\n \n", "holds no predictions"),
        (b'{"id": "a", "prediction": "x", "reference": "y"}\n{"id": "b", "pred', "line 2: not JSON"),
        (b'{"id": "a", "prediction": "\xff"}', "line 1: not UTF-8"),
        (b"[1]", "line 1: a list"),
        (b'{"id": "a"}', "line 1: no prediction and no reference"),
        (b'{"id": [3], "prediction": "x", "reference": "y"}', "line 1: id is a list"),
        (b'{"id": "a", "prediction": 3, "reference": "y"}', "line 1: prediction is a int"),
        (b'\n{"id": "a", "prediction": "x", "reference": "y"}\n{"id": "a", "prediction": "x", "reference": "y"}', "line 3: id 'a' .* already on line 2"),
    ],
)
def test_bad_files_name_the_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    with pytest.raises(JudgeError, match=message):
        read_predictions(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(JudgeError, match="cannot be read"):
        read_predictions(tmp_path / "none.jsonl")


def test_rows_of_other_shapes_still_score(tmp_path: Path) -> None:
    rows = [{"id": "a", "prediction": None, "reference": "sad", "label": "sad"}, {"id": "b", "prediction": "sad\u2028", "reference": "sad", "label": "sad"}]
    result = score_file(write(tmp_path / "p.jsonl", rows), embedder=None)
    assert result["configs"][""]["accuracy"] == 0.5


def test_table_says_that_direct_questions_leak_where_metadata_are_shown(tmp_path):
    def caption(config, kind):
        row = {"id": "a", "config": config, "type": kind, "prediction": "Angry.", "reference": "Angry.", "label": "angry"}
        (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n")
        return str(render(score_file(tmp_path / "p.jsonl")).caption)

    assert "in the prompt" in caption("explicit", "DE") and "in the prompt" in caption("combined", "DG")
    assert "in the prompt" not in caption("baseline", "DE") and "in the prompt" not in caption("combined", "CE")


def test_rows_of_other_tools_need_no_id(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(
        '{"prediction": "Sad.", "reference": "Sad.", "label": "sad"}\n{"id": 7, "prediction": "Sad.", "reference": "Sad.", "label": "sad"}\n'
    )
    assert score_file(tmp_path / "p.jsonl")["configs"][""]["accuracy"] == 1.0


def test_contrast_sets_count_as_a_whole_and_marks_are_slices(tmp_path):
    def row(name, said, label, **marks):
        return {
            "id": name,
            "config": "implicit",
            "type": "CE",
            "prediction": f"They sound {said}.",
            "reference": f"They sound {label}.",
            "label": label,
        } | marks

    rows = [
        row("a1", "sad", "sad", contrast_set="a", text_answerable=True),
        row("a2", "angry", "angry", contrast_set="a", text_answerable=False, conflict=True),
        row("b1", "sad", "sad", contrast_set="b", text_answerable=True),
        row("b2", "sad", "angry", contrast_set="b", text_answerable=False),
        row("c", "happy", "happy", text_answerable=None),
    ]
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    scores = score_file(path, embedder=None)["configs"]["implicit"]
    assert scores["contrast_sets"] == {"n": 2, "right": 1, "accuracy": 0.5}  # set b has one wrong answer: the set is wrong
    assert scores["accuracy"] == 0.8  # while four of five rows are right
    assert {name: (part["n"], part["accuracy"]) for name, part in scores["marks"].items()} == {
        "text_answerable": (2, 1.0),
        "not text_answerable": (2, 0.5),
        "conflict": (1, 1.0),
    }
