"""The sampling parameters that a GGUF file recommends (``general.sampling.*``), in the model's generation config."""

import logging
from typing import Any

from gguf import GGUFReader
from transformers import GenerationConfig

from llmsearch_optuna.space.dialects import LLAMACPP
from llmsearch_optuna.space.generation_config import HF_NAMES

__all__ = ["apply_sampling_defaults"]

_LOG = logging.getLogger(__name__)

_PREFIX = "general.sampling."
_NAMES = {
    LLAMACPP.gguf_keys[field]: name
    for name, field in {"temperature": "temperature", **LLAMACPP.fields}.items()
    if field in LLAMACPP.gguf_keys and name in HF_NAMES
}
"""llama.cpp's names -> those of a generation config."""


def apply_sampling_defaults(config: GenerationConfig, path: str) -> None:
    """Set what a GGUF file recommends in a generation config, from which the baseline *model default* is made.

    What a generation config cannot express is left out, with a warning.

    Args:
        config: The generation config; modified.
        path: The GGUF file.
    """
    fields = GGUFReader(path).fields
    given: dict[str, Any] = {
        name.removeprefix(_PREFIX): field.contents() for name, field in fields.items() if name.startswith(_PREFIX)
    }
    if left_out := sorted(given.keys() - _NAMES.keys()):
        _LOG.warning("%s of the GGUF file are left out of the model's default parameters", ", ".join(left_out))
    for name, value in given.items():
        if name in _NAMES:
            # A float32 such as 0.7 is stored as 0.699999988.
            setattr(config, _NAMES[name], float(f"{value:.7g}") if isinstance(value, float) else int(value))
    if given.keys() & _NAMES.keys():
        config.do_sample = given.get("temp", 1.0) > 0.0
