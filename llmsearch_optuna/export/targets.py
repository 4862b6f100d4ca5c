"""Generation parameters in the names of other systems. What a system lacks is told, and never dropped in silence."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from llmsearch_optuna.space.generation_config import HF_NAMES, generation_config
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["TARGETS", "Exported", "to_hf", "to_json", "to_llamacpp", "to_openai", "to_vllm"]


class Exported(NamedTuple):
    """Parameters for another system.

    Attributes:
        values: What it takes, as JSON can hold it.
        warnings: What of the parameters it does not express, or means otherwise; one line each.
    """

    values: dict[str, Any]
    warnings: tuple[str, ...]


# Which decide what is generated in every system, one way or another.
_COMMON = ("do_sample", "max_new_tokens", "generation_seed")

_LLAMACPP_SAMPLERS = MappingProxyType(
    {
        "top_n_sigma": ("top_n_sigma", "--top-nsigma"),
        "top_k": ("top_k", "--top-k"),
        "top_p": ("top_p", "--top-p"),
        "min_p": ("min_p", "--min-p"),
        "typical_p": ("typ_p", "--typical"),
    }
)
"""Our cuts, in our order: llama.cpp's sampler, and its option."""

_LLAMACPP_OFF = MappingProxyType({"top_n_sigma": -1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0})

_OPENAI_HOTTEST = 2.0
_OPENAI_MOST_STOPS = 4


