"""Every figure, for every kind of study."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from hostile_texts import EVIL
from optuna.trial import TrialState

from llmsearch_optuna import report
from llmsearch_optuna.errors import ConfigurationError, StorageError
from llmsearch_optuna.report.drawing import safe
from studies.benchmarks.synthetic_studies import Plan, Written, write_study

PLOTS: dict[str, Callable[..., go.Figure]] = {
    name: getattr(report, name)
    for name in report.__all__
    if name.startswith("plot_") and name not in ("plot_slice", "plot_variants")
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_fits_light_and_dark_pages(name: str, tmp_path: Path) -> None:
    study, _ = write_study(tmp_path / "x.db")
    figure = PLOTS[name](study, tmp_path / "x.db")
    assert len(figure.data) > 0
    assert {figure.layout.paper_bgcolor, figure.layout.plot_bgcolor} == {"rgba(0, 0, 0, 0)"}
    assert len(figure.layout.template.layout.to_plotly_json()) == 0
    json.loads(figure.to_json())


def test_the_history_shows_every_trial(written: Written) -> None:
    study, storage = written()
    shown = {trace.name: list(trace.x) for trace in report.plot_history(study, storage).data}
    states: dict[str, list[int]] = {}
    for trial in study.trials:
        kind = "baseline" if "baseline" in trial.user_attrs else trial.state.name.lower()
        states.setdefault(kind, []).append(trial.number)
    assert shown["complete"] == states["complete"]
    assert shown["baseline"] == states["baseline"]
    assert shown["pruned"] == states["pruned"]
    assert shown["failed"] == states["fail"]
    assert shown["best"] == [study.best_trial.number]
    assert shown["best so far"] == sorted(states["complete"] + states["baseline"])


def test_the_heat_map_names_trials_and_rows(written: Written) -> None:
    study, storage = written()
    (trace,) = report.plot_samples(study, storage).data
    assert trace.x[0] == str(study.best_trial.number)
    assert set(trace.y) == {f"row {row}" for row in range(100, 116)}
    assert np.asarray(trace.z).shape == (16, 14)


@pytest.mark.parametrize("parameter", ["temperature", "top_k", "generation_seed"])
def test_a_slice_shows_all_trials_that_chose_the_parameter(parameter: str, written: Written) -> None:
    study, storage = written()
    figure = report.plot_slice(study, storage, parameter)
    points = sum(len(trace.x) for trace in figure.data if trace.mode == "markers")
    evaluated = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
    assert points == len([trial for trial in evaluated if trial.params])
    assert all(trace.error_y.array is not None for trace in figure.data if trace.mode == "markers")


def test_what_cannot_be_shown_is_said(written: Written) -> None:
    study, storage = written()
    with pytest.raises(
        ConfigurationError, match=r"^unknown searched parameter `temprature`: did you mean `temperature`"
    ):
        report.plot_slice(study, storage, "temprature")
    few, storage = written(Plan(trials=2))
    with pytest.raises(StorageError, match="importances need at least 6 fully evaluated trials"):
        report.plot_importances(few, storage)
    corpus, storage = written(Plan(by_sample=False))
    with pytest.raises(StorageError, match="no scores of single samples"):
        report.plot_samples(corpus, storage)
    begun, storage = written(Plan(complete=False))
    for name in ("plot_standings", "plot_quality", "plot_seeds", "plot_samples"):
        with pytest.raises(StorageError, match=r"^study `synthetic` has no fully evaluated trial yet$"):
            PLOTS[name](begun, storage)


@pytest.mark.parametrize("name", [name for name in PLOTS if name not in ("plot_importances", "plot_samples")])
@pytest.mark.parametrize("plan", [Plan(by_sample=False), Plan(trials=1, baselines=False, held_out=0)])
def test_plots_of_little(name: str, plan: Plan, written: Written) -> None:
    study, storage = written(plan)
    assert isinstance(PLOTS[name](study, storage), go.Figure)


def texts_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for part in value.values() for text in texts_of(part)]
    return [text for part in value for text in texts_of(part)] if isinstance(value, list) else []


@pytest.mark.full
def test_hostile_names_are_no_markup_for_plotly(written: Written) -> None:
    study, storage = written(Plan(metric=f"<img src=x onerror=alert(1)>{EVIL}"))
    for name, plot in PLOTS.items():
        texts = texts_of(json.loads(plot(study, storage).to_json()))
        assert not [text for text in texts if "<img" in text], name
    assert safe("<b>&\u202e") == r"&lt;b&gt;&amp;\u202e"


@pytest.mark.full
def test_figures_are_made_without_the_model_libraries(tmp_path: Path) -> None:
    write_study(tmp_path / "x.db")
    script = f"""
import sys
from llmsearch_optuna.report import plot_importances, write_report
from llmsearch_optuna.study.study import open_study
from pathlib import Path
study, storage = open_study("sqlite:///{tmp_path / "x.db"}")
plot_importances(study, storage)
write_report(study, storage, Path("{tmp_path / "x.html"}"))
print(sorted({{"torch", "transformers"}} & set(sys.modules)))
"""
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"
