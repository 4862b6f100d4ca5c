"""JSON as models write it: the value that is read in a text, and one form for values that are equal."""

import json
import math
import re
import unicodedata
from typing import Any

__all__ = ["MAX_DEPTH", "as_json", "canonical", "first_json", "parse_json"]

MAX_DEPTH = 50
"""Levels of nesting. A fixed number, so that a score does not depend on the depth of Python's own stack."""

_MAX_ATTEMPTS = 1000  # each error takes time in proportion to the length of the text

_FENCE = re.compile(r"```[^\S\n]*[\w+-]*[^\S\n]*\n(.*?)```", re.DOTALL)
_OPENING = re.compile(r'[\[{](?=\s*["\]}\[{\-0-9tfn])')


def first_json(text: str) -> Any:
    """Return the JSON value of a text.

    It is the whole text, if that is JSON; else the content of the first fenced block (three backticks) that is JSON;
    else the first complete object or array in the text. A value with an invalid or missing part is not complete, and
    nothing within its valid part counts. After a thousand of them, the search ends. If the first complete value has a
    name twice in an object, a number that is not finite (``NaN``, ``1e999``) or more than `MAX_DEPTH` levels, there is
    no value. Tool calls are read as `as_json` describes.

    Raises:
        ValueError: There is no value.
    """
    for part in (text, *(fence[1] for fence in _FENCE.finditer(text))):
        try:
            return parse_json(part)
        except json.JSONDecodeError:
            continue
    place = 0
    for _ in range(_MAX_ATTEMPTS):
        opening = _OPENING.search(text, place)
        if opening is None:
            break
        try:
            return _checked(_DECODER.raw_decode(text, opening.start())[0])
        except json.JSONDecodeError as error:
            place = max(error.pos, opening.end())
        except RecursionError:
            break
    raise ValueError("there is no complete JSON value")


def parse_json(text: str) -> Any:
    """Return the value of a text that is JSON as a whole.

    Raises:
        ValueError: It is not JSON, or one of the values that `first_json` refuses.
    """
    try:
        return _checked(_DECODER.decode(text))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def as_json(value: Any) -> Any:
    """Return a value in the types of JSON, with its tool calls in one form.

    A tool call is an object with ``name`` and ``arguments``, alone or in a list. OpenAI's ``{"function": call}``
    becomes the call, and arguments that are a string with an object become this object.

    Raises:
        ValueError: The value cannot be written as JSON, or it is one that `first_json` refuses.
    """
    try:
        return parse_json(json.dumps(value))
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def canonical(value: Any) -> str:
    """Return a string that is equal for equal JSON values.

    The order of names is ignored, 1 and 1.0 are equal, 1 and true are not. Strings are compared as by `exact_match`.
    """
    return json.dumps(_normal(value), sort_keys=True)


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _normal(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_normal(part) for part in value]
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value).strip()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _checked(value: Any) -> Any:
    """Return a decoded value with its tool calls in one form.

    Numbers are checked here, because an error of the decoder would also end it at prose such as ``NaN {}``.

    Raises:
        ValueError: It is nested too deep, or a number in it is not finite.
    """
    value = [_call(part) for part in value] if isinstance(value, list) else _call(value)
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        for part in level:
            if isinstance(part, float) and not math.isfinite(part):
                raise ValueError(f"{part} is not a finite number")
        level = [whole for whole in level if isinstance(whole, dict | list)]
        if not level:
            return value
        level = [part for whole in level for part in (whole.values() if isinstance(whole, dict) else whole)]
    raise ValueError(f"it has more than {MAX_DEPTH} levels")


def _call(value: Any) -> Any:
    if isinstance(value, dict) and _is_call(value.get("function")):
        value = value["function"]
    if _is_call(value) and isinstance(value["arguments"], str):
        try:
            arguments = _DECODER.decode(value["arguments"])
        except (json.JSONDecodeError, RecursionError):
            return value
        return {**value, "arguments": arguments} if isinstance(arguments, dict) else value
    return value


def _is_call(value: Any) -> bool:
    return isinstance(value, dict) and {"name", "arguments"} <= value.keys()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise ValueError("an object has a name twice")
    return names


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
