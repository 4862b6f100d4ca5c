"""Whatever happens to a search, it ends as if nothing had happened: kills, faults, locks and readers."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState
from study_files import STUDY, write_model_and_rows
from tiers import partly_full
from tiny_models import tiny_model
from tiny_studies import everything, make_tuner, scorer, search
from transformers import PreTrainedModel

from llmsearch_optuna.cli import main
from llmsearch_optuna.metrics import make_metric
from studies.benchmarks import storage
from studies.benchmarks.contents import compare, count_rows, read_contents

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a study with a verdict."""
    path = tmp_path_factory.mktemp("whole") / "study.db"
    tuner = make_tuner(holdout_size=4)
    tuner.confirm(search(tuner, path, 4), seeds=1, show_progress=False)
    return path


class TestKills:
    @pytest.mark.parametrize("kills", partly_full([1, 25], fast=[1]))
    def test_studies_killed_again_and_again_end_as_the_uninterrupted_ones(self, kills: int, tmp_path: Path) -> None:
        """Real processes, real SIGKILLs; their own fork server, as one that runs tests has threads."""
        command = [sys.executable, "-m", "studies.benchmarks.kill", "--kills", str(kills)]
        command += ["--json", str(tmp_path / "figures")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        figures = json.loads((tmp_path / "figures").read_text())
        assert figures["kills"] == kills
        assert figures["kills_during_verdict"] >= 1
        if kills == 25:
            assert min(figures[f"kills_during_{phase}"] for phase in ("start", "search")) >= 1
            assert figures["pruned"] > 0
        assert (figures["rows_lost"], figures["rows_differing"]) == (0, 0), done.stdout
        assert figures["lost_beyond_a_batch"] == 0

    @pytest.mark.parametrize(
        ("statement", "lost", "differing"),
        [
            ("DELETE FROM llmsearch_completions WHERE trial_number = 2 AND position = 3", 1, 0),
            ("UPDATE llmsearch_completions SET score = score + 1e-9 WHERE trial_number = 3", 0, 12),
            ("UPDATE llmsearch_held_out SET text = '\"?\"' WHERE position = 0", 0, 3),
            ("INSERT INTO trials (number, study_id, state) SELECT 4, study_id, 'RUNNING' FROM studies", 1, 0),
            ("UPDATE trials SET state = 'FAIL' WHERE number = 1", 0, 1),
            ("UPDATE trial_params SET param_value = param_value + 1e-9 WHERE param_name = 'temperature'", 0, 2),
            ("DELETE FROM trial_intermediate_values WHERE step = 4", 4, 0),
            ("DELETE FROM study_user_attributes WHERE key = 'llmsearch_verdict'", 1, 0),
            ("UPDATE trials SET datetime_start = NULL, datetime_complete = NULL", 0, 0),
        ],
    )
    def test_what_is_lost_or_differs_is_counted(
        self, whole: Path, statement: str, lost: int, differing: int, tmp_path: Path
    ) -> None:
        copy = tmp_path / "copy.db"
        with sqlite3.connect(whole) as source, sqlite3.connect(copy) as connection:
            source.backup(connection)
            connection.execute(statement)
        comparison = compare(read_contents(copy), read_contents(whole))
        assert len(comparison.lost) == lost
        assert len(comparison.differing) == differing

    @pytest.mark.slow
    def test_a_study_file_killed_twice_ends_as_the_uninterrupted_one(self, tmp_path: Path) -> None:
        """The command line, as it is installed, in processes of its own."""
        write_model_and_rows(tmp_path)
        text = STUDY.format(trials=12).replace("rungs = 4", "rungs = 2").replace("search_size = 8", "holdout_size = 4")
        for name in ("whole", "cut"):
            (tmp_path / f"{name}.toml").write_text(text)
        assert main(["run", str(tmp_path / "whole.toml"), "--quiet"]) == 0
        command = [
            str(Path(sys.executable).with_name("llmsearch-optuna")),
            "run",
            str(tmp_path / "cut.toml"),
            "--quiet",
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # as here: a study notes the number of threads
        for enough in (20, 90):  # completions, of which a study has more than 200
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
                while count_rows(tmp_path / "cut.db", "llmsearch_completions") < enough:
                    assert process.poll() is None
                    time.sleep(0.005)
                process.kill()
            assert process.returncode == -signal.SIGKILL
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        whole, cut = (read_contents(tmp_path / name) for name in ("whole.db", "cut.db"))
        assert compare(cut, whole) == ([], [])


class RandomFaults:
    """Faults in the forward passes of a real model, at random.

    Attributes:
        passes: Forward passes so far.
        faults: How many of them were hit.
    """

    def __init__(
        self, model: PreTrainedModel, fault: Callable[[Any], Any], *, chance: float, seed: int, most: int
    ) -> None:
        self.passes = self.faults = 0
        draw = random.Random(seed)

        def hit(_module: object, _arguments: object, output: Any) -> Any:
            self.passes += 1
            if draw.random() >= chance or self.faults == most:
                return output
            self.faults += 1
            return fault(output)

        torch.nn.Module.register_forward_hook(model, hit)


def out_of_memory(_output: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory.")


def no_number(output: Any) -> Any:
    output.logits[0, -1, 3] = float("nan")
    return output


class TestFaults:
    """Trials are proposed at random and never pruned where some fail: so the others have to be what they would be."""

    @pytest.fixture(scope="class", params=partly_full([1, 3], fast=[3]), ids=["one in flight", "three in flight"])
    @classmethod
    def concurrency(cls, request: pytest.FixtureRequest) -> int:
        return int(request.param)

    @pytest.fixture(scope="class")
    @classmethod
    def expected(cls, concurrency: int, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
        path = tmp_path_factory.mktemp("expected") / "study.db"
        return without_rounds(cls.search(make_tuner(), path, concurrency), path)

    @staticmethod
    def search(tuner: Any, path: Path, concurrency: int) -> optuna.Study:
        return search(tuner, path, 8, sampler="random", pruner="none", baselines=False, concurrency=concurrency)

    def assert_only_failed_trials_differ(
        self, study: optuna.Study, path: Path, expected: list[Any], message: str
    ) -> None:
        resumed = without_rounds(study, path)
        failed = [trial for trial in study.trials if trial.state == TrialState.FAIL]
        assert 0 < len(failed) < len(resumed) == len(expected)
        assert all(message in trial.user_attrs["error"] for trial in failed)
        for number in range(len(resumed)):
            assert (resumed[number] == expected[number]) == (number not in {trial.number for trial in failed})

    @pytest.mark.full
    def test_a_scorer_that_raises_at_random(self, concurrency: int, expected: list[Any], tmp_path: Path) -> None:
        draw = random.Random(4)

        def scorer_that_raises(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
            if draw.random() < 0.1:
                raise ConnectionError("the judge does not answer")
            return scorer(references, predictions)

        path = tmp_path / "study.db"
        study = self.search(make_tuner(scorer=make_metric(scorer_that_raises, retries=0)), path, concurrency)
        self.assert_only_failed_trials_differ(study, path, expected, "ConnectionError: the judge does not answer")

    @pytest.mark.full
    def test_out_of_memory_at_random(self, concurrency: int, expected: list[Any], tmp_path: Path) -> None:
        model = tiny_model()
        tuner = make_tuner(model=model)
        faults = RandomFaults(model, out_of_memory, chance=0.05, seed=1, most=4)  # each halves the slots for good
        study = self.search(tuner, tmp_path / "study.db", concurrency)
        assert faults.faults > 1
        assert without_rounds(study, tmp_path / "study.db") == expected

    @pytest.mark.full
    @pytest.mark.parametrize("seed", partly_full([0, 1], fast=[0]))
    def test_logits_that_are_no_numbers_at_random(
        self, concurrency: int, expected: list[Any], seed: int, tmp_path: Path
    ) -> None:
        model = tiny_model()
        tuner = make_tuner(model=model)
        faults = RandomFaults(model, no_number, chance=0.3, seed=seed, most=12)
        study = self.search(tuner, tmp_path / "study.db", concurrency)
        assert faults.faults > 0
        self.assert_only_failed_trials_differ(study, tmp_path / "study.db", expected, "the logits holds NaN")


def without_rounds(study: optuna.Study, path: Path) -> list[Any]:
    """All that must not depend on whether another trial failed: not when a trial began."""
    trials = everything(study, path)
    for trial in trials:
        del trial[5]["round"]
    return trials


LOCKER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
"""


@pytest.mark.full
def test_a_database_that_another_process_locks_for_30_seconds(tmp_path: Path) -> None:
    passes: list[float] = []

    def lock() -> None:
        passes.append(time.monotonic())
        if len(passes) == 7:
            command = [sys.executable, "-c", LOCKER, str(tmp_path / "study.db"), "30"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            processes.append(process)
            assert process.stdout is not None
            assert process.stdout.readline() == "locked\n"

    processes: list[subprocess.Popen[str]] = []
    study = search(make_tuner(callbacks_after_inference=[lock]), tmp_path / "study.db", concurrency=2)
    with processes[0] as process:
        assert process.wait() == 0
    assert passes[7] - passes[6] > 29
    whole = search(make_tuner(), tmp_path / "whole.db", concurrency=2)
    assert everything(study, tmp_path / "study.db") == everything(whole, tmp_path / "whole.db")


@pytest.mark.full
class TestStorageBenchmark:
    @pytest.fixture(autouse=True)
    def verbosity(self) -> Iterator[None]:
        verbosity = optuna.logging.get_verbosity()
        yield
        optuna.logging.set_verbosity(verbosity)

    def test_a_dashboard_a_reader_and_a_search_at_once(self) -> None:
        figures = storage.main(["--only", "readers", "--rungs", "300"])
        assert figures["errors"] == figures["lock_errors"] == 0
        assert figures["rungs"] == 300
        assert min(figures["dashboard_polls"], figures["reads"]) > 1

    def test_what_a_trial_costs_is_measured(self, tmp_path: Path) -> None:
        figures = storage.main(["--only", "overhead", "--trials", "10", "--json", str(tmp_path / "figures.json")])
        assert json.loads((tmp_path / "figures.json").read_text()) == figures
        assert 0.0 < figures["sql_ms_per_trial"] < figures["storage_ms_per_trial"]
        assert figures["tpe_proposal_ms"] > 0.0
