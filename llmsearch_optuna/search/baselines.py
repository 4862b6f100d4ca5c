"""What a study tries before the sampler proposes anything: the baselines, and presets."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import optuna

from llmsearch_optuna.errors import ModelError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.study.attributes import BASELINE, FIXED_PARAMS

__all__ = ["InitialTrial", "baseline_trials", "enqueue", "preset_trials"]

_LOG = logging.getLogger(__name__)


class InitialTrial(NamedTuple):
    """Parameters to be tried before the sampler's own.

    Attributes:
        params: What to generate with.
        chosen: The Optuna parameters that stand for them; ``None`` where the space lacks them.
        baseline: The baseline's name; ``None`` for a preset.
    """

    params: GenerationParams
    chosen: Mapping[str, object] | None
    baseline: str | None


def baseline_trials(
    space: SearchSpace, default_params: Callable[[int, int], GenerationParams] | None
) -> list[InitialTrial]:
    """The model's own parameters and greedy decoding, at the space's length limit and first seed.

    Args:
        space: What is searched.
        default_params: ``(max_new_tokens, generation_seed) -> parameters`` that the model decodes with by itself;
            ``None`` where they are not known.
    """
    points = []
    limit, seed = space.longest_completion(), space.first_seed()
    if default_params is not None:
        try:
            points.append(InitialTrial(default_params(limit, seed), None, "model default"))
        except ModelError as error:
            _LOG.warning("no baseline with the model's own parameters: %s", error)
    greedy = GenerationParams(do_sample=False, max_new_tokens=limit, generation_seed=seed)
    return [*points, InitialTrial(greedy, None, "greedy")]


def preset_trials(space: SearchSpace, presets: Sequence[GenerationParams | Mapping[str, object]]) -> list[InitialTrial]:
    """Presets, as points of the space where they lie in it.

    Raises:
        ParameterError: One holds no valid parameters.
    """
    points = [
        preset if isinstance(preset, GenerationParams) else GenerationParams.from_dict(preset) for preset in presets
    ]
    return [InitialTrial(params, space.trial_params(params), None) for params in points]


def enqueue(study: optuna.Study, points: Sequence[InitialTrial]) -> None:
    """Queues parameters to be tried first, each once in the life of the study."""
    queued = {
        (trial.user_attrs.get("queued_params"), trial.user_attrs.get(BASELINE))
        for trial in study.get_trials(deepcopy=False)
    }
    for params, chosen, baseline in points:
        identity = (params.to_json(), baseline)
        if identity in queued:
            continue
        queued.add(identity)
        attributes = {"queued_params": params.to_json()}
        if baseline is not None:
            attributes[BASELINE] = baseline
        if chosen is None:
            attributes[FIXED_PARAMS] = params.to_json()
        study.enqueue_trial(dict(chosen or {}), user_attrs=attributes)
