"""The fingerprint of a study: everything that its scores depend on, as versioned canonical JSON.

How it works: a study stores its fingerprint as a user attribute when it is created. A later search or verdict builds
the fingerprint of its own model, data and settings. The two are compared part by part, as JSON text with sorted keys.
Version 1 (package 0.1.0) stored `repr` of Python objects as strings. Such a fingerprint stays in the database as it is,
and is converted to the current form whenever it is read.
"""

import ast
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import optuna

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.identity import describe, identify, without_addresses
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.study.attributes import FINGERPRINT
from llmsearch_optuna.study.objectives import COST, SCORE
from llmsearch_optuna.study.price import Price

__all__ = [
    "build_fingerprint",
    "complete_fingerprint",
    "created_directions",
    "describe_changes",
    "describe_part",
    "holdout_size",
    "read_fingerprint",
    "stored_stop_strings",
    "study_fingerprint",
    "without_search",
]

_VERSION = 2

_STRING_OR_OBJECT = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|<(?:[^<>]|<[^<>]*>)*>""", re.DOTALL)


def build_fingerprint(
    *,
    model: str,
    task: Mapping[str, Any],
    metric: str,
    further_metrics: Mapping[str, str] = MappingProxyType({}),
    output_preproc: object,
    decode_args: Mapping[str, Any] | None,
    stopping: Mapping[str, Any],
    thinking: Mapping[str, str] | None,
    seed: int,
    space: SearchSpace | None = None,
) -> dict[str, Any]:
    """Build the parts of a fingerprint that a `Tuner` determines.

    Args:
        model: The identity of the model.
        task: The parts that depend on the data; see `Task.fingerprint`.
        metric: The name of the metric.
        further_metrics: The names of the further metrics by label. Their part is left out if there are none.
        output_preproc: The function applied to every completion before scoring.
        decode_args: The tokenizer's keyword arguments for completions.
        stopping: The fields of `Stopping`, by name.
        thinking: The marks of thoughts, by name. Their part is left out if None, as in older studies.
        seed: The seed of the search.
        space: The search space. Its part is left out if None.

    Returns:
        The parts by name, as JSON types.
    """
    parts = {
        "model": model,
        **task,
        "metric": metric,
        "output_preproc": identify(output_preproc),
        "tokenizer_decode_args": decode_args,
        "stopping": stopping,
        "seed": seed,
    }
    if further_metrics:
        parts["further metrics"] = further_metrics
    if thinking is not None:
        parts["thinking"] = thinking
    if space is not None:
        # The values that a sampler draws depend on the order in which the parameters are requested.
        parts["space"] = {"parameters": space.to_dict(), "order": list(space.dimensions)}
    return {name: _as_json(part) for name, part in sorted(parts.items())}


def complete_fingerprint(
    parts: Mapping[str, Any],
    *,
    direction: str,
    objectives: Sequence[str],
    price: Price | None = None,
    constraints: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the fingerprint to store.

    Args:
        parts: The result of `build_fingerprint`.
        direction: The direction of the score, ``"maximize"`` or ``"minimize"``.
        objectives: The names of the objectives.
        price: The price of tokens. It is a part only if the cost is an objective: values of trials cannot be changed.
        constraints: The rules by label. They are a part if there are any: trials store whether they are feasible.
    """
    completed = {**parts, "version": _VERSION, "direction": direction, "objectives": objectives}
    if COST in objectives and price is not None:
        completed["price"] = price.to_dict()
    if constraints:
        completed["constraints"] = constraints
    return {name: _as_json(part) for name, part in sorted(completed.items())}


