"""The verdict: is the best of the search better than the baseline, on samples that no trial has seen?"""

import dataclasses
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import optuna

from llmsearch_optuna.errors import ParameterError, StorageError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study.attributes import VERDICT
from llmsearch_optuna.verdict.finalists import Finalists, select_finalists

__all__ = [
    "Comparison",
    "FinalistScore",
    "Verdict",
    "confirm_command",
    "current_verdict",
    "keep_verdict",
    "no_holdout",
    "stored_verdict",
]


_MOST_DECIMALS = 6


@dataclass(frozen=True, kw_only=True)
class FinalistScore:
    """What one finalist scored.

    Attributes:
        name: ``"best"``, ``"runner-up 1"``, ``"front 1"``, the name of a baseline, or that of a file.
        score: The metric, averaged over the seeds.
        seeds: How many seeds; 1 for greedy decoding.
        seed_sd: Standard deviation of the score from one seed to another; ``None`` with one seed.
        tokens: Tokens per completion, where these are an objective.
        trial: The number of its trial.
        search_score: What it scored on the search split.
        params: What it generates with; the seed is that of the trial.
    """

    name: str
    score: float
    seeds: int
    seed_sd: float | None
    tokens: float | None = None
    trial: int | None = None
    search_score: float | None = None
    params: GenerationParams | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A finalist against the reference.

    Attributes:
        name: The finalist.
        gain: How much better it scored; negative if worse, whether the metric is maximised or minimised.
        low: Lower end of the gain's interval.
        high: Upper end of the gain's interval.
        seed_share: The seeds' share of the gain's variance, in [0, 1]: what more seeds would reduce. The rest is the
            samples'. ``None`` with one seed.
        samples_needed: How many samples would show a gain as large as the one observed, with a chance of 80 %;
            ``None`` if the observed gain is 0.
    """

    name: str
    gain: float
    low: float
    high: float
    seed_share: float | None
    samples_needed: int | None

    def __str__(self) -> str:
        """The gain with its interval, to two figures of the interval's width: ``+0.08 [0.03, 0.13]``."""
        return _interval(self, sign="+")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A comparison on samples that were not searched on.

    Attributes:
        metric: The metric's name.
        greater_is_better: Whether it is maximised.
        samples: The number of samples.
        seeds: The number of fresh seeds per finalist that samples.
        held_out: Whether the samples are those of a study's hold-out split.
        confidence: The chance at least that all intervals are right at once.
        finalists: What each scored.
        best: The name of the best on the search split, which may be a baseline.
        reference: The name of the baseline that did best on the search split; ``None`` if there is none.
        comparisons: All other finalists against the reference.
        savings: The same of the tokens per completion, where these are an objective: a gain is how many fewer.
    """

    metric: str
    greater_is_better: bool
    samples: int
    seeds: int
    held_out: bool
    confidence: float
    finalists: tuple[FinalistScore, ...]
    best: str
    reference: str | None
    comparisons: tuple[Comparison, ...]
    savings: tuple[Comparison, ...] = ()

    @property
    def improved(self) -> bool:
        """Whether an improvement over the reference is shown."""
        return any(one.name == self.best and one.low > 0.0 for one in self.comparisons)

    @property
    def sentence(self) -> str:
        """What is shown, in one plain sentence."""
        where = f"on {self.samples} {'held-out ' if self.held_out else ''}samples"
        where += f" x {self.seeds} {'seed' if self.seeds == 1 else 'seeds'}"
        if self.reference is None:
            return (
                f"no verdict: the study has no fully evaluated baseline to compare with (search with baselines); "
                f"the best scores {self._score(self.best).score:.4g} {where}"
            )
        if self.best == self.reference:
            better = "that scores better" if self.counts_tokens else "better"
            text = f"no gain: the search found nothing {better} than the baseline `{self.reference}`"
        else:
            text = self._told(next(one for one in self.comparisons if one.name == self.best), where)
            text += "".join(f"; {self._saved(one)}" for one in self.savings if one.name == self.best)
        others = [one for one in self.comparisons if one.name.startswith("runner-up") and one.low > 0.0]
        if others and not self.improved:
            first = max(others, key=lambda one: one.low)
            trial = self._score(first.name).trial
            text += f"; yet `{first.name}` (trial {trial}) improved by {_interval(first)} over `{self.reference}`"
        return text

    @property
    def seed_sentence(self) -> str | None:
        """How much is owed to the seeds, in one plain sentence; ``None`` where there is one seed only."""
        best = self._score(self.best)
        if best.seed_sd is None:
            return None
        spread = f"from one generation_seed to another, the score of `{best.name}` varies by {best.seed_sd:.2g}"
        share = next((one.seed_share for one in self.comparisons if one.name == self.best), None)
        if share is None:
            return f"{spread} (standard deviation)"
        return (
            f"{spread} (standard deviation); seeds make up {100 * share:.0f} % of the variance of the gain, "
            "samples the rest"
        )

    @property
    def front_sentences(self) -> tuple[str, ...]:
        """What the other finalists of the front score and save, a plain sentence each; none with one objective."""
        if self.reference is None:
            return ()
        told = []
        for one, saving in zip(self.comparisons, self.savings, strict=False):
            if one.name.startswith("front"):
                found = self._score(one.name)
                score = f"no difference in score shown ({one})"
                if one.low > 0.0:
                    score = f"a better score by {_interval(one)}"
                elif one.high < 0.0:
                    score = f"a worse score by {_interval(_reversed(one))}"
                told.append(f"`{one.name}` (trial {found.trial}): {self._saved(saving)}; {score}")
        return tuple(told)

    @property
    def counts_tokens(self) -> bool:
        """Whether tokens are an objective."""
        return any(one.tokens is not None for one in self.finalists)

    def is_of(self, finalists: Finalists, seeds: int) -> bool:
        """Whether these finalists, with so many fresh seeds, are those that the verdict compares."""
        known = [(one.name, one.trial, one.params, one.seeds) for one in self.finalists]
        wanted = [
            (one.name, one.trial.number, one.params, 1 if one.params.greedy else seeds) for one in finalists.everyone
        ]
        return (known, self.best, self.reference) == (wanted, finalists.best, finalists.reference)

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON can hold it, with its sentence."""
        values = dataclasses.asdict(self)
        for table, finalist in zip(values["finalists"], self.finalists, strict=True):
            table["params"] = None if finalist.params is None else finalist.params.to_dict()
        return {"sentence": self.sentence, "improved": self.improved, **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            StorageError: Another version of the package wrote it.
        """
        fields = {key: value for key, value in values.items() if key not in ("sentence", "improved")}
        try:
            fields["finalists"] = tuple(
                FinalistScore(**{**one, "params": one["params"] and GenerationParams.from_stored(one["params"])})
                for one in values["finalists"]
            )
            fields["comparisons"] = tuple(Comparison(**one) for one in values["comparisons"])
            fields["savings"] = tuple(Comparison(**one) for one in values.get("savings", ()))
            return cls(**fields)
        except (KeyError, TypeError, ParameterError) as error:
            raise StorageError(f"another version of llmsearch_optuna wrote this verdict: {error}") from error

    def _score(self, name: str) -> FinalistScore:
        return next(one for one in self.finalists if one.name == name)

    def _saved(self, one: Comparison) -> str:
        if one.low > 0.0:
            return f"{_interval(one)} tokens fewer per completion than `{self.reference}`"
        if one.high < 0.0:
            return f"{_interval(_reversed(one))} tokens more per completion than `{self.reference}`"
        return f"no difference in tokens shown ({_reversed(one)} per completion)"

    def _told(self, one: Comparison, where: str) -> str:
        if one.low > 0.0:
            return f"improved by {_interval(one)} over `{self.reference}` {where}"
        if one.high < 0.0:
            return f"no gain: worse by {_interval(_reversed(one))} than `{self.reference}` {where}"
        text = f"no gain shown: {one} against `{self.reference}` {where}"
        if one.samples_needed is None:
            return f"{text}; the two score the same"
        needed = _about(one.samples_needed)
        return f"{text}; about {needed} samples would be needed to show a difference as large as the one observed"


def no_holdout(samples: int) -> str:
    """Why there is no verdict where too few samples are held out, and what to do."""
    held_out = "no samples are" if samples == 0 else "1 sample is"
    return (
        f"no verdict: {held_out} held out, and it takes 2 at least (better 50 or more): set `holdout_size`, and search "
        "again under another name"
    )


def confirm_command(storage: str, study: str) -> str:
    """The command that makes a study's verdict, as a shell takes it."""
    return shlex.join(["llmsearch-optuna", "confirm", storage, "--study", study])


def keep_verdict(study: optuna.Study, verdict: Verdict) -> None:
    """Stores a verdict with its study."""
    study.set_user_attr(VERDICT, verdict.to_dict())


def stored_verdict(study: optuna.Study) -> Verdict | None:
    """The verdict that is stored with a study, if there is one.

    Raises:
        StorageError: Another version of the package wrote it.
    """
    stored = study.user_attrs.get(VERDICT)
    return None if stored is None else Verdict.from_dict(stored)


def current_verdict(study: optuna.Study) -> Verdict | None:
    """The stored verdict, if it compares those who are the finalists now.

    Raises:
        StorageError: Another version of the package wrote it.
    """
    verdict = stored_verdict(study)
    return verdict if verdict is not None and verdict.is_of(select_finalists(study), verdict.seeds) else None


def _reversed(one: Comparison) -> Comparison:
    """By how much it is worse."""
    return dataclasses.replace(one, gain=0.0 - one.gain, low=0.0 - one.high, high=0.0 - one.low)


def _interval(one: Comparison, sign: str = "") -> str:
    """The gain with its interval, to two figures of the interval's width."""
    width = one.high - one.low
    decimals = 2 if width <= 0.0 else min(_MOST_DECIMALS, max(0, 1 - math.floor(math.log10(width))))
    # No end that is not 0 is shown as 0: the sign of the lower one is the verdict.
    ends = [end for end in (one.low, one.high) if end != 0.0]
    while decimals < _MOST_DECIMALS and any(float(f"{end:.{decimals}f}") == 0.0 for end in ends):
        decimals += 1
    return f"{one.gain:{sign}.{decimals}f} [{one.low:.{decimals}f}, {one.high:.{decimals}f}]"


def _about(number: int) -> str:
    """A count to two figures."""
    digits = max(0, len(str(number)) - 2)
    return f"{math.ceil(number / 10**digits) * 10**digits:,}"
