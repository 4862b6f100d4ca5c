"""What `fsck` says of whole databases, interrupted ones, and every kind of damage."""

import dataclasses
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
import version_1
from interruptions import WRITES, WriteCounter, interrupted
from tiers import partly_full

from llmsearch_optuna.cli import main
from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.fsck.check import Findings, check_database
from llmsearch_optuna.storage import (
    CompletionStore,
    FurtherCompletion,
    StoredCompletion,
    StoredJudgement,
    StoredSample,
    open_storage,
)
from llmsearch_optuna.storage.schema import VERSION
from llmsearch_optuna.study.attributes import PARAMS
from llmsearch_optuna.study.study import create_study, study_key


def whole(path: Path | str) -> Findings:
    """What is found in a database that must be whole, and that is left as it was."""
    url = str(path) if "://" in str(path) else f"sqlite:///{path}"
    findings = check_database(url)
    assert findings.problems == ()
    return findings


def contents(path: Path) -> dict[str, bytes]:
    """All files of a folder, but for the index of a log, where SQLite notes who reads."""
    files = [file for file in path.parent.rglob("*") if file.is_file()]
    return {file.name: b"" if file.suffix == ".db-shm" else file.read_bytes() for file in files}


def problems(path: Path) -> list[str]:
    """What is wrong with a database; checked to leave every byte and file as it was."""
    before = contents(path)
    findings = check_database(f"sqlite:///{path}")
    assert contents(path) == before
    assert findings.whole == (not findings.problems)
    return [str(problem) for problem in findings.problems]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with complete, pruned and interrupted trials, and a verdict; and another program's study."""
    path = tmp_path_factory.mktemp("searched") / "x.db"
    tuner = version_1.make_tuner()
    tuner.confirm(version_1.search(tuner, path, 6), seeds=2, show_progress=False)
    with suppress(KeyboardInterrupt):
        version_1.search(interrupted(tuner, 2), path)
    optuna.create_study(storage=f"sqlite:///{path}", study_name="of another")
    return path


@pytest.fixture
def path(searched: Path, tmp_path: Path) -> Path:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(searched)) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
    return path


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount != 0, "changes nothing"
        connection.commit()


STUDY = "study `llmsearch`: "


def test_a_study_is_whole(path: Path) -> None:
    assert problems(path) == []
    findings = whole(path)
    ours, other = findings.studies
    assert (ours.name, ours.ours, ours.samples, ours.verdict) == ("llmsearch", True, 16, True)
    assert ours.trials == {"complete": 4, "pruned": 2, "running": 2}
    assert (ours.completions, ours.held_out) == (96, 8)
    assert (other.name, other.ours) == ("of another", False)
    assert findings.notes == tuple(
        f"{STUDY}trial {number} is running, or was interrupted and will be resumed at 8 samples" for number in (6, 7)
    )


