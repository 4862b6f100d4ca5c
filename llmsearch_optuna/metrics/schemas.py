"""JSON Schemas: read, validated, and made to validators that need no network."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmsearch_optuna._version import requirement
from llmsearch_optuna.errors import MetricError, one_line
from llmsearch_optuna.metrics.json_values import parse_json

__all__ = ["make_validator", "read_schema"]

_PROBES: tuple[Any, ...] = ({}, [], "", 0)


def read_schema(schema: str | Path | Mapping[str, Any], directory: Path | None = None) -> Mapping[str, Any]:
    """Return a schema, which may be the path of a JSON file relative to `directory`.

    Raises:
        MetricError: The file cannot be read, or does not hold a JSON object.
    """
    if isinstance(schema, Mapping):
        return schema
    path = (directory or Path()) / schema
    try:
        value = parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise MetricError(f"`schema` must be a JSON file or a table, and {path} is none: {one_line(error)}") from error
    if not isinstance(value, dict):
        raise MetricError(f"`schema` must be a JSON object, and {path} holds another value")
    return value


def make_validator(schema: Mapping[str, Any], label: str = "`schema`") -> Any:
    """Return the validator of ``jsonschema`` for a schema. It loads nothing: references must lead into the schema.

    Without ``$schema``, the draft 2020-12 is used. ``format`` is an annotation, as is the draft's default.

    Args:
        schema: The schema.
        label: The schema in error messages.

    Raises:
        MetricError: The package is missing, or the schema is invalid, leads elsewhere or refers to itself without end.
    """
    try:
        text = json.dumps(schema, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise MetricError(f"{label} must be a JSON Schema: {one_line(error)}") from error
    fault, validator = _validator(text)
    if fault is not None:
        raise MetricError(f"{label} must be a JSON Schema: {fault}")
    return validator


@lru_cache(maxsize=4096)
def _validator(text: str) -> tuple[str | None, Any]:
    """Return what is wrong with a schema, and None, or None and its validator."""
    try:
        import jsonschema  # noqa: PLC0415  # optional
        import referencing.exceptions  # noqa: PLC0415
        import referencing.jsonschema  # noqa: PLC0415
    except ImportError as error:
        raise MetricError(
            f"metric `json_schema` needs the package jsonschema: pip install {requirement('json')}"
        ) from error
    schema = json.loads(text)
    if not isinstance(schema, dict):
        return f"it must be a table, got {text:.60}", None
    drafts = jsonschema.validators
    kind = drafts.validator_for(schema, default=None if "$schema" in schema else drafts.Draft202012Validator)
    if kind is None:
        return f"`$schema` names no draft that jsonschema has, got {schema['$schema']!r}", None
    registry: Any = referencing.Registry()
    specification = referencing.jsonschema.specification_with(kind.META_SCHEMA["$schema"])
    root = specification.create_resource(schema)
    validator = kind(schema, registry=registry)
    try:
        kind.check_schema(schema)
        _look_up(registry.resolver_with_root(root), root)
        for probe in _PROBES:
            list(validator.iter_errors(probe))
    except jsonschema.SchemaError as error:
        return f"{one_line(Exception(error.message))} (at {error.json_path})", None
    except referencing.exceptions.Unresolvable as error:
        return f"the reference {error.ref!r} leads out of it or to nothing; nothing is loaded", None
    except RecursionError:
        return "it refers to itself without end", None
    return None, validator


def _look_up(resolver: Any, resource: Any) -> None:
    """Follow the references of a schema and its parts, so that one that leads nowhere is noticed."""
    for name in ("$ref", "$dynamicRef"):
        if isinstance(resource.contents, dict) and isinstance(resource.contents.get(name), str):
            resolver.lookup(resource.contents[name])
    for part in resource.subresources():
        _look_up(resolver.in_subresource(part), part)
