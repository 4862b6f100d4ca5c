"""A search, a live dashboard and a reader on one database, all at once."""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from llmsearch_optuna import Float, SearchSpace, Tuner

__all__ = ["Contention", "contend"]

_SAMPLES = 50
_START_S = 60.0
_PAUSE_S = 0.02

# Opens the study again and again, as `llmsearch-optuna best` does, and tells of each time on one line.
_READER = """
import sys, time
from llmsearch_optuna.errors import LlmsearchError
from llmsearch_optuna.storage import CompletionStore
from llmsearch_optuna.study.study import open_study, study_key
while True:
    try:
        study, storage = open_study(sys.argv[1], sys.argv[2])
        trials = study.get_trials(deepcopy=False)
        CompletionStore(storage).load(study_key(study), trials[-1].number)
        print("read", flush=True)
    except Exception as error:
        print(type(error).__name__, " ".join(str(error).split()), flush=True)
    time.sleep(0.02)
"""


class Contention(NamedTuple):
    """What came of it.

    Attributes:
        rungs: Rungs that the search stored.
        seconds: How long it took.
        polls: How often the dashboard told of the study and all its trials.
        reads: How often the other reader opened and read the study.
        errors: What went wrong, anywhere.
    """

    rungs: int
    seconds: float
    polls: int
    reads: int
    errors: list[str]


def contend(url: str, name: str, *, rungs: int, tokenizer: PreTrainedTokenizerBase) -> Contention:
    """Search until a number of rungs is stored while a dashboard is polled and a reader reads.

    Args:
        url: The database.
        name: The study's name.
        rungs: A multiple of 50: every trial stores so many.
        tokenizer: Any.
    """
    tuner = Tuner(
        custom_pred_function=lambda prompts, params: [f"{params.get('temperature', 0.0):.3f}"] * len(prompts),
        tokenizer=tokenizer,
        dataset=[{"question": f"question {number}", "answer": "none"} for number in range(_SAMPLES)],
        scorer=lambda references, predictions: [float(text) for text in predictions],  # noqa: ARG005
        column_mapping={"input_cols": ["question"], "eval_cols": ["answer"]},
        prompt_template="{question}",
        score_range=(0.0, 1.0),
    )

    def search(n_trials: int) -> int:
        study = tuner.search(
            SearchSpace(temperature=Float(0.0, 0.9), max_new_tokens=8),
            n_trials=n_trials,
            storage=url,
            study_name=name,
            sampler="random",
            pruner="none",
            rungs=1,
            concurrency=4,
            baselines=False,
            show_progress=False,
        )
        return sum(len(trial.intermediate_values) for trial in study.get_trials(deepcopy=False))

    before = search(1)  # there has to be something to read
    with _dashboard(url) as dashboard, _reader(url, name) as reader:
        started = time.monotonic()
        stored = search(rungs // _SAMPLES + 1) - before
        seconds = time.monotonic() - started
    return Contention(stored, seconds, dashboard.good, reader.good, [*dashboard.errors, *reader.errors])


class _Seen:
    """What a client saw.

    Attributes:
        good: Answers.
        errors: Errors, in words.
    """

    def __init__(self) -> None:
        self.good = 0
        self.errors: list[str] = []


@contextlib.contextmanager
def _dashboard(url: str) -> Iterator[_Seen]:
    """A real optuna-dashboard on loopback, asked all the time for the studies and their trials."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = str(Path(sys.executable).with_name("optuna-dashboard"))
    seen, ended = _Seen(), threading.Event()
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(  # noqa: S603
            [program, url, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=log
        )
        poller = threading.Thread(target=_poll, args=(f"http://127.0.0.1:{port}/api/studies", seen, ended))
        try:
            _wait_for(port)
            poller.start()
            yield seen
        finally:
            ended.set()
            if poller.ident is not None:
                poller.join()
            server.terminate()
            server.wait(timeout=10)
        log.seek(0)
        seen.errors += [line.strip() for line in log if "locked" in line or "Traceback" in line]


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _poll(address: str, seen: _Seen, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            for study in _ask(address)["study_summaries"]:
                _ask(f"{address}/{study['study_id']}?after=0")
        except OSError as error:  # an answer of 500 included
            seen.errors.append(f"the dashboard: {error}")
        else:
            seen.good += 1
        ended.wait(_PAUSE_S)


def _ask(page: str) -> Any:
    with urllib.request.urlopen(page, timeout=60) as answer:  # noqa: S310 - the address is our own
        return json.load(answer)


@contextlib.contextmanager
def _reader(url: str, name: str) -> Iterator[_Seen]:
    """Another process, which opens and reads the study all the time."""
    seen = _Seen()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([sys.executable, "-c", _READER, url, name], stdout=output)  # noqa: S603
        try:
            yield seen
        finally:
            process.terminate()
            process.wait(timeout=10)
        output.seek(0)
        lines = output.read().splitlines()
    seen.good = lines.count("read")
    seen.errors += [line for line in lines if line != "read"]
