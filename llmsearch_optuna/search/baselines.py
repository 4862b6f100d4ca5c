"""The trials that precede the sampler's proposals: baselines and presets."""

import dataclasses
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import optuna
from optuna.trial import TrialState

from llmsearch_optuna.data.task import InputLimits, Sample, check_window
from llmsearch_optuna.errors import ConfigurationError, ModelError, ParameterError
from llmsearch_optuna.search.scoring import Evaluator
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.space.settings import is_setting
from llmsearch_optuna.study.attributes import (
    BASELINE,
    FIXED_PARAMS,
    MODEL_DEFAULT,
    QUEUED_PARAMS,
    REPEATS,
    SCORER_FAULT,
)
from llmsearch_optuna.study.trials import without_repeated

__all__ = [
    "InitialTrial",
    "baseline_trials",
    "check_trials",
    "enqueue",
    "enqueue_again",
    "parse_baselines",
    "preset_trials",
    "with_settings",
]

_LOG = logging.getLogger(__name__)

_TAKEN = re.compile(rf"({MODEL_DEFAULT}|greedy|best|front|runner-up)( \d+)?$")
"""The names of other finalists."""


class InitialTrial(NamedTuple):
    """The parameters of a trial that precedes the sampler's proposals.

    Attributes:
        params: The generation parameters.
        chosen: The Optuna parameters that represent them; None for a baseline, or if they are not a point of the space.
        baseline: The baseline's name; None for a preset.
    """

    params: GenerationParams
    chosen: Mapping[str, object] | None
    baseline: str | None


def baseline_trials(
    space: SearchSpace,
    default_params: Callable[[int, int], GenerationParams] | None,
    decodes_greedily: bool = True,
    named: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
) -> list[InitialTrial]:
    """Return the baselines: the model's own parameters, greedy decoding, and the named ones.

    A server whose model does not decode greedily has one baseline: sampling at temperature 1, its default. All have the
    maximum `max_new_tokens`, the minimum `samples_per_prompt`, the first seed and the fixed settings of the space. If
    the model's own parameters are invalid, a warning is logged and only greedy decoding is returned.

    Args:
        space: The search space.
        default_params: ``(max_new_tokens, generation_seed) -> parameters`` of the model's generation config; None if
            they are not known.
        decodes_greedily: Whether the engine can decode greedily.
        named: Further baselines: their names and parameters; see `parse_baselines`.
    """
    trials = []
    limit, seed = space.longest_completion(), space.first_seed()
    if default_params is not None:
        try:
            trials.append(InitialTrial(default_params(limit, seed), None, MODEL_DEFAULT))
        except ModelError as error:
            _LOG.warning("no baseline with the model's own parameters: %s", error)
    defaults = {"max_new_tokens": limit, "generation_seed": seed}
    usual: dict[str, Mapping[str, object]] = {"greedy": {"do_sample": False}}
    if not decodes_greedily:
        usual = {MODEL_DEFAULT: {"do_sample": True}}
    trials += [
        InitialTrial(GenerationParams.from_dict({**defaults, **values}), None, name)
        for name, values in {**usual, **named}.items()
    ]
    return [trial._replace(params=_completed(space, trial.params)) for trial in trials]


def with_settings(space: SearchSpace, params: GenerationParams) -> GenerationParams:
    """Return parameters with the fixed settings of a space, unless they set them: these belong to the task."""
    fixed = {name: value for name, value in space.fixed.items() if is_setting(name)}
    return dataclasses.replace(params, settings=tuple(sorted((fixed | dict(params.settings)).items())))


def parse_baselines(baselines: object) -> Mapping[str, Mapping[str, object]]:
    """Return the named baselines of the option `baselines`.

    Args:
        baselines: True, false, or a table of names and parameters.

    Raises:
        ConfigurationError: It is something else, a name is not a free one, or parameters are invalid.
    """
    if isinstance(baselines, bool):
        return {}
    if not isinstance(baselines, Mapping):
        raise ConfigurationError(
            "`baselines` must be true, false, or a table of names and parameters, as in { production = { temperature = "
            f"0.7 }} }}, got {baselines!r}"
        )
    for name, values in baselines.items():
        if not isinstance(name, str) or not name.strip() or _TAKEN.match(name):
            raise ConfigurationError(
                f"`baselines` must have names other than those of the package's own finalists, got {name!r}"
            )
        if not isinstance(values, Mapping):
            raise ConfigurationError(
                "`baselines` must have a table of parameters for each name, as in { temperature = 0.7 }, got "
                f"{name} = {values!r}"
            )
        try:
            GenerationParams.from_dict(values)
        except ParameterError as error:
            raise ConfigurationError(f"`baselines` has invalid parameters in `{name}`: {error}") from error
    return baselines