DAMAGES: dict[str, tuple[str, list[str]]] = {
    "a completion": (
        "DELETE FROM llmsearch_completions WHERE trial_number = 2 AND position = 13",
        [
            "trial 2: the completions at positions 13 are lost",
            "trial 2: 16 samples are reported, but 15 completions are stored",
            "trial 2: it is complete, but 15 completions are stored for 16 samples",
            "trial 2: its value is ",
            "trial 2: its completions have ",
        ],
    ),
    "the last rung of a pruned trial": (
        "DELETE FROM llmsearch_completions WHERE trial_number = 4 AND position >= 8",
        [
            "trial 4: 12 samples are reported, but 8 completions are stored",
            "trial 4: its completions have ",
        ],
    ),
    "the report of a pruned trial": (
        "DELETE FROM trial_intermediate_values WHERE trial_id = 5 AND step = 12",
        ["trial 4: it is pruned at 8 samples, but 12 completions are stored"],
    ),
    "the first rung of an interrupted trial": (
        "DELETE FROM llmsearch_completions WHERE trial_number = 6 AND position < 4",
        [
            "trial 6: the completions at positions 0, 1, 2, 3 are lost",
            "trial 6: 8 samples are reported, but 4 completions are stored",
            "trial 6: the mean of its first 4 scores is ",
        ],
    ),
    "an absurd position": (
        "UPDATE llmsearch_completions SET position = 9000000000000000000 WHERE trial_number = 6 AND position = 7",
        ["trial 6: the completions at positions 7, 8, 9, 10, 11, 12 and "],
    ),
    "a score": (
        "UPDATE llmsearch_completions SET score = score + 1 WHERE trial_number = 6 AND position = 4",
        ["trial 6: the mean of its first 8 scores is "],
    ),
    "a score that is lost": (
        "UPDATE llmsearch_completions SET score = NULL WHERE trial_number = 6 AND position = 4",
        ["trial 6: the scores at positions 4 are lost"],
    ),
    "a score that is a text": (
        "UPDATE llmsearch_completions SET score = 'high' WHERE trial_number = 6 AND position = 4",
        ["trial 6: score of the completions at positions 4 cannot be read"],
    ),
    "a text": (
        "UPDATE llmsearch_completions SET text = substr(text, 2) WHERE trial_number = 1 AND position IN (3, 9)",
        ["trial 1: text of the completions at positions 3, 9 cannot be read"],
    ),
    "bytes that are no text": (
        "UPDATE llmsearch_completions SET text = CAST(x'22ff22' AS TEXT) WHERE trial_number = 1 AND position = 3",
        ["trial 1: its completions cannot be read completely: Could not decode to UTF-8 "],
    ),
    "tokens": (
        "UPDATE llmsearch_completions SET token_ids = '[1, \"a\"]' WHERE trial_number = 6 AND position = 0",
        ["trial 6: tokens of the completions at positions 0 cannot be read"],
    ),
    "tokens nested without end": (
        f"UPDATE llmsearch_completions SET token_ids = '{'[' * 10_000}' WHERE trial_number = 6 AND position = 0",
        ["trial 6: tokens of the completions at positions 0 cannot be read"],
    ),
    "a count of tokens": (
        "UPDATE llmsearch_completions SET token_count = 7 WHERE trial_number = 6 AND position < 2",
        ["trial 6: the completions at positions 0, 1 have other numbers of tokens than recorded"],
    ),
    "scores under further metrics": (
        "UPDATE llmsearch_completions SET metric_scores = '{\"a\": ' WHERE trial_number = 6 AND position = 0",
        ["trial 6: scores under further metrics of the completions at positions 0 cannot be read"],
    ),
    "a row": (
        "UPDATE llmsearch_completions SET row = row + 1 WHERE trial_number = 6 AND position = 2",
        ["trial 6: the completions at positions 2 belong to other rows than the samples there"],
    ),
    "our tables": (
        "DROP TABLE llmsearch_schema",
        ["its samples and completions are lost"],
    ),
    "a table": (
        "DROP TABLE llmsearch_held_out",
        ["its completions on held-out samples cannot be read completely: "],
    ),
    "a finish reason": (
        "UPDATE llmsearch_completions SET finish_reason = '' WHERE trial_number = 6 AND position = 1",
        ["trial 6: finish reason of the completions at positions 1 cannot be read"],
    ),
    "a value": (
        "UPDATE trial_values SET value = 0.5 WHERE trial_id = 3",
        ["trial 2: its value is 0.5, but "],
    ),
    "a value that is a text": (
        "UPDATE trial_values SET value = 'high' WHERE trial_id = 3",
        ["trial 2: its value is high, but "],
    ),
    "a report that is a text": (
        "UPDATE trial_intermediate_values SET intermediate_value = 'high' WHERE trial_id = 3 AND step = 8",
        ["trial 2: the mean of its first 8 scores is "],
    ),
    "a step that is a text": (
        "UPDATE trial_intermediate_values SET step = 'last' WHERE trial_id = 5 AND step = 12",
        ["trial 4: it is pruned at 8 samples, but 12 completions are stored"],
    ),
    "a value that is lost": (
        "DELETE FROM trial_values WHERE trial_id = 3",
        ["trial 2: its value is None, but "],
    ),
    "a value that is infinite": (
        "UPDATE trial_values SET value = NULL, value_type = 'INF_POS' WHERE trial_id = 3",
        ["trial 2: its value is None, but "],
    ),
    "a report": (
        "UPDATE trial_intermediate_values SET intermediate_value = 0.5 WHERE trial_id = 3 AND step = 8",
        ["trial 2: the mean of its first 8 scores is "],
    ),
    "a state": (
        "UPDATE trials SET state = 'WAITING' WHERE number = 7",
        ["trial 7: it has not begun, but 8 completions are stored"],
    ),
    "the sum of tokens": (
        "UPDATE trial_user_attributes SET value_json = '3' WHERE key = 'tokens' AND trial_id = 1",
        ["trial 0: its completions have "],
    ),
    "parameters": (
        "UPDATE trial_user_attributes SET value_json = '{' WHERE key = 'generation_params' AND trial_id = 3",
        ["trial 2: its parameters cannot be read: "],
    ),
    "parameters that are wrong": (
        """UPDATE trial_user_attributes SET value_json = '"{\\"top_p\\": 2}"'
        WHERE key = 'generation_params' AND trial_id = 7""",
        ["trial 6: its parameters cannot be read: `top_p` must be in (0, 1], got 2"],
    ),
    "parameters that are lost": (
        "DELETE FROM trial_user_attributes WHERE key = 'generation_params' AND trial_id = 3",
        ["trial 2: its parameters cannot be read: "],
    ),
    "a sample": (
        "DELETE FROM llmsearch_samples WHERE position = 3",
        [
            "the samples at positions 3 are lost",
            *(f"trial {n}: it is complete, but 16 completions are stored for 15 samples" for n in range(4)),
        ],
    ),
    "all samples": (
        "DELETE FROM llmsearch_samples",
        [
            "its samples are lost",
            *(f"trial {n}: it is complete, but 16 completions are stored for 0 samples" for n in range(4)),
        ],
    ),
    "a prompt": (
        "UPDATE llmsearch_samples SET prompt = '{}' WHERE position = 3",
        ["the sample at position 3 is damaged"],
    ),
    "a held-out text": (
        "UPDATE llmsearch_held_out SET text = '7' WHERE position = 2 AND seed = 0",
        ["held-out samples of finalist "],
    ),
    "a held-out completion": (
        "DELETE FROM llmsearch_held_out WHERE position = 1 AND seed = 0",
        ["held-out samples of finalist "],
    ),
    "the verdict": (
        "UPDATE study_user_attributes SET value_json = '{}' WHERE key = 'llmsearch_verdict'",
        ["its verdict cannot be read (another version of llmsearch_optuna wrote this verdict: "],
    ),
    "the verdict's JSON": (
        "UPDATE study_user_attributes SET value_json = '[' WHERE key = 'llmsearch_verdict'",
        ["its verdict cannot be read (Expecting value: "],
    ),
    "the key": (
        "DELETE FROM study_user_attributes WHERE key = 'llmsearch_key'",
        ["its key is lost, so that its completions cannot be found"],
    ),
    "the fingerprint": (
        "DELETE FROM study_user_attributes WHERE key = 'llmsearch_fingerprint'",
        ["its fingerprint is lost"],
    ),
    "the direction": (
        "UPDATE study_directions SET direction = 'MINIMIZE' WHERE study_id = 1",
        ["its direction is minimize, but it was created to maximize"],
    ),
}


