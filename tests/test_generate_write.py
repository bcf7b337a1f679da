from __future__ import annotations

import json
import pickle
import re
from collections import Counter

import jinja2
import pytest
from pydantic import ValidationError

from cp_paraling_qa import llm_faults
from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.generate import whole
from cp_paraling_qa.generate.contract import Contract
from cp_paraling_qa.generate.filters import Candidate, judge
from cp_paraling_qa.generate.options import QuestionOptions
from cp_paraling_qa.generate.stepwise import SCENES, TASKS, OneQA, context, voice
from cp_paraling_qa.generate.tally import Tally
from cp_paraling_qa.generate.told import Told, tell
from cp_paraling_qa.generate.write import QuestionWriter
from cp_paraling_qa.llm import ClientStats, LLMConfig
from cp_paraling_qa.schema import QUESTION_SCHEMA, opinion, table
from tests.chat_server import ChatServer, Reply

CONTEXT = {"CE": 6, "CG": 1}
EMOTIONS = ("angry", "sad", "happy", "fearful", "surprised", "neutral")


def clip(number=0, **more):
    opinions = [opinion("emotion", EMOTIONS[number % 6], source="maker"), opinion("arousal", score=0.9, source="maker")]
    row = {"clip_id": f"clip{number}", "duration": 2.5, "gender": ("female", "male")[number % 2], "language": "en", "opinions": opinions}
    return row | {"transcript": "You told them about my promotion."} | more


def good(body):
    """A fitting reply: the feeling stands in the prompt's last turn."""
    prompt = body["messages"][-1]["content"]
    opening, answer = re.search(r"question with: (.*)\n.*answer with: (.*)", prompt).groups()
    reply = {
        "topic": "the promotion",
        "question": f"{opening} the promotion?",
        "answer": f"{answer} {'speaks' if answer.startswith('A ') else 'because'} of the promotion.",
    }
    return Reply(json.dumps(reply | {"evidence": ["emotion", "pitch"]}))


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(llm_faults, "BACKOFF_FIRST", 0.002)
    monkeypatch.setattr(llm_faults, "BACKOFF_MOST", 0.01)
    with ChatServer() as running:
        running.script = good
        yield running


@pytest.fixture
def write(server):
    """Rows for clips, and the writer that wrote them; LLM-written questions one at a time unless told otherwise."""
    made = []

    def run(clips, *, reuse=None, llm=None, **options):
        config = LLMConfig(server.base_url, "big-model", concurrency=4, **(llm or {}))
        writer = QuestionWriter(QuestionOptions(**{"style": "stepwise", "kinds": "cpqa", "mix": CONTEXT} | options), config, reuse=reuse)
        made.append(writer)
        writer.setup()
        return writer(clips), writer

    yield run
    for writer in made:
        writer.close()


def test_rows_of_a_batch(write, server):
    clips = [clip(i) for i in range(12)]
    rows, writer = write(clips, kinds=("pqa_template", "cpqa"), forms=("word", "sentence"))
    table(rows, QUESTION_SCHEMA)
    kept = [r for r in rows if r["dropped"] is None]
    assert [r["clip_id"] for r in kept] == [c["clip_id"] for c in clips for _ in range(6)]  # in the clips' order: 4 template rows and 2 written ones
    written = [r for r in rows if r["kind"] == "cpqa"]
    assert all(r["dropped"] in (None, "repeated question") for r in written) and writer.tally.kept == 24 == sum(r["dropped"] is None for r in written)
    assert {r["generator"] for r in written} == {"big-model"}
    assert {r["prompt_hash"] for r in written} <= {task.contract.hash for task in TASKS.values()}
    assert all(r["label"] == (clips[int(r["clip_id"][4:])]["gender"] if r["type"] == "CG" else EMOTIONS[int(r["clip_id"][4:]) % 6]) for r in written)
    assert Counter((r["clip_id"], r["question"]) for r in written).most_common(1)[0][1] == 1


def test_evidence_is_what_the_ledger_has_with_its_span(write):
    rows, _ = write([clip()], per_clip=1, mix={"CE": 1})
    assert rows[0]["evidence"] == [{"field": "emotion", "start": 0.0, "end": 2.5}]  # the reply also named pitch: nobody measured it


def test_the_same_clips_give_the_same_rows_in_any_company(write):
    together, _ = write([clip(i) for i in range(6)])
    alone, _ = write([clip(4)])
    assert [r for r in together if r["clip_id"] == "clip4"] == alone


