"""Stages: skip, resume, kill -9, worker processes, disk full."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cp_paraling_qa import stage
from cp_paraling_qa.errors import AudioError, MissingExtraError, StageError, StorageError
from cp_paraling_qa.stage import Drop, Part


class Doubling:
    """Doubles numbers, refuses sevens, notes each part that it works on."""

    name, version = "doubling", 1
    schema = pa.schema([("x", pa.int64())])

    def __init__(self, log: Path, seconds: float = 0.0, factor: int = 2):
        self.log, self.seconds = log, seconds
        self.config = {"factor": factor}
        self.drops = []
        self.transient = 0

    def setup(self):
        pass

    def __call__(self, rows):
        time.sleep(self.seconds)
        with open(self.log, "a") as file:
            file.write(f"{rows[0]['x']}\n")
        self.drops = [Drop(str(row["x"]), "a seven") for row in rows if row["x"] == 7]
        return [{"x": row["x"] * self.config["factor"]} for row in rows if row["x"] != 7]


def parts(count=4, size=5):
    return [Part(f"p-{i:03d}", f"content {i}", [{"x": i * size + k} for k in range(size)]) for i in range(count)]


def rows(folder):
    return [row["x"] for row in stage.read_rows(folder)]


def made(folder, worker, count=4, **options):
    outcome = stage.run(worker, parts(count), folder, **options)
    return outcome, stage.finish(folder, "doubling", {"numbers": outcome}, worker.config)


@pytest.mark.parametrize("workers", [0, 2])
def test_rows_counts_and_reasons(tmp_path, workers):
    outcome, record = made(tmp_path / "out", Doubling(tmp_path / "log"), workers=workers)
    assert rows(tmp_path / "out") == [2 * x for x in range(20) if x != 7]
    assert (record["rows_in"], record["rows_out"], record["dropped"]) == (20, 19, {"a seven": 1})
    assert record["dropped_items"] == [{"item": "7", "reason": "a seven", "detail": ""}]
    assert outcome.made == 4


def test_a_finished_stage_does_nothing_and_says_the_same(tmp_path):
    _, first = made(tmp_path / "out", Doubling(tmp_path / "log"))
    outcome, second = made(tmp_path / "out", Doubling(tmp_path / "log"))
    assert outcome.made == 0 and first == second
    assert (tmp_path / "log").read_text().split() == ["0", "5", "10", "15"]


def test_only_what_changed_is_made_again(tmp_path):
    worker = Doubling(tmp_path / "log")
    made(tmp_path / "out", worker)
    changed = parts()
    changed[2] = Part("p-002", "other content", [{"x": 100}])
    outcome = stage.run(worker, changed[:3], tmp_path / "out")
    assert not (tmp_path / "out" / "_stage.json").exists()  # in the making
    stage.finish(tmp_path / "out", "doubling", {"numbers": outcome}, {})
    assert outcome.made == 1 and rows(tmp_path / "out")[-1] == 200
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["_stage.json", "p-000.parquet", "p-001.parquet", "p-002.parquet"]  # the fourth part is gone
    assert stage.run(Doubling(tmp_path / "log", factor=3), changed, tmp_path / "out").made == 4  # another config, other rows


def test_rows_that_failed_for_passing_reasons_are_tried_again(tmp_path):
    worker = Doubling(tmp_path / "log")
    worker.transient = 1
    assert made(tmp_path / "out", worker, 2)[1]["retry"] == 2
    worker.transient = 0
    outcome, record = made(tmp_path / "out", worker, 2)
    assert outcome.made == 2 and record["retry"] == 0


class Failing(Doubling):
    """Misses a package when it gets to its third part; or, with factor 0, already when it is set up."""

    def setup(self):
        if self.config["factor"] == 0:
            raise MissingExtraError("silero-vad", "speech", "speech activity")

    def __call__(self, rows):
        if rows[0]["x"] == 10:
            raise AudioError("file is missing", "a.wav")
        return super().__call__(rows)


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_come_back_from_workers_as_they_are(tmp_path, workers):
    with pytest.raises(AudioError, match=r"^file is missing: a\.wav$") as caught:
        made(tmp_path / "out", Failing(tmp_path / "log"), workers=workers)
    assert (caught.value.reason, caught.value.detail) == ("file is missing", "a.wav")
    with pytest.raises(MissingExtraError, match=r"^speech activity needs the package silero-vad: pip install 'cp-paraling-qa\[speech\]'$"):
        made(tmp_path / "out", Failing(tmp_path / "log", factor=0), workers=workers)


class Scattered:
    """An engine that gives parts back in another order."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def results(self, worker, parts):
        yield from [(part, stage.work(worker, part)) for part in list(parts)][::-1]


def test_parts_stand_in_order_in_whatever_order_they_come(tmp_path):
    here, _ = made(tmp_path / "here", Doubling(tmp_path / "log"))
    there, _ = made(tmp_path / "there", Doubling(tmp_path / "log"), engine=Scattered())
    assert (here.key, list(here.parts), here.drops) == (there.key, list(there.parts), there.drops)


