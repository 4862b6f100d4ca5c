import pytest
from hand_made_studies import SAMPLED, create, finish
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from llmsearch_optuna import Float, SearchSpace
from llmsearch_optuna.errors import ConfigurationError, ModelError, ParameterError
from llmsearch_optuna.search.baselines import (
    InitialTrial,
    baseline_trials,
    enqueue,
    enqueue_again,
    parse_baselines,
    preset_trials,
)
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study.attributes import BASELINE, FIXED_PARAMS, MODEL_DEFAULT, QUEUED_PARAMS, REPEATS

SPACE = SearchSpace(temperature=Float(0.1, 1.5), generation_seed=3, max_new_tokens=16)


def test_baselines_have_the_spaces_length_limit_and_seed() -> None:
    def default_params(max_new_tokens: int, generation_seed: int) -> GenerationParams:
        return GenerationParams(temperature=0.6, max_new_tokens=max_new_tokens, generation_seed=generation_seed)

    assert baseline_trials(SPACE, default_params) == [
        InitialTrial(GenerationParams(temperature=0.6, max_new_tokens=16, generation_seed=3), None, "model default"),
        InitialTrial(GenerationParams(do_sample=False, max_new_tokens=16, generation_seed=3), None, "greedy"),
    ]


def test_greedy_is_the_only_baseline_where_the_models_own_is_not_known(caplog: pytest.LogCaptureFixture) -> None:
    def unusable(max_new_tokens: int, generation_seed: int) -> GenerationParams:
        raise ModelError(f"it asks for something else: {max_new_tokens}, {generation_seed}")

    assert [point.baseline for point in baseline_trials(SPACE, None)] == ["greedy"]
    assert [point.baseline for point in baseline_trials(SPACE, unusable)] == ["greedy"]
    assert caplog.messages == ["no baseline with the model's own parameters: it asks for something else: 16, 3"]


def test_presets_are_points_of_the_space_where_they_lie_in_it() -> None:
    inside = {"temperature": 0.5, "generation_seed": 3, "max_new_tokens": 16}
    outside = GenerationParams(temperature=0.5, top_k=5, max_new_tokens=16)
    assert preset_trials(SPACE, [inside, outside]) == [
        InitialTrial(GenerationParams.from_dict(inside), {"temperature": 0.5}, None),
        InitialTrial(outside, None, None),
    ]


def test_presets_have_the_fixed_settings_of_the_space() -> None:
    space = SearchSpace.from_dict({"temperature": Float(0.1, 1.5), "template.think": False, "max_new_tokens": 16})
    inside, outside = preset_trials(
        space,
        [
            {"temperature": 0.5, "max_new_tokens": 16},
            {"temperature": 0.5, "max_new_tokens": 16, "template.think": True},
        ],
    )
    assert inside.chosen == {"temperature": 0.5}
    assert inside.params.settings == (("template.think", False),)
    assert (outside.chosen, outside.params.settings) == (None, (("template.think", True),))


GREEDY = GenerationParams(do_sample=False)


def test_first_points_are_queued_once_and_in_order(storage: RDBStorage) -> None:
    study = create(storage, "queue")
    points = [
        InitialTrial(GREEDY, None, "greedy"),
        InitialTrial(SAMPLED, {"temperature": 0.5, "generation_seed": 1}, None),
        InitialTrial(SAMPLED, {"temperature": 0.5, "generation_seed": 1}, None),
        InitialTrial(GREEDY, None, None),
        InitialTrial(GenerationParams(), {}, None),
    ]
    enqueue(study, points)
    enqueue(study, points)
    finish(study, 0.5)
    enqueue(create(storage, "queue"), points)
    trials = study.get_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE, *[TrialState.WAITING] * 3]
    assert [trial.user_attrs.get(BASELINE) for trial in trials] == ["greedy", None, None, None]
    assert [trial.user_attrs.get(FIXED_PARAMS) for trial in trials] == [
        GREEDY.to_json(),
        None,
        GREEDY.to_json(),
        None,
    ]
    waiting = study.ask()
    assert waiting.suggest_float("temperature", 0.0, 1.0) == 0.5
    assert waiting.suggest_categorical("generation_seed", [0, 1]) == 1


def test_presets_are_a_list() -> None:
    for wrong in ({"temperature": 0.5}, GREEDY, "creative"):
        with pytest.raises(ParameterError, match="`presets` must be a list of parameters, got "):
            preset_trials(SPACE, wrong)  # type: ignore[arg-type]


