"""How inference servers name the generation parameters, and how the servers' defaults are switched off."""

import dataclasses
import functools
import json
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import PARAMETERS, GenerationParams
from llmsearch_optuna.space.rules import (
    DRY_ALLOWED_LENGTH,
    DRY_BASE,
    DRY_SEQUENCE_BREAKERS,
    MIROSTAT_ETA,
    XTC_THRESHOLD,
    Clash,
)
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.space.settings import is_setting
from llmsearch_optuna.space.vllm_plugin import PLUGIN_KEY, plugin_value

__all__ = ["DIALECTS", "IMPLIED", "VLLM_WITH_PLUGIN", "Dialect", "temperature_of"]

IMPLIED = ("do_sample", "generation_seed", "samples_per_prompt", "max_new_tokens")
"""The parameters that every system supports without an entry in `Dialect.fields`. They are expressed by the
temperature, by the request's fields for the seed and the length limit, and by the number of requests."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


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
        differences: Parameter -> how its meaning differs, a sentence for the warnings of an export.
        samplers: Cut or exclusion -> its name in the field ``samplers`` of llama.cpp.
        options: Field -> command-line option of llama.cpp.
        length_field: The field of the length limit in an export. Requests always use ``max_tokens``.
        nested: The field that holds all sampling fields as one JSON string; None if they are separate.
        plugin: The field that holds the parameters for this package's plug-in, which then draws the tokens in place of
            the system; None without the plug-in.
        remedy: What to do about a parameter that the system lacks, but vLLM with the plug-in has.
        max_concurrency: The default number of simultaneous requests to a server.
        max_stops: The maximum number of stop strings; None if there is no limit.
        max_temperature: The maximum temperature in an export; None if there is no limit.
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
    differences: Mapping[str, str] = field(default_factory=dict)
    samplers: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    length_field: str = "max_tokens"
    nested: str | None = None
    plugin: str | None = None
    remedy: str = "leave it out"
    max_concurrency: int = 32
    max_stops: int | None = None
    max_temperature: float | None = None
    prefill: Mapping[str, Any] | None = None
    takes_template_args: bool = False
    thinking_field: str | None = None

    def named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields for parameters and their `switches`. Parameters that the system lacks are left out."""
        fields = {self.fields[name]: _as_json(value) for name, value in values.items() if name in self.fields}
        for name in values:
            fields = {**fields, **{key: fields.get(key, value) for key, value in self.switches.get(name, {}).items()}}
        return fields

    def sampling_fields(self, params: GenerationParams, forced: Mapping[str, float] = _NOTHING) -> dict[str, Any]:
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
            has_remedy = missing[0] in VLLM_WITH_PLUGIN.fields
            remedy = self.remedy if has_remedy else "leave it out"
            raise ParameterError(
                f"`{missing[0]}` is not available on a server of the kind `{self.name}`, which takes {available}: "
                f"{remedy}"
            )


def temperature_of(params: GenerationParams) -> float:
    """Return the temperature to send to a server or to export: 0 for greedy decoding, 1 if it is unset."""
    if params.greedy:
        return 0.0
    return 1.0 if params.temperature is None else params.temperature


def _as_json(value: Any) -> Any:
    """Return a value of a parameter as a value of a request."""
    # llama.cpp refuses an empty list of breakers, and skips empty strings.
    return (list(value) or [""]) if isinstance(value, tuple) else value


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_OFFSETS = ("presence_penalty", "frequency_penalty")
_DRY = ("dry_multiplier", "dry_base", "dry_allowed_length", "dry_sequence_breakers")

