"""``--fail-if`` of a study on a server, with parameters that are in use now as a baseline."""

import json
from pathlib import Path

import pytest
from fake_server import FakeServer

from llmsearch_optuna.cli import main
from llmsearch_optuna.cli.gate import CONDITION_MET

STUDY = """
[study]
n_trials = 3
baselines = {{ production = {{ temperature = 0.9, top_p = 0.5 }} }}

[server]
base_url = "{url}"

[data]
path = "rows.jsonl"
input_cols = ["question"]
eval_cols = ["answer"]
prompt_template = "{{question}}"
search_size = 12
holdout_size = {holdout}

[metric]
name = "exact_match"

[space]
temperature = 0.5
max_new_tokens = 4
"""


def write_study(directory: Path, server: FakeServer, right: float, holdout: int = 24) -> Path:
    """Write a study on a server that answers rightly at one temperature only."""
    server.alter = lambda sent, answer: {
        **answer,
        "choices": [{**answer["choices"][0], "text": "yes" if sent.get("temperature") == right else "no"}],
    }
    rows = [json.dumps({"question": f"Is it {number}?", "answer": "yes"}) for number in range(40)]
    (directory / "rows.jsonl").write_text("\n".join(rows))
    path = directory / "gate.toml"
    path.write_text(STUDY.format(url=server.base_url, holdout=holdout) + "\n")
    return path


@pytest.mark.parametrize(("right", "status"), [(0.5, 0), (0.9, CONDITION_MET), (0.0, CONDITION_MET)])
def test_a_build_fails_unless_the_gain_is_shown(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], right: float, status: int
) -> None:
    path = write_study(tmp_path, server, right)
    arguments = [str(path), "--set", "server.probe=false", "--fail-if", "not-better"]
    assert main(["run", *arguments]) == status
    shown = capsys.readouterr()
    assert ("llmsearch-optuna: not-better: exact_match" in shown.err) == (status != 0)
    reference = "production" if right == 0.9 else "greedy"
    assert f"`{reference}`" in shown.out
    command = f"llmsearch-optuna export {tmp_path / 'gate.db'} --study gate --trial 2 --to vllm -o best"
    assert (command in shown.out) == (status == 0)
    assert main(["confirm", str(tmp_path / "gate.db"), "--fail-if", "not-better"]) == status
    assert main(["confirm", str(tmp_path / "gate.db")]) == 0


def test_it_needs_a_verdict(server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_study(tmp_path, server, 0.5, holdout=0)
    assert main(["run", str(path), "--set", "server.probe=false", "--fail-if", "not-better"]) == 1
    assert "`--fail-if` needs a verdict: no verdict: no samples are held out" in capsys.readouterr().err
    assert not (tmp_path / "gate.db").exists()
