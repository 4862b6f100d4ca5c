"""The slot engine on a CUDA device: what must hold, then what it costs. Under 8 minutes on one GPU.

Usage: python -m studies.benchmarks.gpu [--json FILE] [--budget SECONDS] [--only TEXT] [--small]

Every section begins only if the time that it needs is left. A check that fails, or a section that raises, does not stop
the others; the exit status is the number of failed checks. ``--small`` takes tiny models everywhere, to rehearse all
sections, also on simulated devices, where the times mean nothing.
"""

import dataclasses
import gc
import importlib.util
import itertools
import random
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from llmsearch_optuna import GenerationParams
from llmsearch_optuna.engine.base import Completion, Request, Stopping
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.probes import probe_slots
from llmsearch_optuna.engine.running_completion import RunningCompletion
from llmsearch_optuna.engine.sampling import summarise
from llmsearch_optuna.engine.slots.decoder import SlotDecoder
from llmsearch_optuna.engine.slots.device_steps import DeviceSteps
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.slots.prefill import prefill
from llmsearch_optuna.engine.slots.steps import DRAWN, StepRow
from llmsearch_optuna.engine.slots.summary_table import SummaryTable
from studies.benchmarks.command_line import make_parser, write_figures
from studies.benchmarks.workloads import vllm_figures

PARAMS = (
    GenerationParams(max_new_tokens=12),
    GenerationParams(temperature=1.0, max_new_tokens=14, generation_seed=3),
    GenerationParams(temperature=0.8, top_p=0.9, tfs=0.95, top_a=0.2, max_new_tokens=13),
    GenerationParams(temperature=1.2, top_k=20, typical_p=0.9, max_new_tokens=12),
    GenerationParams(repetition_penalty=1.3, no_repeat_ngram_size=2, max_new_tokens=14),
    GenerationParams(temperature=1.3, mirostat_tau=2.5, mirostat_eta=0.4, max_new_tokens=12),
    GenerationParams(temperature=1.5, top_n_sigma=1.2, top_h=0.8, max_new_tokens=12),
    GenerationParams(temperature=1.0, min_p=0.05, encoder_repetition_penalty=1.2, max_new_tokens=11),
)
TOP_P = (GenerationParams(temperature=0.8, top_p=0.9),)

_TOKENS = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 0}
_TINY = {
    **_TOKENS,
    "vocab_size": 400,
    "hidden_size": 64,
    "intermediate_size": 96,
    "max_position_embeddings": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.5,
}
FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "llama": _TINY,
    "qwen3": {**_TINY, "head_dim": 16},
    "mistral": {**_TINY, "sliding_window": 8},
    "gpt2": {**_TOKENS, "vocab_size": 400, "n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 512},
    "mixtral": {**_TINY, "num_local_experts": 4},
}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A llama with random weights, in bfloat16, and what is measured on it.

    Attributes:
        name: As in the figures.
        sizes: Of its config.
        slots: The numbers of slots.
        length: Positions per slot.
        new_tokens: Tokens of each completion of a whole pass.
    """

    name: str
    sizes: Mapping[str, int]
    slots: Sequence[int]
    length: int
    new_tokens: int


SHAPES = (
    Shape(
        name="0.5B",
        sizes={
            "vocab_size": 151_936,
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "max_position_embeddings": 8192,
        },
        slots=(32, 64, 256),
        length=512,
        new_tokens=48,
    ),
    Shape(
        name="8B",
        sizes={
            "vocab_size": 128_256,
            "hidden_size": 4096,
            "intermediate_size": 14_336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": 8192,
        },
        slots=(32, 64, 256),
        length=512,
        new_tokens=48,
    ),
)
SMALL = (
    Shape(
        name="small",
        sizes={
            "vocab_size": 1000,
            "hidden_size": 64,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
        },
        slots=(8,),
        length=64,
        new_tokens=4,
    ),
)


@dataclass(kw_only=True)
class Bench:
    """What is measured, and for how long.

    Attributes:
        device: The first CUDA device.
        small: Whether everything is tiny.
        budget: Seconds for all sections.
        only: A part of the names of the sections to run.
        figures: What was found, by name.
        failed: The checks that failed.
    """

    device: torch.device
    small: bool
    budget: float
    only: str
    figures: dict[str, object] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def check(self, name: str, holds: bool, note: str = "") -> None:
        """Note whether something holds that must."""
        print(f"{'PASS' if holds else 'FAIL'}  {name}  {note}", flush=True)
        self.figures[name] = holds
        if not holds:
            self.failed.append(name)

    def figure(self, name: str, value: object) -> None:
        """Note a figure."""
        print(f"   =  {name}: {f'{value:.4g}' if isinstance(value, float) else value}", flush=True)
        self.figures[name] = value

    def run(self, name: str, needed_s: float, section: Callable[["Bench"], None]) -> None:
        """Run a section, if there is time for it."""
        left = self.budget - (time.monotonic() - self.began)
        if self.only not in name:
            return
        print(f"--- {name} ({left:.0f} s left)", flush=True)
        if left < needed_s:
            self.figure(f"{name}: skipped", True)
            return
        try:
            section(self)
        except Exception:  # noqa: BLE001  # one section must not stop the others
            traceback.print_exc()
            self.check(f"{name}: runs to its end", False)
        gc.collect()
        torch.cuda.empty_cache()


def tiny(family: str, dtype: torch.dtype, device: torch.device | str) -> Any:
    """A tiny model with random weights, the same on every device."""
    torch.manual_seed(0)
    auto: Any = AutoModelForCausalLM
    model = auto.from_config(AutoConfig.for_model(family, **FAMILIES[family])).eval()
    torch.nn.Module.to(model, device)
    return model.to(dtype)


def word_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of 400 words."""
    make: Any = PreTrainedTokenizerFast
    words = {f"w{number}": number for number in range(400)}
    backend = Tokenizer(models.WordLevel(words, unk_token="w0"))  # noqa: S106  # a word
    tokenizer: PreTrainedTokenizerFast = make(tokenizer_object=backend, eos_token="w2", pad_token="w0")  # noqa: S106
    return tokenizer


