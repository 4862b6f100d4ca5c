"""Kills searches with SIGKILL at random moments, takes them up again, and compares them with uninterrupted ones.

Usage: python studies/benchmarks/kill.py [--kills N] [--seed N] [--model {tiny,demo}] [--json FILE]

Every life of a search is a process of its own, on an SQLite file: search with pruning, then verdict. A study is killed
six times, if it does not end before: five times either at a random time, or just before or just after a random SQL
statement that writes to a random table, from the one that makes the first on; and once while the verdict is made. The
five come within a quarter of the time, or of the writes, of a whole run: so lives get on, and kills hit all of it. Then
it is finished, and its database compared row by row with that of the same study, uninterrupted. The next study has
another sampler, concurrency or seed.

Printed are the rows that one of the two databases lacks (`rows_lost`), those with other values (`rows_differing`), and
the completions that were generated anew after a kill and had not been in the batch that it hit (`lost_beyond_a_batch`).
"""

import argparse
import contextlib
import dataclasses
import itertools
import json
import os
import random
import re
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

# Before the model libraries are loaded: a forked process has none of its parent's threads.
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import optuna
import sqlalchemy as sa
import torch
from contents import compare, count_rows, read_contents
from rich.console import Console
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from llmsearch_optuna import Categorical, Float, Int, SearchSpace, Tuner
from llmsearch_optuna.demo.model import demo_model_directory
from llmsearch_optuna.engine import Completion, Engine, Request
from llmsearch_optuna.engine.base import TokenCallback
from llmsearch_optuna.engine.model import LoadedModel, load_model

KILLS_PER_STUDY = 6
TRIALS = 10
FEW_WRITES = 5
_WRITES = re.compile(r"\s*(?:INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE)\s+\"?(?P<table>\w+)")
PHASES = ("start", "search", "verdict")
GENERATED = ("llmsearch_completions", "llmsearch_held_out")
# So few start-up trials that most are proposed by what the study has learnt.
SAMPLERS: Mapping[str, Mapping[str, Any]] = {
    "tpe": {"n_startup_trials": 3},
    "gp": {"n_startup_trials": 3},
    "cmaes": {"n_startup_trials": 3},
    "random": {},
}
CONCURRENCIES = (3, 1)

