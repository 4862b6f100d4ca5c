"""The progress of a search: a bar in terminals and notebooks, a line per finished trial, and events for programs."""

import contextlib
import io
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from llmsearch_optuna.search.observers import SearchObserver, TrialProgress
from llmsearch_optuna.study.attributes import BASELINE, ERROR
from llmsearch_optuna.study.constraints import is_feasible
from llmsearch_optuna.study.objectives import TOKENS
from llmsearch_optuna.study.price import COST_SAMPLES
from llmsearch_optuna.study.ranking import best_trial, expense, expense_of, has_several, pareto_front, score_of
from llmsearch_optuna.study.trials import describe_params, finished_count
from llmsearch_optuna.terminal import printable

__all__ = ["EventCallback", "SearchProgress", "holdout_progress"]

_LOG = logging.getLogger(__name__)

EventCallback = Callable[[dict[str, Any]], None]
"""Receives the events of a search as JSON-serialisable dictionaries. The key ``event`` is the kind of the event."""

_NOTEBOOK_WIDTH = 110
_NOTEBOOK_PAUSE_S = 0.5


class _Bar:
    """A progress bar that is redrawn in place: by rich in terminals, as one output in notebooks.

    If the output is redirected to a file, no bar is drawn.
    """

    def __init__(self, *columns: ProgressColumn, enabled: bool, console: Console | None, **fields: Any) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._enabled = enabled
        self._in_notebook = enabled and self._console.is_jupyter
        self._shown = 0.0
        self._output: Any = None
        self._progress = Progress(
            *columns,
            console=self._console,
            disable=not enabled or not self._console.is_terminal or self._in_notebook,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, **fields)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()
        self._show()

    def update(self, **changes: Any) -> None:
        """Change the fields of the bar; see `rich.progress.Progress.update`."""
        self._progress.update(self._task, **changes)
        if time.monotonic() - self._shown > _NOTEBOOK_PAUSE_S:
            self._show()

    def print(self, line: str) -> None:
        """Print a line above the bar, or to the console if no bar is drawn. Print nothing if not enabled."""
        if self._in_notebook:
            print(printable(line))  # rich would create a separate output for every line
        elif self._enabled:
            self._console.print(Text(printable(line)), soft_wrap=True)

    def _show(self) -> None:
        if not self._in_notebook:
            return
        from IPython.display import display  # noqa: PLC0415 - only installed with notebooks

        self._shown = time.monotonic()
        text = io.StringIO()
        Console(file=text, width=_NOTEBOOK_WIDTH, force_jupyter=False).print(self._progress.get_renderable())
        content = {"text/plain": text.getvalue().strip()}
        if self._output is None:
            show: Any = display
            self._output = show(content, raw=True, display_id=True)
        else:
            self._output.update(content, raw=True)