@pytest.mark.parametrize("kind", partly_full(DAMAGES, fast=[*DAMAGES][::3]))
def test_damage_is_named(kind: str, path: Path) -> None:
    statement, expected = DAMAGES[kind]
    execute(path, statement)
    findings = problems(path)
    of_study = [problem for problem in findings if not problem.startswith("the study keys of ")]
    assert len(of_study) == len(expected), findings
    for problem, beginning in zip(of_study, expected, strict=True):
        assert problem.startswith(STUDY + beginning)


def test_a_trial_that_is_lost(path: Path) -> None:
    execute(path, "DELETE FROM trials WHERE number = 2")
    children = ("trial_params", "trial_intermediate_values", "trial_values", "trial_user_attributes")
    findings = problems(path)
    for table in children:
        assert any(f"rows of {table} belong to trials that are lost" in problem for problem in findings)
    assert f"{STUDY}trials 2 are lost" in findings
    assert f"{STUDY}trials 2 are lost, though their completions are stored" in findings


def test_what_belongs_to_no_study_does_no_harm(path: Path) -> None:
    optuna.delete_study(study_name="llmsearch", storage=f"sqlite:///{path}")
    findings = whole(path)
    assert [study.name for study in findings.studies] == ["of another"]
    assert findings.notes == (
        "96 completions belong to no study: it was deleted, and they do no harm",
        "8 completions on held-out samples belong to no study: it was deleted, and they do no harm",
        "16 samples belong to no study: it was deleted, and they do no harm",
    )


