"""`audit` over small datasets whose shares are counted by hand."""

import io
import json

import numpy as np
import pytest
from chat_server import ChatServer, Reply
from rich.console import Console

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.generate.audit.counts import Contrast
from cp_paraling_qa.generate.audit.endpoint import text_model
from cp_paraling_qa.generate.audit.report import audit
from cp_paraling_qa.generate.audit.rows import DatasetRows
from cp_paraling_qa.generate.audit.sources import COLUMNS
from cp_paraling_qa.generate.audit.tables import render
from cp_paraling_qa.generate.audit.words_alone import WordsAlone
from cp_paraling_qa.llm import LLMConfig


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def qa(number, **more):
    row = {"id": f"q{number}", "clip_id": f"c{number}", "speaker_id": f"s{number}", "kind": "cpqa", "type": "CE", "language": "en"}
    row |= {"question": f"How does the speaker feel about the door number {number}?", "answer": "They sound sad, as if the door was closed.", "label": "sad"}
    return row | {"emotion": "sad", "transcript": f"Somebody closed the door number {number}."} | more


def full_row(number, **more):
    return dict.fromkeys((*COLUMNS, "split")) | {"qa_id": f"q{number}", "question": "How?", "answer": "So."} | more


def shown(report):
    console = Console(file=io.StringIO(), width=200)
    for piece in render(report):
        console.print(piece)
    return console.file.getvalue()


def test_a_foreign_file_gets_what_is_possible_and_the_rest_by_name(tmp_path):
    rows = [{"question": "What is the mood here?", "answer": "They sound glad."}] * 2 + [{"question": "Tell me.", "answer": "At an arousal of 0.71."}]
    report = audit(lines(tmp_path / "foreign.jsonl", rows), embedder=None)
    why = {name: part["not_possible"] for name, part in report.items() if isinstance(part, dict) and "not_possible" in part}
    assert why == {
        "labels": "no column label",
        "answer_length": "no column label",
        "question_alone": "no column label",
        "transcript_alone": "no column label and no column transcript",
        "evidence": "no column evidence",
        "contrast_sets": "no column contrast_set",
        "conflict": "no column conflict",
        "text_answerable": "no column text_answerable",
        "splits": "no column split",
        "text_shortcut": "no column transcript",
    }
    assert report["overview"]["rows"] == 3 and report["overview"]["clips"] is None
    by_filter = {entry["filter"]: entry for entry in report["filters"]["by_filter"]}
    assert (by_filter["figures"]["hits"], by_filter["figures"]["n"]) == (1, 3)
    assert by_filter["figures"]["examples"][0]["answer"] == "At an arousal of 0.71."
    assert by_filter["copied"]["not_possible"] == "no column transcript" and by_filter["repeated"]["not_possible"] == "no column clip_id"
    assert report["repeats"]["distinct"]["hits"] == 2 and report["repeats"]["repeats"] == {"not_possible": "no column clip_id"}
    json.dumps(report, allow_nan=False)
    text = shown(report)
    assert "no column contrast_set" in text and "33.3 %" in text