def tiny_engine(device: torch.device | str, **options: Any) -> SlotEngine:
    """An engine with a tiny Llama in float32."""
    return SlotEngine(ModelRunner(tiny("llama", torch.float32, device)), word_tokenizer(), slots=16, **options)


def tiny_requests(params: Sequence[GenerationParams] = PARAMS) -> list[Request]:
    """Three prompts, each with every set of parameters."""
    draws = random.Random(0)  # noqa: S311
    prompts = [tuple(draws.randrange(3, 400) for _ in range(length)) for length in (5, 9, 30)]
    stopping = Stopping(eos_token_ids=(2,))
    return [
        Request(prompt="", prompt_ids=prompt, params=row, stopping=stopping)
        for prompt, row in itertools.product(prompts, params)
    ]


def tokens(completions: Sequence[Completion]) -> list[tuple[int, ...]]:
    """The token ids of completions."""
    return [completion.token_ids for completion in completions]


def differing(first: Sequence[Completion], second: Sequence[Completion]) -> int:
    """The number of completions with other tokens."""
    return sum(ids != other_ids for ids, other_ids in zip(tokens(first), tokens(second), strict=True))


def has_graphs(engine: SlotEngine) -> bool:
    """Whether the steps of an engine are graphs."""
    steps = engine._scheduler._steps  # noqa: SLF001
    return isinstance(steps, DeviceSteps) and steps.has_graphs


def seconds(action: Callable[[], object], repeats: int = 10) -> float:
    """The median time of an action, after two for warming up."""
    times = []
    for _ in range(repeats + 2):
        torch.cuda.synchronize()
        began = time.perf_counter()
        action()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times[2:])


def environment(bench: Bench) -> None:
    """Versions and hardware."""
    bench.figure("torch", torch.__version__)
    bench.figure("transformers", transformers.__version__)
    bench.figure("device", torch.cuda.get_device_name(bench.device))
    bench.figure("devices", torch.cuda.device_count())
    bench.figure("free GiB", torch.cuda.mem_get_info(bench.device)[0] / 2**30)