def test_dropped_row_stays_and_another_draw_is_asked(write, server):
    drawn = Counter()

    def script(body):
        drawn[body["seed"]] += 1
        return good(body) if body["seed"] == 1 else Reply(good(body).text.replace("the promotion?", "arousal 0.71 in the transcript?"))

    server.script = script
    rows, writer = write([clip()], mix={"CE": 1}, per_clip=1)
    assert [r["dropped"] for r in rows] == ["leaks figures", None]
    assert drawn == {0: 1, 1: 1} and writer.tally.kept == 1 and writer.drops == []
    assert writer.tally.dropped == {"leaks figures": 1}


def test_reply_that_never_parses_is_counted_and_is_no_row(write, server):
    server.script = [Reply('{"topic": "the promotion", "question": 3}')]
    rows, writer = write([clip(0), clip(1)], per_clip=1)
    assert rows == [] and writer.transient == 0
    assert [(d.item.split()[0], d.reason) for d in sorted(writer.drops)] == [("clip0", "LLM: unusable reply"), ("clip1", "LLM: unusable reply")]


def test_reply_cut_at_max_tokens_is_counted_and_is_no_row(write, server):
    server.script = lambda body: Reply(good(body).text[:60], finish_reason="length")
    rows, writer = write([clip()], per_clip=1, rounds=1)
    assert rows == [] and [d.reason for d in writer.drops] == ["LLM: cut at max_tokens"]


def test_row_that_the_server_could_not_serve_is_transient(write, server):
    server.script = lambda body: Reply("boom", status=500) if "Someone told" in body["messages"][-1]["content"] else good(body)
    clips = [clip(0), *(clip(i, transcript="The promotion was told to them.") for i in range(1, 5))]
    rows, writer = write(clips, per_clip=1)
    assert {r["clip_id"] for r in rows} == {"clip1", "clip2", "clip3", "clip4"}
    assert (writer.transient, [d.reason for d in writer.drops]) == (1, ["LLM: HTTP 500"])


def test_clip_without_words_or_opinions_is_counted(write, server):
    rows, writer = write([clip(0, transcript=None), clip(1, transcript=" "), clip(2, gender=None, opinions=[])])
    assert rows == [] and server.bodies == []
    assert [(d.item, d.reason) for d in writer.drops] == [("clip0", "no transcript"), ("clip1", "no transcript"), ("clip2", "no emotion or gender known")]
    rows, _ = write([clip(2, opinions=[])], per_clip=4)
    assert {r["type"] for r in rows} == {"CG"}  # the corpus knows the gender, nobody the emotion


def test_clips_of_another_dataset_are_not_asked_again(write, server):
    before, _ = write([clip(0), clip(1)])
    server.bodies.clear()
    rows, writer = write([clip(0), clip(1), clip(2)], reuse={"clip0": [r for r in before if r["clip_id"] == "clip0"]})
    assert len(server.bodies) == 4 and (writer.tally.reused, writer.tally.kept) == (2, 4)
    assert [r for r in rows if r["clip_id"] == "clip0"] == [r for r in before if r["clip_id"] == "clip0"]


def test_repeated_run_asks_nothing(write, server, tmp_path):
    first, writer = write([clip(i) for i in range(4)], llm={"cache": tmp_path / "c.sqlite"})
    writer.close()
    server.bodies.clear()
    second, _ = write([clip(i) for i in range(4)], llm={"cache": tmp_path / "c.sqlite"})
    assert (second, server.bodies) == (first, [])


def test_without_contextual_questions_no_llm_is_needed():
    writer = QuestionWriter(QuestionOptions(kinds="pqa_template,asr"))
    writer.setup()
    assert {r["kind"] for r in writer([clip()])} == {"pqa_template", "asr"}
    writer.close()


def test_config_is_what_shapes_the_rows():
    def config(llm=None, reuse=None, **options):
        return json.dumps(QuestionWriter(QuestionOptions(**options), llm or LLMConfig("http://a/v1", "m"), reuse=reuse).config, sort_keys=True)

    assert config() == config(LLMConfig("http://b/v1", "m", concurrency=3, timeout=9))
    others = [
        {"seed": 1},
        {"per_clip": 1},
        {"kinds": "cpqa"},
        {"style": "stepwise"},
        {"samples": 2},
        {"vad": False},
        {"emotions": False},
        {"opinions": "human"},
    ]
    others += [{"soft_labels": False}, {"mix": {"CE": 1}}, {"language": "de"}, {"rounds": 1}, {"skip_filters": "length"}, {"strict": True}, {"forms": "word"}]
    configs = {config(), config(LLMConfig("http://a/v1", "n")), config(LLMConfig("http://a/v1", "m", temperature=0.1)), *(config(**other) for other in others)}
    assert len(configs) == 3 + len(others)
    assert config(kinds="asr") == config(LLMConfig("http://a/v1", "n"), kinds="asr")
    assert config() != config(reuse={"c": [{"qa_id": "x"}]})


