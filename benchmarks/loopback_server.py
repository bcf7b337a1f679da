"""An OpenAI-compatible chat server on loopback, for benchmarks: fast, and faulty on request.

    python benchmarks/loopback_server.py [--port N] [--latency-ms 50] [--faults 0.3 --seed 7] [--kinds http_429,hang] [--hang 30] [--retry-after 1]

Prints its address when it listens, on 127.0.0.1 and nowhere else. A request that carries a JSON schema (or a tool) gets an instance of it, any other one a sentence. What a reply says is a pure
function of the request's messages, schema and seed: a retry, a resumed run and an undisturbed one read the same.

With --faults P a request fails with probability P, its kind drawn evenly among --kinds: HTTP 429 with Retry-After, HTTP 500, an empty choice list, JSON cut in the middle with
finish_reason "length", prose that is no JSON, a reply that comes only after --hang seconds, a connection closed without a reply. The draw is a function of --seed, the request's
body and how often that body was seen, so a retry can succeed and a run can be repeated. Cut and prose replies differ from one attempt to the next, as a sampling server's do.

GET /stats: counts (requests, different bodies, replies by kind, bodies answered, connections, most in flight, most attempts of one body) and times, in seconds of the monotonic
clock. GET /last: the last request's body. POST /reset: all of it to zero.

Replies are put together from encoded pieces, so one process answers several thousand requests a second: it should never be what limits a client. Standard library only. Schemas
may use objects, arrays, enum, const, anyOf, oneOf, allOf of one, local $ref, lengths and bounds; a `pattern` is not looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

from loopback_replies import WORDS, Replies, completion, escaped, plain

KINDS = ("http_429", "http_500", "no_choices", "truncated", "not_json", "hang", "hangup")
"""The ways to fail."""

LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
BUCKET = 0.05
"""Seconds: how finely the last replies are dated."""


class Server:
    """What all connections share.

    Args:
        latency: seconds until a reply goes out.
        faults: share of requests that fail, 0–1.
        kinds: of failing, among `KINDS`.
        seed: of the faults.
        hang: seconds until the reply of a hang.
        retry_after: seconds that a 429 asks to wait.
    """

    def __init__(self, latency: float, faults: float, kinds: Sequence[str], seed: str, hang: float, retry_after: float) -> None:
        self.latency, self.faults, self.kinds, self.seed, self.hang, self.retry_after = latency, faults, tuple(kinds), seed, hang, retry_after
        self.replies = Replies()
        self.later: Callable[..., Any] = asyncio.get_running_loop().call_later
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        """All counts to zero."""
        self.count: Counter[str] = Counter()
        self.seen: dict[int, int] = {}  # body → attempts
        self.answered: set[int] = set()  # bodies that got a good reply
        self.ok_by_time: dict[int, int] = {}
        self.each_thousand: list[float] = []
        self.most_in_flight = self.in_flight  # those are still under way
        self.most_attempts = 0
        self.first_request = self.last_reply = 0.0
        self.last_body = b"null"

    def stats(self) -> dict[str, Any]:
        """Everything counted since the last reset.

        Returns:
            requests; distinct: different bodies; ok: good replies sent; answered: bodies that got one; gone: replies that nobody waited for any more; the faults by kind;
            ok_last_second: good replies in the second before the last of them; most_in_flight; most_attempts: of one body; connections; each_thousand: when the 1,000th good reply
            was sent, the 2,000th and so on; first_request, last_reply: seconds.
        """
        newest = max(self.ok_by_time, default=0)
        return {
            "requests": self.count["requests"],
            "distinct": len(self.seen),
            "ok": self.count["ok"],
            "answered": len(self.answered),
            "gone": self.count["gone"],
            "connections": self.count["connections"],
            "most_in_flight": self.most_in_flight,
            "most_attempts": self.most_attempts,
            "ok_last_second": sum(count for when, count in self.ok_by_time.items() if when >= newest - 1 / BUCKET),
            "each_thousand": self.each_thousand,
            "first_request": self.first_request,
            "last_reply": self.last_reply,
            "faults": {kind: self.count[kind] for kind in KINDS if self.count[kind]},
        }

    def draw(self, key: int, attempt: int) -> str:
        """What becomes of this attempt."""
        drawn = blake2b(f"{self.seed}/{key}/{attempt}".encode(), digest_size=16).digest()
        if int.from_bytes(drawn[:8], "little") >= self.faults * 2**64:
            return "ok"
        return self.kinds[int.from_bytes(drawn[8:], "little") % len(self.kinds)]

    def chat(self, body: bytes, connection: Connection) -> None:
        """A completion was asked for."""
        key = int.from_bytes(blake2b(body, digest_size=8).digest(), "little")
        attempt = self.seen.get(key, 0) + 1
        self.seen[key] = attempt
        self.most_attempts = max(self.most_attempts, attempt)
        self.count["requests"] += 1
        self.last_body = body
        if not self.first_request:
            self.first_request = time.monotonic()
        kind = self.draw(key, attempt) if self.faults else "ok"
        try:
            asked = json.loads(body)
            reply = self._reply(kind, self.replies.text(asked), len(body), asked, attempt)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
            connection.send(plain("400 Bad Request", {"error": {"message": f"this request cannot be read: {error}", "type": "invalid_request_error"}}))
            return
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        delay = self.latency + (self.hang if kind == "hang" else 0.0)
        if delay:
            self.later(delay, self._answer, connection, kind, key, reply)
        else:
            self._answer(connection, kind, key, reply)

    def _reply(self, kind: str, text: bytes, length: int, asked: dict[str, Any], attempt: int) -> bytes | None:
        if kind == "http_429":
            return plain("429 Too Many Requests", {"error": {"message": "slow down", "type": "rate_limit_error"}}, f"retry-after: {self.retry_after:g}\r\n")
        if kind == "http_500":
            return plain("500 Internal Server Error", {"error": {"message": "something broke", "type": "server_error"}})
        if kind == "no_choices":
            return completion(None, b"stop", length, asked)
        if kind == "truncated":
            whole = json.loads(b'"%b"' % text)
            return completion(escaped(whole[: max(1, len(whole) // 2 - attempt)]), b"length", length, asked)
        if kind == "not_json":
            return completion(escaped(f"I am sorry, but all that I can offer is a word: {WORDS[attempt % len(WORDS)]}."), b"stop", length, asked)
        return None if kind == "hangup" else completion(text, b"stop", length, asked)

    def _answer(self, connection: Connection, kind: str, key: int, reply: bytes | None) -> None:
        self.in_flight -= 1
        if connection.transport is None or connection.transport.is_closing():
            self.count["gone"] += 1
            self.count[kind] += kind != "ok"
            return
        self.count[kind] += 1
        if reply is None:
            connection.transport.close()
            return
        connection.send(reply)
        self.last_reply = now = time.monotonic()
        if kind == "ok":
            self.answered.add(key)
            if self.count["ok"] % 1000 == 0:
                self.each_thousand.append(now)
            bucket = int(now / BUCKET)
            self.ok_by_time[bucket] = self.ok_by_time.get(bucket, 0) + 1
            if len(self.ok_by_time) > 200:
                self.ok_by_time = {when: count for when, count in self.ok_by_time.items() if when >= bucket - 2 / BUCKET}


class Connection(asyncio.Protocol):
    """One keep-alive HTTP/1.1 connection."""

    def __init__(self, server: Server) -> None:
        self.server, self.buffer = server, b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self.transport = transport  # type: ignore[assignment]
        self.server.count["connections"] += 1

    def connection_lost(self, error: Exception | None) -> None:
        """It left."""
        self.transport = None

    def data_received(self, data: bytes) -> None:
        """Part of a request, one, or several."""
        self.buffer = data = self.buffer + data if self.buffer else data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(data, 0, end)
            length = int(found[1]) if found else 0
            if len(data) < end + 4 + length:
                return
            body, line = data[end + 4 : end + 4 + length], data[: data.find(b"\r\n")]
            self.buffer = data = data[end + 4 + length :]
            self.route(line, body)

    def route(self, line: bytes, body: bytes) -> None:
        """One request."""
        server = self.server
        if b"/chat/completions " in line:
            server.chat(body, self)
        elif line.startswith(b"GET /stats"):
            self.send(plain("200 OK", server.stats()))
        elif line.startswith(b"GET /last"):
            self.send(plain("200 OK", json.loads(server.last_body)))
        elif line.startswith(b"POST /reset"):
            server.reset()
            self.send(plain("200 OK", {}))
        elif line.startswith(b"GET") and line.split(b" ")[1].rstrip(b"/").endswith(b"/models"):
            self.send(plain("200 OK", {"object": "list", "data": [{"id": "loopback", "object": "model", "owned_by": "loopback"}]}))
        else:
            self.send(plain("404 Not Found", {"error": {"message": "no such address", "type": "not_found"}}))

    def send(self, reply: bytes) -> None:
        """To the client, if it is still there."""
        if self.transport is not None:
            self.transport.write(reply)


async def serve(arguments: argparse.Namespace) -> None:
    """Until it is ended, or its parent is gone where that was asked for."""
    server = Server(arguments.latency_ms / 1000, arguments.faults, arguments.kinds, arguments.seed, arguments.hang, arguments.retry_after)
    listener = await asyncio.get_running_loop().create_server(partial(Connection, server), "127.0.0.1", arguments.port, backlog=2048)
    print(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1", flush=True)
    parent = os.getppid()
    while not arguments.with_parent or os.getppid() == parent:
        await asyncio.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--latency-ms", type=float, default=0, help="until a reply goes out")
    parser.add_argument("--faults", type=float, default=0, help="share of requests that fail, 0–1")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(KINDS), help=f"of failing, with commas: {','.join(KINDS)} (default: all)")
    parser.add_argument("--seed", default="0", help="of the faults")
    parser.add_argument("--hang", type=float, default=30.0, help="seconds until the reply of a hang")
    parser.add_argument("--retry-after", type=float, default=1.0, help="seconds that a 429 asks to wait")
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started it is gone")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.kinds) - set(KINDS)):
        parser.error(f"no such kind of fault: {', '.join(unknown)}")
    if not 0 <= arguments.faults <= 1:
        parser.error("--faults is a share, 0–1")
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)  # hardly anything here makes cycles
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments))


if __name__ == "__main__":
    main()
