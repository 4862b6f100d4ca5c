"""Checks of a stored study, its trials and their completions for lost or damaged data."""

import datetime as dt
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from llmsearch_optuna.engine.base import FinishReason
from llmsearch_optuna.errors import LlmsearchError, StorageError
from llmsearch_optuna.fsck.inspection import RawCompletion, RawStudy, RawTrial
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import FurtherCompletion, TokenCounts
from llmsearch_optuna.study.attributes import FINGERPRINT, KEY, PARAMS, TRIAL_TOKENS, VERDICT
from llmsearch_optuna.study.fingerprint import created_directions, read_fingerprint
from llmsearch_optuna.study.price import Price
from llmsearch_optuna.terminal import listed
from llmsearch_optuna.verdict.verdict import Verdict

__all__ = [
    "completion_flaws",
    "damaged_judgements",
    "missing_positions",
    "parsed",
    "parsed_time",
    "study_flaws",
    "trial_flaws",
]

_EVALUATED = ("COMPLETE", "PRUNED")
_FINISH_REASONS = get_args(FinishReason)
_WIDEST_GAP = 10_000


def damaged_judgements(judgements: Sequence[tuple[Any, Any, Any]]) -> list[str]:
    """Return the keys of the judgements whose score or answers cannot be read."""
    return [
        key
        for key, score, answers in judgements
        if not (score is None or _is_number(score)) or not isinstance(parsed(answers), list)
    ]


def study_flaws(study: RawStudy, trials: Sequence[RawTrial]) -> Iterator[str]:
    """Check a study's attributes and the numbers of its trials. Yield one line per flaw."""
    key, fingerprint = (parsed(study.user_attrs.get(name)) for name in (KEY, FINGERPRINT))
    if not isinstance(key, str) and (trials or KEY in study.user_attrs):
        yield "its key is lost, so that its completions cannot be found"
    if not isinstance(fingerprint, dict):
        yield "its fingerprint is lost"
    else:
        directions = [direction.lower() for direction in study.directions]
        try:
            created = created_directions(read_fingerprint(fingerprint))
            if created != directions:
                stored = " and ".join(directions) or "lost"
                yield f"its direction is {stored}, but it was created to {' and '.join(created)}"
        except StorageError as error:
            yield str(error)
    if missing := missing_positions([trial.number for trial in trials]):
        yield f"trials {listed(missing)} are lost"
    if VERDICT in study.user_attrs:
        try:
            Verdict.from_dict(json.loads(study.user_attrs[VERDICT]))
        except (LlmsearchError, ValueError, TypeError, AttributeError, KeyError) as error:
            yield f"its verdict cannot be read ({error}): `llmsearch-optuna confirm` creates it again"


def trial_flaws(
    trial: RawTrial,
    completions: Sequence[RawCompletion],
    rows: Mapping[int, int],
    *,
    objectives: int,
    price: Price | None,
) -> Iterator[str]:
    """Compare what Optuna stores of a trial with its completions. Yield one line per flaw.

    Args:
        trial: The trial.
        completions: The trial's completions, in the order of their positions.
        rows: The dataset row of each of the study's samples, by position.
        objectives: The number of objectives of the study.
        price: The price of tokens if their cost is an objective, else None.
    """
    yield from _state_flaws(trial, len(completions), len(rows))
    if positions := [row.position for row in completions if rows.get(row.position, row.row) != row.row]:
        yield f"the completions at positions {listed(positions)} belong to other rows than the samples there"
    yield from _score_flaws(trial, completions, objectives, price)
    if PARAMS in trial.user_attrs or trial.state in _EVALUATED:
        try:
            GenerationParams.from_json(str(parsed(trial.user_attrs.get(PARAMS))))
        except (LlmsearchError, ValueError, TypeError, AttributeError) as error:
            yield f"its parameters cannot be read: {error}"
    if TRIAL_TOKENS in trial.user_attrs and trial.state in _EVALUATED:
        recorded, counts = parsed(trial.user_attrs[TRIAL_TOKENS]), [_token_count(row) for row in completions]
        if all(isinstance(count, int) for count in counts) and recorded != sum(counts):
            yield f"its completions have {sum(counts)} tokens, but {recorded} are recorded"


def _state_flaws(trial: RawTrial, count: int, samples: int) -> Iterator[str]:
    last = max((step for step in trial.reported if isinstance(step, int)), default=0)
    if last > count:
        yield f"{last} samples are reported, but {count} completions are stored"
    if trial.state == "COMPLETE" and count != samples:
        yield f"it is complete, but {count} completions are stored for {samples} samples"
    elif trial.state == "PRUNED" and count > last:
        yield f"it is pruned at {last} samples, but {count} completions are stored"
    elif trial.state == "WAITING" and count:
        yield f"it has not begun, but {count} completions are stored"