def test_labels_lengths_marks_and_splits_by_hand(tmp_path):
    # CE: sad 3, happy 1 → a constant "sad" scores 3 of 4. Answers of 8, 8, 8 and 3 words: the label explains all of the length's variance.
    rows = [qa(n, text_answerable=[True, False, None][n], conflict=n == 0, split="train") for n in range(3)]
    rows.append(qa(3, label="happy", emotion="happy", answer="They sound happy.", split="test", speaker_id="s0", text_answerable=False, conflict=False))
    rows.append(qa(4, type="CG", label=None, answer="A man talks about it.", question="WHAT mood is the speaker in when the door closes ?", split="test"))
    report = audit(lines(tmp_path / "rows.jsonl", rows), embedder=None)
    ce = report["labels"]["by_type"]["CE"]
    assert ce["labels"] == {"sad": 3, "happy": 1} and (ce["majority"]["label"], ce["majority"]["hits"], ce["majority"]["n"], ce["chance"]) == ("sad", 3, 4, 0.5)
    assert report["labels"]["by_type"]["CG"]["without_label"] == 1 and report["labels"]["by_type"]["CG"]["chance"] is None
    length = report["answer_length"]["groups"][0]
    assert (length["difference"], length["explained"], length["p"]) == (6.0, 1.0, None) and length["words"]["happy"]["interval"] is None
    marked = report["text_answerable"]["all"]
    assert (marked["hits"], marked["n"], marked["unmarked"]) == (1, 3, 2)  # the row without a mark, and the CG row without the key
    assert (report["conflict"]["all"]["hits"], report["conflict"]["all"]["n"]) == (1, 4)
    shared = report["splits"]["shared_with_train"]["test"]
    assert {name: (part["hits"], part["n"]) for name, part in shared.items()} == {
        "speakers": (1, 2),
        "clips": (0, 2),
        "transcripts": (0, 2),
        "questions": (0, 2),
        "questions_with_answer": (0, 2),
    }
    assert report["overview"]["by_split"] == {"train": 3, "test": 2} and report["overview"]["questions_per_clip"]["mean"] == 1.0
    test_alone = audit(tmp_path / "rows.jsonl", embedder=None)["splits"]
    assert test_alone == report["splits"]
    assert "+" not in shown(report).splitlines()[0]


def test_every_filter_counts_by_itself_and_the_worst_rows_come_first(tmp_path):
    rows = [qa(n) for n in range(4)]
    rows.append(
        qa(4, question="Why is the label of the transcript at 0.71 sad", answer="It has an arousal of 0.71")
    )  # figures, metadata, no question mark, breaks off, …
    rows.append(qa(5, answer="They sound sad about the transcript of the door."))  # metadata alone
    rows.append(qa(6, answer="They sound happy, as if the door was open."))  # contradicts
    rows.append(qa(7, kind="pqa_template", question="How does the speaker sound? Answer in one word.", answer="Sad."))
    report = audit(lines(tmp_path / "rows.jsonl", rows), embedder=None)["filters"]
    found = {entry["filter"]: (entry["hits"], entry["n"]) for entry in report["by_filter"] if "hits" in entry}
    assert found["metadata"] == (2, 7) and found["figures"] == (1, 7) and found["contradicts"][0] == 1 and found["not_a_question"] == (1, 7)
    assert report["templates_left_out"] == 1 and report["any_with_strict"]["hits"] == 3
    metadata = next(entry for entry in report["by_filter"] if entry["filter"] == "metadata")
    assert [example["qa_id"] for example in metadata["examples"]] == ["q4", "q5"]
    hits = [entry.get("share") or 0 for entry in report["by_filter"]]
    assert hits == sorted(hits, reverse=True)
    assert next(entry for entry in report["by_filter"] if entry["filter"] == "parrots")["not_possible"]