def to_hf(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """For ``transformers``: the fields of a ``GenerationConfig``.

    `logits_processors` expresses all the rest: see `write_hf`.

    Args:
        params: The parameters.
        stop: Texts that end a completion.
    """
    warnings = [
        *_lacking(params, HF_NAMES, "transformers"),
        *_own_noise(
            params, "transformers", "" if params.beams else "llmsearch_optuna.logits_processors brings ours along"
        ),
    ]
    if stop:
        warnings.append(f"stop={_shown(stop)}: pass stop_strings and tokenizer to model.generate")
    return Exported(generation_config(params), tuple(warnings))


def to_vllm(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """For vLLM: the arguments of its ``SamplingParams``, which are those of its server's requests, too.

    Args:
        params: The parameters.
        stop: Texts that end a completion.
    """
    on = _in_force(params)
    values: dict[str, Any] = {
        "temperature": 0.0 if params.greedy else on.get("temperature", 1.0),
        "top_p": on.get("top_p", 1.0),
        "top_k": on.get("top_k", -1),
        "min_p": on.get("min_p", 0.0),
        "repetition_penalty": on.get("repetition_penalty", 1.0),
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "max_tokens": params.max_new_tokens,
    }
    if not params.greedy:
        values["seed"] = params.generation_seed
    if stop:
        values["stop"] = list(stop)
    known = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
    warnings = [*_lacking(params, known, "vLLM"), *_own_noise(params, "vLLM")]
    if "min_p" in on and "top_p" in on:
        warnings.append("min_p: vLLM applies it before top_k and top_p, not after them: top_p may keep fewer tokens")
    return Exported(values, tuple(warnings))


def to_llamacpp(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """For llama.cpp: what its server's ``/completion`` takes (``request``), and the same for a command (``arguments``).

    What it does by default (top_k 40, top_p 0.95, min_p 0.05, a temperature of 0.8 after all cuts) is switched off, and
    the samplers are put in our order: penalties, temperature, cuts.

    Args:
        params: The parameters.
        stop: Texts that end a completion.
    """
    on = _in_force(params)
    mirostat = "mirostat_tau" in on
    request: dict[str, Any] = {
        "temperature": 0.0 if params.greedy else on.get("temperature", 1.0),
        **{name: on.get(name, off) for name, off in _LLAMACPP_OFF.items()},
        "repeat_penalty": on.get("repetition_penalty", 1.0),
        "repeat_last_n": -1,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "dry_multiplier": 0.0,
        "xtc_probability": 0.0,
        "dynatemp_range": 0.0,
        "mirostat": 2 if mirostat else 0,
        "samplers": ["penalties", "temperature", *(own for name, (own, _) in _LLAMACPP_SAMPLERS.items() if name in on)],
        "n_predict": params.max_new_tokens,
    }
    if mirostat:
        request |= {"mirostat_tau": on["mirostat_tau"], "mirostat_eta": on.get("mirostat_eta", 0.1)}
    if not params.greedy:
        request["seed"] = params.generation_seed
    if stop:
        request["stop"] = list(stop)
    known = (*_LLAMACPP_SAMPLERS, "temperature", "repetition_penalty", "mirostat_tau", "mirostat_eta")
    warnings = [*_lacking(params, known, "llama.cpp"), *_own_noise(params, "llama.cpp")]
    if mirostat and (ignored := [name for name in (*_LLAMACPP_SAMPLERS, "repetition_penalty") if name in on]):
        warnings.append(f"{', '.join(ignored)}: llama.cpp applies nothing but the temperature beside mirostat")
    if stop:
        warnings.append(f"stop={_shown(stop)}: only the server's requests have it (`stop`), not the command line")
    return Exported({"request": request, "arguments": list(_arguments(request))}, tuple(warnings))


def to_openai(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """For OpenAI's API and those like it: the sampling fields of a chat completions request.

    Args:
        params: The parameters.
        stop: Texts that end a completion.
    """
    on = _in_force(params)
    temperature = 0.0 if params.greedy else float(on.get("temperature", 1.0))
    values: dict[str, Any] = {
        "temperature": min(temperature, _OPENAI_HOTTEST),
        "top_p": on.get("top_p", 1.0),
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "max_completion_tokens": params.max_new_tokens,
    }
    if not params.greedy:
        values["seed"] = params.generation_seed
    if stop:
        values["stop"] = list(stop[:_OPENAI_MOST_STOPS])
    warnings = [*_lacking(params, ("temperature", "top_p"), "OpenAI's API"), *_own_noise(params, "OpenAI's API")]
    if temperature > _OPENAI_HOTTEST:
        warnings.append(
            f"temperature={_shown(temperature)}: OpenAI's API takes {_OPENAI_HOTTEST} at most, which is set"
        )
    if len(stop) > _OPENAI_MOST_STOPS:
        left = stop[_OPENAI_MOST_STOPS:]
        warnings.append(f"stop={_shown(left)}: OpenAI's API takes {_OPENAI_MOST_STOPS} texts; these are left out")
    return Exported(values, tuple(warnings))


def to_json(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """For this package, and for programs of your own: all parameters that are set, in our own names.

    Args:
        params: The parameters.
        stop: Texts that end a completion.
    """
    return Exported({"params": params.to_dict(), "stop": list(stop)}, ())


TARGETS: Mapping[str, tuple[str, Callable[[GenerationParams, Sequence[str]], Exported]]] = MappingProxyType(
    {
        "hf": ("generation_config", to_hf),
        "vllm": ("sampling_params", to_vllm),
        "llamacpp": ("llama_cpp", to_llamacpp),
        "openai": ("request", to_openai),
        "json": ("llmsearch_optuna", to_json),
    }
)
"""Systems by name: under which key an export holds their parameters, and what makes them."""


def _in_force(params: GenerationParams) -> dict[str, Any]:
    """The parameters that have an effect, but for those that every system has."""
    return {name: value for name, value in params.canonical.to_dict().items() if name not in _COMMON}


def _lacking(params: GenerationParams, known: Iterable[str], system: str) -> Iterator[str]:
    for name, value in _in_force(params).items():
        if name not in known:
            yield f"{name}={_shown(value)}: {system} has no such parameter; it is left out"


def _own_noise(params: GenerationParams, system: str, remedy: str = "") -> Iterator[str]:
    if not params.greedy:
        told = f"generation_seed={params.generation_seed}: {system} draws noise of its own: the completions are others"
        yield f"{told}; {remedy}" if remedy else told


def _shown(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _arguments(request: Mapping[str, Any]) -> Iterator[str]:
    yield from ("--temp", str(request["temperature"]))
    for name, (_, option) in _LLAMACPP_SAMPLERS.items():
        if name != "top_n_sigma" or request[name] != _LLAMACPP_OFF[name]:  # which older versions lack
            yield from (option, str(request[name]))
    yield from ("--repeat-penalty", str(request["repeat_penalty"]), "--repeat-last-n", str(request["repeat_last_n"]))
    if request["mirostat"]:
        yield from ("--mirostat", "2", "--mirostat-ent", str(request["mirostat_tau"]))
        yield from ("--mirostat-lr", str(request["mirostat_eta"]))
    yield from ("--samplers", ";".join(request["samplers"]), "--n-predict", str(request["n_predict"]))
    if "seed" in request:
        yield from ("--seed", str(request["seed"]))
