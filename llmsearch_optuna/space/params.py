"""The generation parameters: one table that holds the type, rule, meaning and place of each."""

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
from llmsearch_optuna.space.parameter import Parameter, Stage, parameter
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

_cut = functools.partial(parameter, stage="cut")
_exclusion = functools.partial(parameter, stage="exclusion")
_penalty = functools.partial(parameter, stage="penalty")
_beams = functools.partial(parameter, stage="beams")


@dataclass(frozen=True, kw_only=True, repr=False)
class GenerationParams:
    """The parameters of one completion. Unset (None) means off: there is no hidden ``top_k=50``.

    The logits go through the penalties, then the temperature, then the cuts, then XTC. A cut truncates the
    distribution, as `top_p` does. Cuts are applied in the order of the fields below, and each renormalises before the
    next. A token is then drawn with noise that depends only on the seed, the prompt, the step and the token id. A
    parameter that ``transformers`` has means the same here.

    `PARAMETERS` is derived from the fields: to add a parameter, add a field. A new cut also needs its formula in
    `llmsearch_optuna.engine.sampling.warpers`. `settings` are no parameters but arguments of the chat template and
    fields of a server's request: pairs of full name and value, sorted; see `llmsearch_optuna.space.settings`.

    Raises:
        ParameterError: A value breaks its rule, or two parameters cannot be combined. The message names the parameter,
            the rule and the value.
    """

    do_sample: bool | None = parameter(
        rules.TRUE_OR_FALSE,
        "False is greedy decoding. If unset, setting `temperature`, a cut or XTC turns sampling on.",
    )
    temperature: float | None = parameter(
        rules.NOT_NEGATIVE, "Divides the logits; 0 is greedy.", off=1.0, stage="temperature"
    )
    top_n_sigma: float | None = _cut(
        rules.POSITIVE,
        "Keeps the tokens whose logit is at most this many standard deviations of all logits below the maximum, at any "
        "temperature. Banned tokens do not count (Tang et al. 2024, as in llama.cpp).",
        in_transformers=False,
    )
    top_h: float | None = _cut(
        rules.UNIT_OPEN_LOW,
        "Keeps, of the 100 most probable tokens, the first ones that together make up at most this share of their "
        "entropy (Potraghloo et al. 2025); 1 keeps all 100.",
    )
    p_less: bool | None = _cut(
        rules.TRUE_OR_FALSE,
        "p-less: keeps the tokens whose probability is at least the sum of the squares of all probabilities (Tan et "
        "al. 2026).",
        off=False,
        in_transformers=False,
    )
    top_k: int | None = _cut(
        rules.NOT_NEGATIVE,
        "Keeps the k most probable tokens and those tied with the last of them; 0 is off, and 1 is greedy.",
        off=0,
    )
    top_p: float | None = _cut(
        rules.UNIT_OPEN_LOW,
        "Keeps the smallest set of most probable tokens with at least this mass (Holtzman et al. 2020).",
        off=1.0,
    )
    min_p: float | None = _cut(
        rules.UNIT,
        "Keeps the tokens with at least this fraction of the maximum probability (Nguyen et al. 2024).",
        off=0.0,
    )
    typical_p: float | None = _cut(
        rules.UNIT_OPEN_LOW,
        "Keeps the tokens whose surprisal is nearest to the entropy, up to this mass (Meister et al. 2023).",
        off=1.0,
    )
    epsilon_cutoff: float | None = _cut(
        rules.UNIT_OPEN_HIGH, "Keeps the tokens with at least this probability (Hewitt et al. 2022).", off=0.0
    )
    eta_cutoff: float | None = _cut(
        rules.UNIT_OPEN_HIGH,
        "As epsilon_cutoff, with a threshold that falls with the entropy (Hewitt et al. 2022).",
        off=0.0,
    )
    tfs: float | None = _cut(
        rules.UNIT,
        "Tail-free sampling: keeps the head of the sorted probabilities that holds this share of the absolute second "
        "differences (Bricken 2019); 1 is off.",
        off=1.0,
        in_transformers=False,
    )
    top_a: float | None = _cut(
        rules.UNIT,
        "Keeps the tokens with a probability of at least ``top_a * p_max ** 2`` (RWKV-LM); 0 is off.",
        off=0.0,
        in_transformers=False,
    )
    mirostat_tau: float | None = _cut(
        rules.POSITIVE,
        "Mirostat 2.0 (Basu et al. 2021), as in llama.cpp: keeps the tokens with a surprise of at most mu bits. After "
        "each step mu moves so that the surprise of the drawn tokens, among those kept, tends to this target. Each "
        "completion has its own mu, which starts at twice the target.",
        in_transformers=False,
    )
    mirostat_eta: float | None = parameter(
        rules.NOT_NEGATIVE,
        "The learning rate of mirostat: mu falls by this times the excess of each surprise over the target; 0.1 if "
        "unset. Without mirostat_tau it has no effect.",
        off=rules.MIROSTAT_ETA,
        requires="mirostat_tau",
        in_transformers=False,
    )
    xtc_probability: float | None = _exclusion(
        rules.UNIT,
        "XTC, exclude top choices (Weidmann 2024, as in llama.cpp): the probability of keeping, in a step, only the "
        "least probable of the tokens that have at least the probability xtc_threshold after the cuts; 0 is off.",
        off=0.0,
        in_transformers=False,
    )
    xtc_threshold: float | None = parameter(
        rules.UP_TO_HALF,
        "The probability from which on XTC removes tokens; 0.1 if unset. Without xtc_probability it has no effect.",
        off=rules.XTC_THRESHOLD,
        requires="xtc_probability",
        in_transformers=False,
    )
    repetition_penalty: float | None = _penalty(
        rules.POSITIVE,
        "Divides positive and multiplies negative logits of every token that the prompt or the completion already "
        "contains (Keskar et al. 2019); 1 is off.",
        off=1.0,
    )
    encoder_repetition_penalty: float | None = _penalty(
        rules.POSITIVE, "Favours (> 1) tokens of the prompt; 1 is off.", off=1.0
    )
    presence_penalty: float | None = _penalty(
        rules.UP_TO_TWO,
        "Is subtracted from the logit of every token that the completion already contains, after the factors above "
        "(OpenAI's definition; tokens of the prompt do not count); 0 is off.",
        off=0.0,
        in_transformers=False,
    )
    frequency_penalty: float | None = _penalty(
        rules.UP_TO_TWO,
        "Is subtracted from the logit of a token once for each time that the completion already contains it (OpenAI's "
        "definition); 0 is off.",
        off=0.0,
        in_transformers=False,
    )
    dry_multiplier: float | None = _penalty(
        rules.NOT_NEGATIVE,
        "DRY (Weidmann 2024, as in llama.cpp): subtracts this times ``dry_base ** (length - dry_allowed_length)`` from "
        "the logit of a token that would prolong a repetition of this length, at most 64; 0 is off.",
        off=0.0,
        in_transformers=False,
    )
    dry_base: float | None = parameter(
        rules.AT_LEAST_ONE,
        "The base of DRY; 1.75 if unset. Without dry_multiplier it has no effect.",
        off=rules.DRY_BASE,
        requires="dry_multiplier",
        in_transformers=False,
    )
    dry_allowed_length: int | None = parameter(
        rules.AT_LEAST_ONE,
        "The length from which on DRY penalises repetitions; 2 if unset. Without dry_multiplier it has no effect.",
        off=rules.DRY_ALLOWED_LENGTH,
        requires="dry_multiplier",
        in_transformers=False,
    )
    dry_sequence_breakers: tuple[str, ...] | None = parameter(
        rules.BREAKERS,
        "The strings that end repetitions for DRY, as in llama.cpp; a line end, colon, quotation mark and asterisk if "
        "unset, none if empty. Fixed in a search. Their order has no effect.",
        off=rules.DRY_SEQUENCE_BREAKERS,
        requires="dry_multiplier",
        in_transformers=False,
    )
    no_repeat_ngram_size: int | None = _penalty(
        rules.NOT_NEGATIVE, "Bans tokens that would repeat an n-gram of prompt and completion; 0 is off.", off=0
    )
    generation_seed: int = parameter(
        rules.SEED,
        "The seed of the noise, an unsigned 32-bit integer. Greedy completions do not depend on it.",
        default=0,
        stage="noise",
        in_transformers=False,
    )
    samples_per_prompt: int | None = parameter(
        rules.AT_LEAST_ONE,
        "The number of completions of each sample, whose scores the metric's `reducer` makes one score. Greedy "
        "decoding has one.",
        off=1,
        stage="noise",
        in_transformers=False,
    )
    max_new_tokens: int = parameter(rules.AT_LEAST_ONE, "The length limit of the completion in tokens.", default=128)
    num_beams: int | None = _beams(
        rules.AT_LEAST_ONE,
        "Beam search with this number of beams, as in ``transformers``: returns the completion with the highest sum of "
        "log-probabilities over ``length ** length_penalty``; 1 is off. With sampling, beams continue with tokens that "
        "are drawn without replacement. Beams run in ``model.generate``, one prompt at a time.",
        off=1,
    )
    length_penalty: float | None = _beams(
        rules.LENGTH_PENALTY,
        "Favours long (> 0) or short (< 0) completions among beams; 1 if unset.",
        off=1.0,
        requires="num_beams",
    )
    early_stopping: bool | None = _beams(
        rules.TRUE_OR_FALSE,
        "Whether beam search ends as soon as there are as many finished completions as beams. If false or unset, it "
        "ends when no better one is likely.",
        off=False,
        requires="num_beams",
    )
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
    for field in dataclasses.fields(GenerationParams):
        if not field.metadata:  # the settings
            continue
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
