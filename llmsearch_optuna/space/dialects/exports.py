"""The dialects of programs that parameters are exported to, but that no study uses as a server."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from llmsearch_optuna.space.dialects.dialect import DRY, LAST_TOKENS, OFFSETS, Dialect, same
from llmsearch_optuna.space.dialects.llamacpp import LLAMACPP
from llmsearch_optuna.space.params import CUTS
from llmsearch_optuna.space.rules import (
    DRY_ALLOWED_LENGTH,
    DRY_BASE,
    DRY_SEQUENCE_BREAKERS,
    MIROSTAT_ETA,
    XTC_THRESHOLD,
)

__all__ = ["EXPORT_DIALECTS"]

# From the fields of its API, and SampleLogits in gpttype_adapter.cpp, of October 2026.
_KOBOLDCPP = Dialect(
    name="koboldcpp",
    title="koboldcpp",
    fields={
        **same("top_k", "top_p", "min_p", "tfs", "top_a", "mirostat_tau", "mirostat_eta", "presence_penalty", *DRY),
        **same("xtc_probability", "xtc_threshold"),
        "top_n_sigma": "nsigma",
        "typical_p": "typical",
        "repetition_penalty": "rep_pen",
    },
    off={
        "top_k": 0,
        "top_p": 1.0,
        "min_p": 0.0,
        "typical": 1.0,
        "tfs": 1.0,
        "top_a": 0.0,
        "nsigma": 0.0,
        "rep_pen": 1.0,
        "rep_pen_range": LAST_TOKENS,
        "rep_pen_slope": 1.0,
        "presence_penalty": 0.0,
        "dry_multiplier": 0.0,
        "xtc_probability": 0.0,
        "mirostat": 0,
        "dynatemp_range": 0.0,
        "smoothing_factor": 0.0,
        "adaptive_target": -1.0,
        # Penalties, temperature and top_n_sigma, top_k, top_p and min_p, typical_p, tfs, top_a. XTC is always last.
        "sampler_order": [6, 5, 0, 2, 4, 3, 1],
    },
    switches=LLAMACPP.switches,  # koboldcpp is built on llama.cpp
    ignored={"mirostat_tau": tuple(name for name in CUTS if name != "mirostat_tau")},
    differences={
        "top_n_sigma": "koboldcpp takes the deviation of the 3000 largest logits, not of all",
        "tfs": "koboldcpp keeps one token less, and does not count the drop to tokens that are cut before",
        "presence_penalty": "koboldcpp also counts the tokens of the prompt",
        "dry_multiplier": "koboldcpp applies it before the other penalties, and counts repetitions beyond 64 tokens",
        "mirostat_tau": "koboldcpp carries its state over from one completion to the next",
    },
    length_field="max_length",
    seed_field="sampler_seed",
    stop_field="stop_sequence",
)

_ONLY_IN_TRANSFORMERS = ("tfs", "top_a", "epsilon_cutoff", "eta_cutoff")
_ORDER = (
    *("repetition_penalty", "encoder_repetition_penalty", *OFFSETS),
    *("dry", "no_repeat_ngram", "temperature", "dynamic_temperature", "quadratic_sampling", "top_n_sigma"),
    *("top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff", "tfs", "top_a"),
    *("mirostat", "xtc", "adaptive_p"),
)

# From modules/presets.py, sampler_hijack.py, text_generation.py, loaders.py and llama_cpp_server.py of May 2026.
_TEXT_GENERATION_WEBUI = Dialect(
    name="text_generation_webui",
    title="text-generation-webui",
    fields=same(
        *("top_n_sigma", "top_k", "top_p", "min_p", "typical_p", *_ONLY_IN_TRANSFORMERS),
        *("mirostat_tau", "mirostat_eta", "xtc_probability", "xtc_threshold"),
        *("repetition_penalty", "encoder_repetition_penalty", *OFFSETS, *DRY, "no_repeat_ngram_size"),
    ),
    off={
        "do_sample": True,
        "top_n_sigma": 0.0,
        "top_k": 0,
        "top_p": 1.0,
        "min_p": 0.0,
        "typical_p": 1.0,
        "epsilon_cutoff": 0.0,
        "eta_cutoff": 0.0,
        "tfs": 1.0,
        "top_a": 0.0,
        "mirostat_mode": 0,
        "xtc_probability": 0.0,
        "adaptive_target": 0.0,
        "repetition_penalty": 1.0,
        "repetition_penalty_range": LAST_TOKENS,
        "encoder_repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "no_repeat_ngram_size": 0,
        "dry_multiplier": 0.0,
        "dynamic_temperature": False,
        "smoothing_factor": 0.0,
        "guidance_scale": 1.0,
        "penalty_alpha": 0.0,
        "temperature_last": False,
        "sampler_priority": "\n".join(_ORDER),
    },
    switches={
        "mirostat_tau": {"mirostat_mode": 2, "mirostat_eta": MIROSTAT_ETA},
        "xtc_probability": {"xtc_threshold": XTC_THRESHOLD},
        "dry_multiplier": {
            "dry_base": DRY_BASE,
            "dry_allowed_length": DRY_ALLOWED_LENGTH,
            "dry_sequence_breakers": json.dumps(DRY_SEQUENCE_BREAKERS),
        },
    },
    conversions={
        "dry_sequence_breakers": json.dumps,
        # In units of 1e-4; the product is rounded, as 0.0003 * 1e4 is 2.9999999999999996.
        **dict.fromkeys(("epsilon_cutoff", "eta_cutoff"), lambda value: float(f"{value * 1e4:.15g}")),
    },
    differences={
        **dict.fromkeys(
            (*_ONLY_IN_TRANSFORMERS, "encoder_repetition_penalty", "no_repeat_ngram_size"),
            "only the loaders Transformers and ExLlamav3_HF have it",
        ),
        **dict.fromkeys(OFFSETS, "text-generation-webui also counts the tokens of the prompt"),
        "dry_multiplier": "text-generation-webui counts repetitions up to 50 tokens, not 64, and takes the last token "
        "of each breaker for it",
        "xtc_probability": "the loader Transformers does without it where it would exclude a newline or the end",
        "mirostat_tau": "the loader llama.cpp then ignores the penalties and the cuts",
    },
    greedy={"do_sample": False, "temperature": 1.0, "top_k": 1},
)

EXPORT_DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (_KOBOLDCPP, _TEXT_GENERATION_WEBUI)}
)
"""The dialects by name, which is that of the target of the export."""
