"""The options of a search, validated: the arguments of `Tuner.search`, and the keys of ``[study]`` in a study file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from optuna.pruners import BasePruner

from llmsearch_optuna.errors import ConfigurationError, check_minimum, unknown_name
from llmsearch_optuna.metrics import ScoreRange
from llmsearch_optuna.search.baselines import parse_baselines
from llmsearch_optuna.search.pruners import make_pruner
from llmsearch_optuna.search.rungs import RungPlan, rung_sizes
from llmsearch_optuna.search.score_readers import ScoreReader, reported_scores
from llmsearch_optuna.search.spending import find_price
from llmsearch_optuna.study.constraints import parse_constraints
from llmsearch_optuna.study.objectives import SCORE, check_combination, check_objectives
from llmsearch_optuna.tracking.options import TrackOptions

__all__ = ["SearchOptions"]

_KINDS: Mapping[str, tuple[type, str]] = {
    "sampler": (str, "the name of a sampler"),
    "sampler_args": (Mapping, "a dict"),
    "pruner": (str, "the name of a pruner"),
    "pruner_args": (Mapping, "a dict"),
    "stop_early": (bool, "true or false"),
    "objectives": (Iterable, "a list of names"),
    "track": (Mapping, "a dict"),
}
"""The type of an option, and what it must be in words."""


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """When a search ends, what it optimises, and how it proposes, prunes and schedules trials.

    The fields are arguments of `Tuner.search`. In ``[study]`` of a study file, an option has the name of its field, or
    the name in the ``key`` of the field's `metadata`. If this is None, the option is not a key of ``[study]``.

    Attributes:
        n_trials: Total number of finished trials, including those of earlier runs and the baselines. Baselines that
            are added to a study later run in any case.
        timeout: Stop after this number of seconds, between two rungs. Trials in flight stay in the storage, and a later
            run resumes them.
        max_tokens_total: Stop when this number of tokens is generated, including those of earlier runs. It is checked
            only between two rounds, when all trials in flight have passed a rung. As after a timeout, trials in flight
            can be resumed.
        price: The price of a million tokens in any currency, as in ``{"input": 0.15, "output": 0.6, "thinking": 0.6}``.
            The price of `thinking` is that of `output` by default. If ``body.model`` is searched, give one such table
            for each model, under its name. Report and verdict show the cost.
        max_cost: Stop when this amount is spent, including that of earlier runs, in the currency of the price. It is
            checked at the same moments as `max_tokens_total`.
        patience: Stop when this number of finished trials in a row did not beat the best one by the pruner's margin.
            Baselines and failed trials are not counted. If proposals are alike, the next one beats the best trial with
            a probability of at most 3 / `patience` (95 % confidence). Regardless of `patience`, a search with the
            pruner ``"paired"`` or ``"race"`` stops when no possible score can beat the best trial.
        stop_early: Whether to stop when the remaining proposals cannot be expected to bring a gain that the held-out
            samples could show. It needs held-out samples or `worthwhile`, a baseline, one objective, and a metric that
            scores single samples.
        worthwhile: The smallest further gain that is worth its cost, in units of the metric. By default, the smallest
            gain that the held-out samples can show.
        constraints: What the best trial must keep, as in ``{"json_valid": ">= 0.98", "tokens": "<= 200"}``: a minimum
            or maximum of the mean of a further metric (by its label), of the ``"score"``, or of the ``"tokens"`` per
            sample. They apply to the samples of the search. The verdict states whether the held-out samples keep them,
            too. If no trial is feasible, the best one is that with the smallest violation, and `Study.best_trial`
            raises a ValueError.
        objectives: ``["score"]``; ``["score", "tokens"]`` to also minimise the generated tokens per sample; or
            ``["score", "cost"]`` to also minimise the cost of 1,000 samples at the `price`. With two objectives, the
            study has a Pareto front, and every trial is fully evaluated, because a few samples cannot show that a trial
            is worse in both objectives.
        sampler: ``"tpe"``, ``"gp"``, ``"random"``, ``"grid"``, ``"qmc"``, ``"cmaes"`` or ``"nsga2"``. ``"cmaes"``
            supports only one objective.
        sampler_args: Arguments of the Optuna sampler.
        pruner: ``"paired"``, ``"race"``, ``"median"``, ``"percentile"``, ``"hyperband"``, ``"successive-halving"`` or
            ``"none"``. By default ``"paired"``, or ``"median"`` if the metric does not score single samples. With
            constraints, only the first two and ``"none"`` are valid, and trials are compared with feasible ones only.
            The default is then ``"none"`` if the metric does not score single samples. With several objectives, only
            ``"none"`` is valid, and it is the default. ``"race"`` gives up no trial before the end: each round goes to
            the trials that promise most per token; see `search.race`.
        pruner_args: Arguments of `PairedPruner` (`alpha`, `margin`), or of the Optuna pruner.
        rungs: Numbers of samples after which a trial reports its score and may be pruned: an integer n for every n
            samples, an ascending list, or ``"doubling"`` for 8, 16, 32, ... The last rung is always all samples.
        concurrency: Number of trials in flight, whose rungs are generated in one batch. By default the value stored in
            the study, or else as many as fill the engine's batch with their first two rungs. On a database server, the
            number is each worker's own and is not stored. More trials in flight are faster. With fewer, the sampler has
            more results before each proposal.
        baselines: Whether the model's own parameters and greedy decoding are the first trials. A table adds parameters
            of yours to these two, such as those in use now: ``{"production": {"temperature": 0.7, "top_p": 0.9}}``. The
            verdict compares the best trial with the baseline that scores best.
        track: Where to show every trial as a run while the search goes on, as the fields of `TrackOptions`:
            ``{"to": "mlflow", "uri": "sqlite:///mlflow.db"}``. None for nowhere.
        lease_timeout_s: On a database server, the seconds without a renewed lease after which another worker takes over
            a trial.

    Raises:
        ConfigurationError: A value is out of its range, or the options exclude each other.
    """

    n_trials: int = 50
    timeout: float | None = field(default=None, metadata={"key": "timeout_s"})
    max_tokens_total: int | None = None
    price: Mapping[str, Any] | None = None
    max_cost: float | None = None
    patience: int | None = None
    stop_early: bool = True
    worthwhile: float | None = None
    objectives: Sequence[str] = (SCORE,)
    constraints: Mapping[str, str] = field(default_factory=dict)
    sampler: str = field(default="tpe", metadata={"key": None})
    sampler_args: Mapping[str, Any] = field(default_factory=dict, metadata={"key": None})
    pruner: str | None = field(default=None, metadata={"key": None})
    pruner_args: Mapping[str, Any] = field(default_factory=dict, metadata={"key": None})
    rungs: RungPlan = 8
    concurrency: int | None = None
    baselines: bool | Mapping[str, Mapping[str, Any]] = True
    track: Mapping[str, Any] | None = field(default=None, metadata={"key": None})
    lease_timeout_s: float = 60.0

    def __post_init__(self) -> None:
        for name in ("n_trials", "max_tokens_total", "patience", "concurrency"):
            check_minimum(name, getattr(self, name), 1)
        limits = (("timeout", " seconds"), ("lease_timeout_s", " seconds"), ("worthwhile", ""), ("max_cost", ""))
        for name, unit in limits:
            value = getattr(self, name)
            if value is None and name != "lease_timeout_s":
                continue
            if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0.0:
                raise ConfigurationError(f"`{name}` must be > 0{unit}, got {value!r}")
        if self.n_trials is None:
            raise ConfigurationError("`n_trials` must be an integer >= 1, got None")
        for name, (kind, text) in _KINDS.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise ConfigurationError(f"`{name}` must be {text}, got {value!r}")
        rung_sizes(self.rungs, 1)
        parse_baselines(self.baselines)
        if self.max_cost is not None and self.price is None:
            raise ConfigurationError(f"`max_cost` needs a `price` of tokens, got {self.max_cost!r} without one")
        find_price(self.price, self.objectives)
        self.tracking()
        check_combination(
            check_objectives(self.objectives),
            sampler=self.sampler,
            pruner=self.pruner,
            patience=self.patience,
            constrained=bool(parse_constraints(self.constraints)),
        )
        # The size of the data is not known here. With these rungs, only invalid arguments raise an error.
        self.make_pruner((1, 2**31))

    def arguments(self) -> dict[str, Any]:
        """Return the options as keyword arguments of `Tuner.search`."""
        return {option.name: getattr(self, option.name) for option in fields(SearchOptions)}

    def tracking(self) -> TrackOptions | None:
        """Return the options of tracking; None without it.

        Raises:
            ConfigurationError: A key or value is wrong.
        """
        if self.track is None:
            return None
        keys = [option.name for option in fields(TrackOptions)]
        for key in self.track:
            if key not in keys:
                raise ConfigurationError(unknown_name("key in `track`", str(key), keys))
        if "to" not in self.track:
            raise ConfigurationError("`track` needs the key to, the name of a service")
        return TrackOptions(**self.track)

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
        if self.constraints and name is None:  # no pruner of Optuna's, which ignores constraints
            name = "none" if corpus_only else "paired"
        return make_pruner(
            name, rungs, self.pruner_args, scores=scores, score_range=score_range, corpus_only=corpus_only
        )
