import json
import subprocess
import sys
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from sampler_runs import GRID, LENGTHS, POINTS, SAMPLERS, SPACES, begin, in_memory, proposer, reopened, run
from tiers import partly_full

from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.search.samplers import SAMPLERS as OFFERED
from llmsearch_optuna.search.samplers import Proposer
from llmsearch_optuna.search.score_readers import report_scores
from llmsearch_optuna.space.dimensions import Float
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.study.attributes import FIXED_PARAMS


def test_names() -> None:
    assert set(OFFERED) == {*SAMPLERS, "grid"}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_proposes_within_any_space(name: str, space: str) -> None:
    study = in_memory()
    made = proposer(name, SPACES[space])
    proposed = run(study, made, 10, given=1)
    for number, params in enumerate(proposed[1:], start=1):
        fixed = optuna.trial.FixedTrial(params)
        assert SPACES[space].trial_params(SPACES[space].suggest(fixed)) == params, number
    if space == "mixed":
        assert len({json.dumps(params) for params in proposed[1:]}) == 9


@pytest.mark.parametrize("name", partly_full(SAMPLERS, fast=("random", "tpe", "cmaes")))
def test_an_interrupted_study_proposes_as_an_uninterrupted_one(name: str) -> None:
    space = SPACES["conditional" if name == "tpe" else "mixed"]
    length = LENGTHS.get(name, 14)
    whole = run(in_memory(), proposer(name, space), length, given=2)
    for stop in (1, length // 2, length - 1):
        study = in_memory()
        run(study, proposer(name, space), stop, given=2)
        assert run(reopened(study), proposer(name, space), length, given=2) == whole
    assert run(in_memory(), proposer(name, space, seed=2), length, given=2) != whole


@pytest.mark.parametrize("name", partly_full(SAMPLERS, fast=("random", "tpe", "cmaes", "qmc")))
def test_a_trial_is_stored_with_all_its_parameters_at_once(name: str) -> None:
    space, number = SPACES["mixed"], LENGTHS.get(name, 14) - 1
    whole = run(in_memory(), proposer(name, space), number + 1, given=2)
    study = in_memory()
    run(study, proposer(name, space), number, given=2)
    begin(proposer(name, space), study)
    left = reopened(study).trials[number]
    assert (left.state, left.params) == (TrialState.RUNNING, whole[number])
    assert space.suggest(optuna.Trial(reopened(study), left._trial_id)) == space.suggest(left)
    assert reopened(study).trials[number].params == whole[number]


def test_proposing_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    verbosity = optuna.logging.get_verbosity()
    study = in_memory()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        caplog.clear()
        proposer("random", SPACES["mixed"]).propose(study)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(verbosity)
    assert caplog.text == ""


SCRIPT = """
import json, optuna
from sampler_runs import SPACES, in_memory, proposer, run
for name in ("tpe", "cmaes", "qmc"):
    print(json.dumps(run(in_memory(), proposer(name, SPACES["mixed"]), 9, given=1)))
"""


@pytest.mark.full
def test_every_process_proposes_the_same(pytestconfig: pytest.Config) -> None:
    other = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"PYTHONHASHSEED": "1"},  # this process has another, drawn at random
        cwd=pytestconfig.rootpath / "tests" / "helpers",
        capture_output=True,
        text=True,
        check=True,
    )
    here = [run(in_memory(), proposer(name, SPACES["mixed"]), 9, given=1) for name in ("tpe", "cmaes", "qmc")]
    assert [json.loads(line) for line in other.stdout.splitlines()] == here


# Baselines have no Optuna parameters, and must not keep the samplers from learning.


@pytest.mark.parametrize("name", partly_full(SAMPLERS, fast=("random", "tpe", "cmaes")))
def test_baselines_change_no_proposal(name: str) -> None:
    plain = run(in_memory(), proposer(name, SPACES["mixed"]), LENGTHS.get(name, 14))
    with_baselines = run(in_memory(), proposer(name, SPACES["mixed"]), LENGTHS.get(name, 14) + 5, given=5)
    # Every fifth trial is pruned, which five baselines do not shift.
    assert with_baselines[5:] == plain


