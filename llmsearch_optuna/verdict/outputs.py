"""Verdicts on two JSON-lines files of outputs, paired by id."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from llmsearch_optuna.errors import TaskError
from llmsearch_optuna.metrics import Metric, check_references, known_range, max_difference
from llmsearch_optuna.verdict.finalist_scores import FinalistScores, corpus_scores, score_groups
from llmsearch_optuna.verdict.judging import judge
from llmsearch_optuna.verdict.verdict import Verdict

__all__ = ["compare_outputs", "compare_scores"]


PathLike = str | os.PathLike[str]
"""The path of a file."""


class _Line(NamedTuple):
    """A parsed line, and its place in error messages."""

    place: str
    values: Mapping[str, Any]


_Lines = Mapping[str, Sequence[_Line]]
"""The lines of a file by id, in order. Every id has the same number of lines, one per seed."""


def compare_scores(reference: PathLike, candidate: PathLike, *, greater_is_better: bool = True) -> Verdict:
    """Compare the scores of two files.

    A line is ``{"id": ..., "score": ...}``. Several lines with the same id are the results of different seeds.

    Args:
        reference: The file that the other one is compared with.
        candidate: The file that may be better.
        greater_is_better: Whether a higher score is better.

    Raises:
        TaskError: A file cannot be read, the ids do not pair, or a line is invalid. The message names the line.
    """
    reference, candidate = Path(reference), Path(candidate)
    files = _read_both(reference, candidate)
    ids = list(files[0])
    return judge(
        [
            FinalistScores(name=str(path), scores=np.array([[_score(line) for line in lines[name]] for name in ids]))
            for path, lines in zip((reference, candidate), files, strict=True)
        ],
        best=str(candidate),
        reference=str(reference),
        metric="score",
        greater_is_better=greater_is_better,
        held_out=False,
        samples=len(ids),
    )


def compare_outputs(
    reference: PathLike, candidate: PathLike, metrics: Sequence[Metric], *, resamples: int = 1000
) -> list[Verdict]:
    """Score and compare the outputs of two files.

    A line is ``{"id": ..., "prediction": ..., "reference": ...}``. The prediction is a string. The reference is the
    value that the metric compares it with, or an object with several columns. Several lines with the same id are the
    results of different seeds. They must have the same reference, in both files.

    Args:
        reference: See `compare_scores`.
        candidate: See `compare_scores`.
        metrics: The metrics. The nominal chance that the intervals of all metrics are right at once is at least 95 %.
        resamples: The number of bootstrap resamples for a metric that scores only a corpus.

    Returns:
        A verdict for each metric.

    Raises:
        TaskError: See `compare_scores`.
        MetricError: The references do not fit a metric.
        ScorerError: A scorer fails.
    """
    reference, candidate = Path(reference), Path(candidate)
    files = _read_both(reference, candidate)
    ids, paths = list(files[0]), (str(reference), str(candidate))
    references = [_reference([line for lines in files for line in lines[name]], name) for name in ids]
    for metric in metrics:
        check_references(metric, references, [f"id {name}" for name in ids])
    texts = [
        [[_prediction(lines[name][seed]) for name in ids] for seed in range(len(lines[ids[0]]))] for lines in files
    ]
    names = [path for path, groups in zip(paths, texts, strict=True) for _ in groups]
    verdicts = []
    for metric in metrics:
        groups_of_one = [[(text,) for text in group] for groups in texts for group in groups]
        scores = iter(score_groups(metric, references, groups_of_one, names=names))
        per_sample = [[next(scores).per_sample for _ in groups] for groups in texts]
        is_by_sample = all(row is not None for rows in per_sample for row in rows)
        verdicts.append(
            judge(
                [
                    FinalistScores(
                        name=path,
                        scores=np.array(rows).T if is_by_sample else corpus_scores(metric, references, groups),
                    )
                    for path, rows, groups in zip(paths, per_sample, texts, strict=True)
                ],
                best=str(candidate),
                reference=str(reference),
                metric=metric.name,
                greater_is_better=metric.greater_is_better,
                held_out=False,
                samples=len(ids),
                max_difference=max_difference(metric, known_range(metric)),
                comparisons=len(metrics),
                resamples=resamples,
            )
        )
    return verdicts


def _read_both(reference: Path, candidate: Path) -> tuple[_Lines, _Lines]:
    files = _read(reference), _read(candidate)
    if reference.samefile(candidate):
        raise TaskError(f"{reference} and {candidate} are the same file: name two files")
    paths = reference, candidate
    for (path, other), (lines, others) in ((paths, files), (paths[::-1], files[::-1])):
        unpaired = [name for name in lines if name not in others]
        if unpaired:
            raise TaskError(
                f"{path} and {other} must have the same ids: {len(unpaired)} are only in {path}, the first is "
                f"{unpaired[0]}"
            )
    if len(files[0]) < 2:
        raise TaskError(f"{reference} has only one id: a comparison needs at least 2")
    return files


def _read(path: Path) -> _Lines:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{path} cannot be read: {error}") from error
    by_id: dict[str, list[_Line]] = {}
    for number, content in enumerate(text.split("\n"), start=1):  # str.splitlines would also split within strings
        if content.strip():
            place = f"line {number} of {path}"
            values = _parsed(content, place)
            by_id.setdefault(_id(values, place), []).append(_Line(place, values))
    if not by_id:
        raise TaskError(f"{path} is empty: it must have a line per output")
    seeds = len(next(iter(by_id.values())))
    for name, lines in by_id.items():
        if len(lines) != seeds:
            raise TaskError(
                f"every id of {path} must have the same number of lines, one per seed: {next(iter(by_id))} has "
                f"{seeds}, {name} has {len(lines)} (the last is {lines[-1].place})"
            )
    return by_id


def _parsed(content: str, place: str) -> Mapping[str, Any]:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:  # RecursionError: nested a thousand levels deep
        raise TaskError(f"{place} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise TaskError(f"{place} must be an object with an `id`, got {_shown(values)}")
    return values


def _id(values: Mapping[str, Any], place: str) -> str:
    if "id" not in values:
        raise TaskError(f"{place} has no `id`")
    if not isinstance(values["id"], str | int) or isinstance(values["id"], bool):
        raise TaskError(f"{place}: `id` must be a string or an integer, got {_shown(values['id'])}")
    return str(values["id"])


def _score(line: _Line) -> float:
    if "score" not in line.values:
        raise TaskError(f"{line.place} has no `score`; to score its `prediction`, name a metric")
    score = line.values["score"]
    try:
        value = float(score) if isinstance(score, int | float) else math.nan
    except OverflowError:  # an integer too large for a float
        value = math.inf
    if not math.isfinite(value):
        raise TaskError(f"{line.place}: `score` must be a finite number, got {_shown(score)}")
    return value


def _prediction(line: _Line) -> str:
    prediction = line.values.get("prediction")
    if not isinstance(prediction, str):
        raise TaskError(f"{line.place}: `prediction` must be a string, got {_shown(prediction)}")
    return prediction


def _reference(lines: Sequence[_Line], name: str) -> Mapping[str, Any]:
    """Return the reference that all lines of an id share, as columns."""
    for line in lines:
        if "reference" not in line.values:
            raise TaskError(f"{line.place} has no `reference`")
        here, first = line.values["reference"], lines[0].values["reference"]
        if here != first and _as_text(here) != _as_text(first):
            raise TaskError(f"`reference` of id {name} must be the same in {lines[0].place} and {line.place}")
    reference = lines[0].values["reference"]
    return reference if isinstance(reference, dict) else {"reference": reference}


def _as_text(value: object) -> object:
    """Return a reference with its numbers as strings: a metric compares 4 and "4" alike."""
    if isinstance(value, dict):
        return {key: _as_text(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_as_text(part) for part in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:60] + "..."
