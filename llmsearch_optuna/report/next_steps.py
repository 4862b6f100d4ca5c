"""What to do next with a study, for the page."""

import shlex
from collections import Counter
from typing import NamedTuple

from llmsearch_optuna.report.record import StudyRecord
from llmsearch_optuna.study.fingerprint import holdout_size
from llmsearch_optuna.terminal import excerpt
from llmsearch_optuna.verdict.verdict import Verdict, confirm_command

__all__ = ["Step", "next_steps"]

_MAXIMUM_REASONS = 3
_MAXIMUM_REASON = 300


class Step(NamedTuple):
    """A step with its command.

    Attributes:
        sentence: The step in one or two sentences; text between backticks is code.
        command: A shell command; may be empty.
    """

    sentence: str
    command: str = ""


def next_steps(record: StudyRecord, location: str) -> tuple[Step, ...]:
    """Return what to do next, most important first.

    Args:
        record: The study.
        location: The database's file or URL, for the commands.
    """
    if record.best is None:
        return _before_the_first_end(record)
    if record.only_score is not None:
        return (_without_spread(record, record.only_score),)
    confirm = confirm_command(location, record.name)
    held_out = holdout_size(record.fingerprint)
    if record.verdict is None:
        if held_out is not None and held_out < 2:
            return (
                Step(
                    "Hold out samples (`holdout_size`, 50 or more) and search again under another study name: without "
                    "them, nobody can tell whether the best score is luck."
                ),
            )
        return (Step("Compare the best with the baselines on held-out samples.", confirm),)
    outdated = [Step("The finalists have changed since the verdict: make it again.", confirm)]
    steps = [] if record.verdict_is_current else outdated
    return (*steps, *_after_the_verdict(record, record.verdict, location))


def _before_the_first_end(record: StudyRecord) -> tuple[Step, ...]:
    if not record.trials:
        return (Step("Start the search: no trial has begun."),)
    if len(record.failed) < len(record.trials):
        return (Step("Let the search go on, or run it again: it resumes where it stopped."),)
    reasons = Counter(excerpt(trial.error or "no reason is stored", _MAXIMUM_REASON) for trial in record.failed)
    listed = [
        Step(f"{count} of {len(record.trials)} trials failed with: {reason}")
        for reason, count in reasons.most_common(_MAXIMUM_REASONS)
    ]
    return (
        *listed,
        Step("Mend the cause and run the search again, under another study name if that changes the scores."),
    )


def _without_spread(record: StudyRecord, score: float) -> Step:
    return Step(
        f"All {len(record.complete)} fully evaluated trials score {score:.4g}, so that there is nothing to choose by. "
        "Read some completions below beside their references: upper and lower case, how the answer is extracted, stop "
        "strings, a too small `max_new_tokens`, or empty texts are the usual causes."
    )


def _after_the_verdict(record: StudyRecord, verdict: Verdict, location: str) -> tuple[Step, ...]:
    if verdict.reference is None:
        return (Step("Search again with baselines, under another study name: a verdict compares the best with them."),)
    if verdict.improved:
        return (_export("Deploy the best parameters", record, location),)
    gain = next((comparison for comparison in verdict.comparisons if comparison.name == verdict.best), None)
    others = [other for other in verdict.comparisons if other.low > 0.0]
    if others:
        winner = max(others, key=lambda other: other.low)
        trial = next(finalist.trial for finalist in verdict.finalists if finalist.name == winner.name)
        sentence = (
            f"`{winner.name}` (trial {trial}) did better than `{verdict.reference}`, but was not the search's choice"
        )
        return (_export(f"{sentence}: deploy it, or compare it on further samples first", record, location, trial),)
    keep = Step(f"Keep the baseline `{verdict.reference}`: nothing that was tried is shown to be better.")
    if gain is None or gain.gain <= 0.0 or gain.samples_needed is None:
        return (keep, Step("Stop here, or search a wider space under another study name."))
    more = (
        f"If a gain of {gain.gain:.2g} would matter, hold out about {_rounded(gain.samples_needed)} samples in another "
        f"study; this one held out {verdict.samples}."
    )
    return (keep, Step(more))


def _export(sentence: str, record: StudyRecord, location: str, trial: int | None = None) -> Step:
    command = ["llmsearch-optuna", "export", location, "--study", record.name, "--to", "hf", "-o", "best"]
    command += [] if trial is None else ["--trial", str(trial)]
    return Step(f"{sentence} (also `--to vllm`, `llamacpp`, `openai`, `json`).", shlex.join(command))


def _rounded(count: int) -> str:
    """Return a count, rounded up to two significant digits."""
    unit = 10 ** max(0, len(str(count)) - 2)
    return f"{-(-count // unit) * unit:,}"
