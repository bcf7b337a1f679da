"""The reply cache under what happens to it: two writers, kill -9, a run that is repeated."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from conftest import ROOT

from cp_paraling_qa.errors import StorageError
from cp_paraling_qa.llm import ChatClient, ChatRequest, LLMConfig
from cp_paraling_qa.llm_cache import CachedReply, ReplyCache
from cp_paraling_qa.llm_wire import cache_key
from tests.chat_server import ChatServer, Reply

REPLY = CachedReply("text", "stop", 1, 2)


def key(i):
    return i.to_bytes(32, "big")


def rows(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM replies").fetchone()[0]


def fill(path, first, count):
    cache = ReplyCache(path)
    for i in range(first, first + count):
        cache.put(key(i), REPLY)
        if i % 50 == 0:
            time.sleep(0.01)  # over several commits
    cache.close()


def test_two_processes_write_one_file(tmp_path):
    path = tmp_path / "c.sqlite"
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=fill, args=(path, 5000 * n, 5000)) for n in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
        assert other.exitcode == 0
    assert rows(path) == 10_000


WRITER = """
import sys, time
from pathlib import Path
from cp_paraling_qa.llm_cache import CachedReply, ReplyCache
cache = ReplyCache(Path(sys.argv[1]))
for i in range(10_000):
    cache.put(i.to_bytes(32, "big"), CachedReply("text", "stop", 1, 2))
    print(i, time.time(), flush=True)
    time.sleep(0.001)
"""


@pytest.mark.parametrize("after", [0.9, 1.7])
def test_kill_9_loses_at_most_a_second(tmp_path, after):
    path = tmp_path / "c.sqlite"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        until = time.time() + after
        while time.time() < until:
            lines.append(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        killed = time.time()
    safe = sum(float(line.split()[1]) < killed - 1.0 for line in lines if line.strip())
    assert safe <= rows(path) <= len(lines) + 100
    assert (safe > 100) == (after > 1)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_finished_run_opens_no_connection_and_no_thread(tmp_path):
    config = LLMConfig("http://127.0.0.1:1/v1", "m", cache=tmp_path / "c.sqlite")  # nobody listens there
    requests = [ChatRequest([{"role": "user", "content": str(i)}], {"type": "object"}, key=i) for i in range(1500)]
    cache = ReplyCache(config.cache)
    for i, request in enumerate(requests):
        cache.put(cache_key(config, request), CachedReply(f'{{"a": {i}}}', "stop", 1, 1))
    cache.close()
    threads = threading.active_count()
    with ChatClient(config) as client:
        replies = list(client.run(iter(requests)))
        assert threading.active_count() == threads
    assert [r.text for r in replies] == [f'{{"a": {i}}}' for i in range(1500)]
    assert (client.stats.requests, client.stats.cached) == (0, 1500)


def test_cached_reply_that_is_no_longer_good_enough_is_asked_again_and_replaced(tmp_path):
    def validate(text):
        if text != "new":
            raise ValueError(text)

    with ChatServer() as server:
        config = LLMConfig(server.base_url, "m", cache=tmp_path / "c.sqlite")
        for texts, check in ((["old", "old"], None), (["new", "new"], validate), (["new", "new"], None)):
            server.script = [Reply(texts[0])]
            with ChatClient(config) as client:
                assert [r.text for r in client.run([ChatRequest([{"role": "user", "content": str(i)}]) for i in range(2)], validate=check)] == texts
        assert len(server.bodies) == 4 and rows(config.cache) == 2


def test_replies_are_on_disk_within_a_second_though_nothing_more_comes(tmp_path):
    cache = ReplyCache(tmp_path / "c.sqlite")
    cache.put(key(1), REPLY)
    time.sleep(1.0)
    assert rows(tmp_path / "c.sqlite") == 1
    cache.close()


def test_reading_alone_writes_nothing(tmp_path):
    fill(tmp_path / "c.sqlite", 0, 10)
    cache = ReplyCache(tmp_path / "c.sqlite", read_only=True)
    assert cache.get_many([key(3), key(77)]) == {key(3): REPLY}
    with pytest.raises(StorageError, match="reading alone"):
        cache.put(key(1), REPLY)
    assert [path.name for path in tmp_path.iterdir()] == ["c.sqlite"]
    cache.close()
