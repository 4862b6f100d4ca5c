"""The verdict on outputs that were made elsewhere: two JSON-lines files, paired by id."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from llmsearch_optuna.errors import TaskError
from llmsearch_optuna.metrics import Metric, known_range
from llmsearch_optuna.verdict.finalist_scores import FinalistScores, corpus_scores, score_groups
from llmsearch_optuna.verdict.judging import judge
from llmsearch_optuna.verdict.verdict import Verdict

__all__ = ["compare_outputs", "compare_scores"]


class _Line(NamedTuple):
    """A line, and what messages call it."""

    place: str
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Outputs:
    """A file's lines by id, in order; as many for each id: one per seed."""

    path: Path
    lines: Mapping[str, Sequence[_Line]]


def compare_scores(reference: Path, candidate: Path, *, greater_is_better: bool = True) -> Verdict:
    """Compares the scores of two files, ``{"id": ..., "score": ...}`` a line; several lines of one id are its seeds.

    Args:
        reference: What the other is compared with.
        candidate: What may be better.
        greater_is_better: Whether a higher score is better.

    Raises:
        TaskError: A file cannot be read, the ids do not pair, or a line is not as described; the message names it.
    """
    both = _read_both(reference, candidate)
    ids = list(both[0].lines)
    finalists = [
        FinalistScores(
            name=str(outputs.path), scores=np.array([[_score(line) for line in outputs.lines[one]] for one in ids])
        )
        for outputs in both
    ]
    return judge(
        finalists,
        best=str(candidate),
        reference=str(reference),
        metric="score",
        greater_is_better=greater_is_better,
        held_out=False,
        samples=len(ids),
    )


def compare_outputs(
    reference: Path, candidate: Path, metrics: Sequence[Metric], *, resamples: int = 1000
) -> list[Verdict]:
    """Scores and compares the outputs of two files.

    A line is ``{"id": ..., "prediction": text, "reference": ...}``: the reference is what the metric compares with, or
    an object of several columns. Several lines of one id are its seeds.

    Args:
        reference: What the other is compared with.
        candidate: What may be better.
        metrics: Score the predictions; the intervals of all are right at once.
        resamples: How often the bootstrap draws for a metric that scores only a corpus.

    Returns:
        A verdict for each metric.

    Raises:
        TaskError: A file cannot be read, the ids do not pair, or a line is not as described; the message names it.
        MetricError: The references do not fit a metric.
        ScorerError: A scorer fails.
    """
    both = _read_both(reference, candidate)
    ids = list(both[0].lines)
    references = [_reference([line for outputs in both for line in outputs.lines[one]], one) for one in ids]
    texts = [
        [[_prediction(outputs.lines[one][seed]) for one in ids] for seed in range(len(outputs.lines[ids[0]]))]
        for outputs in both
    ]
    verdicts = []
    for metric in metrics:
        names = [str(outputs.path) for outputs, groups in zip(both, texts, strict=True) for _ in groups]
        found = iter(score_groups(metric, references, [group for groups in texts for group in groups], names=names))
        scores = [[next(found).per_sample for _ in groups] for groups in texts]
        by_sample = all(one is not None for own in scores for one in own)
        spread = known_range(metric)
        verdicts.append(
            judge(
                [
                    FinalistScores(
                        name=str(outputs.path),
                        scores=np.array(own).T if by_sample else corpus_scores(metric, references, groups),
                    )
                    for outputs, own, groups in zip(both, scores, texts, strict=True)
                ],
                best=str(candidate),
                reference=str(reference),
                metric=metric.name,
                greater_is_better=metric.greater_is_better,
                held_out=False,
                samples=len(ids),
                max_difference=None if spread is None else spread[1] - spread[0],
                comparisons=len(metrics),
                resamples=resamples,
            )
        )
    return verdicts


def _read_both(reference: Path, candidate: Path) -> tuple[_Outputs, _Outputs]:
    both = _read(reference), _read(candidate)
    if reference.samefile(candidate):
        raise TaskError(f"{reference} and {candidate} are the same file: name two")
    for one, other in (both, both[::-1]):
        alone = [name for name in one.lines if name not in other.lines]
        if alone:
            raise TaskError(
                f"{one.path} and {other.path} must hold the same ids: {len(alone)} are only in {one.path}, "
                f"the first is {alone[0]}"
            )
    if len(both[0].lines) < 2:
        raise TaskError(f"{reference} holds only one id: it takes 2 at least to compare")
    return both


def _read(path: Path) -> _Outputs:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{path} cannot be read: {error}") from error
    by_id: dict[str, list[_Line]] = {}
    for number, content in enumerate(text.split("\n"), start=1):  # str.splitlines would also split within texts
        if content.strip():
            place = f"line {number} of {path}"
            values = _parsed(content, place)
            by_id.setdefault(_id(values, place), []).append(_Line(place, values))
    if not by_id:
        raise TaskError(f"{path} is empty: it needs a line per output")
    seeds = len(next(iter(by_id.values())))
    for name, lines in by_id.items():
        if len(lines) != seeds:
            raise TaskError(
                f"every id of {path} needs as many lines, one per seed: {next(iter(by_id))} has {seeds}, {name} has "
                f"{len(lines)} (the last is {lines[-1].place})"
            )
    return _Outputs(path=path, lines=by_id)


def _parsed(content: str, place: str) -> Mapping[str, Any]:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:  # the latter where it is nested a thousand times
        raise TaskError(f"{place} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise TaskError(f"{place} must be an object with an `id`, got {_shown(values)}")
    return values


def _id(values: Mapping[str, Any], place: str) -> str:
    if "id" not in values:
        raise TaskError(f"{place} has no `id`")
    if not isinstance(values["id"], str | int) or isinstance(values["id"], bool):
        raise TaskError(f"{place}: `id` must be a text or an integer, got {_shown(values['id'])}")
    return str(values["id"])


def _score(line: _Line) -> float:
    if "score" not in line.values:
        raise TaskError(f"{line.place} has no `score`; to have its `prediction` scored, name a metric")
    score = line.values["score"]
    if isinstance(score, bool):
        return float(score)
    if not isinstance(score, Real) or not math.isfinite(_to_float(score)):
        raise TaskError(f"{line.place}: `score` must be a finite number, got {_shown(score)}")
    return _to_float(score)


def _to_float(number: Real) -> float:
    try:
        return float(number)
    except OverflowError:  # an integer beyond floats
        return math.inf


def _prediction(line: _Line) -> str:
    prediction = line.values.get("prediction")
    if not isinstance(prediction, str):
        raise TaskError(f"{line.place} needs a text as `prediction`, got {_shown(prediction)}")
    return prediction


def _reference(lines: Sequence[_Line], name: str) -> Mapping[str, Any]:
    """What all lines of an id have as their reference, as columns."""
    for line in lines:
        if "reference" not in line.values:
            raise TaskError(f"{line.place} has no `reference`")
        if line.values["reference"] != lines[0].values["reference"]:
            raise TaskError(f"id {name} has another `reference` in {line.place} than in {lines[0].place}")
    reference = lines[0].values["reference"]
    return reference if isinstance(reference, dict) else {"reference": reference}


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:60] + "..."
