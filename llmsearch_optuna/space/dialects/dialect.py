"""What one system calls the generation parameters, and how its defaults are switched off."""

import dataclasses
import functools
import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import PARAMETERS, GenerationParams
from llmsearch_optuna.space.rules import Clash
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.space.settings import is_setting
from llmsearch_optuna.space.vllm_plugin import PLUGIN_KEY, plugin_value

__all__ = ["DRY", "IMPLIED", "LAST_TOKENS", "OFFSETS", "PLUGIN_FIELDS", "Dialect", "same", "temperature_of"]

LAST_TOKENS = 65536
"""The number of last tokens that penalties apply to: all of them. The systems' own numbers are small, and a larger
number would take too much memory in llama.cpp."""

IMPLIED = ("do_sample", "generation_seed", "samples_per_prompt", "max_new_tokens")
"""The parameters that every system supports without an entry in `Dialect.fields`. They are expressed by the
temperature, by the request's fields for the seed and the length limit, and by the number of requests."""

PLUGIN_FIELDS = tuple(name for name, row in PARAMETERS.items() if row.stage != "beams" and name not in IMPLIED)
"""The parameters in addition to `IMPLIED` that vLLM has with this package's plug-in: all except those of beams."""

OFFSETS = ("presence_penalty", "frequency_penalty")
"""The penalties of OpenAI's API, which are subtracted from logits."""

