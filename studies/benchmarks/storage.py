"""The cost of storing, and whether readers block it.

Usage: python -m studies.benchmarks.storage [--json FILE] [--storage URL] [--trials N] [--rungs N] [--only PART ...]

- *overhead*: a study with 1,000 finished trials goes on with 24 more, of 500 samples and 8 rungs each, by
  `Tuner.search`. The engine answers at once. Counted is all the time from the end of one trial to the end of the next
  but that of engine, scorer and sampler (what it reads from the database is counted): storage, pruner and loop. A
  proposal by TPE is timed apart.
- *readers*: 10,000 rungs are stored while a real optuna-dashboard is polled and another process opens and reads the
  study, again and again.
- *demo*: the share of the same in the wall time of the demo's search, on the real model.

By default on SQLite in a temporary directory; `--storage` names another database, e.g. postgresql+psycopg://...
"""

import dataclasses
import itertools
import random
import statistics
import tempfile
import uuid
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import optuna
import torch
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import TrialState, create_trial
from rich.console import Console
from rich.table import Table

from llmsearch_optuna import Categorical, Float, GenerationParams, SearchSpace, Tuner
from llmsearch_optuna.engine.base import Completion, Request
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.metrics import SampleMetric
from llmsearch_optuna.metrics.scorer import CallableMetric
from llmsearch_optuna.search.paired_pruner import PairedPruner
from llmsearch_optuna.search.progress import SearchProgress
from llmsearch_optuna.search.samplers import Proposer
from llmsearch_optuna.search.score_readers import RememberedScores, StoredScores
from llmsearch_optuna.storage import CompletionStore, StoredCompletion, open_storage
from llmsearch_optuna.study.attributes import FINISH_REASONS, PARAMS, ROUND, TRIAL_TOKENS
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study_file import launch
from studies.benchmarks.clocks import Clock, Seconds, now, replaced
from studies.benchmarks.command_line import make_parser, write_figures
from studies.benchmarks.contention import contend
from studies.benchmarks.lives import replace_engine, tiny
from studies.benchmarks.replay import demo_study

PARTS = ("overhead", "readers", "demo")
SAMPLES = 500
RUNG = 63  # eight of them
MEASURED = 24
PROPOSALS = 5
TOKENS = 48
SPACE = SearchSpace(
    temperature=Float(0.1, 1.5),
    top_p=Float(0.5, 1.0),
    repetition_penalty=Float(1.0, 1.3),
    generation_seed=Categorical([0, 1, 2, 3]),
    max_new_tokens=TOKENS,
)
NOT_STORAGE = ("engine", "scorer", "sampler")


def public(owner: type) -> list[tuple[type, str]]:
    """Its own methods."""
    return [(owner, name) for name, value in vars(owner).items() if callable(value) and not name.startswith("_")]


def named_methods() -> dict[str, list[tuple[type, str]]]:
    """What is timed. The engine, the scorer and the sampler are left out of what storing costs."""
    storage = [*public(_CachedStorage), *public(RDBStorage), *public(CompletionStore)]
    return {
        "engine": [(CannedEngine, "generate"), (SlotEngine, "generate")],
        "scorer": [(CallableMetric, "__call__"), (SampleMetric, "__call__")],
        "sampler": [(Proposer, "propose")],
        "pruner": [(PairedPruner, "prune")],
        **{f"{owner.__name__.strip('_')}.{name}": [(owner, name)] for owner, name in storage},
    }


class CannedEngine:
    """Answer at once. Every new set of parameters scores better, so that no trial is pruned."""

    def __init__(self) -> None:
        self._levels: dict[GenerationParams, int] = {}

    def generate(
        self,
        requests: Sequence[Request],
        on_tokens: Callable[[int], None] | None = None,  # noqa: ARG002
        upcoming: Sequence[Request] = (),  # noqa: ARG002
    ) -> list[Completion]:
        """See `Engine.generate`."""
        completions = []
        for request in requests:
            level = self._levels.setdefault(request.params, len(self._levels))
            draw = random.Random(f"{request.prompt} {level}")  # noqa: S311 - not for secrets
            text = f"{0.5 + 0.01 * level + draw.uniform(-0.1, 0.1):.4f} " + "lorem ipsum dolor sit amet " * 8
            token_ids = tuple(draw.randrange(50_000) for _ in range(TOKENS))
            completions.append(Completion(text=text, token_ids=token_ids, finish_reason="eos"))
        return completions


