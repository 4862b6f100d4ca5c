"""The dialects of the inference servers that a study can use."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from llmsearch_optuna.space.dialects.dialect import LAST_TOKENS, OFFSETS, PLUGIN_FIELDS, Dialect, same
from llmsearch_optuna.space.dialects.llamacpp import LLAMACPP
from llmsearch_optuna.space.params import PARAMETERS

__all__ = ["DIALECTS", "VLLM_WITH_PLUGIN"]

_OFF = {"top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""What vLLM and SGLang take from the model's generation config if a request does not say otherwise."""

# From vLLM 0.32 (`ModelConfig.get_diff_sampling_param`): it also takes the penalties of OpenAI's API from there.
_VLLM = Dialect(
    name="vllm",
    title="vLLM",
    fields=same("top_k", "top_p", "min_p", "repetition_penalty", *OFFSETS),
    off={**_OFF, **dict.fromkeys(OFFSETS, 0.0)},
    joint_differences={
        ("min_p", "top_p"): "vLLM applies it before top_k and top_p, not after them: top_p may keep fewer tokens"
    },
    remedy="leave it out, or install this package beside the server's vLLM, which then has all of them",
    prefill={"continue_final_message": True, "add_generation_prompt": False},
    takes_template_args=True,
)

VLLM_WITH_PLUGIN = dataclasses.replace(
    _VLLM,
    title="vLLM with llmsearch_optuna",
    fields=same(*PLUGIN_FIELDS),
    plugin="vllm_xargs",
    remedy="leave it out",
)
"""vLLM with this package's plug-in, which has all parameters except beams, and draws with this package's noise."""

# From SGLang's SamplingParams, sampler and penalizers of October 2026.
_SGLANG = Dialect(
    name="sglang",
    title="SGLang",
    fields=_VLLM.fields,
    off=_OFF,
    off_in_exports=dict.fromkeys(OFFSETS, 0.0),
    differences={"repetition_penalty": "SGLang does not count the tokens of the prompt"},
    joint_differences={
        ("top_p", "top_k"): "SGLang takes its mass from all tokens, not from those that top_k keeps: it may keep more"
    },
    maxima={"repetition_penalty": 2.0},
    prefill={"continue_final_message": True},
    takes_template_args=True,
)

# Its own API, not the OpenAI-compatible one. Mirostat and `tfs_z` are gone, and ignored.
_OLLAMA_FIELDS = {**same("top_k", "top_p", "min_p", "typical_p", *OFFSETS), "repetition_penalty": "repeat_penalty"}

_OLLAMA = Dialect(
    name="ollama",
    title="Ollama",
    fields=_OLLAMA_FIELDS,
    off={field: PARAMETERS[name].off for name, field in _OLLAMA_FIELDS.items()},
    # Of the penalties, it counts only the last 64 tokens by default.
    switches={name: {"repeat_last_n": LAST_TOKENS} for name in ("repetition_penalty", *OFFSETS)},
    differences={
        "temperature": "Ollama applies it after the cuts",
        **dict.fromkeys(OFFSETS, "Ollama also counts the tokens of the prompt"),
    },
    length_field="num_predict",
    max_concurrency=4,
    thinking_field="think",
)

# Its native API has more parameters, but its OpenAI-compatible API ignores them silently.
_TGI = Dialect(name="tgi", title="TGI", fields=same("top_p"), max_stops=4)

_TRANSFORMERS_FIELDS = same(
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
    fields=same("top_p", *OFFSETS),
    off={"top_p": 1.0},
    off_in_exports=dict.fromkeys(OFFSETS, 0.0),
    length_field="max_completion_tokens",
    max_stops=4,
    maxima={"temperature": 2.0},
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (_VLLM, _SGLANG, LLAMACPP, _OLLAMA, _TGI, _TRANSFORMERS, _OPENAI)}
)
"""The dialects by name. Every server except ``"ollama"`` also supports ``"openai"``, because Ollama's own API
differs."""
