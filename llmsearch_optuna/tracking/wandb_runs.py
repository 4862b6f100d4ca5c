"""Runs in Weights & Biases."""

from collections.abc import Mapping
from typing import Any

from llmsearch_optuna.tracking.options import TrackOptions

__all__ = ["WandbTracker"]

_FINISH_S = 60.0
"""How long the end of a run may take. By default, W&B waits until all is sent, and the search would wait, too."""


class WandbTracker:
    """See `Tracker`. Keys are the ids of runs, and a study is a group."""

    def __init__(self, options: TrackOptions) -> None:
        import wandb  # noqa: PLC0415 - optional, and takes seconds

        server = {} if options.uri is None else {"base_url": options.uri}
        self._wandb, self._project = wandb, options.project
        wandb.setup(settings=wandb.Settings(silent=True))  # raises without a key; W&B would ask on the terminal
        self._settings = wandb.Settings(
            silent=True, console="off", finish_timeout=_FINISH_S, finish_timeout_raises=True, **server
        )

    def open(self, key: str, name: str, params: Mapping[str, object], parent: str | None = None) -> "_WandbRun":
        """See `Tracker.open`."""
        return _WandbRun(
            self._wandb.init(
                project=self._project,
                id=key,
                name=name,
                config=dict(params),
                group=parent or key,
                job_type="study" if parent is None else "trial",
                resume="allow",
                reinit="create_new",
                settings=self._settings,
            )
        )

    def finished(self, parent: str) -> None:  # noqa: ARG002
        """See `Tracker.finished`. Runs that are offline cannot be read back."""
        return


class _WandbRun:
    """See `TrackedRun`."""

    def __init__(self, run: Any) -> None:
        self._run = run

    @property
    def next_step(self) -> int:
        """See `TrackedRun.next_step`."""
        return int(self._run.step)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See `TrackedRun.log`."""
        self._run.log(dict(values), step=step, commit=True)

    def finish(self, values: Mapping[str, float], texts: Mapping[str, str], *, failed: bool = False) -> None:
        """See `TrackedRun.finish`."""
        self._run.summary.update({**values, **texts})
        self._run.finish(exit_code=int(failed))
