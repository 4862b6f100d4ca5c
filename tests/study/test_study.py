import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest
from hand_made_studies import FINGERPRINT, SAMPLED, create, finish, refused
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import FingerprintError, StorageError
from llmsearch_optuna.storage import CompletionStore, StoredCompletion, open_storage
from llmsearch_optuna.study.attributes import PARAMS
from llmsearch_optuna.study.fingerprint import study_fingerprint
from llmsearch_optuna.study.study import check_fingerprint, open_study, study_key
from llmsearch_optuna.study.trials import trial_params

# Creation and resumption.


@pytest.mark.parametrize("greater_is_better", [True, False])
def test_a_study_is_made_once_and_then_opened(storage: RDBStorage, greater_is_better: bool) -> None:
    name = f"made {greater_is_better}"
    made = create(storage, name, greater_is_better=greater_is_better)
    finish(made, 0.5)
    again = create(storage, name, greater_is_better=greater_is_better)
    assert study_key(again) == study_key(made)
    assert len(again.trials) == 1
    assert again.direction.name == ("MAXIMIZE" if greater_is_better else "MINIMIZE")


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        (
            {"fingerprint": {**FINGERPRINT, "seed": 43}},
            "another seed (seed: 42 then, 43 now)",
        ),
        (
            {"fingerprint": {"model": "llama#2", "space": FINGERPRINT["space"]}},
            "another model and another seed (model: llama#1 then, llama#2 now; seed: 42 then, none now)",
        ),
        ({"fingerprint": {**FINGERPRINT, "metric": "bleu"}}, "another metric (metric: none then, bleu now)"),
        (
            {"greater_is_better": False},
            "another direction of the score (direction: maximize then, minimize now)",
        ),
    ],
)
def test_another_fingerprint_is_refused_and_what_differs_is_named(
    changes: dict[str, Any], differing: str, storage: RDBStorage
) -> None:
    made = create(storage, "refused")
    assert refused(FingerprintError, lambda: create(storage, "refused", **changes)) == (
        f"use another study_name or storage for a new study: study `refused` was made with {differing}"
    )
    assert study_key(create(storage, "refused")) == study_key(made)


def test_a_deleted_study_leaves_no_completions_to_its_successor(storage: RDBStorage) -> None:
    store = CompletionStore(storage)
    completion = StoredCompletion(position=0, row=0, text="", token_ids=(), finish_reason="eos", score=None)
    first = create(storage, "deleted")
    first_key = study_key(first)
    store.append(first_key, 0, [completion])
    optuna.delete_study(study_name="deleted", storage=storage)
    second = create(storage, "deleted", fingerprint={"model": "another"})
    assert study_key(second) != first_key
    assert store.load(study_key(second), 0) == []
    store.append(study_key(second), 0, [completion])


def test_a_copy_in_the_same_database_is_not_resumed_beside_its_original(storage: RDBStorage) -> None:
    original = create(storage, "original")
    finish(original, 0.5)
    for name in ("copy", "copy of the copy"):
        optuna.copy_study(from_study_name="original", from_storage=storage, to_storage=storage, to_study_name=name)
        assert refused(StorageError, lambda name=name: create(storage, name)) == (  # type: ignore[misc]
            f"study `{name}` is a copy of study `original` in the same database, and its new completions would mix "
            "with those of the original: run `original`, or use another study_name for a new study"
        )
    key = study_key(original)
    assert study_key(create(storage, "original")) == key
    optuna.delete_study(study_name="original", storage=storage)  # optuna-dashboard renames by a copy and a deletion
    assert study_key(create(storage, "copy")) == key
    assert "is a copy of study `copy`" in refused(StorageError, lambda: create(storage, "copy of the copy"))


def test_studies_of_others_are_not_taken_over(storage: RDBStorage) -> None:
    foreign = optuna.create_study(study_name="foreign", storage=storage, direction="maximize")
    foreign.tell(foreign.ask(), 1.0)
    message = "study `foreign` was not made by llmsearch_optuna: use another study_name"
    assert refused(StorageError, lambda: create(storage, "foreign")) == message
    optuna.create_study(study_name="minimised", storage=storage, direction="minimize")
    assert "was not made by" in refused(StorageError, lambda: create(storage, "minimised"))
    optuna.create_study(study_name="two values", storage=storage, directions=["maximize", "maximize"])
    assert "was not made by" in refused(StorageError, lambda: create(storage, "two values"))


