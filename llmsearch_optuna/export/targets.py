"""The generation parameters under the names of other systems, with a warning for each difference in meaning.

Each ``to_...`` function takes the parameters and the stop strings.
"""

import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from llmsearch_optuna.space.dialects import DIALECTS, IMPLIED, Dialect, temperature_of
from llmsearch_optuna.space.generation_config import HF_NAMES, generation_config
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.settings import BODY, TEMPLATE, settings_in

__all__ = ["TARGETS", "Exported", "to_hf", "to_json", "to_llamacpp", "to_ollama", "to_openai", "to_vllm"]


# The options of llama.cpp that are written only if needed. Its defaults are off, and older versions lack some.
_OPTIONAL = (
    "top_n_sigma",
    "presence_penalty",
    "frequency_penalty",
    "dry_multiplier",
    "xtc_probability",
    "mirostat",
)


class Exported(NamedTuple):
    """The parameters for another system.

    Attributes:
        values: The values for the system, JSON-serialisable.
        warnings: One line for each parameter that the system lacks, ignores or interprets differently, and for its
            different random numbers.
    """

    values: dict[str, Any]
    warnings: tuple[str, ...]


def to_hf(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return the fields of a ``GenerationConfig`` for ``transformers``.

    `logits_processors` expresses all other parameters, except in beam search; see `write_hf`.
    """
    remedy = "" if params.beams else "; llmsearch_optuna.logits_processors reproduces them"
    warnings = list(_differences(params, HF_NAMES, "transformers", remedy))
    if stop:
        warnings.append(f"stop={json.dumps(stop)}: pass stop_strings and tokenizer to model.generate")
    if params.beams:
        warnings.append(
            f"num_beams={params.num_beams}: llmsearch_optuna.logits_processors do not support beam search, so that the "
            "export has no `exact` config and no `--exact`"
        )
    return Exported(generation_config(params), tuple(warnings))


def to_vllm(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return the arguments of vLLM's ``SamplingParams``, which are also the fields of a request to its server."""
    values, warnings = _translated(DIALECTS["vllm"], params, stop)
    if {"min_p", "top_p"} <= set(_effective(params)):
        warnings.append("min_p: vLLM applies it before top_k and top_p, not after them: top_p may keep fewer tokens")
    return Exported(values, tuple(warnings))


def to_llamacpp(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return the fields of a llama.cpp ``/completion`` request (``request``) and command-line ``arguments``.

    The two are equivalent, but only the request has stop strings. llama.cpp's defaults (top_k 40, top_p 0.95, min_p
    0.05, a temperature of 0.8 after all cuts) are switched off. Its samplers are in the order of this package:
    penalties, temperature, cuts.
    """
    dialect, effective = DIALECTS["llamacpp"], _effective(params)
    request, warnings = _translated(dialect, params, stop)
    cuts = (sampler for name, sampler in dialect.samplers.items() if name in effective)
    request["samplers"] = ["penalties", *(["dry"] if "dry_multiplier" in effective else []), "temperature", *cuts]
    if stop:
        warnings.append(f"stop={json.dumps(stop)}: only requests to the server have it (`stop`), not the command line")
    return Exported({"request": request, "arguments": list(_arguments(dialect, request))}, tuple(warnings))


def to_ollama(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return the fields of a request to Ollama's own API (``request``) and the lines of a ``modelfile``.

    The two are equivalent, but only the request has fields beside the options, such as ``think``. Ollama's defaults
    (top_k 40, top_p 0.9) are switched off.
    """
    options, warnings = _translated(DIALECTS["ollama"], params, stop)
    body = {name: options.pop(name) for name in settings_in(dict(params.settings), BODY)}
    entries = [(name, entry) for name, value in options.items() for entry in (value if name == "stop" else [value])]
    lines = [
        f'PARAMETER {name} """{entry}"""' if name == "stop" else f"PARAMETER {name} {json.dumps(entry)}"
        for name, entry in entries
    ]
    if stop:
        warnings.append(f"stop={json.dumps(stop)}: replaces the stop strings of the model's own Modelfile; add those")
    warnings += [f"{BODY}{name}: only requests have it (`{name}`), no Modelfile" for name in body]
    return Exported({"request": {**body, "options": options}, "modelfile": lines}, tuple(warnings))


def to_openai(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return the sampling fields of a chat completions request to OpenAI's API or a compatible one."""
    values, warnings = _translated(DIALECTS["openai"], params, stop)
    return Exported(values, tuple(warnings))


def to_json(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return all parameters that are set (``params``) and the stop strings (``stop``), under this package's names."""
    return Exported({"params": params.to_dict(), "stop": list(stop)}, ())


TARGETS: Mapping[str, tuple[str, Callable[[GenerationParams, Sequence[str]], Exported]]] = MappingProxyType(
    {
        "hf": ("generation_config", to_hf),
        "vllm": ("sampling_params", to_vllm),
        "llamacpp": ("llama_cpp", to_llamacpp),
        "ollama": ("ollama", to_ollama),
        "openai": ("request", to_openai),
        "json": ("llmsearch_optuna", to_json),
    }
)
"""The systems by name: the key of their parameters in an export, and the function that returns them."""


def _translated(dialect: Dialect, params: GenerationParams, stop: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of a request in a dialect, and the warnings."""
    effective, system, temperature = _effective(params), dialect.title, temperature_of(params)
    body = settings_in(dict(params.settings), BODY) if dialect.name in ("openai", "ollama") else {}
    available = ("temperature", *dialect.fields, *(f"{BODY}{name}" for name in body))
    warnings = list(_differences(params, available, system))
    values = {
        "temperature": temperature,
        **dialect.off,
        **dialect.off_in_exports,
        dialect.length_field: params.max_new_tokens,
        **dialect.named(effective),
        **body,
    }
    warnings += [f"{name}: {meaning}" for name, meaning in dialect.differences.items() if name in effective]
    for name, others in dialect.ignored.items():
        if name in effective and (ignored := [other for other in others if other in effective]):
            warnings.append(f"{', '.join(ignored)}: {system} ignores it if {name} is set")
    if dialect.max_temperature is not None and temperature > dialect.max_temperature:
        values["temperature"] = dialect.max_temperature
        warnings.append(
            f"temperature={json.dumps(temperature)}: the maximum of {system} is {dialect.max_temperature}, which is set"
        )
    if not params.greedy:
        values["seed"] = params.generation_seed
    if stop:
        values["stop"] = list(stop[: dialect.max_stops])
        if left_out := stop[len(values["stop"]) :]:
            limit = f"{system} takes at most {dialect.max_stops} stop strings; these are left out"
            warnings.append(f"stop={json.dumps(left_out)}: {limit}")
    return values, warnings


def _effective(params: GenerationParams) -> dict[str, Any]:
    """Return the parameters that have an effect, without those in `IMPLIED`, which need no translation."""
    return {name: value for name, value in params.canonical.to_dict().items() if name not in IMPLIED}


def _differences(params: GenerationParams, available: Collection[str], system: str, remedy: str = "") -> Iterator[str]:
    """Yield a warning for each parameter that a system lacks and, if tokens are sampled, for its random numbers."""
    for name, value in _effective(params).items():
        if name.startswith(TEMPLATE):
            yield f"{name}={json.dumps(value)}: pass it to the chat template, e.g. as chat_template_kwargs of a request"
        elif name not in available:
            yield f"{name}={json.dumps(value)}: {system} has no such parameter; it is left out"
    if (count := params.canonical.samples_per_prompt) is not None:
        yield (
            f"samples_per_prompt={count}: send as many requests per prompt, each with another seed, and combine the "
            "completions as the reducer of the metric does"
        )
    if not params.greedy:
        seed = params.generation_seed
        yield f"generation_seed={seed}: {system} draws other noise, so that completions differ{remedy}"


def _arguments(dialect: Dialect, request: Mapping[str, Any]) -> Iterator[str]:
    for field, option in dialect.options.items():
        if field not in request or (field in _OPTIONAL and request[field] == dialect.off.get(field)):
            continue
        if field == "dry_sequence_breakers":
            yield from itertools.chain.from_iterable((option, _escaped(text)) for text in request[field])
        else:
            yield from (option, ";".join(request[field]) if field == "samplers" else str(request[field]))


def _escaped(breaker: str) -> str:
    """Return a breaker as the command line of llama.cpp takes it, where ``none`` stands for no breakers."""
    return {"": "none", "none": r"\x6eone"}.get(breaker, breaker.replace("\\", r"\\"))
