"""The fully evaluated trials by the variant of their prompts or requests, as numbers."""

import json

from llmsearch_optuna.report.outcomes import Quality, quality_by_expense
from llmsearch_optuna.report.record import StudyRecord, TrialRecord
from llmsearch_optuna.space.settings import is_setting

__all__ = ["variants"]

_MAXIMUM_VALUES = 8


def variants(record: StudyRecord) -> dict[str, list[Quality]]:
    """Return the metric and the expense of the fully evaluated trials by variant, in the order of the variants' names.

    A variant is the trials with the same values of all settings that were searched. Its name is these values, e.g.
    ``"enable_thinking=true, mood=calm"``. The settings are those of the space under ``template.`` and ``body.`` with
    at least two values, and at most eight: more of them would not be told apart in a figure. A trial that leaves a
    setting unset is a variant of its own.

    Returns:
        The qualities by name; empty if there is no such setting.
    """
    qualities = quality_by_expense(record)
    searched = [name for name in record.parameters if is_setting(name)]
    counts = {name: len({_written(quality.trial, name) for quality in qualities}) for name in searched}
    names = [name for name in searched if 2 <= counts[name] <= _MAXIMUM_VALUES]
    if not names:
        return {}
    groups: dict[str, list[Quality]] = {}
    for quality in qualities:
        values = [f"{name.partition('.')[2]}={_written(quality.trial, name)}" for name in names]
        groups.setdefault(", ".join(values), []).append(quality)
    return dict(sorted(groups.items()))


def _written(trial: TrialRecord, name: str) -> str:
    value = None if trial.params is None else dict(trial.params.settings).get(name)
    return "unset" if value is None else value if isinstance(value, str) else json.dumps(value)