def test_writer_travels_to_a_worker(write):
    _, writer = write([clip()])
    copy = pickle.loads(pickle.dumps(writer))
    assert copy.config == writer.config and copy._client is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"mix": {"joke": 1}}, "there is no question type joke: choose among CE, C"),
        ({"mix": {"CE": 0}}, "not all 0"),
        ({"mix": {"CE": -1}}, "not to be negative"),
        ({"rounds": 0}, "greater than or equal to 1"),
        ({"per_clip": 0}, "greater than or equal to 1"),
        ({"skip_filters": ("nose",)}, "there is no filter nose: choose among .*not_a_question"),
        ({"kinds": "cpqa,song"}, "there is no question kind song: choose among asr"),
        ({"kinds": ""}, "no kind of question is left"),
        ({"opinions": "neighbour"}, "there is no opinion source neighbour"),
        ({"style": "grand"}, "whole"),
    ],
)
def test_options_that_make_no_sense(options, told):
    with pytest.raises((ValidationError, RecipeError), match=told):
        QuestionOptions(**options)


def test_mix_is_kept_on_average(write):
    rows, _ = write([clip(i) for i in range(120)], per_clip=1, mix={"CE": 3, "CG": 1})
    # 120 draws with p = 1/4: 30, standard deviation sqrt(120 * 1/4 * 3/4) = 4.7; four of them either way
    assert 11 <= sum(r["type"] == "CG" for r in rows) <= 49


# -- all questions of a clip at once ------------------------------------------------------------------------------------------------------


LONG = "well the allotment is gone they gave our garden away after eleven years and nobody even called"


def long_clip(**more):
    return clip(0, duration=32.0, transcript=LONG, **more)


def questions_for(body, **change):
    """A reply that grants every wish in the prompt's last turn, each with its own wording."""
    wanted = re.findall(r"^\d+\. (\w+), (\w+):", body["messages"][-1]["content"], re.MULTILINE)
    text = {
        "C": ("What does the speaker say about garden {n}?", "They say that it was given away."),
        "CE": ("How does the speaker feel about the garden on line {n}?", "They sound angry about losing the garden."),
        "CG": ("Is it a man or a woman who lost the garden, going by voice {n}?", "A woman is heard."),
        "DE": ("Which feeling does this voice carry on line {n}?", "The voice sounds angry."),
        "DG": ("Does a man or a woman speak on line {n}?", "A woman speaks."),
    }
    rows = []
    for number, (type, difficulty) in enumerate(wanted):
        question, answer = (part.replace("{n}", "abcdefghijkl"[number]) for part in text[type])
        rows.append({"type": type, "difficulty": difficulty, "question": question, "answer": answer, "evidence": ["emotion", "loudness"]} | change)
    return rows


def asked_for(body):
    return int(re.search(r"Write (\d+) question", body["messages"][-1]["content"])[1])


def test_a_long_clip_gets_seven_questions_in_one_request(write, server):
    server.script = lambda body: Reply(json.dumps({"questions": questions_for(body)}))
    rows, writer = write([long_clip()], style="whole", mix=dict(whole_mix), skip_filters="paraphrase")
    kept = [row for row in rows if row["dropped"] is None]
    assert len(server.bodies) == 1 and asked_for(server.requests[0]) == 7 and len(kept) == 7, [(r["question"], r["dropped"]) for r in rows]
    assert {row["prompt_hash"] for row in rows} == {whole.CONTRACTS["cpqa"].hash} and {row["kind"] for row in rows} == {"cpqa"}
    assert len({row["type"] for row in rows}) >= 3 and len({row["difficulty"] for row in rows}) == 2
    assert all(row["label"] == {"CE": "angry", "DE": "angry", "CG": "female", "DG": "female", "C": None}[row["type"]] for row in rows)
    assert all(one["field"] != "loudness" for row in rows for one in row["evidence"])  # named by the reply, but nobody measured it
    assert writer.drops == []