DRY = ("dry_multiplier", "dry_base", "dry_allowed_length", "dry_sequence_breakers")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The generation parameters of one system, for requests to a server and for exports.

    Attributes:
        name: The kind of the server, and the target of the export.
        title: The name in the warnings of an export.
        fields: Parameter -> field of a request, for each parameter that the system supports. The temperature and the
            parameters in `IMPLIED` are left out, because all systems support them.
        off: Field -> value. These fields switch off the defaults of the system or of the model's generation config.
            Each is sent unless its parameter is set.
        off_in_exports: Further such fields, for exports only.
        switches: Parameter -> further fields that it needs to take effect, with their values. A value is not sent if
            the field is set already.
        ignored: Parameter -> the parameters that the system ignores if the first one is set.
        conversions: Parameter -> the function that makes its value that of the field, for those that differ.
        differences: Parameter -> how its meaning differs, a sentence for the warnings of an export.
        joint_differences: Several parameters -> how the meaning of the first differs if all of them are set.
        samplers: Cut or exclusion -> its name in the field ``samplers`` of llama.cpp.
        options: Field -> command-line option of llama.cpp.
        gguf_keys: Field -> key of a GGUF file, after ``general.sampling.``.
        greedy: The fields of an export for greedy decoding, in place of a temperature of 0.
        length_field: The field of the length limit in an export. Requests always use ``max_tokens``.
        seed_field: The field of the seed in an export. Requests always use ``seed``.
        stop_field: The field of the stop strings in an export. Requests always use ``stop``.
        nested: The field that holds all sampling fields as one JSON string; None if they are separate.
        plugin: The field that holds the parameters for this package's plug-in, which then draws the tokens in place of
            the system; None without the plug-in.
        remedy: What to do about a parameter that the system lacks and vLLM with the plug-in has.
        max_concurrency: The default number of simultaneous requests to a server.
        max_stops: The maximum number of stop strings; None if there is no limit.
        maxima: Parameter -> its maximum in an export.
        prefill: The request fields with which the server continues a last chat message of the assistant, instead of
            beginning a new one; None if it cannot.
        takes_template_args: Whether a request may hold arguments of the chat template, as ``chat_template_kwargs``.
        thinking_field: The request field that switches thinking in place of such an argument; None if there is none.
    """

    name: str
    title: str
    fields: Mapping[str, str]
    off: Mapping[str, Any] = field(default_factory=dict)
    off_in_exports: Mapping[str, Any] = field(default_factory=dict)
    switches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ignored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    conversions: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    differences: Mapping[str, str] = field(default_factory=dict)
    joint_differences: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    samplers: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    gguf_keys: Mapping[str, str] = field(default_factory=dict)
    greedy: Mapping[str, Any] = field(default_factory=dict)
    length_field: str = "max_tokens"
    seed_field: str = "seed"
    stop_field: str = "stop"
    nested: str | None = None
    plugin: str | None = None
    remedy: str = "leave it out"
    max_concurrency: int = 32
    max_stops: int | None = None
    maxima: Mapping[str, float] = field(default_factory=dict)
    prefill: Mapping[str, Any] | None = None
    takes_template_args: bool = False
    thinking_field: str | None = None

    def named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields for parameters and their `switches`. Parameters that the system lacks are left out."""
        fields = {self.fields[name]: self._converted(name, values[name]) for name in values if name in self.fields}
        for name in values:
            for key, value in self.switches.get(name, {}).items():
                fields.setdefault(key, value)
        return fields

    def sampling_fields(
        self, params: GenerationParams, forced: Mapping[str, float] = MappingProxyType({})
    ) -> dict[str, Any]:
        """Return the fields of a request that determine the distribution, without the seed and the length limit.

        Args:
            params: The parameters. Those without an effect are left out.
            forced: Parameters that are sent in addition to or instead of those in `params`, without checks.

        Raises:
            ParameterError: The system lacks or ignores a parameter in `params`.
        """
        self.check_params(params)
        if self.plugin is not None:
            return {"temperature": 0.0, **self.off, self.plugin: {PLUGIN_KEY: plugin_value(params, forced)}}
        fields = {**self.off, **self.named({**params.canonical.to_dict(), **forced})}
        if self.nested is None:
            return {"temperature": temperature_of(params), **fields}
        sampling = {"do_sample": False} if params.greedy else {"do_sample": True, "temperature": temperature_of(params)}
        return {self.nested: json.dumps({**sampling, **fields})}

    def check_params(self, params: GenerationParams) -> None:
        """Raise an error if the system lacks or ignores a parameter that has an effect.

        Raises:
            ParameterError: The message names the parameter and says what to change.
        """
        canonical = dataclasses.replace(params.canonical, settings=())
        self._check_names(set(canonical.to_dict()))
        canonical.check_clashes(self._clashes)

    def check_space(self, space: SearchSpace) -> None:
        """Raise an error if the system lacks or ignores a parameter of the space.

        The system may lack a fixed parameter whose value has no effect.

        Raises:
            ParameterError: The message names the parameter and says what to change.
        """
        sampling = {"do_sample": True, "temperature": 0.5}
        effective = (
            name
            for name, value in space.fixed.items()
            if not is_setting(name)
            and name in GenerationParams.from_dict({**sampling, name: value}).canonical.to_dict()
        )
        self._check_names({name for name in space.dimensions if not is_setting(name)} | set(effective))
        for clash in self._clashes:
            if space.allows(clash):
                raise ParameterError(clash.reason)

    def _converted(self, name: str, value: Any) -> Any:
        if name in self.conversions:
            return self.conversions[name](value)
        return list(value) if isinstance(value, tuple) else value

    @property
    def _clashes(self) -> tuple[Clash, ...]:
        return tuple(
            Clash(
                name,
                other,
                functools.partial(operator.ne, PARAMETERS[other].off),
                f"`{other}` cannot go with `{name}` on a server of the kind `{self.name}`, which then ignores it: "
                "leave one of them out",
            )
            for name, others in self.ignored.items()
            for other in others
        )

    def _check_names(self, names: set[str]) -> None:
        if missing := sorted(names - {*IMPLIED, "temperature", *self.fields}):
            available = ", ".join(sorted({"temperature", *self.fields}))
            remedy = self.remedy if missing[0] in PLUGIN_FIELDS else "leave it out"
            raise ParameterError(
                f"`{missing[0]}` is not available on a server of the kind `{self.name}`, which takes {available}: "
                f"{remedy}"
            )


def temperature_of(params: GenerationParams) -> float:
    """Return the temperature to send to a server or to export: 0 for greedy decoding, 1 if it is unset."""
    if params.greedy:
        return 0.0
    return 1.0 if params.temperature is None else params.temperature


def same(*names: str) -> dict[str, str]:
    """Return the fields of parameters that a system calls as this package does."""
    return {name: name for name in names}