def same_tokens(bench: Bench) -> None:
    """Tiny models: the tokens of plain generate, of the CPU, of replay, and of rows alone."""
    tokenizer = word_tokenizer()
    families = ["llama"] if bench.small else list(FAMILIES)
    dtypes = [torch.float32] if bench.small else [torch.float32, torch.bfloat16]
    for family, dtype in itertools.product(families, dtypes):
        label = f"{family} {str(dtype)[6:]}"
        model = tiny(family, dtype, bench.device)
        passed, reason = probe_slots(ModelRunner(model))
        bench.check(f"{label}: probe", passed, reason)
        requests = tiny_requests()
        engine = SlotEngine(ModelRunner(model), tokenizer, slots=16, replay_bytes=2**26)
        ours = engine.generate(requests)
        bench.check(f"{label}: steps are graphs", has_graphs(engine))
        bench.check(f"{label}: replay gives the same", tokens(engine.generate(requests[::-1])) == tokens(ours[::-1]))
        alone = SlotEngine(ModelRunner(model), tokenizer, slots=16, replay_bytes=0)
        shapes = engine._scheduler._shapes  # noqa: SLF001
        is_same = all(alone.generate([request])[0] == other for request, other in zip(requests[:4], ours, strict=False))
        bench.figure(f"{label}: independent of company, as measured", bool(shapes and shapes.independent))
        bench.check(f"{label}: alone as together", is_same or not (shapes and shapes.independent))
        plain = differing(GenerateEngine(model, tokenizer, batch_size=8).generate(requests), ours)
        bench.figure(f"{label}: completions that differ from plain generate", plain)
        if dtype == torch.float32:
            on_cpu = SlotEngine(ModelRunner(tiny(family, dtype, "cpu")), tokenizer, slots=16, replay_bytes=0)
            bench.check(f"{label}: as plain generate", plain <= 1)  # one near tie may part them
            bench.check(f"{label}: as on the CPU", differing(on_cpu.generate(requests), ours) <= 1)


def second_device(bench: Bench) -> None:
    """A model on another device than the current one."""
    if torch.cuda.device_count() < 2:
        bench.figure("second device", "there is none")
        return
    requests = tiny_requests()
    engines = [tiny_engine(device) for device in ("cuda:1", "cpu")]
    ours, expected = (engine.generate(requests) for engine in engines)
    bench.check("second device: as on the CPU", differing(expected, ours) <= 1)
    bench.check("second device: steps are graphs", has_graphs(engines[0]))


def growth(bench: Bench) -> None:
    """Pages and lengths grow under captured graphs."""
    long = 24 if bench.small else 110
    requests = tiny_requests([dataclasses.replace(params, max_new_tokens=long) for params in PARAMS])
    requests = requests[:6] if bench.small else requests
    engine = tiny_engine(bench.device, replay_bytes=2**28)
    half = len(requests) // 2
    ours = engine.generate(requests[:half]) + engine.generate(requests[half:])
    bench.check("growth: steps are still graphs", has_graphs(engine))
    expected = tiny_engine("cpu", replay_bytes=0).generate(requests)
    bench.check("growth: as on the CPU", differing(expected, ours) <= 1)


def failures(bench: Bench) -> None:
    """A step that cannot be captured, then memory that runs out: both leave the process whole."""
    requests = tiny_requests()
    expected = tiny_engine("cpu").generate(requests)
    model = tiny("llama", torch.float32, bench.device)

    def wait(_module: torch.nn.Module, _args: object, kwargs: dict[str, Any]) -> None:
        kwargs["input_ids"].sum().item()

    handle = torch.nn.Module.register_forward_pre_hook(model, wait, with_kwargs=True)
    engine = SlotEngine(ModelRunner(model), word_tokenizer(), slots=16)
    stream = torch.cuda.current_stream()
    bench.check("a step that waits: as on the CPU", differing(expected, engine.generate(requests)) <= 1)
    bench.check("a step that waits: is not captured", not has_graphs(engine))
    bench.check("a step that waits: the stream is the former one", torch.cuda.current_stream() == stream)
    handle.remove()

    def want(_module: torch.nn.Module, _args: object, kwargs: dict[str, Any]) -> None:
        if len(kwargs["input_ids"]) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory, as this benchmark pretends")

    torch.nn.Module.register_forward_pre_hook(model, want, with_kwargs=True)
    engine = SlotEngine(ModelRunner(model), word_tokenizer(), slots=16)
    bench.check("out of memory: as on the CPU", differing(expected, engine.generate(requests)) <= 1)
    bench.check("out of memory: 8 slots are left", engine.slots == 8)
    bench.check("out of memory: steps are graphs", has_graphs(engine))


