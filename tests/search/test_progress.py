"""Progress in terminals, files and notebooks, and events for programs."""

import io
import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console
from study_files import STUDY
from tiny_models import tiny_model, tiny_tokenizer
from tiny_studies import make_tuner, search

from llmsearch_optuna.cli import main
from llmsearch_optuna.metrics import make_metric
from llmsearch_optuna.search.progress import SearchProgress, holdout_progress
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study.attributes import REPEATS
from llmsearch_optuna.study.trials import trial_params
from llmsearch_optuna.verdict.verdict import Verdict


class TestBar:
    @pytest.mark.full
    def test_a_terminal_shows_it_and_is_left_clean(self) -> None:
        screen = io.StringIO()
        study = search(make_tuner(), None, 2)
        console = Console(file=screen, force_terminal=True, width=120)
        with SearchProgress(study, samples=16, n_trials=4, console=console) as progress:
            progress.started(1)
            progress.tokens_generated(100)
            progress.trial_ended(study.trials[1], None, 1.0)
        shown = screen.getvalue()
        assert "tok/s" in shown
        assert shown.endswith("\x1b[?25h\r\x1b[1A\x1b[2K")  # the cursor is back, and the bar's line empty

    def test_a_file_gets_a_line_per_trial_and_no_bar(self) -> None:
        file = io.StringIO()
        study = search(make_tuner(), None, 1)
        console = Console(file=file, width=200, highlight=False)
        with SearchProgress(study, samples=16, n_trials=4, console=console) as progress:
            progress.started(2)
            progress.tokens_generated(100)
            progress.trial_ended(study.trials[0], None, 1.25)
            pruned = create_trial(state=TrialState.PRUNED, intermediate_values={4: 0.25}, value=0.25)
            progress.trial_ended(pruned, None, 1.0)
            failed = create_trial(state=TrialState.FAIL, user_attrs={"error": "[bold]why[/bold]"})
            progress.trial_ended(failed, None, 1.0)
        with holdout_progress(console=console) as on_completions:
            on_completions(1, 2)
        lines = file.getvalue().splitlines()
        assert len(lines) == 3
        assert lines[0].startswith(f"trial 0 [model default]: {study.trials[0].value:.4f}")
        assert "0.2500 pruned at 4" in lines[1]
        assert "failed: [bold]why[/bold]" in lines[2]

    def test_what_is_switched_off_is_silent(self) -> None:
        file = io.StringIO()
        study = search(make_tuner(), None, 1)
        with SearchProgress(study, samples=4, n_trials=4, enabled=False, console=Console(file=file)) as progress:
            progress.trial_ended(study.trials[0], None, 1.0)
        assert file.getvalue() == ""

    def test_it_is_shown_on_standard_error(self, capfd: pytest.CaptureFixture[str]) -> None:
        search(make_tuner(), None, 2, show_progress=True)
        captured = capfd.readouterr()
        assert captured.out == ""
        assert "trial 1 [greedy]" in captured.err

    def test_a_failed_trial_that_another_one_repeats_does_not_count(self) -> None:
        study = optuna.create_study()
        study.add_trial(create_trial(state=TrialState.FAIL))
        study.add_trial(create_trial(value=0.5, user_attrs={REPEATS: 0}))
        with SearchProgress(study, samples=16, n_trials=2, enabled=False) as progress:
            progress.started(0)
            progress.trial_ended(study.trials[1], None, 1.0)
            (task,) = progress._bar._progress.tasks
            assert (task.completed, task.total) == (1, 2)

    def test_the_duration_of_trials_that_ran_together_says_so(self) -> None:
        file = io.StringIO()
        study = search(make_tuner(), None, 3)
        with SearchProgress(study, samples=16, n_trials=3, console=Console(file=file, width=200)) as progress:
            state: Any = types.SimpleNamespace(
                scored=4,
                tokens=1,
                cost=0.002,
                value=0.5,
                params=trial_params(study.trials[0]),
                metrics={},
                broken={},
            )
            progress.advancing({0: state, 1: state})
            progress.trial_ended(study.trials[0], state, 2.0)
            progress.advancing({1: state, 2: state})
            progress.trial_ended(study.trials[1], state, 3.0)
            progress.trial_ended(study.trials[2], state, 1.0)
        assert re.findall(r"\((\d\.0 s[^,]*), best", file.getvalue()) == [
            "2.0 s together with 1 other",
            "3.0 s together with 2 others",
            "1.0 s together with 1 other",
        ]
        assert re.findall(r", cost (\S+) per 1,000 ", file.getvalue()) == ["0.5"] * 3


