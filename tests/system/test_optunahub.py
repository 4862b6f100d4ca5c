"""The packages for OptunaHub: their form, their examples, and their landscapes."""

import runpy
from pathlib import Path

import optuna
import optunahub
import pytest
import yaml

from studies.benchmarks.places import NAMES, recorded
from studies.benchmarks.terrains import Recorded
from studies.optunahub import write_landscapes

ROOT = Path(__file__).parents[2] / "studies" / "optunahub" / "package"
PACKAGES = ("pruners/paired", "benchmarks/llm_generation")


@pytest.fixture(autouse=True)
def _local(monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples load what is here in place of what is published."""

    def load(package: str) -> object:
        return optunahub.load_local_module(package=package, registry_root=str(ROOT))

    monkeypatch.setattr(optunahub, "load_module", load)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_the_form_of_the_registry(package: str) -> None:
    directory = ROOT / package
    names = {path.name for path in directory.iterdir()}
    assert {"README.md", "LICENSE", "__init__.py", "example.py"} <= names
    _, front, text = (directory / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    entries = yaml.safe_load(front)
    assert set(entries) == {"author", "title", "description", "tags", "optuna_versions", "license"}
    assert package.partition("s/")[0] in entries["tags"]
    assert entries["license"] == "MIT License"
    assert (directory / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    sections = [line for line in text.splitlines() if line.startswith("## ")]
    assert sections[0] == "## Abstract"
    assert {"## APIs", "## Class or Function Names"} & set(sections)
    for path in directory.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            path.read_text(encoding="utf-8")  # no binary files


@pytest.mark.parametrize(
    ("package", "expected"),
    [("pruners/paired", "of 30 trials were pruned"), ("benchmarks/llm_generation", "sums, none: regret 0.0")],
)
def test_the_examples_run(package: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / package / "example.py"))
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_a_landscape_is_the_recorded_one(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    problem = optunahub.load_module("benchmarks/llm_generation").Problem(name, seed=3)
    terrain = Recorded(recorded(name), seed=3)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        params = study.ask(problem.search_space).params
        assert problem.evaluate(params) == pytest.approx(float(terrain.outcome(params).scores.mean()), abs=1e-3)
    written = (ROOT / "benchmarks/llm_generation/landscapes" / f"{name}.json").read_text(encoding="utf-8")
    monkeypatch.setattr(write_landscapes, "DIRECTORY", tmp_path)
    write_landscapes.main()
    assert (tmp_path / f"{name}.json").read_text(encoding="utf-8") == written


def test_an_unknown_landscape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`landscape` must be one of addition, .*lists, .*, got 'moon'"):
        optunahub.load_module("benchmarks/llm_generation").Problem("moon")