def test_gp_finds_the_best_temperature_after_baselines() -> None:
    study = in_memory()
    run(study, proposer("gp", SPACES["one number"]), 10, given=2)
    sampled = [trial for trial in study.trials[2:] if trial.state == TrialState.COMPLETE]
    best = max(sampled, key=lambda trial: trial.value or -9.0)
    assert abs(best.params["temperature"] - 0.7) < 0.02


@pytest.mark.full
@pytest.mark.no_cover
def test_random_proposals_are_spread_evenly_and_independently() -> None:
    space = SearchSpace(temperature=Float(0.0, 1.0), tfs=Float(0.0, 1.0))
    values = [tuple(params.values()) for params in run(in_memory(), proposer("random", space), 400)]
    cells = [0] * 16
    for temperature, tfs in values:
        cells[4 * int(4 * temperature) + int(4 * tfs)] += 1
    # Chi-square with 15 degrees of freedom, 0.1 % point.
    assert sum((cell - 25) ** 2 / 25 for cell in cells) < 37.7


@pytest.mark.full
def test_qmc_proposals_are_spread_more_evenly_than_random_ones() -> None:
    space = SearchSpace(temperature=Float(0.0, 1.0))
    # The first is drawn at random; the 64 after it leave hardly any 64th of the range empty.
    for name, least, most in (("qmc", 60, 64), ("random", 30, 50)):
        values = [params["temperature"] for params in run(in_memory(), proposer(name, space), 65)[1:]]
        assert least <= len({int(64 * value) for value in values}) <= most


# Pruned trials.


def run_with_pruned(made: Proposer, levels: dict[str, list[float]]) -> list[dict[str, Any]]:
    """The proposals after one complete trial and pruned trials whose scores depend on the temperature."""
    study = in_memory()
    for number in range(14):
        trial = begin(made, study)
        made.space.suggest(trial)
        temperature = trial.params["temperature"]
        kind = "complete" if number < 1 else "pruned"
        scores = [temperature * level for level in levels[kind]]
        report_scores(trial, scores)
        trial.report(sum(scores) / len(scores), len(scores))
        if kind == "pruned":
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, sum(scores) / len(scores))
    return [trial.params for trial in study.trials]


PLAIN = {"complete": [0.3, 0.5, 0.4, 0.6] * 4, "pruned": [0.3, 0.5, 0.4, 0.6]}

FALLING = {**PLAIN, "pruned": [-0.3, -0.5, -0.4, -0.6]}  # among the pruned trials, a higher temperature scores worse


@pytest.mark.parametrize(("name", "learns"), [("tpe", True), ("gp", True), ("cmaes", True), ("random", False)])
def test_samplers_that_use_results_learn_from_pruned_trials(name: str, learns: bool) -> None:
    arguments: dict[str, dict[str, Any]] = {
        "tpe": {"n_startup_trials": 2},
        "gp": {"n_startup_trials": 2},
        "cmaes": {"popsize": 4},
    }
    made = Proposer(name=name, space=SPACES["one number"], seed=1, arguments=arguments.get(name, {}))
    assert (run_with_pruned(made, PLAIN) != run_with_pruned(made, FALLING)) == learns


@pytest.mark.parametrize(("name", "learns"), [("tpe", True), ("gp", False)])
def test_only_tpe_learns_from_trials_in_flight(name: str, learns: bool) -> None:
    made = Proposer(name=name, space=SPACES["one number"], seed=1, arguments={"n_startup_trials": 2})
    proposed = []
    for levels in (PLAIN, FALLING):
        study = in_memory()
        for number in range(14):
            trial = begin(made, study)
            made.space.suggest(trial)
            level = levels["pruned" if number else "complete"]
            report_scores(trial, [trial.params["temperature"] * score for score in level])
            if number == 0:
                study.tell(trial, 0.5)
        proposed.append([trial.params for trial in study.trials])
    assert (proposed[0] != proposed[1]) == learns


def test_pruned_trials_keep_their_points_of_the_grid() -> None:
    study = in_memory()
    made = Proposer(name="grid", space=GRID, seed=1)
    for _ in range(24):
        trial = begin(made, study)
        made.space.suggest(trial)
        report_scores(trial, [0.5])
        study.tell(trial, state=TrialState.PRUNED)
    assert set(grid_points(study)) == POINTS
    assert made.propose(study) is None