def _score_flaws(
    trial: RawTrial, completions: Sequence[RawCompletion], objectives: int, price: Price | None
) -> Iterator[str]:
    scores = [row.score for row in completions if _is_number(row.score)]
    are_known = len(scores) == len(completions) > 0
    if scores and (lost := [row.position for row in completions if row.score is None]):
        yield f"the scores at positions {listed(lost)} are lost"
    sums = enumerate(itertools.accumulate(scores), start=1)
    means = {size: total / size for size, total in sums} if are_known else {}
    for step, reported in trial.reported.items():
        if step in means and not _is_near(means[step], reported):
            yield f"the mean of its first {step} scores is {means[step]:.6g}, but {reported} is reported"
    if trial.state == "COMPLETE":
        value, *others = trial.values if len(trial.values) == objectives else [None]
        # If the metric scores only the corpus, only the last reported value can be compared.
        expected = means.get(len(completions), trial.reported.get(len(completions)))
        if not _is_near(value, expected):
            yield f"its value is {value}, but it scored {expected}"
        counts = [_token_count(row) for row in completions]
        if others and counts and all(isinstance(count, int) for count in counts):
            name, expected = "tokens per sample are", sum(counts) / len(counts)
            if price is not None:
                name, expected = "cost of 1,000 samples is", _cost(trial, completions, price)
            if not _is_near(others[0], expected):
                yield f"its {name} {others[0]}, but its completions have {expected:.6g}"


def _cost(trial: RawTrial, completions: Sequence[RawCompletion], price: Price) -> float:
    """Return the cost of 1,000 samples; NaN if it cannot be computed from what is stored."""
    rows = [(_token_count(row), row.thinking_token_count, row.prompt_token_count) for row in completions]
    try:
        rates = price.rates_of(GenerationParams.from_json(str(parsed(trial.user_attrs.get(PARAMS)))))
        return rates.per_samples(TokenCounts(*map(sum, zip(*rows, strict=True))), len(rows))
    except (LlmsearchError, ValueError, TypeError, AttributeError):
        return math.nan


def completion_flaws(completions: Sequence[RawCompletion]) -> Iterator[str]:
    """Check the completions of one trial, or of one finalist with one seed. Yield one line per flaw."""
    if missing := missing_positions([row.position for row in completions]):
        yield f"the completions at positions {listed(missing)} are lost"
    flaws: dict[str, list[Any]] = defaultdict(list)
    for row in completions:
        tokens, further = parsed(row.token_ids), _further(row)
        readable = {
            "text": isinstance(parsed(row.text), str),
            "row": isinstance(row.row, int),
            "finish reason": row.finish_reason in _FINISH_REASONS,
            "score": row.score is None or _is_number(row.score),
            "tokens": isinstance(tokens, list) and all(isinstance(token, int) for token in tokens),
            "further completions": further is not None,
            "thinking tokens": row.thinking_token_count is None or isinstance(row.thinking_token_count, int),
            "prompt tokens": row.prompt_token_count is None or isinstance(row.prompt_token_count, int),
            "scores under further metrics": row.metric_scores is None or _holds_numbers(parsed(row.metric_scores)),
        }
        for name, is_readable in readable.items():
            if not is_readable:
                flaws[f"{name} of the completions at positions {{}} cannot be read"].append(row.position)
        # A server may report only the number of tokens.
        if readable["tokens"] and tokens and row.token_count not in (None, _token_count(row)):
            flaws["the completions at positions {} have other numbers of tokens than recorded"].append(row.position)
    for what, positions in flaws.items():
        yield what.format(listed(positions))


def missing_positions(positions: Sequence[Any]) -> list[int]:
    """Return the positions missing from 0..max. If the maximum is implausibly large, check only a bounded prefix."""
    present = {position for position in positions if isinstance(position, int)}
    end = min(max(present, default=-1) + 1, len(positions) + _WIDEST_GAP)
    return sorted(set(range(end)) - present)


def parsed(text: Any) -> Any:
    """Return the decoded JSON. None if it cannot be decoded."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


def parsed_time(text: Any) -> dt.datetime | None:
    """Return a stored time, in UTC if it has no time zone. None if it cannot be read."""
    try:
        time = dt.datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=dt.UTC)


def _token_count(row: RawCompletion) -> Any:
    """Return the number of stored tokens, or the number that a server reported. None if it cannot be read."""
    tokens, further = parsed(row.token_ids), _further(row)
    if not isinstance(tokens, list) or further is None:
        return None
    return len(tokens) + sum(completion.token_count for completion in further) if tokens else row.token_count or 0


def _further(row: RawCompletion) -> list[FurtherCompletion] | None:
    """Return the further completions of a sample. None if they cannot be read."""
    if row.further is None:
        return []
    further = parsed(row.further)
    try:
        return [FurtherCompletion(**completion) for completion in further]
    except TypeError:
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _holds_numbers(table: Any) -> bool:
    return isinstance(table, dict) and all(map(_is_number, table.values()))


def _is_near(mean: Any, stored: Any) -> bool:
    """Return whether two numbers are equal up to rounding: sums differ in the last digit between Python versions."""
    return _is_number(mean) and _is_number(stored) and math.isclose(mean, stored, rel_tol=1e-12, abs_tol=1e-15)
