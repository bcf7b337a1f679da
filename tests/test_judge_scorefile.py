"""predictions.jsonl → scores per config and type, and a table that shows coverage."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chat_server import ChatServer, Reply
from rich.console import Console
from typer.testing import CliRunner

from cp_paraling_qa.cli import app
from cp_paraling_qa.errors import DatasetError, JudgeError, StorageError
from cp_paraling_qa.judge import read_predictions, render, score_file
from cp_paraling_qa.judge.people import read_ratings
from cp_paraling_qa.judge.scorefile import score_answers
from cp_paraling_qa.report.clips import Clips
from cp_paraling_qa.report.files import places


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
        (b'[\n  {"prediction": "x", "reference": "y"}\n]', "line 1: a JSON document over several lines; write JSON Lines"),
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


def judged(score: int) -> Any:
    return lambda prompts: [json.dumps({"explanation": "because", "score": score}) for _ in prompts]


def test_every_answer_has_a_row_that_says_how_it_was_judged(tmp_path: Path) -> None:
    def first(prompts: list[Any]) -> list[str | None]:
        return ['{"explanation": "one", "score": 4}', None]

    def second(prompts: list[Any]) -> list[str | None]:
        return ['{"explanation": "two", "score": 1}', "Rating: 5"]

    rows = [row(1, "implicit", "DE", "She is sad.", "sad", gender="female"), row(2, "implicit", "DE", "I cannot tell", "angry", conflict=True)]
    path = write(tmp_path / "p.jsonl", rows)
    facts = {"c1": {"gender": "male", "duration": 2.5}, "c2": {"gender": "male", "duration": float("nan")}}
    done = score_answers(read_predictions(path), judge=[first, second], embedder=None, facts=facts)
    one, two = done.rows
    assert (one["score"], one["scores"], one["unscored"], one["explanation"]) == (2.5, [4, 1], None, "one")
    assert one["explanations"] == ["one", "two"]
    assert (one["mapped"], one["stage"], one["label"]) == ("sad", "lexicon", "sad")
    assert (one["gender"], one["duration"], one["emotion"], one["conflict"]) == ("female", 2.5, "sad", None)  # what a row says of itself comes first
    assert (two["score"], two["scores"], two["explanation"]) == (None, [None, None], None)
    assert two["unscored"] in ("no reply", "no JSON verdict")
    assert (two["mapped"], two["stage"], two["reason"], two["conflict"]) == (None, "abstain", "refusal", True)
    assert (two["gender"], two["duration"]) == ("male", None)
    assert done.scores["judge"]["models"] == ["first", "second"] and done.scores["llm_judge"] == 50.0
    assert done.scores["coverage"] == 0.5 and done.scores["panel"]["alpha_n"] == 1
    json.dumps(done, allow_nan=False)


def test_slices_hold_their_own_figures(tmp_path: Path) -> None:
    rows = [row(n, "implicit", "DE", "sad" if n < 3 else "angry", "sad", gender="female" if n % 2 else "male", duration=n + 1) for n in range(6)]
    slices = score_file(write(tmp_path / "p.jsonl", rows), embedder=None)["slices"]
    # right: 0, 1, 2; female: 1, 3, 5 → one of three; male: 0, 2, 4 → two of three; the shortest third is 0, 1
    assert {name: (part["n"], part["accuracy"]) for name, part in slices["gender"].items()} == {
        "female": (3, pytest.approx(1 / 3)),
        "male": (3, pytest.approx(2 / 3)),
    }
    assert [(name, part["n"], part["accuracy"]) for name, part in slices["duration"].items()] == [
        ("up to 2.0 s", 2, 1.0),
        ("over 2.0 to 4.0 s", 2, 0.5),
        ("over 4.0 s", 2, 0.0),
    ]
    for part in slices["gender"].values():
        assert part["accuracy_ci_low"] <= part["accuracy"] <= part["accuracy_ci_high"]
    assert "lexical conflict" not in slices and "language" not in slices


def test_a_column_of_identifiers_is_no_slice(tmp_path: Path) -> None:
    rows = [row(n, "implicit", "DE", "sad", "sad", gender=f"g{n}") for n in range(41)]
    assert "gender" not in score_file(write(tmp_path / "p.jsonl", rows), embedder=None)["slices"]


PEOPLE = {
    "wide.csv": "id,anna,ben,note\nq1,5,4,fine\nq2,0,,\nq9,3,3,\n",
    "wide.tsv": "id\tanna\tben\nq1\t5\t4\nq2\t0\t\nq9\t3\t3\n",
    "long.csv": "id,rater,rating\nq1,anna,5\nq1,ben,4\nq2,anna,0\nq2,ben,\nq9,anna,3\nq9,ben,3\n",
    "map.jsonl": '{"id": "q1", "ratings": {"anna": 5, "ben": 4}}\n\n{"id": "q2", "ratings": {"anna": 0, "ben": null}}\n{"id": "q9", "ratings": {"anna": 3, "ben": 3}}\n',
    "list.jsonl": '{"id": "q1", "ratings": [5, 4]}\n{"id": "q2", "ratings": [0, null]}\n{"id": "q9", "ratings": [3, 3]}\n',
    "columns.jsonl": '{"id": "q1", "anna": 5, "ben": 4}\n{"id": "q2", "anna": 0}\n{"id": "q9", "anna": 3, "ben": 3}\n',
}


@pytest.mark.parametrize("name", PEOPLE)
def test_ratings_are_joined_by_id_in_every_shape(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(PEOPLE[name], encoding="utf-8")
    ratings = read_ratings(tmp_path / name)
    rows = [row(n, "implicit", "DE", "sad", "sad") for n in (3, 1, 2)]
    assert ratings.join(rows) == ([None, [5.0, 4.0], [0.0, None]], 2, ["q9"])
    done = score_answers(read_predictions(write(tmp_path / "p.jsonl", rows)), judge=judged(3), ratings=ratings, embedder=None)
    assert [item["human"] for item in done.rows] == [None, 4.5, 0.0]
    told = done.scores["human_ratings"]
    assert (len(told["raters"]), told["matched"], told["unmatched"], told["unmatched_ids"]) == (2, 2, 1, ["q9"])
    # judge 3 and 3, people 4.5 and 0: bias (−1.5 + 3) / 2, distance (1.5 + 3) / 2
    assert done.scores["human_bias"] == pytest.approx(0.75) and done.scores["human_mae"] == pytest.approx(2.25)
    assert done.scores["human_bias_n"] == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.csv", "id,anna\nq1,7\n", "line 2: rating of 'q1' by anna is 7, outside the scale 0–5"),
        ("r.csv", "id,anna\nq1,5\nq2,good\n", "line 3: rating of 'q2' by anna is 'good'"),
        ("r.csv", "id,anna\nq1,1\nq1,2\n", "line 3: anna rated 'q1' twice"),
        ("r.csv", "id,anna\nq1,1,2\n", "line 2: more cells"),
        ("r.csv", "name,anna\nq1,1\n", "line 2: no id"),
        ("r.csv", "id,note\nq1,good\n", "holds no ratings"),
        ("r.csv", "", "holds no ratings"),
        ("r.jsonl", '{"id": "q1", "ratings": 3}\n', "line 1: ratings is a int"),
        ("r.jsonl", '{"id": "q1", "ratings": [true]}\n', "line 1: rating of 'q1' by rater 1 is True"),
        ("r.jsonl", '{"id": "q1", "ratings": [3]\n', "line 1: not JSON"),
        ("r.jsonl", '{"id": "other", "ratings": [3]}\n', "none of the 1 rated ids is among the predictions, e.g. 'other'"),
    ],
)
def test_bad_ratings_name_line_and_remedy(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(JudgeError, match=re.escape(message)):
        read_ratings(tmp_path / name).join([row(1, "implicit", "DE", "sad", "sad")])


def test_a_rating_says_whose_answer_it_is_about(tmp_path: Path) -> None:
    rows = [row(1, config, "DE", "sad", "sad") for config in ("baseline", "implicit")]
    (tmp_path / "r.csv").write_text("id,anna\nq1,3\n")
    with pytest.raises(JudgeError, match="'q1' is in the configs 'baseline', 'implicit': add a column config"):
        read_ratings(tmp_path / "r.csv").join(rows)
    (tmp_path / "r.csv").write_text("id,config,anna\nq1,implicit,3\n")
    assert read_ratings(tmp_path / "r.csv").join(rows).ratings == [None, [3.0]]


def test_a_table_scores_like_json_lines(tmp_path: Path) -> None:
    rows = [
        row(1, "implicit", "DE", 'She said "no", and\nis sad.', "sad", text_answerable=True),
        row(2, "implicit", "DE", None, "angry", text_answerable=False),
    ]
    header = ["id", "clip_id", "config", "question", "prediction", "reference", "label", "type", "emotion", "text_answerable", "duration"]
    with (tmp_path / "p.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, header, extrasaction="ignore")
        table.writeheader()
        table.writerows([item | {"text_answerable": str(item["text_answerable"]).lower(), "duration": "1.5"} for item in rows])
    lines = write(tmp_path / "p.jsonl", [item | {"duration": 1.5} for item in rows])
    as_table, as_lines = (score_answers(read_predictions(path), embedder=None) for path in (tmp_path / "p.csv", lines))
    known = [{key: value for key, value in item.items() if key not in ("speaker_id", "corpus")} for item in as_lines.rows]
    assert [{key: value for key, value in item.items() if key not in ("speaker_id", "corpus")} for item in as_table.rows] == known
    assert as_table.scores["accuracy"] == 0.5 and as_table.rows[0]["text_answerable"] is True
    (tmp_path / "bad.csv").write_text("id,prediction\na,sad\n")
    with pytest.raises(JudgeError, match=r"bad\.csv, line 2: no reference"):
        read_predictions(tmp_path / "bad.csv")
    (tmp_path / "bad.csv").write_text("id,prediction, prediction,reference\na,sad,happy,sad\n")
    with pytest.raises(JudgeError, match=r"bad\.csv: the header names prediction twice"):
        read_predictions(tmp_path / "bad.csv")


def reply_to(request: dict[str, Any]) -> Reply:
    """Five where answer and reference share a word, else one; the length of the prompt decides nothing."""
    user = request["messages"][-1]["content"]
    if "winner" in json.dumps(request.get("response_format", "")) or "Answer to grade" not in user:
        return Reply('{"explanation": "x", "winner": "A"}')
    fields = dict(line.split(": ", 1) for line in user.splitlines())
    said, right = json.loads(fields["Answer to grade"]).lower(), json.loads(fields["Reference answer"]).lower().strip(".")
    return Reply(json.dumps({"explanation": "as it says", "score": 5 if right in said else 1}))


def run(*arguments: Any) -> Any:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_the_command_writes_three_files_and_asks_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-test")
    path = write(tmp_path / "p.jsonl", ROWS)
    (tmp_path / "r.csv").write_text("id,config,anna\nq1,implicit,5\nq2,implicit,0\ngone,implicit,1\n")
    options = ["--judge-model", "one", "--judge-model", "two", "--repeats", 2, "--human", tmp_path / "r.csv", "--probes", 3, "--resamples", 100]
    with ChatServer() as server:
        server.script = reply_to
        first = run("score", path, "--judge-base-url", server.base_url, *options)
        asked = len(server.bodies)
        again = run("score", path, "--judge-base-url", server.base_url, *options, "--out", tmp_path / "again")
        assert len(server.bodies) == asked  # the second run asks the judge nothing
    # 7 answers × 2 judges × 2 repeats; the probes add 3 lengths of 3 answers (the fourth is as it was) and pairs in both orders
    assert asked >= 28
    assert {file.name for file in tmp_path.iterdir()} == {"p.jsonl", "r.csv", "scores.json", "judgements.jsonl", "report.html", "judge-cache.sqlite", "again"}
    for name in ("scores.json", "judgements.jsonl", "report.html"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
        assert b"sk-secret" not in (tmp_path / name).read_bytes()
    result = json.loads(first.stdout)
    assert result == json.loads((tmp_path / "scores.json").read_text()) == json.loads(again.stdout)
    assert result["judge"]["models"] == ["one", "two"] and result["judge"]["repeats"] == 2
    assert result["judge_alpha"] == pytest.approx(1.0)
    assert result["human_ratings"]["unmatched_ids"] == ["gone"]
    assert result["probes"]["one"]["length_preference_slope"] == 0.0
    assert result["probes"]["two"]["swap_consistency"] == 0.0  # it always says A
    lines = [json.loads(line) for line in (tmp_path / "judgements.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [item["id"] for item in ROWS]
    # q1 "She is sad." against "sad." has the word; baseline's q1 "angry" has not
    assert lines[0]["scores"] == [5, 5, 5, 5] and lines[6]["score"] == 1.0
    assert "judge-cache.sqlite" in first.stderr and "gone" in first.stderr and "The judge:" in first.stderr


def test_the_dataset_brings_gender_length_and_sound(tmp_path: Path, folder_corpus: Path) -> None:
    rows = [json.loads(line) for line in (folder_corpus / "metadata.jsonl").read_text().splitlines()]
    table = [{"clip_id": f"c{n}", "gender": item["gender"], "audio": (folder_corpus / item["file_name"]).read_bytes()} for n, item in enumerate(rows)]
    sound = pa.array([{"bytes": item.pop("audio"), "path": None} for item in table], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    (tmp_path / "data").mkdir()
    pq.write_table(pa.Table.from_pylist(table).append_column("audio", sound), tmp_path / "data" / "test.parquet")
    answers = [row(n, "implicit", "DE", "happy", item["emotion"]) for n, item in enumerate(rows)]
    path = write(tmp_path / "p.jsonl", [*answers, row(99, "implicit", "DE", "happy", "happy")])
    clips = Clips.load(str(tmp_path / "data"), read_predictions(path))
    assert clips.missing == ["c99"]
    assert clips.facts["c0"]["gender"] == rows[0]["gender"]
    assert clips.facts["c0"]["duration"] == pytest.approx(0.8)  # the corpus's first clip
    assert (clips.audio("c0") or b"").startswith(b"RIFF") and clips.audio("c99") is None
    done = run("score", path, "--dataset", tmp_path / "data", "--resamples", 100)
    result = json.loads(done.stdout)
    assert {name: part["n"] for name, part in result["slices"]["gender"].items()} == {"female": 6, "male": 6}
    assert sum(part["n"] for part in result["slices"]["duration"].values()) == 12
    assert "1 clips are not in the dataset, e.g. c99" in done.stderr
    with pytest.raises(DatasetError, match="has none of the 1 clips"):
        Clips.load(str(tmp_path / "data"), [row(99, "implicit", "DE", "happy", "happy")])
    with pytest.raises(DatasetError, match="cannot be loaded"):
        Clips.load(str(tmp_path / "nothing"), answers)


def test_options_of_a_judge_that_nobody_named_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", [row(1, "implicit", "DE", "sad", "sad")])
    assert "no judge was named" in run("score", path, "--repeats", 3, "--resamples", 100).stderr
    assert "no judge was named" not in run("score", path, "--resamples", 100).stderr


@pytest.mark.parametrize("out", ["p.jsonl", "p.jsonl/deep", "taken"])
def test_a_place_that_cannot_be_written_is_said_before_the_judge_is_asked(tmp_path: Path, out: str) -> None:
    path = write(tmp_path / "p.jsonl", ROWS)
    (tmp_path / "taken" / "report.html").mkdir(parents=True)
    with ChatServer() as server, pytest.raises(StorageError, match="--out"):
        run("score", path, "--judge-base-url", server.base_url, "--judge-model", "m", "--out", tmp_path / out)
    assert not server.bodies
    assert not (tmp_path / "judge-cache.sqlite").exists()


def test_a_cell_may_be_as_long_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(f"prediction,reference\n{'sad ' * 50_000},sad\n")
    assert len(read_predictions(tmp_path / "p.csv")[0]["prediction"]) == 200_000


def test_names_of_the_files(tmp_path: Path) -> None:
    assert [path.name for path in places(tmp_path / "p.jsonl", tmp_path / "a.json")] == ["a.json", "a-judgements.jsonl", "a-report.html"]
    assert places(Path("x/p.jsonl"), None).report == Path("x/report.html")
    with pytest.raises(JudgeError, match="is a file that scoring writes"):
        places(tmp_path / "judgements.jsonl", None)


def test_half_a_character_is_no_reason_to_fail(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"id": "a\\ud800", "prediction": "sad \\udfff", "reference": "sad", "label": "sad", "gender": "\\ud83d"}\n')
    done = run("score", path, "--resamples", 100)
    assert json.loads(done.stdout)["accuracy"] == 1.0
    assert json.loads((tmp_path / "judgements.jsonl").read_text())["prediction"] == "sad \ufffd"


def test_the_judges_own_columns_are_no_raters(tmp_path: Path) -> None:
    """A table of judgements to which somebody added a column: the judge would else be compared with itself, and with marks of 0 and 1."""
    table = tmp_path / "r.csv"
    table.write_text("id,prediction,score,text_answerable,speaker_id,anna\nq1,sad,5,1,3,2\nq2,sad,4,0,3,\n")
    assert (read_ratings(table).raters, read_ratings(table).of) == (["anna"], {(None, "q1"): {"anna": 2.0}})
    table.write_text("id,prediction,score\nq1,sad,5\n")
    with pytest.raises(JudgeError, match="holds no ratings"):
        read_ratings(table)
    table.write_text("id,score\nq1,5\n")  # nothing but one number an answer: somebody's ratings
    assert read_ratings(table).raters == ["score"]
