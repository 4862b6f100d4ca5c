"""What the README shows is what there is."""

import ast
import json
import re
import shlex
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from documentation import README, blocks
from families import with_table
from study_files import QUESTIONS, STUDY, write_model_and_rows
from tiny_models import tiny_model, tiny_tokenizer

from llmsearch_optuna import GenerationParams, SearchSpace
from llmsearch_optuna.cli import main
from llmsearch_optuna.cli.arguments import make_parser
from llmsearch_optuna.cli.reading import CONDITION_MET
from llmsearch_optuna.engine.http.ollama import OllamaAPI
from llmsearch_optuna.metrics import BUILT_IN_METRICS, make_metric
from llmsearch_optuna.search.pruners import PRUNERS
from llmsearch_optuna.search.samplers import SAMPLERS
from llmsearch_optuna.space.params import PARAMETERS
from llmsearch_optuna.study.attributes import STOPPED
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.tracking.options import TrackOptions


def command_lines() -> list[list[str]]:
    """What the blocks without a language show of our commands; each without what is in brackets, and with it."""
    commands = []
    for line in "".join(blocks("")).splitlines():
        _, is_ours, words = line.partition("  #")[0].rpartition("llmsearch-optuna ")
        if is_ours:
            commands += [shlex.split(re.sub(r"\[.*?\]", "", words)), shlex.split(re.sub(r"[\[\]]", "", words))]
    return [words for index, words in enumerate(commands) if words not in commands[:index]]


def test_the_study_file_is_one(tmp_path: Path) -> None:
    text, completions, server, settings, on_ollama, in_vllm, tracking = blocks("toml")
    file = StudyFile.parse(text, name="readme", directory=tmp_path)
    assert file.study.name == "summaries"
    assert file.metric == ("rouge2", {"column": "summary", "greater_is_better": True})
    with_optional_keys = re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE)
    model = StudyFile.parse(with_optional_keys, name="readme", directory=tmp_path).model
    assert model is not None
    assert model.device == "cuda:0"
    vllm_file = re.sub(r"\[model\]\n.*?\n\n", f"{in_vllm}\n", text, flags=re.DOTALL)
    vllm_model = StudyFile.parse(vllm_file, name="readme", directory=tmp_path).model
    assert vllm_model is not None
    assert vllm_model.backend_args is not None
    assert vllm_model.backend_args["tensor_parallel_size"] == 2
    on_server = re.sub(r"\[model\]\n.*?\n\n", f"{server}\n", text, flags=re.DOTALL)
    on_server = re.sub(r"^# (?=\w+ = )", "", on_server, flags=re.MULTILINE)
    file = StudyFile.parse(on_server, name="readme", directory=tmp_path)
    assert file.model is None
    assert file.server is not None
    assert (file.server.kind, file.server.probe) == ("vllm", True)
    assert file.server.extra_body
    assert StudyFile.parse(text + tracking, name="readme", directory=tmp_path).study.tracking() == TrackOptions(
        to="mlflow", uri="sqlite:///mlflow.db"
    )
    needed = '[model]\nname = "demo"\n[data]\npath = "x.jsonl"\nmessages_col = "chat"\n'
    several = StudyFile.parse(needed + completions, name="readme", directory=tmp_path)
    assert make_metric(several.metric.name, **several.metric.arguments).name == "majority of numeric"
    assert several.space.completions_per_sample() == (1, 16)
    ollama_file = re.sub(r"\[model\]\n.*?\n\n", f"{on_ollama}\n", text, flags=re.DOTALL)
    ollama = StudyFile.parse(ollama_file, name="readme", directory=tmp_path).server
    assert ollama is not None
    assert (ollama.kind, ollama.extra_body["options"]) == ("ollama", {"num_ctx": 8192})
    OllamaAPI().check_server(ollama)
    with_settings = text.replace("[space]\n", settings).replace("\ntemperature = { low = 0.1, high = 1.2 }", "")
    space = StudyFile.parse(with_settings, name="readme", directory=tmp_path).space
    assert {"template.enable_thinking", "body.reasoning_effort"} <= set(space.dimensions)


@pytest.mark.full
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
    assert len(names["study"].trials) == 24 or names["study"].user_attrs[STOPPED]  # a tiny model finds nothing
    assert len(figures) == 2
    assert names["output"].shape[0] == 2
    assert Path("studies/x.log").stat().st_size > 0


ELSEWHERE = {
    "demo": "tests/demo/test_model.py::test_the_demo_searches_resumes_and_can_be_read",
    "dashboard": "tests/dashboard/test_server.py::TestServer::test_the_command_prints_the_address_and_ends_with_ctrl_c",
    "worker": "tests/system/test_workers.py::test_four_workers_of_which_two_are_killed_evaluate_every_trial_once",
}
"""What does not end by itself, or needs more than a tiny model, and where it is run instead."""


@pytest.mark.full
def test_the_commands_run_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a tiny study in the place of the demo's."""
    monkeypatch.chdir(tmp_path)
    Path("studies").mkdir()
    write_model_and_rows(Path("studies"), QUESTIONS[:10])
    Path("studies/demo.toml").write_text(STUDY.format(trials=4).replace("search_size = 8", "holdout_size = 2"))
    assert main(["run", "studies/demo.toml", "--quiet"]) == 0
    for name in ("A", "B"):
        outputs = [
            {"id": n, "document": n // 3, "score": n / 9, "prediction": name, "reference": "A"} for n in range(9)
        ]
        Path(f"{name}.jsonl").write_text("\n".join(map(json.dumps, outputs)), encoding="utf-8")
    stands_for = {"DB": "studies/demo.db", "NAME": "exact_match", "A": "A.jsonl", "B": "B.jsonl", "COLUMN": "document"}
    lines = [[stands_for.get(word, word) for word in words if word != "..."] for words in command_lines()]
    assert len(lines) > 15
    for words in lines:
        assert make_parser().parse_args(words).command.__name__ == words[0]
        if words[0] not in ELSEWHERE and not any("HOST" in word for word in words):
            assert main(words) in (0, CONDITION_MET if "--fail-if" in words else 0), words
    assert Path("report.html").exists()


def test_what_is_run_elsewhere_is() -> None:
    root = Path(__file__).parents[2]
    for place in ELSEWHERE.values():
        module, _, name = place.partition("::")
        assert name in defined(root / module)


def test_every_name_is_told() -> None:
    for name in (*PARAMETERS, *BUILT_IN_METRICS, *SAMPLERS, *PRUNERS):
        assert f"`{name}`" in README


def test_every_command_is_there() -> None:
    commands = set(re.findall(r"llmsearch-optuna (\w+)", README))
    assert commands == {
        "demo",
        "init",
        "best",
        "confirm",
        "compare",
        "power",
        "show",
        "run",
        "doctor",
        "fsck",
        "worker",
        "dashboard",
        "report",
        "export",
        "metrics",
        "completion",
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
            names |= {f"{node.name}::{method.name}" for method in node.body if isinstance(method, ast.FunctionDef)}
    return names


def test_every_proof_is_there() -> None:
    proofs = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", README)
    assert len(proofs) >= 20
    root = Path(__file__).parents[2]
    assert [f"{module}::{name}" for module, name in proofs if name not in defined(root / module)] == []


def test_the_table_of_families_is_that_of_the_tests() -> None:
    """``python tests/helpers/families.py`` writes it."""
    assert with_table(README) == README