def test_a_copy_of_a_study_is_noted(path: Path) -> None:
    study = optuna.load_study(study_name="llmsearch", storage=f"sqlite:///{path}")
    copied = optuna.create_study(study_name="copied", storage=f"sqlite:///{path}", direction=study.direction)
    for name, value in study.user_attrs.items():
        copied.set_user_attr(name, value)
    copied.add_trials(study.trials[:-1])  # the original has begun another trial since
    assert (
        "study `copied`: it is a copy of study `llmsearch`, with which it shares its completions: only the original "
        "can be resumed"
    ) in whole(path).notes


def test_completions_whose_study_lost_its_key_are_not_said_to_do_no_harm(path: Path) -> None:
    execute(path, DAMAGES["the key"][0])
    assert "96 completions belong to no study" in check_database(f"sqlite:///{path}").notes


@pytest.mark.full
def test_a_metric_that_scores_only_the_corpus(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    storage = open_storage(f"sqlite:///{path}")
    study = create_study("s", storage, greater_is_better=True, fingerprint={})
    store, key = CompletionStore(storage), study_key(study)
    store.save_samples(key, [StoredSample(position=i, row=i, prompt="", reference={}) for i in range(2)])
    trial = study.ask()
    trial.set_user_attr(PARAMS, "{}")
    completion = StoredCompletion(position=0, row=0, text="", token_ids=(), finish_reason="eos", score=None)
    for position in range(2):
        store.append(key, 0, [StoredCompletion(**{**vars(completion), "position": position, "row": position})])
        trial.report(0.25, position + 1)
        whole(path)
    study.tell(trial, 0.25)
    whole(path)
    execute(path, "UPDATE trial_values SET value = 0.5")
    assert problems(path) == ["study `s`: trial 0: its value is 0.5, but it scored 0.25"]


def judged(url: str) -> None:
    """Write a study with all that a completion may have: further completions, further metrics and judgements."""
    storage = open_storage(url)
    study = create_study("s", storage, greater_is_better=True, fingerprint={})
    store, key = CompletionStore(storage), study_key(study)
    store.save_samples(key, [StoredSample(position=0, row=0, prompt="", reference={})])
    trial = study.ask()
    trial.set_user_attr(PARAMS, "{}")
    further = (FurtherCompletion("b", (2, 3), "eos"),)
    completion = StoredCompletion(position=0, row=0, text="a", token_ids=(1,), finish_reason="eos", score=0.5)
    store.append(key, 0, [dataclasses.replace(completion, further=further, metric_scores={"m": 1.0})])
    trial.report(0.5, 1)
    study.tell(trial, 0.5)
    store.judgements(key).save({"k": StoredJudgement(4.0, ("Score: 4",), None, 1, 100, 10)})
    storage.engine.dispose()


def test_damaged_judgements(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    judged(f"sqlite:///{path}")
    assert problems(path) == []
    execute(path, "UPDATE llmsearch_judgements SET answers = '['")
    assert problems(path) == ["study `s`: the judgements k cannot be read"]


def test_all_that_a_completion_may_have_is_whole_on_a_server(server_url: str) -> None:
    judged(server_url)
    assert whole(server_url).studies[0].completions == 1


# Interrupted studies are whole.

KILLED = """
import os, signal, sys
import version_1
passes = iter(range(int(sys.argv[2])))
def kill():
    if next(passes, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
version_1.search(version_1.make_tuner(kill), sys.argv[1])
"""


@pytest.mark.full
def test_a_study_whose_process_was_killed_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    environment = {**os.environ, "PYTHONPATH": str(Path(version_1.__file__).parent)}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, path, "5"], env=environment, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert path.with_name("x.db-wal").stat().st_size > 0  # nobody has put it into the database
    assert problems(path) == []
    findings = whole(path)
    assert findings.studies[0].trials == {"complete": 2, "running": 2}
    assert findings.studies[0].completions == 5 * 2 * 4  # the sixth pass is lost


@pytest.mark.full
@pytest.mark.no_cover
@pytest.mark.parametrize("writes", [[40, 8], [40, 20, 15, 31, 8, 3, 1]], ids=len)
def test_a_study_interrupted_at_any_write_is_whole(writes: list[int], tmp_path: Path) -> None:
    tuner = version_1.make_tuner()
    path = tmp_path / "x.db"
    for at in writes:  # each goes on where the last one was interrupted
        with WriteCounter(at, (*WRITES, "CREATE", "ALTER")), pytest.raises(KeyboardInterrupt):
            version_1.search(tuner, path)
        if check_database(f"sqlite:///{path}").studies:
            whole(path)
    version_1.search(tuner, path)
    assert whole(path).studies[0].trials.get("running") is None


# Files.


def flip(path: Path, first_page: int, last_page: int) -> None:
    content = bytearray(path.read_bytes())
    for page in range(first_page, last_page):
        for place in range(page * 4096 + 200, page * 4096 + 400):
            content[place] ^= 0x55
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "damage", [lambda path: flip(path, 2, 40), truncate], ids=["flipped bytes", "a file that is cut off"]
)
def test_damaged_files_are_read_as_far_as_they_can_be(damage: Callable[[Path], None], path: Path) -> None:
    damage(path)
    findings = problems(path)
    assert any("the file is damaged: " in problem or "cannot be read completely: " in problem for problem in findings)
    assert all(len(problem.splitlines()) == 1 for problem in findings)


