"""Runs in W&B's offline mode, read back from its files."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_studies import everything, make_tuner, search

wandb = pytest.importorskip("wandb")
pytestmark = [
    pytest.mark.full,
    pytest.mark.filterwarnings("ignore"),  # its threads leave files open
]

_BLOCK, _HEADER = 32768, 7


@pytest.fixture(autouse=True)
def read_environment() -> Iterator[None]:
    """The package reads its environment variables once."""
    wandb.teardown()
    yield
    wandb.teardown()


def records(path: Path) -> list[Any]:
    """The records of a file of W&B: a log of LevelDB, with 7 bytes before its first record."""
    from wandb.proto import wandb_internal_pb2  # noqa: PLC0415 - optional

    data, place, text, entries = path.read_bytes(), _HEADER, b"", []
    while place + _HEADER <= len(data):
        if _BLOCK - place % _BLOCK < _HEADER:
            place += _BLOCK - place % _BLOCK
            continue
        _, size, kind = struct.unpack_from("<IHB", data, place)
        text += data[place + _HEADER : place + _HEADER + size]
        place += _HEADER + size
        if kind in (1, 4):  # a whole record, or the end of one
            entries.append(wandb_internal_pb2.Record.FromString(text))
            text = b""
    return entries


def runs(directory: Path) -> dict[str, dict[str, Any]]:
    """All runs by name: group, kind, parameters, scores by step, summary and exit status."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(directory.glob("wandb/offline-run-*/*.wandb")):
        run: dict[str, Any] = {}
        for record in records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                run = found.setdefault(record.run.display_name, {"steps": [], "summary": {}, "params": {}, "files": 0})
                run |= {"group": record.run.run_group, "kind": record.run.job_type, "exit": None}
                run["params"] |= {item.key: item.value_json for item in record.run.config.update}
                run["files"] += 1
            elif kind == "history":
                values = {item.key or item.nested_key[0]: item.value_json for item in record.history.item}
                run["steps"].append((int(values["_step"]), float(values["score"])))
            elif kind == "summary":
                run["summary"] |= {item.key or item.nested_key[0]: item.value_json for item in record.summary.update}
            elif kind == "exit":
                run["exit"] = record.exit.exit_code
    return found


def test_a_search_is_kept_offline_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    tuner = make_tuner(holdout_size=6)
    for trials in (3, 5):
        study = search(tuner, tmp_path / "x.db", trials, track={"to": "wandb", "project": "p"})
    verdict = tuner.confirm(study, seeds=1, show_progress=False)
    wandb.teardown()  # returns when all files are written
    tracked = runs(tmp_path)
    parent = tracked.pop("llmsearch")
    assert (parent["kind"], parent["params"]["sampler"]) == ("study", '"tpe"')
    assert parent["files"] in (2, 3)  # two searches and a verdict; W&B names a directory by the second it is made in
    assert parent["summary"]["verdict"] == f'"{verdict.sentence}"'
    assert len(tracked) == len(study.trials) == 5
    for trial in study.trials:
        baseline = trial.user_attrs.get("baseline")
        run = tracked[f"trial {trial.number}" + (f" [{baseline}]" if baseline else "")]
        assert (run["kind"], run["group"], run["files"], run["exit"]) == ("trial", parent["group"], 1, 0)
        assert run["steps"] == sorted(trial.intermediate_values.items())
        assert run["summary"]["state"] == f'"{trial.state.name.lower()}"'
        assert run["params"]["max_new_tokens"] == "4"
    for trials in (3, 5):
        plain = search(make_tuner(holdout_size=6), tmp_path / "plain.db", trials)
    assert everything(study, tmp_path / "x.db") == everything(plain, tmp_path / "plain.db")


def test_a_server_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "3")
    study = search(make_tuner(), tmp_path / "x.db", 3, track={"to": "wandb", "uri": "http://127.0.0.1:9"})
    assert len(study.trials) == 3
    assert caplog.text.count("tracking in wandb ends, and all else goes on") == 1
