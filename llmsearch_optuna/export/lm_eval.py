"""Export to lm-evaluation-harness: the generation arguments of a run."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llmsearch_optuna.export.translation import Exported, differences, translated
from llmsearch_optuna.space.dialects import DIALECTS
from llmsearch_optuna.space.generation_config import HF_NAMES, generation_config
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["to_lm_eval"]

_SEEDS = "0,1234,{},1234"
"""Its default seeds of Python, NumPy, PyTorch and few-shot examples. A transformers model draws with the third."""


def to_lm_eval(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return ``gen_kwargs`` and command-line ``arguments`` for the models ``hf`` and ``vllm``.

    Those of ``vllm`` also suit ``local-completions`` and ``local-chat-completions`` with a vLLM server. They are for
    lm-eval 0.4.13 (October 2026), and replace the ``generation_kwargs`` of each task. The ``until`` of a task is
    replaced only if there are stop strings. The arguments have the values as JSON, because a list of stop strings in
    the form ``key=value`` cannot hold every string.
    """
    config = generation_config(params)
    common: dict[str, Any] = {"max_gen_toks": config.pop("max_new_tokens"), **({"until": list(stop)} if stop else {})}
    if params.greedy:
        config["temperature"] = 0.0  # lm-eval sets it anyway, with a warning
    values, warnings = translated(DIALECTS["vllm"], params, ())
    del values[DIALECTS["vllm"].length_field]
    seeds = [] if params.greedy else ["--seed", _SEEDS.format(params.generation_seed)]
    lines = [*differences(params, HF_NAMES, "transformers"), *warnings]
    if stop:
        lines.append(f"stop={json.dumps(stop)}: replaces the stop strings (`until`) of each task")
    exported = {
        "hf": _model("hf", {**config, **common}, seeds),
        "vllm": _model("vllm", {"do_sample": not params.greedy, **values, **common}, []),
    }
    return Exported(exported, tuple(dict.fromkeys(lines)))


def _model(name: str, gen_kwargs: Mapping[str, Any], seeds: Sequence[str]) -> dict[str, Any]:
    return {
        "gen_kwargs": dict(gen_kwargs),
        "arguments": ["--model", name, "--gen_kwargs", json.dumps(gen_kwargs), *seeds],
    }
