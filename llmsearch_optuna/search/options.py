"""The options of a search, validated: the arguments of `Tuner.search`, and the keys of ``[study]`` in a study file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from optuna.pruners import BasePruner

from llmsearch_optuna.errors import ConfigurationError, check_minimum
from llmsearch_optuna.metrics import ScoreRange
from llmsearch_optuna.search.evaluation import RungPlan, rung_sizes
from llmsearch_optuna.search.pruners import make_pruner
from llmsearch_optuna.search.score_readers import ScoreReader, reported_scores
from llmsearch_optuna.study.objectives import SCORE, check_combination, check_objectives

__all__ = ["SearchOptions"]


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """When a search ends, what it optimises, and how it proposes, prunes and schedules trials.

    Field names are those of the arguments of `Tuner.search`. The `metadata` of a field may have a ``key``: the name of
    the option in a study file, or None if the option is not a key of its section.

    Attributes:
        n_trials: Total number of finished trials, including those of earlier runs and the baselines.
        timeout: Stop after `timeout` seconds.
        max_tokens_total: Stop when this number of tokens is generated, including those of earlier runs. Checked when
            all trials in flight have passed a rung. Trials in flight stay in the storage, as they do at the timeout,
            and a later run resumes them.
        patience: Stop after this number of consecutive proposals that did not beat the best trial (by the pruner's
            margin). With 95 % confidence, the next one would have beaten it with probability 3 / `patience` at most, as
            far as proposals are alike. With the paired pruner, the search also stops when no possible score
            can beat it.
        objectives: ``("score",)``, or ``("score", "tokens")`` to minimise the generated tokens per sample as well. The
            study then has a Pareto front, and every trial is fully evaluated, because a few samples do not show a trial
            to be worse in both.
        sampler: ``"tpe"``, ``"gp"``, ``"random"``, ``"grid"``, ``"qmc"``, ``"cmaes"`` or ``"nsga2"``; ``"cmaes"`` only
            with one objective.
        sampler_args: Arguments of the Optuna sampler.
        pruner: ``"paired"``, ``"median"``, ``"percentile"``, ``"hyperband"``, ``"successive-halving"`` or ``"none"``.
            By default ``"paired"``, or ``"median"`` if the metric does not score single samples. With several
            objectives, only ``"none"``, which is then the default.
        pruner_args: Arguments of `PairedPruner` (`alpha`, `margin`), or of the Optuna pruner.
        rungs: When a trial reports and may be pruned: every `rungs` samples, at these numbers of samples, or
            ``"doubling"``.
        concurrency: Number of trials in flight, whose rungs are generated in one batch. By default the study's earlier
            value, or as many as fill `batch_size` rows with their next two rungs. More are faster; with fewer, the
            sampler has more results before each proposal.
        baselines: Whether the model's own parameters and greedy decoding are the first trials.
        lease_timeout_s: On a database server, the seconds without a renewed lease after which another worker takes over
            a trial.

    Raises:
        ConfigurationError: A value is out of its range, or the options exclude each other.
    """

    n_trials: int = 50
    timeout: float | None = field(default=None, metadata={"key": "timeout_s"})
    max_tokens_total: int | None = None
    patience: int | None = None
    objectives: Sequence[str] = (SCORE,)
    sampler: str = field(default="tpe", metadata={"key": None})
    sampler_args: Mapping[str, Any] = field(default_factory=dict, metadata={"key": None})
    pruner: str | None = field(default=None, metadata={"key": None})
    pruner_args: Mapping[str, Any] = field(default_factory=dict, metadata={"key": None})
    rungs: RungPlan = 8
    concurrency: int | None = None
    baselines: bool = True
    lease_timeout_s: float = 60.0

    def __post_init__(self) -> None:
        for name in ("n_trials", "max_tokens_total", "patience", "concurrency"):
            check_minimum(name, getattr(self, name), 1)
        for name in ("timeout", "lease_timeout_s"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0.0:
                raise ConfigurationError(f"`{name}` must be > 0 seconds, got {seconds}")
        rung_sizes(self.rungs, 1)
        check_combination(
            check_objectives(self.objectives), sampler=self.sampler, pruner=self.pruner, patience=self.patience
        )
        # No pruner rejects these rungs for the size of the data, which is not known here.
        self.make_pruner((1, 2**31))

    def arguments(self) -> dict[str, Any]:
        """Return the options as keyword arguments of `Tuner.search`."""
        return {option.name: getattr(self, option.name) for option in fields(SearchOptions)}

    def make_pruner(
        self,
        rungs: Sequence[int],
        *,
        scores: ScoreReader = reported_scores,
        score_range: ScoreRange | None = None,
        corpus_only: bool = False,
    ) -> BasePruner:
        """Return the pruner; see `make_pruner` in `search.pruners` for the arguments and the errors raised."""
        name = self.pruner if len(self.objectives) == 1 else "none"
        return make_pruner(
            name, rungs, self.pruner_args, scores=scores, score_range=score_range, corpus_only=corpus_only
        )
