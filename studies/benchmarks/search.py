"""Searches without a model: samplers and pruners on recorded landscapes, and on larger ones drawn like them.

Usage: python -m studies.benchmarks.search [--json FILE] [--keep FILE] [--repetitions N] [--processes P] [--quick]

Every repetition has another order of the samples, another seed of the sampler and, on synthetic landscapes, another
landscape; they are the same for all pruners, so that differences between pruners are paired. *Regret* is the mean score
on all samples of the configuration that was chosen less that of the best one, in points (100 points are a score of 1).
*Tokens* are those of the samples that trials were scored on, as a share of those of the same trials on all samples.

- Recorded landscapes (`Recorded`, N=96): a proposal is the nearest recorded configuration. There are few of those, so
  that searches propose the best again and again, and no test can tell a configuration from itself.
- Synthetic landscapes (`Synthetic`, N=400): smooth, and with as many configurations as there are numbers.

The *oracle* knows every trial's score beforehand: no pruner needs fewer tokens, as the best trials are always evaluated
on all samples.

Also: what pruners do to one trial among equals, and to a worse one (`duel`); how often verdicts claim too much; when
searches stop early, on landscapes whose differences are a share of the recorded ones; and regret over budgets of tokens
(`budgets`).
"""

import argparse
import contextlib
import multiprocessing
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import optuna
from rich.console import Console
from rich.table import Table

from studies.benchmarks.budgets import compare_budgets
from studies.benchmarks.command_line import make_parser, write_figures
from studies.benchmarks.duels import Duels, Kind, duel
from studies.benchmarks.kept import kept
from studies.benchmarks.places import NAMES, Map, Place, model
from studies.benchmarks.simulation import PRUNERS, SAMPLERS, Setting, simulate
from studies.benchmarks.stopping import Stopped, stop
from studies.benchmarks.verdicts import simulate_verdicts

SYNTHETIC = 400
CLEAR = 0.1
"""A true gain that a hold-out of 48 samples mostly shows; simulated studies differ by at most 0.24."""
FLATTENED = (0.0, 0.15, 0.3, 0.6, 1.0)
STOPPED_SIZES = ((64, 64), (200, 100))


class Job(NamedTuple):
    """Search with several settings on one terrain.

    Attributes:
        place: Where.
        settings: How.
        seed: The number of the repetition.
    """

    place: Place
    settings: tuple[Setting, ...]
    seed: int


class Results(NamedTuple):
    """Of some searches that differ in their repetition (and place).

    Attributes:
        regrets: In points.
        shares: Of the tokens of full evaluation.
    """

    regrets: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]


def run(job: Job) -> list[tuple[float, float]]:
    """Regret in points and share of the tokens, by setting."""
    terrain = job.place.terrain(job.seed)
    simulations = [simulate(terrain, setting, seed=job.seed) for setting in job.settings]
    return [(100.0 * simulation.regret, simulation.tokens / simulation.full_tokens) for simulation in simulations]


def search(
    in_parallel: Map, places: Sequence[Place], settings: Mapping[str, Setting], repetitions: int
) -> dict[str, Results]:
    """All settings in all places, by the settings' names."""
    jobs = [Job(place, tuple(settings.values()), seed) for place in places for seed in range(repetitions)]
    values = np.array(list(in_parallel(run, jobs)))
    return {name: Results(values[:, index, 0], values[:, index, 1]) for index, name in enumerate(settings)}


def compared(results: Results, without: Results) -> list[str]:
    """Cells of a table: regret, how much more that is than without pruning, and tokens; with standard errors."""
    more = results.regrets - without.regrets
    return [
        f"{results.regrets.mean():.2f}",
        f"{more.mean():+.2f} ± {more.std() / len(more) ** 0.5:.2f}",
        f"{results.shares.mean():.1%}",
    ]


