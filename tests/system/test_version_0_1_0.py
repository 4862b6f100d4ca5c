"""Studies that 0.1.0 wrote: resumed, confirmed, reported, exported and checked, with the same numbers."""

import base64
import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stages
import version_0_1_0
from optuna.trial import TrialState

from llmsearch_optuna.cli import main
from llmsearch_optuna.study.study import open_study

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "version_0_1_0.json").read_text(encoding="utf-8"))
# A value that changed since, as llama.cpp refuses negative ones.
EXPORTED = EXPECTED["finished"]["exports"]["llamacpp"]
EXPORTED["request"]["repeat_last_n"] = 65536
EXPORTED["arguments"][EXPORTED["arguments"].index("--repeat-last-n") + 1] = "65536"
# And the metric's name in a figure, which has no hash now.
SAMPLES = EXPECTED["finished"]["figures"]["plot_samples"][0]
SAMPLES["hovertemplate"] = SAMPLES["hovertemplate"].replace("#5668cc41", "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((HERE / "version_0_1_0.sql").read_text(encoding="utf-8"))
    return path


def as_json(value: object) -> Any:
    return json.loads(json.dumps(value))


def as_numbers(figure: Any) -> Any:
    """A figure with lists in place of plotly's binary arrays, and None in place of NaN, which equals nothing."""
    if isinstance(figure, float) and math.isnan(figure):
        return None
    if isinstance(figure, list):
        return [as_numbers(part) for part in figure]
    if isinstance(figure, dict) and "bdata" in figure:
        array = np.frombuffer(base64.b64decode(figure["bdata"]), dtype=figure["dtype"])
        return as_numbers(array.reshape([int(size) for size in figure.get("shape", "-1").split(",")]).tolist())
    return {name: as_numbers(part) for name, part in figure.items()} if isinstance(figure, dict) else figure


def test_what_is_said_of_a_finished_study_is_the_same(path: Path) -> None:
    outputs = as_json(version_0_1_0.sayings(path))
    assert outputs.keys() == EXPECTED["finished"].keys()
    assert "no gain" in outputs["provenance"].pop("caution")  # 0.1.0 did not have it
    assert outputs["provenance"].pop("cost_per_1000_samples") is None  # nor this
    for target in set(outputs["exports"]) - set(EXPECTED["finished"]["exports"]):  # nor these
        assert outputs["exports"].pop(target)
    assert outputs["exports"]["llamacpp"].pop("preset")  # nor this
    arguments = outputs["exports"]["llamacpp"]["arguments"]
    for option in ("--xtc-probability", "--mirostat"):  # which a GGUF file may switch on; 0.1.0 did not know
        place = arguments.index(option)
        del arguments[place : place + 2]
    for part, expected in EXPECTED["finished"].items():
        assert as_numbers(outputs[part]) == as_numbers(expected), part


def test_a_finished_study_goes_on_and_is_confirmed_with_the_same_verdict(path: Path) -> None:
    version_0_1_0.finished(path)
    outputs = as_json(version_0_1_0.sayings(path))
    assert outputs["trials"] == EXPECTED["finished"]["trials"]
    assert outputs["verdict"] == EXPECTED["finished"]["verdict"]


def test_an_interrupted_study_ends_as_an_uninterrupted_one_did(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages.PLAN, stages.in_one_stage)  # 0.1.0 had no others
    trials = open_study(f"sqlite:///{path}", "interrupted")[0].trials
    assert [trial.state for trial in trials].count(TrialState.RUNNING) == 2
    tuner = version_0_1_0.make_tuner()
    study = version_0_1_0.search(tuner, path, "interrupted", 10)
    assert as_json(version_0_1_0.trials_of(study)) == EXPECTED["interrupted"]["trials"]
    verdict = tuner.confirm(study, seeds=2, show_progress=False)
    expected = EXPECTED["interrupted"]["verdict"]
    added: dict[str, Any] = {"constant": None, "next_step": verdict.next_step, "stopped": None, "planned_seeds": 2}
    added |= {
        "ended": None,
        "expense": None,
        "clusters": None,
        "judge_share": None,
        "metrics": [],
        "recommended": False,
    }
    finalists = [{**finalist, "irregular": {}, "cost": None, "tied_votes": 0} for finalist in expected["finalists"]]
    assert as_json(verdict.to_dict()) == {**expected, **added, "finalists": finalists}


@pytest.mark.full
def test_the_command_line_reads_it(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    assert main(["fsck", str(path)]) == 0
    assert capsys.readouterr().out.endswith("whole\n")
    assert main(["best", str(path), "--study", "finished"]) == 0
    assert EXPECTED["finished"]["verdict"]["sentence"] in capsys.readouterr().out
    assert main(["report", str(path), "--study", "finished", "-o", str(page)]) == 0
    assert "+0.09" in page.read_text(encoding="utf-8")
    for target in EXPECTED["finished"]["exports"]:
        assert main(["export", str(path), "--study", "finished", "--to", target]) == 0
