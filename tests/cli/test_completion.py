"""Completion in the shells that are installed, and the examples of `--help`."""

import argparse
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from llmsearch_optuna.cli import main
from llmsearch_optuna.cli.arguments import make_parser
from llmsearch_optuna.cli.gate import FAILURES
from llmsearch_optuna.export import TARGETS
from llmsearch_optuna.metrics import BUILT_IN_METRICS

# How each shell is asked for the completions of the words "$@"; one per line, maybe with a description after a tab.
ASK = {
    "bash": """
source "$0"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
read -r _ _ _ _ function _ <<< "$(complete -p llmsearch-optuna)"
"$function" llmsearch-optuna "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
""",
    "fish": 'source $argv[1]; complete -C "$argv[2..]"',
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("scripts")
    for shell in (*ASK, "zsh"):
        with pytest.MonkeyPatch.context() as patch, (directory / shell).open("w") as file:
            patch.setattr("sys.stdout", file)
            assert main(["completion", shell]) == 0
    (directory / "zsh").rename(directory / "_llmsearch-optuna")
    return directory


def completions(shell: str, scripts: Path, directory: Path, words: str) -> set[str]:
    """What a shell proposes for the last of some words."""
    command = [shell, "--no-config"] if shell == "fish" else [shell]
    arguments = ["llmsearch-optuna", *words.split(" ")]
    done = subprocess.run(
        [*command, "-c", ASK[shell], str(scripts / shell), *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return {line.partition("\t")[0].strip() for line in done.stdout.splitlines() if line.strip()}


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_shell_completes_commands_options_choices_and_files(shell: str, scripts: Path, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    (tmp_path / "studies").mkdir()
    for name in ("studies/x.toml", "other.db"):
        (tmp_path / name).touch()

    def proposed(words: str) -> set[str]:
        return completions(shell, scripts, tmp_path, words)

    assert proposed("") >= {"run", "best", "completion"}
    assert proposed("co") == {"compare", "completion", "confirm"}
    assert proposed("run --max") == {"--max-cost", "--max-tokens"}
    assert proposed("export --to ") == set(TARGETS)
    assert proposed("compare a b --fail-if ") == set(FAILURES)
    assert proposed("metrics ") >= set(BUILT_IN_METRICS)
    assert proposed("compare --metric json") == {"json_schema"}
    assert proposed("run studies/") == {"studies/x.toml"}
    assert proposed("best o") == {"other.db"}


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_completes(scripts: Path, tmp_path: Path) -> None:
    pexpect = pytest.importorskip("pexpect")
    (tmp_path / "other.db").touch()
    (tmp_path / "study.toml").touch()
    shell = pexpect.spawn("zsh", ["-f", "-i"], cwd=str(tmp_path), encoding="utf-8", env={**os.environ, "TERM": "dumb"})
    shell.sendline(f"fpath=({scripts} $fpath); autoload -U compinit; compinit -u -D; unsetopt beep; echo REA''DY")
    shell.expect("READY")
    for words, completed in {
        "export --to ll": "export --to llamacpp",
        "metrics js": "metrics json_schema",
        "best o": "best other.db",
        "run --max-c": "run --max-cost",
        "run s": "run study.toml",
        "compare a b --fail-if w": "compare a b --fail-if worse",
    }.items():
        shell.send(f"llmsearch-optuna {words}\t")
        shell.expect_exact(f"llmsearch-optuna {completed}", timeout=120)
        shell.sendcontrol("u")
    shell.close(force=True)


def commands() -> dict[str, argparse.ArgumentParser]:
    parser = make_parser()
    (action,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(action.choices)


@pytest.mark.parametrize("name", commands())
def test_the_examples_of_a_command_are_valid(name: str) -> None:
    examples = re.findall(r"^  llmsearch-optuna (.*)$", commands()[name].format_help(), re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(re.split(r" [|>] ", example)[0])
        assert words[0] == name
        assert make_parser().parse_args(words).command.__name__ == name


def test_every_exit_status_is_told() -> None:
    for status in (0, 1, 2, 3, 130, 141, 143):
        assert re.search(rf"\b{status}\b", make_parser().format_help().partition("exit status:")[2])
