"""The rows of a verdict's table, for the report, the dashboard and the terminal."""

from dataclasses import dataclass

from llmsearch_optuna.study.objectives import COST, EXPENSES
from llmsearch_optuna.verdict.comparison import FinalistResult
from llmsearch_optuna.verdict.verdict import Verdict

__all__ = ["GAIN_HEADING", "SAVED_HEADING", "VerdictRow", "further_headings", "verdict_rows"]

GAIN_HEADING = "gain [95 % interval]"
SAVED_HEADING = "saved [95 % interval]"

_NOT_COMPARED = "-"


@dataclass(frozen=True, kw_only=True)
class VerdictRow(FinalistResult):
    """The result of a finalist as a row of the verdict's table.

    Attributes:
        gain: The gain over the reference with its interval; ``"reference"`` for the reference itself; ``"-"`` if there
            is no comparison.
        further: The cells under `further_headings`.
    """

    gain: str
    further: tuple[str, ...]


def further_headings(verdict: Verdict) -> tuple[str, ...]:
    """Return the headings of a table's columns after the gain.

    These are tokens and cost, if they are an objective or have a price; then each further metric, with its constraint,
    and the gain in it.
    """
    return (*_expense_headings(verdict), *(heading for pair in _metric_headings(verdict).values() for heading in pair))


def _expense_headings(verdict: Verdict) -> tuple[str, ...]:
    names = [name for name in EXPENSES if any(_mean(result, name) is not None for result in verdict.finalists)]
    return (*sorted(names, key=lambda name: name == verdict.expense), *([SAVED_HEADING] if verdict.expense else []))


def _metric_headings(verdict: Verdict) -> dict[str, tuple[str, str]]:
    """Return the headings of the value and of the gain by label."""
    return {
        result.label: (f"{result.label} {result.constraint or ''}".rstrip(), f"gain in {result.label}")
        for result in verdict.metrics
    }


def _metric_cells(verdict: Verdict, name: str) -> list[str]:
    """Return the cells of a finalist under `_metric_headings`."""
    by_label = {result.label: result for result in verdict.metrics if result.name == name}
    cells = []
    for label in _metric_headings(verdict):
        result = by_label.get(label)
        if result is None:
            cells += [_NOT_COMPARED] * 2
            continue
        standing = "" if result.standing is None else f", {result.standing}"
        gain = "reference" if name == verdict.reference else str(result.comparison or _NOT_COMPARED)
        cells += [f"{result}{standing}", gain]
    return cells


def verdict_rows(verdict: Verdict) -> tuple[VerdictRow, ...]:
    """Return one row for each finalist, in the verdict's order."""
    gains = {comparison.name: str(comparison) for comparison in verdict.comparisons}
    savings = {comparison.name: str(comparison) for comparison in verdict.savings}
    headings = _expense_headings(verdict)
    if verdict.reference is not None:
        gains[verdict.reference] = "reference"
    return tuple(
        VerdictRow(
            **vars(finalist),
            gain=gains.get(finalist.name, _NOT_COMPARED),
            further=(
                *(
                    savings.get(finalist.name, _NOT_COMPARED)
                    if heading == SAVED_HEADING
                    else EXPENSES[heading].shown(_mean(finalist, heading))
                    for heading in headings
                ),
                *_metric_cells(verdict, finalist.name),
            ),
        )
        for finalist in verdict.finalists
    )


def _mean(result: FinalistResult, name: str) -> float | None:
    return result.cost if name == COST else result.tokens
