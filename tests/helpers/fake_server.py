"""An OpenAI-compatible server on loopback, small but real: it samples, counts, and misbehaves at will."""

import contextlib
import hashlib
import json
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple

from llmsearch_optuna.space.vllm_plugin import PLUGIN_KEY, PLUGIN_QUERY

MATTERS = ("chat_template_kwargs", "reasoning_effort")
"""Fields that the model reads as if they were in the prompt."""

WORDS = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "jay", "koi", "owl", "pig", "rat", "yes", "no")


class Fault(NamedTuple):
    """What the server does in place of a right answer.

    Attributes:
        status: The status.
        body: What is sent; ``None`` for the right answer.
        headers: Further headers.
        delay_s: Seconds before the answer.
        length: What the header says of the body's length.
        drop: Whether the connection is closed without a word.
    """

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    delay_s: float = 0.0
    length: int | None = None
    drop: bool = False


Faults = Callable[[dict[str, Any], int], Fault | None]
"""``(request, how many came before) -> what goes wrong``."""


Alter = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
"""``(request, right answer) -> answer``."""


class FakeServer:
    """The server.

    Attributes:
        owner: What it says of itself.
        closed: Addresses that it keeps to itself, whatever the key.
        models: The models that it lists.
        key: The API key that it wants.
        told: Further entries of each model in its list.
        drops_first: How many GET requests it drops without a word, from now on.
        faults: What goes wrong.
        get_faults: What goes wrong with GET requests, by path.
        ignored: Fields that it takes no notice of.
        company: Whether a seed means something else while other requests are served.
        delay_s: Seconds that a completion takes.
        tells_tokens: Whether it tells the number of tokens.
        refused: Fields that it refuses, as OpenAI's API does.
        reasons: The number of tokens that are reasoning and not part of the text.
        tells_reasoning: Whether it tells the reasoning.
        plugin: The interface of this package's plug-in that it has; None without the plug-in.
        alter: Changes a right answer before it is sent.
        requests: All requests for completions.
        times: When they came.
        headers: Their headers.
        paths: The paths of all requests, with their queries.
        most_at_once: The most of them that were served at one time.
    """

    def __init__(self) -> None:
        self.owner: object = "vllm"
        self.plugin: int | None = None
        self.closed: tuple[str, ...] = ()
        self.models: list[str] | None = ["tiny"]
        self.told: dict[str, Any] = {}
        self.key: str | None = None
        self.drops_first = 0
        self.faults: Faults = lambda request, number: None
        self.get_faults: Callable[[str], Fault | None] = lambda path: None
        self.ignored: set[str] = set()
        self.company = False
        self.delay_s = 0.0
        self.tells_tokens = True
        self.refused: set[str] = set()
        self.reasons = 0
        self.tells_reasoning = True
        self.alter: Alter = lambda request, answer: answer
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self.paths: list[str] = []
        self._running = 0
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.fake = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @contextlib.contextmanager
    def serving(self, request: dict[str, Any], headers: dict[str, str]) -> Iterator[int]:
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
            self.times.append(time.monotonic())
            self.headers.append(headers)
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        try:
            yield number
        finally:
            with self._lock:
                self._running -= 1

    def complete(self, request: dict[str, Any], path: str) -> dict[str, Any]:
        request = {key: value for key, value in request.items() if key not in self.ignored}
        if self.plugin is not None and PLUGIN_KEY in request.get("vllm_xargs", {}):
            params = json.loads(request["vllm_xargs"][PLUGIN_KEY])
            request |= {**params, "seed": params.get("generation_seed", 0)}
            if params.get("do_sample"):
                request.setdefault("temperature", 1.0)
        prompt = request.get("prompt") or json.dumps(request.get("messages"))
        prompt += "".join(f"{name}={request[name]}" for name in MATTERS if name in request)
        words, reason = self.generate(prompt, request)
        parts = (words[: self.reasons], words[self.reasons :])
        thoughts, text = ("".join(f" {word}" for word in part) for part in parts)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if self.reasons:
            message["content"] = text or None
            message |= {"reasoning_content": thoughts} if self.tells_reasoning else {}
        choice = {"message": message} if "chat" in path else {"text": text}
        counts = {"completion_tokens": len(words), "prompt_tokens": len(prompt.split())}
        usage = {"usage": counts} if self.tells_tokens else {}
        return self.alter(request, {"choices": [{"index": 0, "finish_reason": reason, **choice}], **usage})

    def generate(self, prompt: str, request: dict[str, Any]) -> tuple[list[str], str]:
        """Return the words of a completion, and why it ended."""
        seed = str(request["seed"] if "seed" in request else random.random())
        if self.company and self._running > 1:
            seed += str(self._running)
        words: list[str] = []
        reason = "stop"
        limit = request["max_completion_tokens"] if "max_completion_tokens" in request else request["max_tokens"]
        while (word := sample(prompt, words, seed, request)) != "no" or len(words) < self.reasons:
            words.append(word)
            if len(words) == limit:
                reason = "length"
                break
        return words, reason

    def look_up(self, path: str) -> dict[str, Any] | None:
        """Return the answer to a GET request; None if there is nothing at the path."""
        listed = [{"id": name, "owned_by": self.owner, **self.told} for name in self.models or ()]
        return {"object": "list", "data": listed} if path == "/v1/models" and self.models is not None else None

    def is_question(self, path: str) -> bool:
        """Return whether a POST request asks about the server, and for no completion."""
        return False

    def tell(self, request: dict[str, Any], path: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the answer of such a request."""
        raise NotImplementedError

    def refusal(self, request: dict[str, Any], path: str) -> Fault | None:
        """Return what a request for a completion is refused with; None if it is not."""
        name = next((name for name in request if name in self.refused), None)
        instead = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
        text = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
        return None if name is None else Fault(status=400, body=json.dumps({"error": {"message": text}}).encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeServer

    def handle_error(self, *_: Any) -> None:
        """Ignore clients that break off the connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        fake = self.server.fake
        fake.paths.append(self.path)
        if fake.drops_first > 0:
            fake.drops_first -= 1
            self.close_connection = True
            return
        content = fake.look_up(self.path.partition("?")[0])
        if fault := fake.get_faults(self.path):
            self._send(fault.status, fault.body or b"", fault.headers)
        elif not self._may_enter() or self.path in fake.closed:
            self._refuse()
        elif content is not None:
            self._send(200, json.dumps(content).encode())
        else:
            self._send(404, b'{"detail": "Not Found"}')

    def do_POST(self) -> None:
        fake = self.server.fake
        fake.paths.append(self.path)
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if request.get("vllm_xargs") == {PLUGIN_KEY: PLUGIN_QUERY}:  # before a search, and none of its requests
            message = f"{PLUGIN_KEY} 0.0.9 is here; {PLUGIN_QUERY}={fake.plugin}"
            answer = fake.complete(request, self.path) if fake.plugin is None else {"error": {"message": message}}
            self._send(200 if fake.plugin is None else 400, json.dumps(answer).encode())
            return
        if fake.is_question(self.path):
            status, content = fake.tell(request, self.path)
            self._send(status, json.dumps(content).encode())
            return
        with fake.serving(request, dict(self.headers.items())) as number:
            fault = fake.faults(request, number) or Fault()
            time.sleep(fault.delay_s or fake.delay_s)
            if fault.drop:
                self.close_connection = True
                return
            if not self._may_enter():
                self._refuse()
                return
            fault = fake.refusal(request, self.path) or fault
            body = json.dumps(fake.complete(request, self.path)).encode() if fault.body is None else fault.body
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._send(fault.status, body, fault.headers, fault.length)

    def _key(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    def _may_enter(self) -> bool:
        return self.server.fake.key is None or self._key() == self.server.fake.key

    def _refuse(self) -> None:
        self._send(401, json.dumps({"error": {"message": f"wrong key: {self._key()}"}}).encode())

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str] = MappingProxyType({}), length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if length is not None:
            self.close_connection = True


def sample(prompt: str, words: list[str], seed: str, request: dict[str, Any]) -> str:
    """The next word: logits by a hash of the prompt and the last word, and Gumbel noise by a hash of the seed."""
    last = words[-1] if words else ""
    logits = {word: 6.0 * uniform(prompt, last, word) for word in WORDS if words or word != "no"}
    penalty = request.get("repetition_penalty", 1.0)
    for word in {*prompt.split(), *words} & set(logits):
        logits[word] /= penalty
    for word, count in Counter(words).items():
        offset = request.get("presence_penalty", 0.0) + count * request.get("frequency_penalty", 0.0)
        logits[word] = logits.get(word, 0.0) - offset
    temperature = request.get("temperature", 1.0)
    ranked = sorted(logits, key=logits.__getitem__, reverse=True)
    if temperature == 0.0:
        return ranked[0]
    weights = {word: math.exp((logits[word] - logits[ranked[0]]) / temperature) for word in ranked}
    total = sum(weights.values())
    kept: list[str] = []
    mass = 0.0
    for rank, word in enumerate(ranked):
        top_k = request.get("top_k", -1)
        if (rank == top_k > 0) or (kept and mass >= request.get("top_p", 1.0)):
            break
        if weights[word] >= request.get("min_p", 0.0):
            kept.append(word)
            mass += weights[word] / total
    return max(
        kept, key=lambda word: math.log(weights[word]) - math.log(-math.log(uniform(seed, str(len(words)), word)))
    )


def uniform(*parts: str) -> float:
    """Return a number in (0, 1) that depends only on the texts."""
    word = hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return (int.from_bytes(word, "little") + 0.5) / 2**32
