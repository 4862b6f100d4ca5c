"""The rules of the generation parameters' values, the values of unset ones, and what cannot be combined."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = [
    "AT_LEAST_ONE",
    "BREAKERS",
    "CLASHES",
    "DRY_ALLOWED_LENGTH",
    "DRY_BASE",
    "DRY_SEQUENCE_BREAKERS",
    "LENGTH_PENALTY",
    "MAX_SEED",
    "MIROSTAT_ETA",
    "NOT_NEGATIVE",
    "POSITIVE",
    "PROMPT_LOOKUP",
    "REMOVED",
    "SEED",
    "TRUE_OR_FALSE",
    "UNIT",
    "UNIT_OPEN_HIGH",
    "UNIT_OPEN_LOW",
    "UP_TO_HALF",
    "UP_TO_TWO",
    "XTC_THRESHOLD",
    "Clash",
    "Rule",
]


class Rule(NamedTuple):
    """The values that a parameter may have: a test, and its wording in messages."""

    holds: Callable[[Any], bool]
    text: str


class Clash(NamedTuple):
    """Two parameters that cannot be combined.

    Attributes:
        name: The name of the first. It clashes whenever it is set.
        other: The name of the second.
        matters: ``(value of the second) -> whether this value clashes``.
        reason: The error message.
    """

    name: str
    other: str
    matters: Callable[[Any], bool]
    reason: str


MAX_SEED = 2**32 - 1

MIROSTAT_ETA = 0.1
"""The value of an unset `mirostat_eta`, as in llama.cpp."""

XTC_THRESHOLD = 0.1
"""The value of an unset `xtc_threshold`, as in llama.cpp."""

DRY_BASE = 1.75
"""The value of an unset `dry_base`, as in llama.cpp."""

DRY_ALLOWED_LENGTH = 2
"""The value of an unset `dry_allowed_length`, as in llama.cpp."""

DRY_SEQUENCE_BREAKERS = ("\n", '"', "*", ":")
"""The value of an unset `dry_sequence_breakers`, as in llama.cpp; sorted."""

_MOST_BREAKERS = 32
_LONGEST_BREAKER = 40  # llama.cpp cuts longer ones

UNIT_OPEN_LOW = Rule(lambda x: 0.0 < x <= 1.0, "in (0, 1]")
UNIT = Rule(lambda x: 0.0 <= x <= 1.0, "in [0, 1]")
UNIT_OPEN_HIGH = Rule(lambda x: 0.0 <= x < 1.0, "in [0, 1)")
POSITIVE = Rule(lambda x: x > 0.0, "> 0")
NOT_NEGATIVE = Rule(lambda x: x >= 0, ">= 0")
AT_LEAST_ONE = Rule(lambda x: x >= 1, ">= 1")
SEED = Rule(lambda x: 0 <= x <= MAX_SEED, f"in [0, {MAX_SEED}]")
UP_TO_TWO = Rule(lambda x: -2.0 <= x <= 2.0, "in [-2, 2]")
UP_TO_HALF = Rule(lambda x: 0.0 < x <= 0.5, "in (0, 0.5]")
LENGTH_PENALTY = Rule(lambda x: -10.0 <= x <= 10.0, "in [-10, 10]")
TRUE_OR_FALSE = Rule(lambda x: isinstance(x, bool), "true or false")
BREAKERS = Rule(
    lambda x: (
        len(x) <= _MOST_BREAKERS and all(0 < len(text.encode(errors="replace")) <= _LONGEST_BREAKER for text in x)
    ),
    f"a list of at most {_MOST_BREAKERS} strings of 1 to {_LONGEST_BREAKER} bytes",
)

CLASHES = (
    *(
        Clash(
            name,
            "num_beams",
            lambda beams: beams > 1,
            f"`{name}` cannot go with `num_beams` > 1: the state of {method} belongs to one sequence of tokens",
        )
        for name, method in (("mirostat_tau", "mirostat"), ("xtc_probability", "XTC"))
    ),
    Clash(
        "xtc_probability",
        "mirostat_tau",
        lambda _: True,
        "`xtc_probability` cannot go with `mirostat_tau`: mirostat controls the surprise that XTC raises",
    ),
)

PROMPT_LOOKUP = "prompt_lookup_num_tokens"
"""A parameter of older versions, which never changed a completion."""

REMOVED: Mapping[str, str] = MappingProxyType(
    {
        "penalty_alpha": "contrastive search was removed in transformers 5.0, and no engine of this package has it",
        "num_beam_groups": "group beam search was removed in transformers 5.0, and no engine of this package has it",
        "diversity_penalty": "group beam search was removed in transformers 5.0, and no engine of this package has it",
        PROMPT_LOOKUP: "prompt lookup changes neither tokens nor scores and is no longer a parameter: leave it out",
    }
)
"""Parameters that there were once, and why they are gone."""
