"""A chat server on loopback for tests: OpenAI-compatible, in a thread of the test, with faults on request.

    with ChatServer() as server:
        server.script = [Reply(status=429, headers={"Retry-After": "0"}), Reply("fine")]   # one entry a request; the last one repeats
        ... LLMConfig(base_url=server.base_url, model="test") ...
        server.bodies          # the raw body of every request

`script` may also be a function from the request (a dict) to a `Reply`. Plain http.server, one thread a connection: clear, and fast enough for tests.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What the server does with one request.

    Args:
        text: the message's content.
        status: HTTP status; any but 200 sends an error body with `text` as its message.
        raw: sent as the body as it is, in place of a completion.
        choices: False sends an empty list of choices.
        delay: seconds before anything is sent.
        hangup: close the connection without a reply.
    """

    text: str = "hello"
    finish_reason: str = "stop"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    choices: bool = True
    delay: float = 0.0
    hangup: bool = False
    code: str | None = None

    def body(self) -> bytes:
        if self.raw is not None:
            return self.raw
        if self.status != 200:
            return json.dumps({"error": {"message": self.text, "type": "test", "code": self.code}}).encode()
        message = {"index": 0, "message": {"role": "assistant", "content": self.text}, "finish_reason": self.finish_reason}
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        return json.dumps(
            {"id": "x", "object": "chat.completion", "created": 0, "model": "test", "choices": [message] if self.choices else [], "usage": usage}
        ).encode()


class ChatServer:
    """The server; a context manager. Counts are exact: `bodies` is in order of arrival."""

    def __init__(self) -> None:
        self.script: list[Reply] | Callable[[dict[str, Any]], Reply] = [Reply()]
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._lock = threading.Lock()

    def __enter__(self) -> ChatServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reply = outer._take(body, dict(self.headers))
                try:
                    outer._stop.wait(reply.delay)
                    if reply.hangup:
                        self.close_connection = True
                        return
                    payload = reply.body()
                    self.send_response(reply.status)
                    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(payload)), **reply.headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(payload)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client gave up waiting, as some tests want
                finally:
                    with outer._lock:
                        outer._in_flight -= 1

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._stop = threading.Event()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]

    def _take(self, body: bytes, headers: dict[str, str]) -> Reply:
        with self._lock:
            number = len(self.bodies)
            self.bodies.append(body)
            self.headers.append(headers)
            self.times.append(time.monotonic())
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        return self.script(json.loads(body)) if callable(self.script) else self.script[min(number, len(self.script) - 1)]