def test_a_study_that_was_killed_while_being_made_is_made(storage: RDBStorage) -> None:
    optuna.create_study(study_name="killed", storage=storage, direction="maximize")
    assert study_key(create(storage, "killed")) == study_key(create(storage, "killed"))


# Opening for reading.


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/x.db"


def test_open_study_finds_the_only_one_or_the_one_named(url: str) -> None:
    storage = open_storage(url)
    assert refused(StorageError, lambda: open_study(url)) == f"{url} holds no study"
    keys = {"one": study_key(create(storage, "one"))}
    assert study_key(open_study(url)[0]) == keys["one"]
    keys["other"] = study_key(create(storage, "other"))
    for name, key in keys.items():
        study, opened = open_study(url, name)
        assert study_key(study) == key
        assert sorted(summary.study_name for summary in opened.get_all_studies()) == ["one", "other"]
    message = f"{url} holds several studies, choose one with --study: one, other"
    assert refused(StorageError, lambda: open_study(url)) == message
    assert refused(StorageError, lambda: open_study(url, "ohter")) == "unknown study `ohter`: did you mean `other`?"
    optuna.create_study(study_name="foreign", storage=storage)
    message = "study `foreign` was not made by llmsearch_optuna"
    assert refused(StorageError, lambda: open_study(url, "foreign")) == message


def test_open_study_makes_no_database(tmp_path: Path, url: str) -> None:
    assert refused(StorageError, lambda: open_study(url)) == f"there is no database {tmp_path}/x.db"
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_is_refused_in_one_line(tmp_path: Path, url: str) -> None:
    storage = open_storage(url)
    create(storage, "one")
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.execute("ALTER TABLE study_user_attributes RENAME COLUMN value_json TO lost")
    connection.close()
    for attempt in (lambda: open_study(url), lambda: create(storage, "one")):
        message = refused(StorageError, attempt)
        assert message.startswith(f"database {url} cannot be used: no such column: study_user_attributes.value_json")


# Reading trials.


def test_trial_params(storage: RDBStorage) -> None:
    study = create(storage, "params")
    finish(study, 0.5, **{PARAMS: SAMPLED.to_json()})
    study.enqueue_trial({})
    assert trial_params(study.trials[0]) == SAMPLED
    assert refused(StorageError, lambda: trial_params(study.trials[1])) == (
        "trial 1 (waiting) has no parameters: it has not begun, or was not made by llmsearch_optuna"
    )


def test_the_fingerprint_is_checked_but_for_the_space(storage: RDBStorage) -> None:
    study = create(storage, "checked")

    def check(fingerprint: dict[str, Any], *, greater_is_better: bool = True) -> None:
        check_fingerprint(study, fingerprint, greater_is_better=greater_is_better)

    current = {"model": "llama#1", "seed": 42}
    check(current)
    assert refused(FingerprintError, lambda: check({**current, "model": "llama#2"})) == (
        "use the Tuner that the study was made with: study `checked` was made with another model (model: llama#1 then, "
        "llama#2 now)"
    )
    assert "another metric and another seed (metric: none then, bleu now; seed: 42 then, none now)" in refused(
        FingerprintError, lambda: check({"model": "llama#1", "metric": "bleu"})
    )
    assert "another direction of the score (direction: maximize then, minimize now)" in refused(
        FingerprintError, lambda: check(current, greater_is_better=False)
    )
    hashed = {**FINGERPRINT, "prompts": "58cb0d1f2a3b4c5d", "metric": "rouge1"}
    hashed.pop("space")
    message = refused(FingerprintError, lambda: check(hashed))
    assert message.startswith("use the Tuner")
    assert "another metric and other prompts (rows, template or tokenizer) (metric: none then" in message
    assert message.endswith("prompts: none then, 58cb0d1f2a3b4c5d now)")  # what nobody can read comes last
    foreign = optuna.create_study(study_name="not ours", storage=storage)
    message = "study `not ours` was not made by llmsearch_optuna"
    assert refused(StorageError, lambda: check_fingerprint(foreign, FINGERPRINT, greater_is_better=True)) == message


def test_a_study_that_lost_its_fingerprint_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    create(open_storage(url), "one")
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("DELETE FROM study_user_attributes WHERE key = 'llmsearch_fingerprint'")
    connection.close()
    message = "study `one` is damaged (its fingerprint is lost): `llmsearch-optuna fsck` lists what is intact"
    assert refused(StorageError, lambda: study_fingerprint(open_study(url)[0])) == message
    assert refused(StorageError, lambda: create(open_storage(url), "one")) == message