@pytest.mark.parametrize("how", [{}, {"workers": 1}, {"engine": Scattered()}])
def test_rules_over_the_whole_corpus_see_parts_in_order(tmp_path, how):
    """Also those parts that were there before: here the second of four."""
    met = []

    def accept(rows, drops):
        met.append(rows[0]["x"])
        return rows

    stage.run(Doubling(tmp_path / "log"), parts(), tmp_path / "out", accept=accept)
    assert met == [0, 10, 20, 30]
    met.clear()
    for number in (0, 2, 3):
        (tmp_path / "out" / f"p-{number:03d}.parquet").unlink()
    stage.run(Doubling(tmp_path / "log"), parts(), tmp_path / "out", accept=accept, seen=lambda path: met.append(path.stem), **how)
    assert met == [0, "p-001", 20, 30]


def test_a_damaged_part_is_made_again(tmp_path):
    made(tmp_path / "out", Doubling(tmp_path / "log"))
    (tmp_path / "out" / "p-001.parquet").write_bytes(b"PAR1 half a file")
    outcome, _ = made(tmp_path / "out", Doubling(tmp_path / "log"))
    assert outcome.made == 1 and len(rows(tmp_path / "out")) == 19


RUN = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_stage import Doubling, made
if __name__ == "__main__":
    made(Path({out!r}), Doubling(Path({log!r}), seconds=0.15), 8, workers={workers})
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_kill_9_then_again_gives_the_same_rows_and_no_part_twice(tmp_path, workers):
    script = tmp_path / "run.py"
    script.write_text(RUN.format(tests=str(Path(__file__).parent), out=str(tmp_path / "out"), log=str(tmp_path / "log"), workers=workers))
    process = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    deadline = time.time() + 60
    while len(list((tmp_path / "out").glob("p-*.parquet"))) < 3 and time.time() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers must notice by themselves
    process.wait()
    finished = {p.stem for p in (tmp_path / "out").glob("p-*.parquet")}
    assert 3 <= len(finished) < 8 and not (tmp_path / "out" / "_stage.json").exists()
    with pytest.raises(StageError, match="not finished"):
        rows(tmp_path / "out")
    time.sleep(0.5)
    (tmp_path / "log").write_text("")
    made(tmp_path / "out", Doubling(tmp_path / "log"), 8)
    assert rows(tmp_path / "out") == [2 * x for x in range(40) if x != 7]
    again = {f"p-{int(x) // 5:03d}" for x in (tmp_path / "log").read_text().split()}
    assert again.isdisjoint(finished) and not list((tmp_path / "out").glob("*.tmp"))


def test_workers_end_with_their_killed_parent(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(RUN.format(tests=str(Path(__file__).parent), out=str(tmp_path / "out"), log=str(tmp_path / "log"), workers=2))
    process = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    deadline = time.time() + 60
    while not list((tmp_path / "out").glob("p-*.parquet")) and time.time() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    def alive():
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(state[3]) == process.pid and state[0] != "Z":  # its session
                found.append(entry.name)
        return found

    while alive() and time.time() < deadline:
        time.sleep(0.05)
    assert not alive()


def test_disk_full_names_the_file_and_leaves_nothing_half_written(tmp_path):
    """A file size limit is the disk-full that an ordinary user can make: the write fails in the middle."""
    code = f"""
import resource, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from cp_paraling_qa import stage
from cp_paraling_qa.errors import StorageError
from test_stage import Doubling, parts
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
big = stage.Part("p-big", "big", [{{"x": i * 7919 % 1000003}} for i in range(200_000)])
out = Path({str(tmp_path / "out")!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    stage.run(Doubling(Path({str(tmp_path / "log")!r})), [*parts(), big], out)
except StorageError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "p-big.parquet failed" in done.stdout and "run the same command again" in done.stdout, done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f"p-{i:03d}.parquet" for i in range(4)]


def test_whole_file_replaces_or_leaves_alone(tmp_path):
    place = tmp_path / "a.json"
    stage.write_json(place, {"a": 1})
    with pytest.raises(StorageError, match=r"a\.json failed"), stage.whole_file(place) as beside:
        beside.write_text("half")
        raise OSError(28, "No space left on device")
    assert json.loads(place.read_text()) == {"a": 1} and list(tmp_path.iterdir()) == [place]


def test_two_commands_do_not_write_one_run(tmp_path):
    code = f"from cp_paraling_qa.stage import locked\nfrom pathlib import Path\nwith locked(Path({str(tmp_path)!r})): print('in')"
    with stage.locked(tmp_path):
        second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "another process works on" in second.stderr
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "in\n"  # and it is free again afterwards


def test_a_part_of_another_program_is_not_taken_for_ours(tmp_path):
    (tmp_path / "out").mkdir()
    pq.write_table(pa.table({"x": [1]}), tmp_path / "out" / "p-000.parquet")
    assert made(tmp_path / "out", Doubling(tmp_path / "log"))[0].made == 4
