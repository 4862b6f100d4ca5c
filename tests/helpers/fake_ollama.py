"""An Ollama server on loopback, which samples as `FakeServer` does and misbehaves as the real one.

Its requests, answers, defaults and errors are those of Ollama 0.33.0-rc2 (August 2026), read in its source: unknown
fields and options are ignored, prompts that are too long are cut unless `truncate` and `shift` are false, a
request's stop strings replace those of the model, and a repeated token breaks a completion off.
"""

import json
from typing import Any

from fake_server import FakeServer, Fault

DEFAULTS = {
    "temperature": 0.8,
    "top_k": 40,
    "top_p": 0.9,
    "min_p": 0.0,
    "typical_p": 1.0,
    "repeat_penalty": 1.0,
    "repeat_last_n": 64,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "num_predict": -1,
    "num_ctx": 4096,
    "seed": -1,
    "num_keep": 4,
    "stop": [],
}

LEVELS = (True, False, "low", "medium", "high", "max")

DIGEST = "f0" * 32


class FakeOllama(FakeServer):
    """The server.

    Attributes:
        version: What it says of its version.
        tags: The models that it lists.
        parameters: The parameters of the Modelfile.
        system: The system message of the Modelfile.
        capabilities: What the model can do.
        loops: A word after which the model repeats itself without an end; None for no such word.
    """

    def __init__(self) -> None:
        super().__init__()
        self.version = "0.33.0"
        self.tags = ["tiny:latest"]
        self.parameters: dict[str, Any] = {}
        self.system = ""
        self.capabilities = ["completion"]
        self.loops: str | None = None

    @property
    def base_url(self) -> str:
        return super().base_url.removesuffix("/v1")

    def look_up(self, path: str) -> dict[str, Any] | None:
        if path == "/api/version":
            return {"version": self.version}
        if path == "/api/tags":
            return {"models": [{"name": name, "model": name, "digest": DIGEST} for name in self.tags]}
        if path == "/v1/models":
            return {"object": "list", "data": [{"id": name, "owned_by": "library"} for name in self.tags]}
        return None

    def is_question(self, path: str) -> bool:
        return path == "/api/show"

    def tell(self, request: dict[str, Any], path: str) -> tuple[int, dict[str, Any]]:
        if request["model"] not in self.tags:
            return 404, {"error": f"model '{request['model']}' not found"}
        lines = [
            f"{name:<30} {json.dumps(entry)}"
            for name, value in self.parameters.items()
            for entry in (value if isinstance(value, list) else [value])
        ]
        shown = {"parameters": "\n".join(lines), "system": self.system, "capabilities": self.capabilities}
        return 200, {name: value for name, value in shown.items() if value}

    def refusal(self, request: dict[str, Any], path: str) -> Fault | None:
        if path.startswith("/v1/"):
            return super().refusal(request, path)
        think = request.get("think")
        options = self._options(request)
        length = len(self._prompt(request).split())
        if think not in (None, *LEVELS):
            return _fault(400, 'think must be a boolean or string ("high", "medium", "low", "max", true, or false)')
        if request["model"] not in self.tags:
            return _fault(404, f"model '{request['model']}' not found")
        if think and "thinking" not in self.capabilities:
            return _fault(400, f'"{request["model"]}" does not support thinking')
        if length > options["num_ctx"] and not (request.get("truncate", True) and request.get("shift", True)):
            message = f"request ({length} tokens) exceeds the available context size ({options['num_ctx']} tokens)"
            inner = {"code": 400, "message": f"{message}, try increasing it", "type": "exceed_context_size_error"}
            return _fault(400, json.dumps({"error": inner}, separators=(",", ":")))
        return None

    def complete(self, request: dict[str, Any], path: str) -> dict[str, Any]:
        if path.startswith("/v1/"):
            return super().complete(request, path)
        if request.get("stream") is not False:
            return {"model": request["model"], "response": "", "done": False}  # the first of many lines
        options = self._options(request)
        words = self._prompt(request).split()[-options["num_ctx"] :]
        room = options["num_ctx"] - len(words)
        limit = min(options["num_predict"], room) if options["num_predict"] >= 0 else room
        options |= {"repetition_penalty": options["repeat_penalty"] if options["repeat_last_n"] else 1.0}
        seed = options["seed"] if options["seed"] >= 0 else -len(self.requests)  # noise that is not repeated
        generated, reason = self.generate(" ".join(words), {**options, "seed": seed, "max_tokens": max(limit, 1)})
        loop = [*generated[: generated.index(self.loops) + 1]] if self.loops in generated else None
        ending: dict[str, Any] = {"done": True, "done_reason": reason, "eval_count": len(generated)}
        if loop is not None:
            generated, ending = [*loop, *[loop[-1]] * 30], {"done": False}
        thinks = "thinking" in self.capabilities and request.get("think") is not False
        thought = generated[: self.reasons] if thinks else []
        text = "".join(f" {word}" for word in generated[len(thought) :])
        for stop in options["stop"]:
            if stop in text:
                text = text[: text.index(stop)]
                ending["done_reason"] = "stop"
        thinking = {"thinking": " ".join(thought)} if thought else {}
        if "messages" in request:
            body: dict[str, Any] = {"message": {"role": "assistant", "content": text, **thinking}}
        else:
            body = {"response": text, **thinking}
        if not self.tells_tokens:
            ending.pop("eval_count", None)
        return self.alter(request, {"model": request["model"], **body, **ending, "prompt_eval_count": len(words)})

    def loop_error(self, request: dict[str, Any], number: int) -> Fault | None:
        """The fault of newer versions for a completion that repeats a token: for `faults`."""
        return _fault(500, "prediction aborted, token repeat limit reached")

    def _options(self, request: dict[str, Any]) -> dict[str, Any]:
        asked = {**self.parameters, **request.get("options", {})}
        return {**DEFAULTS, **{name: value for name, value in asked.items() if name in DEFAULTS}} | {
            name: DEFAULTS[name] for name in self.ignored & DEFAULTS.keys()
        }

    def _prompt(self, request: dict[str, Any]) -> str:
        think = f" think={request['think']}" if "think" in request else ""
        if "messages" in request:
            messages = request["messages"]
            if self.system and messages[0]["role"] != "system":
                messages = [{"role": "system", "content": self.system}, *messages]
            return " ".join(f"<{message['role']}> {message['content']}" for message in messages) + think
        prompt: str = request["prompt"]
        return prompt if request.get("raw") else f"<user> {prompt}{think}"


def _fault(status: int, message: str) -> Fault:
    return Fault(status=status, body=json.dumps({"error": message}).encode())