def test_repeats_by_the_rules_of_a_run(tmp_path):
    # q0, q1: one clip, word for word but for case: one repeats. q2 against q3: one clip, other words that mean the same for this embedding. q4: another clip of the
    # speaker, the same pair as q5. q6 stands alone. Of 7, one exact in the clip, one exact for the speaker, and 5 are left for near ones, of which one repeats.
    rows = [
        qa(0, clip_id="c0", question="How does the speaker feel about the door?"),
        qa(1, clip_id="c0", question="how does the speaker FEEL about the door?"),
        qa(2, clip_id="c1", question="What is the walk to the harbour like?", answer="It is long."),
        qa(3, clip_id="c1", question="What is the way to the harbour like?", answer="It is far."),
        qa(4, clip_id="c2", speaker_id="s9", question="How does the speaker feel about the train?"),
        qa(5, clip_id="c3", speaker_id="s9", question="How does the speaker feel about the train?"),
        qa(6, clip_id="c4", question="Who sings in the kitchen every morning?"),
    ]

    def embed(texts):
        return np.array([[1.0, 0.0] if "harbour" in text else [0.0, 1.0] for text in texts], dtype=np.float32)

    report = audit(
        lines(tmp_path / "rows.jsonl", [row | {"speaker_id": row["speaker_id"] if row["speaker_id"] == "s9" else "s0"} for row in rows]), embedder=embed
    )
    seen = report["repeats"]
    assert {name: (part["hits"], part["n"]) for name, part in (seen["repeats"] | seen["near_repeats"]).items()} == {
        "repeat in the clip": (1, 7),
        "repeat for the speaker": (1, 7),
        "near repeat in the clip": (1, 7),
        "near repeat for the speaker": (0, 7),
    }
    assert seen["distinct"]["hits"] == 5 and "harbour" in seen["near_repeats"]["near repeat in the clip"]["examples"][0]


def test_contrast_sets_count_as_a_whole_only():
    audit_of = Contrast()
    made = [
        ("whole", "sad", "The door.", "train"),
        ("whole", "happy", "the door", "train"),
        ("whole", "angry", "The door!", "train"),
        ("lonely", "sad", "The door.", "train"),
        ("apart", "sad", "The door.", "train"),
        ("apart", "happy", "The door.", "test"),
        ("words", "sad", "The door.", "train"),
        ("words", "happy", "The gate.", "train"),
        ("alike", "sad", "The door.", "train"),
        ("alike", "sadness", "The door.", "train"),
        (None, "sad", "The door.", "train"),
    ]
    for n, (name, label, words, split) in enumerate(made):
        audit_of.add(full_row(n, contrast_set=name, label=label, transcript=words, split=split))
    report = audit_of.report()
    assert (report["sets"], report["whole"]["hits"], report["rows_in_whole_sets"]["hits"], report["rows_in_whole_sets"]["n"]) == (5, 1, 3, 11)
    assert report["sizes"] == {3: 1} and report["broken"] == {"one row only": 1, "in several splits": 1, "different words": 1, "one answer only": 1}


