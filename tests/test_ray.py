"""The same stages through Ray, on a cluster of two nodes simulated on this machine: the same rows, and nothing lost with a node."""

import json
import os
import re
import shutil
import sys
import time
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chat_server import ChatServer, Reply
from conftest import EMOTIONS, write_folder_corpus

from cp_paraling_qa.annotate.base import annotate
from cp_paraling_qa.annotate.clips import make_clips
from cp_paraling_qa.annotate.prosody import Prosody
from cp_paraling_qa.corpora import manifest
from cp_paraling_qa.errors import AudioError, MissingExtraError, StageError
from cp_paraling_qa.generate.options import LLMOptions, QuestionOptions
from cp_paraling_qa.generate.questions import make_questions
from cp_paraling_qa.generate.settle import SettleOptions
from cp_paraling_qa.ray_engine import RayEngine
from cp_paraling_qa.stage import Drop, Part, finish, read_part, run

ray = pytest.importorskip("ray")
cluster_utils = pytest.importorskip("ray.cluster_utils")
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the cluster's workers cannot import a test file
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Ray Data warns of its own defaults
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # and leaves sockets and pipes of its processes to the collector
]


@pytest.fixture(scope="module")
def cluster():
    """Two nodes with one processor each, and one GPU as far as Ray can tell. The first is the head, which this process is connected to."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    notice_soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300, "health_check_failure_threshold": 5}
    small = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    made = cluster_utils.Cluster(initialize_head=True, head_node_args={**small, "_system_config": notice_soon})
    made.add_node(**small)
    yield made
    made.shutdown()


class Noting:
    """Squares numbers, and notes in a shared folder where and when it worked.

    On the node `victim` it stops in the middle of its second part, to be killed there; on others it waits for that before its third.
    """

    name, version = "noting", 1
    schema = pa.schema([("x", pa.int64()), ("square", pa.int64())])

    def __init__(self, notes, victim=None):
        self.notes, self.victim, self.config, self.drops, self.node, self.calls = notes, victim, {}, [], None, 0

    def setup(self):
        self.node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"
        self.note("setup", -1)

    def note(self, what, part):
        with open(self.notes / "notes.txt", "a") as file:
            file.write(f"{what} {part} {self.node} {time.time()}\n")

    def __call__(self, rows):
        number = rows[0]["x"] // 10
        self.calls += 1
        self.note("start", number)
        if self.node == self.victim and self.calls == 2:
            (self.notes / "stopped").touch()
            time.sleep(300)
        if self.node != self.victim and self.calls >= 3:
            until((self.notes / "stopped").exists)
        self.drops = [Drop(str(row["x"]), "a seven") for row in rows if row["x"] % 10 == 7]
        self.note("end", number)
        return [{"x": row["x"], "square": row["x"] ** 2} for row in rows if row["x"] % 10 != 7]


class Failing:
    """Fails in one of several ways."""

    name, version = "failing", 1
    schema = pa.schema([("x", pa.int64())])

    def __init__(self, how):
        self.how, self.config, self.drops = how, {}, []

    def setup(self):
        if self.how == "extra":
            raise MissingExtraError("silero-vad", "speech", "speech activity")

    def __call__(self, rows):
        if self.how == "audio":
            raise AudioError("file is missing", "a.wav")
        if self.how == "crash" and rows[0]["x"] == 0:
            os._exit(11)  # as a library that segfaults
        return rows


class Meeting(Noting):
    """Goes on when as many actors have come as there are to be; notes the node and GPU of each."""

    def __init__(self, notes, actors):
        super().__init__(notes)
        self.actors = actors

    def setup(self):
        with open(self.notes / "notes.txt", "a") as file:
            file.write(f"{ray.get_runtime_context().get_node_id()} {os.environ['CUDA_VISIBLE_DEVICES']}\n")
        until(lambda: len((self.notes / "notes.txt").read_text().splitlines()) == self.actors)

    def __call__(self, rows):
        return [{"x": row["x"], "square": row["x"] ** 2} for row in rows]


def notes(folder):
    """(what, part, node, time) of everything that was noted."""
    path = folder / "notes.txt"
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(what, int(part), node, float(when)) for what, part, node, when in lines]


def parts(count):
    return [Part(f"p-{i:03d}", f"content {i}", [{"x": 10 * i + k} for k in range(10)]) for i in range(count)]


def until(condition, seconds=60):
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline, "it did not happen in time"
        time.sleep(0.02)


def sorted_rows(folder):
    return sorted(repr(row) for path in folder.glob("*.parquet") for row in read_part(path))


def test_an_annotator_says_the_same_locally_and_on_the_cluster(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "FIRST_PART", 4)
    write_folder_corpus(tmp_path / "corpus", speakers=3, emotions=EMOTIONS)  # 9 clips: parts of 4, 4 and 1
    here, there = tmp_path / "here", tmp_path / "there"
    manifest.make_manifest(here, [("folder", tmp_path / "corpus")])
    shutil.copytree(here, there)
    local = annotate(here, {"prosody": Prosody()})
    seen = []
    far = annotate(there, {"prosody": Prosody()}, engine=RayEngine(cluster.address), progress=lambda name, rows, outcome: seen.append((name, rows)))
    assert not ray.is_initialized()  # the connection was ours
    assert sorted(seen) == [("prosody", 1), ("prosody", 4), ("prosody", 4)]
    assert local["rows_out"] == far["rows_out"] == 9
    assert {name: value for name, value in local.items() if name != "seconds"} == {name: value for name, value in far.items() if name != "seconds"}
    assert sorted_rows(here / "annotations") == sorted_rows(there / "annotations")
    for name in local["parts"]:  # and not only after sorting
        mine, theirs = (pq.read_table(folder / "annotations" / f"{name}.parquet") for folder in (here, there))
        assert mine.equals(theirs) and mine.num_rows
    monkeypatch.setattr(RayEngine, "_connect", lambda self: pytest.fail("nothing is left to do"))
    assert annotate(there, {"prosody": Prosody()}, engine=RayEngine(cluster.address)) == far


def test_questions_written_on_the_cluster_are_those_written_here(cluster, tmp_path, monkeypatch):
    """Every worker asks the endpoint itself, and all of them share the run's cache of replies: a repetition here asks nothing."""
    monkeypatch.setattr(manifest, "FIRST_PART", 4)
    write_folder_corpus(tmp_path / "corpus", speakers=3, emotions=EMOTIONS)  # 9 clips: parts of 4, 4 and 1
    here, there = tmp_path / "here", tmp_path / "there"
    manifest.make_manifest(here, [("folder", tmp_path / "corpus")])
    annotate(here, {})
    make_clips(here)
    shutil.copytree(here, there)
    options = QuestionOptions(kinds="pqa_template,cpqa,pqa", per_clip=2, mix={"CE": 2, "CG": 1})
    rules = SettleOptions(near_within=None, near_across=None)
    with ChatServer() as server:
        server.script = lambda request: Reply(json.dumps({"questions": [granted(*wish) for wish in wishes_of(request)]}))
        llm = LLMOptions(base_url=server.base_url, model="big")
        local, _ = make_questions(here, options, llm, rules=rules)
        asked = len(server.bodies)
        far, _ = make_questions(there, options, llm, rules=rules, engine=RayEngine(cluster.address))
        told = len(server.bodies)
        assert asked >= 18 and asked + 18 <= told <= 2 * asked  # each clip for each kind at least once; voices told alike are asked about once or twice
        (there / "written" / "_stage.json").unlink()
        for path in (there / "written").glob("*.parquet"):
            path.unlink()
        again, _ = make_questions(there, options, llm, rules=rules)
        assert len(server.bodies) == told
    assert local["key"] == far["key"] == again["key"] and far["rows_out"] > 9 * 6
    for name in ("written", "questions"):
        mine, theirs = ([row for path in sorted((folder / name).glob("*.parquet")) for row in read_part(path)] for folder in (here, there))
        assert mine == theirs and any(row["generator"] == "big" and row["dropped"] is None for row in mine)


