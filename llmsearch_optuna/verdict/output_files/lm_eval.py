"""The sample logs of lm-evaluation-harness, which it writes with ``--log_samples``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llmsearch_optuna.errors import TaskError
from llmsearch_optuna.verdict.output_files.line import OutputLine, Selection, choose, cluster_of, shown

__all__ = ["is_aggregated", "is_sample", "read_samples"]

_TAKES_FIRST = "none"
"""The name of the filter that tasks without filters have. It keeps the first of several responses."""


def is_sample(values: Mapping[str, Any]) -> bool:
    """Return whether an object is a line of a sample log."""
    return "doc_id" in values and "filtered_resps" in values and "id" not in values


def is_aggregated(values: Mapping[str, Any]) -> bool:
    """Return whether an object is a file of results, which has no samples."""
    return "lm_eval_version" in values and "results" in values


def read_samples(rows: Sequence[tuple[str, Mapping[str, Any]]], path: Path, selection: Selection) -> list[OutputLine]:
    """Return the outputs of a sample log.

    The id is `doc_id`, the reference `target`, and the score a metric of the log. A metric of ours scores the filtered
    responses, of which a filter such as `take_first_k` keeps several, as seeds. A task without filters keeps the first
    of several responses (`repeats`); then all of them are scored.

    Args:
        rows: Place and content of each line.
        path: The file.
        selection: What is compared.

    Raises:
        TaskError: A line is invalid, of an unknown version, or several filters or metrics fit the selection.
    """
    for place, row in rows:
        if not _is_of_known_version(row):
            raise TaskError(
                f"{place} is no sample of lm-eval 0.4.7 or later: it must have `doc_id`, `filtered_resps`, `filter` "
                "and `metrics`"
            )
    name = choose("filter", "--filter", selection.filter_name, (row["filter"] for _, row in rows), path)
    rows = [(place, row) for place, row in rows if row["filter"] == name]
    lines = []
    metric = ""
    if not selection.by_metric:
        metric = choose("score", "--score", selection.score, (key for _, row in rows for key in row["metrics"]), path)
    for place, row in rows:
        contents = _responses(row, place) if selection.by_metric else [{"score": row[metric]} if metric in row else {}]
        lines += [
            OutputLine(
                place=place,
                id=str(row["doc_id"]),
                values=values,
                score_name=metric if name == _TAKES_FIRST else f"{metric},{name}",
                cluster=cluster_of(selection.cluster, (row.get("doc"), row), place),
                data=row["doc_hash"] if isinstance(row.get("doc_hash"), str) else None,
            )
            for values in contents
        ]
    return lines


def _is_of_known_version(row: Mapping[str, Any]) -> bool:
    metrics = row.get("metrics")
    return (
        isinstance(row.get("doc_id"), str | int)
        and isinstance(row.get("filtered_resps"), list)
        and isinstance(row.get("filter"), str)
        and isinstance(metrics, list)
        and all(isinstance(metric, str) for metric in metrics)
    )


def _responses(row: Mapping[str, Any], place: str) -> list[Mapping[str, Any]]:
    """Return the responses of a sample that a metric of ours can score."""
    arguments = row.get("arguments")
    requests = list(arguments.values()) if isinstance(arguments, dict) else []
    if len(requests) != 1 or not isinstance(requests[0], dict) or not isinstance(requests[0].get("arg_1"), dict):
        raise TaskError(
            f"{place} has no generated text that a metric could score: compare its scores, without `--metric`"
        )
    responses = row["resps"] if row["filter"] == _TAKES_FIRST and row.get("resps") else row["filtered_resps"]
    filtered = responses[0] if isinstance(responses, list) and len(responses) == 1 else []
    texts = filtered if isinstance(filtered, list) else [filtered]
    if not texts:
        raise TaskError(f"{place}: `filtered_resps` must have a response, got {shown(row['filtered_resps'])}")
    return [{"prediction": text, "reference": row.get("target")} for text in texts]
