"""The README's study file, program and commands work. `test_documentation` has the checks of all pages."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from documentation import README, ROOT, blocks, defined
from study_files import QUESTIONS, STUDY, write_model_and_rows
from tiny_models import tiny_model, tiny_tokenizer

from llmsearch_optuna.cli import main
from llmsearch_optuna.cli.arguments import make_parser
from llmsearch_optuna.study.attributes import STOPPED
from llmsearch_optuna.study_file.file import StudyFile

MOST_LINES = 220


def command_lines() -> list[list[str]]:
    """What the blocks without a language show of our commands."""
    lines = [line.partition("  #")[0].rpartition("llmsearch-optuna ") for line in "".join(blocks("")).splitlines()]
    commands = [shlex.split(words) for _, is_ours, words in lines if is_ours]
    return [words for index, words in enumerate(commands) if words not in commands[:index]]


def test_it_is_short() -> None:
    assert README.count("\n") <= MOST_LINES


def test_the_study_file_is_one(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    file = StudyFile.parse(text, name="readme", directory=tmp_path)
    assert file.metric == ("rougeL", {})
    assert file.data.holdout_size == 200


@pytest.mark.full
def test_the_python_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a tiny model in the place that the hub's has there."""
    monkeypatch.chdir(tmp_path)
    name = Path("HuggingFaceTB/SmolLM2-135M-Instruct")
    tiny_model().save_pretrained(name)
    tiny_tokenizer().save_pretrained(name)
    Path("studies").mkdir()
    names: dict[str, Any] = {}
    (block,) = blocks("python")
    exec(compile(block, "README.md", "exec"), names)
    assert len(names["study"].trials) == 20 or names["study"].user_attrs[STOPPED]  # a tiny model finds nothing
    output = capsys.readouterr().out
    assert "GenerationParams(" in output
    assert "on 32 held-out samples" in output


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
        outputs = [{"id": number, "score": number / 9} for number in range(9)]
        Path(name).write_text("\n".join(map(json.dumps, outputs)), encoding="utf-8")
    stands_for = {"DATA": "studies/rows.jsonl", "MODEL": "studies/model", "STUDY.toml": "studies/demo.toml"}
    for words in command_lines():
        assert make_parser().parse_args(words).command.__name__ == words[0]
        if words[0] not in ELSEWHERE:
            assert main([stands_for.get(word, word) for word in words]) == 0, words
    assert Path("report.html").exists()


def test_what_is_run_elsewhere_is() -> None:
    for place in ELSEWHERE.values():
        module, _, name = place.partition("::")
        assert name in defined(ROOT / module)


def test_every_command_is_there() -> None:
    commands = set(re.findall(r"^    (\w+)(?: +\w|$)", make_parser().format_help(), re.MULTILINE))
    assert {words[0] for words in command_lines()} == commands
