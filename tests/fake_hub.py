"""The part of the Hub's API that a push needs, on loopback: whoever has the right token may make repositories and commit to them.

with FakeHub(token="hf_x") as hub:
    ... HF_ENDPOINT=hub.url ...
    hub.files["me/model"]["README.md"]      # bytes, as committed last
    hub.commits                              # (repository, branch, message) of each commit
"""

from __future__ import annotations

import base64
import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeHub:
    """The server; a context manager.

    Args:
        token: the one that may write.
        fail_commits: refuse every commit with status 403.
    """

    def __init__(self, token: str, *, fail_commits: bool = False) -> None:
        self.token, self.fail_commits = token, fail_commits
        self.files: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.commits: list[tuple[str, str, str]] = []
        self.branches: list[tuple[str, str]] = []
        self.private: dict[str, bool] = {}
        self.blobs: dict[str, bytes] = {}
        self.bodies: list[bytes] = []

    def __enter__(self) -> FakeHub:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._answer(self)

            do_PUT = do_GET = do_HEAD = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _answer(self, request: Any) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        self.bodies.append(body)
        path = request.path.split("?")[0]
        if path.startswith("/upload/"):  # a presigned address: no token goes there
            self.blobs[path.removeprefix("/upload/")] = body
            return self._send(request, 200, {})
        if request.headers.get("Authorization") not in (f"Bearer {self.token}", f"Basic {self.token}"):
            return self._send(request, 401, {"error": "Invalid username or password."})
        return self._send(request, *self._api(path, body))

    def _api(self, path: str, body: bytes) -> tuple[int, Any]:
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.private[repo] = asked.get("visibility") == "private" or asked.get("private") is True
            self.files[repo]
            return 200, {"url": f"{self.url}/{repo}", "name": repo}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            actions = [{"oid": one["oid"], "size": one["size"], "actions": {"upload": {"href": f"{self.url}/upload/{one['oid']}"}}} for one in objects]
            return 200, {"transfer": "basic", "objects": actions}
        repo = "/".join(path.removeprefix("/api/models/").split("/")[:2])
        if "/preupload/" in path:
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": name, "uploadMode": "lfs" if name.endswith(".safetensors") else "regular", "shouldIgnore": False} for name in names]
            return 200, {"files": modes}
        if "/branch/" in path:
            self.branches.append((repo, path.rpartition("/branch/")[2]))
            return 200, {}
        if "/commit/" in path:
            return self._commit(repo, path.rpartition("/commit/")[2], body)
        return 200, {"id": repo, "modelId": repo, "sha": "0" * 40, "private": False, "siblings": [], "tags": []}

    def _commit(self, repo: str, branch: str, body: bytes) -> tuple[int, Any]:
        if self.fail_commits:
            return 403, {"error": "You have no write access"}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                self.commits.append((repo, branch, value["summary"]))
            elif line["key"] == "file":
                self.files[repo][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.files[repo][value["path"]] = self.blobs[value["oid"]]
        return 200, {"commitUrl": f"{self.url}/{repo}/commit/{'0' * 40}", "commitOid": "0" * 40, "pullRequestUrl": None}

    @staticmethod
    def _send(request: Any, status: int, content: Any) -> None:
        payload = json.dumps(content).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(payload)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(payload)
