"""Replay beside the engine without it: the demo model, 24 parameter sets.

Usage: python -m studies.benchmarks.replay [--json FILE] [--repeats N]

The sets are those that TPE proposes on the demo task (in the demo's space with its four seeds; and in
`SearchSpace.default`, with one seed: "cuts"), and random ones. Each run is a whole `Tuner.search` over all sets without
pruning, metric and database included, with and without replay in turns. `studies.benchmarks.engine` compares the engine
with other programs.
"""

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from llmsearch_optuna import GenerationParams, SearchSpace, trial_params
from llmsearch_optuna.engine.loading import LoadedModel
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.slots.prefill import PromptCache
from llmsearch_optuna.storage import CompletionStore
from llmsearch_optuna.study.study import open_study, study_key
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.study_file.launch import build_tuner
from studies.benchmarks.command_line import make_parser, write_figures
from studies.benchmarks.workloads import (
    Workload,
    load_demo,
    make_tuner,
    our_search,
    peak_memory_gib,
    random_sets,
    requests_of,
    workloads,
)

SETS = 24
SET_ELSEWHERE = ("do_sample", "max_new_tokens")
STORE_COST_REPEATS = 5


class Run(NamedTuple):
    """One search.

    Attributes:
        seconds: Wall time.
        tokens: The completions by trial and sample.
        computed: Tokens that went through the model for a row.
        rebuilt: Tokens that went through it again.
    """

    seconds: float
    tokens: dict[tuple[int, int], tuple[int, ...]]
    computed: int
    rebuilt: int


class Case(NamedTuple):
    """A workload with parameter sets, with replay and without; one run per repeat."""

    name: str
    replayed: list[Run]
    plain: list[Run]

    @property
    def speedup(self) -> float:
        """Wall time without replay over that with it; medians."""
        return median_seconds(self.plain) / median_seconds(self.replayed)

    @property
    def distinct(self) -> int:
        """The (prompt, prefix) whose last token has to go through the model at least once."""
        tokens = self.replayed[0].tokens
        return len({(sample, ids[:n]) for (_, sample), ids in tokens.items() for n in range(1, len(ids))})

    @property
    def bound(self) -> float:
        """The largest ratio that exact reuse allows where only decoding costs: decoded tokens over distinct ones."""
        return self.plain[0].computed / self.distinct

    @property
    def share(self) -> float:
        """The share of the decoded tokens that did not go through the model for their row."""
        return 1 - self.replayed[0].computed / self.plain[0].computed

    @property
    def differing_tokens(self) -> int:
        """Between all runs."""
        expected = self.plain[0].tokens
        return sum(
            sum(ours != theirs for ours, theirs in zip(ids, expected[key], strict=False))
            + abs(len(ids) - len(expected[key]))
            for run in (*self.replayed, *self.plain)
            for key, ids in run.tokens.items()
        )


def median_seconds(runs: Sequence[Run]) -> float:
    """Of the wall times."""
    return statistics.median(run.seconds for run in runs)


def demo_study() -> StudyFile:
    """The demo's study file."""
    text = resources.files("llmsearch_optuna.demo").joinpath("demo.toml").read_text(encoding="utf-8")
    return StudyFile.parse(text, name="demo", directory=Path())


def proposals(space: SearchSpace) -> list[dict[str, Any]]:
    """What TPE proposes on the demo task in 24 trials, after the baselines and with the default pruner."""
    file = demo_study()
    study = build_tuner(file).search(
        space, n_trials=SETS + 2, rungs=file.study.rungs, stop_early=False, show_progress=False
    )
    sets = [trial_params(trial).to_dict() for trial in study.trials if trial.params]
    return [
        {name: value for name, value in values.items() if value is not None and name not in SET_ELSEWHERE}
        for values in sets
    ][:SETS]


def search(loaded: LoadedModel, workload: Workload, sets: Sequence[dict[str, Any]], replay_bytes: int | None) -> Run:
    """Run all sets."""
    tuner = make_tuner(workload, **loaded._asdict(), replay_bytes=replay_bytes)
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/study.db"
        seconds = our_search(tuner, workload, sets, url)
        study, storage = open_study(url)
        store = CompletionStore(storage)
        tokens = {
            (trial.number, completion.position): completion.token_ids
            for trial in study.trials
            for completion in store.load(study_key(study), trial.number)
        }
    statistics_of = tuner.replay
    if statistics_of is None:
        raise SystemExit("the demo model does not run on slots here: there is nothing to compare")
    return Run(seconds, tokens, statistics_of.computed, statistics_of.rebuilt)