whole_mix = {"CE": 6, "C": 1, "CG": 1, "DE": 1, "DG": 0.5}


def test_what_a_filter_dropped_is_asked_once_more_with_the_others_shown(write, server):
    def script(body):
        rows = questions_for(body)
        if len(server.bodies) == 1:
            rows[0]["answer"] = "The arousal is 0.71."
            rows.pop()  # and one is forgotten
        return Reply(json.dumps({"questions": rows}))

    server.script = script
    rows, writer = write([long_clip()], style="whole", mix={"C": 1, "CE": 2, "CG": 1, "DE": 1, "DG": 1}, per_clip=4, skip_filters="paraphrase")
    first, second = server.requests
    assert (asked_for(first), asked_for(second)) == (4, 2)
    assert "Already asked" not in first["messages"][-1]["content"]
    kept_first = [row["question"] for row in rows if row["dropped"] is None][:2]
    assert all(question in second["messages"][-1]["content"] for question in kept_first)
    assert sum(row["dropped"] is None for row in rows) == 4 and [row["dropped"] for row in rows if row["dropped"]] == ["leaks figures"]
    assert writer.drops == []


def test_one_bad_question_does_not_cost_its_neighbours(write, server):
    def script(body):
        return Reply(json.dumps({"questions": [*questions_for(body), {"type": "CE", "question": "", "answer": "x"}, 7]}))

    server.script = script
    rows, writer = write([long_clip()], style="whole", per_clip=2, mix={"C": 1, "CG": 1})
    assert sum(row["dropped"] is None for row in rows) == 2
    assert [drop.reason for drop in writer.drops] == ["LLM: question does not fit the schema"] * 2


def test_more_than_was_asked_for_is_a_counted_drop(write, server):
    server.script = lambda body: Reply(json.dumps({"questions": [*questions_for(body), *questions_for(body, question="What is said about the garden gate?")]}))
    rows, _ = write([long_clip()], style="whole", per_clip=1, mix={"C": 1})
    assert [row["dropped"] for row in rows] == [None, "more than was asked for"]


def test_a_model_that_writes_one_type_only_does_not_undo_the_mix(write, server):
    """Four are asked for, of four types; the model answers each with a question of type C. One grants its wish, the others wait for the next round in vain."""
    server.script = lambda body: Reply(json.dumps({"questions": [one | {"type": "C"} for one in questions_for(body)]}))
    rows, writer = write([long_clip()], style="whole", per_clip=4, mix={"C": 1, "CG": 1, "CE": 1, "DE": 1}, rounds=2, skip_filters="paraphrase")
    assert [row["type"] for row in rows if row["dropped"] is None] == ["C"]
    assert {row["dropped"] for row in rows} == {None, "more than was asked for", "type not asked for"}  # in the second round no C is wanted any more
    assert [drop.reason for drop in writer.drops] == ["LLM: no question of this type passed"] * 3


def test_many_questions_are_asked_for_in_several_requests(write, server):
    """A reply of forty would be cut at max_tokens. The four requests are alike but for their seeds, so that each is another draw."""
    server.script = lambda body: Reply(json.dumps({"questions": questions_for(body)}))
    write([long_clip()], style="whole", per_clip=40, mix={"C": 1}, rounds=1)
    assert [asked_for(body) for body in server.requests] == [10] * 4 and sorted(body["seed"] for body in server.requests) == [0, 1, 2, 3]


def test_evidence_under_another_name_costs_no_question(write, server):
    server.script = lambda body: Reply(json.dumps({"questions": questions_for(body, evidence=["tempo", "emotion"])}))
    rows, _ = write([long_clip()], style="whole", per_clip=1, mix={"C": 1})
    assert [[one["field"] for one in row["evidence"]] for row in rows] == [["text", "emotion"]]
    server.script = lambda body: Reply(json.dumps({"questions": questions_for(body, evidence=["text"])}))
    rows, _ = write([long_clip()], style="whole", kinds="pqa", per_clip=1)
    assert "text" not in {one["field"] for row in rows for one in row["evidence"]}  # nobody told it the words