def wishes_of(request):
    """Type and difficulty of each question that a prompt asks for, with the feeling and the gender that it tells."""
    prompt = request["messages"][-1]["content"]
    feeling, who = re.search(r"Emotion heard: (\w+)", prompt)[1], "A woman" if "a woman" in prompt else "A man"
    return [(*wish, feeling, who) for wish in re.findall(r"^\d+\. (\w+), (\w+):", prompt, re.MULTILINE)]


def granted(type, difficulty, feeling, who):
    question, answer = {
        "CE": ("How does the voice take the news of the promotion?", f"The speaker sounds {feeling} about it."),
        "CG": ("Is it a man or a woman who speaks of the promotion?", f"{who} speaks of it."),
        "DE": ("Which feeling does the voice carry?", f"The voice sounds {feeling}."),
        "DG": ("Does the voice belong to a man or to a woman?", f"{who} is heard."),
    }[type]
    return {"type": type, "difficulty": difficulty, "question": question, "answer": answer, "evidence": ["emotion"]}


def test_errors_come_home_as_they_are(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("cp_paraling_qa.ray_engine.TRIES", 2)
    with RayEngine(cluster.address, workers=1) as engine:
        for how, kind, message in (("extra", MissingExtraError, r"^speech activity needs .*\[speech\]"), ("audio", AudioError, "^file is missing: a.wav$")):
            with pytest.raises(kind, match=message) as caught:
                run(Failing(how), parts(3), tmp_path / how, engine=engine)
            assert type(caught.value) is kind
        assert caught.value.reason == "file is missing" and ray.is_initialized()  # held for the next stage
        with pytest.raises(StageError, match=r"workers died 2 times on part p-000\..*run the same command again"):
            run(Failing("crash"), parts(3), tmp_path / "crash", engine=engine)
        assert run(Failing("not at all"), parts(3), tmp_path / "crash", engine=engine).rows_out == 30
    assert not ray.is_initialized()
    with pytest.raises(StageError, match="no node of the Ray cluster has 1 CPUs and 1.5 GPUs"):
        run(Failing("not at all"), parts(1), tmp_path / "gpu", engine=RayEngine(cluster.address, gpus=1.5))
    with pytest.raises(StageError, match="no Ray cluster answers at"):
        run(Failing("not at all"), parts(1), tmp_path / "nowhere", engine=RayEngine("127.0.0.1:1"))


def test_two_actors_share_a_gpu(cluster, tmp_path):
    with RayEngine(cluster.address, gpus=0.5, cpus=0.5) as engine:
        outcome = run(Meeting(tmp_path, 2 * len(cluster.list_all_nodes())), parts(8), tmp_path / "out", engine=engine)
    assert outcome.rows_out == 80
    shares = [line.split() for line in (tmp_path / "notes.txt").read_text().splitlines()]
    assert {gpu for _, gpu in shares} == {"0"}  # the only GPU of each node
    assert sorted(Counter(node for node, _ in shares).values()) == [2] * len(cluster.list_all_nodes())  # two actors on each


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("cp_paraling_qa.ray_engine.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"cp-paraling-qa\[ray\]"):
        RayEngine()


def test_what_a_killed_node_had_in_hand_is_done_elsewhere(cluster, tmp_path):
    """The node is held in the middle of its work, so that it surely has some when it is killed. The other node's processor is taken by its own actor."""
    victim = next(iter(cluster.worker_nodes))
    killed = []

    def kill(rows, outcome):
        if outcome.made == 1:
            until((tmp_path / "stopped").exists)
            cluster.remove_node(victim, allow_graceful=False)
            killed.append(time.time())

    outcome = run(Noting(tmp_path, victim.node_id), parts(24), tmp_path / "out", engine=RayEngine(cluster.address), progress=kill)
    record = finish(tmp_path / "out", "noting", {"numbers": outcome}, {})
    noted = notes(tmp_path)
    there = {part for what, part, node, _ in noted if what == "start" and node == victim.node_id}
    ended = {part for what, part, node, _ in noted if what == "end" and node == victim.node_id}
    lost = there - ended
    assert killed and lost and ended  # it had done some, and had some in hand
    for part in lost:
        assert [node for what, part_, node, when in noted if what == "end" and part_ == part and when > killed[0] and node != victim.node_id]
    assert outcome.made == len(outcome.parts) == 24 and list(outcome.parts) == [part.name for part in parts(24)]
    assert sorted_rows(tmp_path / "out") == sorted(repr({"x": x, "square": x**2}) for x in range(240) if x % 10 != 7)
    assert (record["rows_in"], record["rows_out"], record["dropped"]) == (240, 216, {"a seven": 24})
    assert [drop.item for drop in outcome.drops] == [str(x) for x in range(7, 240, 10)]  # in part order
    assert len([1 for what, *_ in noted if what == "setup"]) == 3  # once in each actor, and once more in the one that came back
    (tmp_path / "local").mkdir()
    assert run(Noting(tmp_path / "local"), parts(2), tmp_path / "local" / "out").parts == dict(list(outcome.parts.items())[:2])
