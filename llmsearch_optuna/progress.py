"""Live progress of a search: one bar, and one line per finished trial, which is logged, too."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Self

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from llmsearch_optuna.objective import Evaluation
from llmsearch_optuna.study import BASELINE, ERROR, describe_params
from llmsearch_optuna.terminal import printable

__all__ = ["SearchProgress", "holdout_progress"]

_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def holdout_progress(*, enabled: bool = True, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """Shows how many completions of the finalists there are.

    Args:
        enabled: Show nothing if false.
        console: Where to show it; standard error by default.

    Yields:
        ``(completions, wanted) -> None``, to be told of them.
    """
    with Progress(
        TextColumn("finalists on held-out samples: {task.completed}/{task.total} completions"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console or Console(stderr=True, highlight=False),
        disable=not enabled,
        transient=True,
    ) as progress:
        bar = progress.add_task("", total=None)
        yield lambda done, wanted: progress.update(bar, completed=done, total=wanted)


class SearchProgress:
    """Shows trial, rung, best so far, tokens per second and the time left.

    Args:
        study: The study that is searched.
        samples: Samples of a fully evaluated trial.
        n_trials: Trials wanted in total.
        enabled: Show nothing if false.
        console: Where to show it; standard error by default.
    """

    def __init__(
        self, study: optuna.Study, *, samples: int, n_trials: int, enabled: bool = True, console: Console | None = None
    ) -> None:
        self._study = study
        self._samples = samples
        self._n_trials = n_trials
        self._console = console or Console(stderr=True, highlight=False)
        self._enabled = enabled
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[rate]}  best {task.fields[best]}  {task.fields[left]} left "),
            TimeElapsedColumn(),
            console=self._console,
            disable=not enabled,
            transient=True,
        )
        self._bar = self._progress.add_task("", total=n_trials, rate="- tok/s", best="-", left="?")
        self._started = time.monotonic()
        self._tokens = 0
        self._finished_before = 0
        self._finished = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, finished: int) -> None:
        """Says how many trials are finished already."""
        self._finished_before = self._finished = finished
        self._progress.update(self._bar, completed=finished)

    def evaluating(self, trials: Mapping[int, Evaluation]) -> None:
        """Shows the trials in flight, by number, and how far they are."""
        scored = sum(evaluation.scored for evaluation in trials.values())
        done = self._finished + scored / self._samples
        names = f"trial {min(trials)}" if len(trials) == 1 else f"{len(trials)} trials up to {max(trials)}"
        self._progress.update(
            self._bar,
            completed=done,
            description=f"{names} of {self._n_trials}, {scored}/{self._samples * len(trials)} samples",
            left=self._time_left(done),
        )

    def tokens(self, count: int) -> None:
        """Counts generated tokens."""
        self._tokens += count
        rate = self._tokens / max(time.monotonic() - self._started, 1e-9)
        self._progress.update(self._bar, rate=f"{rate:.0f} tok/s")

    def trial_finished(self, trial: FrozenTrial, evaluation: Evaluation | None, seconds: float) -> None:
        """Prints one line on a finished trial."""
        self._finished += 1
        best = self._best()
        self._progress.update(self._bar, completed=self._finished, best=best, left=self._time_left(self._finished))
        outcome = {
            TrialState.COMPLETE: f"{trial.value:.4f}" if trial.value is not None else "-",
            TrialState.PRUNED: f"{trial.value:.4f} pruned at {trial.last_step}"
            if trial.value is not None
            else "pruned",
        }.get(trial.state, f"failed: {trial.user_attrs.get(ERROR)}")
        params = describe_params(evaluation.params) if evaluation is not None else ""
        name = f" [{trial.user_attrs[BASELINE]}]" if BASELINE in trial.user_attrs else ""
        line = f"trial {trial.number}{name}: {outcome}  {params}  ({seconds:.1f} s, best {best})"
        _LOG.debug("%s", line)
        if self._enabled:
            self._console.print(Text(printable(line)), soft_wrap=True)

    def _best(self) -> str:
        try:
            return f"{self._study.best_value:.4f}"
        except ValueError:
            return "-"

    def _time_left(self, done: float) -> str:
        progressed = done - self._finished_before
        if progressed <= 0:
            return "?"
        seconds = (time.monotonic() - self._started) / progressed * (self._n_trials - done)
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