def test_nobody_s_gender_is_asked_for_where_several_speak(write, server):
    heard = [opinion("speakers", "2", source="model"), opinion("emotion", "angry", source="model")]
    server.script = lambda body: Reply('{"questions": []}')
    write([long_clip(opinions=heard)], style="whole", mix={"CG": 1, "DG": 1, "CE": 1, "CS": 1}, rounds=1)
    wanted = re.findall(r"^\d+\. (\w+),", server.requests[0]["messages"][-1]["content"], re.MULTILINE)
    assert set(wanted) == {"CE", "CS"}


def test_answers_end_as_sentences_do(write, server):
    for answer, expected in (
        ('They call it "gone for good."', 'They call it "gone for good."'),  # closed within the quotation
        ("They say it is gone", "They say it is gone."),
        ("They say that the garden " + "is gone and that they miss it and " * 4 + "that it hurts", None),  # long, but nothing cuts a reply of this style
    ):
        server.script = lambda body, answer=answer: Reply(json.dumps({"questions": questions_for(body, answer=answer)}))
        rows, _ = write([long_clip()], style="whole", per_clip=1, mix={"C": 1}, rounds=1)
        assert rows[0]["answer"] == (expected or f"{answer}.")


def test_the_language_is_asked_for_by_name(write, server):
    server.script = lambda body: Reply(json.dumps({"questions": questions_for(body)}))
    write([long_clip(language="ta")], style="whole", per_clip=1, rounds=1)
    write([long_clip()], style="whole", per_clip=1, rounds=1, language="de")
    told = [body["messages"][0]["content"] for body in server.requests]
    assert "Questions and answers are in English, whatever" in told[0] and "in the language with the ISO 639 code de, whatever" in told[1]


@pytest.mark.parametrize("kind", whole.CONTRACTS)
def test_worked_examples_of_whole_clips_pass_their_own_contract_and_filters(kind):
    told, reply = whole.CONTRACTS[kind].examples[0]
    asked = {(one.partition(",")[0], one.partition(", ")[2].partition(":")[0]) for one in told["wanted"]}
    fitting, wrong = whole.read(json.dumps(reply))
    assert wrong == [] and {(qa.type, qa.difficulty) for qa in fitting} == asked
    words = " ".join(line.partition("]: ")[2] for line in whole._EXAMPLE["words"])
    for qa in fitting:
        assert judge(Candidate(qa.question, qa.answer, qa.type, ["calm", "angry"], "female", words, speakers=1, language="en")) is None
    assert len(json.dumps(reply)) / 4 < 500  # far below max_tokens


def test_what_the_client_could_not_count_stands_beside_the_cost():
    tally = Tally(4)
    tally.expect(4, 4)
    stats = ClientStats(requests=2, cost=0.5)
    for _ in range(2):
        tally.answered()
    told = [tally.line(stats) for _ in range(2)]  # a fault shows the line once more, without an answer
    assert all("$0.5000 of about $1.0000" in line for line in told)  # two of four requests are answered
    assert "without" not in told[0] and "at most" not in told[0]
    stats = ClientStats(requests=2, cost=0.5, without_usage=3, uncertain_cost=0.25)
    assert "at most $0.2500 more for requests whose tokens nobody told; 3 replies without a count of tokens" in tally.line(stats)


def test_wishes_that_nothing_grants_are_counted(write, server):
    server.script = lambda body: Reply(json.dumps({"questions": questions_for(body, answer="The valence is 0.2.")}))
    rows, writer = write([long_clip()], style="whole", per_clip=2, mix={"C": 1, "CG": 1}, rounds=2)
    assert len(server.bodies) == 2 and all(row["dropped"] == "leaks figures" for row in rows)
    assert [drop.reason for drop in writer.drops] == ["LLM: no question of this type passed"] * 2


def test_samples_are_draws_of_their_own(write, server):
    server.script = lambda body: Reply(json.dumps({"questions": questions_for(body)}))
    write([long_clip()], style="whole", samples=3, per_clip=2, rounds=1)
    assert sorted(body["seed"] for body in server.requests) == [0, 1, 2]  # the seed, and one more for each


def test_pqa_is_told_no_words_and_asks_about_the_voice_alone(write, server):
    server.script = lambda body: Reply(json.dumps({"questions": questions_for(body)}))
    rows, _ = write([long_clip()], style="whole", kinds="pqa")
    prompt = server.requests[0]["messages"][-1]["content"]
    assert "allotment" not in prompt and "Words:" not in prompt and "Emotion heard: angry" in prompt
    assert {(row["kind"], row["type"]) for row in rows} <= {("pqa", "DE"), ("pqa", "DG")} and len(rows) == 2


