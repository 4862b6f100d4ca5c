"""Answers that are no ordinary text: what they are called, and when they make a score meaningless."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from llmsearch_optuna.errors import TrialError
from llmsearch_optuna.terminal import listed

__all__ = ["IRREGULAR", "check_answers", "describe_answers", "irregular_rows"]

IRREGULAR: Mapping[str, str] = MappingProxyType(
    {
        "tool": "a tool call in place of a text",
        "filter": "withheld or cut by the server's content filter",
        "no_text": "no text",
        "thinking": "no answer, as the length limit or a stop string ended the thought",
        "unknown": "ended for a reason that is not known",
    }
)
"""Finish reason -> what the answer is. Such an answer is scored like any other, with an empty text if it has none."""

_LOST = ("tool", "filter", "no_text")
_MIN_ANSWERS = 8


def check_answers(rows: Sequence[tuple[int, str]], before: Mapping[str, int], *, is_last: bool) -> None:
    """Raise an error if the score of a trial would say little about the parameters.

    That is the case if at least half of the answers are tool calls, filtered or without any text. It is decided from 8
    answers on, or at the end of the trial. Unfinished thoughts are no reason: they depend on the parameters.

    Args:
        rows: Row and finish reason of the new answers.
        before: The number of earlier answers of the trial, by finish reason.
        is_last: Whether the new answers are the trial's last.

    Raises:
        TrialError: The message has the number of these answers and the rows of the new ones.
    """
    counts = Counter(before)
    counts.update(reason for _, reason in rows)
    total = counts.total()
    lost = sum(counts[reason] for reason in _LOST)
    if not lost or 2 * lost < total or (total < _MIN_ANSWERS and not is_last):
        return
    answers = describe_answers(irregular_rows((row, reason) for row, reason in rows if reason in _LOST))
    raise TrialError(f"{lost} of {total} answers are no text to score: {answers}")


def irregular_rows(rows: Iterable[tuple[int, str]]) -> dict[str, list[int]]:
    """Group the rows of irregular answers by finish reason.

    Args:
        rows: Row and finish reason of answers, regular or not.
    """
    rows_by_reason: dict[str, list[int]] = {}
    for row, reason in rows:
        if reason in IRREGULAR:
            rows_by_reason.setdefault(reason, []).append(row)
    return rows_by_reason


def describe_answers(rows_by_reason: Mapping[str, Sequence[int]]) -> str:
    """Describe irregular answers, e.g. ``"2 x no text (rows 3, 7)"``.

    Args:
        rows_by_reason: The rows of irregular answers by finish reason. A row with several of them may be repeated.
    """
    parts = []
    for reason, rows in sorted(rows_by_reason.items()):
        distinct = sorted(set(rows))
        noun = "rows" if len(distinct) > 1 else "row"
        parts.append(f"{len(rows)} x {IRREGULAR[reason]} ({noun} {listed(distinct)})")
    return "; ".join(parts)
