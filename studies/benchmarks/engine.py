"""The slot engine beside ``model.generate`` and llmsearch 0.1.0: the demo model, 12 random parameter sets, no pruning.

Usage: python -m studies.benchmarks.engine [--json FILE] [--llmsearch PYTHON] [--vllm PYTHON] [--workload NAME]

Ours is a whole `Tuner.search` over the 12 sets, metric and database included, without replay (see `replay.py`). The
peers take one trial after the other, at the batch size (8, 16 or 32) that suits ``model.generate`` best, with prompts
sorted by length. Ours and ``model.generate`` take turns, so that a busy moment of the machine meets both. vLLM follows,
with our draw and with its own; see `in_vllm.py`.
"""

import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel

from llmsearch_optuna import GenerationParams
from llmsearch_optuna.engine.base import Completion, Request
from llmsearch_optuna.engine.loading import LoadedModel
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from studies.benchmarks.command_line import make_parser, write_figures
from studies.benchmarks.workloads import (
    Workload,
    best_batch_size,
    hf_trial,
    llmsearch_trials,
    load_demo,
    make_tuner,
    our_search,
    peak_memory_gib,
    random_sets,
    requests_of,
    vllm_figures,
    workloads,
)

REPEATS = 3


class ForwardClock:
    """Add up the seconds of a model's forward passes."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.seconds = 0.0
        self._started = 0.0
        torch.nn.Module.register_forward_pre_hook(model, self._start)
        torch.nn.Module.register_forward_hook(model, self._stop)

    def _start(self, *_: object) -> None:
        self._started = time.perf_counter()

    def _stop(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._started


def mixing(loaded: LoadedModel, workload: Workload, sets: Sequence[dict[str, Any]]) -> dict[str, float]:
    """What it costs to mix four parameter sets in one batch, and how many tokens differ between companies."""
    params = [GenerationParams.from_dict({**values, "max_new_tokens": 16}) for values in sets[:4]]
    by_set = [requests_of(loaded, workload, param_set) for param_set in params]
    mixed = [
        [by_set[(row + shift) % len(params)][row] for row in range(len(workload.prompts))]
        for shift in range(len(params))
    ]
    engine = SlotEngine(ModelRunner(loaded.model), loaded.tokenizer, replay_bytes=0)

    def run(batches: list[list[Request]], using: SlotEngine = engine) -> tuple[float, dict[Request, Completion]]:
        started = time.perf_counter()
        completions: dict[Request, Completion] = {}
        for batch in batches:
            completions |= dict(zip(batch, using.generate(batch), strict=True))
        return time.perf_counter() - started, completions

    _, expected = run(by_set)
    uniform_seconds: list[float] = []
    mixed_seconds: list[float] = []
    others: list[dict[Request, Completion]] = []
    for _ in range(5):
        for batches, seconds in ((by_set, uniform_seconds), (mixed, mixed_seconds)):
            taken, completions = run(batches)
            seconds.append(taken)
            others.append(completions)
    others.append(
        run(
            [batch[::-1] for batch in mixed],
            SlotEngine(ModelRunner(loaded.model), loaded.tokenizer, slots=16, replay_bytes=0),
        )[1]
    )
    return {
        "mixed_batch_cost": statistics.median(mixed_seconds) / statistics.median(uniform_seconds) - 1,
        "differing_tokens": sum(
            ours != theirs
            for completions in others
            for request in expected
            for ours, theirs in zip(completions[request].token_ids, expected[request].token_ids, strict=True)
        ),
    }


class Timings:
    """Seconds per trial of one workload.

    Attributes:
        ours: One figure per search.
        hf: One per trial.
        llmsearch: One per trial; empty where it is not asked for.
        vllm: In vLLM with our draw, one figure; empty where it is not asked for.
        vllm_own: In vLLM with its own draw, one figure; empty where it is not asked for.
        overheads: Of each search, over its bare forward passes.
        peak_memory_gib: The most memory that the process had held after the first search.
        batch_size: What suits ``model.generate`` best.
    """

    def __init__(
        self, loaded: LoadedModel, clock: ForwardClock, workload: Workload, sets: Sequence[dict[str, Any]]
    ) -> None:
        self.ours: list[float] = []
        self.hf: list[float] = []
        self.llmsearch: list[float] = []
        self.vllm: list[float] = []
        self.vllm_own: list[float] = []
        self.overheads: list[float] = []
        self.peak_memory_gib = 0.0
        self.batch_size = 0
        for repeat in range(REPEATS):
            tuner = make_tuner(workload, **loaded._asdict(), replay_bytes=0)
            clock.seconds = 0.0
            seconds = our_search(tuner, workload, sets)
            self.overheads.append(seconds / clock.seconds)
            self.ours.append(seconds / len(sets))
            del tuner
            if repeat == 0:
                self.peak_memory_gib = peak_memory_gib()
                self.batch_size = best_batch_size(loaded, workload, sets[0])
            self.hf += [hf_trial(loaded, workload, values, self.batch_size) for values in sets[repeat::REPEATS]]


def figures_of(timings: dict[str, Timings]) -> dict[str, float]:
    """The ratios of the medians, ours ahead where above 1."""
    figures: dict[str, float] = {}
    for name, times in timings.items():
        ours = statistics.median(times.ours)
        figures[f"{name}_vs_hf"] = statistics.median(times.hf) / ours
        if times.llmsearch:
            figures[f"{name}_vs_llmsearch"] = statistics.median(times.llmsearch) / ours
        figures[f"overhead_{name}"] = statistics.median(times.overheads)
    # Memory only grows, and the first search is alone in the process.
    figures["peak_memory_gib"] = next(iter(timings.values())).peak_memory_gib
    return figures


def show(timings: dict[str, Timings], figures: dict[str, float]) -> None:
    """Print the table and the figures."""
    table = Table("workload", "engine", "rows", "median s per trial", "least", "most")
    for name, times in timings.items():
        for engine, rows, seconds in (
            ("ours", 64, times.ours),
            ("hf", times.batch_size, times.hf),
            ("llmsearch", times.batch_size, times.llmsearch),
            ("vLLM, our draw", 64, times.vllm),
            ("vLLM, its own draw", 64, times.vllm_own),
        ):
            if seconds:
                spread = (statistics.median(seconds), min(seconds), max(seconds))
                table.add_row(name, engine, str(rows), *(f"{value:.2f}" for value in spread))
    console = Console(width=100)
    console.print(table)
    for name, value in figures.items():
        console.print(f"{name:24} {value:.3f}")


def main() -> None:
    """Run the benchmark."""
    parser = make_parser(__doc__)
    parser.add_argument("--llmsearch", metavar="PYTHON", help="the Python of an environment with llmsearch 0.1.0")
    parser.add_argument("--vllm", metavar="PYTHON", help="the Python of an environment with vLLM and this package")
    parser.add_argument("--workload", choices=["summarise", "short"], help="only this one")
    parser.add_argument("--trials", type=int, default=12, metavar="N", help="parameter sets, at least 3")
    options = parser.parse_args()
    loaded = load_demo()
    clock = ForwardClock(loaded.model)
    sets = random_sets(options.trials)
    work = [workload for workload in workloads() if options.workload in (None, workload.name)]
    timings = {workload.name: Timings(loaded, clock, workload, sets) for workload in work}
    if options.llmsearch is not None:
        batch_sizes = {name: times.batch_size for name, times in timings.items()}
        for name, trials in llmsearch_trials(options.llmsearch, work, sets, batch_sizes).items():
            timings[name].llmsearch = [trial.seconds for trial in trials]
    in_vllm = {} if options.vllm is None else vllm_figures(options.vllm, options.trials, options.workload)
    for name, times in timings.items() if in_vllm else ():
        times.vllm = [in_vllm[f"{name}_s_per_trial"]]
        times.vllm_own = [in_vllm[f"{name}_s_per_trial_own_draw"]]
    figures = figures_of(timings) | mixing(loaded, work[-1], sets) | {f"vllm_{key}": in_vllm[key] for key in in_vllm}
    show(timings, figures)
    write_figures(options.json, figures)


if __name__ == "__main__":
    main()
