"""The scores of one trial under the further metrics, and the constraints that it keeps or breaks."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

import optuna

from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.metrics import CorpusMetric
from llmsearch_optuna.search.scoring import Evaluator
from llmsearch_optuna.storage import StoredCompletion
from llmsearch_optuna.study.attributes import METRIC
from llmsearch_optuna.study.constraints import Constraint, check_labels, parse_constraints, store_violations
from llmsearch_optuna.study.objectives import SCORE, TOKENS

__all__ = ["FurtherScores", "check_constraints", "refuse_corpus_score"]


def check_constraints(
    constraints: Mapping[str, str], evaluator: Evaluator, *, counts_tokens: bool
) -> tuple[Constraint, ...]:
    """Return the constraints of a search, after validating them.

    Args:
        constraints: The rules by label; see `SearchOptions`.
        evaluator: Has the metrics.
        counts_tokens: Whether the engine may count tokens.

    Raises:
        ConfigurationError: A constraint cannot be read, or names nothing that is measured for every sample.
    """
    parsed = parse_constraints(constraints)
    check_labels(parsed, evaluator.further_metrics)
    if not counts_tokens and any(constraint.label == TOKENS for constraint in parsed):
        raise ConfigurationError(
            f"`constraints` on `{TOKENS}` have no effect with custom_pred_function, whose tokens are not known: leave "
            "them out"
        )
    if isinstance(evaluator.metric, CorpusMetric):
        refuse_corpus_score(parsed)
    return parsed


def refuse_corpus_score(constraints: Sequence[Constraint]) -> None:
    """Raise an error if the score is constrained. Call it if the metric scores only a corpus.

    Raises:
        ConfigurationError: The score is constrained.
    """
    if any(constraint.label == SCORE for constraint in constraints):
        raise ConfigurationError(f"`constraints` on `{SCORE}` need a metric that scores every sample, not the corpus")


class FurtherScores:
    """The scores of a trial so far under the further metrics.

    Args:
        evaluator: Scores completions.
        constraints: The constraints of the search.
    """

    def __init__(self, evaluator: Evaluator, constraints: Sequence[Constraint]) -> None:
        self._evaluator = evaluator
        self._constraints = constraints
        self._rows: list[Mapping[str, float]] = []

    def add(self, samples: Sequence[Sample], rows: Sequence[StoredCompletion]) -> list[StoredCompletion]:
        """Score the completions of further samples, and return them with these scores.

        Args:
            samples: The samples.
            rows: Their completions. The first of them may have such scores, which are not computed again.

        Raises:
            TrialError: They cannot be scored; see `Evaluator.score_further`.
        """
        stored = sum(1 for _ in itertools.takewhile(lambda row: row.metric_scores, rows))
        new = self._evaluator.score_further(samples[stored:], [row.texts for row in rows[stored:]])
        scored = [
            *rows[:stored],
            *(dataclasses.replace(row, metric_scores=scores) for row, scores in zip(rows[stored:], new, strict=True)),
        ]
        self._rows += [row.metric_scores for row in scored]
        return scored

    @property
    def means(self) -> dict[str, float]:
        """The mean score over the samples so far, by label; empty if no sample is scored."""
        rows = self._rows
        return {
            label: math.fsum(row[label] for row in rows) / len(rows)
            for label in (self._evaluator.further_metrics if rows else ())
        }

    def broken(self, values: Mapping[str, float]) -> dict[Constraint, float]:
        """Return the constraints that are broken so far, each with the value that breaks it.

        Args:
            values: The score and the tokens per sample, by the names that constraints have for them.
        """
        values = {**values, **self.means}
        return {
            constraint: values[constraint.label]
            for constraint in self._constraints
            if constraint.label in values and constraint.violation(values[constraint.label]) > 0.0
        }

    def store_violations(self, trial: optuna.Trial, values: Mapping[str, float]) -> None:
        """Store in the trial by how much it violates each constraint; see `broken` for the values."""
        if self._constraints:
            values = {**values, **self.means}
            violations = [constraint.violation(values[constraint.label]) for constraint in self._constraints]
            store_violations(trial, violations)

    def store_means(self, trial: optuna.Trial) -> None:
        """Store the means in the attributes of an evaluated trial."""
        for label, mean in self.means.items():
            trial.set_user_attr(METRIC + label, mean)
