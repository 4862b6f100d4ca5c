"""The dialect of llama.cpp: its server's requests, its command line, and the keys of GGUF files."""

from llmsearch_optuna.space.dialects.dialect import DRY, OFFSETS, Dialect, same
from llmsearch_optuna.space.rules import (
    DRY_ALLOWED_LENGTH,
    DRY_BASE,
    DRY_SEQUENCE_BREAKERS,
    MIROSTAT_ETA,
    XTC_THRESHOLD,
)

__all__ = ["LLAMACPP"]

_SAMPLERS = {**same("top_n_sigma", "top_k", "top_p", "min_p"), "typical_p": "typ_p", "xtc_probability": "xtc"}

# From common/arg.cpp, common/common.cpp and tools/server of October 2026 (build 11549).
LLAMACPP = Dialect(
    name="llamacpp",
    title="llama.cpp",
    takes_template_args=True,
    fields={
        **same("top_n_sigma", "top_k", "top_p", "min_p", "typical_p", "mirostat_tau", "mirostat_eta"),
        "repetition_penalty": "repeat_penalty",
        **same(*OFFSETS, *DRY, "xtc_probability", "xtc_threshold"),
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
        "samplers": ["penalties", "dry", "temperature", *_SAMPLERS.values()],
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
    # It refuses an empty list of breakers, and skips empty strings.
    conversions={"dry_sequence_breakers": lambda breakers: list(breakers) or [""]},
    ignored={"mirostat_tau": (*_SAMPLERS, "repetition_penalty", *OFFSETS, "dry_multiplier")},
    differences={
        **dict.fromkeys(OFFSETS, "llama.cpp also counts the tokens of the prompt"),
        "dry_multiplier": "llama.cpp counts repetitions beyond 64 tokens, and compares breakers byte by byte",
    },
    samplers=_SAMPLERS,
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
    gguf_keys={
        **same("top_k", "top_p", "min_p", "xtc_probability", "xtc_threshold"),
        **same("mirostat", "mirostat_tau", "mirostat_eta"),
        "temperature": "temp",
        "repeat_penalty": "penalty_repeat",
        "repeat_last_n": "penalty_last_n",
        "samplers": "sequence",
    },
    length_field="n_predict",
    prefill={},
)
