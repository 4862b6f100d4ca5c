"""Bayesian optimisation of LLM generation parameters.

The names below are imported when they are first used, so that reading a study or asking for help does not load torch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmsearch_optuna.dimensions import Categorical, Float, Int
    from llmsearch_optuna.engine import MultiTokenStoppingCriteria, logits_processors
    from llmsearch_optuna.engine.http import OpenAIServer
    from llmsearch_optuna.metrics import make_metric
    from llmsearch_optuna.objective import GenerationObjective
    from llmsearch_optuna.params import GenerationParams
    from llmsearch_optuna.pruning import PairedPruner
    from llmsearch_optuna.scores import report_scores
    from llmsearch_optuna.space import SearchSpace
    from llmsearch_optuna.study import trial_params
    from llmsearch_optuna.tuner import Tuner
    from llmsearch_optuna.verdict import Verdict

__version__ = "0.1.0"

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
    "logits_processors",
    "make_metric",
    "report_scores",
    "trial_params",
]

_HOMES = {
    "Categorical": "dimensions",
    "Float": "dimensions",
    "GenerationObjective": "objective",
    "GenerationParams": "params",
    "Int": "dimensions",
    "MultiTokenStoppingCriteria": "engine",
    "OpenAIServer": "engine.http",
    "PairedPruner": "pruning",
    "SearchSpace": "space",
    "Tuner": "tuner",
    "Verdict": "verdict",
    "logits_processors": "engine",
    "make_metric": "metrics",
    "report_scores": "scores",
    "trial_params": "study",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
