"""Found parameters for other systems, in their names, with what they cannot express and where all that comes from."""

from llmsearch_optuna.export.directory import write_hf, write_json
from llmsearch_optuna.export.provenance import Provenance, trace
from llmsearch_optuna.export.targets import TARGETS, Exported, to_hf, to_json, to_llamacpp, to_openai, to_vllm

__all__ = [
    "TARGETS",
    "Exported",
    "Provenance",
    "to_hf",
    "to_json",
    "to_llamacpp",
    "to_openai",
    "to_vllm",
    "trace",
    "write_hf",
    "write_json",
]
