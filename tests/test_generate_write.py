from __future__ import annotations

import json
import pickle
import re
from collections import Counter

import jinja2
import pytest

from cp_paraling_qa import llm_faults
from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.generate.contract import Contract
from cp_paraling_qa.generate.cpqa import SCENES, TASKS, ContextualQA, context, voice
from cp_paraling_qa.generate.filters import judge
from cp_paraling_qa.generate.write import Candidate, Options, QuestionWriter, kept_share
from cp_paraling_qa.llm import LLMConfig
from cp_paraling_qa.schema import QUESTION_SCHEMA, opinion, table
from tests.chat_server import ChatServer, Reply

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
    """Rows for clips, and the writer that wrote them."""
    made = []

    def run(clips, *, reuse=None, llm=None, **options):
        config = LLMConfig(server.base_url, "big-model", concurrency=4, **(llm or {}))
        writer = QuestionWriter(Options(**options), config, reuse=reuse)
        made.append(writer)
        writer.setup()
        return writer(clips), writer

    yield run
    for writer in made:
        writer.close()


def test_rows_of_a_batch(write, server):
    clips = [clip(i) for i in range(12)]
    rows, writer = write(clips)
    table(rows, QUESTION_SCHEMA)
    assert [r["clip_id"] for r in rows] == [c["clip_id"] for c in clips for _ in range(6)]  # in the clips' order: 4 template rows and 2 written ones
    written = [r for r in rows if r["kind"] == "cpqa"]
    assert all(r["dropped"] is None for r in written) and writer.live == 24 and len(server.bodies) == 24
    assert {r["generator"] for r in written} == {"big-model"}
    assert {r["prompt_hash"] for r in written} <= {task.contract.hash for task in TASKS.values()}
    assert all(r["label"] == (clips[int(r["clip_id"][4:])]["gender"] if r["type"] == "CG" else EMOTIONS[int(r["clip_id"][4:]) % 6]) for r in written)
    assert Counter((r["clip_id"], r["question"]) for r in written).most_common(1)[0][1] == 1


def test_evidence_is_what_the_ledger_has_with_its_span(write):
    rows, _ = write([clip()], per_clip=1, mix={"feeling": 1}, templates=False)
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
    rows, writer = write([clip()], templates=False, mix={"reason": 1}, per_clip=1)
    assert [r["dropped"] for r in rows] == ["leaks figures", None]
    assert drawn == {0: 1, 1: 1} and writer.live == 1 and writer.drops == []
    assert kept_share(rows) == {"leaks figures": 1, "kept": 1}


def test_reply_that_never_parses_is_counted_and_is_no_row(write, server):
    server.script = [Reply('{"topic": "the promotion", "question": 3}')]
    rows, writer = write([clip(0), clip(1)], templates=False, per_clip=1)
    assert rows == [] and writer.transient == 0
    assert [(d.item.split()[0], d.reason) for d in sorted(writer.drops)] == [("clip0", "LLM: unusable reply"), ("clip1", "LLM: unusable reply")]


def test_reply_cut_at_max_tokens_is_counted_and_is_no_row(write, server):
    server.script = lambda body: Reply(good(body).text[:60], finish_reason="length")
    rows, writer = write([clip()], templates=False, per_clip=1, rounds=1)
    assert rows == [] and [d.reason for d in writer.drops] == ["LLM: cut at max_tokens"]


def test_row_that_the_server_could_not_serve_is_transient(write, server):
    server.script = lambda body: Reply("boom", status=500) if "Someone told" in body["messages"][-1]["content"] else good(body)
    clips = [clip(0), *(clip(i, transcript="The promotion was told to them.") for i in range(1, 5))]
    rows, writer = write(clips, templates=False, per_clip=1)
    assert {r["clip_id"] for r in rows} == {"clip1", "clip2", "clip3", "clip4"}
    assert (writer.transient, [d.reason for d in writer.drops]) == (1, ["LLM: HTTP 500"])


def test_clip_without_words_or_opinions_is_counted(write, server):
    rows, writer = write([clip(0, transcript=None), clip(1, transcript=" "), clip(2, gender=None, opinions=[])], templates=False)
    assert rows == [] and server.bodies == []
    assert [(d.item, d.reason) for d in writer.drops] == [("clip0", "no transcript"), ("clip1", "no transcript"), ("clip2", "no emotion or gender known")]
    rows, _ = write([clip(2, opinions=[])], templates=False, per_clip=4)
    assert {r["type"] for r in rows} == {"CG"}  # the corpus knows the gender, nobody the emotion