def without_search(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fingerprint without the parts that only steer the search: space, direction, objectives, ..."""
    steering = ("space", "direction", "objectives", "price", "constraints")
    return {name: part for name, part in fingerprint.items() if name not in steering}


def study_fingerprint(study: optuna.Study) -> dict[str, Any]:
    """Return the fingerprint of a study in its current form.

    Raises:
        StorageError: The fingerprint is lost, or a newer version of the package wrote it.
    """
    stored = study.user_attrs.get(FINGERPRINT)
    if not isinstance(stored, dict):
        raise StorageError(
            f"study `{study.study_name}` is damaged (its fingerprint is lost): `llmsearch-optuna fsck` lists what is "
            "intact"
        )
    return read_fingerprint(stored)


def read_fingerprint(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored fingerprint of any version in its current form.

    Raises:
        StorageError: A newer version of the package wrote it.
    """
    version = stored.get("version", 1)
    if version == _VERSION:
        return dict(stored)
    if version != 1:
        raise StorageError(
            f"the fingerprint has version {version}, but this llmsearch_optuna supports versions up to {_VERSION}: "
            "upgrade the package"
        )
    parts = {"objectives": SCORE, **stored, "version": _VERSION}
    converters = {name: convert for name, convert in _VERSION_1.items() if isinstance(parts.get(name), str)}
    return {**parts, **{name: convert(parts[name]) for name, convert in converters.items()}}


def describe_changes(stored: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, str]:
    """Return the parts that differ, each with a description, e.g. ``"metric: rouge1 then, rouge2 now"``."""
    names = sorted({*stored, *current} - {"version"})
    changes = {name: "; ".join(_changes(name, stored.get(name), current.get(name))) for name in names}
    return {name: description for name, description in changes.items() if description}


def describe_part(value: Any) -> str:
    """Return a part of a fingerprint as a readable string."""
    if value in (None, [], {}):
        return "none"
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return ", ".join(map(describe_part, value))
    is_plain = isinstance(value, str) and value.isprintable() and value.strip() == value != ""
    return str(value) if is_plain else json.dumps(value, sort_keys=True)


def stored_stop_strings(fingerprint: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the recorded strings that end a completion. Empty if they are not recorded."""
    strings = _entry(fingerprint, "stopping", "strings")
    return tuple(map(str, strings)) if isinstance(strings, list) else ()


def holdout_size(fingerprint: Mapping[str, Any]) -> int | None:
    """Return the number of samples held out. None if it is not recorded."""
    size = _entry(fingerprint, "splits", "holdout")
    return size if isinstance(size, int) else None


def created_directions(fingerprint: Mapping[str, Any]) -> list[str]:
    """Return the directions that the study was created with, one per objective.

    The first is that of the score; ``"?"`` if it is not recorded. All others are ``"minimize"``.
    """
    objectives = fingerprint.get("objectives")
    others = len(objectives) - 1 if isinstance(objectives, list) else 0
    return [str(fingerprint.get("direction", "?")), *["minimize"] * others]


def _entry(fingerprint: Mapping[str, Any], part: str, name: str) -> Any:
    entries = fingerprint.get(part)
    return entries.get(name) if isinstance(entries, dict) else None


def _changes(path: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            yield from _changes(f"{path}.{name}", before.get(name), after.get(name))
    elif json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True):  # JSON distinguishes 1, 1.0 and True
        yield f"{path}: {describe_part(before)} then, {describe_part(after)} now"


def _as_json(value: Any) -> Any:
    """Return a value as JSON types with sorted keys. Values that JSON cannot hold become strings."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return str(value)
        case float() if math.isfinite(value):
            return value
        case list() | tuple():
            return [_as_json(item) for item in value]
        case Mapping():
            named = {key if isinstance(key, str) else describe(key): _as_json(item) for key, item in value.items()}
            return dict(sorted(named.items()))
        case _:
            return describe(value)


# The reader of version 1.


def _splits(text: str) -> Any:
    match = re.fullmatch(r"(\d+) search, (\d+) hold-out", text)
    return text if match is None else {"search": int(match[1]), "holdout": int(match[2])}


def _space(text: str) -> Any:
    parameters = _parsed(text, calls=2)
    if not isinstance(parameters, dict):
        return text
    dimensions = {name: value for name, value in parameters.items() if isinstance(value, dict)}
    for dimension in dimensions.values():
        if dimension.get("when") is None:
            dimension.pop("when", None)
    return {"parameters": parameters, "order": list(dimensions)}


def _parsed(text: str, *, calls: int = 0) -> Any:
    """Convert the `repr` of a Python object to JSON types, regardless of the names of its classes.

    Args:
        text: The `repr`. Objects that it describes as ``<...>`` become strings, without their addresses.
        calls: The levels of nested constructor calls that are converted to mappings of their keyword arguments.

    Returns:
        The converted value, or `text` itself if it cannot be parsed.
    """
    source = _STRING_OR_OBJECT.sub(
        lambda match: repr(without_addresses(match[0])) if match[0].startswith("<") else match[0], text
    )
    try:
        return _converted(ast.parse(source, mode="eval").body, source, calls)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text


def _converted(node: ast.expr, source: str, calls: int) -> Any:
    match node:
        case ast.Constant(None | bool() | int() | str() as value):
            return value
        case ast.Constant(float(value)) if math.isfinite(value):
            return value
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as value)):
            return -value
        case ast.Tuple(items) | ast.List(items):
            return [_converted(item, source, 0) for item in items]
        case ast.Dict(keys, values):
            names = [_converted(key, source, 0) if key is not None else None for key in keys]
            items = [_converted(value, source, 0) for value in values]
            return {
                name if isinstance(name, str) else repr(name): item for name, item in zip(names, items, strict=True)
            }
        case ast.Call(_, [], keywords) if calls:
            return {str(keyword.arg): _converted(keyword.value, source, calls - 1) for keyword in keywords}
        case _:
            return ast.get_source_segment(source, node)


_VERSION_1: dict[str, Callable[[str], Any]] = {
    "objectives": lambda text: text.split(", "),
    "splits": _splits,
    "sample order seed": _parsed,
    "seed": _parsed,
    "tokenizer_decode_args": _parsed,
    "stopping": partial(_parsed, calls=1),
    "space": _space,
}
"""The converters of the parts that version 1 stored in another form."""