def compare_pruners(in_parallel: Map, options: argparse.Namespace, console: Console) -> dict[str, float]:
    """Samplers by pruners."""
    table = Table("N", "sampler", "pruner", "regret", "more than without", "tokens")
    figures = {}
    for samples, suffix in ((None, "n96"), (SYNTHETIC, "n400")):
        for sampler in options.samplers:
            repetitions = max(1, options.repetitions // 20) if sampler == "gp" else options.repetitions
            settings = {name: Setting(sampler=sampler, pruner=name, trials=options.trials) for name in PRUNERS}
            if sampler == "tpe":
                settings["paired, margin 0.02"] = Setting(pruner_args={"margin": 0.02}, trials=options.trials)
                settings["oracle"] = Setting(pruner="oracle", trials=options.trials)
            places = [Place(name, samples) for name in options.landscapes]
            results = search(in_parallel, places, settings, repetitions)
            for name, result in results.items():
                table.add_row(suffix, f"{sampler} ({repetitions} each)", name, *compared(result, results["none"]))
                key = "_".join(
                    [suffix, *([] if sampler == "tpe" else [sampler]), *([] if name == "paired" else [name])]
                )
                key = key.replace(", ", "_").replace(" ", "_").replace("-", "_").replace(".", "")
                figures[f"tokens_share_{key}"] = float(result.shares.mean())
                figures[f"regret_points_{key}"] = float(result.regrets.mean())
    console.print(table)
    return figures


class Bout(NamedTuple):
    """Duels of one kind; see `duel`."""

    pruner: str
    kind: Kind
    mean: float
    studies: int


def fight(bout: Bout) -> Duels:
    """See `duel`."""
    return duel(**bout._asdict())


def guarantees(in_parallel: Map, options: argparse.Namespace, console: Console) -> dict[str, float]:
    """One trial among equals, and a worse one; and the verdict."""
    table = Table("pruner", "wrongly pruned: binary", "continuous", "0.4 against 0.6: pruned", "median samples")
    figures = {}
    pruners = [name for name in PRUNERS if name not in ("none", "race")]  # which prune nothing before the end
    duels: tuple[tuple[Kind, float], ...] = (("binary", 0.6), ("continuous", 0.6), ("binary", 0.4))
    bouts = [
        Bout(name, kind, mean, 5 * options.repetitions if name == "paired" else options.repetitions)
        for name in pruners
        for kind, mean in duels
    ]
    bout_results = dict(zip(bouts, in_parallel(fight, bouts), strict=True))
    for name in pruners:
        binary, continuous, worse = (bout_result for bout, bout_result in bout_results.items() if bout.pruner == name)
        # Where nothing is pruned, all samples are seen.
        median = float(np.median(worse.samples[worse.pruned] if worse.pruned.any() else worse.samples))
        rates = [binary.pruned.mean(), continuous.pruned.mean(), worse.pruned.mean()]
        table.add_row(name, *(f"{rate:.1%}" for rate in rates), f"{median:.0f}")
        suffix = "" if name == "paired" else f"_{name.replace('-', '_')}"
        figures[f"false_prune_rate{suffix}"] = float((rates[0] + rates[1]) / 2)
        figures[f"power{suffix}"] = float(rates[2])
        figures[f"median_samples_at_prune{suffix}"] = median
    console.print(table)
    studies = 5 * options.repetitions
    verdicts = [
        simulate_verdicts(studies, kind=kind, spread=spread) for kind in get_args(Kind) for spread in (0.0, 0.2)
    ]
    null = verdicts[::2]
    gains = np.concatenate([verdict.gains for verdict in verdicts])
    passes = np.concatenate([verdict.passes for verdict in verdicts])
    figures["verdict_passes_null"] = float(np.mean([verdict.passes.mean() for verdict in null]))
    figures["verdict_passes_clear"] = float(passes[gains > CLEAR].mean()) if (gains > CLEAR).any() else 0.0
    figures["false_claim_rate"] = float(np.mean([claims.claimed.mean() for claims in null]))
    figures["coverage"] = float(np.mean([claims.covered.mean() for claims in verdicts]))
    return figures


class Stop(NamedTuple):
    """A search that may stop early; see `stop`."""

    landscape: str
    share: float
    samples: int
    held_out: int
    seed: int
    trials: int


def run_stop(job: Stop) -> Stopped:
    """See `stop`."""
    return stop(model(job.landscape), **{name: value for name, value in job._asdict().items() if name != "landscape"})


def stopping(in_parallel: Map, options: argparse.Namespace, console: Console) -> dict[str, float]:
    """When searches stop early, by how much there is to find."""
    table = Table("differences", "N, held out", "trials begun", "tokens saved", "true gain: full", "stopped", "wrongly")
    figures = {}
    wrong: list[bool] = []
    for share in FLATTENED:
        for samples, held_out in STOPPED_SIZES:
            jobs = [
                Stop(name, share, samples, held_out, seed, options.trials)
                for name in options.landscapes
                for seed in range(max(1, options.repetitions // 10))
            ]
            searches = list(in_parallel(run_stop, jobs))
            means = np.array([[*search, search.is_wrong] for search in searches]).mean(axis=0)
            wrong += [search.is_wrong for search in searches if search.full_gain >= search.showable]
            table.add_row(
                f"{share:.0%} ({len(jobs)})",
                f"{samples}, {held_out}",
                f"{means[0]:.0f}",
                f"{means[1]:.0%}",
                f"{100 * means[3]:.1f}",
                f"{100 * means[2]:.1f}",
                f"{means[5]:.1%}",
            )
            if share == 0.0:
                figures[f"stopped_early_null_{samples}"] = float(means[1])
    figures["stopped_early_wrongly"] = float(np.mean(wrong)) if wrong else 0.0
    console.print(table)
    return figures


def quiet() -> None:
    """Silence Optuna's messages about every study and of experimental classes."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    parser.add_argument("--repetitions", type=int, default=200, metavar="N", help="of every search (GP: a twentieth)")
    parser.add_argument("--trials", type=int, default=50, metavar="N", help="of every search, with the baselines")
    parser.add_argument("--landscapes", nargs="+", choices=NAMES, default=NAMES, help="where to search")
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=SAMPLERS, help="of the part `pruners`")
    parser.add_argument("--processes", type=int, default=2, metavar="P", help="at once, of one thread each")
    parser.add_argument("--quick", action="store_true", help="a few repetitions of a few searches, to see that it runs")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="of the searches over budgets")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="keep the results of all searches here, and repeat none that is there"
    )
    parser.add_argument("--only", choices=list(PARTS), help="one part")
    options = parser.parse_args(arguments)
    if options.quick:
        options.repetitions, options.trials = 1, 13
    return options


PARTS: Mapping[str, Callable[[Map, argparse.Namespace, Console], dict[str, float]]] = {
    "guarantees": guarantees,
    "pruners": compare_pruners,
    "stopping": stopping,
    "budgets": compare_budgets,
}


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Run the benchmark and return the figures."""
    options = parse(arguments)
    console = Console(width=120)
    figures: dict[str, float] = {}
    quiet()
    with contextlib.ExitStack() as stack:
        in_parallel: Map = map
        if options.processes > 1:
            os.environ["OMP_NUM_THREADS"] = "1"  # which the processes read when they start
            context = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(options.processes, context, initializer=quiet)
            in_parallel = stack.enter_context(pool).map
        if options.keep is not None:
            in_parallel = stack.enter_context(kept(in_parallel, options.keep))
        for name, part in PARTS.items():
            if options.only in (None, name):
                figures |= part(in_parallel, options, console)
    for name, value in figures.items():
        console.print(f"{name:45} {value:.4f}")
    write_figures(options.json, figures)
    return figures


if __name__ == "__main__":
    main()
