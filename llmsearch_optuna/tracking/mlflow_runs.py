"""Runs in MLflow."""

import os
import time
from collections.abc import Mapping
from typing import Any

from llmsearch_optuna.storage import sqlite_path
from llmsearch_optuna.tracking.options import TrackOptions

__all__ = ["MlflowTracker"]

_KEY, _PARENT_KEY = "llmsearch.key", "llmsearch.parent"
_LONGEST = 5000  # characters of a parameter or tag
_MOST_RUNS = 50_000  # that MLflow returns at once

# MLflow waits more than 15 minutes for a server that does not answer; the search would wait, too.
_WAITING = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}


class MlflowTracker:
    """See `Tracker`. Runs are found by a tag with their key."""

    def __init__(self, options: TrackOptions) -> None:
        for name, value in _WAITING.items():
            os.environ.setdefault(name, value)
        import mlflow  # noqa: PLC0415 - optional, and takes seconds

        uri = options.uri or mlflow.get_tracking_uri()
        if uri.startswith("sqlite:") and (path := sqlite_path(uri)) is not None:
            path.open("ab").close()  # raises at once; MLflow retries for 100 seconds
        self._mlflow, self._client, self._ids = mlflow, mlflow.MlflowClient(uri), dict[str, str]()
        experiment = self._client.get_experiment_by_name(options.project)
        self._experiment = experiment.experiment_id if experiment else self._client.create_experiment(options.project)

    def open(self, key: str, name: str, params: Mapping[str, object], parent: str | None = None) -> "_MlflowRun":
        """See `Tracker.open`."""
        runs = self._search(_KEY, key)
        tags = {_KEY: key}
        if parent is not None:
            tags |= {_PARENT_KEY: parent, "mlflow.parentRunId": self._ids[parent]}
        run = runs[0] if runs else self._client.create_run(self._experiment, tags=tags, run_name=name)
        self._ids[key] = run.info.run_id
        self._client.update_run(run.info.run_id, status="RUNNING")
        for parameter in params.keys() - run.data.params.keys():
            self._client.log_param(run.info.run_id, parameter, str(params[parameter])[:_LONGEST])
        return _MlflowRun(self._mlflow, self._client, run)

    def finished(self, parent: str) -> set[str]:
        """See `Tracker.finished`."""
        return {run.data.tags[_KEY] for run in self._search(_PARENT_KEY, parent) if run.info.status != "RUNNING"}

    def _search(self, tag: str, value: str) -> list[Any]:
        return list(self._client.search_runs([self._experiment], f"tags.`{tag}` = '{value}'", max_results=_MOST_RUNS))


class _MlflowRun:
    """See `TrackedRun`."""

    def __init__(self, mlflow: Any, client: Any, run: Any) -> None:
        self._entities, self._client, self._run = mlflow.entities, client, run
        self._latest = dict(run.data.metrics)
        name = min(run.data.metrics, default=None)
        steps = client.get_metric_history(run.info.run_id, name) if name else []
        self.next_step = max((metric.step + 1 for metric in steps), default=0)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See `TrackedRun.log`."""
        now = round(time.time() * 1000)
        metrics = [self._entities.Metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._run.info.run_id, metrics=metrics)
        self._latest |= values
        self.next_step = step + 1

    def finish(self, values: Mapping[str, float], texts: Mapping[str, str], *, failed: bool = False) -> None:
        """See `TrackedRun.finish`."""
        changed = {name: value for name, value in values.items() if self._latest.get(name) != value}
        self.log(changed, max(0, self.next_step - 1))
        for name, text in texts.items():
            self._client.set_tag(self._run.info.run_id, name, text[:_LONGEST])
        self._client.set_terminated(self._run.info.run_id, "FAILED" if failed else "FINISHED")
