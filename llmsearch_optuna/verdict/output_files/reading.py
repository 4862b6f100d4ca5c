"""The reading of a file of outputs: its format is told by its content."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llmsearch_optuna.errors import TaskError
from llmsearch_optuna.verdict.output_files import inspect_ai, lm_eval
from llmsearch_optuna.verdict.output_files.line import OutputLine, Selection, cluster_of, parse_json, shown

__all__ = ["Outputs", "read_outputs"]

Outputs = Mapping[str, Sequence[OutputLine]]
"""The outputs of a file by id, in order. Every id has the same number of outputs, one per seed."""


def read_outputs(path: Path, selection: Selection) -> Outputs:
    """Read a file of outputs.

    Args:
        path: JSON lines of our own, or a log of lm-evaluation-harness or inspect_ai.
        selection: What is compared.

    Raises:
        TaskError: The file cannot be read, a line is invalid, or the number of seeds differs between ids.
    """
    try:
        with path.open("rb") as file:
            is_archive = inspect_ai.is_archive(file.read(4))
        text = "" if is_archive else path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{path} cannot be read: {error}") from error
    lines = inspect_ai.read_archive(path, selection) if is_archive else _lines(text, path, selection)
    by_id: dict[str, list[OutputLine]] = {}
    for line in lines:
        by_id.setdefault(line.id, []).append(line)
    if not by_id:
        raise TaskError(f"{path} is empty: it must have a line per output")
    seeds = len(next(iter(by_id.values())))
    for name, same in by_id.items():
        if len(same) != seeds:
            raise TaskError(
                f"every id of {path} must have the same number of lines, one per seed: {next(iter(by_id))} has "
                f"{seeds}, {name} has {len(same)} (the last is {same[-1].place})"
            )
    return by_id


def _lines(text: str, path: Path, selection: Selection) -> list[OutputLine]:
    document = _document(text)
    if inspect_ai.is_log(document):
        return inspect_ai.read_log(document, path, selection)
    if lm_eval.is_aggregated(document):
        raise TaskError(
            f"{path} has no samples, only the results of lm-eval {document['lm_eval_version']}: name the file "
            "samples_*.jsonl, which `--log_samples` writes"
        )
    rows = [
        (f"line {number} of {path}", content)
        for number, content in enumerate(text.split("\n"), start=1)  # str.splitlines would also split within strings
        if content.strip()
    ]
    if lm_eval.is_sample(document):
        return lm_eval.read_samples([(place, _parsed(content, place)) for place, content in rows], path, selection)
    if selection.filter_name is not None:
        raise TaskError(f"{path} has no filters: `--filter` is for logs of lm-eval")
    return [_own_line(_parsed(content, place), place, selection) for place, content in rows]


def _document(text: str) -> Mapping[str, Any]:
    """Return the object in the first line; if that is none, the object that the text is; if that is none, {}."""
    start = text.lstrip()
    for part in (start.partition("\n")[0], start):
        try:
            document = json.loads(part)
        except (ValueError, RecursionError):
            continue
        return document if isinstance(document, dict) else {}
    return {}


def _own_line(values: Mapping[str, Any], place: str, selection: Selection) -> OutputLine:
    if "id" not in values:
        raise TaskError(f"{place} has no `id`")
    if not isinstance(values["id"], str | int) or isinstance(values["id"], bool):
        raise TaskError(f"{place}: `id` must be a string or an integer, got {shown(values['id'])}")
    name = selection.score or "score"
    scores = {"score": values[name]} if name in values else {}
    return OutputLine(
        place=place,
        id=str(values["id"]),
        values=values if selection.by_metric else scores,
        score_name=name,
        cluster=cluster_of(selection.cluster, (values,), place),
    )


def _parsed(content: str, place: str) -> Mapping[str, Any]:
    values = parse_json(content, place)
    if not isinstance(values, dict):
        raise TaskError(f"{place} must be an object with an `id`, got {shown(values)}")
    return values
