"""`cpqa generate` from end to end: kinds, what it will cost and what it may, both transports, the text-shortcut audit, and the recipe that makes a run again."""

import functools
import json
import re
import shutil
import signal
import subprocess
import sys
import time

import datasets
import pytest
import yaml
from batch_server import BatchServer, Result
from chat_server import ChatServer, Reply
from conftest import EMOTIONS, write_folder_corpus

from cp_paraling_qa.building import build
from cp_paraling_qa.generate.options import LLMOptions, QuestionOptions
from cp_paraling_qa.generate.questions import estimate_questions, make_questions
from cp_paraling_qa.llm_types import Prices
from cp_paraling_qa.progress import Screen
from cp_paraling_qa.recipe import Recipe
from cp_paraling_qa.stage import read_record, read_rows

QUIET = Screen(quiet=True)
SPOKEN = "You told them about the new garden before me."


def written(request):
    """Good questions about the clip in the prompt, one for each line that asks for one."""
    prompt = request["messages"][-1]["content"]
    feeling = re.search(r"Emotion heard: (\w+)", prompt)[1]
    woman = "a woman" in prompt
    texts = {
        "C": ("What does the speaker say about the garden?", "They say that others were told of it first."),
        "CE": ("What does the voice say about the garden news?", f"They sound {feeling} about the garden."),
        "CG": ("Is it a man or a woman who speaks of the garden?", f"A {'woman' if woman else 'man'} speaks of it."),
        "DE": ("Which feeling does the voice carry?", f"The voice sounds {feeling}."),
        "DG": ("Does the voice belong to a man or to a woman?", f"It is a {'woman' if woman else 'man'}'s voice."),
    }
    rows = []
    for type, difficulty in re.findall(r"^\d+\. (\w+), (\w+):", prompt, re.MULTILINE):
        question, answer = texts[type]
        rows.append({"type": type, "difficulty": difficulty, "question": question, "answer": answer, "evidence": ["emotion"]})
    return json.dumps({"questions": rows})


def reads_words(request):
    """A text model that always says sad, and a grader that finds nothing the same."""
    properties = request["response_format"]["json_schema"]["schema"]["properties"]
    if "label" in properties:
        options = properties["label"]["enum"]
        return json.dumps({"answer": "They are sad.", "label": "sad" if "sad" in options else options[0]})
    return json.dumps({"explanation": "They differ.", "same": False} if "same" in properties else {"answer": "Nobody knows."})


def answer(request):
    return Reply(written(request) if "Write " in request["messages"][-1]["content"] else reads_words(request))


@pytest.fixture
def server():
    with ChatServer() as running:
        running.script = answer
        yield running


@pytest.fixture
def run(tmp_path):
    """A run up to its clips: four speakers, each saying the same words in three feelings."""
    write_folder_corpus(tmp_path / "corpus", transcript=SPOKEN)
    return build_up(tmp_path / "run", tmp_path / "corpus")


def build_up(run, root):
    """A run without an LLM, which its recipe remembers."""
    build({"run": run, "corpora": [{"name": "folder", "root": root}], "annotate": {"annotators": ["prosody"]}, "llm": "none"}, screen=QUIET)
    return run


