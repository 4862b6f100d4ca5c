"""The notebooks: what is committed is clean, and what they show is what happens."""

import ast
import importlib
import importlib.util
import json
import os
import re
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import optuna
import pytest
from optuna.trial import TrialState
from tiny_models import tiny_model, tiny_tokenizer
from transformers import GenerationConfig

from llmsearch_optuna import trial_params
from llmsearch_optuna.fsck.check import check_database
from llmsearch_optuna.study.attributes import BASELINE
from llmsearch_optuna.study.study import open_study
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.study_file.launch import build_tuner
from llmsearch_optuna.verdict.finalists import select_finalists
from llmsearch_optuna.verdict.verdict import Verdict, stored_verdict

ROOT = Path(__file__).parents[2]
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
PACKAGE = "llmsearch_optuna"
SWITCH = "ONLINE = False"

every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)


def cells(name: str, kind: str = "code") -> list[tuple[str, str]]:
    """Identity and text of a notebook's cells."""
    notebook = json.loads(NOTEBOOKS[name].read_text(encoding="utf-8"))
    return [(cell["id"], "".join(cell["source"])) for cell in notebook["cells"] if cell["cell_type"] == kind]


def trees(name: str) -> Iterator[ast.Module]:
    for identity, text in cells(name):
        yield ast.parse(text, f"{name}, cell {identity}")


# What is committed.


def test_these_are_the_notebooks() -> None:
    assert set(NOTEBOOKS) == {"quickstart", "gsm8k", "samsum", "advanced", "code_scoring"}


@every_notebook
def test_no_outputs_are_committed(name: str) -> None:
    notebook = json.loads(NOTEBOOKS[name].read_text(encoding="utf-8"))
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    for cell in notebook["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
    identities = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identities)) == len(identities)


@every_notebook
def test_no_machine_is_named(name: str) -> None:
    assert re.findall(r"/(?:root|home|tmp|Users|mnt)\b|\\Users", NOTEBOOKS[name].read_text(encoding="utf-8")) == []


@every_notebook
def test_only_what_is_public_is_used(name: str) -> None:
    imported = 0
    for node in (node for tree in trees(name) for node in ast.walk(tree)):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == PACKAGE:
            public = importlib.import_module(str(node.module)).__all__
            assert [alias.name for alias in node.names if alias.name not in public] == []
            imported += len(node.names)
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith(PACKAGE) for alias in node.names)
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            assert isinstance(node.value, ast.Name)
            assert node.value.id == "self", f"{node.attr} is nobody else's"
    assert imported > 5


@every_notebook
def test_its_cells_compile(name: str) -> None:
    for tree in trees(name):
        compile(tree, name, "exec")


@every_notebook
def test_the_readme_tells_of_it(name: str) -> None:
    assert f"`notebooks/{name}.ipynb`" in (ROOT / "README.md").read_text(encoding="utf-8")


@every_notebook
def test_files_that_are_named_are_there(name: str) -> None:
    prose = "\n".join(text for _, text in cells(name, "markdown"))
    for place in re.findall(r"`([\w./]+\.(?:toml|ipynb|md))`", prose):
        assert (ROOT / place).exists() or (ROOT / "notebooks" / place).exists(), place


# Model and data from the hub: directories of their names take their places.


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory holds what the hub has, but for a tiny model and rows of ours."""
    rows = {
        "openai/gsm8k": {"question": "What is {0} + {0}?", "answer": "#### {0}"},
        "knkarthick/samsum": {"dialogue": "A: Is it {0}?\nB: Yes.", "summary": "It is {0}."},
    }
    for name, columns in rows.items():
        directory = tmp_path / name
        directory.mkdir(parents=True)
        lines = [json.dumps({key: text.format(n) for key, text in columns.items()}) for n in range(900)]
        (directory / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
        config = "main" if name == "openai/gsm8k" else "default"
        card = f"---\nconfigs:\n- config_name: {config}\n  data_files:\n  - split: train\n    path: rows.jsonl\n---\n"
        (directory / "README.md").write_text(card, encoding="utf-8")
    for part in (tiny_model(), tiny_tokenizer()):
        part.save_pretrained(tmp_path / "Qwen" / "Qwen2.5-0.5B-Instruct")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.full
@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", ["gsm8k", "samsum"])
def test_one_line_makes_it_the_study_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `ONLINE = True`, model, rows, prompts, metric, space and splits are those of ``studies/NAME.toml``."""
    (line,) = [line for _, text in cells(name) for line in text.splitlines() if line.startswith("ONLINE")]
    assert line.startswith(SWITCH)
    monkeypatch.setenv("GOMP_SPINCOUNT", "")  # put back afterwards
    names: dict[str, Any] = {}
    for identity, text in cells(name):
        if identity == "search":
            break
        exec(compile(text.replace(SWITCH, "ONLINE = True"), identity, "exec"), names)
    file = StudyFile.load(ROOT / "studies" / f"{name}.toml")
    assert names["tuner"]._fingerprint(names["space"]) == build_tuner(file)._fingerprint(file.space)
    assert names["n_trials"] == file.study.n_trials


# What happens.

Execute = Callable[[str], dict[str, Any]]


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Execute:
    """``(name) -> outputs by cell``; what the notebook writes is in `tmp_path`."""
    nbformat: Any = pytest.importorskip("nbformat", reason="no Jupyter here")
    nbclient: Any = pytest.importorskip("nbclient", reason="no Jupyter here")
    pytest.importorskip("ipykernel", reason="no Jupyter here")
    monkeypatch.setenv("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")

    def run(name: str) -> dict[str, Any]:
        notebook: Any = nbformat.read(NOTEBOOKS[name], as_version=4)
        began, used = time.monotonic(), processor_seconds()
        nbclient.NotebookClient(
            notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
        ).execute()
        print(f"{name}: {time.monotonic() - began:.0f} s, {processor_seconds() - used:.0f} s of processor time")
        return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}

    return run


