"""The slot engine beside ``model.generate`` and llmsearch 0.1.0: the demo model, 12 random parameter sets, no pruning.

Usage: python studies/benchmarks/engine.py [--json FILE] [--llmsearch PYTHON] [--workload NAME]

Ours is a whole `Tuner.search` over the 12 sets, metric and database included. The peers take one trial after the other,
at the batch size (8, 16 or 32) that suits ``model.generate`` best, with prompts sorted by length. Ours and
``model.generate`` take turns, so that a busy moment of the machine meets both.
"""

import argparse
import json
import platform
import pydoc_data.topics
import random
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import torch
from rich.console import Console
from rich.table import Table
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from llmsearch_optuna import GenerationParams, SearchSpace, Tuner
from llmsearch_optuna.demo.model import demo_model_directory
from llmsearch_optuna.engine import Completion, Request, SlotEngine, Stopping
from llmsearch_optuna.engine.decoder import SlotDecoder
from llmsearch_optuna.engine.forward import Forward
from llmsearch_optuna.engine.model import load_model
from llmsearch_optuna.engine.prefill import prefill

BATCH_SIZES = (8, 16, 32)
REPEATS = 3


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Prompts, and how much is generated for each."""

    name: str
    prompts: list[str]
    max_new_tokens: int


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The model that everything runs on."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


class ForwardClock:
    """Adds up the seconds of a model's forward passes."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.seconds = 0.0
        self._started = 0.0
        torch.nn.Module.register_forward_pre_hook(model, self._start)
        torch.nn.Module.register_forward_hook(model, self._stop)

    def _start(self, *_: object) -> None:
        self._started = time.perf_counter()

    def _stop(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._started


def workloads() -> list[Workload]:
    """*summarise*: long prompts and short answers; *short*: the other way round."""
    topics = [text for _, text in sorted(pydoc_data.topics.topics.items()) if len(text) >= 1200][:32]
    return [
        Workload(
            name="summarise",
            prompts=[f"Summarize in one sentence: {text[:1200]}" for text in topics],
            max_new_tokens=32,
        ),
        Workload(
            name="short",
            prompts=[f"Write a short story about this: {' '.join(text.split()[3:25])}" for text in topics],
            max_new_tokens=64,
        ),
    ]


def random_sets(count: int) -> list[dict[str, Any]]:
    """Parameters that all peers know, drawn at random."""
    draw = random.Random(0)  # noqa: S311 - not for secrets
    return [
        {
            "temperature": round(draw.uniform(0.2, 1.5), 3),
            "top_k": draw.randint(5, 100),
            "top_p": round(draw.uniform(0.5, 1.0), 3),
            "repetition_penalty": round(draw.uniform(1.0, 1.3), 3),
            "generation_seed": draw.randrange(4),
        }
        for _ in range(count)
    ]


def our_search(tuner: Tuner, workload: Workload, sets: Sequence[dict[str, Any]]) -> float:
    """Seconds of a search over all sets."""
    started = time.perf_counter()
    tuner.search(
        SearchSpace.default(max_new_tokens=workload.max_new_tokens),
        n_trials=len(sets),
        presets=[{**values, "max_new_tokens": workload.max_new_tokens} for values in sets],
        pruner="none",
        baselines=False,
        show_progress=False,
    )
    return time.perf_counter() - started


def make_tuner(loaded: Loaded, workload: Workload) -> Tuner:
    """A tuner with nothing prefilled yet."""
    return Tuner(
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        dataset=[{"prompt": prompt, "answer": ""} for prompt in workload.prompts],
        column_mapping={"input_cols": ["prompt"], "eval_cols": ["answer"]},
        prompt_template="{prompt}",
        scorer=lambda y_true, y_pred: [float(len(text)) for text in y_pred],  # noqa: ARG005
    )


def hf_trial(loaded: Loaded, workload: Workload, values: dict[str, Any], batch_size: int) -> float:
    """Seconds of one trial by ``model.generate``."""
    tokenizer: Any = loaded.tokenizer
    model: Any = loaded.model
    tokenizer.padding_side = "left"
    prompts = sorted(workload.prompts, key=lambda prompt: len(tokenizer(prompt)["input_ids"]))
    arguments = {name: value for name, value in values.items() if name != "generation_seed"}
    started = time.perf_counter()
    torch.manual_seed(values["generation_seed"])
    for start in range(0, len(prompts), batch_size):
        inputs = tokenizer(prompts[start : start + batch_size], padding=True, return_tensors="pt").to(model.device)
        ids = model.generate(**inputs, do_sample=True, max_new_tokens=workload.max_new_tokens, **arguments)
        tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return time.perf_counter() - started


def llmsearch_trials(
    python: str, work: Sequence[Workload], sets: Sequence[dict[str, Any]], batch_sizes: dict[str, int]
) -> dict[str, list[float]]:
    """Seconds of each trial by llmsearch, in its own environment."""
    job = {
        "model": str(demo_model_directory()),
        "threads": torch.get_num_threads(),
        "params": list(sets),
        "workloads": {
            one.name: {
                "prompts": one.prompts,
                "max_new_tokens": one.max_new_tokens,
                "batch_size": batch_sizes[one.name],
            }
            for one in work
        },
    }
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        peer = str(Path(__file__).with_name("llmsearch_peer.py"))
        done = subprocess.run([python, peer, str(path)], check=True, capture_output=True, text=True)  # noqa: S603
    seconds: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def mixing(loaded: Loaded, workload: Workload, sets: Sequence[dict[str, Any]]) -> dict[str, float]:
    """What it costs to mix four parameter sets in one batch, and how many tokens differ between companies."""
    encode: Any = loaded.tokenizer
    params = [GenerationParams.from_dict({**values, "max_new_tokens": 16}) for values in sets[:4]]
    by_set = [
        [
            Request(prompt=text, prompt_ids=tuple(encode(text)["input_ids"]), params=one, stopping=Stopping())
            for text in workload.prompts
        ]
        for one in params
    ]
    mixed = [
        [by_set[(row + shift) % len(params)][row] for row in range(len(workload.prompts))]
        for shift in range(len(params))
    ]
    engine = SlotEngine(Forward(loaded.model), loaded.tokenizer)

    def run(batches: list[list[Request]], using: SlotEngine = engine) -> tuple[float, dict[Request, Completion]]:
        started = time.perf_counter()
        found: dict[Request, Completion] = {}
        for batch in batches:
            found |= dict(zip(batch, using.generate(batch), strict=True))
        return time.perf_counter() - started, found

    _, expected = run(by_set)
    uniform_seconds, mixed_seconds, others = [], [], []
    for _ in range(5):
        for batches, seconds in ((by_set, uniform_seconds), (mixed, mixed_seconds)):
            taken, found = run(batches)
            seconds.append(taken)
            others.append(found)
    others.append(
        run([batch[::-1] for batch in mixed], SlotEngine(Forward(loaded.model), loaded.tokenizer, slots=16))[1]
    )
    return {
        "mixed_batch_cost": statistics.median(mixed_seconds) / statistics.median(uniform_seconds) - 1,
        "differing_tokens": sum(
            ours != theirs
            for found in others
            for request in expected
            for ours, theirs in zip(found[request].token_ids, expected[request].token_ids, strict=True)
        ),
    }


def peak_memory_gib() -> float:
    """The most memory that the process has held so far: on CUDA the device's, else its own."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def decode_step_over_weights(slots: int = 32, length: int = 512) -> float:
    """Seconds of a decode step of an 8B-shaped llama in bfloat16, over those of reading its weights once, on CUDA."""
    config = LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
    )
    with torch.device("cuda"):
        torch.set_default_dtype(torch.bfloat16)
        model = LlamaForCausalLM(config).eval()
        torch.set_default_dtype(torch.float32)
    forward = Forward(model)
    decoder = SlotDecoder(forward, prefill(forward, tuple(range(1, 65))).layers, slots, length)
    step = _cuda_seconds(lambda: decoder.step([1] * slots, [length - 1] * slots, length))
    source = torch.empty(2**32, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    # A copy reads and writes every byte.
    bytes_per_second = 2 * source.nbytes / _cuda_seconds(lambda: target.copy_(source))
    weights = sum(weight.nbytes for weight in model.parameters()) - model.get_input_embeddings().weight.nbytes
    return step / (weights / bytes_per_second)


def _cuda_seconds(action: Any) -> float:
    for _ in range(3):
        action()
    times = []
    for _ in range(20):
        torch.cuda.synchronize()
        started = time.perf_counter()
        action()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


class Timings:
    """Seconds per trial of one workload.

    Attributes:
        ours: One figure per search.
        hf: One per trial.
        llmsearch: One per trial; empty where it is not asked for.
        overheads: Of each search, over its bare forward passes.
        batch_size: What suits ``model.generate`` best.
    """

    def __init__(self, loaded: Loaded, clock: ForwardClock, workload: Workload, sets: Sequence[dict[str, Any]]) -> None:
        self.ours: list[float] = []
        self.hf: list[float] = []
        self.llmsearch: list[float] = []
        self.overheads: list[float] = []
        self.peak_memory_gib = 0.0
        self.batch_size = 0
        for repeat in range(REPEATS):
            tuner = make_tuner(loaded, workload)
            clock.seconds = 0.0
            seconds = our_search(tuner, workload, sets)
            self.overheads.append(seconds / clock.seconds)
            self.ours.append(seconds / len(sets))
            del tuner
            if repeat == 0:
                self.peak_memory_gib = peak_memory_gib()
                tries = {size: hf_trial(loaded, workload, sets[0], size) for size in BATCH_SIZES}
                self.batch_size = min(tries, key=lambda size: tries[size])
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
    """Prints the table and the figures."""
    table = Table("workload", "engine", "rows", "median s per trial", "least", "most")
    for name, times in timings.items():
        for engine, rows, seconds in (
            ("ours", 64, times.ours),
            ("hf", times.batch_size, times.hf),
            ("llmsearch", times.batch_size, times.llmsearch),
        ):
            if seconds:
                spread = (statistics.median(seconds), min(seconds), max(seconds))
                table.add_row(name, engine, str(rows), *(f"{value:.2f}" for value in spread))
    console = Console(width=100)
    console.print(table)
    for name, value in figures.items():
        console.print(f"{name:24} {value:.3f}")
    if not torch.cuda.is_available():
        console.print("CUDA: not measured, there is none here")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as one flat JSON object")
    parser.add_argument("--llmsearch", metavar="PYTHON", help="the Python of an environment with llmsearch 0.1.0")
    parser.add_argument("--workload", choices=["summarise", "short"], help="only this one")
    parser.add_argument("--trials", type=int, default=12, metavar="N", help="parameter sets, at least 3")
    options = parser.parse_args()
    torch.set_num_threads(min(2, torch.get_num_threads()))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    loaded = Loaded(**load_model(str(demo_model_directory()))._asdict())
    clock = ForwardClock(loaded.model)
    sets = random_sets(options.trials)
    work = [one for one in workloads() if options.workload in (None, one.name)]
    timings = {one.name: Timings(loaded, clock, one, sets) for one in work}
    if options.llmsearch is not None:
        batch_sizes = {name: times.batch_size for name, times in timings.items()}
        for name, seconds in llmsearch_trials(options.llmsearch, work, sets, batch_sizes).items():
            timings[name].llmsearch = seconds
    figures = figures_of(timings) | mixing(loaded, work[-1], sets)
    if torch.cuda.is_available():
        figures["decode_step_over_weights"] = decode_step_over_weights()
    show(timings, figures)
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