def _completed(space: SearchSpace, params: GenerationParams) -> GenerationParams:
    """Return parameters with what they do not set of the fixed settings and the minimum `samples_per_prompt`."""
    params, count = with_settings(space, params), space.completions_per_sample()[0]
    return params if count == 1 or params.samples_per_prompt else dataclasses.replace(params, samples_per_prompt=count)


def preset_trials(space: SearchSpace, presets: Sequence[GenerationParams | Mapping[str, object]]) -> list[InitialTrial]:
    """Return the trials of presets, as points of the space if they lie in it.

    A preset that does not set `samples_per_prompt` has the minimum of the space. It also has the fixed settings of the
    space that it does not set.

    Raises:
        ParameterError: A preset has invalid parameters, or `presets` is no list.
    """
    if isinstance(presets, str | Mapping | GenerationParams):
        raise ParameterError(f"`presets` must be a list of parameters, got {presets!r}: write [{presets!r}]")
    points = [
        preset if isinstance(preset, GenerationParams) else GenerationParams.from_dict(preset) for preset in presets
    ]
    points = [_completed(space, params) for params in points]
    return [InitialTrial(params, space.trial_params(params), None) for params in points]


def check_trials(
    trials: Sequence[InitialTrial], evaluator: Evaluator, samples: Sequence[Sample], window: InputLimits
) -> None:
    """Raise an error if a trial cannot be evaluated: for its `samples_per_prompt`, or as a prompt leaves it no room.

    Raises:
        ConfigurationError: See `Evaluator.check_completions`.
        TaskError: See `check_window`.
    """
    for trial in trials:
        evaluator.check_completions(trial.params, f"baseline `{trial.baseline}`" if trial.baseline else "a preset")
        check_window(samples, window, trial.params.max_new_tokens)


def enqueue(study: optuna.Study, trials: Sequence[InitialTrial]) -> None:
    """Queue the trials that have never been queued in the study before, and baselines whose parameters were changed.

    Of a baseline's trials, the last one counts. One whose former parameters are in use again is therefore queued again.
    There may be two baselines *model default*, each of which is queued once.
    """
    earlier = [
        (trial.user_attrs.get(QUEUED_PARAMS), trial.user_attrs.get(BASELINE))
        for trial in study.get_trials(deepcopy=False)
    ]
    queued, latest = set(earlier), {baseline: params for params, baseline in earlier}
    for params, chosen, baseline in trials:
        identity = (params.to_json(), baseline)
        is_latest = baseline in (None, MODEL_DEFAULT) or latest.get(baseline) == params.to_json()
        if identity in queued and is_latest:
            continue
        queued.add(identity)
        attributes = {QUEUED_PARAMS: params.to_json()}
        if baseline is not None:
            attributes[BASELINE] = baseline
        if chosen is None:
            attributes[FIXED_PARAMS] = params.to_json()
        study.enqueue_trial(dict(chosen or {}), user_attrs=attributes)


def enqueue_again(study: optuna.Study, trials: Sequence[InitialTrial]) -> None:
    """Queue trials that failed, if the cause may have passed: baselines, and others if the scorer was at fault.

    Args:
        study: The study.
        trials: The trials of this call. Other baselines, or with other parameters, are not in use any more.
    """
    in_use = {(trial.params.to_json(), trial.baseline) for trial in trials}
    for trial in without_repeated(study.get_trials(deepcopy=False)):
        baseline = trial.user_attrs.get(BASELINE)
        can_pass = SCORER_FAULT in trial.user_attrs
        if baseline is not None:
            can_pass = (trial.user_attrs.get(QUEUED_PARAMS), baseline) in in_use
        if trial.state != TrialState.FAIL or not can_pass:
            continue
        kept = (QUEUED_PARAMS, BASELINE, FIXED_PARAMS)
        attributes = {name: trial.user_attrs[name] for name in kept if name in trial.user_attrs}
        study.enqueue_trial(dict(trial.params), user_attrs={**attributes, REPEATS: trial.number})
        _LOG.info("trial %d failed, and is repeated", trial.number)
