"""What to do next with a study, for the page."""

from collections import Counter
from typing import NamedTuple

from llmsearch_optuna.report.record import StudyRecord
from llmsearch_optuna.study.fingerprint import holdout_size
from llmsearch_optuna.terminal import excerpt
from llmsearch_optuna.verdict.commands import confirm_command, export_command
from llmsearch_optuna.verdict.verdict import Verdict

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
    return (*steps, _after_the_verdict(record, record.verdict, location))


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


def _after_the_verdict(record: StudyRecord, verdict: Verdict, location: str) -> Step:
    if not verdict.recommended:
        return Step(f"{verdict.next_step[0].upper()}{verdict.next_step[1:]}.")
    trial = next(finalist.trial for finalist in verdict.finalists if finalist.name == verdict.best)
    sentence = f"Use the parameters of trial {trial}. Export them (also `--to vllm`, `llamacpp`, `ollama`, ...):"
    return Step(sentence, export_command(location, record.name, trial, record.fingerprint.get("model")))