def test_without_scores_of_samples_tpe_receives_running_means() -> None:
    made = Proposer(name="tpe", space=SPACES["one number"], seed=1, arguments={"n_startup_trials": 2})

    def proposed(sign: float) -> list[dict[str, Any]]:
        study = in_memory()
        for number in range(14):
            trial = begin(made, study)
            made.space.suggest(trial)
            trial.report(sign * trial.params["temperature"], 4)
            study.tell(trial, 0.5 if number == 0 else None, None if number == 0 else TrialState.PRUNED)
        return [trial.params for trial in study.trials]

    assert proposed(1.0) != proposed(-1.0)


# The grid.


def grid_points(study: optuna.Study) -> list[tuple[float, int, float | None]]:
    return [
        (trial.params["temperature"], trial.params["top_k"], trial.params["top_p"])
        for trial in study.trials
        if FIXED_PARAMS not in trial.user_attrs
    ]


@pytest.mark.parametrize("given", [0, 3])
def test_a_grid_visits_every_point_once_and_ends(given: int) -> None:
    study = in_memory()
    for number in range(given + len(POINTS)):
        run(reopened(study), proposer("grid", GRID), number + 1, given=given)  # as in a new process
    assert len(POINTS) == 24
    assert len(grid_points(study)) == 24
    assert set(grid_points(study)) == POINTS
    assert proposer("grid", GRID).propose(study) is None
    assert len(study.trials) == given + 24
    assert grid_points(study) != sorted(grid_points(study), key=str)


def test_a_grid_goes_on_after_failed_and_left_trials() -> None:
    study = in_memory()
    made = proposer("grid", GRID)
    for number in range(24):
        trial = begin(made, study)
        made.space.suggest(trial)
        if number != 5:
            study.tell(trial, None, state=TrialState.FAIL)
    assert set(grid_points(study)) == POINTS


def test_points_in_flight_are_not_proposed_again() -> None:
    study = in_memory()
    made = proposer("grid", GRID)
    for _ in range(24):
        made.space.suggest(begin(made, study))
    assert {trial.state for trial in study.trials} == {TrialState.RUNNING}
    assert set(grid_points(study)) == POINTS
    assert made.propose(study) is None


@pytest.mark.parametrize("seed", [-1, 2**40])
@pytest.mark.parametrize("name", ["tpe", "random", "qmc", "grid"])
def test_any_integer_is_a_seed(name: str, seed: int) -> None:
    study = in_memory()
    made = Proposer(name=name, space=GRID, seed=seed)
    made.space.suggest(begin(made, study))
    assert len(study.trials) == 1


# Bad input.


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("tep", {}, r"^unknown sampler `tep`: did you mean `tpe`\?$"),
        ("optimal", {}, "^unknown sampler `optimal`: known are cmaes, gp, grid, nsga2, qmc, random, tpe$"),
        (
            "tpe",
            {"n_startup": 3},
            r"^unknown argument of the tpe sampler `n_startup`: did you mean `n_startup_trials`\?$",
        ),
        ("tpe", {"seed": 3}, "^unknown argument of the tpe sampler `seed`: known are "),
        (
            "random",
            {"n_startup_trials": 3},
            "^unknown argument of the random sampler `n_startup_trials`: there is none$",
        ),
        ("qmc", {"qmc_type": "sobel"}, "^the qmc sampler refuses its arguments: .*'sobel'"),
        ("tpe", {"multivariate": False}, "^the tpe sampler refuses its arguments: .*group"),
        ("cmaes", {"use_separable_cma": True, "with_margin": True}, "^the cmaes sampler refuses its arguments: "),
        ("grid", {}, "^`temperature` is continuous, which a grid search cannot list: give it a step or choices$"),
    ],
)
def test_bad_input_is_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refusal:
        Proposer(name=name, space=SPACES["one number"], seed=1, arguments=arguments)
    assert len(str(refusal.value).splitlines()) == 1


def test_arguments_come_first() -> None:
    space = SPACES["mixed"]
    plain = Proposer(name="tpe", space=space, seed=1, arguments={"multivariate": False, "group": False})
    assert run(in_memory(), plain, 14) != run(in_memory(), proposer("tpe", space), 14)
