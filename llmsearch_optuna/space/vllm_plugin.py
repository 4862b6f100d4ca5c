"""How generation parameters travel in a request to a vLLM that has this package's plug-in.

They are one JSON string under one key of vLLM's ``extra_args`` (``vllm_xargs`` of a request to its server), whose
values may be numbers, strings and lists only. The request itself is greedy: the plug-in leaves one token of each step.
"""

import dataclasses
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["PLUGIN_INTERFACE", "PLUGIN_KEY", "PLUGIN_QUERY", "plugin_value", "read_plugin_value"]

PLUGIN_KEY = "llmsearch_optuna"
PLUGIN_INTERFACE = 1
"""Is raised when the meaning of a request to the plug-in changes, so that older plug-ins are recognised."""
PLUGIN_QUERY = "interface"
"""This value in place of the parameters is refused with a message that tells the interface."""


def plugin_value(params: GenerationParams, forced: Mapping[str, float] = MappingProxyType({})) -> str:
    """Return the value of the key for these parameters, without `max_new_tokens`, which vLLM has itself.

    Args:
        params: The parameters. Those without an effect are left out.
        forced: Parameters that are sent in addition to or instead of those in `params`.
    """
    values = {**dataclasses.replace(params.canonical, settings=()).to_dict(), **forced}
    values.pop("max_new_tokens")
    return json.dumps(values, sort_keys=True)


def read_plugin_value(value: object, seed: int | None = None) -> GenerationParams:
    """Return the parameters of a request.

    Args:
        value: The value of the key: a JSON object, or a mapping of names to values.
        seed: vLLM's own seed of the request, which is the `generation_seed` unless the value has one.

    Raises:
        ParameterError: The value is no mapping, or a parameter is wrong or not served.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ParameterError(f"`{PLUGIN_KEY}` must be a JSON object of parameters: {error}") from error
    if not isinstance(value, Mapping):
        raise ParameterError(f"`{PLUGIN_KEY}` must be an object of parameters by name, got {type(value).__name__}")
    values: dict[str, Any] = dict(value)
    if "max_new_tokens" in values:
        raise ParameterError(f"`max_new_tokens` is not for `{PLUGIN_KEY}`: set `max_tokens` of the request")
    if seed is not None:
        values.setdefault("generation_seed", seed)
    params = GenerationParams.from_dict(values)
    if params.beams:
        raise ParameterError(f"`num_beams` must be 1 in vLLM, which samples token by token, got {params.num_beams}")
    return params
