"""What the README shows is what there is."""

import ast
import re
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from families import with_table
from tiny_models import tiny_model, tiny_tokenizer

from llmsearch_optuna import GenerationParams, SearchSpace
from llmsearch_optuna.cli import main
from llmsearch_optuna.cli.arguments import make_parser
from llmsearch_optuna.metrics import BUILT_IN_METRICS
from llmsearch_optuna.params import PARAMETER_TYPES
from llmsearch_optuna.proposals import sampler_names
from llmsearch_optuna.pruning import pruner_names
from llmsearch_optuna.study_file import StudyFile

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_study_file_is_one(tmp_path: Path) -> None:
    text, engine = blocks("toml")
    file = StudyFile.parse(text, name="readme", directory=tmp_path)
    assert file.study.name == "summaries"
    assert file.metric == ("rouge2", {"column": "summary"})
    with_optional_keys = re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE)
    model = StudyFile.parse(with_optional_keys, name="readme", directory=tmp_path).model
    assert model is not None
    assert model.device == "cuda:0"
    on_server = re.sub(r"\[model\]\n.*?\n\n", f"{engine}\n", text, flags=re.DOTALL)
    on_server = re.sub(r"^# (?=\w+ = )", "", on_server, flags=re.MULTILINE)
    file = StudyFile.parse(on_server, name="readme", directory=tmp_path)
    assert file.model is None
    assert file.engine is not None
    assert (file.engine.server, file.engine.probe) == ("vllm", True)


def test_the_python_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks, one after the other, on a tiny model in the place that the hub's has there."""
    monkeypatch.chdir(tmp_path)
    name = Path("HuggingFaceTB/SmolLM2-135M-Instruct")
    tiny_model().save_pretrained(name)
    tiny_tokenizer().save_pretrained(name)
    Path("studies").mkdir()
    figures: list[go.Figure] = []

    def keep(figure: go.Figure) -> None:
        figures.append(figure)

    monkeypatch.setattr(go.Figure, "show", keep)
    names: dict[str, Any] = {}
    for block in blocks("python"):
        if "best/exact" in block:
            assert main(["export", "studies/x.db", "--to", "hf", "-o", "best"]) == 0
        exec(compile(block, "README.md", "exec"), names)
    assert isinstance(names["space"], SearchSpace)
    assert isinstance(names["params"], GenerationParams)
    assert len(names["study"].trials) == 24
    assert len(figures) == 2
    assert names["output"].shape[0] == 2
    assert Path("studies/x.log").stat().st_size > 0


def test_every_name_is_told() -> None:
    for name in (*PARAMETER_TYPES, *BUILT_IN_METRICS, *sampler_names(), *pruner_names()):
        assert f"`{name}`" in README


def test_every_command_is_there() -> None:
    commands = set(re.findall(r"llmsearch-optuna (\w+)", README))
    assert commands == {
        "demo",
        "best",
        "confirm",
        "compare",
        "show",
        "run",
        "record",
        "doctor",
        "fsck",
        "worker",
        "dashboard",
        "report",
        "export",
    }
    for command in commands:
        assert command in make_parser().format_help()


def defined(module: Path) -> set[str]:
    """The tests of a module, as pytest names them."""
    names = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
            names |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return names


def test_every_proof_is_there() -> None:
    proofs = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", README)
    assert len(proofs) >= 20
    root = Path(__file__).parents[1]
    assert [f"{module}::{name}" for module, name in proofs if name not in defined(root / module)] == []


def test_the_table_of_families_is_that_of_the_tests() -> None:
    """``python tests/families.py`` writes it."""
    assert with_table(README) == README
