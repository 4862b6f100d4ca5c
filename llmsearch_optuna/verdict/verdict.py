"""The verdict: whether the best trial beats the best baseline on samples that no trial has seen."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import optuna

from llmsearch_optuna.engine.irregular import describe_answers
from llmsearch_optuna.errors import ParameterError, StorageError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.statistics.intervals import round_up
from llmsearch_optuna.study.attributes import STOPPED, VERDICT
from llmsearch_optuna.study.objectives import COST, EXPENSES, TOKENS
from llmsearch_optuna.verdict.comparison import Comparison, FinalistResult
from llmsearch_optuna.verdict.finalists import Finalists, is_baseline, select_finalists
from llmsearch_optuna.verdict.metric_results import MetricResult, Standing, constraint_clause

__all__ = ["Verdict", "current_verdict", "keep_verdict", "no_holdout", "stored_verdict"]

_MAX_GROWTH = 20
"""A hold-out of more than this many times the present samples is not asked for."""

_DERIVED = ("sentence", "improved", "recommended", "next_step")
"""Properties that `to_dict` adds."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A comparison of finalists on samples that were not searched on.

    Attributes:
        metric: The metric's name.
        greater_is_better: Whether the metric is maximised.
        samples: The number of samples.
        seeds: The number of fresh seeds of each finalist that does not decode greedily.
        held_out: Whether the samples are those of a study's hold-out split.
        confidence: The minimum nominal chance that all intervals are right at once.
        finalists: The results of the finalists.
        best: The name of the finalist with the best score on the search split, which may be a baseline. Of two files,
            the candidate.
        reference: The name of the baseline with the best score on the search split; None if there is none. Of two
            files, the reference.
        comparisons: The comparisons of all other finalists with the reference.
        savings: The comparisons of the second objective with that of the reference; empty without one. A gain is the
            number of tokens saved per sample, or the cost saved per 1,000 samples.
        constant: The score that every completion of every finalist has, also on the search split, so that nothing was
            measured. None if scores differ.
        stopped: Why the search ended before its number of trials, in one sentence; None if it did not.
        planned_seeds: The number of seeds that were asked for; None if they are `seeds`.
        ended: Why the verdict ended with fewer seeds and finalists, in one sentence; None if it did not.
        expense: The name of the second objective, ``"tokens"`` or ``"cost"``; None without one.
        clusters: The number of clusters of samples that the intervals allow for; None if samples are independent.
        judge_share: The share of the variance of the best finalist's gain that a judge's own noise makes up, in [0, 1].
            None if there is no judge, or it judged each completion once.
        metrics: The results of the finalists under the further metrics, and in what is constrained.
    """

    metric: str
    greater_is_better: bool
    samples: int
    seeds: int
    held_out: bool
    confidence: float
    finalists: tuple[FinalistResult, ...]
    best: str
    reference: str | None
    comparisons: tuple[Comparison, ...]
    savings: tuple[Comparison, ...] = ()
    constant: float | None = None
    stopped: str | None = None
    planned_seeds: int | None = None
    ended: str | None = None
    expense: str | None = None
    clusters: int | None = None
    judge_share: float | None = None
    metrics: tuple[MetricResult, ...] = ()

    @property
    def improved(self) -> bool:
        """Whether the interval of the best finalist's gain over the reference lies above 0."""
        comparison = self._comparison(self.best)
        return comparison is not None and comparison.low > 0.0

    @property
    def recommended(self) -> bool:
        """Whether to use the best finalist: it improved or keeps what the reference breaks, and breaks no constraint.

        A constraint is broken if the interval of the mean shows it.
        """
        if self.standing_of(self.best) == "breaks" or self._comparison(self.best) is None:
            return False
        return self.improved or self.standing_of(self.reference) == "breaks"

    @property
    def shows_gain(self) -> bool:
        """Whether a trial that the search found is shown to be better than the reference, and breaks no constraint."""
        return bool(self._better())

    def standing_of(self, name: str | None) -> Standing | None:
        """Return the worst standing of a finalist in any constraint; None if there is none."""
        standings = {result.standing for result in self._metrics_of(name)}
        order: tuple[Standing, ...] = ("breaks", "undecided", "keeps")
        return next((standing for standing in order if standing in standings), None)

    @property
    def sentence(self) -> str:
        """The result of the verdict in one sentence."""
        where = f"on {self.samples} {'held-out ' if self.held_out else ''}samples"
        where += "" if self.clusters is None else f" in {self.clusters} clusters"
        where += f" x {self.seeds} {'seed' if self.seeds == 1 else 'seeds'}"
        if self.constant is not None:
            return (
                f"nothing was measured: every completion scores {self.constant:.4g} {where}, so that no parameters "
                "can be better than others"
            )
        if self.reference is None:
            return (
                f"no verdict: the study has no fully evaluated baseline to compare with (search with baselines); "
                f"the best scores {self._result(self.best).score:.4g} {where}{self._irregular_clause()}"
            )
        comparison = self._comparison(self.best)
        best = self._metrics_of(self.best)
        standings: tuple[Standing, ...] = ("keeps", "undecided", "breaks")
        if comparison is None:
            better = "better" if self.expense is None else "that scores better"
            text = f"no gain: the search found nothing {better} than the baseline `{self.reference}`"
        else:
            text = self._gain_clause(comparison, where)
            if self.improved and (broken := constraint_clause(best, "breaks")):
                text, standings = f"better, but {broken}: {text}", standings[:2]
            text += "".join(f"; {self._saving_clause(saving)}" for saving in self.savings if saving.name == self.best)
        text += "".join(f"; {clause}" for standing in standings if (clause := constraint_clause(best, standing)))
        if comparison is not None and (clause := constraint_clause(self._metrics_of(self.reference), "breaks")):
            text += f"; `{self.reference}` {clause}"
        others = [other for other in self._better() if other.name.startswith("runner-up")]
        if others and not self.recommended:
            first = max(others, key=lambda other: other.low)
            trial = self._result(first.name).trial
            text += f"; yet `{first.name}` (trial {trial}) improved by {first.size} over `{self.reference}`"
        return text + self._irregular_clause() + self._votes_clause()

    @property
    def seed_sentence(self) -> str | None:
        """The influence of the seeds in one sentence; None if the best finalist has one seed."""
        best = self._result(self.best)
        if best.seed_sd is None or self.constant is not None:
            return None
        spread = f"from one generation_seed to another, the score of `{best.name}` varies by {best.seed_sd:.2g}"
        comparison = self._comparison(self.best)
        if comparison is None or comparison.seed_share is None:
            return f"{spread} (standard deviation)"
        return (
            f"{spread} (standard deviation); seeds make up {100 * comparison.seed_share:.0f} % of the variance of the "
            "gain, samples the rest"
        )

    @property
    def judge_sentence(self) -> str | None:
        """The influence of a judge's noise in one sentence; None if it judged each completion once."""
        if self.judge_share is None or self.constant is not None:
            return None
        return f"the judge's own noise makes up {100 * self.judge_share:.0f} % of the variance of the gain"

    @property
    def front_sentences(self) -> tuple[str, ...]:
        """One sentence on score and expense for each finalist named ``"front ..."``; empty with one objective."""
        sentences = []
        for comparison, saving in zip(self.comparisons, self.savings, strict=False):
            if comparison.name.startswith("front") and not is_baseline(comparison.name):
                trial = self._result(comparison.name).trial
                score = f"no difference in score shown ({comparison})"
                if comparison.low > 0.0:
                    score = f"a better score by {comparison.size}"
                elif comparison.high < 0.0:
                    score = f"a worse score by {comparison.reversed().size}"
                sentences.append(f"`{comparison.name}` (trial {trial}): {self._saving_clause(saving)}; {score}")
        return tuple(sentences)

    @property
    def details(self) -> tuple[str, ...]:
        """The sentences after the verdict's own: on front, seeds and judge, and on why verdict and search ended."""
        further = (self.seed_sentence, self.judge_sentence, self.ended, self.stopped)
        return (*self.front_sentences, *filter(None, further))

    @property
    def figures(self) -> dict[str, float]:
        """The scores of the best finalist and the reference, and the gain with its interval, by name."""
        figures = {"verdict_score": self._result(self.best).score}
        if self.reference is not None:
            figures["verdict_reference_score"] = self._result(self.reference).score
        if (comparison := self._comparison(self.best)) is not None:
            gain, low, high = comparison.gain, comparison.low, comparison.high
            figures |= {"verdict_gain": gain, "verdict_gain_low": low, "verdict_gain_high": high}
        return figures

    def has_seeds(self, seeds: int) -> bool:
        """Return whether the verdict was to have at least this number of fresh seeds, or is greedy and needs none."""
        greedy = [result.params is not None and result.params.greedy for result in self.finalists]
        return (self.planned_seeds or self.seeds) >= seeds or all(greedy)

    @property
    def next_step(self) -> str:
        """What to do now, in one line."""
        if self.constant is not None:
            look = "look at the completions (`llmsearch-optuna show`)" if self.held_out else "look at both files"
            return f"{look}, and mend the prompt, the extraction of the answer or the metric"
        if self.reference is None:
            return "search again with a baseline that can be scored"
        # Another baseline may be shown to be better than that with the best score on the search split.
        better = max(self._better(baselines=True), key=lambda comparison: comparison.low, default=None)
        kept = self.reference if better is None else better.name
        keep = f"keep `{kept}`"
        if better is None and self.standing_of(self.reference) == "breaks":
            keep = f"find what keeps the constraints, which `{self.reference}` breaks"
        comparison = self._comparison(self.best)
        if (step := self._step_to_better(keep)) is not None:
            return step
        shorter = [
            saving.name
            for saving, other in zip(self.savings, self.comparisons, strict=False)  # no savings with one objective
            if saving.low > 0.0 and other.high > 0.0 and saving.name != kept
        ]
        if shorter:
            reason = "lower cost" if self.expense == COST else "fewer tokens"
            return f"{keep}, or take `{shorter[0]}` (trial {self._result(shorter[0]).trial}) for its {reason}"
        if comparison is None:
            return f"stop here and {keep}, or search a wider space"
        if comparison.gain <= 0.0 or comparison.samples_needed is None:
            return f"stop here and {keep}"
        if comparison.samples_needed > _MAX_GROWTH * self.samples:
            return f"stop here and {keep}: so small a difference is hardly worth that many samples"
        if comparison.samples_needed <= self.samples and self.held_out:
            return f"confirm with more seeds (`llmsearch-optuna confirm --seeds {4 * self.seeds}`), or {keep}"
        needed = round_up(comparison.samples_needed)
        more = f"compare on about {needed} samples"
        if self.held_out:
            more = f"hold out about {needed} samples and search again under another name"
        return f"{more}, or stop here and {keep}"

    def _step_to_better(self, keep: str) -> str | None:
        """Return what to do if a finalist is better than the reference, in place of `keep`; None if none is."""
        if self.improved and not self.held_out:
            return f"use `{self.best}`"
        if self.recommended:
            trial = self._result(self.best).trial
            return f"export the parameters of trial {trial} (`llmsearch-optuna export`), and use them"
        if better := self._better():
            trial = self._result(better[0].name).trial
            return f"narrow the space to parameters like those of trial {trial}, and search again with other samples"
        if self.improved:
            return f"search again under another name with a stricter constraint or more samples, or {keep}"
        return None

    def is_of(self, finalists: Finalists) -> bool:
        """Return whether the verdict compares these finalists, or ended before it compared all of them."""
        compared = [(result.name, result.trial, result.params) for result in self.finalists]
        selected = [(name, trial.number, params) for name, trial, params in finalists.selected]
        if self.ended is not None:
            selected = [finalist for finalist in selected if finalist in compared]
        return (compared, self.best, self.reference) == (selected, finalists.best, finalists.reference)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-serialisable values, including its sentence."""
        values = dataclasses.asdict(self)
        for table, finalist in zip(values["finalists"], self.finalists, strict=True):
            table["params"] = None if finalist.params is None else finalist.params.to_dict()
        return {**{name: getattr(self, name) for name in _DERIVED}, **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the verdict from the values of `to_dict`.

        Raises:
            StorageError: Another version of the package wrote the values.
        """
        fields = {key: value for key, value in values.items() if key not in _DERIVED}
        try:
            fields["finalists"] = tuple(
                FinalistResult(**{**table, "params": table["params"] and GenerationParams.from_stored(table["params"])})
                for table in values["finalists"]
            )
            fields["comparisons"] = tuple(Comparison(**table) for table in values["comparisons"])
            fields["metrics"] = tuple(
                MetricResult(**{**table, "comparison": table["comparison"] and Comparison(**table["comparison"])})
                for table in values.get("metrics", ())
            )
            fields["savings"] = tuple(Comparison(**table) for table in values.get("savings", ()))
            if any(finalist.tokens is not None for finalist in fields["finalists"]):  # older verdicts do not say it
                fields.setdefault("expense", TOKENS)
            return cls(**fields)
        except (KeyError, TypeError, ParameterError) as error:
            raise StorageError(f"another version of llmsearch_optuna wrote this verdict: {error}") from error

    def _result(self, name: str) -> FinalistResult:
        return next(result for result in self.finalists if result.name == name)

    def _metrics_of(self, name: str | None) -> list[MetricResult]:
        return [result for result in self.metrics if result.name == name]

    def _better(self, *, baselines: bool = False) -> list[Comparison]:
        """Return the comparisons of searched trials, or of baselines, that are better and break no constraint."""
        better = [other for other in self.comparisons if other.low > 0.0 and self.standing_of(other.name) != "breaks"]
        return [other for other in better if is_baseline(other.name) == baselines]

    def _comparison(self, name: str) -> Comparison | None:
        """Return the comparison of a finalist with the reference; None for the reference itself."""
        return next((comparison for comparison in self.comparisons if comparison.name == name), None)

    def _irregular_clause(self) -> str:
        """Return a clause on the answers of a server that are no ordinary text; empty if there are none."""
        counts = {result.name: sum(map(len, result.irregular.values())) for result in self.finalists}
        if not any(counts.values()):
            return ""
        rows_by_reason: dict[str, list[int]] = {}
        for result in self.finalists:
            for reason, rows in result.irregular.items():
                rows_by_reason.setdefault(reason, []).extend(rows)
        total = sum(self.samples * result.seeds for result in self.finalists)
        shares = ", ".join(f"`{name}` {count}" for name, count in counts.items() if count)
        answers = describe_answers(rows_by_reason)
        return f"; {sum(counts.values())} of {total} answers are no ordinary text ({shares}): {answers}"

    def _votes_clause(self) -> str:
        """Return a clause on tied votes; empty if there are none."""
        shares = [
            f"{result.tied_votes} of {self.samples * result.seeds} of `{result.name}`"
            for result in self.finalists
            if result.tied_votes
        ]
        return f"; tied votes, which count as the mean of the tied answers: {', '.join(shares)}" if shares else ""

    def _saving_clause(self, saving: Comparison) -> str:
        name, unit, _, less, more, _ = EXPENSES[self.expense or TOKENS]
        if saving.low > 0.0:
            return f"{saving.size} {less} {unit} than `{self.reference}`"
        if saving.high < 0.0:
            return f"{saving.reversed().size} {more} {unit} than `{self.reference}`"
        return f"no difference in {name} shown ({saving.reversed()} {unit})"

    def _gain_clause(self, comparison: Comparison, where: str) -> str:
        if comparison.low > 0.0:
            return f"improved by {comparison.size} over `{self.reference}` {where}"
        if comparison.high < 0.0:
            return f"no gain: worse by {comparison.reversed().size} than `{self.reference}` {where}"
        text = f"no gain shown: {comparison} against `{self.reference}` {where}"
        if comparison.samples_needed is None:
            return f"{text}; the two score the same"
        if comparison.gain <= 0.0:
            return text
        needed = round_up(comparison.samples_needed)
        return f"{text}; about {needed} samples would be needed to show a difference as large as the one observed"


def no_holdout(samples: int) -> str:
    """Return the message for a study with too few held-out samples for a verdict."""
    held_out = "no samples are" if samples == 0 else "1 sample is"
    return (
        f"no verdict: {held_out} held out, but at least 2 are needed (better 50 or more): set `holdout_size`, and "
        "search again under another name"
    )


def keep_verdict(study: optuna.Study, verdict: Verdict) -> None:
    """Store a verdict in its study."""
    study.set_user_attr(VERDICT, verdict.to_dict())


def stored_verdict(study: optuna.Study) -> Verdict | None:
    """Return the verdict that is stored in a study; None if there is none.

    A search may go on after its verdict, so that `stopped` is that of the study.

    Raises:
        StorageError: Another version of the package wrote it.
    """
    stored, stopped = study.user_attrs.get(VERDICT), study.user_attrs.get(STOPPED)
    return None if stored is None else dataclasses.replace(Verdict.from_dict(stored), stopped=stopped)


def current_verdict(study: optuna.Study) -> Verdict | None:
    """Return the stored verdict if it compares the current finalists, else None.

    Raises:
        StorageError: Another version of the package wrote it.
    """
    verdict = stored_verdict(study)
    return verdict if verdict is not None and verdict.is_of(select_finalists(study)) else None
