"""Bayesian optimisation of LLM generation parameters.

The names below are imported when they are first used, so that reading a study or printing ``--help`` loads little.
`MultiTokenStoppingCriteria` and `logits_processors` need torch and transformers.
"""

import importlib
from typing import TYPE_CHECKING

from llmsearch_optuna._version import __version__ as __version__
from llmsearch_optuna._version import requirement

if TYPE_CHECKING:
    from llmsearch_optuna.data.tasks.loading import load_task
    from llmsearch_optuna.engine.generate.processors import logits_processors
    from llmsearch_optuna.engine.http import OpenAIServer
    from llmsearch_optuna.engine.stopping import MultiTokenStoppingCriteria
    from llmsearch_optuna.metrics import make_metric
    from llmsearch_optuna.search.evaluation import GenerationObjective
    from llmsearch_optuna.search.paired_pruner import PairedPruner
    from llmsearch_optuna.search.score_readers import report_scores
    from llmsearch_optuna.space.dimensions import Categorical, Float, Int
    from llmsearch_optuna.space.params import GenerationParams
    from llmsearch_optuna.space.search_space import SearchSpace
    from llmsearch_optuna.study.trials import trial_params
    from llmsearch_optuna.tuner import Tuner
    from llmsearch_optuna.verdict.verdict import Verdict

__all__ = [
    "Categorical",
    "Float",
    "GenerationObjective",
    "GenerationParams",
    "Int",
    "MultiTokenStoppingCriteria",
    "OpenAIServer",
    "PairedPruner",
    "SearchSpace",
    "Tuner",
    "Verdict",
    "load_task",
    "logits_processors",
    "make_metric",
    "report_scores",
    "trial_params",
]

_HOMES = {
    "Categorical": "space.dimensions",
    "Float": "space.dimensions",
    "GenerationObjective": "search.evaluation",
    "GenerationParams": "space.params",
    "Int": "space.dimensions",
    "MultiTokenStoppingCriteria": "engine.stopping",
    "OpenAIServer": "engine.http",
    "PairedPruner": "search.paired_pruner",
    "SearchSpace": "space.search_space",
    "Tuner": "tuner",
    "Verdict": "verdict.verdict",
    "load_task": "data.tasks.loading",
    "logits_processors": "engine.generate.processors",
    "make_metric": "metrics",
    "report_scores": "search.score_readers",
    "trial_params": "study.trials",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers"):
            raise
        missing = f"`{name}` needs {error.name}, which is not installed"
        raise ImportError(f"{missing}: pip install {requirement('local')}") from error


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
