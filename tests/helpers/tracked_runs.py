"""Runs of tracking services, read back, and a service in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llmsearch_optuna.tracking.options import TrackOptions


@dataclass
class Run:
    """What a service has of a run; it is a `TrackedRun` of the service in memory."""

    name: str
    parent: str | None
    params: dict[str, str]
    steps: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    status: str = "RUNNING"

    @property
    def next_step(self) -> int:
        return max((step + 1 for points in self.steps.values() for step, _ in points), default=0)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.steps.setdefault(name, []).append((step, value))

    def finish(self, values: Mapping[str, float], texts: Mapping[str, str], *, failed: bool = False) -> None:
        new = {name: value for name, value in values.items() if self.latest(name) != value}
        self.log(new, max(0, self.next_step - 1))
        self.texts |= texts
        self.status = "FAILED" if failed else "FINISHED"

    def latest(self, name: str) -> float | None:
        return max(self.steps[name])[1] if name in self.steps else None


class MemoryTracker:
    """A `Tracker` whose runs stay in memory. The call number `fails_at` raises `error`, as do all later ones."""

    def __init__(self, *, fails_at: int | None = None, error: type[BaseException] = OSError) -> None:
        self.runs: dict[str, Run] = {}
        self.calls, self.fails_at, self.error = 0, fails_at, error

    def __call__(self, options: TrackOptions) -> "MemoryTracker":
        self.count()
        return self

    def count(self) -> None:
        self.calls += 1
        if self.fails_at is not None and self.calls >= self.fails_at:
            raise self.error("the server\nis gone")

    def open(self, key: str, name: str, params: Mapping[str, object], parent: str | None = None) -> "_Counted":
        self.count()
        assert parent is None or parent in self.runs
        run = self.runs.setdefault(key, Run(name, parent, {}))
        run.params = {**{name: str(value) for name, value in params.items()}, **run.params}
        run.status = "RUNNING"
        return _Counted(self, run)

    def finished(self, parent: str) -> set[str]:
        self.count()
        return {key for key, run in self.runs.items() if run.parent == parent and run.status != "RUNNING"}


class _Counted:
    def __init__(self, tracker: MemoryTracker, run: Run) -> None:
        self.tracker, self.run = tracker, run

    @property
    def next_step(self) -> int:
        return self.run.next_step

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.tracker.count()
        self.run.log(values, step)

    def finish(self, values: Mapping[str, float], texts: Mapping[str, str], *, failed: bool = False) -> None:
        self.tracker.count()
        self.run.finish(values, texts, failed=failed)


def mlflow_runs(uri: str, project: str = "llmsearch_optuna") -> list[Run]:
    """Return the runs of an MLflow experiment, the latest first."""
    import mlflow  # noqa: PLC0415 - optional

    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name(project)
    service_runs = client.search_runs([experiment.experiment_id])
    names = {run.info.run_id: run.info.run_name for run in service_runs}

    def history(run: Any, name: str) -> list[tuple[int, float]]:
        return [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)]

    return [
        Run(
            name=run.info.run_name,
            parent=names.get(run.data.tags.get("mlflow.parentRunId")),
            params=dict(run.data.params),
            steps={name: history(run, name) for name in run.data.metrics},
            texts={name: text for name, text in run.data.tags.items() if "." not in name},
            status=run.info.status,
        )
        for run in service_runs
    ]