def cpqa(*arguments):
    done = subprocess.run([sys.executable, "-m", "cp_paraling_qa.cli", *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def endpoint(server, **more):
    return LLMOptions(base_url=server.base_url, model="big", **more)


def rows_of(run):
    return list(read_rows(run / "questions"))


def test_exactly_the_kinds_that_are_named_and_a_table_with_rows(run, server):
    done = cpqa("generate", run, "--kinds", "cpqa,pqa", "--llm-base-url", server.base_url, "--llm-model", "big", "--per-clip", 2)
    assert "note: template questions were not asked for (--kinds): neither baseline nor explicit was built" in cpqa("assemble", run).stderr
    rows = rows_of(run)
    assert {row["kind"] for row in rows} == {"cpqa", "pqa"} and all(row["dropped"] is None or row["dropped"] for row in rows)
    assert re.search(r"LLM: big at http://127.0.0.1:\d+/v1, whole", done.stderr)
    for said in ("kept questions", "rows at random", "requests/s", "tokens"):
        assert said in done.stderr, done.stderr
    assert {row["generator"] for row in rows} <= {"big", "contrast", "contrast + big", "template"}
    # every speaker says the same words in three feelings: a contrast set of three rows each, all labels different
    sets = {}
    for row in rows:
        if row["contrast_set"] and row["dropped"] is None:
            sets.setdefault(row["contrast_set"], []).append(row)
    assert len(sets) == 4 and all(
        {row["label"] for row in members} == set(EMOTIONS) and len({row["question"] for row in members}) == 1 for members in sets.values()
    )


def test_a_dry_run_sends_nothing_and_says_what_it_would_take(run, server, tmp_path):
    prices = tmp_path / "prices.yaml"
    prices.write_text("big: {input: 2.0, output: 8.0}\n")
    flags = ("generate", run, "--kinds", "cpqa", "--llm-base-url", server.base_url, "--llm-model", "big", "--prices", prices)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    done = cpqa(*flags, "--dry-run")
    told = json.loads(done.stdout)
    assert server.bodies == [] and {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert (told["rows"], told["cached"], told["requests"]) == (12, 0, 12)  # one request for each clip
    # 12 replies of at most 2,000 tokens at 8 USD a million: 0.192 USD, and the prompts on top
    assert 0.192 < told["most_cost"] < 0.25 and "12 to ask" in done.stderr
    assert told["rounds"] == 3 and "the first of at most 3 rounds" in done.stderr and "--text-audit" not in done.stderr
    cpqa(*flags)
    again = json.loads(cpqa(*flags, "--dry-run").stdout)
    assert again["requests"] == 0 and again["cost"] == 0 and again["calibrated"] == 12


def test_what_is_asked_stops_before_the_money_is_gone_and_goes_on_later(run, server):
    options = QuestionOptions(kinds="cpqa", per_clip=1, rounds=1)
    prices = {"big": Prices(1_000_000 / 7, 0.0)}  # the server counts 7 tokens a prompt: one USD a request

    def spend(dollars):
        server.bodies.clear()
        record, _ = make_questions(run, options, endpoint(server, prices=prices, max_cost=dollars, concurrency=1))
        return len(server.bodies), record

    reckoned = estimate_questions(run, options, endpoint(server, prices=prices))
    bound = reckoned.most_cost / 12  # what a request may cost by the longest count of its bytes: far more than the server counts
    asked, record = spend(bound + 4)  # after four, five or six requests the next one could pass the limit: prompts differ by some bytes
    assert 3 <= asked <= 8 and record["dropped"] == {"LLM: max cost reached": 12 - asked} and record["retry"] == 12 - asked
    more, record = spend(bound + 40)
    assert asked + more == 12 and record["retry"] == 0 and record["dropped"] == {}


def test_the_words_alone_are_tried_and_the_card_says_so(run, server):
    flags = ("generate", run, "--llm-base-url", server.base_url, "--llm-model", "big", "--mix", "CE=1", "--per-clip", 1, "--text-audit", "--no-conflict")
    cpqa(*flags)
    kept = [row for row in rows_of(run) if row["dropped"] is None and row["kind"] == "cpqa"]
    closed = [row for row in kept if row["label"]]
    assert closed and all(row["text_answerable"] is (row["label"] == "sad") for row in closed)  # the text model always says sad
    cpqa("assemble", run)
    card = (run / "dataset/README.md").read_text()
    audit = read_record(run / "questions")["text_audit"]
    assert audit["model"] == "big" and f"**The text shortcut.** big read the words alone and got {audit['right']['share']:.2f}" in card
    assert f"are marked `text_answerable`, a share of {sum(r['text_answerable'] is True for r in kept) / len(kept):.2f}" in card
    loaded = datasets.load_dataset(str(run / "dataset"), "implicit", split="train")
    assert set(loaded["text_answerable"]) == {True, False} and any(loaded["contrast_set"])
    asked = len(server.bodies)
    cpqa(*flags)
    assert len(server.bodies) == asked  # neither the writer nor the audit asks again


def test_batches_write_what_the_live_endpoint_writes(run, server, tmp_path):
    options = QuestionOptions(kinds="cpqa", per_clip=3, mix={"C": 1, "CE": 2, "CG": 1})
    live, _ = make_questions(run, options, endpoint(server))
    rows = rows_of(run)
    with BatchServer() as batches:
        batches.answer = lambda body: Result(written(body))
        said = []
        (run / "cache/replies.sqlite").unlink()
        for part in (run / "written").glob("*"):
            part.unlink()
        record, _ = make_questions(run, options, LLMOptions(base_url=batches.base_url, model="big"), transport="batch", poll=0.01, say=said.append)
        assert rows_of(run) == rows and record["key"] == live["key"] and record["retry"] == 0
        assert batches.executed and set(batches.executed.values()) == {1}
        assert any("batches: " in line for line in said)


def test_the_recipe_makes_the_run_again(run, server, tmp_path):
    flags = ("--kinds", "pqa_template,cpqa", "--per-clip", 1, "--no-vad", "--seed", 3, "--no-conflict", "--near", 0.95)
    cpqa("generate", run, *flags, "--llm-base-url", server.base_url, "--llm-model", "big")
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    assert recipe["corpora"][0]["name"] == "folder" and recipe["questions"]["vad"] is False and recipe["settle"]["near_within"] == 0.95
    cpqa("build", "--recipe", run / "recipe.yaml", "--run", tmp_path / "again")
    assert rows_of(tmp_path / "again") == rows_of(run)


def test_an_estimate_of_nothing_is_refused(run):
    from cp_paraling_qa.errors import RecipeError

    with pytest.raises(RecipeError, match="nothing to estimate"):
        estimate_questions(run, QuestionOptions(), "none")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--kinds", "cpqa", "--no-llm"), "cpqa are written by an LLM"),
        (("--transport", "pigeon"), "choose live or batch"),
        (("--transport", "batch"), "--transport batch needs an endpoint"),
        (("--max-cost", "1", "--llm-base-url", "http://127.0.0.1:9/v1", "--llm-model", "m"), "needs the price of m"),
        (("--mix", "CE=lots"), "give TYPE=WEIGHT"),
        (("--text-answerable", "some"), "give keep, drop, or a share"),
        (("--kinds", "song"), "there is no question kind song"),
        (("--skip-filter", "nose"), "there is no filter nose"),
        (("--llm-temperature", "0.2"), "belong to an endpoint"),
        (("--prices", "nowhere.yaml"), "cannot be read"),
        (("--embedded-llm", "--llm-base-url", "http://127.0.0.1:9/v1", "--llm-model", "m"), "exclude each other"),
        (("--embedded-llm", "--llm-attempts", "3"), "takes no options of an endpoint"),
        (("--reuse", "nowhere"), "nowhere has no configuration implicit"),
        (("--engine", "ray", "--embedded-llm"), "--engine ray asks a live endpoint"),
    ],
)
def test_options_that_exclude_each_other_are_named(run, flags, told):
    if "belong to an endpoint" in told or "implicit" in told:  # said of runs with an LLM only
        (run / "recipe.yaml").write_text((run / "recipe.yaml").read_text().replace("llm: none\n", "llm: {}\n", 1))
    before = (run / "recipe.yaml").read_bytes()
    done = subprocess.run([sys.executable, "-m", "cp_paraling_qa.cli", "generate", str(run), *flags], capture_output=True, text=True, timeout=60)
    assert (run / "recipe.yaml").read_bytes() == before  # what cannot be carried out is not remembered
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_from_no_llm_to_an_endpoint_to_the_embedded_one(tmp_path, server):
    """A run of two clips that was built without an LLM, which is remembered, as is every other choice that could be carried out."""
    run = build_up(tmp_path / "run", write_folder_corpus(tmp_path / "corpus", speakers=2, emotions={"angry": 220.0}, transcript=SPOKEN))
    assert "LLM: none, so no questions of kind cpqa" in cpqa("generate", run).stderr
    cpqa("generate", run, "--per-clip", 1, "--rounds", 1, "--near", 0, "--llm-base-url", server.base_url, "--llm-model", "big")
    assert "LLM: big at" in cpqa("generate", run).stderr and len(server.bodies) == 2
    assert json.loads(cpqa("generate", run, "--dry-run").stdout)["requests"] == 0
    told = json.loads(cpqa("generate", run, "--embedded-llm", "--dry-run").stdout)
    assert (told["rows"], told["requests"], told["rounds"], told["most_output_tokens"]) == (2, 2, 1, 2 * 220)  # stepwise, each of at most 220 tokens


def test_the_writer_and_the_audit_share_one_budget(run, server):
    """A reply has three tokens: one USD. A request may cost 16 tokens, 5.33 USD, of the writer, and 256, 85.33 USD, of the audit.

    Of 102 USD the writer takes 12. The audit asks while 85.33 USD are left of the other 90: five times. With a budget of its own it would ask 17 times.
    """
    llm = endpoint(server, prices={"big": Prices(0.0, 1_000_000 / 3)}, max_cost=102, max_tokens=16, concurrency=1)
    record, _ = make_questions(run, QuestionOptions(kinds="cpqa", per_clip=1, rounds=1, mix={"CE": 1}), llm, text_llm=llm)
    writer = sum("Write " in body["messages"][-1]["content"] for body in server.requests)
    assert (writer, len(server.bodies) - writer) == (12, 5) and record["retry"] > 0


def test_killed_before_the_audit_was_written_down_the_next_run_has_it(run, server, monkeypatch):
    from cp_paraling_qa.generate import questions

    options = QuestionOptions(kinds="cpqa", per_clip=1, mix={"CE": 1})
    llm = endpoint(server)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(questions, "summarise", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
        make_questions(run, options, llm, text_llm=llm)
    asked = len(server.bodies)
    assert "text_audit" not in read_record(run / "questions")
    make_questions(run, options, llm, text_llm=llm)
    first = read_record(run / "questions")["text_audit"]
    assert first["model"] == "big" and first["asked"] > 0 and len(server.bodies) == asked
    make_questions(run, options, llm, text_llm=llm)
    assert read_record(run / "questions")["text_audit"] == first


def test_another_text_model_with_the_same_marks_gets_a_card_of_its_own(run, server):
    flags = ("generate", run, "--llm-base-url", server.base_url, "--llm-model", "big", "--mix", "CE=1", "--per-clip", 1)
    for name in ("first-reader", "second-reader"):
        cpqa(*flags, "--text-llm-base-url", server.base_url, "--text-llm-model", name)
        cpqa("assemble", run)
        assert f"{name} read the words alone" in (run / "dataset/README.md").read_text()


def test_the_card_tells_what_an_llm_wrote_from_what_rules_added(run, server):
    cpqa("generate", run, "--llm-base-url", server.base_url, "--llm-model", "big", "--mix", "CE=1", "--per-clip", 1)
    cpqa("assemble", run)
    rows = [row for row in rows_of(run) if row["kind"] == "cpqa"]
    mine, kept = [row for row in rows if row["generator"] == "big"], [row for row in rows if row["dropped"] is None]
    added = [row for row in kept if row["generator"] != "big"]
    assert added and mine
    card = (run / "dataset/README.md").read_text()
    good = sum(row["dropped"] is None for row in mine)
    assert re.search(rf"questions come from big: {good} kept \(\d+ in test\) of {len(mine)} that parsed, a share of {good / len(mine):.2f}", card)
    assert f"{len(added)} more of kind cpqa were added by rule" in card


def test_a_run_of_a_version_without_written_is_made_anew(run, server):
    cpqa("generate", run, "--no-llm")
    for path in (run / "written").glob("*"):
        path.unlink()
    (run / "written").rmdir()
    refused = subprocess.run([sys.executable, "-m", "cp_paraling_qa.cli", "assemble", str(run)], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2 and "written is not finished: run `cpqa generate" in refused.stderr
    before = rows_of(run)
    cpqa("generate", run)
    assert rows_of(run) == before
    cpqa("assemble", run)


def started(run, server, **more):
    flags = ["--kinds", "cpqa,pqa", "--llm-base-url", server.base_url, "--llm-model", "big", "--per-clip", "2", "--llm-concurrency", "1", "--near", "0"]
    return subprocess.Popen([sys.executable, "-m", "cp_paraling_qa.cli", "generate", str(run), *flags], stderr=subprocess.PIPE, text=True, **more)


def wait_for(server, requests):
    deadline = time.time() + 60
    while len(server.bodies) < requests and time.time() < deadline:
        time.sleep(0.005)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_killed_or_stopped_in_the_middle_the_rows_are_the_same(run, server, tmp_path):
    shutil.copytree(run, tmp_path / "other")
    for path in (run, tmp_path / "other"):
        recipe = yaml.safe_load((path / "recipe.yaml").read_text())
        (path / "recipe.yaml").write_text(yaml.safe_dump(recipe | {"llm": {}}))
    whole = started(tmp_path / "other", server)
    assert whole.wait(120) == 0
    whole.stderr.close()
    server.script = lambda request: Reply(answer(request).text, delay=0.05)
    needed = len(server.bodies)
    server.bodies.clear()
    killed = started(run, server)
    wait_for(server, 8)
    killed.kill()
    killed.communicate(timeout=60)
    before = len(server.bodies)
    assert 8 <= before < needed
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    stopped = started(run, server, preexec_fn=heed)
    wait_for(server, before + 3)
    stopped.send_signal(signal.SIGINT)
    said = stopped.communicate(timeout=60)[1]
    assert stopped.returncode == 130 and "Run the same command again: it goes on where it was." in said and "Traceback" not in said, said
    last = started(run, server)
    assert "Traceback" not in last.communicate(timeout=120)[1] and last.returncode == 0
    assert rows_of(run) == rows_of(tmp_path / "other")


def test_a_recipe_with_everything_survives_writing_and_reading(tmp_path):
    everything = {
        "run": tmp_path,
        "corpora": [{"name": "hf", "root": "org/x", "columns": {"transcript": "text"}, "subset": "en", "revision": "main"}],
        "condense": {"max_hours": 2.0, "window": None},
        "llm": {"base_url": "http://a/v1", "model": "m", "prices": {"m": {"input": 1, "output": 2.5}}, "max_cost": 3, "temperature": 0.2},
        "questions": {
            "kinds": "cpqa,pqa",
            "style": "stepwise",
            "samples": 3,
            "mix": {"CE": 1},
            "opinions": "model",
            "emotions": False,
            "reuse": "some/folder",
            "strict": True,
        },
        "text_llm": {"base_url": "http://b/v1", "model": "n"},
        "settle": {"near_within": None, "text_answerable": 0.3, "max_why_share": None},
        "metadata": {"fields": "vad", "sources": ["human"]},
        "splits": {"test_speakers": ["é"]},
    }
    recipe = Recipe.load(everything)
    plain = recipe.plain()
    assert Recipe.load(plain) == recipe and Recipe.load(yaml.safe_load(yaml.safe_dump(plain, allow_unicode=True))) == recipe
    assert Recipe.load(recipe, text_llm="same").text_reader == recipe.llm
