"""Several processes on one study, on a real PostgreSQL server."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState
from tiny_models import tiny_model, tiny_tokenizer
from tiny_studies import ROWS, SPACE, TIMINGS, everything, make_tuner, search

from llmsearch_optuna import Tuner
from llmsearch_optuna.storage import CompletionStore, Leases, open_storage
from llmsearch_optuna.study.attributes import BASELINE, ENDED, RESTING, ROUND
from llmsearch_optuna.study.study import open_study, study_key
from llmsearch_optuna.study.trials import began, ended, trial_params
from llmsearch_optuna.verdict.commands import confirm_command

CONTEXT = multiprocessing.get_context("forkserver")
LAPSE_S = 2.0


def work(url: str, n_trials: int, pause_s: float = 0.0, pruner: str = "paired") -> None:
    """What a worker process does."""
    tuner = make_tuner(callbacks_after_inference=[lambda: time.sleep(pause_s)])
    search_together(tuner, url, n_trials, pruner=pruner)


def work_until_told(url: str, n_trials: int, after: bool) -> None:
    """A worker that is killed as it tells the study of its third finished trial, before or after the study knows."""
    finished: list[int] = []
    tell = optuna.Study.tell

    def tell_and_die(study: optuna.Study, trial: optuna.Trial, *rest: Any) -> Any:
        finished.append(trial.number)
        if len(finished) == 3 and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = tell(study, trial, *rest)
        if len(finished) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    optuna.Study.tell = tell_and_die  # type: ignore[assignment]
    search_together(make_tuner(), url, n_trials)


def search_together(tuner: Tuner, url: str, n_trials: int, **changes: Any) -> optuna.Study:
    arguments: dict[str, Any] = {"rungs": 4, "concurrency": 2, "lease_timeout_s": LAPSE_S, "show_progress": False}
    return tuner.search(SPACE, n_trials=n_trials, storage=url, **{**arguments, **changes})


@pytest.fixture(scope="module", autouse=True)
def imports_are_forked() -> None:
    CONTEXT.set_forkserver_preload([__name__])


def begin(url: str, count: int, n_trials: int, pause_s: float, pruner: str = "paired") -> list[BaseProcess]:
    arguments = (url, n_trials, pause_s, pruner)
    workers: list[BaseProcess] = [CONTEXT.Process(target=work, args=arguments) for _ in range(count)]
    for worker in workers:
        worker.start()
    return workers


def wait_for_trials(url: str, count: int, *states: TrialState) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    names = tuple(state.name for state in states)
    counted = sa.text("SELECT count(*) FROM trials WHERE CAST(state AS TEXT) IN :names").bindparams(
        sa.bindparam("names", names, expanding=True)
    )
    for _ in range(3000):
        with engine.connect() as connection:
            made = sa.inspect(connection).has_table("trials")
            if made and connection.execute(counted).scalar_one() >= count:
                return
        time.sleep(0.1)
    pytest.fail("the workers do not get on")


def check_evaluated_once(url: str, n_trials: int) -> optuna.Study:
    """Every trial is finished, and what is stored of it is what its parameters give."""
    study, storage = open_study(url)
    trials = study.get_trials()
    assert [trial.number for trial in trials] == list(range(n_trials))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert Counter(trial.user_attrs.get(BASELINE) for trial in trials)["model default"] == 1
    assert Counter(trial.user_attrs.get(BASELINE) for trial in trials)["greedy"] == 1
    assert sorted(trial.user_attrs[ENDED] for trial in trials) == list(range(1, n_trials + 1))
    store, tuner = CompletionStore(storage), make_tuner()
    order = [sample.row for sample in tuner.task.search]
    for trial in trials:
        stored = store.load(study_key(study), trial.number)
        assert [completion.position for completion in stored] == list(range(trial.last_step or 0))
        outputs = tuner.get_score(trial_params(trial)).outputs
        assert [completion.text for completion in stored] == [outputs[row] for row in order[: len(stored)]]
        assert trial.value == sum(completion.score or 0.0 for completion in stored) / len(stored)
    with storage.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM llmsearch_leases")).scalar() == 0
    return study


@pytest.mark.full
def test_one_worker_ends_as_a_search_that_is_alone(server_url: str, tmp_path: Path) -> None:
    alone = search(make_tuner(), tmp_path / "x.db", concurrency=2)
    shared = search_together(make_tuner(), server_url, 9)
    times = (ROUND, ENDED, *TIMINGS)
    for trial, other in zip(alone.trials, shared.trials, strict=True):
        assert (trial.state, trial.params, trial.values, trial.intermediate_values) == (
            other.state,
            other.params,
            other.values,
            other.intermediate_values,
        )
        assert {key: value for key, value in trial.user_attrs.items() if key not in times} == {
            key: value for key, value in other.user_attrs.items() if key not in times
        }
    check_evaluated_once(server_url, 9)
    assert len(search_together(make_tuner(), server_url, 12).trials) == 12  # goes on


@pytest.mark.full
def test_four_workers_of_which_two_are_killed_evaluate_every_trial_once(server_url: str) -> None:
    n_trials = 24
    workers = begin(server_url, 4, n_trials, pause_s=0.1)
    for killed, finished in ((workers[0], 2), (workers[1], 6)):
        wait_for_trials(server_url, finished, TrialState.COMPLETE, TrialState.PRUNED)
        killed.kill()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [-signal.SIGKILL, -signal.SIGKILL, 0, 0]
    study = check_evaluated_once(server_url, n_trials)
    # What a trial was compared with was there before it began, and never changed.
    for trial in study.trials:
        assert began(trial) < ended(trial)


@pytest.mark.full
def test_workers_of_which_one_is_killed_share_a_race(server_url: str) -> None:
    workers = begin(server_url, 3, 18, pause_s=0.1, pruner="race")
    wait_for_trials(server_url, 3, TrialState.COMPLETE)
    workers[0].kill()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [-signal.SIGKILL, 0, 0]
    study = check_evaluated_once(server_url, 18)
    assert any(RESTING in trial.user_attrs for trial in study.trials)
    assert not any(trial.user_attrs.get(RESTING) for trial in study.trials)


@pytest.mark.full
@pytest.mark.parametrize("after", [False, True])
def test_a_worker_killed_as_a_trial_ends_leaves_no_lease_on_it(server_url: str, after: bool) -> None:
    worker = CONTEXT.Process(target=work_until_told, args=(server_url, 9, after))
    worker.start()
    worker.join(300)
    assert worker.exitcode == -signal.SIGKILL
    search_together(make_tuner(), server_url, 9)
    check_evaluated_once(server_url, 9)


@pytest.mark.full
def test_what_a_dead_worker_left_is_taken_over_when_its_lease_lapses(server_url: str) -> None:
    (worker,) = begin(server_url, 1, 9, pause_s=0.2)
    wait_for_trials(server_url, 1, TrialState.COMPLETE)
    wait_for_trials(server_url, 1, TrialState.RUNNING)
    worker.kill()
    worker.join()
    study, storage = open_study(server_url)
    left = [trial.number for trial in study.get_trials(states=(TrialState.RUNNING,))]
    store = CompletionStore(storage)
    before = {number: store.load(study_key(study), number) for number in left}
    # Whoever has a lease may live yet; a worker that dies before it has one was alone with its trial.
    with storage.engine.connect() as connection:
        leased = set(connection.execute(sa.text("SELECT trial_number FROM llmsearch_leases")).scalars())
    leased &= set(left)
    assert Leases(storage, study_key(study), lease_timeout_s=600.0).take_abandoned(sorted(leased), 9) == []
    search_together(make_tuner(), server_url, 9)
    check_evaluated_once(server_url, 9)
    assert all(store.load(study_key(study), number)[: len(rows)] == rows for number, rows in before.items())


@pytest.mark.full
def test_a_worker_that_was_thought_dead_leaves_its_trials_to_the_other(
    server_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    robbed: list[int] = []

    def rob() -> None:
        """Take all its leases away, once, as happens to a process that was suspended."""
        study, storage = open_study(server_url)
        if len(study.get_trials(deepcopy=False)) >= 5 and not robbed:
            with storage.engine.begin() as connection:
                taken = "UPDATE llmsearch_leases SET worker = 'other' RETURNING trial_number"
                robbed.extend(connection.execute(sa.text(taken)).scalars())
        storage.engine.dispose()

    study = search_together(make_tuner(callbacks_after_inference=[rob]), server_url, 9)
    assert len(robbed) == 2
    for number in robbed:
        assert f"trial {number} is left to another worker" in caplog.text
    assert len(study.trials) == 9
    check_evaluated_once(server_url, 9)  # the other never renews: they lapse, and are taken back


@pytest.mark.full
def test_a_trial_that_fails_after_it_was_taken_over_is_not_failed(server_url: str) -> None:
    calls: list[int] = []

    def scorer(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
        calls.append(1)
        if len(calls) == 3:
            _, storage = open_study(server_url)
            with storage.engine.begin() as connection:
                connection.execute(sa.text("UPDATE llmsearch_leases SET worker = 'other'"))
            storage.engine.dispose()
            raise ZeroDivisionError
        return [0.5] * len(predictions)

    study = search_together(make_tuner(scorer=scorer), server_url, 3)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


@pytest.fixture(scope="module")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cli")
    for part in (tiny_model(), tiny_tokenizer()):
        part.save_pretrained(directory / "model")
    rows = "".join(f'{{"question": "{row["question"]}", "answer": "{row["answer"]}"}}\n' for row in ROWS)
    (directory / "data.jsonl").write_text(rows, encoding="utf-8")
    (directory / "shared.toml").write_text(
        """
        [study]
        n_trials = 1000
        rungs = 4
        concurrency = 2
        lease_timeout_s = 1
        [model]
        name = "model"
        [data]
        path = "data.jsonl"
        input_cols = ["question"]
        eval_cols = ["answer"]
        prompt_template = "{question}"
        holdout_size = 4
        [metric]
        name = "exact_match"
        [pruner]
        name = "none"
        [space]
        temperature = {low = 0.3, high = 2.0}
        max_new_tokens = 4
        """,
        encoding="utf-8",
    )
    return directory / "shared.toml"


@pytest.mark.full
def test_the_worker_command(server_url: str, study_file: Path) -> None:
    program = str(Path(sys.executable).with_name("llmsearch-optuna"))
    command = [program, "worker", str(study_file), "--storage", server_url]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen([*command, "--quiet"], stderr=subprocess.PIPE, text=True, env=environment) for _ in range(2)
    ]
    wait_for_trials(server_url, 4, TrialState.COMPLETE)
    workers[0].send_signal(signal.SIGTERM)
    _, stderr = workers[0].communicate(timeout=60)
    assert workers[0].returncode == 128 + signal.SIGTERM
    assert "SIGTERM: the search stops after the samples in progress" in stderr
    assert stderr.endswith("interrupted; the same command goes on from here\n")
    workers[1].send_signal(signal.SIGINT)
    _, stderr = workers[1].communicate(timeout=60)
    assert workers[1].returncode == 128 + signal.SIGINT, stderr
    study, storage = open_study(server_url)
    with storage.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM llmsearch_leases")).scalar() == 0
    trials = str(len(study.get_trials(deepcopy=False)) + 1)
    done = subprocess.run([*command, "--trials", trials], capture_output=True, text=True, env=environment, check=True)
    assert confirm_command(server_url, "shared") in done.stdout
    assert "held-out samples" not in done.stdout
    assert {trial.state for trial in study.get_trials()} == {TrialState.COMPLETE}


@pytest.mark.full
def test_completions_of_any_text_are_the_same_on_the_server(server_url: str, tmp_path: Path) -> None:
    def hostile(prompts: list[str], parameters: dict[str, Any]) -> list[str]:
        return [f"{prompt}\0\ud800'; DROP TABLE trials; --\x1b[2J" for prompt in prompts]

    tuner = make_tuner(model=None, custom_pred_function=hostile)
    shared = search_together(tuner, server_url, 3)
    search(tuner, tmp_path / "x.db", 3, concurrency=2)
    alone = everything(open_study(f"sqlite:///{tmp_path / 'x.db'}")[0], tmp_path / "x.db")
    store = CompletionStore(open_storage(server_url))
    assert [store.load(study_key(shared), number) for number in range(3)] == [trial[-1] for trial in alone]


@pytest.mark.full
def test_workers_share_a_study_of_two_objectives(server_url: str, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"objectives": ["score", "tokens"]}
    alone = search(make_tuner(stop=["e"]), tmp_path / "x.db", 7, concurrency=2, **changes)
    shared = search_together(make_tuner(stop=["e"]), server_url, 7, **changes)
    assert [(trial.params, trial.values, trial.intermediate_values) for trial in shared.trials] == [
        (trial.params, trial.values, trial.intermediate_values) for trial in alone.trials
    ]
    longer = search_together(make_tuner(stop=["e"]), server_url, 9, **changes)
    assert [len(trial.values) for trial in longer.trials] == [2] * 9
