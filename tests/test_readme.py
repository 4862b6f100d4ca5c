"""What the README shows is what there is."""

import ast
import re
from pathlib import Path

from llmsearch_optuna.cli import _parser
from llmsearch_optuna.metrics import BUILT_IN_METRICS
from llmsearch_optuna.params import PARAMETER_TYPES
from llmsearch_optuna.proposals import sampler_names
from llmsearch_optuna.pruning import pruner_names
from llmsearch_optuna.space import SearchSpace
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


def test_the_python_is_python_and_its_space_is_one() -> None:
    usage, space, objectives, export, log = blocks("python")
    for block in (usage, objectives, export, log):
        compile(block, "README.md", "exec")
    names: dict[str, object] = {}
    exec(space, names)
    assert isinstance(names["space"], SearchSpace)


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
        "export",
    }
    for command in commands:
        assert command in _parser().format_help()


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