def store_cost(loaded: LoadedModel, workload: Workload, values: Mapping[str, Any]) -> float:
    """What storing costs where nothing is ever used again: every prompt once, with prompts already prefilled."""
    params = GenerationParams.from_dict({**values, "max_new_tokens": workload.max_new_tokens})
    requests = requests_of(loaded, workload, params)
    runner = ModelRunner(loaded.model)
    prompts = PromptCache(runner)
    seconds: dict[int | None, list[float]] = {None: [], 0: []}
    for _ in range(STORE_COST_REPEATS + 1):
        for replay_bytes, taken in seconds.items():
            engine = SlotEngine(runner, loaded.tokenizer, replay_bytes=replay_bytes, prompts=prompts)
            engine.generate(requests[:1])  # shapes are compared with the first step
            started = time.perf_counter()
            engine.generate(requests[1:])
            taken.append(time.perf_counter() - started)
    stored, plain = (statistics.median(taken[1:]) for taken in seconds.values())
    return stored / plain - 1


def figures_of(cases: Mapping[str, Case]) -> dict[str, float]:
    """Ratios of wall time, replay ahead where above 1; counts over the trials that TPE proposes."""
    tpe = [case for name, case in cases.items() if "random" not in name]
    distinct, decoded = sum(case.distinct for case in tpe), sum(case.plain[0].computed for case in tpe)
    computed, rebuilt = sum(case.replayed[0].computed for case in tpe), sum(case.replayed[0].rebuilt for case in tpe)
    figures = {
        "forwards_per_distinct_prefix": computed / distinct,
        "rebuilt_per_distinct_prefix": rebuilt / distinct,
        # What exact reuse can save at most: a prefix that nobody has been through has to be computed.
        "distinct_share": distinct / decoded,
        "replayed_share": 1 - computed / decoded,
        "differing_tokens": sum(case.differing_tokens for case in cases.values()),
    }
    for name, case in cases.items():
        workload, _, sets = name.partition(" ")
        figures[f"{workload}_vs_own_{sets}"] = case.speedup
        figures[f"{workload}_bound_{sets}"] = case.bound
    return figures


def show(cases: Mapping[str, Case], figures: Mapping[str, float]) -> None:
    """Print the table and the figures."""
    table = Table(
        "workload and sets", "s per trial", "without replay", "ratio", "at most", "forwards per prefix", "replayed"
    )
    for name, case in cases.items():
        table.add_row(
            name,
            f"{median_seconds(case.replayed) / SETS:.2f}",
            f"{median_seconds(case.plain) / SETS:.2f}",
            f"{case.speedup:.2f}",
            f"{case.bound:.2f}",
            f"{case.replayed[0].computed / case.distinct:.3f}",
            f"{case.share:.1%}",
        )
    console = Console(width=110)
    console.print(table)
    for name, value in figures.items():
        console.print(f"{name:30} {value:.3f}")


def main() -> None:
    """Run the benchmark."""
    parser = make_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="of every search; medians are compared")
    parser.add_argument("--case", metavar="NAME", help='only this one, e.g. "short 4seeds"')
    options = parser.parse_args()
    loaded = load_demo()
    space = demo_study().space
    sets = {
        "4seeds": proposals(space),
        "cuts_1seed": proposals(SearchSpace.default(max_new_tokens=32, generation_seeds=[0])),
        "random": random_sets(SETS),
    }
    work = {workload.name: workload for workload in workloads()}
    names = ["summarise 4seeds", "summarise cuts_1seed", "short 4seeds", "short random"]
    cases = {name: Case(name, [], []) for name in names if options.case in (None, name)}
    for _ in range(options.repeats):
        for name, case in cases.items():
            workload, _, which = name.partition(" ")
            for runs, replay_bytes in ((case.replayed, None), (case.plain, 0)):
                runs.append(search(loaded, work[workload], sets[which], replay_bytes))
    peak = peak_memory_gib()
    figures = figures_of(cases)
    figures["store_cost_no_reuse"] = store_cost(loaded, work["short"], random_sets(1)[0])
    figures["peak_memory_gib"] = peak
    show(cases, figures)
    write_figures(options.json, figures)


if __name__ == "__main__":
    main()
