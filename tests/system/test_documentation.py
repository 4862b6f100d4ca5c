"""The README and the pages in docs/: the code runs, commands and study files parse, and links lead somewhere."""

import ast
import builtins
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
import tomlkit
import yaml
from documentation import DOCS, PAGES, ROOT, anchors, code, defined, first_sentence, links, of_all_pages, prose
from fake_ollama import FakeOllama
from fake_server import FakeServer
from tiny_models import tiny_model, tiny_tokenizer

from llmsearch_optuna import GenerationParams, SearchSpace, Tuner, trial_params
from llmsearch_optuna.cli import main
from llmsearch_optuna.cli.arguments import make_parser
from llmsearch_optuna.data.prompts import PROMPT_FORMS
from llmsearch_optuna.metrics.built_in import BUILT_IN_METRICS, arguments_of
from llmsearch_optuna.study_file.file import StudyFile

MINIMAL: dict[str, Any] = {
    "model": {"name": "demo"},
    "data": {"path": "rows.jsonl", "input_cols": ["question"], "eval_cols": ["answer"], "holdout_size": 100},
    "metric": {"name": "token_f1"},
    "space": {"temperature": {"low": 0.1, "high": 1.2}, "max_new_tokens": 64},
}
"""What a part of a study file is completed with."""

MOST_LINES = 330
COMMAND = "llmsearch-optuna"
METRIC_KEYS = {"name", "column", "greater_is_better", "reducer", "score_range", "retries", "timeout_s"}
PYTHON_PAGES = [
    # The tutorial searches with the real demo model.
    pytest.param(name, marks=pytest.mark.slow if name == "docs/tutorial.md" else pytest.mark.full)
    for name, page in PAGES.items()
    if any(block.language == "python" and not block.test for block in code(page)) and name != "README.md"
]


def completed(part: dict[str, Any]) -> dict[str, Any]:
    """A whole study file with a part of one."""
    file = {**MINIMAL, **part}
    if "server" in part:
        file.pop("model", None)
    data = {**MINIMAL["data"], **part.get("data", {})}
    if "task" in data:
        data = part["data"]
        file["metric"] = part.get("metric", {"name": "task"})
    elif not any(form in data for form in PROMPT_FORMS):
        data["messages"] = [{"role": "user", "content": "".join(f"{{{name}}}" for name in data["input_cols"])}]
    if "messages_col" in data:
        data = {key: data[key] for key in data if key not in ("input_cols", "eval_cols") or key in part["data"]}
    if "name" not in file["metric"]:
        file["metric"] = {**MINIMAL["metric"], **part["metric"]}
    return {**file, "data": data}


@pytest.mark.parametrize("optional", [False, True], ids=["as it stands", "with optional keys"])
@pytest.mark.parametrize("text", of_all_pages("toml"))
def test_a_study_file_or_a_part_of_one_is_valid(text: str, optional: bool, tmp_path: Path) -> None:
    if optional:
        text = re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE)
    file = StudyFile.parse(tomlkit.dumps(completed(tomllib.loads(text))), name="x", directory=tmp_path)
    if file.metric.name in BUILT_IN_METRICS:
        assert set(file.metric.arguments) <= {*arguments_of(file.metric.name), *METRIC_KEYS}


def command_lines(text: str) -> list[list[str]]:
    """The command lines of a block that call this package, python, pytest or pip; with and without brackets."""
    lines = text.replace("\\\n", " ").splitlines()
    if any(line.startswith("$ ") for line in lines):  # the others are output
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    commands = []
    for line in lines:
        if not re.search(rf"(^|[\s(])({COMMAND}|python -m|pytest|pip install) ", line):
            continue
        for version in dict.fromkeys((re.sub(r"\[-.*?\]", "", line), re.sub(r"\[(-.*?)\]", r"\1", line))):
            words = shlex.shlex(version.replace('"', ""), posix=True, punctuation_chars=True)
            words.whitespace_split = True
            commands += split_commands(list(words))
    return commands


def split_commands(words: list[str]) -> list[list[str]]:
    """Split the words of a line into its commands, from the program on."""
    commands: list[list[str]] = [[]]
    for word in words:
        if set(word) <= set("|&;()<>"):
            commands.append([])
        elif commands[-1] or word in (COMMAND, "python", "pytest", "pip"):
            commands[-1].append(word)
    return [command for command in commands if command]


def check_command(words: list[str]) -> None:
    program, *arguments = (word for word in words if word != "...")
    if program == COMMAND:
        values = ["1" if word in ("N", "S", "X") else word for word in arguments]
        if values[-1:] in (["--help"], ["--version"]):
            values = values[:-1] or ["metrics"]
        make_parser().parse_args(values if values != ["run"] else ["metrics"])
    elif program == "python" and arguments[:1] == ["-m"] and arguments[1].startswith("studies."):
        module = ROOT / f"{arguments[1].replace('.', '/')}.py"
        source = (module if module.exists() else module.with_suffix("") / "__main__.py").read_text(encoding="utf-8")
        for option in arguments[2:]:
            assert not option.startswith("--") or option in source, option
    elif program == "pytest":
        for argument in arguments:
            path, _, name = argument.partition("::")
            assert not path.startswith("tests/") or (name in defined(ROOT / path) if name else (ROOT / path).exists())
    for extra in re.findall(r"llmsearch_optuna\[([\w,]+)\]|-e \.\[([\w,]+)\]", " ".join(words)):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert set("".join(extra).split(",")) <= set(project["optional-dependencies"])


