"""The address of an endpoint and the way to it."""

from __future__ import annotations

import http.server
import json
import socket
import threading

import pytest

from cp_paraling_qa.errors import LLMError
from cp_paraling_qa.llm import ChatClient, ChatRequest, LLMConfig
from cp_paraling_qa.llm_access import address
from tests.chat_server import ChatServer, Reply

KEY = "sk-test-4f9a77c1"


class Seen(http.server.BaseHTTPRequestHandler):
    """Answers anything; the server's `paths` has what it was asked for."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.paths.append(self.path)
        payload = Reply("here").body()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    running = []

    def start(host="127.0.0.1"):
        kind = type(
            "Server", (http.server.ThreadingHTTPServer,), {"address_family": socket.AF_INET6 if ":" in host else socket.AF_INET, "daemon_threads": True}
        )
        server = kind((host, 0), Seen)
        server.paths, server.port = [], server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def ask(base_url, **config):
    with ChatClient(LLMConfig(base_url, "m", **config)) as client:
        [reply] = client.run([ChatRequest([{"role": "user", "content": "x"}])])
    return reply


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/openai/v1/", "/openai/v1/chat/completions"),
        ("/openai/v1/?api-version=preview", "/openai/v1/chat/completions?api-version=preview"),  # Azure
        ("/openai/v1?api-version=preview", "/openai/v1/chat/completions?api-version=preview"),
    ],
)
def test_path_and_query_of_an_address(serve, path, asked):
    server = serve()
    assert ask(f"http://127.0.0.1:{server.port}{path}").text == "here" and server.paths == [asked]


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000/v1",
        "http://[::1/v1",
        "http://host:port/v1",
        "http://host:99999/v1",
        "http:///v1",
        "http://",
        "",
        " http://host/v1",
        "http://host/v1\n",
        "http://my host/v1",
    ],
)
def test_address_that_is_none_is_named(url):
    with pytest.raises(LLMError, match="is no http address: pass --llm-base-url"):
        ChatClient(LLMConfig(url, "m"))


@pytest.mark.parametrize("url", ["http://me:pw-123@host/v1", "http://me:pw-123@[::1/v1", "https://host/v1?api-key=pw-123"])
def test_address_with_a_secret_is_refused_and_not_quoted(url):
    with pytest.raises(LLMError, match="leave it out") as caught:
        address(url)
    assert "pw-123" not in str(caught.value)


def test_proxy_is_on_the_way_to_others_and_never_to_this_machine(serve, monkeypatch):
    proxy, here = serve(), serve()
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert ask("http://some.host.invalid/v1").text == "here" and proxy.paths == ["http://some.host.invalid/v1/chat/completions"]
    for host in ("127.0.0.1", "localhost", "0.0.0.0"):
        assert ask(f"http://{host}:{here.port}/v1").text == "here"
    assert len(proxy.paths) == 1 and len(here.paths) == 3


def test_loopback_of_ipv6(serve):
    try:
        server = serve("::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert ask(f"http://[::1]:{server.port}/v1").text == "here"


@pytest.mark.parametrize("number", [{"concurrency": 0}, {"attempts": 0}, {"max_tokens": 0}, {"timeout": 0}, {"timeout": float("nan")}])
def test_numbers_that_nothing_can_be_asked_with(number):
    with pytest.raises(LLMError, match=f"{next(iter(number))} is .* must be"):
        LLMConfig("http://host/v1", "m", **number)


def test_page_in_place_of_a_reply_is_quoted_without_the_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ChatServer() as server:
        server.script = [Reply(raw=f"<html>Log in, {KEY}</html>".encode())]
        reply = ask(server.base_url, attempts=1)
    assert (reply.error, reply.detail) == ("malformed response", "no JSON: <html>Log in, ***</html>")


def test_half_a_character_in_an_error_harms_no_file(monkeypatch):
    with ChatServer() as server:
        server.script = [Reply(raw=json.dumps({"error": {"message": "cut \ud83d"}}).encode(), status=500)]
        reply = ask(server.base_url, attempts=1)
    assert (reply.error, reply.detail) == ("HTTP 500", "cut ?")
