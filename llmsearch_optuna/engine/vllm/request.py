"""What the plug-in reads of a request's ``SamplingParams``."""

from typing import Any

from llmsearch_optuna._version import __version__
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.vllm_plugin import PLUGIN_INTERFACE, PLUGIN_KEY, PLUGIN_QUERY, read_plugin_value

__all__ = ["check_sampling_params", "params_of"]

_NEUTRAL = {"repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}


def params_of(sampling: Any, completion: int = 0) -> GenerationParams | None:
    """Return the parameters that a request has for the plug-in; None if it has none.

    Args:
        sampling: A ``vllm.SamplingParams``.
        completion: The number of the completion, from 0 on, of a request with several ones. vLLM makes a request of
            each, and adds this number to its seed.

    Raises:
        ParameterError: The parameters are wrong.
    """
    value = (sampling.extra_args or {}).get(PLUGIN_KEY)
    seed = None if sampling.seed is None else sampling.seed + completion
    return None if value is None else read_plugin_value(value, seed)


def check_sampling_params(sampling: Any) -> None:
    """Check a request before vLLM admits it.

    Args:
        sampling: A ``vllm.SamplingParams``.

    Raises:
        ParameterError: The parameters are wrong, or vLLM's own would change what the plug-in draws.
    """
    if (sampling.extra_args or {}).get(PLUGIN_KEY) == PLUGIN_QUERY:
        raise ParameterError(f"{PLUGIN_KEY} {__version__} is here; {PLUGIN_QUERY}={PLUGIN_INTERFACE}")
    params = params_of(sampling)
    if params is None:
        return
    for name, neutral in _NEUTRAL.items():
        if (value := getattr(sampling, name)) != neutral:
            raise ParameterError(
                f"`{name}` of the request must be {neutral:g} beside `{PLUGIN_KEY}`, got {value:g}: set it to "
                f"{neutral:g}, as the model's generation config may set another default"
            )
    if sampling.n == 1:
        return
    try:  # vLLM has only the first completion checked
        last = params_of(sampling, sampling.n - 1)
    except ParameterError as error:
        raise ParameterError(f"`seed` of the request is too large for n={sampling.n}: {error}") from error
    if params.greedy or last is None or last.generation_seed == params.generation_seed:
        raise ParameterError(
            f"n={sampling.n} would give equal completions beside `{PLUGIN_KEY}`: leave n out, or sample and give the "
            "request a `seed` in place of `generation_seed`, which counts up from one completion to the next"
        )