def test_clips_of_another_dataset_are_not_asked_again(write, server):
    before, _ = write([clip(0), clip(1)])
    server.bodies.clear()
    rows, writer = write([clip(0), clip(1), clip(2)], reuse={"clip0": [r for r in before if r["clip_id"] == "clip0"]})
    assert len(server.bodies) == 4 and (writer.reused, writer.live) == (2, 4)
    assert [r for r in rows if r["clip_id"] == "clip0"] == [r for r in before if r["clip_id"] == "clip0"]


def test_repeated_run_asks_nothing(write, server, tmp_path):
    first, writer = write([clip(i) for i in range(4)], llm={"cache": tmp_path / "c.sqlite"})
    writer.close()
    server.bodies.clear()
    second, _ = write([clip(i) for i in range(4)], llm={"cache": tmp_path / "c.sqlite"})
    assert (second, server.bodies) == (first, [])


def test_without_contextual_questions_no_llm_is_needed():
    writer = QuestionWriter(Options(per_clip=0))
    writer.setup()
    assert {r["kind"] for r in writer([clip()])} == {"pqa_template"}
    writer.close()


def test_config_is_what_shapes_the_rows():
    def config(llm=None, reuse=None, **options):
        return json.dumps(QuestionWriter(Options(**options), llm or LLMConfig("http://a/v1", "m"), reuse=reuse).config, sort_keys=True)

    assert config() == config(LLMConfig("http://b/v1", "m", concurrency=3, timeout=9))
    assert len({config(), config(LLMConfig("http://a/v1", "n")), config(seed=1), config(temperature=0.1), config(per_clip=1), config(templates=False)}) == 6
    assert config(per_clip=0) == config(LLMConfig("http://a/v1", "n"), per_clip=0)
    assert config() != config(reuse={"c": [{"qa_id": "x"}]})


def test_writer_travels_to_a_worker(write):
    _, writer = write([clip()])
    copy = pickle.loads(pickle.dumps(writer))
    assert copy.config == writer.config and copy._client is None


@pytest.mark.parametrize("options", [{"mix": {"joke": 1}}, {"mix": {"who": 0}}, {"rounds": 0}, {"per_clip": -1}, {"skip_filters": ("nose",)}])
def test_options_that_make_no_sense(options):
    with pytest.raises(RecipeError):
        Options(**options)


def test_mix_is_kept_on_average(write):
    rows, _ = write([clip(i) for i in range(120)], templates=False, per_clip=1, mix={"feeling": 3, "who": 1})
    # 120 draws with p = 1/4: 30, standard deviation sqrt(120 * 1/4 * 3/4) = 4.7; four of them either way
    assert 11 <= sum(r["type"] == "CG" for r in rows) <= 49


# -- contracts ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_worked_examples_pass_their_own_contract_and_filters(task):
    for scene, (_, reply) in zip(SCENES, task.contract.examples, strict=True):
        qa = task.contract.parse(json.dumps(reply))
        sex = {"a woman": "female", "a man": "male"}[scene.speaker]
        assert judge(Candidate(qa.question, qa.answer, task.type, [scene.feeling], sex, scene.words, task.needs == "emotion")) is None


def test_schema_bounds_every_string_and_names_ledger_fields():
    schema = TASKS["feeling"].contract.schema
    assert all(schema["properties"][name]["maxLength"] <= 200 for name in ("topic", "question", "answer"))
    assert schema["additionalProperties"] is False and "title" not in json.dumps(schema)
    assert "gender" in schema["properties"]["evidence"]["items"]["enum"]


def test_hash_changes_with_every_part():
    base = {"name": "a", "version": 1, "system": "s", "user": "{{ x }}", "examples": (({"x": 1}, {"topic": "t"}),), "reply": ContextualQA}
    changes = [{}, {"name": "b"}, {"version": 2}, {"system": "t"}, {"user": "{{ x }}!"}, {"examples": ()}]
    assert len({Contract(**(base | change)).hash for change in changes}) == len(changes)
    with pytest.raises(jinja2.UndefinedError):
        Contract(**base).messages({"y": 1})


def test_prompt_tells_what_the_ledger_knows():
    spans = [opinion("emotion", "sad", source="model", start=0.0, end=1.0), opinion("emotion", "angry", source="model", start=1.0, end=2.5)]
    told = voice(clip(opinions=[*spans, opinion("valence", score=0.1, source="model"), opinion("pitch", "low", source="model")]))
    assert told == "sad (0.0–1.0 s), then angry (1.0–2.5 s); very unpleasant tone; pitch low"
    row = clip()
    assert "energy" in context(row, TASKS["reason"], "Why")["voice"] and "energy" not in context(row, TASKS["reason"], "Why", use_vad=False)["voice"]
    assert context(row, TASKS["reason"], "Why")["words"] == "Someone told them about their promotion."
    assert context(clip(language="de", transcript="I wo"), TASKS["reason"], "Why")["words"] == "I wo"
