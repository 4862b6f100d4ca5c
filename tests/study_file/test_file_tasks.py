"""Study files whose data and metric are a task of another package."""

import json
import re
from pathlib import Path

import pytest
from fake_server import FakeServer

from llmsearch_optuna.cli import main
from llmsearch_optuna.errors import StudyFileError
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.study_file.sections import Choice

STUDY = """
[study]
n_trials = 3
rungs = 4

[server]
kind = "vllm"
base_url = "{url}"
probe = false

[data]
{data}
search_size = 8
holdout_size = 8

[space]
temperature = {{ low = 0.3, high = 2.0 }}
"""
SHORT = "max_new_tokens = 4\n"
GYM = 'task = "reasoning_gym:chain_sum"\nsize = 20\ntask_seed = 1\ntask_args = { min_terms = 2, max_terms = 2 }'


def parse(data: str, directory: Path, url: str = "http://127.0.0.1:1/v1") -> StudyFile:
    return StudyFile.parse(STUDY.format(data=data, url=url), name="x", directory=directory)


def test_a_task_replaces_columns_prompt_and_metric(tmp_path: Path) -> None:
    file = parse(GYM, tmp_path)
    assert file.metric == Choice("task", {})
    assert file.data.input_cols == ("question",)
    assert file.data.task_args == {"min_terms": 2, "max_terms": 2}
    data = parse(f'{GYM}\nprompt_jinja = "{{{{ question }}}}!"\neval_cols = ["answer"]', tmp_path).data
    assert (data.prompt_jinja, data.messages, data.eval_cols) == ("{{ question }}!", None, ("answer",))


def test_a_metric_of_the_file_replaces_that_of_the_task(tmp_path: Path) -> None:
    text = STUDY.format(data=GYM, url="http://127.0.0.1:1/v1")
    for section, choice in (
        ('name = "numeric"\ncolumn = "answer"', Choice("numeric", {"column": "answer"})),
        ('reducer = "best"', Choice("task", {"reducer": "best"})),
    ):
        file = StudyFile.parse(f"{text}\n[metric]\n{section}", name="x", directory=tmp_path)
        assert file.metric == choice


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            f'{GYM}\npath = "x.jsonl"',
            "`path` in [data] has no effect with `task`, which has its own rows: leave it out",
        ),
        (f'{GYM}\nsplit = "test"', "`split` in [data] has no effect with `task`, which has its own rows: leave it out"),
        (
            f"{GYM}\nnum_fewshot = 2",
            '`num_fewshot` in [data] has no effect without task = "lm_eval:NAME": leave it out',
        ),
        ("task = 3", "`task` in [data] must be a string, got 3"),
        ('task = "gsm8k"', '`task` in [data] must be "lm_eval:NAME" or "reasoning_gym:NAME", got \'gsm8k\''),
    ],
)
def test_a_wrong_task_section_is_refused(tmp_path: Path, data: str, message: str) -> None:
    with pytest.raises(StudyFileError, match="^" + re.escape(message)):
        parse(data, tmp_path)


def write_study(directory: Path, data: str, url: str, *, further: str = "") -> str:
    path = directory / "x.toml"
    path.write_text(STUDY.format(data=data, url=url) + further, encoding="utf-8")
    return str(path)


def test_a_search_and_its_verdict_on_a_procedural_task(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("reasoning_gym")
    path = write_study(tmp_path, GYM, server.base_url, further=SHORT)
    assert main(["run", path, "--quiet", "--trials", "2"]) == 0
    assert main(["run", path, "--quiet", "--trials", "3"]) == 0  # resumed
    assert main(["confirm", str(tmp_path / "x.db"), "--seeds", "5", "--quiet"]) == 0  # from the stored study file
    assert main(["doctor", path]) == 0
    out = capsys.readouterr().out
    name = "reasoning_gym:chain_sum(max_terms=2, min_terms=2, seed=1, reasoning-gym "
    assert name.replace(" ", "") in re.sub(r"\s", "", out)
    write_study(tmp_path, GYM.replace("task_seed = 1", "task_seed = 2"), server.base_url, further=SHORT)
    assert main(["run", path, "--quiet", "--trials", "4"]) != 0
    assert "reasoning-gym" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")  # of lm-eval and what it imports
def test_a_search_on_a_task_of_the_harness(server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval", exc_type=ImportError)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(json.dumps({"q": f"{n} + 1", "a": str(n + 1)}) for n in range(20)), encoding="utf-8")
    (tmp_path / "tasks").mkdir()
    config = {
        "task": "sums",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(rows)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{q}} =",
        "doc_to_target": "{{a}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 6},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    (tmp_path / "tasks" / "sums.yaml").write_text(json.dumps(config), encoding="utf-8")
    path = write_study(tmp_path, 'task = "lm_eval:sums"\ninclude_path = "tasks"', server.base_url)
    assert main(["run", path, "--quiet"]) == 0
    assert "max_new_tokens = 6: lm_eval:sums sets it, and the space does not" in (tmp_path / "x.log").read_text("utf-8")
    assert {(request["max_tokens"], *request["stop"]) for request in server.requests} == {(6, "\n")}
    assert server.requests[0]["prompt"].endswith(" + 1 =")
    assert main(["run", path, "--quiet", "--trials", "4"]) == 0
    assert main(["confirm", str(tmp_path / "x.db"), "--seeds", "5", "--quiet"]) == 0
