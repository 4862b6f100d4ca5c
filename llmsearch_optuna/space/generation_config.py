"""What ``transformers`` reads from a ``generation_config.json``, as plain data."""

from collections.abc import Mapping
from types import MappingProxyType

from llmsearch_optuna.space.params import BEAM_PARAMETERS, GenerationParams

__all__ = ["HF_NAMES", "NEUTRAL_CONFIG", "PENALTIES", "WARPERS", "generation_config"]

NEUTRAL_CONFIG: Mapping[str, bool | int | float] = MappingProxyType(
    {
        "do_sample": False,
        "num_beams": 1,
        "num_return_sequences": 1,
        "temperature": 1.0,
        "top_k": 50,
        "top_p": 1.0,
        "typical_p": 1.0,
        "epsilon_cutoff": 0.0,
        "eta_cutoff": 0.0,
        "repetition_penalty": 1.0,
        "encoder_repetition_penalty": 1.0,
        "no_repeat_ngram_size": 0,
        "encoder_no_repeat_ngram_size": 0,
        "length_penalty": 1.0,
        "early_stopping": False,
    }
)
"""With which ``model.generate`` takes the most probable token of whatever its logits processors make of the logits.

Values must be set, not unset: ``generate`` fills unset ones from the model's own config, or with 50 for ``top_k``."""

PENALTIES = ("repetition_penalty", "encoder_repetition_penalty", "no_repeat_ngram_size")
"""The penalties that ``transformers`` has."""

WARPERS = ("temperature", "top_h", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
"""The temperature, and the cuts that ``transformers`` has."""

HF_NAMES = frozenset({"do_sample", "max_new_tokens", *PENALTIES, *WARPERS, *BEAM_PARAMETERS})
"""The generation parameters that ``transformers`` has, under the same names and with the same meaning."""


def generation_config(params: GenerationParams) -> dict[str, bool | int | float]:
    """The fields of a ``GenerationConfig`` that decodes with these parameters, as far as it has them.

    Args:
        params: The parameters; those that are not among `HF_NAMES` are left out.
    """
    values = params.to_dict()
    wanted = {name: values[name] for name in (*PENALTIES, *BEAM_PARAMETERS) if name in values}
    if params.greedy:
        return {**NEUTRAL_CONFIG, **wanted, "max_new_tokens": params.max_new_tokens}
    wanted |= {name: values[name] for name in WARPERS if name in values}
    return {
        **NEUTRAL_CONFIG,
        "top_k": 0,
        "min_p": 0.0,
        **wanted,
        "do_sample": True,
        "max_new_tokens": params.max_new_tokens,
    }