def canned_tuner() -> Tuner:
    """A tuner whose engine answers at once."""
    tuner = Tuner(
        custom_pred_function=lambda prompts, params: prompts,  # noqa: ARG005 - another engine takes its place
        tokenizer=tiny().tokenizer,
        dataset=[{"question": f"question {number}", "answer": "none"} for number in range(SAMPLES)],
        scorer=lambda references, predictions: [float(text.split()[0]) for text in predictions],  # noqa: ARG005
        column_mapping={"input_cols": ["question"], "eval_cols": ["answer"]},
        prompt_template="{question}",
        score_range=(0.0, 1.0),
    )
    replace_engine(tuner, CannedEngine())
    return tuner


class Mark(NamedTuple):
    """Where the clock stood at the end of a trial.

    Attributes:
        storage: All time so far, without engine, scorer and sampler.
        sql: What the database took of it.
        statements: SQL statements.
    """

    storage: Seconds
    sql: Seconds
    statements: int


def overhead(url: str, name: str, trials: int, console: Console) -> dict[str, float]:
    """Storage per trial, medians, after so many trials."""
    tuner = canned_tuner()

    def search(n_trials: int) -> optuna.Study:
        return tuner.search(
            SPACE,
            n_trials=n_trials,
            storage=url,
            study_name=name,
            sampler="random",
            rungs=RUNG,
            concurrency=1,
            baselines=False,
            show_progress=False,
        )

    fill(search(1), url, trials)
    clock, marks = Clock(), list[Mark]()
    finished = SearchProgress.trial_ended

    def mark(*arguments: Any) -> None:
        finished(*arguments)
        if not marks:  # what the first further trial reads once and for all is left out
            clock.reset()
        marks.append(Mark(now().minus(clock.spent_on(*NOT_STORAGE)), clock.sql, clock.statements))

    with clock.running(named_methods()), replaced(SearchProgress, "trial_ended", mark):
        study = search(trials + MEASURED + 1)
    last = study.get_trials(deepcopy=False)[-MEASURED:]
    if any(trial.state != TrialState.COMPLETE or len(trial.intermediate_values) != 8 for trial in last):
        raise SystemExit("not all trials that were measured passed eight rungs")
    show_calls(clock, len(marks) - 1, console)
    pairs = list(itertools.pairwise(marks))
    storage = [after.storage.minus(before.storage) for before, after in pairs]
    return {
        "storage_ms_per_trial": 1e3 * statistics.median(seconds.wall for seconds in storage),
        "storage_cpu_ms_per_trial": 1e3 * statistics.median(seconds.cpu for seconds in storage),
        "sql_ms_per_trial": 1e3 * statistics.median(after.sql.wall - before.sql.wall for before, after in pairs),
        "statements_per_trial": statistics.median(after.statements - before.statements for before, after in pairs),
        "measured_trials": len(pairs),
        "tpe_proposal_ms": 1e3 * proposal_seconds(study, url),
    }


def proposal_seconds(study: optuna.Study, url: str) -> float:
    """The CPU time of a proposal by TPE, median, once the scores are read."""
    scores = RememberedScores(StoredScores(CompletionStore(open_storage(url)), study_key(study)))
    proposer = Proposer(name="tpe", space=SPACE, seed=0, scores=scores)
    seconds = []
    for _ in range(1 + PROPOSALS):
        started = now()
        proposer.propose(study)
        seconds.append(now().minus(started).cpu)
    return statistics.median(seconds[1:])