def test_one_damaged_page_costs_what_is_on_it(path: Path) -> None:
    """What of a table cannot be read is named; the rest is still compared."""
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'llmsearch_held_out'").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    findings = problems(path)
    assert any(problem.startswith("the file is damaged: ") for problem in findings)
    lost = f"{STUDY}its completions on held-out samples cannot be read completely: database disk image is malformed"
    assert lost in findings
    assert not any("trial" in problem for problem in findings)
    assert check_database(f"sqlite:///{path}").studies[0].completions == 96


def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_bytes(b"garbage " * 1000)
    assert problems(path) == [
        "the file is damaged: file is not a database",
        "the tables cannot be read completely: file is not a database",
    ]


@pytest.mark.parametrize("statement", ["CREATE TABLE t (x)", None])
def test_a_database_of_another_program(statement: str | None, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement or "VACUUM")
    assert problems(path) == ["there are no tables of Optuna: it holds no study"]


def test_a_copy_without_its_log_is_not_whole(tmp_path: Path) -> None:
    path, copy = tmp_path / "x.db", tmp_path / "copy.db"
    storage = open_storage(f"sqlite:///{path}")
    create_study("in use", storage, greater_is_better=True, fingerprint={"seed": 1})
    assert path.with_name("x.db-wal").stat().st_size > 0
    shutil.copy(path, copy)
    (problem,) = problems(copy)
    assert problem.startswith("it holds no study: if this file was copied while a search was using the database, copy")
    assert "`-wal`" in problem
    shutil.copy(path.with_name("x.db-wal"), copy.with_name("copy.db-wal"))
    assert [study.name for study in whole(copy).studies] == ["in use"]
    storage.engine.dispose()  # the log is merged into the file
    assert not path.with_name("x.db-wal").exists()
    findings = whole(path)
    assert "study `in use`: it has no trials: if this file was copied" in findings.notes[0]


def test_an_empty_database_that_never_had_a_log_holds_no_study(tmp_path: Path) -> None:
    optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'x.db'}")
    assert whole(tmp_path / "x.db").notes == ("it holds no study",)


