"""Deployment in vLLM: the request that is exact with the plug-in, and the server's command."""

import json
import shlex
from typing import Any

from llmsearch_optuna.export.provenance import Provenance
from llmsearch_optuna.export.targets import to_vllm
from llmsearch_optuna.space.dialects import DIALECTS, VLLM_WITH_PLUGIN
from llmsearch_optuna.space.settings import BODY, TEMPLATE, settings_in

__all__ = ["vllm_deployment"]

_DEFAULTS = ("temperature", *DIALECTS["vllm"].off)
"""What ``--override-generation-config`` takes for all requests that do not say otherwise."""


def vllm_deployment(provenance: Provenance) -> dict[str, Any]:
    """Return what deploys a trial's parameters in vLLM, beside its own ``sampling_params``.

    Returns:
        ``exact_request``: the fields of a request to a vLLM that has this package installed, with which the completions
        are those of the study; None for beams, which vLLM's requests do not have, and for a study on a vLLM server
        without the plug-in, whose completions come from ``sampling_params``. ``serve``: the command of a server whose
        defaults are the nearest ones that vLLM has, for requests without fields of their own.
    """
    params, served = provenance.params, provenance.served
    is_own = served is not None and served.kind == "vllm" and not served.has_plugin
    request: dict[str, Any] | None = None
    if not params.beams and not is_own:
        request = {"max_tokens": params.max_new_tokens, **VLLM_WITH_PLUGIN.sampling_fields(params)}
        if provenance.stop:
            request["stop"] = list(provenance.stop)
        settings = dict(params.settings)
        if template_args := settings_in(settings, TEMPLATE):
            request["chat_template_kwargs"] = template_args
        request |= settings_in(settings, BODY)
    values = to_vllm(params).values
    defaults = {name: values[name] for name in _DEFAULTS} | {"max_new_tokens": params.max_new_tokens}
    command = ["vllm", "serve", provenance.model, "--override-generation-config", json.dumps(defaults)]
    return {"exact_request": request, "serve": shlex.join(command)}
