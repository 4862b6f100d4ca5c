"""The rows of a verdict's table, joined once for the report, the dashboard and the terminal."""

from typing import NamedTuple

from llmsearch_optuna.verdict.verdict import Verdict

__all__ = ["GAIN_HEADING", "SAVED_HEADING", "VerdictRow", "verdict_rows"]

GAIN_HEADING = "gain [95 % interval]"
SAVED_HEADING = "saved [95 % interval]"

_NOT_COMPARED = "-"


class VerdictRow(NamedTuple):
    """One finalist in the verdict's table.

    Attributes:
        name: The finalist's name.
        trial: The number of its trial; ``None`` for outputs that come from files.
        score: The metric on the verdict's samples, averaged over the seeds.
        search_score: The metric on the search split; ``None`` if it is not recorded.
        gain: The gain over the reference with its interval, ``"reference"``, or ``"-"`` without a comparison.
        tokens: Tokens per completion; ``None`` if tokens are not an objective.
        saved: Tokens saved per completion against the reference, with their interval; ``"-"`` without a comparison.
    """

    name: str
    trial: int | None
    score: float
    search_score: float | None
    gain: str
    tokens: float | None
    saved: str


def verdict_rows(verdict: Verdict) -> tuple[VerdictRow, ...]:
    """Return one row for each finalist, in the verdict's order."""
    gains = {comparison.name: str(comparison) for comparison in verdict.comparisons}
    savings = {comparison.name: str(comparison) for comparison in verdict.savings}
    if verdict.reference is not None:
        gains[verdict.reference] = "reference"
    return tuple(
        VerdictRow(
            name=finalist.name,
            trial=finalist.trial,
            score=finalist.score,
            search_score=finalist.search_score,
            gain=gains.get(finalist.name, _NOT_COMPARED),
            tokens=finalist.tokens,
            saved=savings.get(finalist.name, _NOT_COMPARED),
        )
        for finalist in verdict.finalists
    )
