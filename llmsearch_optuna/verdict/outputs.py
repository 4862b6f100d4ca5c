"""Verdicts on two files of outputs, paired by id."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llmsearch_optuna.errors import MetricError, TaskError
from llmsearch_optuna.metrics import Metric, Reference, check_references, known_range, max_difference
from llmsearch_optuna.metrics.reducers import MEAN, reducer_of
from llmsearch_optuna.verdict.finalist_scores import FinalistScores, corpus_scores, score_groups
from llmsearch_optuna.verdict.judging import judge
from llmsearch_optuna.verdict.output_files.line import OutputLine, Selection
from llmsearch_optuna.verdict.output_files.reading import Outputs, read_outputs
from llmsearch_optuna.verdict.verdict import Verdict

__all__ = ["PathLike", "ScoredFiles", "compare_outputs", "compare_scores", "read_scores", "score_outputs"]

PathLike = str | os.PathLike[str]
"""The path of a file."""


@dataclass(frozen=True, kw_only=True)
class ScoredFiles:
    """Two files, scored by one metric.

    Attributes:
        finalists: The scores of the file that the other one is compared with, and of the one that may be better.
        metric: The metric's name.
        greater_is_better: Whether a higher score is better.
        samples: The number of samples.
        max_difference: The maximum difference of two scores; None if it is not known.
        clusters: The number of each sample's cluster; None if samples are independent. Shape: (samples,).
    """

    finalists: tuple[FinalistScores, ...]
    metric: str
    greater_is_better: bool
    samples: int
    max_difference: float | None
    clusters: npt.NDArray[np.intp] | None

    def judge(self, *, comparisons: int = 1, resamples: int = 1000) -> Verdict:
        """Return the verdict.

        Args:
            comparisons: The number of metrics that the interval is adjusted for.
            resamples: The number of bootstrap resamples for a metric that scores only a corpus.
        """
        reference, candidate = self.finalists
        return judge(
            self.finalists,
            best=candidate.name,
            reference=reference.name,
            metric=self.metric,
            greater_is_better=self.greater_is_better,
            held_out=False,
            samples=self.samples,
            max_difference=self.max_difference,
            comparisons=comparisons,
            clusters=self.clusters,
            resamples=resamples,
        )


def compare_scores(
    reference: PathLike,
    candidate: PathLike,
    *,
    greater_is_better: bool = True,
    score: str | None = None,
    filter_name: str | None = None,
    cluster: str | None = None,
) -> Verdict:
    """Compare the scores of two files.

    A file is a log of lm-evaluation-harness (``samples_*.jsonl``) or inspect_ai (``.eval``, ``.json``), or has lines
    ``{"id": ..., "score": ...}``. Several outputs with the same id are the results of different seeds.

    Args:
        reference: The file that the other one is compared with.
        candidate: The file that may be better.
        greater_is_better: Whether a higher score is better.
        score: The name of the score: a metric of lm-evaluation-harness, a scorer of inspect_ai (``SCORER.KEY`` if its
            value is a dictionary), or a key of the lines. By default the only one, or ``score``.
        filter_name: The filter of lm-evaluation-harness. By default the only one.
        cluster: The column with the cluster of each sample: a key of the document, of the metadata, or of the line.
            Samples of one cluster are not taken to be independent; see `difference_intervals`.

    Raises:
        TaskError: A file cannot be read, the ids do not pair, or an output is invalid. The message names it.
    """
    selection = Selection(score=score, filter_name=filter_name, cluster=cluster)
    return read_scores(reference, candidate, selection, greater_is_better=greater_is_better).judge()


def compare_outputs(
    reference: PathLike,
    candidate: PathLike,
    metrics: Sequence[Metric],
    *,
    filter_name: str | None = None,
    cluster: str | None = None,
    resamples: int = 1000,
) -> list[Verdict]:
    """Score and compare the outputs of two files.

    A file is a log of lm-evaluation-harness or inspect_ai, whose references are the targets, or has lines ``{"id": ...,
    "prediction": ..., "reference": ...}``. The prediction is a string. The reference is the value that the metric
    compares it with, or an object with several columns. Several outputs with the same id are the results of different
    seeds. They must have the same reference, in both files.

    Args:
        reference: See `compare_scores`.
        candidate: See `compare_scores`.
        metrics: The metrics. The nominal chance that the intervals of all metrics are right at once is at least 95 %.
        filter_name: See `compare_scores`.
        cluster: See `compare_scores`.
        resamples: The number of bootstrap resamples for a metric that scores only a corpus.

    Returns:
        A verdict for each metric.

    Raises:
        TaskError: See `compare_scores`.
        MetricError: The references do not fit a metric, or a metric has a reducer.
        ScorerError: A scorer fails.
    """
    selection = Selection(filter_name=filter_name, cluster=cluster, by_metric=True)
    files = score_outputs(reference, candidate, metrics, selection)
    return [scored.judge(comparisons=len(metrics), resamples=resamples) for scored in files]


def read_scores(
    reference: PathLike, candidate: PathLike, selection: Selection, *, greater_is_better: bool = True
) -> ScoredFiles:
    """Read the selected scores of two files; see `compare_scores` for the other arguments and the errors raised."""
    paths = Path(reference), Path(candidate)
    files = _read_both(*paths, selection)
    ids = list(files[0])
    first, second = (lines[ids[0]][0].score_name for lines in files)
    if first != second:
        raise TaskError(f"{paths[0]} has the score {first}, but {paths[1]} has {second}: name one with `--score`")
    finalists = tuple(
        FinalistScores(name=str(path), scores=np.array([[line.score for line in lines[name]] for name in ids]))
        for path, lines in zip(paths, files, strict=True)
    )
    return ScoredFiles(
        finalists=finalists,
        metric=first,
        greater_is_better=greater_is_better,
        samples=len(ids),
        max_difference=None,
        clusters=_clusters(files),
    )


def score_outputs(
    reference: PathLike, candidate: PathLike, metrics: Sequence[Metric], selection: Selection
) -> list[ScoredFiles]:
    """Score the selected outputs of two files by each metric; see `compare_outputs` for the errors raised."""
    for metric in metrics:
        if (reducer := reducer_of(metric)) is not MEAN:
            raise MetricError(
                f'`reducer` = "{reducer.name}" needs several completions per sample, and a file has one for each seed: '
                "leave it out"
            )
    paths = Path(reference), Path(candidate)
    files = _read_both(*paths, selection)
    ids = list(files[0])
    references = [_reference([line for lines in files for line in lines[name]], name) for name in ids]
    for metric in metrics:
        check_references(metric, references, [f"id {name}" for name in ids])
    texts = [[[lines[name][seed].prediction for name in ids] for seed in range(len(lines[ids[0]]))] for lines in files]
    names = [str(path) for path, groups in zip(paths, texts, strict=True) for _ in groups]
    scored = []
    for metric in metrics:
        groups_of_one = [[(text,) for text in group] for groups in texts for group in groups]
        scores = iter(score_groups(metric, references, groups_of_one, names=names))
        per_sample = [[next(scores).per_sample for _ in groups] for groups in texts]
        is_by_sample = all(row is not None for rows in per_sample for row in rows)
        finalists = tuple(
            FinalistScores(
                name=str(path), scores=np.array(rows).T if is_by_sample else corpus_scores(metric, references, groups)
            )
            for path, rows, groups in zip(paths, per_sample, texts, strict=True)
        )
        scored.append(
            ScoredFiles(
                finalists=finalists,
                metric=metric.name,
                greater_is_better=metric.greater_is_better,
                samples=len(ids),
                max_difference=max_difference(metric, known_range(metric)),
                clusters=_clusters(files),
            )
        )
    return scored


def _read_both(reference: Path, candidate: Path, selection: Selection) -> tuple[Outputs, Outputs]:
    files = read_outputs(reference, selection), read_outputs(candidate, selection)
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
    for name, outputs in files[0].items():
        _check_sample(name, [*outputs, *files[1][name]])
    return files


def _check_sample(name: str, outputs: Sequence[OutputLine]) -> None:
    """Raise an error if outputs with the same id are not those of the same sample."""
    for output in outputs[1:]:
        places = f"{outputs[0].place} and {output.place}"
        if output.data != outputs[0].data and None not in (output.data, outputs[0].data):
            raise TaskError(f"id {name} must be the same sample in {places}: their data differ")
        if output.cluster != outputs[0].cluster:
            raise TaskError(
                f"id {name} must have the same cluster in {places}, got {outputs[0].cluster} and {output.cluster}"
            )


def _clusters(files: tuple[Outputs, Outputs]) -> npt.NDArray[np.intp] | None:
    """Return the number of each sample's cluster, in the order of their first samples; None if none is named."""
    clusters = [lines[0].cluster for lines in files[0].values()]
    if clusters[0] is None:
        return None
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    if len(numbers) < 2:
        raise TaskError(f"all samples are in the same cluster, {clusters[0]}: an interval needs at least 2 clusters")
    return np.array([numbers[cluster] for cluster in clusters], dtype=np.intp)


def _reference(lines: Sequence[OutputLine], name: str) -> Reference:
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
