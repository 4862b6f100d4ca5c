"""Studies on a server where torch, transformers, accelerate and gguf are not installed.

The interpreter is that of the tests, with links to all installed packages but these. With ``--slim PYTHON`` it is that
of an environment with `llmsearch_optuna_slim`, which `.ci/full` makes from the wheel.
"""

import json
import os
import runpy
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fake_server import FakeServer
from study_files import QUESTIONS

import llmsearch_optuna
from llmsearch_optuna.demo.model import CACHE_VARIABLE

ROOT = Path(__file__).parents[2]
BUILD: dict[str, Any] = runpy.run_path(str(ROOT / ".ci" / "build_slim.py"))

STUDY = """
[study]
n_trials = 4
rungs = 4

[server]
base_url = "{url}"

[data]
path = "rows.jsonl"
input_cols = ["question"]
eval_cols = ["answer"]
messages = [{{ role = "user", content = "{{question}}" }}]
search_size = 8
holdout_size = 8

[metric]
name = "rougeL"

[space]
temperature = {{ low = 0.5, high = 1.5 }}
max_new_tokens = 4
"""

COMMANDS = """
import contextlib, io, json, sys
from llmsearch_optuna.cli import main
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.redirect_stderr(io.StringIO()) as errors:
        status = main(arguments)
    print(json.dumps([status, output.getvalue(), errors.getvalue()]))
"""

FUNCTION = """
from llmsearch_optuna import Float, SearchSpace, Tuner
arguments = {
    "dataset": [{"question": str(number), "answer": "yes"} for number in range(8)],
    "scorer": "exact_match",
    "column_mapping": {"input_cols": ["question"], "eval_cols": ["answer"]},
    "prompt_template": "{question}",
}
tuner = Tuner(custom_pred_function=lambda prompts, parameters: ["yes"] * len(prompts), **arguments)
study = tuner.search(SearchSpace(temperature=Float(0.1, 1.0), max_new_tokens=4), n_trials=2, show_progress=False)
print(study.best_value, tuner.replay)
for changes in ({"model": "demo"}, {"model": "x"}, {"model": "x", "backend": "vllm"}, {"tokenizer": "x"}):
    try:
        Tuner(**({"custom_pred_function": print} if "tokenizer" in changes else {}), **changes, **arguments)
    except ValueError as error:
        print(error)
try:
    from llmsearch_optuna import logits_processors
except ImportError as error:
    print(error)
"""


class Interpreter(NamedTuple):
    """A Python without the libraries that run a model, and the distribution that it has."""

    command: Sequence[str]
    environment: dict[str, str]
    distribution: str

    def run(self, script: str, *arguments: str, directory: Path) -> list[str]:
        """Run a script, and return the lines of its output."""
        done = subprocess.run(
            [*self.command, "-c", script, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=directory,
            env={**os.environ, **self.environment, "HF_HUB_OFFLINE": "1", CACHE_VARIABLE: str(directory / "cache")},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def missing(self, user: str, library: str = "torch") -> str:
        """Return the message about a library that is not installed."""
        return f"{user} needs {library}, which is not installed: pip install '{self.distribution}[local]'"


@pytest.fixture(scope="module")
def interpreter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    if python := request.config.getoption("--slim"):
        return Interpreter([python], {}, "llmsearch_optuna_slim")
    packages = tmp_path_factory.mktemp("python") / "site-packages"  # dill takes modules elsewhere for the user's
    packages.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.name.split("-")[0] not in BUILD["LOCAL"]:
            (packages / path.name).symlink_to(path)
    if not (packages / "llmsearch_optuna").exists():  # the package is installed from its tree
        (packages / "llmsearch_optuna").symlink_to(Path(llmsearch_optuna.__file__).parent)
    # -S leaves all other packages out.
    return Interpreter([sys.executable, "-S"], {"PYTHONPATH": str(packages)}, "llmsearch_optuna")


def run(interpreter: Interpreter, commands: Sequence[Sequence[str]], directory: Path) -> list[tuple[int, str, str]]:
    """Run commands, and return the exit status, the output and the errors of each."""
    lines = interpreter.run(COMMANDS, json.dumps(commands), directory=directory)
    return [tuple(json.loads(line)) for line in lines]


@pytest.mark.full
def test_a_study_on_a_server_is_run_judged_and_read(
    interpreter: Interpreter, server: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, QUESTIONS)), encoding="utf-8")
    (tmp_path / "x.toml").write_text(STUDY.format(url=server.base_url), encoding="utf-8")
    commands = [
        ["run", "x.toml", "--dry-run"],
        ["doctor", "x.toml"],
        ["run", "x.toml", "--quiet"],
        ["confirm", "x.db", "--seeds", "5", "--json"],
        ["best", "x.db"],
        ["show", "x.db"],
        ["report", "x.db", "-o", "x.html"],
        ["export", "x.db", "--to", "json"],
        ["fsck", "x.db"],
    ]
    results = run(interpreter, commands, tmp_path)
    assert [(command[0], status) for command, (status, *_) in zip(commands, results, strict=True)] == [
        (command[0], 0) for command in commands
    ], results
    outputs = [output for _, output, _ in results]
    assert "verdict: " in outputs[2]
    assert json.loads(outputs[3])["samples"] == 8
    versions = json.loads(outputs[7])["provenance"]["versions"]
    assert versions["torch"] == versions["transformers"] == "not installed"
    assert "torch not installed" in (tmp_path / "x.log").read_text(encoding="utf-8")
    assert (tmp_path / "x.html").stat().st_size > 10_000


