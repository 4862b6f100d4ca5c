"""Replace parts of a tuner's backend."""

import dataclasses
from typing import Any

from llmsearch_optuna import Tuner


def replace_backend(tuner: Tuner, **changes: Any) -> None:
    """Replace fields of a tuner's `Backend`, such as its engine."""
    tuner._backend = dataclasses.replace(tuner._backend, **changes)
    tuner._evaluator = dataclasses.replace(tuner._evaluator, engine=tuner._backend.engine)