CELL = """
import sys, warnings
warnings.simplefilter("ignore")
sys.path[:0] = {path!r}
import llmsearch_optuna.search.progress as progress
progress._NOTEBOOK_PAUSE_S = 0.0
from tiny_studies import make_tuner, search
tuner = make_tuner(holdout_size=4)
study = search(tuner, None, 4, show_progress=True)
tuner.confirm(study, seeds=1)
"""


@pytest.mark.full
def test_a_notebook_has_one_output_that_changes_and_a_line_per_trial(tmp_path: Path) -> None:
    nbformat: Any = pytest.importorskip("nbformat", reason="no Jupyter here")
    nbclient: Any = pytest.importorskip("nbclient", reason="no Jupyter here")
    pytest.importorskip("ipykernel", reason="no Jupyter here")
    notebook: Any = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(CELL.format(path=sys.path))]
    updates: list[str] = []

    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    process_message = client.process_message

    def watch(message: Any, *arguments: Any) -> Any:
        if message["msg_type"] == "update_display_data":
            updates.append(message["content"]["data"]["text/plain"])
        return process_message(message, *arguments)

    client.process_message = watch
    client.execute()
    (cell,) = notebook.cells
    assert {output.output_type for output in cell.outputs} <= {"stream", "display_data", "execute_result"}
    printed = "".join(
        output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout"
    )
    assert [line.partition(":")[0].partition(" [")[0] for line in printed.splitlines()] == [
        f"trial {number}" for number in range(4)
    ]
    bars = [output.data["text/plain"] for output in cell.outputs if output.output_type == "display_data"]
    assert len(bars) == 2  # one for the search, one for the finalists
    assert "4 trials up to 3 of 4" in bars[0]
    assert "tok/s" in bars[0]
    assert bars[1].startswith("finalists on held-out samples: ")
    assert len(updates) > 10


class TestEvents:
    def test_every_trial_begins_passes_rungs_and_finishes(self, tmp_path: Path) -> None:
        events: list[dict[str, Any]] = []
        study = search(make_tuner(), tmp_path / "x.db", on_event=events.append)
        assert {event["event"] for event in events} == {"trial_started", "rung", "trial_finished"}
        for trial in study.trials:
            events_of_trial = [event for event in events if event["trial"] == trial.number]
            assert [events_of_trial[0]["event"], events_of_trial[-1]["event"]] == ["trial_started", "trial_finished"]
            assert GenerationParams.from_dict(events_of_trial[0]["params"]) == trial_params(trial)
            assert events_of_trial[0]["baseline"] == trial.user_attrs.get("baseline")
            rungs = {event["samples"]: event["score"] for event in events_of_trial[1:-1]}
            assert rungs == trial.intermediate_values
            assert events_of_trial[-1] == {
                "event": "trial_finished",
                "trial": trial.number,
                "state": trial.state.name.lower(),
                "score": trial.value,
                "samples": trial.last_step,
                "tokens": trial.user_attrs["tokens"],
                "seconds": events_of_trial[-1]["seconds"],
                "error": None,
            }
        json.dumps(events, allow_nan=False)

    def test_a_failed_trial_tells_why(self) -> None:
        events: list[dict[str, Any]] = []
        calls = iter(range(100))

        def scorer(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
            if next(calls) == 1:
                raise ValueError("no")
            return [0.5] * len(predictions)

        search(make_tuner(scorer=make_metric(scorer, retries=0)), None, 3, on_event=events.append)
        (failed,) = [event for event in events if event.get("error")]
        assert (failed["state"], failed["score"]) == ("fail", None)
        assert "no" in failed["error"]

    @pytest.mark.full
    def test_the_command_prints_them_a_line_each(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for part in (tiny_model(), tiny_tokenizer()):
            part.save_pretrained(tmp_path / "model")
        rows = [{"question": f"Is {number} even?", "answer": "yes"} for number in range(12)]
        (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        text = STUDY.format(trials=4).replace("search_size = 8", "search_size = 8\nholdout_size = 4")
        (tmp_path / "mini.toml").write_text(text)
        capsys.readouterr()
        assert main(["run", str(tmp_path / "mini.toml"), "--json", "--quiet"]) == 0
        captured = capsys.readouterr()
        assert captured.out.isascii()
        events = [json.loads(line) for line in captured.out.splitlines()]
        assert [event["event"] for event in events[-2:]] == ["search_finished", "verdict"]
        end, verdict = events[-2:]
        assert end["trials"] == len([event for event in events if event["event"] == "trial_finished"])
        assert end["best"]["score"] == max(event["score"] for event in events if event["event"] == "trial_finished")
        assert Verdict.from_dict({key: value for key, value in verdict.items() if key != "event"}).sentence
        assert "trial 0" not in captured.err
