"""The regret of the chosen configuration over budgets of tokens, by policy.

All policies search the same synthetic landscapes with the same seeds, until a budget is used up; they propose as many
trials as they like. A budget is counted in *full evaluations*: mean tokens of a trial on all samples, in the search of
the same seed that prunes nothing. The choice is the best complete trial.

*UCB-E* proposes nothing: it judges as many random configurations as the largest budget has evaluations, and gives the
next samples to the one with the largest mean plus sqrt(a / n) (J.-Y. Audibert, S. Bubeck and R. Munos, "Best arm
identification in multi-armed bandits", COLT 2010). It chooses the largest mean.
"""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
from rich.console import Console
from rich.table import Table

from studies.benchmarks.places import Map, Place
from studies.benchmarks.simulation import PRUNERS, Progress, Setting, Terrain, simulate

__all__ = ["compare_budgets", "ucb_e"]

Floats = npt.NDArray[np.float64]

LARGEST = 50
SHOWN = (5, 10, 20, 32, 50)
_MOST_TRIALS = 400
_SIZES = (96, 400)
_EXPLORATION = 1.0
_STEP = 8


class Budgeted(NamedTuple):
    """Search with all policies on one terrain, until the largest budget is used up.

    Attributes:
        place: Where.
        seed: The number of the repetition.
        largest: The largest budget, in full evaluations.
    """

    place: Place
    seed: int
    largest: int


def regrets(job: Budgeted) -> dict[str, list[float]]:
    """Regret in points at 1, 2, ... full evaluations' tokens, by policy. Infinite before a trial is complete."""
    terrain = job.place.terrain(job.seed)
    unpruned = simulate(terrain, Setting(pruner="none", trials=job.largest), seed=job.seed)
    full = unpruned.tokens / job.largest
    curves = {"none": unpruned.progress, "ucb-e": ucb_e(terrain, arms=job.largest, seed=job.seed)}
    for name in PRUNERS:
        if name not in curves:
            setting = Setting(pruner=name, trials=_MOST_TRIALS, budget=int(full * job.largest))
            curves[name] = simulate(terrain, setting, seed=job.seed).progress
    return {
        name: [100.0 * _regret_at(curve, full * budget) for budget in range(1, job.largest + 1)]
        for name, curve in curves.items()
    }


def ucb_e(terrain: Terrain, *, arms: int, seed: int) -> list[Progress]:
    """Judge a fixed set of random configurations with UCB-E.

    Args:
        terrain: Where to search.
        arms: The number of configurations.
        seed: Draws them.
    """
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    outcomes = list(terrain.baselines.values())
    while len(outcomes) < arms:
        trial = study.ask()
        terrain.space.suggest(trial)
        outcomes.append(terrain.outcome(trial.params))
    scores = np.stack([outcome.scores for outcome in outcomes])
    tokens = np.stack([outcome.tokens for outcome in outcomes])
    seen, spent, progress = np.zeros(len(outcomes), dtype=np.int64), 0, []
    while (seen < terrain.samples).any():
        sums = np.array([row[:count].sum() for row, count in zip(scores, seen, strict=True)])
        bounds = np.where(seen > 0, sums / np.maximum(seen, 1) + np.sqrt(_EXPLORATION / np.maximum(seen, 1)), np.inf)
        arm = int(np.where(seen < terrain.samples, bounds, -np.inf).argmax())
        end = min(int(seen[arm]) + _STEP, terrain.samples)
        spent += int(tokens[arm, seen[arm] : end].sum())
        seen[arm] = end
        means = np.array([row[:count].mean() if count else -np.inf for row, count in zip(scores, seen, strict=True)])
        progress.append(Progress(spent, terrain.best - float(scores[means.argmax()].mean())))
    return progress


def compare_budgets(in_parallel: Map, options: argparse.Namespace, console: Console) -> dict[str, float]:
    """Regret over tokens, by policy."""
    figures: dict[str, float] = {}
    largest = min(LARGEST, options.trials)
    shown = [budget for budget in SHOWN if budget <= largest]
    for samples in _SIZES:
        jobs = [
            Budgeted(Place(name, samples), options.first_seed + seed, largest)
            for name in options.landscapes
            for seed in range(options.repetitions)
        ]
        repetitions = list(in_parallel(regrets, jobs))
        curves = {name: np.array([curve[name] for curve in repetitions]) for name in repetitions[0]}
        target = float(curves["none"].mean(axis=0)[-1])
        table = Table(
            f"N = {samples}",
            *(f"{budget} evaluations" for budget in shown),
            f"evaluations to {target:.2f}",
            title=f"regret in points, {len(jobs)} searches each (less that of race, ± one standard error)",
        )
        for name, curve in curves.items():
            needed = _budget_to(curve.mean(axis=0), target)
            table.add_row(
                name,
                *(_compared(curve[:, budget - 1], curves["race"][:, budget - 1]) for budget in shown),
                "not reached" if needed == np.inf else f"{needed:.1f}",
            )
            key = name.replace("-", "_")
            if needed < np.inf:
                figures[f"tokens_to_none50_{key}_n{samples}"] = needed
            figures |= {f"regret_{key}_n{samples}_{budget}": float(curve[:, budget - 1].mean()) for budget in shown}
        console.print(table)
    return figures


def _compared(regret: Floats, other: Floats) -> str:
    more = regret - other
    if not np.isfinite(more).all():
        return f"{regret.mean():.2f}"
    return f"{regret.mean():.2f} ({more.mean():+.2f} ± {more.std() / len(more) ** 0.5:.2f})"


def _regret_at(progress: Sequence[Progress], budget: float) -> float:
    """Return the regret when the budget is used up; infinite before anything is chosen."""
    return next((state.regret for state in reversed(progress) if state.tokens <= budget), float("inf"))


def _budget_to(regret: Floats, target: float) -> float:
    """Return the smallest budget, in full evaluations, at which a mean regret is no larger than the target."""
    reached = np.flatnonzero(regret <= target)
    return float(reached[0] + 1) if len(reached) else float("inf")
