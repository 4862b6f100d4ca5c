"""The search benchmark: what it simulates is what a search does."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from tiny_models import tiny_tokenizer

from llmsearch_optuna import Categorical, Float, Int, SearchSpace, Tuner
from studies.benchmarks import budgets
from studies.benchmarks.budgets import Budgeted, regrets, ucb_e
from studies.benchmarks.landscape import Landscape
from studies.benchmarks.places import NAMES, recorded
from studies.benchmarks.search import main
from studies.benchmarks.simulation import Outcome, Setting, Terrain, simulate
from studies.benchmarks.terrains import Recorded, Synthetic, embed, fit

pytestmark = [pytest.mark.full, pytest.mark.no_cover]


@pytest.fixture(scope="module", params=["lists", "sums"])
def landscape(request: pytest.FixtureRequest) -> Landscape:
    return recorded(request.param)


def with_greedy_only(terrain: Recorded | Synthetic) -> Recorded | Synthetic:
    """A function in place of a model has no other baseline."""
    terrain.baselines = {"greedy": terrain.baselines["greedy"]}
    return terrain


class Uncounted:
    """A terrain where every sample costs the same, as with a function that returns texts."""

    def __init__(self, terrain: Recorded | Synthetic) -> None:
        self._terrain = terrain
        self.space, self.samples, self.best = terrain.space, terrain.samples, terrain.best
        self.baselines: Mapping[str, Outcome] = {
            name: self._uncounted(outcome) for name, outcome in terrain.baselines.items()
        }

    def outcome(self, chosen: Mapping[str, Any]) -> Outcome:
        return self._uncounted(self._terrain.outcome(chosen))

    def _uncounted(self, outcome: Outcome) -> Outcome:
        return Outcome(outcome.scores, np.ones_like(outcome.tokens))


def searched(terrain: Terrain, setting: Setting, *, seed: int) -> optuna.Study:
    """The same search by a `Tuner`, whose model knows the scores."""
    prompts = [f"sample {row}" for row in range(terrain.samples)]
    positions: dict[str, int] = {}

    def answer(asked: list[str], params: dict[str, Any]) -> list[str]:
        if params["do_sample"]:
            outcome = terrain.outcome({name: params[name] for name in terrain.space.dimensions if name in params})
        else:
            outcome = terrain.baselines["greedy"]
        return [repr(float(outcome.scores[positions[prompt]])) for prompt in asked]

    tuner = Tuner(
        custom_pred_function=answer,
        tokenizer=tiny_tokenizer(),
        dataset=[{"prompt": prompt, "answer": ""} for prompt in prompts],
        scorer=lambda references, predictions: [float(text) for text in predictions],
        score_range=(0.0, 1.0),
        column_mapping={"input_cols": ["prompt"], "eval_cols": ["answer"]},
        prompt_template="{prompt}",
        seed=seed,
    )
    positions |= {sample.prompt: position for position, sample in enumerate(tuner.task.search)}
    return tuner.search(
        terrain.space,
        n_trials=setting.trials,
        study_name=str(seed),
        sampler=setting.sampler,
        pruner=setting.pruner,
        pruner_args=setting.pruner_args,
        rungs=setting.rungs,
        concurrency=setting.concurrency,
        show_progress=False,
    )


@pytest.mark.parametrize(
    ("name", "setting", "samples"),
    [
        ("lists", Setting(trials=20), 60),
        ("sums", Setting(pruner_args={"margin": 0.02}, concurrency=1, trials=16), 40),
        ("lists", Setting(sampler="random", pruner="median", trials=14), 40),
        ("sums", Setting(sampler="qmc", pruner="hyperband", trials=14), 40),
        ("lists", Setting(sampler="tpe", pruner="successive-halving", trials=14, rungs=4), 30),
        ("lists", Setting(pruner="race", trials=20), 60),
        ("sums", Setting(pruner="race", trials=16, concurrency=2), 40),
    ],
)
def test_a_simulated_search_is_the_search_of_a_tuner(name: str, setting: Setting, samples: int) -> None:
    terrain = Uncounted(with_greedy_only(Synthetic(fit(recorded(name)), samples=samples, seed=3)))
    simulated, real = simulate(terrain, setting, seed=5).study, searched(terrain, setting, seed=5)
    assert len(simulated.trials) == len(real.trials) == setting.trials
    if setting.pruner in ("paired", "race", "successive-halving"):
        assert len({trial.state for trial in simulated.trials}) == 2
    for trial, other in zip(simulated.trials, real.trials, strict=True):
        assert (trial.number, trial.state, trial.params) == (other.number, other.state, other.params)
        assert trial.intermediate_values == other.intermediate_values
        assert trial.value == other.value


def test_regret_and_tokens_are_those_of_the_trials(landscape: Landscape) -> None:
    terrain = Recorded(landscape, seed=1)
    simulation = simulate(terrain, Setting(trials=20), seed=1)
    outcomes = [
        terrain.baselines[trial.user_attrs["baseline"]]
        if "baseline" in trial.user_attrs
        else terrain.outcome(trial.params)
        for trial in simulation.study.trials
    ]
    seen = [trial.last_step for trial in simulation.study.trials]
    assert simulation.tokens == sum(
        int(outcome.tokens[:last].sum()) for outcome, last in zip(outcomes, seen, strict=True)
    )
    assert simulation.full_tokens == sum(int(outcome.tokens.sum()) for outcome in outcomes)
    assert simulation.tokens < simulation.full_tokens
    assert simulation.regret == pytest.approx(
        landscape.scores.mean(axis=1).max()
        - max(outcome.scores.mean() for outcome, last in zip(outcomes, seen, strict=True) if last == 96)
    )


def test_a_recorded_configuration_is_nearest_to_itself(landscape: Landscape) -> None:
    terrain = Recorded(landscape, seed=2)
    for configuration, scores, tokens in zip(landscape.configurations, landscape.scores, landscape.tokens, strict=True):
        if configuration.baseline is None:
            outcome = terrain.outcome(configuration.chosen)
            assert sorted(outcome.scores) == sorted(scores)
            assert outcome.tokens.sum() == tokens.sum()
    assert terrain.best == landscape.scores.mean(axis=1).max()


def test_other_values_are_further_away_than_other_numbers() -> None:
    space = SearchSpace(
        do_sample=Categorical([True, False]),
        temperature=Float(0.5, 1.5, when={"do_sample": True}),
        top_k=Int(1, 100, log=True),
    )
    chosen: list[Mapping[str, Any]] = [
        {"do_sample": True, "temperature": 0.5, "top_k": 1},
        {"do_sample": True, "temperature": 1.5, "top_k": 10},
        {"do_sample": False, "top_k": 100},
    ]
    points = embed(space, chosen)
    assert points[:, -1].tolist() == [0.0, 0.5, 1.0]
    assert np.square(points[0] - points[1]).sum() == pytest.approx(1.0 + 0.25)
    assert np.square(points[1] - points[2]).sum() == pytest.approx(0.5 + 1.25 + 0.25)


@pytest.mark.parametrize("name", NAMES)
def test_a_synthetic_landscape_is_like_the_recorded_one(name: str) -> None:
    """In means, in how scores vary, and in how they go together; averaged over landscapes."""
    landscape = recorded(name)
    model = fit(landscape)
    drawn = [configuration for configuration in landscape.configurations if configuration.baseline is None]
    scored = landscape.scores[[configuration.baseline is None for configuration in landscape.configurations]]
    terrains = [Synthetic(model, samples=400, seed=seed) for seed in range(6)]
    scores = np.array(
        [[terrain.outcome(configuration.chosen).scores for configuration in drawn] for terrain in terrains]
    )
    assert np.isin(scores, (0.0, 1.0)).all() == model.binary
    assert np.abs(scores.mean(axis=(0, 2)) - scored.mean(axis=1)).mean() < 0.03
    assert np.abs(scores.std(axis=2).mean(axis=0) - scored.std(axis=1)).mean() < 0.03
    middling = np.abs(scored.mean(axis=1) - 0.5) < 0.4
    pairs = np.triu_indices(int(middling.sum()), 1)
    correlations = np.mean([np.corrcoef(terrain_scores[middling])[pairs] for terrain_scores in scores], axis=0)
    expected = np.corrcoef(scored[middling])[pairs]
    assert abs(correlations.mean() - expected.mean()) < 0.05
    assert np.corrcoef(correlations, expected)[0, 1] > 0.8
    assert terrains[0].outcome(drawn[0].chosen).scores.tolist() == terrains[0].outcome(drawn[0].chosen).scores.tolist()
    assert all(
        terrain.best >= terrain_scores.mean(axis=1).max() - 0.03
        for terrain, terrain_scores in zip(terrains, scores, strict=True)
    )


def test_the_benchmark_runs(tmp_path: Path) -> None:
    verbosity = optuna.logging.get_verbosity()
    try:
        arguments = ["--quick", "--processes", "1", "--landscapes", "lists", "sums"]
        figures = main([*arguments, "--json", str(tmp_path / "figures.json")])
    finally:
        optuna.logging.set_verbosity(verbosity)
    assert json.loads((tmp_path / "figures.json").read_text()) == figures
    required = ["false_prune_rate", "power", "median_samples_at_prune", "false_claim_rate", "coverage"]
    required += [f"{name}_{n}" for name in ("tokens_share", "regret_points") for n in ("n96", "n400")]
    assert set(required) <= set(figures)
    for peer in ("median", "hyperband", "successive_halving", "wilcoxon"):
        assert {f"{name}_{peer}" for name in required if name not in ("false_claim_rate", "coverage")} <= set(figures)
    assert figures["tokens_share_n96_none"] == figures["tokens_share_n400_none"] == 1.0
    assert figures["tokens_share_n400"] < 1.0


def test_an_interrupted_benchmark_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [
        "--only",
        "budgets",
        "--repetitions",
        "1",
        "--trials",
        "6",
        "--processes",
        "1",
        "--landscapes",
        "lists",
        "sums",
        "--keep",
        str(tmp_path / "kept"),
    ]
    runs: list[Budgeted] = []

    def interrupted(job: Budgeted) -> dict[str, list[float]]:
        runs.append(job)
        if len(runs) == 3:
            raise KeyboardInterrupt
        return regrets(job)

    interrupted.__name__ = regrets.__name__
    monkeypatch.setattr(budgets, "regrets", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(arguments)
    figures = main(arguments)
    assert len(runs) == len(set(runs)) + 1 == 5  # only the interrupted one is run again
    assert main(arguments) == figures
    assert len(runs) == 5
    assert {"regret_race_n96_5", "regret_ucb_e_n400_5"} <= set(figures)
    assert "tokens_to_none50_none_n96" in figures


def test_a_fixed_set_is_judged_until_all_is_known(landscape: Landscape) -> None:
    terrain = Recorded(landscape, seed=1)
    progress = ucb_e(terrain, arms=8, seed=0)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    outcomes = list(terrain.baselines.values())
    while len(outcomes) < 8:
        terrain.space.suggest(trial := study.ask())
        outcomes.append(terrain.outcome(trial.params))
    assert progress[-1].tokens == sum(int(outcome.tokens.sum()) for outcome in outcomes)
    assert progress[-1].regret == pytest.approx(terrain.best - max(outcome.scores.mean() for outcome in outcomes))
