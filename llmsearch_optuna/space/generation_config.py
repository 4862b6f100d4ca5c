"""The fields of a ``generation_config.json`` that ``transformers`` reads, as plain data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from llmsearch_optuna.space.parameter import Stage
from llmsearch_optuna.space.params import BEAM_PARAMETERS, PARAMETERS, GenerationParams, names_in

__all__ = ["HF_NAMES", "NEUTRAL_CONFIG", "PENALTIES", "WARPERS", "generation_config"]

HF_NAMES = frozenset(name for name, parameter in PARAMETERS.items() if parameter.in_transformers)
"""The generation parameters that ``transformers`` has, under the same names and with the same meaning."""

PENALTIES = tuple(name for name in names_in("penalty") if name in HF_NAMES)
"""The penalties that ``transformers`` has."""

WARPERS = tuple(name for name in names_in("temperature", "cut") if name in HF_NAMES)
"""The temperature and the cuts that ``transformers`` has."""


def _off(*stages: Stage) -> dict[str, bool | int | float]:
    return {name: off for name in names_in(*stages) if name in HF_NAMES and (off := PARAMETERS[name].off) is not None}


_WARPERS_OFF = _off("temperature", "cut")

NEUTRAL_CONFIG: Mapping[str, bool | int | float] = MappingProxyType(
    {
        "do_sample": False,
        "num_beams": 1,
        "num_return_sequences": 1,
        # Without sampling, transformers warns about any min_p and about a top_k other than its default.
        **{name: off for name, off in _WARPERS_OFF.items() if name != "min_p"},
        "top_k": 50,
        **_off("penalty"),
        "encoder_no_repeat_ngram_size": 0,
        **_off("beams"),
    }
)
"""The config with which ``model.generate`` always takes the token with the highest logit after its logits processors.

The values must be set: ``generate`` fills unset ones from the model's own config, or with 50 for ``top_k``."""


def generation_config(params: GenerationParams) -> dict[str, bool | int | float]:
    """Return the fields of a ``GenerationConfig`` that decodes with these parameters.

    Args:
        params: The parameters. Those that are not in `HF_NAMES` are left out.
    """
    values: dict[str, Any] = params.to_dict()
    requested = {name: values[name] for name in (*PENALTIES, *BEAM_PARAMETERS) if name in values}
    if params.greedy:
        return {**NEUTRAL_CONFIG, **requested, "max_new_tokens": params.max_new_tokens}
    requested |= {name: values[name] for name in WARPERS if name in values}
    sampling = {"do_sample": True, "max_new_tokens": params.max_new_tokens}
    return {**NEUTRAL_CONFIG, **_WARPERS_OFF, **requested, **sampling}
