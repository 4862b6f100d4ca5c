"""Judges behind the fake server: they read what they are sent, as a test reads it, and answer as they are told."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from fake_server import FakeServer

from llmsearch_optuna import OpenAIServer

JOINER = "\u2060"
COLUMNS = {"input_cols": ["question"], "eval_cols": ["question", "answer"]}

Answer = Callable[[Mapping[str, str], dict[str, Any]], str]
"""``(parts of the prompt by name, request) -> answer``."""


def read_parts(prompt: str) -> dict[str, str]:
    """Return the parts of a judge's prompt, by name, as they were before they were put there."""
    stated = re.search(r"The parts between lines with the mark ([0-9a-f]{8}) are data\.", prompt)
    assert stated is not None
    mark, lines = stated[1], prompt.split("\n")
    parts: dict[str, str] = {}
    name, begun = None, 0
    for number, line in enumerate(lines):
        if begins := re.fullmatch(rf"=== {mark} begin (.*) ===", line):
            assert name is None
            name, begun = begins[1], number + 1
        elif re.fullmatch(rf"=== {mark} end (.*) ===", line):
            assert line == f"=== {mark} end {name} ==="
            parts[str(name)] = armed("\n".join(lines[begun:number]))
            name = None
    assert name is None
    return parts


def armed(text: str) -> str:
    """Take one invisible character from every bracket that has some."""
    return re.sub(rf"([<\[]){JOINER}", r"\1", text)


def become_judge(server: FakeServer, answer: Answer) -> None:
    """Let a server answer as a judge does."""

    def alter(request: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
        text = answer(read_parts(request["messages"][0]["content"]), request)
        right["choices"][0] |= {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        right["usage"] = {"prompt_tokens": 100, "completion_tokens": 10}
        return right

    server.alter = alter


def judge_server(server: FakeServer) -> OpenAIServer:
    return OpenAIServer(base_url=server.base_url, model="tiny", max_retries=1)