def test_leases_are_looked_at(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (key,) = connection.execute("SELECT study_key FROM llmsearch_samples LIMIT 1").fetchone()
        rows = [
            (key, 6, "ab", "2026-01-02 03:04:05.000006"),
            (key, 7, "cd", "2999-01-01 00:00:00"),
            (key, 2, "ab", "2026-01-02 03:04:05"),
            (key, 99, "ab", "2026-01-02 03:04:05"),
            ("other", 6, "ab", "2026-01-02 03:04:05"),
        ]
        connection.executemany("INSERT INTO llmsearch_leases VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    (problem,) = problems(path)
    assert problem.startswith(
        "trial 7 is leased to worker cd and was last renewed at 2999-01-01 00:00:00, in the future"
    )
    notes = [note for note in check_database(f"sqlite:///{path}").notes if "lease" in note]
    assert notes == [
        "a lease on trial 2, which is complete, was left behind: it does no harm",
        "trial 6 is leased to worker ab, which last renewed the lease at 2026-01-02 03:04:05.000006",
        "a lease on trial 6, which belongs to no study, was left behind: it does no harm",
        "a lease on trial 99, which is lost, was left behind: it does no harm",
    ]
    execute(path, "UPDATE llmsearch_leases SET renewed = 'soon' WHERE worker = 'cd'")
    assert problems(path) == ["trial 7 is leased to worker cd, but the time of its last renewal cannot be read: 'soon'"]


def test_a_database_of_plain_optuna_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    optuna.create_study(storage=f"sqlite:///{path}", study_name="s")
    assert [(study.name, study.ours) for study in whole(path).studies] == [("s", False)]


def test_versions(path: Path, tmp_path: Path) -> None:
    execute(path, "UPDATE llmsearch_schema SET version = 99")
    (problem,) = problems(path)
    assert problem.startswith(
        f"a newer llmsearch_optuna made the tables (schema 99, this one supports {VERSION}): upgrade the "
    )
    execute(path, "UPDATE alembic_version SET version_num = 'v99'", f"UPDATE llmsearch_schema SET version = {VERSION}")
    (problem,) = problems(path)
    assert problem.startswith("Optuna's tables have version v99, but the installed Optuna needs v")
    old = tmp_path / "old" / "x.db"
    old.parent.mkdir()
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript((Path(__file__).parents[1] / "storage" / "version_1.sql").read_text(encoding="utf-8"))
    assert problems(old) == []
    assert whole(old).notes[0] == f"schema 1 will be upgraded to {VERSION} when it is opened"
    assert whole(old).studies[0].completions == 96


def test_what_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"^there is no database "):
        check_database(f"sqlite:///{tmp_path}/x.db")
    with pytest.raises(StorageError, match=r"^sqlite:// is not a file"):
        check_database("sqlite://")
    assert list(tmp_path.iterdir()) == []


def test_names_of_files_mean_nothing(path: Path) -> None:
    odd = path.with_name("a?b%20#c d.db")
    shutil.move(path, odd)
    assert main(["fsck", str(odd)]) == 0
    assert [file.name for file in odd.parent.iterdir()] == [odd.name]


# A server.


@pytest.mark.full
def test_a_database_on_a_server(server_url: str) -> None:
    tuner = version_1.make_tuner()
    arguments: dict[str, Any] = {"n_trials": 4, "rungs": 4, "storage": server_url, "show_progress": False}
    study = tuner.search(version_1.SPACE, **arguments)
    tuner.confirm(study, seeds=2, show_progress=False)
    (ours,) = whole(server_url).studies
    assert ours.completions > 40
    assert ours.held_out > 0
    assert ours.verdict
    engine = sa.create_engine(server_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE llmsearch_completions SET score = 2 WHERE trial_number = 0 AND position = 0")
    engine.dispose()
    findings = [str(problem) for problem in check_database(server_url).problems]
    assert len(findings) == 5  # four reports and the value
    assert findings[0].startswith(f"{STUDY}trial 0: the mean of its first 4 scores is ")


# The command line.


def test_the_command(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fsck", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "study `llmsearch`: trials: 4 complete, 2 pruned, 2 running; 96 completions on 16 samples, 8 on held-out "
        "samples; a verdict"
    )
    assert lines[1] == "study `of another`: not made by llmsearch_optuna, not checked"
    assert lines[-1] == "whole"
    execute(
        path,
        "UPDATE studies SET study_name = char(27) || '[31mred' WHERE study_id = 1",
        "UPDATE llmsearch_completions SET finish_reason = '' WHERE trial_number = 6 AND position = 1",
    )
    assert main(["fsck", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [
        "problem: study `\\x1b[31mred`: trial 6: finish reason of the completions at positions 1 cannot be read",
        "1 problem: restore a copy of the database, or begin a new study",
    ]
    assert main(["fsck", str(path), "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)
    assert findings["whole"] is False
    assert findings["studies"][0]["trials"] == {"complete": 4, "pruned": 2, "running": 2}
    assert findings["problems"] == [
        {
            "what": "finish reason of the completions at positions 1 cannot be read",
            "study": "\x1b[31mred",
            "trial": 6,
        }
    ]
    assert main(["fsck", str(path.with_name("nowhere.db"))]) == 1
    assert capsys.readouterr().err.startswith("llmsearch-optuna: there is no database ")
