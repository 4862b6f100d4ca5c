"""Verdicts without stages."""

from llmsearch_optuna.verdict.finalists import Finalists
from llmsearch_optuna.verdict.stages import Stage

PLAN = "llmsearch_optuna.verdict.holdout.plan_stages"
"""What `in_one_stage` takes the place of."""


def in_one_stage(finalists: Finalists, seeds: int, *, has_several: bool) -> tuple[Stage, ...]:
    """All finalists with all seeds, at once."""
    return (Stage(finalists.selected, seeds, 0.05),)
