"""Fields that a server refuses, and what can be sent in their place without another meaning."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from llmsearch_optuna.space.dialects import Dialect

__all__ = ["CHANGE_NOTICES", "NUM_CTX_HINT", "adapted", "field_to_change", "refusal_hint"]

NUM_CTX_HINT = "raise the context length of the server, as in extra_body = { options = { num_ctx = 16384 } }"
"""What to do about a full context of Ollama."""

_RENAMED = {"max_tokens": "max_completion_tokens"}
"""Field -> its present name in OpenAI's API, which some models insist on."""

_NEEDED = ("model", "messages", "prompt")
"""Fields without which there is no request."""

_NEUTRAL = {"temperature": 1.0, "top_p": 1.0}
"""Field -> its default in OpenAI's API, which is the only value that some models take."""

CHANGE_NOTICES: Mapping[str, str] = {
    "max_tokens": "the server refuses `max_tokens`: `max_completion_tokens` is sent in its place",
    "temperature": "the server refuses `temperature`: its default, 1, is not sent",
    "top_p": "the server refuses `top_p`: its default, 1, is not sent",
    "seed": "the server refuses `seed`: no seed is sent, and completions are not reproducible",
}
"""Fields that can be renamed or left out -> the message for the log."""

_ONE_OF_TWO = "cannot both be specified"
"""What Claude 4 says of `temperature` and `top_p`, behind Bedrock and LiteLLM."""

_UNSUPPORTED = re.compile(
    r"unsupported|not support|n't support|unrecogni[sz]ed|unknown|unexpected|extra|not permitted|forbidden|not allowed"
    rf"|deprecated|only the default|invalid (?:parameter|argument|field)|not (?:available|accepted)|{_ONE_OF_TWO}",
    re.IGNORECASE,
)


def adapted(payload: Mapping[str, Any], changes: Collection[str]) -> dict[str, Any]:
    """Return a request with the present names of the fields in `changes`, or without them if they have no effect."""
    kept = {
        name: value
        for name, value in payload.items()
        if name not in changes or (name in _NEUTRAL and value != _NEUTRAL[name])
    }
    return kept | {_RENAMED[name]: payload[name] for name in changes if name in _RENAMED and name in payload}


def field_to_change(refusal: str, payload: Mapping[str, Any], kind: Dialect) -> str | None:
    """Return the field that a server refuses and that can be renamed or left out; None if there is none.

    Args:
        refusal: The message of the server.
        payload: The request.
        kind: The kind of server. Values without an effect are left out only for OpenAI's API, because the requests of
            the other kinds contain them to switch off defaults of the server.
    """
    if "max_tokens" in payload and _mentions(refusal, "max_completion_tokens"):
        return "max_tokens"
    if not _UNSUPPORTED.search(refusal):
        return None
    changeable = {name for name in ("max_tokens", "seed") if name in payload}
    if kind.name == "openai":
        changeable |= {name for name, value in _NEUTRAL.items() if payload.get(name) == value}
    return next((name for name in CHANGE_NOTICES if name in changeable and _mentions(refusal, name)), None)


def refusal_hint(refusal: str, payload: Mapping[str, Any]) -> str:
    """Return what to change if a server refuses a field or a long prompt; empty for anything else."""
    if re.search(r"context (?:size|length)", refusal):
        if "options" in payload:
            return f"; {NUM_CTX_HINT}"
        return "; shorten the prompt, leave the row out, or start the server with a longer window"
    optional = [name for name in (*_NEUTRAL, *payload) if name in payload and name not in _NEEDED]
    refused = [name for name in optional if _mentions(refusal, name)] if _UNSUPPORTED.search(refusal) else []
    if not refused:
        return ""
    if _ONE_OF_TWO in refusal and _NEUTRAL.keys() <= {*refused}:
        return "; leave one of them out of the space, or fix it to 1"
    name = refused[0]
    if name == "temperature" and payload[name] == 0.0:
        return (
            "; the model does not decode greedily: set do_sample = true in the space, or for a judge "
            'omit = ["temperature"] in its server'
        )
    if name in _NEUTRAL:
        return f"; the model does not take `{name}` = {payload[name]:g}: leave it out of the space"
    return (
        f"; leave `{name}` out of the space, and add it to `omit` of the server if its own default may apply: "
        f'omit = ["{name}"]'
    )


def _mentions(message: str, name: str) -> bool:
    return re.search(rf"(?<!\w){name}(?!\w)", message) is not None