@pytest.mark.parametrize("text", of_all_pages("", "console", "bash"))
def test_commands_can_be_read(text: str) -> None:
    for command in command_lines(text):
        check_command(command)


@pytest.mark.parametrize("text", of_all_pages("bash"))
def test_a_shell_reads_the_scripts(text: str) -> None:
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize("text", of_all_pages("yaml"))
def test_manifests_belong_together(text: str) -> None:
    manifests = {manifest["kind"]: manifest for manifest in yaml.safe_load_all(text)}
    deployment, service, job = (manifests[kind]["spec"] for kind in ("Deployment", "Service", "Job"))
    assert service["selector"] == deployment["selector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]
    (server,) = deployment["template"]["spec"]["containers"]
    assert server["ports"][0]["containerPort"] == service["ports"][0]["port"]
    (worker,) = job["template"]["spec"]["containers"]
    assert worker["command"][0] == COMMAND
    check_command([*worker["command"], *worker["args"]])
    volumes = {volume["name"] for volume in job["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in worker["volumeMounts"]} == volumes


@pytest.mark.parametrize("text", of_all_pages("python"))
def test_python_compiles_and_its_imports_are_there(text: str) -> None:
    for node in ast.walk(compile(text, "page", "exec", ast.PyCF_ONLY_AST)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("llmsearch_optuna"):
            names = ", ".join(name.name for name in node.names)
            exec(f"from {node.module} import {names}", {})
    for command in re.findall(rf'\["{COMMAND}".*?\]', text):
        check_command([COMMAND, *re.findall(r'"(.*?)"', command)[1:], "sqlite:///x.db"])


def missing_names(text: str) -> set[str]:
    """The names that a page uses and does not define."""
    names = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
    defined = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    return {node.id for node in names} - defined - set(dir(builtins))


@pytest.mark.parametrize("name", PYTHON_PAGES)
def test_the_python_of_a_page_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: FakeServer, ollama: FakeOllama
) -> None:
    """All blocks, one after the other, with tiny models and fake servers in the place of those that the page names.

    What a page does not define, it takes from a page before it: `tuner`, `space`, `study` and `params`.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(go.Figure, "show", lambda figure: None)
    Path("studies").mkdir()
    Path("tickets.csv").write_text("ticket,category\nIt broke.,technical\n,praise\n", encoding="utf-8")
    text = "\n".join(block.text for block in code(PAGES[name]) if block.language == "python" and not block.test)
    for address, fake in (("http://localhost:8000/v1", server), ("http://localhost:11434", ollama)):
        text = text.replace(address, fake.base_url)
    for model in set(re.findall(r'"([A-Z][\w-]+/[\w.-]+)"', text)):
        tiny_model().save_pretrained(model)
        tiny_tokenizer().save_pretrained(model)
    names: dict[str, Any] = {}
    text = text.replace("studies/demo.db", "studies/x.db")
    if "studies/x.db" in text or {"tuner", "space", "study", "params"} & missing_names(text):
        names = searched()
    if '"best' in text:
        assert main(["export", "studies/x.db", "--to", "hf", "-o", "best"]) == 0
    exec(compile(text, name, "exec"), names)


def searched() -> dict[str, Any]:
    """A tuner and a study, as the tutorial has them."""
    tuner = Tuner(
        model=tiny_model(),
        tokenizer=tiny_tokenizer(),
        dataset=[{"question": f"{a} + {b}?", "answer": str(a + b)} for a in range(2, 6) for b in range(2, 10)],
        column_mapping={"input_cols": ["question"], "eval_cols": ["answer"]},
        messages=[{"role": "user", "content": "{question}"}],
        scorer="numeric",
        holdout_size=16,
    )
    space = SearchSpace.default(max_new_tokens=4)
    study = tuner.search(space, n_trials=4, storage="sqlite:///studies/x.db", study_name="x", show_progress=False)
    params: GenerationParams = trial_params(study.best_trial)
    return {"tuner": tuner, "space": space, "study": study, "params": params}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for link in links(PAGES[name]):
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        other = path.relative_to(ROOT).as_posix()
        if name != "README.md" and DOCS not in path.parents:
            assert path.is_file(), f"{link}: the site has no page of a directory or of Markdown outside docs/"
            assert path.suffix != ".md", f"{link}: the site has no page of a directory or of Markdown outside docs/"
        if anchor:
            assert anchor in anchors(PAGES[other]), link


@pytest.mark.parametrize("name", PAGES)
def test_proofs_are_there(name: str) -> None:
    for module, test in re.findall(r"`(tests/[\w/]+\.py)(?:::([\w:]+))?`", PAGES[name]):
        assert (ROOT / module).exists(), module
        assert not test or test in defined(ROOT / module), f"{module}::{test}"


@pytest.mark.parametrize("name", [name for name in PAGES if name != "README.md"])
def test_a_page_is_in_order(name: str) -> None:
    page, is_made = PAGES[name], "<!-- made from the code" in PAGES[name]
    assert is_made or page.count("\n") <= MOST_LINES
    assert not is_made or page.startswith("<!-- "), "the first line says what is made from the code"
    assert len(re.findall(r"^# ", prose(page), re.MULTILINE)) == 1
    assert first_sentence(page)
    assert name == "docs/index.md" or f"]({name.removeprefix('docs/')})" in PAGES["docs/index.md"]
