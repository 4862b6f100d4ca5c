"""A search with its verdict on a tiny model, in a process of its own, until it ends or is killed."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

# Before the model libraries are loaded: a forked process has none of its parent's threads.
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import sqlalchemy as sa
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from llmsearch_optuna import Categorical, Float, Int, SearchSpace, Tuner
from llmsearch_optuna.engine.base import Completion, Engine, Request, TokenCallback
from llmsearch_optuna.engine.loading import LoadedModel

__all__ = ["SAMPLERS", "Case", "Death", "Life", "live", "replace_engine", "tiny"]

TRIALS = 10
# So few start-up trials that most are proposed by what the study has learnt.
SAMPLERS: Mapping[str, Mapping[str, Any]] = {
    "tpe": {"n_startup_trials": 3},
    "gp": {"n_startup_trials": 3},
    "cmaes": {"n_startup_trials": 3},
    "random": {},
}
ROWS = [{"question": f"How many apples are {number}?", "answer": str(number)} for number in range(28)]
SPACE = SearchSpace(
    temperature=Float(0.3, 2.0), top_k=Int(1, 50, log=True), generation_seed=Categorical([0, 1]), max_new_tokens=4
)


_WRITES = re.compile(r"\s*(?:INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE)\s+\"?(?P<table>\w+)")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A study."""

    sampler: str
    concurrency: int
    seed: int


class Death(NamedTuple):
    """When a process is killed.

    Attributes:
        after_s: The number of seconds after its start; None if a write decides.
        table: The table of that write, which may be the one that makes the table.
        write: The number of the write to this table, from 1; 0 if no write decides.
        executed: Whether the statement is executed first. Its transaction is then still open.
    """

    after_s: float | None = None
    table: str = ""
    write: int = 0
    executed: bool = False


class Life(NamedTuple):
    """What one process did.

    Attributes:
        finished: Whether it came to its end; else it was killed.
        batches: How many completions each of its calls asked the engine for.
        writes: How many SQL statements wrote, by table; only of those that finished.
        seconds: How long it lived.
    """

    finished: bool
    batches: list[int]
    writes: dict[str, int]
    seconds: float


def tiny() -> LoadedModel:
    """A random Llama and a tokenizer of bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(("<end>", *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast: Any = PreTrainedTokenizerFast
    torch.manual_seed(0)
    config: Any = LlamaConfig
    model: Any = LlamaForCausalLM(
        config(
            vocab_size=len(vocabulary),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
            initializer_range=0.5,
            bos_token_id=0,
            eos_token_id=0,
            pad_token_id=0,
        )
    )
    return LoadedModel(model.eval(), fast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>"))  # noqa: S106


def replace_engine(tuner: Tuner, engine: Engine) -> None:
    """Let a tuner generate with another engine."""
    tuner._backend = dataclasses.replace(tuner._backend, engine=engine)  # noqa: SLF001
    tuner._evaluator = dataclasses.replace(tuner._evaluator, engine=engine)  # noqa: SLF001


def scorer(references: list[dict[str, str]], predictions: list[str]) -> list[float]:  # noqa: ARG001
    """The share of letters."""
    return [
        sum(character.isascii() and character.isalpha() for character in text) / max(1, len(text))
        for text in predictions
    ]


@dataclass(frozen=True)
class CountedEngine:
    """Note in a file how many completions each call asks for, before it generates them."""

    engine: Engine
    file: int

    def generate(
        self,
        requests: Sequence[Request],
        on_tokens: TokenCallback | None = None,
        upcoming: Sequence[Request] = (),
    ) -> list[Completion]:
        """See `Engine.generate`."""
        os.write(self.file, f"{len(requests)}\n".encode())
        return self.engine.generate(requests, on_tokens, upcoming)


@contextlib.contextmanager
def counted_writes(death: Death) -> Iterator[Counter[str]]:
    """Count the SQL statements that write, by table, and kill this process at the one that `death` names."""
    counts: Counter[str] = Counter()

    def before(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if write := _WRITES.match(statement):
            counts[write["table"]] += 1
            die_at(executed=False)

    def after(*_: object) -> None:
        die_at(executed=True)

    def die_at(*, executed: bool) -> None:
        if death.executed == executed and death.write and counts[death.table] == death.write:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    sa.event.listen(sa.Engine, "after_cursor_execute", after)
    try:
        yield counts
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", before)
        sa.event.remove(sa.Engine, "after_cursor_execute", after)


def run(loaded: LoadedModel, case: Case, path: Path, file: int) -> None:
    """The search and its verdict."""
    tuner = Tuner(
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        dataset=ROWS,
        scorer=scorer,
        prompt_template="{question}",
        column_mapping={"input_cols": ["question"], "eval_cols": ["answer"]},
        holdout_size=12,
        batch_size=8,  # so that the verdict takes several batches
        score_range=(0.0, 1.0),
        replay_bytes=2**24,
        seed=case.seed,
    )
    engine = tuner._backend.engine  # noqa: SLF001 - where every request passes
    replace_engine(tuner, CountedEngine(engine, file))
    study = tuner.search(
        SPACE,
        n_trials=TRIALS,
        storage=f"sqlite:///{path}",
        sampler=case.sampler,
        sampler_args=SAMPLERS[case.sampler],
        concurrency=case.concurrency,
        pruner_args={"alpha": 0.3},  # prunes half of them on so few samples
        rungs=2,
        show_progress=False,
    )
    tuner.confirm(study, seeds=2, show_progress=False)


def live(loaded: LoadedModel, case: Case, path: Path, death: Death) -> Life:
    """Run a study in a new process until it ends or is killed."""
    log = path.with_suffix(".log")
    log.write_bytes(b"")
    started = time.monotonic()
    process = os.fork()
    if process == 0:
        try:
            with counted_writes(death) as writes:
                file = os.open(log, os.O_WRONLY | os.O_APPEND)
                run(loaded, case, path, file)
            os.write(file, f"{json.dumps(writes)}\n".encode())
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a forked process must never go on into what its parent does next
            traceback.print_exc()
            os._exit(1)
    status = _wait(process, None if death.after_s is None else started + death.after_s)
    seconds = time.monotonic() - started
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit(f"the search failed: {case}, {death}, {path}")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    writes = lines.pop() if lines and isinstance(lines[-1], dict) else {}  # its last word, even if it was killed then
    return Life(bool(writes), lines, writes, seconds)


def _wait(process: int, deadline: float | None) -> int:
    """Wait for a process to end, and kill it at the deadline."""
    while deadline is not None and time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.001)
    if deadline is not None:
        os.kill(process, signal.SIGKILL)
    return os.waitpid(process, 0)[1]
