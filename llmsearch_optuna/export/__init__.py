"""Exports: parameters under the names of other systems, with their provenance and a warning for each difference."""

from llmsearch_optuna.export.directory import write_hf, write_json, write_with_program
from llmsearch_optuna.export.llamacpp import to_gguf, to_llamacpp
from llmsearch_optuna.export.lm_eval import to_lm_eval
from llmsearch_optuna.export.provenance import Provenance, trace
from llmsearch_optuna.export.targets import (
    TARGETS,
    to_hf,
    to_json,
    to_koboldcpp,
    to_ollama,
    to_openai,
    to_sglang,
    to_text_generation_webui,
    to_vllm,
)
from llmsearch_optuna.export.translation import Exported
from llmsearch_optuna.export.vllm import vllm_deployment

__all__ = [
    "TARGETS",
    "Exported",
    "Provenance",
    "to_gguf",
    "to_hf",
    "to_json",
    "to_koboldcpp",
    "to_llamacpp",
    "to_lm_eval",
    "to_ollama",
    "to_openai",
    "to_sglang",
    "to_text_generation_webui",
    "to_vllm",
    "trace",
    "vllm_deployment",
    "write_hf",
    "write_json",
    "write_with_program",
]