def fill(study: optuna.Study, url: str, trials: int) -> None:
    """Add finished trials with their completions: three in ten complete, the others pruned at random."""
    store = CompletionStore(open_storage(url))
    draw = random.Random(0)  # noqa: S311 - not for secrets
    distributions = study.get_trials(deepcopy=False)[0].distributions
    for number in range(1, trials):
        complete = draw.random() < 0.3
        last = SAMPLES if complete else RUNG * draw.randint(1, SAMPLES // RUNG)
        scores = [draw.uniform(0.0, 0.8) for _ in range(last)]
        params = {
            "temperature": draw.uniform(0.1, 1.5),
            "top_p": draw.uniform(0.5, 1.0),
            "repetition_penalty": draw.uniform(1.0, 1.3),
            "generation_seed": draw.randrange(4),
        }
        values = {end: sum(scores[:end]) / end for end in (*range(RUNG, SAMPLES, RUNG), SAMPLES) if end <= last}
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if complete else TrialState.PRUNED,
                value=values[last],
                params=params,
                distributions=distributions,
                intermediate_values=values,
                user_attrs={
                    PARAMS: GenerationParams.from_dict({**params, "max_new_tokens": TOKENS}).to_json(),
                    ROUND: 8 * number,
                    TRIAL_TOKENS: last * TOKENS,
                    FINISH_REASONS: {"eos": last},
                },
            )
        )
        completions = [
            StoredCompletion(
                position=position,
                row=position,
                text=f"{score:.4f} " + "lorem ipsum dolor sit amet " * 8,
                token_ids=tuple(range(TOKENS)),
                finish_reason="eos",
                score=score,
            )
            for position, score in enumerate(scores)
        ]
        store.append(study_key(study), number, completions)


def show_calls(clock: Clock, trials: int, console: Console) -> None:
    """What the time went into, per trial."""
    table = Table("own time", "calls per trial", "ms per trial", "of these, CPU", title="What storing one trial costs")
    for name, spent in sorted(clock.seconds.items(), key=lambda item: -item[1].cpu)[:14]:
        shown = f"{name} (left out)" if name in NOT_STORAGE else name
        per_trial = f"{1e3 * spent.wall / trials:.2f}", f"{1e3 * spent.cpu / trials:.2f}"
        table.add_row(shown, f"{clock.calls[name] / trials:.1f}", *per_trial)
    console.print(table)


def demo_share(console: Console) -> dict[str, float]:
    """The share of storage in the demo's search."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as directory:
        file = demo_study()
        file = dataclasses.replace(
            file, study=dataclasses.replace(file.study, storage=f"sqlite:///{directory}/demo.db")
        )
        tuner = launch.build_tuner(file)
        with clock.running(named_methods()):
            started = now()
            study = launch.search(file, tuner, show_progress=False)
            took = now().minus(started)
    share = 1.0 - clock.spent_on(*NOT_STORAGE).wall / took.wall
    show_calls(clock, len(study.trials), console)
    return {"demo_storage_share": share, "demo_seconds": took.wall}


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Run everything, print the figures, and return them."""
    parser = make_parser(__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="finished trials before the measured ones")
    parser.add_argument("--rungs", type=int, default=10_000, help="rungs to store while others read")
    parser.add_argument("--storage", help="the database, in place of SQLite in a temporary directory")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="some parts only")
    options = parser.parse_args(arguments)
    torch.set_num_threads(min(2, torch.get_num_threads()))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    console = Console(width=110, highlight=False)
    figures: dict[str, float] = {}
    name = f"benchmark-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as directory:
        if "overhead" in options.only:
            url = options.storage or f"sqlite:///{directory}/overhead.db"
            figures |= overhead(url, f"{name}-overhead", options.trials, console)
        if "readers" in options.only:
            url = options.storage or f"sqlite:///{directory}/readers.db"
            contention = contend(url, f"{name}-readers", rungs=options.rungs, tokenizer=tiny().tokenizer)
            for error in contention.errors[:10]:
                console.print(error, markup=False)
            figures |= {
                "rungs": contention.rungs,
                "rung_ms": 1e3 * contention.seconds / contention.rungs,
                "dashboard_polls": contention.polls,
                "reads": contention.reads,
                "lock_errors": sum("lock" in error for error in contention.errors),
                "errors": len(contention.errors),
            }
    if "demo" in options.only:
        figures |= demo_share(console)
    for figure, value in figures.items():
        console.print(f"{figure}: {value:.6g}")
    write_figures(options.json, figures)
    return figures


if __name__ == "__main__":
    main()