def test_switches_take_evidence_out_of_the_prompt(write, server):
    server.script = lambda body: Reply(json.dumps({"questions": questions_for(body)}))
    told = []
    for options in ({}, {"vad": False}, {"emotions": False}):
        server.bodies.clear()
        write([long_clip()], style="whole", per_clip=1, mix={"CE": 1}, **options)
        told.append(server.requests[0]["messages"][-1]["content"])
    assert "arousal 0.90 (very aroused)" in told[0] and "Emotion heard: angry" in told[0]
    assert "arousal" not in told[1] and "Emotion heard" in told[1]
    assert "arousal" in told[2] and "Emotion heard" not in told[2]


def test_words_are_told_with_times_and_tags():
    words = [
        {"word": " Well", "start": 0.1, "end": 0.4, "probability": None, "emotion": "calm", "gender": "female"},
        {"word": " hello", "start": 0.4, "end": 0.9, "probability": None, "emotion": "calm", "gender": "female"},
        {"word": " go", "start": 1.0, "end": 1.2, "probability": None, "emotion": "anger", "gender": "female"},
    ]
    assert tell(clip(words=words), Told())["words"] == ["0.1–0.9 s [calm, a woman]: Well hello", "1.0–1.2 s [angry, a woman]: go"]
    assert tell(clip(words=words), Told(emotions=False))["words"] == ["0.1–1.2 s [a woman]: Well hello go"]


def test_raters_who_disagree_are_told_softly():
    votes = [opinion("emotion", "sad", source="human", rater=name) for name in "ab"] + [opinion("emotion", "calm", source="human", rater=name) for name in "cd"]
    assert tell(clip(opinions=votes), Told())["emotion"] == "between calm and sad, raters disagree"
    assert tell(clip(opinions=votes), Told(soft=False))["emotion"] is None  # level: there is no first one
    assert tell(clip(opinions=[*votes, opinion("emotion", "sad", source="human", rater="e")]), Told(soft=False))["emotion"] == "sad"
    models = [opinion("emotion", "happy", source="model", rater="m")]
    assert tell(clip(opinions=[*votes, *models]), Told(sources=("model",)))["emotion"] == "happy"


# -- contracts ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_worked_examples_pass_their_own_contract_and_filters(task):
    for scene, (_, reply) in zip(SCENES, task.contract.examples, strict=True):
        qa = task.contract.parse(json.dumps(reply))
        sex = {"a woman": "female", "a man": "male"}[scene.speaker]
        assert judge(Candidate(qa.question, qa.answer, task.type, [scene.feeling], sex, scene.words, task.needs == "emotion", speakers=1)) is None


def test_schema_bounds_every_string_and_names_ledger_fields():
    schema = TASKS["feeling"].contract.schema
    assert all(schema["properties"][name]["maxLength"] <= 200 for name in ("topic", "question", "answer"))
    assert schema["additionalProperties"] is False and "title" not in json.dumps(schema)
    assert "gender" in schema["properties"]["evidence"]["items"]["enum"]


def test_hash_changes_with_every_part():
    base = {"name": "a", "version": 1, "system": "s", "user": "{{ x }}", "examples": (({"x": 1}, {"topic": "t"}),), "reply": OneQA}
    changes = [{}, {"name": "b"}, {"version": 2}, {"system": "t"}, {"user": "{{ x }}!"}, {"examples": ()}]
    assert len({Contract(**(base | change)).hash for change in changes}) == len(changes)
    with pytest.raises(jinja2.UndefinedError):
        Contract(**base).messages({"y": 1})


def test_prompt_tells_what_the_ledger_knows():
    spans = [opinion("emotion", "sad", source="model", start=0.0, end=1.0), opinion("emotion", "angry", source="model", start=1.0, end=2.5)]
    told = voice(clip(opinions=[*spans, opinion("valence", score=0.1, source="model"), opinion("pitch", "low", source="model")]), Told())
    assert told == "sad (0.0–1.0 s), then angry (1.0–2.5 s); very unpleasant tone; pitch low"
    row = clip()
    without = Told(vad=False)
    assert "energy" in context(row, TASKS["reason"], "Why", Told())["voice"] and "energy" not in context(row, TASKS["reason"], "Why", without)["voice"]
    assert context(row, TASKS["reason"], "Why", Told())["words"] == "Someone told them about their promotion."
    assert context(clip(language="de", transcript="I wo"), TASKS["reason"], "Why", Told())["words"] == "I wo"
