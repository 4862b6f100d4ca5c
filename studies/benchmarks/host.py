"""The CPU time of the host per token, beside a device that draws and takes no time.

Usage: python -m studies.benchmarks.host [--json FILE] [--tokens N]

The slot engine runs as on a CUDA device, but the steps are not computed: each has random tokens at once. What is left
is the work of the host for every token: stop conditions, completions, prefix tree, slots and the launch of the next
step, without scorer and database. Nothing is replayed. Prompts are prefilled once; their first tokens are drawn by the
host, and count. Runs on any machine, with one thread.
"""

import random
import statistics
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from llmsearch_optuna import GenerationParams
from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.slots.prefill import Prefill, PromptCache
from llmsearch_optuna.engine.slots.steps import StepResult, StepRow
from studies.benchmarks.command_line import make_parser, write_figures
from studies.benchmarks.gpu import tiny, word_tokenizer

VOCABULARY = 400
PROMPT = 300
REPEATS = 3


class TimelessSteps:
    """Steps of a device that draws random tokens at once; see `Steps`.

    Attributes:
        seconds: The time that making up the results has taken, which is not the host's.
    """

    lag = 1

    def __init__(self) -> None:
        self.seconds = 0.0
        self._launched: deque[list[int]] = deque()
        self._generator = torch.Generator().manual_seed(0)

    def launch(self, rows: Mapping[int, StepRow], width: int, length: int) -> None:  # noqa: ARG002
        """Remember the slots of a step."""
        self._launched.append(list(rows))

    def collect(self) -> StepResult:
        """Make up the result of the earliest step."""
        began = time.process_time()
        slots = self._launched.popleft()
        rows = len(slots)
        tokens = torch.randint(5, VOCABULARY, (rows,), generator=self._generator).tolist()
        self.seconds += time.process_time() - began
        return StepResult(slots, torch.empty(0), tokens=tokens, surprises=[0.0] * rows)

    def discard(self) -> None:
        """Forget all steps."""
        self._launched.clear()


class OnePrompt(PromptCache):
    """A cache that prefills one prompt, in the place of all others."""

    def get(self, prompt_ids: tuple[int, ...]) -> Prefill:
        """Return the prefill of a prompt of the same length."""
        return super().get((5,) * len(prompt_ids))

    def keeps(self, prompt_ids: tuple[int, ...]) -> bool:  # noqa: ARG002
        """Return true: the prompt is in the cache."""
        return True


def microseconds_per_token(slots: int, tokens: int, strings: Sequence[str]) -> float:
    """The host's time per token, in microseconds; the median of several passes over other prompts."""
    runner = ModelRunner(tiny("llama", torch.float32, "cpu"))
    runner.has_fixed_width = True  # as on CUDA
    steps = TimelessSteps()
    engine = SlotEngine(runner, word_tokenizer(), slots=slots, prompts=OnePrompt(runner), replay_bytes=2**30)
    scheduler: Any = engine._scheduler  # noqa: SLF001

    def ready_steps() -> TimelessSteps:
        scheduler._ready_decoder()  # noqa: SLF001
        return steps

    scheduler._ready_steps = ready_steps  # noqa: SLF001
    draws = random.Random(0)  # noqa: S311

    def requests() -> list[Request]:
        return [
            Request(
                prompt="",
                prompt_ids=tuple(draws.randrange(5, VOCABULARY) for _ in range(PROMPT)),
                params=GenerationParams(temperature=0.8, top_p=0.9, max_new_tokens=tokens),
                stopping=Stopping(eos_token_ids=(2,), strings=tuple(strings)),
            )
            for _ in range(slots)
        ]

    engine.generate(requests())
    times = []
    for _ in range(REPEATS):
        batch = requests()
        made_up, began = steps.seconds, time.process_time()
        completions = engine.generate(batch)
        seconds = time.process_time() - began - (steps.seconds - made_up)
        times.append(1e6 * seconds / sum(len(completion.token_ids) for completion in completions))
    return statistics.median(times)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--tokens", type=int, default=100, metavar="N", help="tokens per completion")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    figures = {}
    for slots in (64, 256):
        for label, strings in (("", ()), (", two stop strings", ("w7 w7", "w8 w8"))):
            name = f"{slots} slots{label}: host, us per token"
            figures[name] = microseconds_per_token(slots, options.tokens, strings)
            print(f"{name}: {figures[name]:.1f}")
    write_figures(options.json, figures)


if __name__ == "__main__":
    main()