@contextlib.contextmanager
def holdout_progress(*, enabled: bool = True, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """Show how many of the finalists' held-out completions are generated.

    Args:
        enabled: Show nothing if false.
        console: The console to write to; standard error by default.

    Yields:
        ``(completions, total) -> None``, which updates the numbers.
    """
    with _Bar(
        TextColumn("finalists on held-out samples: {task.completed}/{task.total} completions"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        enabled=enabled,
        console=console,
    ) as bar:
        yield lambda done, total: bar.update(completed=done, total=total)


class SearchProgress(SearchObserver):
    """Shows the trials in flight, their scored samples, the best score, tokens per second and the remaining time.

    A line is printed for every trial that ends.

    Args:
        study: The study that is searched.
        samples: The number of samples of a fully evaluated trial.
        n_trials: The number of trials of the whole search.
        enabled: Show nothing if false.
        console: The console to write to; standard error by default.
        on_event: Called when a trial begins, is resumed, passes a rung or ends, regardless of `enabled`.
    """

    def __init__(
        self,
        study: optuna.Study,
        *,
        samples: int,
        n_trials: int,
        enabled: bool = True,
        console: Console | None = None,
        on_event: EventCallback | None = None,
    ) -> None:
        self._study = study
        self._samples = samples
        self._n_trials = n_trials
        self._on_event = on_event
        self._bar = _Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[rate]}  best {task.fields[best]}  {task.fields[left]} left "),
            TimeElapsedColumn(),
            enabled=enabled,
            console=console,
            rate="- tok/s",
            best="-",
            left="?",
        )
        self._bar.update(total=n_trials)
        self._began = time.monotonic()
        self._tokens = 0
        self._finished_before = 0
        self._finished = 0
        # The numbers of the trials that were in flight together with each trial in flight.
        self._company: dict[int, set[int]] = {}

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(*error)

    def started(self, finished: int) -> None:
        """Show the number of trials that are finished already."""
        self._finished_before = self._finished = finished
        self._bar.update(completed=finished)

    def trial_started(self, trial: optuna.Trial, progress: TrialProgress) -> None:
        """Send an event for a trial that begins or is resumed."""
        self._send(
            "trial_started",
            trial=trial.number,
            params=progress.params.to_dict(),
            baseline=trial.user_attrs.get(BASELINE),
            samples=progress.scored,
        )

    def rung_passed(self, trial: optuna.Trial, progress: TrialProgress) -> None:
        """Send an event with a trial's score so far."""
        facts = {"score": progress.value, "tokens": progress.tokens, **_cost(progress)}
        self._send("rung", trial=trial.number, samples=progress.scored, **facts)

    def advancing(self, trials: Mapping[int, TrialProgress]) -> None:
        """Show the trials in flight and their progress."""
        for number in trials:
            self._company.setdefault(number, set()).update(trials)
        scored = sum(progress.scored for progress in trials.values())
        done = self._finished + scored / self._samples
        names = f"trial {min(trials)}" if len(trials) == 1 else f"{len(trials)} trials up to {max(trials)}"
        self._bar.update(
            completed=done,
            description=f"{names} of {self._n_trials}, {scored}/{self._samples * len(trials)} samples",
            left=self._time_left(done),
        )

    def tokens_generated(self, count: int) -> None:
        """Count generated tokens and show their rate."""
        self._tokens += count
        rate = self._tokens / max(time.monotonic() - self._began, 1e-9)
        self._bar.update(rate=f"{rate:.0f} tok/s")

    def trial_ended(self, trial: FrozenTrial, progress: TrialProgress | None, seconds: float) -> None:
        """Print a line about a finished trial and send an event."""
        # Other workers finish trials, too.
        self._finished = finished_count(self._study.get_trials(deepcopy=False))
        best, score, second = self._best(), score_of(trial), expense(self._study)
        value = "-" if score is None else f"{score:.4f}"
        self._bar.update(completed=self._finished, best=best, left=self._time_left(self._finished))
        if second is not None and second.name == TOKENS and trial.state == TrialState.COMPLETE:
            value += f", {second.shown(expense_of(trial))} tokens"
        outcome = {
            TrialState.COMPLETE: value,
            TrialState.PRUNED: "pruned" if score is None else f"{value} pruned at {trial.last_step}",
        }.get(trial.state, f"failed: {trial.user_attrs.get(ERROR)}")
        if progress is not None and progress.cost is not None and progress.scored:
            outcome += f", cost {progress.cost * COST_SAMPLES / progress.scored:.4g} per 1,000"
        if progress is not None and progress.scored:
            outcome += "".join(f", breaks {rule} ({value:.4g})" for rule, value in progress.broken.items())
        params = "" if progress is None else describe_params(progress.params)
        name = f" [{trial.user_attrs[BASELINE]}]" if BASELINE in trial.user_attrs else ""
        others = len(self._company.pop(trial.number, {trial.number})) - 1
        together = f" together with {others} other{'s' if others > 1 else ''}" if others else ""
        line = f"trial {trial.number}{name}: {outcome}  {params}  ({seconds:.1f} s{together}, best {best})"
        _LOG.debug("%s", line)
        self._bar.print(line)
        self._send(
            "trial_finished",
            trial=trial.number,
            state=trial.state.name.lower(),
            score=score,
            samples=trial.last_step or 0,
            tokens=None if progress is None else progress.tokens,
            seconds=round(seconds, 3),
            error=trial.user_attrs.get(ERROR),
            **_cost(progress),
            **_measures(progress),
        )

    def stopped(self, reason: str) -> None:
        """Print the reason and send an event."""
        self._bar.print(reason)
        self._send("stopped", reason=reason)

    def _send(self, event: str, **facts: Any) -> None:
        if self._on_event is not None:
            self._on_event({"event": event, **facts})

    def _best(self) -> str:
        best = best_trial(self._study)
        value = "-" if best is None else f"{score_of(best):.4f}{'' if is_feasible(best) else ' (infeasible)'}"
        return f"{value}, front of {len(pareto_front(self._study))}" if has_several(self._study) else value

    def _time_left(self, done: float) -> str:
        progressed = done - self._finished_before
        if progressed <= 0:
            return "?"
        seconds = (time.monotonic() - self._began) / progressed * max(0.0, self._n_trials - done)
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _cost(progress: TrialProgress | None) -> dict[str, float]:
    """Return the fact of an event that a trial has cost so much so far; empty without a price."""
    return {} if progress is None or progress.cost is None else {"cost": progress.cost}


def _measures(progress: TrialProgress | None) -> dict[str, Any]:
    """Return the facts of an event on further metrics and broken constraints; empty if there are none."""
    if progress is None or not progress.scored:
        return {}
    facts = {"metrics": dict(progress.metrics), "breaks": [str(constraint) for constraint in progress.broken]}
    return {name: fact for name, fact in facts.items() if fact}
