"""The metric of *orders*."""

import json
from collections.abc import Mapping, Sequence

__all__ = ["share_of_fields"]


def share_of_fields(references: Sequence[Mapping[str, str]], predictions: Sequence[str]) -> list[float]:
    """The share of the fields that are right; 0 for what is no JSON object."""
    return [
        _share(json.loads(reference["answer"]), text) for reference, text in zip(references, predictions, strict=True)
    ]


def _share(fields: Mapping[str, object], text: str) -> float:
    try:
        written, _ = json.JSONDecoder().raw_decode(text.strip())
    except ValueError:
        return 0.0
    if not isinstance(written, dict):
        return 0.0
    return sum(written.get(name) == value for name, value in fields.items()) / len(fields)
