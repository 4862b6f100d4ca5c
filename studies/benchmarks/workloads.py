"""What the benchmarks run: two workloads on the demo model, by this package and by its peers."""

import json
import platform
import pydoc_data.topics
import random
import resource
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import torch

from llmsearch_optuna import GenerationParams, SearchSpace, Tuner
from llmsearch_optuna.demo.model import demo_model_directory
from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.loading import LoadedModel, load_model

BATCH_SIZES = (8, 16, 32)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Prompts, and how much is generated for each; until one of the tokens, the model's own end token by default."""

    name: str
    prompts: list[str]
    max_new_tokens: int
    eos_token_ids: list[int] | None = None


class LlmsearchTrial(NamedTuple):
    """A trial of llmsearch.

    Attributes:
        seconds: Its wall time.
        texts: The completions, in the order of the prompts.
    """

    seconds: float
    texts: list[str]


def load_demo() -> LoadedModel:
    """The demo model; as quiet and with as many threads as every benchmark."""
    torch.set_num_threads(min(2, torch.get_num_threads()))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return load_model(str(demo_model_directory()))


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


def our_search(tuner: Tuner, workload: Workload, sets: Sequence[dict[str, Any]], storage: str | None = None) -> float:
    """Seconds of a search over all sets."""
    started = time.perf_counter()
    tuner.search(
        SearchSpace.default(max_new_tokens=workload.max_new_tokens),
        n_trials=len(sets),
        presets=[{**values, "max_new_tokens": workload.max_new_tokens} for values in sets],
        storage=storage,
        pruner="none",
        baselines=False,
        show_progress=False,
    )
    return time.perf_counter() - started


def requests_of(loaded: LoadedModel, workload: Workload, params: GenerationParams) -> list[Request]:
    """One request per prompt, without stop conditions."""
    encode: Any = loaded.tokenizer
    return [
        Request(prompt=text, prompt_ids=tuple(encode(text)["input_ids"]), params=params, stopping=Stopping())
        for text in workload.prompts
    ]


def make_tuner(workload: Workload, **backend: Any) -> Tuner:
    """A tuner with nothing prefilled yet; its model and how it generates are given as arguments of `Tuner`."""
    return Tuner(
        dataset=[{"prompt": prompt, "answer": "none"} for prompt in workload.prompts],
        column_mapping={"input_cols": ["prompt"], "eval_cols": ["answer"]},
        prompt_template="{prompt}",
        scorer=lambda y_true, y_pred: [float(len(text)) for text in y_pred],  # noqa: ARG005
        **backend,
    )


def hf_trial(loaded: LoadedModel, workload: Workload, values: dict[str, Any], batch_size: int) -> float:
    """Seconds of one trial by ``model.generate``, without the parameters that it does not know."""
    tokenizer: Any = loaded.tokenizer
    model: Any = loaded.model
    tokenizer.padding_side = "left"
    prompts = sorted(workload.prompts, key=lambda prompt: len(tokenizer(prompt)["input_ids"]))
    arguments = {"do_sample": True, **{name: values[name] for name in values if hasattr(model.generation_config, name)}}
    if workload.eos_token_ids is not None:
        arguments["eos_token_id"] = workload.eos_token_ids
    started = time.perf_counter()
    torch.manual_seed(values.get("generation_seed", 0))
    for start in range(0, len(prompts), batch_size):
        inputs = tokenizer(prompts[start : start + batch_size], padding=True, return_tensors="pt").to(model.device)
        ids = model.generate(**inputs, **{**arguments, "max_new_tokens": workload.max_new_tokens})
        tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return time.perf_counter() - started


def best_batch_size(loaded: LoadedModel, workload: Workload, values: dict[str, Any]) -> int:
    """What suits ``model.generate`` best."""
    tries = {size: hf_trial(loaded, workload, values, size) for size in BATCH_SIZES}
    return min(tries, key=lambda size: tries[size])


def llmsearch_trials(
    python: str, work: Sequence[Workload], sets: Sequence[dict[str, Any]], batch_sizes: dict[str, int]
) -> dict[str, list[LlmsearchTrial]]:
    """Evaluate trials by llmsearch, in its own environment."""
    job = {
        "model": str(demo_model_directory()),
        "threads": torch.get_num_threads(),
        "params": list(sets),
        "workloads": {
            workload.name: {
                "prompts": workload.prompts,
                "max_new_tokens": workload.max_new_tokens,
                "eos_token_ids": workload.eos_token_ids,
                "batch_size": batch_sizes[workload.name],
            }
            for workload in work
        },
    }
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        peer = str(Path(__file__).with_name("llmsearch_peer.py"))
        done = subprocess.run([python, peer, str(path)], check=True, capture_output=True, text=True)  # noqa: S603
    trials = json.loads(done.stdout.splitlines()[-1])
    return {name: [LlmsearchTrial(**trial) for trial in trials[name]] for name in trials}


def vllm_figures(python: str, trials: int, workload: str | None = None) -> dict[str, float]:
    """The figures of `in_vllm.py`, from an environment with vLLM and this package."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "figures.json"
        command = [python, "-m", "studies.benchmarks.in_vllm", "--json", str(path), "--trials", str(trials)]
        command += [] if workload is None else ["--workload", workload]
        subprocess.run(command, check=True, cwd=Path(__file__).parents[2])  # noqa: S603
        figures: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return figures


def peak_memory_gib() -> float:
    """The most memory that the process has held so far: on CUDA the device's, else its own."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
