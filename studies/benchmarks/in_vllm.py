"""vLLM on the workloads of `engine.py`, with our draw and with its own; run by the Python of an environment with vLLM.

Usage: python -m studies.benchmarks.in_vllm [--json FILE] [--trials N] [--workload NAME]

With our draw it is a whole `Tuner.search` over the parameter sets, metric and database included. With its own, vLLM
gets the same prompts and parameters, two trials at a time. Prompts are computed again in every repeat. The share of the
plug-in in a decode step of 32 rows is its time on logits of that size, alone, beside vLLM's step without it.
"""

import os
import statistics
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
import vllm
from rich.console import Console
from rich.table import Table

from llmsearch_optuna import GenerationParams, Tuner
from llmsearch_optuna.demo.model import demo_model_directory
from llmsearch_optuna.engine.vllm.v1 import V1Processor
from llmsearch_optuna.space.vllm_plugin import PLUGIN_KEY, plugin_value
from studies.benchmarks.command_line import make_parser, write_figures
from studies.benchmarks.workloads import Workload, make_tuner, our_search, random_sets, workloads

REPEATS = 3
ROWS = 32
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ARGUMENTS: dict[str, Any] = {"max_model_len": 1024}
if DEVICE == "cpu":
    ARGUMENTS |= {"dtype": "float32", "enforce_eager": True}
ON_THE_CPU = {"VLLM_CPU_KVCACHE_SPACE": "4", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}


def own_trials(vllm_engine: Any, tuner: Tuner, workload: Workload, sets: Sequence[dict[str, Any]]) -> tuple[float, int]:
    """Seconds of all sets with vLLM's own draw, and the number of tokens."""
    started, tokens = time.perf_counter(), 0
    for first in range(0, len(sets), 2):
        for number, values in enumerate(sets[first : first + 2]):
            names = ("temperature", "top_k", "top_p", "repetition_penalty")
            sampling = vllm.SamplingParams(
                **{name: values[name] for name in names},
                # On the CPU, vLLM 0.32 fails with a seed when the prompts of a batch need several steps.
                seed=values["generation_seed"] if DEVICE == "cuda" else None,
                max_tokens=workload.max_new_tokens,
            )
            for row, sample in enumerate(tuner.task.search):
                prompt = vllm.TokensPrompt(prompt_token_ids=list(sample.token_ids))
                vllm_engine.add_request(f"{first}-{number}-{row}", prompt, sampling)
        while vllm_engine.has_unfinished_requests():
            tokens += sum(len(output.outputs[0].token_ids) for output in vllm_engine.step() if output.finished)
    return time.perf_counter() - started, tokens


def step_seconds(vllm_engine: Any, tuner: Tuner) -> float:
    """The median seconds of a decode step of 32 rows without the plug-in, greedy."""
    sampling = vllm.SamplingParams(temperature=0.0, max_tokens=24, ignore_eos=True, detokenize=False)
    for row, sample in enumerate(tuner.task.search[:ROWS]):
        prompt = vllm.TokensPrompt(prompt_token_ids=list(sample.token_ids))
        vllm_engine.add_request(f"step-{row}", prompt, sampling)
    seconds = []
    while vllm_engine.has_unfinished_requests():
        started = time.perf_counter()
        if len(vllm_engine.step()) == ROWS:
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def plugin_seconds(sets: Sequence[dict[str, Any]], vocabulary: int) -> float:
    """The median seconds of the plug-in in a step of 32 rows of different parameters."""
    scheduler = SimpleNamespace(max_num_seqs=ROWS, async_scheduling=False)
    model_config = SimpleNamespace(get_vocab_size=lambda: vocabulary)
    processor = V1Processor(SimpleNamespace(scheduler_config=scheduler, model_config=model_config), DEVICE)
    outputs: list[list[int]] = [[] for _ in range(ROWS)]
    added = []
    for row, output in enumerate(outputs):
        params = GenerationParams.from_dict({**sets[row % len(sets)], "generation_seed": row})
        sampling = SimpleNamespace(extra_args={PLUGIN_KEY: plugin_value(params)}, seed=None, max_tokens=64)
        added.append((row, sampling, list(range(40)), output))
    processor.update_state(SimpleNamespace(batch_size=ROWS, removed=[], added=added, moved=[]))
    logits = 4.0 * torch.randn(ROWS, vocabulary, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    seconds = []
    for _ in range(30):
        step = logits.clone()
        started = time.perf_counter()
        processor.apply(step)
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        drawn = time.perf_counter()
        for output, token in zip(outputs, step.argmax(-1).tolist(), strict=True):  # as vLLM does without us as well
            output.append(token)
        taken = time.perf_counter()
        processor.update_state(None)
        seconds.append(time.perf_counter() - taken + drawn - started)
    return statistics.median(seconds)


def figures_of(workload: Workload, sets: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Run a workload, with either draw by turns."""
    tuner = make_tuner(workload, model=str(demo_model_directory()), backend="vllm", backend_args=ARGUMENTS)
    engine: Any = tuner._backend.engine  # noqa: SLF001 - vLLM's own engine is in it
    vllm_engine = engine._batch._engine  # noqa: SLF001
    ours, theirs, tokens = [], [], 0
    for _ in range(REPEATS):
        vllm_engine.reset_prefix_cache()
        ours.append(our_search(tuner, workload, sets) / len(sets))
        vllm_engine.reset_prefix_cache()
        seconds, tokens = own_trials(vllm_engine, tuner, workload, sets)
        theirs.append(seconds / len(sets))
    step, plugin = step_seconds(vllm_engine, tuner), plugin_seconds(sets, vllm_engine.model_config.get_vocab_size())
    return {
        f"{workload.name}_s_per_trial": statistics.median(ours),
        f"{workload.name}_s_per_trial_own_draw": statistics.median(theirs),
        f"{workload.name}_tokens_per_s_own_draw": tokens / len(sets) / statistics.median(theirs),
        f"{workload.name}_step_ms": 1000 * step,
        f"{workload.name}_plugin_ms": 1000 * plugin,
        f"{workload.name}_plugin_share": plugin / (plugin + step),
    }


def main() -> None:
    """Run the benchmark."""
    parser = make_parser(__doc__)
    parser.add_argument("--workload", choices=["summarise", "short"], help="only this one")
    parser.add_argument("--trials", type=int, default=12, metavar="N", help="parameter sets")
    options = parser.parse_args()
    if DEVICE == "cpu":
        for name, value in ON_THE_CPU.items():
            os.environ.setdefault(name, value)
    sets = random_sets(options.trials)
    figures: dict[str, float] = {}
    for workload in workloads():
        if options.workload in (None, workload.name):
            figures |= figures_of(workload, sets)
    table = Table("figure", "value")
    for name, figure in figures.items():
        table.add_row(name, f"{figure:.3f}")
    Console(width=100).print(table)
    write_figures(options.json, figures)


if __name__ == "__main__":
    main()
