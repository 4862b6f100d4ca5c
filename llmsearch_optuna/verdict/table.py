"""The rows of a verdict's table, for the report, the dashboard and the terminal."""

from dataclasses import dataclass

from llmsearch_optuna.verdict.verdict import FinalistResult, Verdict

__all__ = ["GAIN_HEADING", "SAVED_HEADING", "VerdictRow", "verdict_rows"]

GAIN_HEADING = "gain [95 % interval]"
SAVED_HEADING = "saved [95 % interval]"

_NOT_COMPARED = "-"


@dataclass(frozen=True, kw_only=True)
class VerdictRow(FinalistResult):
    """The result of a finalist as a row of the verdict's table.

    Attributes:
        gain: The gain over the reference with its interval; ``"reference"`` for the reference itself; ``"-"`` if there
            is no comparison.
        saved: Tokens saved per completion against the reference, with their interval; ``"-"`` if there is none.
    """

    gain: str
    saved: str


def verdict_rows(verdict: Verdict) -> tuple[VerdictRow, ...]:
    """Return one row for each finalist, in the verdict's order."""
    gains = {comparison.name: str(comparison) for comparison in verdict.comparisons}
    savings = {comparison.name: str(comparison) for comparison in verdict.savings}
    if verdict.reference is not None:
        gains[verdict.reference] = "reference"
    return tuple(
        VerdictRow(
            **vars(finalist),
            gain=gains.get(finalist.name, _NOT_COMPARED),
            saved=savings.get(finalist.name, _NOT_COMPARED),
        )
        for finalist in verdict.finalists
    )
