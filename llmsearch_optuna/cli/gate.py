"""The exit status of a command that gives a verdict, for a build that must fail."""

import sys
from collections.abc import Sequence

from llmsearch_optuna.terminal import printable
from llmsearch_optuna.verdict.finalists import is_baseline
from llmsearch_optuna.verdict.verdict import Verdict

__all__ = ["CONDITION_MET", "FAILURES", "NOT_BETTER", "exit_status"]

NOT_BETTER = "not-better"

FAILURES = ("worse", NOT_BETTER)
"""The conditions of ``--fail-if``. A study has only the second: its best trial may be a baseline."""

CONDITION_MET = 3
"""The exit status if the condition of ``--fail-if`` is met."""


def exit_status(verdicts: Sequence[Verdict], condition: str | None) -> int:
    """Return the exit status for some verdicts, and print the condition that is met.

    Args:
        verdicts: The verdicts, one for each metric.
        condition: One of `FAILURES`, or None.

    Returns:
        `CONDITION_MET` if the condition is met for any metric, else 0.
    """
    met = [verdict.metric for verdict in verdicts if condition is not None and _is_met(verdict, condition)]
    if not met:
        return 0
    print(printable(f"llmsearch-optuna: {condition}: {', '.join(met)}"), file=sys.stderr)
    return CONDITION_MET


def _is_met(verdict: Verdict, condition: str) -> bool:
    if verdict.held_out:
        return not (verdict.shows_gain or (verdict.recommended and not is_baseline(verdict.best)))
    comparison = verdict.comparisons[0]
    return comparison.high < 0.0 if condition == "worse" else comparison.low <= 0.0
