"""The one meaning of every generation parameter."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

from llmsearch_optuna.errors import ParameterError, unknown_name

__all__ = [
    "BEAM_PARAMETERS",
    "CLASHES",
    "MIROSTAT_ETA",
    "PARAMETER_TYPES",
    "TRUNCATIONS",
    "Clash",
    "DecodingMode",
    "GenerationParams",
    "check_parameter",
    "unknown_parameter",
]

MAX_SEED = 2**32 - 1

MIROSTAT_ETA = 0.1
"""What `mirostat_eta` is where it is unset, as in llama.cpp."""

BEAM_PARAMETERS = ("num_beams", "length_penalty", "early_stopping")

DecodingMode = Literal["greedy", "sampling", "beam search", "beam sampling", "prompt lookup"]

TRUNCATIONS = (
    "top_n_sigma",
    "top_h",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
    "tfs",
    "top_a",
    "mirostat_tau",
)
"""The parameters that cut the distribution, in the order in which they are applied."""


class _Rule(NamedTuple):
    holds: Callable[[Any], bool]
    text: str


_UNIT_OPEN_LOW = _Rule(lambda x: 0.0 < x <= 1.0, "in (0, 1]")
_UNIT = _Rule(lambda x: 0.0 <= x <= 1.0, "in [0, 1]")
_CUTOFF = _Rule(lambda x: 0.0 <= x < 1.0, "in [0, 1)")
_POSITIVE = _Rule(lambda x: x > 0.0, "> 0")

_RULES: dict[str, _Rule] = {
    "temperature": _Rule(lambda x: x >= 0.0, ">= 0"),
    "top_n_sigma": _POSITIVE,
    "top_h": _UNIT_OPEN_LOW,
    "top_k": _Rule(lambda x: x >= 0, ">= 0"),
    "top_p": _UNIT_OPEN_LOW,
    "min_p": _UNIT,
    "typical_p": _UNIT_OPEN_LOW,
    "epsilon_cutoff": _CUTOFF,
    "eta_cutoff": _CUTOFF,
    "tfs": _UNIT,
    "top_a": _UNIT,
    "mirostat_tau": _POSITIVE,
    "mirostat_eta": _Rule(lambda x: x >= 0.0, ">= 0"),
    "repetition_penalty": _POSITIVE,
    "encoder_repetition_penalty": _POSITIVE,
    "no_repeat_ngram_size": _Rule(lambda x: x >= 0, ">= 0"),
    "generation_seed": _Rule(lambda x: 0 <= x <= MAX_SEED, f"in [0, {MAX_SEED}]"),
    "max_new_tokens": _Rule(lambda x: x >= 1, ">= 1"),
    "num_beams": _Rule(lambda x: x >= 1, ">= 1"),
    "length_penalty": _Rule(lambda x: -10.0 <= x <= 10.0, "in [-10, 10]"),
    "prompt_lookup_num_tokens": _Rule(lambda x: x >= 1, ">= 1"),
}

_GONE = {
    "penalty_alpha": "contrastive search",
    "num_beam_groups": "group beam search",
    "diversity_penalty": "group beam search",
}

_NO_OPS: Mapping[str, bool | int | float] = MappingProxyType(
    {
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "min_p": 0.0,
        "typical_p": 1.0,
        "epsilon_cutoff": 0.0,
        "eta_cutoff": 0.0,
        "tfs": 1.0,
        "top_a": 0.0,
        "mirostat_eta": MIROSTAT_ETA,
        "repetition_penalty": 1.0,
        "encoder_repetition_penalty": 1.0,
        "no_repeat_ngram_size": 0,
        "num_beams": 1,
        "length_penalty": 1.0,
        "early_stopping": False,
    }
)


class Clash(NamedTuple):
    """Two parameters that cannot go together.

    Attributes:
        name: One of them.
        other: The other.
        matters: Whether a value of the other makes it so.
        reason: The message.
    """

    name: str
    other: str
    matters: Callable[[Any], bool]
    reason: str


CLASHES = (
    Clash(
        "mirostat_tau",
        "num_beams",
        lambda beams: beams > 1,
        "`mirostat_tau` cannot go with `num_beams` > 1: what mirostat learns belongs to one sequence of tokens",
    ),
    Clash(
        "prompt_lookup_num_tokens",
        "num_beams",
        lambda beams: beams > 1,
        "`prompt_lookup_num_tokens` cannot go with `num_beams` > 1: transformers looks up for one sequence of tokens",
    ),
)
"""The second of two is set, and its value matters, only where the first is unset."""


@dataclass(frozen=True, kw_only=True)
class GenerationParams:
    """What one completion is generated with. Unset (``None``) means off: there is no hidden ``top_k=50``.

    The logits go through the penalties, then temperature, top_n_sigma, top_h, top_k, top_p, min_p, typical_p,
    epsilon_cutoff, eta_cutoff, tfs, top_a and mirostat, in this order; each cut renormalises before the next. Where
    ``transformers`` has the parameter, it means the same here. A token is then drawn with noise that depends on the
    seed, the prompt, the step and the token id alone.

    Attributes:
        do_sample: ``False`` is greedy. ``None`` samples if `temperature`, a cut or mirostat is set, and is greedy
            otherwise.
        temperature: Divides the logits; 0 is greedy.
        top_n_sigma: Keeps tokens whose logit is at most this many standard deviations of all logits below the largest,
            whatever the temperature; banned tokens do not count (Tang et al. 2024, as in llama.cpp).
        top_h: Keeps, of the 100 most probable tokens, the first ones that together make up at most this share of their
            entropy (Potraghloo et al. 2025); 1 keeps all 100.
        top_k: Keeps the k most probable tokens and those tied with the last of them; 0 is off, and 1 is greedy.
        top_p: Keeps the smallest set of most probable tokens with at least this mass (Holtzman et al. 2020).
        min_p: Keeps tokens with at least this fraction of the top probability (Nguyen et al. 2024).
        typical_p: Keeps the tokens nearest to the entropy, up to this mass (Meister et al. 2023).
        epsilon_cutoff: Keeps tokens with at least this probability (Hewitt et al. 2022).
        eta_cutoff: As epsilon_cutoff, with a threshold that falls with the entropy (Hewitt et al. 2022).
        tfs: Tail-free sampling: keeps the head of the sorted probabilities that holds this share of the absolute second
            differences (Bricken 2019); 1 is off.
        top_a: Keeps tokens with a probability of at least ``top_a * p_max ** 2`` (RWKV-LM); 0 is off.
        mirostat_tau: Mirostat 2.0 (Basu et al. 2021), as in llama.cpp: keeps tokens with a surprise of at most mu bits,
            and then moves mu so that the surprise of the tokens drawn, among those kept, tends to this target. Each
            completion has a mu of its own, which begins at twice the target.
        mirostat_eta: How fast mirostat learns: mu falls by this times the excess of each surprise over the target; 0.1
            where it is unset. Without mirostat_tau it has no effect.
        repetition_penalty: Divides positive and multiplies negative logits of every token that the prompt or the
            completion holds already (Keskar et al. 2019); 1 is off.
        encoder_repetition_penalty: Favours (> 1) tokens of the prompt; 1 is off.
        no_repeat_ngram_size: Bans tokens that would repeat an n-gram of prompt and completion; 0 is off.
        generation_seed: Seed of the noise, an unsigned 32-bit integer. Greedy completions do not depend on it.
        max_new_tokens: Length limit of the completion in tokens.
        num_beams: Beam search with so many beams, as in ``transformers``: of all completions found, the one with the
            highest sum of log-probabilities over ``length ** length_penalty``. 1 is off. With sampling, beams go on
            with tokens that are drawn without replacement. Beams live in ``model.generate``, one prompt at a time.
        length_penalty: Favours long (> 0) or short (< 0) completions among beams; 1 where it is unset.
        early_stopping: Whether beam search ends with as many finished completions as there are beams; false where it
            is unset: it ends when no better one is likely.
        prompt_lookup_num_tokens: Prompt-lookup decoding (Saxena 2023): guesses up to so many tokens from earlier ones,
            and has the model check them in one pass. It changes the cost, and the tokens only by rounding. Lives in
            ``model.generate``, one prompt at a time.

    Raises:
        ParameterError: A value breaks its rule; the message names parameter, rule and value. Or two parameters cannot
            go together.
    """

    do_sample: bool | None = None
    temperature: float | None = None
    top_n_sigma: float | None = None
    top_h: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    epsilon_cutoff: float | None = None
    eta_cutoff: float | None = None
    tfs: float | None = None
    top_a: float | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    repetition_penalty: float | None = None
    encoder_repetition_penalty: float | None = None
    no_repeat_ngram_size: int | None = None
    generation_seed: int = 0
    max_new_tokens: int = 128
    num_beams: int | None = None
    length_penalty: float | None = None
    early_stopping: bool | None = None
    prompt_lookup_num_tokens: int | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            object.__setattr__(self, field.name, check_parameter(field.name, value))
        for name, other, matters, reason in CLASHES:
            if getattr(self, name) is not None and (value := getattr(self, other)) is not None and matters(value):
                raise ParameterError(reason)

    @property
    def beams(self) -> bool:
        """Whether there is more than one beam."""
        return self.num_beams is not None and self.num_beams > 1

    @property
    def greedy(self) -> bool:
        """Whether nothing is drawn, and the seed without effect: every token (or beam) is the most probable one."""
        samples = self.do_sample
        if samples is None:
            samples = any(getattr(self, name) is not None for name in _SAMPLING)
        # One token per beam would be no beams: there, top_k is left to itself.
        return not samples or self.temperature == 0.0 or (self.top_k == 1 and not self.beams)

    @property
    def mode(self) -> DecodingMode:
        """How the completion is found."""
        if self.beams:
            return "beam search" if self.greedy else "beam sampling"
        if self.prompt_lookup_num_tokens is not None:
            return "prompt lookup"
        return "greedy" if self.greedy else "sampling"

    @property
    def canonical(self) -> Self:
        """The same without what has no effect, whatever the logits are.

        Two sets of parameters with the same canonical form have the same completions.
        """
        values = self.to_dict()
        idle = {name for name, off in _NO_OPS.items() if values.get(name) == off}
        if self.greedy:
            idle |= {*_SAMPLING, "mirostat_eta", "generation_seed"}
        if self.mirostat_tau is None:
            idle.add("mirostat_eta")
        if not self.beams:
            idle |= set(BEAM_PARAMETERS)
        kept = {name: value for name, value in values.items() if name not in idle}
        return self.from_dict({**kept, "do_sample": not self.greedy})

    @property
    def unseeded(self) -> Self:
        """These parameters with the seed 0; of greedy ones, only those that change a greedy completion."""
        return self.canonical if self.greedy else dataclasses.replace(self, generation_seed=0)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """Builds parameters from a mapping; ``None`` values count as unset.

        Raises:
            ParameterError: A name is unknown or a value breaks its rule.
        """
        known = {name: check_parameter(name, value) for name, value in values.items() if value is not None}
        return cls(**known)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, bool | int | float]:
        """The parameters that are set, by name."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`."""
        return cls.from_dict(json.loads(text))

    def to_json(self) -> str:
        """The parameters that are set, as JSON with sorted keys."""
        return json.dumps(self.to_dict(), sort_keys=True)


