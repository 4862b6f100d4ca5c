"""The parameters of a completion, and the table of all generation parameters."""

import dataclasses
import functools
import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType
from typing import Any, Literal, Self, get_args, get_origin

from llmsearch_optuna.errors import ParameterError, unknown_name
from llmsearch_optuna.space import rules
from llmsearch_optuna.space.parameter import Parameter, Stage
from llmsearch_optuna.space.parameter_fields import ParameterFields
from llmsearch_optuna.space.settings import Setting, check_setting, is_setting

__all__ = [
    "BEAM_PARAMETERS",
    "CUTS",
    "PARAMETERS",
    "DecodingMode",
    "GenerationParams",
    "check_parameter",
    "find_parameter",
    "names_in",
]

DecodingMode = Literal["greedy", "sampling", "beam search", "beam sampling"]


@dataclass(frozen=True, kw_only=True, repr=False)
class GenerationParams(ParameterFields):
    """The parameters of one completion. Unset (None) means off: there is no hidden ``top_k=50``.

    The logits go through the penalties, then the temperature, then the cuts, then XTC. A cut truncates the
    distribution, as `top_p` does. Cuts are applied in the order of the fields below, and each renormalises before the
    next. A token is then drawn with noise that depends only on the seed, the prompt, the step and the token id. A
    parameter that ``transformers`` has means the same here.

    `settings` are no parameters but arguments of the chat template and fields of a server's request: pairs of full name
    and value, sorted; see `llmsearch_optuna.space.settings`.

    Raises:
        ParameterError: A value breaks its rule, or two parameters cannot be combined. The message names the parameter,
            the rule and the value.
    """

    settings: tuple[tuple[str, Setting], ...] = ()

    def __post_init__(self) -> None:
        for name, row in PARAMETERS.items():
            value = getattr(self, name)
            if value is not None or row.default is not None:
                object.__setattr__(self, name, row.check(value))
        for name, setting in self.settings:
            check_setting(name, setting)
        self.check_clashes(rules.CLASHES)

    def check_clashes(self, clashes: tuple[rules.Clash, ...]) -> None:
        """Raise an error if one of the clashes applies to these parameters.

        Raises:
            ParameterError: Two parameters cannot be combined. The message is the `reason` of the clash.
        """
        for name, other, matters, reason in clashes:
            if getattr(self, name) is not None and (value := getattr(self, other)) is not None and matters(value):
                raise ParameterError(reason)

    @property
    def beams(self) -> bool:
        """Whether there is more than one beam."""
        return self.num_beams is not None and self.num_beams > 1

    @functools.cached_property
    def greedy(self) -> bool:
        """Whether every token (or beam) is the most probable one: nothing is drawn, and the seed has no effect."""
        samples = self.do_sample
        if samples is None:
            samples = any(getattr(self, name) is not None for name in names_in("temperature", "cut", "exclusion"))
        # With one token per beam there would be no beams, so that top_k = 1 does not make beam sampling greedy.
        return not samples or self.temperature == 0.0 or (self.top_k == 1 and not self.beams)

    @property
    def mode(self) -> DecodingMode:
        """The decoding mode."""
        if self.beams:
            return "beam search" if self.greedy else "beam sampling"
        return "greedy" if self.greedy else "sampling"

    @property
    def canonical(self) -> Self:
        """The same parameters without those that have no effect for any logits.

        Two sets of parameters with the same canonical form have the same completions.
        """
        values = self.to_dict()
        settings = dict(self.settings)
        active = {name: value for name, value in values.items() if name in settings or value != PARAMETERS[name].off}
        if self.greedy:
            for name in names_in("temperature", "cut", "exclusion", "noise"):
                active.pop(name, None)
        requires = {name: PARAMETERS[name].requires for name in active if name not in settings}
        active = {name: value for name, value in active.items() if requires.get(name) in (None, *active)}
        return self.from_dict({**active, "do_sample": not self.greedy})

    @property
    def unseeded(self) -> Self:
        """These parameters with the seed 0; their canonical form if they are greedy."""
        return self.canonical if self.greedy else dataclasses.replace(self, generation_seed=0)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """Build parameters from a mapping. None values count as unset.

        Raises:
            ParameterError: A name is unknown, a value breaks its rule, or two parameters cannot be combined.
        """
        checked = {name: check_parameter(name, value) for name, value in values.items() if value is not None}
        settings = sorted((name, value) for name, value in checked.items() if is_setting(name))
        parameters: dict[str, Any] = {name: value for name, value in checked.items() if not is_setting(name)}
        return cls(**parameters, settings=tuple(settings))

    @classmethod
    def from_stored(cls, values: Mapping[str, object]) -> Self:
        """Build parameters from a mapping that this or an older version stored.

        The removed parameter `prompt_lookup_num_tokens`, which never changed a completion, is ignored.

        Raises:
            ParameterError: A name is unknown, a value breaks its rule, or two parameters cannot be combined.
        """
        return cls.from_dict({name: value for name, value in values.items() if name != rules.PROMPT_LOOKUP})

    def __repr__(self) -> str:
        """Return the call that makes these parameters, without those that are unset."""
        shown = {name: value for name in PARAMETERS if (value := getattr(self, name)) is not None}
        if self.settings:
            shown["settings"] = self.settings
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters and settings that are set, by name."""
        values = {name: value for name in PARAMETERS if (value := getattr(self, name)) is not None}
        return {**values, **dict(self.settings)}

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build parameters from the result of `to_json`, also of an older version; see `from_stored`."""
        return cls.from_stored(json.loads(text))

    def to_json(self) -> str:
        """Return the parameters that are set, as JSON with sorted keys."""
        return json.dumps(self.to_dict(), sort_keys=True)


def _table() -> dict[str, Parameter]:
    table = {}
    for field in dataclasses.fields(ParameterFields):
        default: Any = field.default
        (python_type,) = {get_origin(kind) or kind for kind in get_args(field.type) or (field.type,)} - {NoneType}
        table[field.name] = Parameter(name=field.name, type=python_type, default=default, **field.metadata)
    return table


PARAMETERS: Mapping[str, Parameter] = MappingProxyType(_table())
"""The generation parameters by name. Cuts are in the order in which they are applied."""

GenerationParams.__doc__ = f"{GenerationParams.__doc__}\n    Attributes:\n" + "\n".join(
    textwrap.fill(f"{row.name}: {row.description}", 120, initial_indent=" " * 8, subsequent_indent=" " * 12)
    for row in PARAMETERS.values()
)


def names_in(*stages: Stage) -> tuple[str, ...]:
    """Return the names of the parameters of these stages of decoding, in the order of the table."""
    return tuple(name for name, row in PARAMETERS.items() if row.stage in stages)


CUTS = names_in("cut")
"""The parameters that cut the distribution, in the order in which they are applied."""

BEAM_PARAMETERS = names_in("beams")


def find_parameter(name: str) -> Parameter:
    """Return a parameter by its name.

    Raises:
        ParameterError: The name is unknown.
    """
    if name in rules.REMOVED:
        raise ParameterError(f"`{name}`: {rules.REMOVED[name]}")
    if name not in PARAMETERS:
        raise ParameterError(unknown_name("generation parameter", name, PARAMETERS))
    return PARAMETERS[name]


def check_parameter(name: str, value: object) -> Any:
    """Check the value of a parameter or setting, and convert that of a parameter to its type; see `Parameter.check`.

    Raises:
        ParameterError: The name is unknown, or the value is of the wrong type, not finite or out of range.
    """
    return check_setting(name, value) if is_setting(name) else find_parameter(name).check(value)