def test_a_later_run_adds_what_is_new(storage: RDBStorage) -> None:
    study = create(storage, "more")
    enqueue(study, [InitialTrial(GREEDY, None, "greedy")])
    enqueue(study, [InitialTrial(GREEDY, None, "greedy"), InitialTrial(GREEDY, None, "model default")])
    assert [trial.user_attrs[BASELINE] for trial in study.trials] == ["greedy", "model default"]


def test_a_baseline_that_failed_is_repeated_by_a_later_run(storage: RDBStorage) -> None:
    study = create(storage, "failed")
    trials = [InitialTrial(GREEDY, None, "greedy"), InitialTrial(SAMPLED, {"temperature": 0.5}, None)]
    enqueue(study, trials)
    for _ in range(2):
        study.tell(study.ask(), state=TrialState.FAIL)
    enqueue_again(study, trials)
    assert [(trial.state, trial.user_attrs.get(BASELINE)) for trial in study.trials[2:]] == [
        (TrialState.WAITING, "greedy")
    ]
    enqueue_again(study, trials)
    assert len(study.trials) == 3


def production(temperature: float) -> InitialTrial:
    return InitialTrial(GenerationParams(temperature=temperature), None, "production")


@pytest.mark.parametrize("trials", [[production(0.9)], [InitialTrial(GREEDY, None, "greedy")], []])
def test_a_baseline_that_failed_and_is_not_in_use_any_more_is_not_repeated(
    storage: RDBStorage, trials: list[InitialTrial]
) -> None:
    study = create(storage, f"not in use, but {[trial.baseline for trial in trials]}")
    enqueue(study, [production(0.7)])
    study.tell(study.ask(), state=TrialState.FAIL)
    enqueue_again(study, trials)
    enqueue(study, trials)
    expected: list[tuple[str, int | None]] = [(trial.params.to_json(), None) for trial in trials]
    enqueue_again(study, [production(0.7)])  # it is in use again
    enqueue(study, [production(0.7)])
    expected += [(production(0.7).params.to_json(), 0)]
    queued = [(trial.user_attrs[QUEUED_PARAMS], trial.user_attrs.get(REPEATS)) for trial in study.trials[1:]]
    assert queued == expected


def test_a_baseline_with_its_former_parameters_is_queued_again(storage: RDBStorage) -> None:
    study = create(storage, "former")
    for temperature in (0.7, 0.7, 0.9, 0.7, 0.7):
        enqueue(study, [production(temperature)])
    temperatures = [GenerationParams.from_json(trial.user_attrs[QUEUED_PARAMS]).temperature for trial in study.trials]
    assert temperatures == [0.7, 0.9, 0.7]


def test_two_model_defaults_are_queued_once_each(storage: RDBStorage) -> None:
    def default_params(max_new_tokens: int, generation_seed: int) -> GenerationParams:
        return GenerationParams(temperature=0.6, max_new_tokens=max_new_tokens, generation_seed=generation_seed)

    study = create(storage, "two defaults")
    trials = baseline_trials(SPACE, default_params, decodes_greedily=False)
    for _ in range(2):
        enqueue(study, trials)
    assert [trial.user_attrs[BASELINE] for trial in study.trials] == [MODEL_DEFAULT] * 2


def test_named_baselines_come_after_the_usual_ones() -> None:
    named: dict[str, dict[str, object]] = {
        "production": {"temperature": 0.7, "top_p": 0.9},
        "short": {"max_new_tokens": 4, "template.think": True},
    }
    space = SearchSpace.from_dict({"temperature": Float(0.1, 1.5), "template.think": False, "max_new_tokens": 16})
    trials = baseline_trials(space, None, named=named)
    assert [trial.baseline for trial in trials] == ["greedy", "production", "short"]
    assert trials[1].params.to_dict() == {
        "temperature": 0.7,
        "top_p": 0.9,
        "generation_seed": 0,
        "max_new_tokens": 16,
        "template.think": False,
    }
    assert (trials[2].params.max_new_tokens, trials[2].params.settings) == (4, (("template.think", True),))


@pytest.mark.parametrize(
    ("baselines", "message"),
    [
        (1, "`baselines` must be true, false, or a table of names and parameters"),
        ({"greedy": {}}, "`baselines` must have names other than those of the package's own finalists, got 'greedy'"),
        ({"runner-up 1": {}}, "`baselines` must have names other than"),
        ({"mine": 0.7}, "`baselines` must have a table of parameters for each name"),
        ({"mine": {"top_p": 1.3}}, "`baselines` has invalid parameters in `mine`: `top_p` must be in (0, 1], got 1.3"),
    ],
)
def test_wrong_baselines_are_refused(baselines: object, message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_baselines(baselines)
    assert str(refusal.value).startswith(message)
