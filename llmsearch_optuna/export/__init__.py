"""Exports: parameters under the names of other systems, with their provenance and a warning for each difference."""

from llmsearch_optuna.export.directory import write_hf, write_json
from llmsearch_optuna.export.provenance import Provenance, trace
from llmsearch_optuna.export.targets import (
    TARGETS,
    Exported,
    to_hf,
    to_json,
    to_llamacpp,
    to_ollama,
    to_openai,
    to_vllm,
)
from llmsearch_optuna.export.vllm import vllm_deployment, write_vllm

__all__ = [
    "TARGETS",
    "Exported",
    "Provenance",
    "to_hf",
    "to_json",
    "to_llamacpp",
    "to_ollama",
    "to_openai",
    "to_vllm",
    "trace",
    "vllm_deployment",
    "write_hf",
    "write_json",
    "write_vllm",
]