def processor_seconds() -> float:
    """Of all processes that were started and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def printed(outputs: Any) -> str:
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


def value(outputs: Any) -> str:
    """The value of a cell's last line."""
    (result,) = [output for output in outputs if output.output_type == "execute_result"]
    return str(result.data["text/plain"])


def has_figure(outputs: Any) -> bool:
    (figure,) = [output for output in outputs if output.output_type == "display_data"]
    return bool(figure.data["application/vnd.plotly.v1+json"]["data"])


def finished(outputs: Any) -> list[int]:
    """The trials that a search said it had finished."""
    return [int(number) for number in re.findall(r"^trial (\d+)", printed(outputs), re.MULTILINE)]


def read(path: Path) -> tuple[optuna.Study, Verdict]:
    """A study and its verdict, from a whole database."""
    url = f"sqlite:///{path}"
    assert check_database(url).whole
    study, _ = open_study(url)
    verdict = stored_verdict(study)
    assert verdict is not None
    assert verdict.is_of(select_finalists(study))
    return study, verdict


@pytest.mark.slow
def test_quickstart(execute: Execute, tmp_path: Path) -> None:
    outputs = execute("quickstart")
    study, verdict = read(tmp_path / "quickstart.db")
    assert printed(outputs["interrupt"]).endswith("interrupted\n")
    before, after = finished(outputs["interrupt"]), finished(outputs["resume"])
    assert before
    assert 4 in after
    assert sorted([*before, *after]) == [trial.number for trial in study.trials] == list(range(8))
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert printed(outputs["trials"]).count("pruned after") == len(study.get_trials(states=(TrialState.PRUNED,)))
    for figure in ("history", "curves", "standings"):
        assert has_figure(outputs[figure])
    assert verdict.improved
    assert printed(outputs["verdict"]).startswith(f"{verdict.sentence}\n")
    assert (tmp_path / "quickstart.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    best = trial_params(study.best_trial)
    assert GenerationConfig.from_pretrained(tmp_path / "best").temperature == best.temperature
    assert repr(best.temperature) in value(outputs["vllm"])


@pytest.mark.slow
def test_gsm8k(execute: Execute, tmp_path: Path) -> None:
    outputs = execute("gsm8k")
    study, verdict = read(tmp_path / "gsm8k-offline.db")
    assert len(study.trials) == 8
    # A sum has one right answer: what the notebook says is likely.
    assert verdict.reference == "greedy"
    assert not verdict.improved
    assert printed(outputs["verdict"]).startswith("no gain")
    for finalist in verdict.finalists:
        assert f"{finalist.name:14} searched {finalist.search_score:.3f}  held out {finalist.score:.3f}" in printed(
            outputs["scores"]
        )
    for figure in ("slice", "samples"):
        assert has_figure(outputs[figure])


@pytest.mark.slow
def test_samsum(execute: Execute, tmp_path: Path) -> None:
    outputs = execute("samsum")
    study, verdict = read(tmp_path / "samsum-offline.db")
    baselines = [trial.user_attrs.get(BASELINE) for trial in study.trials]
    assert baselines[:2] == ["model default", "greedy"]
    # Baselines and presets have no parameters that Optuna knows, as they are not in the space.
    assert [bool(trial.params) for trial in study.trials] == [False] * 4 + [True] * 4
    assert verdict.metric == "rouge2"
    assert printed(outputs["verdict"]).startswith(verdict.sentence)
    assert len([text for text in printed(outputs["read"]).split("\n---\n") if text.strip()]) == 4
    for figure in ("quality", "cost"):
        assert has_figure(outputs[figure])


@pytest.mark.slow
def test_advanced(execute: Execute, tmp_path: Path) -> None:
    outputs = execute("advanced")
    plain = optuna.load_study(study_name="plain", storage=f"sqlite:///{tmp_path / 'advanced-plain.db'}")
    assert [trial.number for trial in plain.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))] == [0, 1, 2, 3]
    assert f"{plain.best_value}" in value(outputs["optuna"])
    assert plain.best_trial.intermediate_values[16] == plain.best_value
    url = f"sqlite:///{tmp_path / 'advanced.db'}"
    assert check_database(url).whole
    recorded, _ = open_study(url, "landscape")
    assert len(printed(outputs["read"]).splitlines()) == 3
    states = ast.literal_eval(printed(outputs["rehearsal"]))
    assert len(states) == 8
    assert states[recorded.best_trial.number] == "complete"
    if importlib.util.find_spec("pgserver") is None:
        assert printed(outputs["workers"]) == "no PostgreSQL server: name one above\n"
        return
    done = re.findall(r"^worker \d: trials (\[.*\])$", printed(outputs["workers"]), re.MULTILINE)
    assert len(done) == 2
    assert sorted(number for numbers in done for number in ast.literal_eval(numbers)) == [0, 1, 2, 3]
    assert "4 trials, the best scores 0." in printed(outputs["workers"])


@pytest.mark.full
def test_code_scoring(execute: Execute, tmp_path: Path) -> None:
    outputs = execute("code_scoring")
    passed = dict(line.split(": ") for line in printed(outputs["try"]).splitlines())
    assert {name for name, is_passed in passed.items() if is_passed == "True"} == {"right", "leaves a child"}
    assert len(passed) == 9
    assert "of the programs pass with {" in printed(outputs["search"])
    (study,) = optuna.get_all_study_summaries(f"sqlite:///{tmp_path / 'code-scoring.db'}")
    assert study.n_trials >= 6