_SAMPLING = ("temperature", *TRUNCATIONS)

_INTEGERS = (
    "top_k",
    "no_repeat_ngram_size",
    "generation_seed",
    "max_new_tokens",
    "num_beams",
    "prompt_lookup_num_tokens",
)

PARAMETER_TYPES: dict[str, type[bool] | type[int] | type[float]] = {
    "do_sample": bool,
    "early_stopping": bool,
    **{name: int if name in _INTEGERS else float for name in _RULES},
}
"""Every generation parameter and its Python type."""


def check_parameter(name: str, value: object) -> bool | int | float:
    """Checks one value and gives it its Python type.

    Args:
        name: A key of `PARAMETER_TYPES`.
        value: Any number (NumPy's too) or bool.

    Raises:
        ParameterError: The name is unknown, or the value is of the wrong type, not finite or out of range.
    """
    if name not in PARAMETER_TYPES:
        raise ParameterError(unknown_parameter(name))
    kind = PARAMETER_TYPES[name]
    if kind is bool:
        if not isinstance(value, bool):
            raise ParameterError(f"`{name}` must be true or false, got {value!r}")
        return value
    rule = _RULES[name]
    number: int | float
    if kind is int:
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise ParameterError(f"`{name}` must be an integer {rule.text}, got {value!r}")
        number = int(value)
    else:
        if not isinstance(value, Real) or isinstance(value, bool):
            raise ParameterError(f"`{name}` must be a number {rule.text}, got {value!r}")
        if not _is_finite(value):
            raise ParameterError(f"`{name}` must be a finite number {rule.text}, got {value!r}")
        number = float(value)
    if not rule.holds(number):
        raise ParameterError(f"`{name}` must be {rule.text}, got {value!r}")
    return number


def unknown_parameter(name: str) -> str:
    """One line that refuses a name which is none of a generation parameter."""
    if name in _GONE:
        return f"`{name}`: {_GONE[name]} is gone from transformers since 5.0, and no engine of this package has it"
    return unknown_name("generation parameter", name, PARAMETER_TYPES)


def _is_finite(value: Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False
