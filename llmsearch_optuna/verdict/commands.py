"""The shell commands that continue with a study: its verdict, and the export of a trial."""

import shlex

from llmsearch_optuna.storage import shown_place
from llmsearch_optuna.study.source import read_served

__all__ = ["confirm_command", "export_command"]

_TARGETS = {"tgi": "openai", "transformers": "hf"}
"""Kind of server -> the system to export to, if its name is another one."""

_WITH_PROGRAM = ("hf", "vllm")
"""The targets that are written as a directory with a program."""


def confirm_command(storage: str, study: str) -> str:
    """Return the shell command that computes the verdict of a study; the database's password is left out."""
    return shlex.join(["llmsearch-optuna", "confirm", shown_place(storage), "--study", study])


def export_command(storage: str, study: str, trial: int | None, model: object) -> str:
    """Return the shell command that exports the parameters of a trial to the system that the study ran on.

    Args:
        storage: The file or URL of the database. Its password is left out.
        study: The name of the study.
        trial: The number of the trial; None for the best.
        model: The part ``"model"`` of the study's fingerprint.
    """
    served = read_served(str(model))
    target = "hf" if served is None else _TARGETS.get(served.kind, served.kind)
    chosen = [] if trial is None else ["--trial", str(trial)]
    output = ["-o", "best"] if target in _WITH_PROGRAM else []
    command = ["llmsearch-optuna", "export", shown_place(storage), "--study", study]
    return shlex.join([*command, *chosen, "--to", target, *output])