def shaped(shape: Shape, device: torch.device) -> Any:
    """A llama of a shape with random weights, made on the device."""
    torch.manual_seed(0)
    auto: Any = AutoModelForCausalLM
    config = AutoConfig.for_model("llama", **{**_TOKENS, **shape.sizes})
    if shape.sizes["hidden_size"] < 128:
        model = auto.from_config(config)
        torch.nn.Module.to(model, device)
        return model.to(torch.bfloat16).eval()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            return auto.from_config(config).eval()
    finally:
        torch.set_default_dtype(torch.float32)


def copied_per_second(size: int, device: torch.device) -> float:
    """Bytes that are read and written per second by a copy of `size` bytes."""
    source = torch.empty(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / seconds(lambda: target.copy_(source))


def steps_of(bench: Bench, shape: Shape, model: Any) -> None:
    """Milliseconds of a step and its parts, beside the time to read the weights once."""
    runner = ModelRunner(model)
    weights = sum(weight.nbytes for weight in model.parameters()) - model.get_input_embeddings().weight.nbytes
    bandwidth = copied_per_second(2**20 if bench.small else 2**32, bench.device)
    bench.figure(f"{shape.name}: copy, TB/s", bandwidth / 1e12)
    bench.figure(f"{shape.name}: weights read once, ms", 1e3 * weights / bandwidth)
    for length in (8, 9) if bench.small else (64, 65, 300):
        began = time.perf_counter()
        prefill(runner, tuple(range(5, 5 + length)))
        torch.cuda.synchronize()
        bench.figure(f"{shape.name}: first prefill of {length}, ms", 1e3 * (time.perf_counter() - began))
    prompt = prefill(runner, tuple(range(5, 13 if bench.small else 69)))
    for slots in shape.slots:
        label = f"{shape.name}, {slots} slots of {shape.length}"
        decoder = SlotDecoder(runner, prompt.layers, slots, shape.length)
        arguments = ([1] * slots, [shape.length - 1] * slots, shape.length)
        plain = decoder.step(*arguments)
        bench.figure(f"{label}: forward pass without a graph, ms", 1e3 * seconds(lambda: decoder.step(*arguments), 5))  # noqa: B023
        bench.figure(f"{label}: summarise, ms", 1e3 * seconds(lambda: summarise(plain)))  # noqa: B023
        for name, params in (("greedy", PARAMS[:1]), ("top_p", TOP_P), ("mixed", PARAMS)):
            vocabulary = len(prompt.logits)
            steps = DeviceSteps(decoder, SummaryTable(slots, bench.device), vocabulary)
            first = {slot: StepRow(1, shape.length - 1) for slot in range(slots)}
            began = time.perf_counter()
            steps.launch(first, slots, shape.length)
            logits = steps.collect().logits
            bench.figure(f"{label}: first step {name}, with its capture, s", time.perf_counter() - began)
            bench.check(f"{label}: {name} is a graph", steps.has_graphs)
            bench.check(f"{label}: {name} gives the bits of a plain step", torch.equal(logits, plain))
            leads = [
                RunningCompletion(
                    Request(prompt="", prompt_ids=(5, 6), params=params[slot % len(params)], stopping=Stopping()),
                    word_tokenizer(),
                )
                for slot in range(slots)
            ]
            admitted = {slot: row._replace(lead=leads[slot]) for slot, row in first.items()}
            continued = {slot: row._replace(token=DRAWN) for slot, row in admitted.items()}
            steps.launch(admitted, slots, shape.length)

            def step(steps: DeviceSteps = steps, rows: Mapping[int, StepRow] = continued) -> None:
                steps.launch(rows, len(rows), shape.length)
                steps.collect()

            bench.figure(f"{label}: step and draw {name}, ms", 1e3 * seconds(step))


def batch_of(
    shape: Shape, prompts: Sequence[tuple[int, ...]], params: Sequence[GenerationParams], rows: int, *, seed: int
) -> list[Request]:
    """A request for each row, with a generation seed of its own."""
    return [
        Request(
            prompt="",
            prompt_ids=prompts[row % len(prompts)],
            params=dataclasses.replace(
                params[row % len(params)], max_new_tokens=shape.new_tokens, generation_seed=seed * 1000 + row
            ),
            stopping=Stopping(),
        )
        for row in range(rows)
    ]


def passes_of(bench: Bench, shape: Shape, model: Any) -> None:
    """Tokens per second of whole passes: computed, replayed, and by ``model.generate``."""
    vocabulary = shape.sizes["vocab_size"]
    tokenizer = word_tokenizer()
    draws = random.Random(0)  # noqa: S311
    length = 5 if bench.small else 100
    prompts = [tuple(draws.randrange(5, vocabulary) for _ in range(length)) for _ in range(16)]
    for slots in shape.slots:
        replay_bytes = 2**22 if bench.small else 2**31
        engine = SlotEngine(ModelRunner(model), tokenizer, slots=slots, replay_bytes=replay_bytes)
        for name, params in (("top_p", TOP_P), ("mixed", PARAMS)):
            engine.generate(batch_of(shape, prompts, params, slots, seed=0))  # prompts, shapes, graphs
            label = f"{shape.name}, {slots} slots, {name}"
            for kind in ("computed", "replayed"):
                torch.cuda.synchronize()
                began = time.perf_counter()
                engine.generate(batch_of(shape, prompts, params, slots, seed=1))
                torch.cuda.synchronize()
                rate = slots * shape.new_tokens / (time.perf_counter() - began)
                bench.figure(f"{label}: {kind} tokens/s", rate)
        if not bench.small:
            continuous_batching(bench, shape, model, prompts, slots)
        plain = GenerateEngine(model, tokenizer, batch_size=slots)
        began = time.perf_counter()
        plain.generate(batch_of(shape, prompts, TOP_P, slots, seed=2))
        bench.figure(
            f"{shape.name}, {slots} rows, top_p: model.generate tokens/s",
            slots * shape.new_tokens / (time.perf_counter() - began),
        )


def continuous_batching(bench: Bench, shape: Shape, model: Any, prompts: Sequence[tuple[int, ...]], rows: int) -> None:
    """Tokens per second of transformers' continuous batching, which changes with its versions and may not run."""
    label = f"{shape.name}, {rows} rows, top_p: continuous batching tokens/s"
    make_config: Any = transformers.GenerationConfig
    config = make_config(
        max_new_tokens=shape.new_tokens, do_sample=True, temperature=0.8, top_p=0.9, eos_token_id=-1, pad_token_id=0
    )
    inputs = [list(prompts[row % len(prompts)]) for row in range(rows)]
    try:
        began = time.perf_counter()
        answers = model.generate_batch(inputs=inputs, generation_config=config)
        taken = time.perf_counter() - began
        bench.figure(label, sum(len(answer.generated_tokens) for answer in answers.values()) / taken)
    except Exception as error:  # noqa: BLE001  # a peer must not fail the benchmark
        bench.figure(label, f"not measured: {type(error).__name__}: {error}"[:200])


def in_vllm(bench: Bench) -> None:
    """The demo model in vLLM, with our draw and with its own; see `in_vllm.py`."""
    if importlib.util.find_spec("vllm") is None:
        bench.figure("vllm: not installed here", True)
        return
    for name, value in vllm_figures(sys.executable, trials=4).items():
        bench.figure(f"vllm: {name}", value)


def run(bench: Bench) -> None:
    """Run all sections, the checks first."""
    bench.run("environment", 0, environment)
    bench.run("same tokens", 60, same_tokens)
    bench.run("second device", 20, second_device)
    bench.run("growth", 30, growth)
    bench.run("failures", 30, failures)
    for shape in SMALL if bench.small else SHAPES:

        def measure(bench: Bench, shape: Shape = shape) -> None:
            model = shaped(shape, bench.device)
            steps_of(bench, shape, model)
            passes_of(bench, shape, model)

        bench.run(f"{shape.name} model", 100, measure)
    bench.run("vLLM", 120, in_vllm)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, and return the number of failed checks."""
    parser = make_parser(__doc__)
    parser.add_argument("--budget", type=float, default=450.0, metavar="SECONDS", help="for all sections")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the sections whose names contain this")
    parser.add_argument("--small", action="store_true", help="tiny models everywhere: a rehearsal")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("CUDA: not measured, there is none here")
        return 0
    bench = Bench(device=torch.device("cuda", 0), small=options.small, budget=options.budget, only=options.only)
    run(bench)
    print(f"{len(bench.failed)} failed: {', '.join(bench.failed) or 'none'}")
    write_figures(options.json, bench.figures)
    return len(bench.failed)


if __name__ == "__main__":
    sys.exit(main())
