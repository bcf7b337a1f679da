"""The text-shortcut audit against a chat server on loopback whose rights, wrongs and faults are scripted."""

import json
import re

import pytest
from chat_server import ChatServer, Reply

from cp_paraling_qa.errors import LLMError, RecipeError
from cp_paraling_qa.generate.audit.contracts import OPEN, SAME, closed
from cp_paraling_qa.generate.audit.control import Spill, said
from cp_paraling_qa.generate.audit.shortcut import DISAGREES, TextShortcut
from cp_paraling_qa.llm import LLMConfig

SENTENCES = {"good": "We won the prize today.", "bad": "The dog ran away from us.", "odd": "Somebody painted the fence green."}


def row(number, *, words="good", label=None, answer=None, type="CE", clip=None, language="en", transcript=None):
    return {
        "qa_id": f"q{number}",
        "clip_id": clip or f"clip{number}",
        "question": f"Question {number}: how does the speaker feel?",
        "answer": answer or f"They sound {label}.",
        "label": label,
        "type": type,
        "transcript": SENTENCES[words] if transcript is None else transcript,
        "language": language,
    }


def asked(request):
    """What a request is: words, question, whether it has options, or None for one to the grader."""
    text = request["messages"][-1]["content"]
    found = re.match(r"Words: (.*)\nQuestion: (.*?)(?:\nOptions: (.*))?$", text, re.DOTALL)
    return found.groups() if found else None


def config(server, tmp_path=None, **more):
    return LLMConfig(server.base_url, "reader", concurrency=4, attempts=2, cache=tmp_path / "replies.sqlite" if tmp_path else None, **more)


def reads_the_words(request):
    """A model that says happy at the prize, sad at the dog, and neutral at the fence."""
    words, _, _ = asked(request)
    label = {SENTENCES["good"]: "happy", SENTENCES["bad"]: "sad"}.get(words, "neutral")
    return Reply(json.dumps({"answer": f"They sound {label}.", "label": label}))


def test_labelled_questions_are_right_or_wrong_exactly_and_the_control_says_how_much_the_words_add():
    # q0–q2: words and label agree → right. q3: happy words said sadly → wrong. The control gives each other words: a derangement by sentence. good ×2, bad ×1, odd ×1 for
    # q0, q3 | q1 | q2: the largest group has 2 of 4, so good ↔ {bad, odd}. With the other words the model says sad or neutral for q0 and q3, and happy for q1 and q2:
    # q0 (happy) wrong, q1 (sad) wrong, q2 (neutral) wrong, q3 (sad) right if it drew the dog and wrong if it drew the fence.
    rows = [row(0, label="happy"), row(1, words="bad", label="sad"), row(2, words="odd", label="neutral"), row(3, label="sad")]
    with ChatServer() as server:
        server.script = reads_the_words
        shortcut = TextShortcut(config(server), name="a reader")
        marks = shortcut(iter(rows))
        requests = server.requests
    assert marks == {"q0": True, "q1": True, "q2": True, "q3": False}
    result = shortcut.result
    assert (result["model"], result["asked"], result["judged"], result["rows"], result["failures"]) == ("a reader", 4, 4, 4, {})
    assert (result["right"]["hits"], result["right"]["n"]) == (3, 4)
    # Wilson for 3 of 4: centre (0.75 + 3.8415/8)/(1 + 3.8415/4) = 0.62750, half 1.95996/1.96036 · sqrt(0.046875 + 3.8415/64) = 0.32692
    assert result["right"]["low"] == pytest.approx(0.3006, abs=1e-4) and result["right"]["high"] == pytest.approx(0.9544, abs=1e-4)
    donor_of_q3 = next(words for words, question, _ in map(asked, requests) if question == rows[3]["question"] and words != said(rows[3]))
    assert result["control"]["hits"] == (donor_of_q3 == SENTENCES["bad"]) and result["control"]["n"] == 4
    assert result["lift"]["difference"] == (3 - result["control"]["hits"]) / 4
    assert result["by_type"].keys() == {"CE"} and result["by_type"]["CE"]["right"] == result["right"]
    assert result["chosen"] == {"CE": {"happy": 2, "sad": 1, "neutral": 1}}
    assert len(requests) == 8  # an answer and a control each, and no grader
    for request in requests:
        assert request["temperature"] == 0.0
        schema = request["response_format"]["json_schema"]["schema"]
        assert schema["properties"]["label"]["enum"] == ["happy", "neutral", "sad"] and schema["required"] == ["answer", "label"]
        assert sorted(asked(request)[2].split(", ")) == ["happy", "neutral", "sad"]


def test_labels_that_mean_the_same_are_one_option():
    rows = [row(0, label="happiness"), row(1, words="bad", label="sad"), row(2, words="odd", label="happy")]

    def says(request):
        return Reply(json.dumps({"answer": "Glad.", "label": "happiness"}))

    with ChatServer() as server:
        server.script = says
        marks = TextShortcut(config(server))(rows)
        assert {tuple(r["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"]) for r in server.requests} == {("happiness", "sad")}
    assert marks == {"q0": True, "q1": False, "q2": True}