def test_what_stands_out_comes_first_the_worst_before_the_rest(tmp_path):
    """40 questions that name their label, of 20 speakers; train and test share every speaker but no clip; one contrast set of one row; every answer of 8 words."""
    rows = []
    for n in range(40):
        label = ("sad", "happy")[n // 2 % 2]
        question = f"Why does the speaker sound {label}, of all moods?"
        more = {"label": label, "emotion": label, "question": question, "answer": f"They sound {label}, as if the door was closed."}
        rows.append(qa(n, speaker_id=f"s{n // 2}", split=("train", "test")[n % 2], contrast_set="lonely" if n == 0 else None, **more))
    report = audit(lines(tmp_path / "rows.jsonl", rows), embedder=None)
    found = [(one["what"], round(one["excess"], 3)) for one in report["findings"]]
    assert found == [
        ("contrast sets that are not whole (one row only)", 1.0),
        ("speakers of test that train has too", 1.0),
        # 40 of 40 right, 20 of 40 by a constant answer; half of the questions may ask why; that they name the feeling is no fault of a question for the reason
        ("labels of CE that a bag of words tells from the question alone", 0.5),
        ("questions that ask why the speaker sounds so", 0.5),
        ("questions: repeat for the speaker", 0.45),  # the second row of each speaker, 20 of 40, less the 5 % that may
    ]
    text = shown(report)
    assert text.index("What to look at first") < text.index("Labels: what a constant answer scores") and "splits.by: speaker" in text


def test_nothing_stands_out_of_a_few_sound_rows(tmp_path):
    report = audit(lines(tmp_path / "rows.jsonl", [qa(n, **({"label": "happy"} if n % 2 else {})) for n in range(4)]), embedder=None)
    assert report["findings"] == [] and "Nothing stands out" in shown(report)


def test_one_more_question_for_the_reason_counts_whatever_its_words_and_the_order(tmp_path):
    """Of three in a clip two are one too many; the clip of another row has its first."""
    asked = ["Why does the speaker sound sad about the door?", "What makes the speaker so sad?", "What lies behind the sorrow in the speaker's voice?"]
    rows = [qa(n, clip_id="c0", question=question) for n, question in enumerate(asked)] + [qa(3, question=asked[0])]
    for order in (rows, rows[::-1]):
        report = audit(lines(tmp_path / "rows.jsonl", order), embedder=None)["filters"]
        entry = next(entry for entry in report["by_filter"] if entry["filter"] == "paraphrase")
        assert (entry["hits"], entry["n"]) == (2, 4)


def test_an_id_that_is_a_clips_does_not_make_one_question_of_several(tmp_path):
    rows = [{"id": "clip 1", "transcript": "The door.", "question": q, "answer": a} for q, a in (("How?", "Sad."), ("Who?", "A man."), ("How?", "Sad."))]
    with ChatServer() as server:
        server.script = lambda request: Reply(
            json.dumps({"answer": "Sad."} if "Words" in request["messages"][-1]["content"] else {"explanation": "", "same": False})
        )
        report = audit(lines(tmp_path / "rows.jsonl", rows), llm=LLMConfig(server.base_url, "constant"), embedder=None)["text_shortcut"]
    assert (report["rows"], report["asked"], report["right"]["hits"]) == (3, 2, 1)


def test_the_order_of_the_rows_changes_nothing(tmp_path):
    """Levels of frequency, of labels and of questions, included."""
    feelings = ("sad", "happy", "angry", "fearful")
    rows = [
        qa(n, label=feelings[n % 4], question=f"How does the speaker feel about the {('door', 'gate')[n % 2]}?", type=("CE", "DE")[n % 2]) for n in range(24)
    ]
    reports = [audit(lines(tmp_path / "rows.jsonl", order), embedder=None) for order in (rows, rows[::-1], rows[7:] + rows[:7])]
    assert json.dumps(reports[0]) == json.dumps(reports[1]) == json.dumps(reports[2])


def test_a_long_text_does_not_fill_the_screen(tmp_path):
    report = audit(lines(tmp_path / "rows.jsonl", [qa(0, question="x " * 50_000 + "?")]), embedder=None)
    assert len(shown(report)) < 20_000


def words_alone(column, rows):
    one = WordsAlone(column)
    for n, row in enumerate(rows):
        one.add(full_row(n, type="CE", **row))
    return one.report()["by_type"]["CE"]


def test_a_question_that_gives_its_label_away_is_seen():
    # 8 speakers × 10 sentences, labels by chance; the question names the feeling for all but every tenth row, where it names the other one.
    draw = np.random.default_rng(3)
    rows = []
    for n in range(80):
        label = ("sad", "happy")[draw.integers(2)]
        hint = label if n % 10 else {"sad": "happy", "happy": "sad"}[label]
        rows.append({"label": label, "speaker_id": f"s{n // 10}", "transcript": f"Sentence number {n % 10}.", "question": f"Why are they {hint}?"})
    found = words_alone("question", rows)
    assert found["held_out"]["speakers"]["accuracy"]["share"] == 0.9 and found["held_out"]["speakers"]["groups"] == 8
    # 8 speakers with 9 of 10 right each are all alike: the rows count in full, Wilson for 72 of 80
    assert found["held_out"]["speakers"]["accuracy"]["low"] == pytest.approx(0.8149, abs=1e-3)
    assert found["constant"]["share"] < 0.6 and found["uar_chance"] == 0.5 and found["used"] == 80


def test_a_sentence_with_one_label_is_learnt_by_heart_and_no_more():
    # Each of 10 sentences of words of its own always has one label: known sentences tell it, new ones tell nothing.
    rows = [{"label": ("sad", "happy")[s % 2], "speaker_id": f"s{n}", "transcript": f"word{s}a word{s}b"} for n in range(6) for s in range(10)]
    found = words_alone("transcript", rows)
    assert found["held_out"]["speakers"]["accuracy"]["share"] == 1.0
    assert found["held_out"]["sentences"]["accuracy"]["share"] <= 0.5
    assert words_alone("transcript", reversed([*rows]))["held_out"]["sentences"]["accuracy"]["n"] == 60


def test_few_labels_few_groups_and_no_words_are_said():
    def of(rows):
        return words_alone("question", rows)

    assert "two labels" in of([{"label": "sad", "speaker_id": f"s{n}"} for n in range(9)])["not_possible"]
    rare = of([{"label": "sad" if n % 2 else "happy", "speaker_id": f"s{n}"} for n in range(12)] + [{"label": "odd"}])
    assert rare["rare_labels"] == ["odd"] and (rare["rows"], rare["used"]) == (13, 12)
    one = of([{"label": "sad" if n % 2 else "happy", "speaker_id": "s"} for n in range(12)])
    assert one["held_out"]["speakers"] == {"not_possible": "one group only"}
    mute = of([{"label": "sad" if n % 2 else "happy", "speaker_id": f"s{n}", "question": "?!"} for n in range(12)])
    assert mute["held_out"]["speakers"] == {"not_possible": "the texts hold no words"}


def test_the_text_shortcut_with_a_model_over_the_bundled_sample(tmp_path):
    """A model that always says neutral is right where the label is neutral, with true words and with others alike: no lift. Its answers to questions of content are not."""

    def neutral(request):
        if "same" in request["response_format"]["json_schema"]["schema"]["properties"]:
            return Reply(json.dumps({"explanation": "Another matter.", "same": False}))
        return Reply(json.dumps({"answer": "Neutral.", "label": "neutral" if "neutral" in request["messages"][-1]["content"] else "male"}))

    asked = sorted((row["qa_id"], row["label"]) for row in DatasetRows("cp_paraling_qa", split="test"))
    right = sum(label in ("neutral", "male") for _, label in asked)
    with ChatServer() as server:
        server.script = neutral
        llm = LLMConfig(server.base_url, "constant", cache=tmp_path / "replies.sqlite")
        report = audit("cp_paraling_qa", split="test", llm=llm, llm_name="always neutral", embedder=None)
        sent = len(server.bodies)
        assert audit("cp_paraling_qa", split="test", llm=llm, llm_name="always neutral", embedder=None) == report and len(server.bodies) == sent
    found = report["text_shortcut"]
    assert (found["model"], found["asked"], found["right"]["hits"], found["right"]["n"]) == ("always neutral", len(asked), right, len(asked))
    assert found["control"]["hits"] == right and found["lift"]["difference"] == 0.0
    text = shown(report)
    assert "always neutral" in text and "Chosen for CE" in text
    assert report["contrast_sets"].keys() and report["labels"]["by_type"].keys() == {"C", "CE", "CG"}


def test_text_of_the_data_brings_no_markup(tmp_path):
    rows = [qa(n, label="[bold]sad[/bold]", generator="[/red] model", question="What is [link=x] at 0.71?") for n in range(3)]
    assert "[/red] model" in shown(audit(lines(tmp_path / "rows.jsonl", rows), embedder=None))


def test_which_text_model():
    assert text_model(None, None) == (None, None)
    llm, name = text_model("http://127.0.0.1:1/v1", "reader", concurrency=3)
    assert (llm.base_url, llm.concurrency, name) == ("http://127.0.0.1:1/v1", 3, "reader")
    assert callable(text_model(None, None, embedded=True)[0])
    for base, model, embedded in (("http://x/v1", None, False), (None, "m", False), ("http://x/v1", "m", True)):
        with pytest.raises(RecipeError):
            text_model(base, model, embedded=embedded)
