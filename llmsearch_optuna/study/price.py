"""The price of tokens, and what completions cost at it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import optuna

from llmsearch_optuna.errors import ConfigurationError, unknown_name
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.space.settings import BODY, Setting
from llmsearch_optuna.storage import TokenCounts
from llmsearch_optuna.study.attributes import PRICE

__all__ = ["COST_SAMPLES", "Price", "Rates", "stored_price"]

COST_SAMPLES = 1000
"""The number of samples that the objective `cost` is the cost of. The cost of one would have many zeros."""

_TOKENS = 1_000_000
_DEFAULT = ""  # the name of the model of trials that do not set `body.model`


class Rates(NamedTuple):
    """The prices of a million tokens, in any currency.

    Attributes:
        input: The price of the prompts.
        output: The price of the completions without their thoughts.
        thinking: The price of the thoughts.
    """

    input: float
    output: float
    thinking: float

    def cost(self, counts: TokenCounts) -> float:
        """Return what some completions cost, in the currency of the price."""
        answers = counts.generated - counts.thinking
        return (counts.prompt * self.input + answers * self.output + counts.thinking * self.thinking) / _TOKENS

    def per_samples(self, counts: TokenCounts, samples: int) -> float:
        """Return the cost of `COST_SAMPLES` samples at the mean of these, the value of the objective `cost`."""
        return self.cost(counts) * COST_SAMPLES / samples

    def knows(self, counts: TokenCounts) -> bool:
        """Return whether the cost is known: databases of earlier versions do not hold the lengths of prompts."""
        return counts.prompt > 0 or counts.generated == 0 or self.input == 0.0


@dataclass(frozen=True)
class Price:
    """The prices of the tokens of a study, which may differ between the models of a server.

    Attributes:
        rates: The rates by the value of ``body.model``. Those under the empty name are for trials that do not set it
            and, if there are no others, for all trials.
    """

    rates: Mapping[str, Rates]

    @classmethod
    def of(cls, given: Mapping[str, Any], *, own_model: str | None = None) -> Self:
        """Return the price that a user gave.

        Args:
            given: ``{"input": 0.15, "output": 0.6, "thinking": 0.6}`` per million tokens, or such a table for each
                model by its name on the server. `thinking` is `output` by default.
            own_model: The model's name on the server, for trials that do not set ``body.model``; None if unknown.

        Raises:
            ConfigurationError: A key is unknown or missing, or a value is no number >= 0.
        """
        if not isinstance(given, Mapping) or not given or not all(isinstance(name, str) and name for name in given):
            raise ConfigurationError(f"`price` must be like {{ input = 0.15, output = 0.6 }}, got {given!r}")
        if not all(isinstance(entry, Mapping) for entry in given.values()):
            return cls({_DEFAULT: _rates(given)})
        rates = {model: _rates(table, f"`{model}` with ") for model, table in given.items()}
        return cls({**({_DEFAULT: rates[own_model]} if own_model in rates else {}), **rates})

    @classmethod
    def from_dict(cls, stored: Mapping[str, Mapping[str, float]]) -> Self:
        """Return the price from the values of `to_dict`."""
        return cls({model: Rates(**table) for model, table in stored.items()})

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Return the rates as JSON-serialisable values."""
        return {model: rates._asdict() for model, rates in self.rates.items()}

    def rates_of(self, params: GenerationParams) -> Rates:
        """Return the rates of trials with these parameters.

        Raises:
            ConfigurationError: The model that they choose has no price.
        """
        return self._rates_of_model(dict(params.settings).get(_MODEL))

    def check_models(self, space: SearchSpace, others: Iterable[GenerationParams]) -> None:
        """Raise an error if a model that a trial may use has no price.

        Args:
            space: The search space of the trials.
            others: The parameters of further trials.

        Raises:
            ConfigurationError: The message names the model.
        """
        for model in space.settings(BODY).get(_MODEL.removeprefix(BODY), (None,)):
            self._rates_of_model(model)
        for params in others:
            self.rates_of(params)

    def _rates_of_model(self, model: Setting | None) -> Rates:
        name = _DEFAULT if model is None or set(self.rates) == {_DEFAULT} else str(model)
        if name in self.rates:
            return self.rates[name]
        named = ", ".join(other for other in self.rates if other != _DEFAULT)
        if model is None:
            raise ConfigurationError(
                f"`price` must be {{ input = ..., output = ... }}, or name the server's own model, as some trials do "
                f"not set `{_MODEL}`; it names {named}"
            )
        raise ConfigurationError(f"`price` must name the model `{model}`, which trials use; it names {named}")


_MODEL = f"{BODY}model"


def stored_price(study: optuna.Study) -> Price | None:
    """Return the price of a study's latest search; None if it had none."""
    stored = study.user_attrs.get(PRICE)
    return None if stored is None else Price.from_dict(stored)


def _rates(table: Mapping[str, Any], where: str = "") -> Rates:
    for key, value in table.items():
        if key not in Rates._fields:
            raise ConfigurationError(unknown_name("key in `price`", str(key), Rates._fields))
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0.0 <= value < math.inf:
            raise ConfigurationError(f"`price` must have numbers >= 0 per million tokens, got {where}{key} = {value!r}")
    if missing := [key for key in ("input", "output") if key not in table]:
        raise ConfigurationError(
            f"`price` needs {' and '.join(missing)} per million tokens, got {where}{dict(table)!r}"
        )
    rates = {key: float(value) for key, value in table.items()}
    return Rates(**{"thinking": rates["output"], **rates})