def grader(verdicts):
    """Answers "A." to every question; grades by the reference and the order: verdicts[reference] = (reference first, reference second)."""

    def reply(request):
        if asked(request):
            return Reply(json.dumps({"answer": "A."}))
        first, second = re.search(r"One answer: (.*)\nOther answer: (.*)$", request["messages"][-1]["content"]).groups()
        reference, place = (first, 0) if first != "A." else (second, 1)
        return Reply(json.dumps({"explanation": "So.", "same": verdicts[reference][place]}))

    return reply


def test_open_answers_are_graded_in_both_orders_and_a_grader_that_contradicts_itself_decides_nothing():
    # Each with words of its own. q3's reference is the answer but for its case: no grader is asked. So 3 questions × (true + control) × 2 orders = 12 grades, 8 answers.
    rows = [row(n, answer=answer, transcript=f"Sentence number {n}.") for n, answer in enumerate(["Yes.", "No.", "Both.", "a."])]
    with ChatServer() as server:
        server.script = grader({"Yes.": (True, True), "No.": (False, False), "Both.": (True, False)})
        shortcut = TextShortcut(config(server))
        marks = shortcut(rows)
        sent = [r["response_format"]["json_schema"]["name"] for r in server.requests]
    assert marks == {"q0": True, "q1": False, "q2": None, "q3": True}
    assert shortcut.result["failures"] == {DISAGREES: 1} and shortcut.result["judged"] == 3 and shortcut.transient == 0
    assert sorted(sent) == [OPEN.name] * 8 + [SAME.name] * 12
    assert (shortcut.result["right"]["hits"], shortcut.result["right"]["n"]) == (2, 3)


@pytest.mark.parametrize(
    ("fault", "reason", "transient"),
    [
        (Reply(text="overloaded", status=500), "answer: HTTP 500", 1),
        (Reply('{"answer": "Glad.", "label": "jubilant"}'), "answer: unusable reply", 0),
        (Reply('{"answer": "Gla', finish_reason="length"), "answer: cut at max_tokens", 0),
        (Reply(""), "answer: empty reply", 0),
        (Reply(hangup=True), "answer: connection lost", 1),
    ],
)
def test_a_failed_request_is_no_mark_and_is_counted(fault, reason, transient):
    # q1 fails with its own words and with others: two requests, each without an outcome.
    rows = [row(0, label="happy"), row(1, words="bad", label="sad"), row(2, words="odd", label="neutral")]
    with ChatServer() as server:
        server.script = lambda request: fault if "Question 1" in asked(request)[1] else reads_the_words(request)
        shortcut = TextShortcut(config(server))
        marks = shortcut(rows)
        assert marks == {"q0": True, "q1": None, "q2": True}
        assert shortcut.tried(rows) == ({"q0": True, "q2": True} if transient else marks)  # what may succeed the next time is missing
    assert shortcut.result["failures"] == {reason: 1} and shortcut.result["control_failures"] == {reason: 1}
    assert shortcut.transient == shortcut.result["transient"] == transient
    assert shortcut.result["right"]["n"] == 2 and shortcut.result["judged"] == 2 and shortcut.result["asked"] == 3


def test_a_failed_grade_is_no_mark():
    rows = [row(0, answer="Yes."), row(1, words="bad", answer="No.")]
    grades = grader({"Yes.": (True, True), "No.": (False, False)})
    with ChatServer() as server:
        server.script = lambda request: Reply(status=500) if not asked(request) and "One answer: No." in request["messages"][-1]["content"] else grades(request)
        shortcut = TextShortcut(config(server))
        assert shortcut(rows) == {"q0": True, "q1": None}
    assert shortcut.result["failures"] == {"grader: HTTP 500": 1} and shortcut.transient == 1


def test_an_endpoint_that_cannot_be_used_ends_the_audit():
    with ChatServer() as server:
        server.script = [Reply(text="no such key", status=401)]
        with pytest.raises(LLMError, match="OPENAI_API_KEY"):
            TextShortcut(config(server))([row(0, label="happy"), row(1, words="bad", label="sad")])


