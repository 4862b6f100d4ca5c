"""What inference servers and other programs call the generation parameters, and what they do otherwise: one table."""

from llmsearch_optuna.space.dialects.dialect import IMPLIED, Dialect, temperature_of
from llmsearch_optuna.space.dialects.exports import EXPORT_DIALECTS
from llmsearch_optuna.space.dialects.llamacpp import LLAMACPP
from llmsearch_optuna.space.dialects.servers import DIALECTS, VLLM_WITH_PLUGIN

__all__ = [
    "DIALECTS",
    "EXPORT_DIALECTS",
    "IMPLIED",
    "LLAMACPP",
    "VLLM_WITH_PLUGIN",
    "Dialect",
    "temperature_of",
]