def test_what_needs_torch_says_so_in_one_line_before_all_else(interpreter: Interpreter, tmp_path: Path) -> None:
    model = STUDY.replace('[server]\nbase_url = "{url}"', '[model]\nname = "org/model"').format()
    (tmp_path / "model.toml").write_text(model, encoding="utf-8")
    (tmp_path / "gp.toml").write_text(f'{STUDY.format(url="http://127.0.0.1:9")}[sampler]\nname = "gp"\n', "utf-8")
    commands = [["run", "model.toml"], ["doctor", "model.toml"], ["run", "gp.toml"], ["demo", "--trials", "2"]]
    results = run(interpreter, commands, tmp_path)  # there are no rows, and no server
    assert [(status, output) for status, output, _ in results] == [(1, "")] * len(commands)
    errors = [error.splitlines() for *_, error in results]
    lines = [f"llmsearch-optuna: {interpreter.missing(user)}" for user in ("`[model]`", "the demo's model")]
    assert [errors[0], errors[1], errors[3]] == [[lines[0]], [lines[0]], [lines[1]]]
    assert len(errors[2]) == 1
    assert "sampler `gp` needs torch, which is not installed" in errors[2][0]


def test_a_function_needs_no_torch(interpreter: Interpreter, tmp_path: Path) -> None:
    assert interpreter.run(FUNCTION, directory=tmp_path) == [
        "1.0 None",
        interpreter.missing("the demo's model"),
        interpreter.missing("`model`"),
        interpreter.missing("`backend`"),
        interpreter.missing("`tokenizer`", "transformers"),
        interpreter.missing("`logits_processors`"),
    ]


def test_the_slim_distribution_differs_in_what_runs_a_model() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    whole, slim = tomllib.loads(pyproject), tomllib.loads(BUILD["slim"](pyproject))
    extras, slim_extras = (document["project"].pop("optional-dependencies") for document in (whole, slim))
    dependencies, slim_dependencies = (document["project"].pop("dependencies") for document in (whole, slim))
    assert [document["project"].pop("name") for document in (whole, slim)] == [
        "llmsearch_optuna",
        "llmsearch_optuna_slim",
    ]
    assert slim == whole
    assert sorted([*slim_dependencies, *slim_extras["local"]]) == sorted(dependencies)
    assert sorted(text.split(">=")[0] for text in slim_extras.pop("local")) == sorted(BUILD["LOCAL"])
    assert {*slim_extras.pop("vllm")} > {*extras.pop("vllm")}
    del extras["local"], extras["test"]
    assert slim_extras == extras