ROWS = [{"question": f"How many apples are {number}?", "answer": str(number)} for number in range(28)]
SPACE = SearchSpace(
    temperature=Float(0.3, 2.0), top_k=Int(1, 50, log=True), generation_seed=Categorical([0, 1]), max_new_tokens=4
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A study."""

    sampler: str
    concurrency: int
    seed: int


class Death(NamedTuple):
    """When a process is killed.

    Attributes:
        after_s: So many seconds after its start.
        table: At a write to this table, the making of it included,
        write: the n-th, from 1.
        executed: Whether that statement is executed first (its transaction is still open).
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


class Outcome(NamedTuple):
    """What came of a study that was killed, finished and compared.

    Attributes:
        kills: How often it was killed, by what was on: the start, the search or the verdict.
        pruned: How many of the uninterrupted study's trials were pruned.
        lost: Rows that only one of the databases has.
        differing: Rows with other values.
        rows: Rows of the uninterrupted study.
        generated: Completions that the engine was asked for.
        stored: Completions that are stored.
        beyond_a_batch: Completions that were generated again and had not been in the batch that a kill hit.
    """

    kills: Counter[str]
    pruned: int
    lost: list[tuple[object, ...]]
    differing: list[tuple[object, ...]]
    rows: int
    generated: int
    stored: int
    beyond_a_batch: int


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


def scorer(references: list[dict[str, str]], predictions: list[str]) -> list[float]:  # noqa: ARG001
    """The share of letters."""
    return [sum(one.isascii() and one.isalpha() for one in text) / max(1, len(text)) for text in predictions]


@dataclass(frozen=True)
class CountedEngine:
    """Notes in a file how many completions each call asks for, before it generates them."""

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
    """Counts the SQL statements that write, by table, and kills this process at the one that `death` names."""
    counts: Counter[str] = Counter()

    def before(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if found := _WRITES.match(statement):
            counts[found["table"]] += 1
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
    backend = tuner._backend  # noqa: SLF001 - where every request passes
    tuner._backend = dataclasses.replace(backend, engine=CountedEngine(backend.engine, file))  # noqa: SLF001
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
    """Runs a study in a process of its own until it ends or is killed."""
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
    """Waits for a process to end, and kills it at the deadline."""
    while deadline is not None and time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.001)
    if deadline is not None:
        os.kill(process, signal.SIGKILL)
    return os.waitpid(process, 0)[1]


def killed_study(loaded: LoadedModel, case: Case, directory: Path, most_kills: int, draw: random.Random) -> Outcome:
    """One study, at most so many times killed, and compared with the uninterrupted one.

    Raises:
        SystemExit: A search failed, where it should have gone on.
    """
    whole, cut = directory / "whole.db", directory / "cut.db"
    uninterrupted = live(loaded, case, whole, Death())
    kills: Counter[str] = Counter()
    generated = beyond = 0
    finished = False
    while not finished:
        death = _death(most_kills - kills.total(), uninterrupted, draw, is_first=not cut.exists())
        before = count_rows(cut, *GENERATED)
        life = live(loaded, case, cut, death)
        lost = sum(life.batches) - (count_rows(cut, *GENERATED) - before)
        last = life.batches[-1] if life.batches and not life.finished else 0
        beyond += max(0, lost - last)
        generated += sum(life.batches)
        finished = life.finished
        if not finished:
            kills[_phase(cut)] += 1
    expected = read_contents(whole)
    difference = compare(read_contents(cut), expected)
    return Outcome(
        kills=kills,
        pruned=sum(values == ("PRUNED",) for values in expected.values()),
        lost=difference.lost,
        differing=difference.differing,
        rows=len(expected),
        generated=generated,
        stored=count_rows(cut, *GENERATED),
        beyond_a_batch=beyond,
    )


def _death(kills_left: int, uninterrupted: Life, draw: random.Random, *, is_first: bool) -> Death:
    if kills_left == 0:
        return Death()
    executed = draw.random() < 0.5
    if kills_left == 1:
        table = GENERATED[1]
        return Death(table=table, write=draw.randint(1, uninterrupted.writes[table]), executed=executed)
    if draw.random() < 0.5:
        return Death(after_s=draw.uniform(0.0, uninterrupted.seconds / 4))
    # Most tables are written to only while the study is made.
    tables = sorted(table for table, writes in uninterrupted.writes.items() if is_first or writes > FEW_WRITES)
    table = draw.choice(tables)
    return Death(table=table, write=draw.randint(1, 1 + uninterrupted.writes[table] // 4), executed=executed)


def _phase(path: Path) -> str:
    searched, held_out = (count_rows(path, table) for table in GENERATED)
    start, search, verdict = PHASES
    return verdict if held_out else search if searched else start


def killed_studies(loaded: LoadedModel, kills: int, seed: int) -> Iterator[tuple[Case, Outcome]]:
    """Studies, one after the other, until so many processes are killed."""
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    left = kills
    cases = itertools.cycle(itertools.product(SAMPLERS, CONCURRENCIES))
    for number, (sampler, concurrency) in enumerate(cases):
        if left <= 0:
            return
        case = Case(sampler=sampler, concurrency=concurrency, seed=seed + number)
        with tempfile.TemporaryDirectory() as directory:
            outcome = killed_study(loaded, case, Path(directory), min(left, KILLS_PER_STUDY), draw)
        left -= outcome.kills.total()
        yield case, outcome


def figures_of(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Sums over all studies."""
    return {
        "kills": sum(one.kills.total() for one in outcomes),
        **{f"kills_during_{phase}": sum(one.kills[phase] for one in outcomes) for phase in PHASES},
        "studies": len(outcomes),
        "pruned": sum(one.pruned for one in outcomes),
        "rows": sum(one.rows for one in outcomes),
        "rows_lost": sum(len(one.lost) for one in outcomes),
        "rows_differing": sum(len(one.differing) for one in outcomes),
        "completions": sum(one.stored for one in outcomes),
        "generated_again": sum(one.generated - one.stored for one in outcomes),
        "lost_beyond_a_batch": sum(one.beyond_a_batch for one in outcomes),
    }


def main(arguments: Sequence[str] | None = None) -> Mapping[str, int]:
    """Runs everything, prints it, and returns the figures."""
    parser = argparse.ArgumentParser(description="Kills searches, takes them up again, and compares databases.")
    parser.add_argument("--kills", type=int, default=100, help="how many processes to kill")
    parser.add_argument("--seed", type=int, default=0, help="decides when they are killed, and the studies' seeds")
    parser.add_argument("--model", choices=("tiny", "demo"), default="tiny", help="what generates")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    loaded = tiny() if options.model == "tiny" else load_model(str(demo_model_directory()))
    console = Console(width=110, highlight=False)
    outcomes = []
    for case, outcome in killed_studies(loaded, options.kills, options.seed):
        outcomes.append(outcome)
        console.print(
            f"{case.sampler}, {case.concurrency} in flight, seed {case.seed}: {outcome.kills.total()} kills, "
            f"{len(outcome.lost)} of {outcome.rows} rows lost, {len(outcome.differing)} differing"
        )
        for kind, keys in (("lost", outcome.lost), ("differing", outcome.differing)):
            for key in keys[:5]:
                console.print(f"  {kind}: {' '.join(map(str, key))}")
    figures = figures_of(outcomes)
    for name, value in figures.items():
        console.print(f"{name}: {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return figures


if __name__ == "__main__":
    main()
