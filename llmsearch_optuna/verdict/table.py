"""The rows of a verdict's table, for the report, the dashboard and the terminal."""

from dataclasses import dataclass

from llmsearch_optuna.study.objectives import COST, EXPENSES
from llmsearch_optuna.verdict.verdict import FinalistResult, Verdict

__all__ = ["GAIN_HEADING", "SAVED_HEADING", "VerdictRow", "expense_headings", "verdict_rows"]

GAIN_HEADING = "gain [95 % interval]"
SAVED_HEADING = "saved [95 % interval]"

_NOT_COMPARED = "-"


@dataclass(frozen=True, kw_only=True)
class VerdictRow(FinalistResult):
    """The result of a finalist as a row of the verdict's table.

    Attributes:
        gain: The gain over the reference with its interval; ``"reference"`` for the reference itself; ``"-"`` if there
            is no comparison.
        expenses: The cells under `expense_headings`.
    """

    gain: str
    expenses: tuple[str, ...]


def expense_headings(verdict: Verdict) -> tuple[str, ...]:
    """Return the headings of a table's columns on tokens and cost: only of what is an objective or has a price."""
    names = [name for name in EXPENSES if any(_mean(result, name) is not None for result in verdict.finalists)]
    return (*sorted(names, key=lambda name: name == verdict.expense), *([SAVED_HEADING] if verdict.expense else []))


def verdict_rows(verdict: Verdict) -> tuple[VerdictRow, ...]:
    """Return one row for each finalist, in the verdict's order."""
    gains = {comparison.name: str(comparison) for comparison in verdict.comparisons}
    savings = {comparison.name: str(comparison) for comparison in verdict.savings}
    headings = expense_headings(verdict)
    if verdict.reference is not None:
        gains[verdict.reference] = "reference"
    return tuple(
        VerdictRow(
            **vars(finalist),
            gain=gains.get(finalist.name, _NOT_COMPARED),
            expenses=tuple(
                savings.get(finalist.name, _NOT_COMPARED)
                if heading == SAVED_HEADING
                else EXPENSES[heading].shown(_mean(finalist, heading))
                for heading in headings
            ),
        )
        for finalist in verdict.finalists
    )


def _mean(result: FinalistResult, name: str) -> float | None:
    return result.cost if name == COST else result.tokens
