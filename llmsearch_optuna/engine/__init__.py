"""Engines: prompts and parameters in, completions out."""

from llmsearch_optuna.engine.base import Completion, Engine, FinishReason, Request, Stopping, TokenCallback
from llmsearch_optuna.engine.function import FunctionEngine, PredictionFunction
from llmsearch_optuna.engine.generate import GenerateEngine
from llmsearch_optuna.engine.processors import logits_processors
from llmsearch_optuna.engine.slots import SlotEngine
from llmsearch_optuna.engine.stopping import MultiTokenStoppingCriteria

__all__ = [
    "Completion",
    "Engine",
    "FinishReason",
    "FunctionEngine",
    "GenerateEngine",
    "MultiTokenStoppingCriteria",
    "PredictionFunction",
    "Request",
    "SlotEngine",
    "Stopping",
    "TokenCallback",
    "logits_processors",
]
