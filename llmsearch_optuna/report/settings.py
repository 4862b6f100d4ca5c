"""The settings of a study as rows of tables: what its scores depend on, and what it searches."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from llmsearch_optuna.report.record import StudyRecord
from llmsearch_optuna.study.fingerprint import describe_part
from llmsearch_optuna.study.source import Source, read_source

__all__ = ["SpaceRow", "setting_rows", "source_names", "space_rows"]

_SPACE = "space"
_SHOWN_ELSEWHERE = (_SPACE, "version")


class SpaceRow(NamedTuple):
    """A parameter of the search space.

    Attributes:
        parameter: Its name.
        values: Its range or its choices; the value of a fixed parameter.
        notes: Its scale and step, and the condition under which it is searched; may be empty.
    """

    parameter: str
    values: str
    notes: str


def source_names(record: StudyRecord) -> Source:
    """Return the names of the model and the data: of the study file, or of the fingerprint."""
    if record.study_file is not None:
        with contextlib.suppress(ValueError):  # a damaged file is still shown as it is
            source = read_source(record.study_file)
            return source._replace(model=source.model or _model(record))
    return Source(_model(record), "rows passed in Python")


def _model(record: StudyRecord) -> str | None:
    model = record.fingerprint.get("model")
    return None if model is None else describe_part(model)


def setting_rows(fingerprint: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each part of a fingerprint, except the search space, as strings."""
    for name, part in fingerprint.items():
        if name not in _SHOWN_ELSEWHERE:
            yield from _settings(name, part)


def _settings(name: str, part: Any) -> Iterator[tuple[str, str]]:
    """Yield one row, or those of each entry of a mapping."""
    if isinstance(part, dict) and part:
        for key, value in part.items():
            yield from _settings(f"{name}: {key.replace('_', ' ')}", value)
    else:
        yield name.replace("_", " "), describe_part(part)


def space_rows(fingerprint: Mapping[str, Any]) -> tuple[SpaceRow, ...]:
    """Return the parameters of the search space, first those that are searched; empty if none are recorded."""
    space = fingerprint.get(_SPACE)
    if not isinstance(space, dict):
        return () if space is None else (SpaceRow(_SPACE, describe_part(space), ""),)
    parameters = space.get("parameters")
    if not isinstance(parameters, dict):
        parameters = {name: value for name, value in space.items() if name != "order"}
    rows = [_space_row(name, entry) for name, entry in parameters.items()]
    return tuple(sorted(rows, key=lambda row: row.notes == "fixed"))


def _space_row(name: str, entry: Any) -> SpaceRow:
    if not isinstance(entry, dict):
        return SpaceRow(name, describe_part(entry), "fixed")
    notes = []
    if "choices" in entry:
        values = ", ".join("unset" if choice is None else describe_part(choice) for choice in entry["choices"])
        notes.append("one of these")
    else:
        values = f"{describe_part(entry.get('low'))} to {describe_part(entry.get('high'))}"
        notes += ["logarithmic"] * bool(entry.get("log"))
        notes += [f"steps of {entry['step']}"] * (entry.get("step") not in (None, 1))
    for parent, required in (entry.get("when") or {}).items():
        notes.append(f"only if {parent} is {' or '.join(map(describe_part, required))}")
    return SpaceRow(name, values, ", ".join(notes))