def test_a_repeated_audit_sends_nothing_and_the_marks_do_not_depend_on_chunks_or_order(tmp_path):
    rows = [row(n, words=("good", "bad", "odd")[n % 3], label=("happy", "sad", "neutral")[n // 3 % 3]) for n in range(12)]
    with ChatServer() as server:
        server.script = reads_the_words
        first = TextShortcut(config(server, tmp_path), chunk=5)
        marks = first(rows)
        sent = len(server.bodies)
        again = TextShortcut(config(server, tmp_path), chunk=3)
        assert again(reversed(rows)) == marks and len(server.bodies) == sent
    # the words' feeling is n % 3, the label's n // 3 % 3: equal for n = 0, 4, 8, 9
    assert {qa for qa, mark in marks.items() if mark} == {"q0", "q4", "q8", "q9"}
    assert again.result == first.result


def test_without_words_without_others_and_beyond_the_limit_there_is_no_mark():
    rows = [
        row(0, label="happy"),
        row(1, label="sad"),
        row(2, label="happy", transcript=" \n"),
        row(3, label="sad", language="de", transcript="Er kommt nicht."),
    ]
    with ChatServer() as server:
        server.script = lambda request: Reply('{"answer": "Sad.", "label": "sad"}') if asked(request)[0].startswith("Er ") else reads_the_words(request)
        shortcut = TextShortcut(config(server))
        assert shortcut(rows) == {"q0": True, "q1": False, "q2": None, "q3": True}
        assert shortcut.result["without_words"] == 1 and shortcut.result["asked"] == 3
        # All who speak English say the same, and nobody else speaks German: no control at all, and that is said.
        assert shortcut.result["control"] == {"hits": 0, "n": 0, "share": None, "low": None, "high": None}
        assert shortcut.result["control_failures"] == {"no other clip of this language says other words": 3}
        limited = TextShortcut(config(server), limit=2)
        marks = limited(rows)
        assert limited.result["asked"] == 2 and sum(mark is not None for mark in marks.values()) == 2 and len(marks) == 4


def test_several_samples_decide_by_majority_and_are_different_draws():
    # Draw s of question n says happy where bit s of n is set: 0 → no, 1 → one of three, 3 → two of three, 7 → all.
    rows = [row(n, label="happy", transcript=f"Sentence {n}.") for n in (0, 1, 3, 7)] + [row(9, label="sad", transcript="Sentence 9.")]

    def draw(request):
        number = int(re.search(r"Question (\d+)", asked(request)[1])[1])
        return Reply(json.dumps({"answer": "So.", "label": "happy" if number >> request["seed"] & 1 else "sad"}))

    with ChatServer() as server:
        server.script = draw
        marks = TextShortcut(config(server), samples=3)(rows)
        assert {r["temperature"] for r in server.requests} == {0.7} and len(server.bodies) == 5 * 2 * 3
    assert marks == {"q0": False, "q1": False, "q3": True, "q7": True, "q9": True}  # 9 = 0b1001: bit 0 alone says happy, so sad has two of three


def test_the_embedded_kind_of_endpoint_opens_with_the_first_question_only():
    opened = []

    class Opens:
        def __enter__(self):
            opened.append("in")
            return config(server)

        def __exit__(self, *_):
            opened.append("out")

    with ChatServer() as server:
        server.script = reads_the_words
        assert TextShortcut(Opens)([row(0, label="happy", transcript="")]) == {"q0": None} and opened == []
        TextShortcut(Opens)([row(0, label="happy"), row(1, words="bad", label="sad")])
    assert opened == ["in", "out"]
    with pytest.raises(RecipeError, match="at least 1"):
        TextShortcut(Opens, samples=0)


@pytest.mark.parametrize("sizes", [[1, 1], [1] * 9, [2, 2], [3, 2, 1], [4, 3, 1], [7, 1, 2], [5]])
def test_the_control_gives_every_clip_other_words_of_its_language(sizes):
    rows = [row(f"{s}-{n}", label="happy", transcript=f"Sentence {s}.") for s, size in enumerate(sizes) for n in range(size)]
    rows += [row(f"de{n}", language="de", transcript=f"Satz {n}.") for n in range(3)]
    with Spill(rows, seed=1) as spill:
        given = {r["qa_id"]: spill.other_words(r) for r in spill}
    english = [given[r["qa_id"]] for r in rows if r["language"] == "en"]
    if len(sizes) == 1:
        assert english == [None] * 5
        return
    assert all(words is not None and words != said(r) for r, words in zip(rows, english, strict=False))
    assert all(given[f"qde{n}"].startswith("Satz") and given[f"qde{n}"] != f"Satz {n}." for n in range(3))
    if 2 * max(sizes) <= sum(sizes):  # a derangement: everybody's words are used once
        assert sorted(english) == sorted(said(r) for r in rows if r["language"] == "en")
    with Spill(reversed(rows), seed=1) as spill:
        assert 2 * max(sizes) > sum(sizes) or {r["qa_id"]: spill.other_words(r) for r in spill} == given  # whatever the order of the rows


def test_questions_about_one_clip_share_its_donor_and_another_seed_gives_others():
    rows = [row(n, label="happy", clip=f"clip{n // 2}", transcript=f"Sentence {n // 2}.") for n in range(40)]
    donors = []
    for seed in (0, 1):
        with Spill(rows, seed=seed) as spill:
            donors.append([spill.other_words(r) for r in spill])
    assert donors[0][::2] == donors[0][1::2] and donors[0] != donors[1]


def test_contracts_have_hashes_of_their_own():
    assert len({OPEN.hash, SAME.hash, closed(("a", "b")).hash, closed(("a", "c")).hash}) == 4
    assert closed(("a", "b")) is closed(("a", "b"))
    assert next(iter(SAME.schema["properties"])) == "explanation"  # the reason before the verdict
    for text in ('{"answer": "x", "label": "c"}', '{"label": "a"}', "[]", '{"answer": " ", "label": "a"}'):
        with pytest.raises(ValueError):
            closed(("a", "b")).parse(text)
