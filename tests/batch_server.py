"""A server on loopback that speaks OpenAI's Files and Batches API for tests, in a thread of the test. Strict: what the official shapes do not allow is a 400.

    with BatchServer() as server:
        server.answer = lambda body: Result("fine")       # what becomes of a request; the default answers with JSON
        server.fates = ["expired", "completed"]           # what becomes of each batch, in order of creation; the last one repeats
        ... LLMConfig(server.base_url, "test") ...
        server.executed                                   # custom_id → how often it was answered, that is, paid

A batch goes one status further with every look at it. Faults of the transport: `server.faults`, a function from method and path to a status, "hangup" (the request is done, its
reply is lost), or None. The shapes are those of the API reference as of openai 3.54 (`types/batch.py`, `types/file_object.py`) and its guide on batches.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

URL = "/v1/chat/completions"
ON_THE_WAY = ["validating", "in_progress", "finalizing"]


@dataclass
class Result:
    """What becomes of one request: a completion, or an error with `status`; `code` makes it an error of the batch itself, without any response."""

    text: str = '{"answer": "calm"}'
    finish_reason: str = "stop"
    status: int = 200
    code: str | None = None
    param: str | None = None
    body: Any = None

    def line(self, number: int, custom_id: str) -> dict[str, Any]:
        line: dict[str, Any] = {"id": f"batch_req_{number}", "custom_id": custom_id, "response": None, "error": None}
        if self.code is not None and self.status == 200:
            return line | {"error": {"code": self.code, "message": self.text}}
        if self.body is not None:
            body = self.body
        elif self.status != 200:
            body = {"error": {"message": self.text, "type": "invalid_request_error", "param": self.param, "code": self.code}}
        else:
            message = {"role": "assistant", "content": self.text, "refusal": None}
            body = {
                "id": f"chatcmpl-{number}",
                "object": "chat.completion",
                "created": 0,
                "model": "test",
                "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}],
                "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
            }
        return line | {"response": {"status_code": self.status, "request_id": f"req_{number}", "body": body}}


@dataclass
class Stored:
    """A file or a batch."""

    shown: dict[str, Any]
    content: bytes = b""
    fate: str = "completed"
    lines: list[dict[str, Any]] = field(default_factory=list)


class Refused(Exception):
    """An HTTP error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class BatchServer:
    """The server; a context manager."""

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, Any]], Result | None] = lambda body: Result()
        self.fates = ["completed"]
        self.errors: list[dict[str, Any]] = []
        self.faults: Callable[[str, str], int | str | None] = lambda method, path: None
        self.partly = 1
        """How many requests of a batch that expires or is cancelled were answered before."""
        self.page = 100
        self.keeps_metadata = True
        self.key: str | None = None
        self.hold: threading.Event | None = None
        """Where set, batches stay in progress until it is."""
        self.hold_create: threading.Event | None = None
        """Where set, the reply to the creation of a batch waits for it. The batch is there at once."""
        self.late = 0
        """For how many looks a completed batch has no result files yet."""
        self.cut = 0
        """How many downloads end in the middle of a line."""
        self.says_length = True
        """Whether those said how long they would be."""
        self.seen: list[str] = []
        self.files: dict[str, Stored] = {}
        self.batches: dict[str, Stored] = {}
        self.executed: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._count = 0

    def __enter__(self) -> BatchServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts = urlsplit(self.path)
                status, payload, kind, hangup = outer._respond(
                    self.command, parts.path, parse_qs(parts.query), {name.lower(): value for name, value in self.headers.items()}, body
                )
                if hangup:
                    self.close_connection = True
                    return
                try:
                    if outer.cut and self.path.endswith("/content") and status == 200:
                        outer.cut -= 1
                        self.close_connection = True
                        self.send_response(status)
                        self.send_header(*(("Content-Length", str(len(payload))) if outer.says_length else ("Connection", "close")))
                        self.end_headers()
                        self.wfile.write(payload[: len(payload) // 2 + 7])
                        return
                    self.send_response(status)
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(payload)))
                    self.end_headers()
                    self.wfile.write(payload)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client was killed, as some tests want

            do_GET = do_POST = answer

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for event in (self.hold, self.hold_create):
            if event is not None:
                event.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of all requests that came in batches, in order."""
        return [json.loads(line)["body"] for batch in self.batches.values() for line in self.files[batch.shown["input_file_id"]].content.splitlines()]

    # -- the wire -----------------------------------------------------------------------------------------------------------------------

    def _respond(self, method: str, path: str, query: dict[str, list[str]], headers: dict[str, str], body: bytes) -> tuple[int, bytes, str, bool]:
        with self._lock:
            self.seen.append(f"{method} {path}")
            fault = self.faults(method, path)
            try:
                if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
                    raise Refused(401, f"Incorrect API key provided: {headers.get('authorization', '').removeprefix('Bearer ')}")
                if isinstance(fault, int):
                    raise Refused(fault, f"fault {fault}")
                made = self._route(method, path, {name: values[-1] for name, values in query.items()}, headers, body)
                status = 200
            except Refused as refused:
                status, made = refused.status, {"error": {"message": str(refused), "type": "invalid_request_error", "param": None, "code": None}}
        if self.hold_create is not None and method == "POST" and path == "/v1/batches":
            self.hold_create.wait(30)
        if isinstance(made, bytes):
            return status, made, "application/octet-stream", fault == "hangup"
        return status, json.dumps(made).encode(), "application/json", fault == "hangup"

    def _route(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Any:
        match method, path.removeprefix("/v1/").split("/"):
            case "POST", ["files"]:
                return self._upload(headers, body)
            case "GET", ["files"]:
                if set(query) - {"purpose", "limit", "order", "after"}:
                    raise Refused(400, f"Unknown query {sorted(query)}")
                some = [file for file in self.files.values() if file.shown["purpose"] == query.get("purpose", file.shown["purpose"])]
                return self._list(some, query, 10_000)
            case "GET", ["files", name] if name in self.files:
                return self.files[name].shown
            case "GET", ["files", name, "content"] if name in self.files:
                return self.files[name].content
            case "POST", ["batches"]:
                return self._create(headers, body)
            case "GET", ["batches"]:
                if set(query) - {"limit", "after"}:
                    raise Refused(400, f"Unknown query {sorted(query)}")
                return self._list(list(self.batches.values()), query, 100)
            case "GET", ["batches", name] if name in self.batches:
                self._advance(self.batches[name])
                shown = self.batches[name].shown
                if shown["status"] == "completed" and self.late:
                    self.late -= 1
                    return shown | {"output_file_id": None, "error_file_id": None}
                return shown
        raise Refused(404, f"Invalid URL ({method} {path})")

    def _list(self, things: list[Stored], query: dict[str, str], most: int) -> dict[str, Any]:
        limit = int(query.get("limit", 20))
        if not 1 <= limit <= most:
            raise Refused(400, f"limit {limit} is not between 1 and {most}")
        shown = [thing.shown for thing in reversed(things)]  # newest first
        ids = [thing["id"] for thing in shown]
        start = ids.index(query["after"]) + 1 if "after" in query else 0
        page = shown[start : start + min(limit, self.page)]
        return {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": start + len(page) < len(shown),
        }

    def _store(self, name: str, purpose: str, content: bytes) -> dict[str, Any]:
        self._count += 1
        shown = {"id": f"file-{self._count}", "object": "file", "bytes": len(content), "created_at": 1_700_000_000 + self._count}
        shown |= {"filename": name, "purpose": purpose, "status": "processed", "expires_at": None}
        self.files[shown["id"]] = Stored(shown, content)
        return shown

    def _upload(self, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        kind = headers.get("content-type", "")
        if not kind.startswith("multipart/form-data; boundary="):
            raise Refused(400, f"Content-Type {kind} is not multipart/form-data")
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
        fields = {part.get_param("name", header="content-disposition"): part for part in message.iter_parts()}
        if set(fields) != {"purpose", "file"} or fields["purpose"].get_payload(decode=True) != b"batch":
            raise Refused(400, f"fields {sorted(map(str, fields))}: a file with purpose=batch is expected")
        name = fields["file"].get_filename()
        if not name or not name.endswith(".jsonl"):
            raise Refused(400, f"Invalid file format: {name}")
        content = fields["file"].get_payload(decode=True)
        if not content or len(content) > 200_000_000:
            raise Refused(400, f"a file of {len(content)} bytes")
        return self._store(name, "batch", content)

    def _create(self, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        wish = json.loads(body)
        if headers.get("content-type") != "application/json" or not {"input_file_id", "endpoint", "completion_window"} <= set(wish):
            raise Refused(400, "Missing required parameter")
        if unknown := set(wish) - {"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"}:
            raise Refused(400, f"Unknown parameter {sorted(unknown)}")
        metadata = wish.get("metadata") or {}
        if len(metadata) > 16 or not all(isinstance(value, str) and len(name) <= 64 and len(value) <= 512 for name, value in metadata.items()):
            raise Refused(400, "Invalid metadata")
        if wish["completion_window"] != "24h" or wish["endpoint"] != URL:
            raise Refused(400, "Invalid value for completion_window or endpoint")
        file = self.files.get(wish["input_file_id"])
        if file is None or file.shown["purpose"] != "batch":
            raise Refused(400, f"Invalid input_file_id {wish['input_file_id']}")
        self._count += 1
        fate = self.fates[min(len(self.batches), len(self.fates) - 1)]
        shown = {"id": f"batch_{self._count}", "object": "batch", "endpoint": URL, "errors": None, "input_file_id": wish["input_file_id"]}
        shown |= {"completion_window": "24h", "status": "validating", "output_file_id": None, "error_file_id": None, "created_at": 4_000_000_000 + self._count}
        shown |= {"metadata": metadata if self.keeps_metadata else None, "request_counts": {"total": 0, "completed": 0, "failed": 0}}
        self.batches[shown["id"]] = Stored(shown, fate=fate)
        return dict(shown)

    # -- the work -----------------------------------------------------------------------------------------------------------------------

    def _advance(self, batch: Stored) -> None:
        """One status further."""
        status = batch.shown["status"]
        if status == "validating":
            lines, errors = self._validated(self.files[batch.shown["input_file_id"]].content)
            if batch.fate == "failed":
                errors = self.errors
            if errors:
                batch.shown |= {"status": "failed", "errors": {"object": "list", "data": errors}}
                return
            batch.lines = lines
            batch.shown |= {"status": "in_progress", "request_counts": {"total": len(lines), "completed": 0, "failed": 0}}
        elif status == "in_progress" and (self.hold is None or self.hold.is_set()):
            batch.shown["status"] = "cancelling" if batch.fate == "cancelled" else "finalizing"
        elif status in ("finalizing", "cancelling"):
            self._execute(batch)

    def _validated(self, content: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        lines, errors, ids, models = list[dict[str, Any]](), list[dict[str, Any]](), set(), set()
        for number, raw in enumerate(content.decode("utf-8").split("\n")[:-1], 1):
            try:
                line = json.loads(raw)
                assert set(line) == {"custom_id", "method", "url", "body"} and line["method"] == "POST" and line["url"] == URL, "wrong shape"
                assert isinstance(line["custom_id"], str) and 1 <= len(line["custom_id"]) <= 64, "wrong custom_id"
                assert line["custom_id"] not in ids, "duplicate custom_id"
                ids.add(line["custom_id"])
                models.add(line["body"]["model"])
                assert len(models) == 1, "mismatched model"
                assert line["body"]["messages"], "no messages"
                lines.append(line)
            except (AssertionError, KeyError, ValueError) as error:
                errors.append({"code": "invalid_request", "line": number, "message": str(error), "param": None})
        if not lines or len(lines) > 50_000 or not content.endswith(b"\n"):
            errors.append({"code": "invalid_file", "line": None, "message": f"{len(lines)} requests", "param": None})
        return lines, errors

    def _execute(self, batch: Stored) -> None:
        """All the requests at once. Good results and those with errors go to two files, each in an order of its own."""
        good, bad = list[dict[str, Any]](), list[dict[str, Any]]()
        for number, line in enumerate(batch.lines):
            if batch.fate in ("expired", "cancelled") and number >= self.partly:
                told = {"expired": "This request could not be executed before the completion window expired.", "cancelled": "This request was cancelled."}
                bad.append(Result(told[batch.fate], code=f"batch_{batch.fate}").line(number, line["custom_id"]))
                continue
            result = self.answer(line["body"])
            if result is None:
                continue  # a request that is in neither file
            made = result.line(number, line["custom_id"])
            answered = made["response"] is not None and made["response"]["status_code"] == 200
            self.executed[line["custom_id"]] += answered
            (good if answered else bad).append(made)
        for name, lines in (("output", good), ("error", bad)):
            if lines:
                content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in reversed(lines)).encode()
                batch.shown[f"{name}_file_id"] = self._store(f"{batch.shown['id']}_{name}.jsonl", "batch_output", content)["id"]
        batch.shown |= {"status": batch.fate, "request_counts": {"total": len(batch.lines), "completed": len(good), "failed": len(bad)}}