_VLLM = Dialect(
    name="vllm",
    title="vLLM",
    fields=_same("top_k", "top_p", "min_p", "repetition_penalty", *_OFFSETS),
    off={"top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    off_in_exports={"presence_penalty": 0.0, "frequency_penalty": 0.0},
    remedy="leave it out, or run `pip install llmsearch_optuna` beside the server's vLLM, which then has all of them",
    prefill={"continue_final_message": True, "add_generation_prompt": False},
    takes_template_args=True,
)

VLLM_WITH_PLUGIN = dataclasses.replace(
    _VLLM,
    title="vLLM with llmsearch_optuna",
    fields=_same(*(name for name, row in PARAMETERS.items() if row.stage != "beams" and name not in IMPLIED)),
    off={**_VLLM.off, **_VLLM.off_in_exports},
    plugin="vllm_xargs",
    remedy="leave it out",
)
"""vLLM with this package's plug-in, which has all parameters but beams, and draws with this package's noise."""

_SGLANG = Dialect(
    name="sglang",
    title="SGLang",
    fields=_VLLM.fields,
    off=_VLLM.off,
    prefill={"continue_final_message": True},
    takes_template_args=True,
)

_LLAMACPP_SAMPLERS = {**_same("top_n_sigma", "top_k", "top_p", "min_p"), "typical_p": "typ_p", "xtc_probability": "xtc"}

_LLAMACPP = Dialect(
    name="llamacpp",
    title="llama.cpp",
    takes_template_args=True,
    fields={
        **_same("top_n_sigma", "top_k", "top_p", "min_p", "typical_p", "mirostat_tau", "mirostat_eta"),
        "repetition_penalty": "repeat_penalty",
        **_same(*_OFFSETS, *_DRY, "xtc_probability", "xtc_threshold"),
    },
    off={
        "top_n_sigma": -1.0,
        "top_k": 0,
        "top_p": 1.0,
        "min_p": 0.0,
        "typical_p": 1.0,
        "repeat_penalty": 1.0,
        # The number of last tokens that the penalty applies to. A larger buffer would take too much memory.
        "repeat_last_n": 65536,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "dry_multiplier": 0.0,
        "xtc_probability": 0.0,
        "dynatemp_range": 0.0,
        "mirostat": 0,
        # By default, llama.cpp applies the temperature last.
        "samplers": ["penalties", "dry", "temperature", *_LLAMACPP_SAMPLERS.values()],
    },
    switches={
        "mirostat_tau": {"mirostat": 2, "mirostat_eta": MIROSTAT_ETA},
        "xtc_probability": {"xtc_threshold": XTC_THRESHOLD},
        "dry_multiplier": {
            "dry_base": DRY_BASE,
            "dry_allowed_length": DRY_ALLOWED_LENGTH,
            "dry_sequence_breakers": list(DRY_SEQUENCE_BREAKERS),
            "dry_penalty_last_n": 65536,
        },
    },
    ignored={"mirostat_tau": (*_LLAMACPP_SAMPLERS, "repetition_penalty", *_OFFSETS, "dry_multiplier")},
    differences={
        **dict.fromkeys(_OFFSETS, "llama.cpp also counts the tokens of the prompt"),
        "dry_multiplier": "llama.cpp counts repetitions beyond 64 tokens, and compares breakers byte by byte",
    },
    samplers=_LLAMACPP_SAMPLERS,
    options={
        "temperature": "--temp",
        "top_n_sigma": "--top-nsigma",
        "top_k": "--top-k",
        "top_p": "--top-p",
        "min_p": "--min-p",
        "typical_p": "--typical",
        "repeat_penalty": "--repeat-penalty",
        "repeat_last_n": "--repeat-last-n",
        "presence_penalty": "--presence-penalty",
        "frequency_penalty": "--frequency-penalty",
        "dry_multiplier": "--dry-multiplier",
        "dry_base": "--dry-base",
        "dry_allowed_length": "--dry-allowed-length",
        "dry_penalty_last_n": "--dry-penalty-last-n",
        "dry_sequence_breakers": "--dry-sequence-breaker",
        "xtc_probability": "--xtc-probability",
        "xtc_threshold": "--xtc-threshold",
        "mirostat": "--mirostat",
        "mirostat_tau": "--mirostat-ent",
        "mirostat_eta": "--mirostat-lr",
        "samplers": "--samplers",
        "n_predict": "--n-predict",
        "seed": "--seed",
    },
    length_field="n_predict",
    prefill={},
)

# Its own API, not the OpenAI-compatible one. Mirostat and `tfs_z` are gone, and ignored.
_OLLAMA_FIELDS = {**_same("top_k", "top_p", "min_p", "typical_p", *_OFFSETS), "repetition_penalty": "repeat_penalty"}

_OLLAMA = Dialect(
    name="ollama",
    title="Ollama",
    fields=_OLLAMA_FIELDS,
    off={field: PARAMETERS[name].off for name, field in _OLLAMA_FIELDS.items()},
    # Of the penalties, it counts only the last 64 tokens by default.
    switches={name: {"repeat_last_n": 65536} for name in ("repetition_penalty", *_OFFSETS)},
    differences={
        "temperature": "Ollama applies it after the cuts",
        **dict.fromkeys(_OFFSETS, "Ollama also counts the tokens of the prompt"),
    },
    length_field="num_predict",
    max_concurrency=4,
    thinking_field="think",
)

# Its native API has more parameters, but its OpenAI-compatible API ignores them silently.
_TGI = Dialect(name="tgi", title="TGI", fields=_same("top_p"), max_stops=4)

_TRANSFORMERS_FIELDS = _same(
    *("top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"),
    *("repetition_penalty", "no_repeat_ngram_size"),
)

_TRANSFORMERS = Dialect(
    name="transformers",
    title="transformers serve",
    takes_template_args=True,
    fields=_TRANSFORMERS_FIELDS,
    off={name: PARAMETERS[name].off for name in _TRANSFORMERS_FIELDS},
    nested="generation_config",
    max_concurrency=1,
)

_OPENAI = Dialect(
    name="openai",
    title="OpenAI's API",
    fields=_same("top_p", *_OFFSETS),
    off={"top_p": 1.0},
    off_in_exports={"presence_penalty": 0.0, "frequency_penalty": 0.0},
    length_field="max_completion_tokens",
    max_stops=4,
    max_temperature=2.0,
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (_VLLM, _SGLANG, _LLAMACPP, _OLLAMA, _TGI, _TRANSFORMERS, _OPENAI)}
)
"""The dialects by name. Every server supports ``"openai"`` but ``"ollama"``, which is not OpenAI's API."""
