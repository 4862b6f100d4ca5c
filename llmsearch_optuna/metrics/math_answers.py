"""Mathematical answers, compared by ``math-verify`` in another process."""

import contextlib
import importlib.util
import json
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmsearch_optuna._version import requirement
from llmsearch_optuna.errors import MetricError, ScorerError

__all__ = ["MathAnswers"]

_LIMIT_S = 10.0  # for one completion
_WORKER = Path(__file__).with_name("math_worker.py")

_Process = subprocess.Popen[str]


@dataclass(frozen=True, kw_only=True)
class MathAnswers:
    r"""Whether the mathematical answer equals the reference, by ``math-verify`` (Kydlicek 2024).

    The answer is that in the last ``\boxed{}``, else the last expression in LaTeX, else the last number. If a text has
    ``####``, as in GSM8K, only what follows counts. A line that has no ``$``, ``\boxed``, ``\(``, ``\[`` or word is
    read as LaTeX as a whole. Numbers, roots, polynomials, intervals, sets, matrices and equations are compared by their
    value. Needs ``pip install 'llmsearch_optuna[math]'``.

    How it works: a worker process does the computation, because neither a signal nor a thread can interrupt the
    evaluation of some endless expressions (``9^{9^9}``). A completion that takes more than 10 s or 4 GB scores 0.

    Raises:
        MetricError: ``math-verify`` is not installed.
    """

    _idle: list[_Process] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if importlib.util.find_spec("math_verify") is None:
            raise MetricError(f"metric `math` needs the package math-verify: pip install {requirement('math')}")
        weakref.finalize(self, _end, self._idle)

    def score(self, prediction: str, reference: str) -> float:
        """Return 1 if both expressions are equal, else 0."""
        return float(self._ask(prediction=prediction, reference=reference).get("is_equal", False))

    def answer(self, prediction: str) -> str | None:
        """Return the expression in a completion, in one form for numbers of one value; None if there is none."""
        answer: str | None = self._ask(prediction=prediction).get("answer")
        return answer

    def _ask(self, **request: str) -> dict[str, Any]:
        """Return the worker's reply; an empty one if it was ended, as it took too long."""
        worker = self._idle.pop() if self._idle else _start()  # a call that was given up may still have the last one
        if worker.poll() is not None:  # someone ended it
            _end([worker])
            worker = _start()
        timer = threading.Timer(_LIMIT_S, worker.kill)
        try:
            timer.start()
            line = _exchange(worker, json.dumps(request))
        except BaseException:
            _end([worker])
            raise
        finally:
            timer.cancel()
        if not line:
            _end([worker])
            return {}
        self._idle.append(worker)
        reply: dict[str, Any] = json.loads(line)
        return reply


def _start() -> _Process:
    worker = subprocess.Popen(  # noqa: S603  # Python, on a file of this package
        [sys.executable, "-P", str(_WORKER)],  # -P: the file's neighbours are not what it imports
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C is for the search
    )
    # The first exchange has no limit, because it imports.
    trial = {"prediction": r"\boxed{\frac{1}{2}}", "reference": "0.5"}
    if _exchange(worker, json.dumps(trial)) != '{"is_equal": true}\n':
        _end([worker])
        raise ScorerError("the worker of metric `math` fails: is math-verify complete (`pip check`)?")
    return worker


def _exchange(worker: _Process, line: str) -> str:
    """Return the worker's reply to a line; an empty string if it has ended."""
    assert worker.stdin is not None  # noqa: S101  # for mypy
    assert worker.stdout is not None  # noqa: S101
    with contextlib.suppress(BrokenPipeError):
        worker.stdin.write(f"{line}\n")
        worker.stdin.flush()
    return worker.stdout.readline()


def _end(workers: list[_Process]) -> None:
    for worker in workers:
        worker.kill()
        worker.communicate()
