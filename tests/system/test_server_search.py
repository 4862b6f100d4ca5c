"""Whole searches on a server."""

import functools
import html
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from fake_server import Alter, FakeServer, Fault
from tiny_models import tiny_model, tiny_tokenizer
from tiny_studies import ROWS, everything, scorer, stored_tokens

from llmsearch_optuna import Categorical, Float, Int, OpenAIServer, SearchSpace, Tuner
from llmsearch_optuna.cli import main
from llmsearch_optuna.errors import (
    ConfigurationError,
    FingerprintError,
    ParameterError,
    ServerError,
    TaskError,
    TrialError,
)
from llmsearch_optuna.fsck.check import check_database
from llmsearch_optuna.report.page import render_report
from llmsearch_optuna.storage import CompletionStore, open_storage
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.verdict.verdict import Verdict

SPACE = SearchSpace(
    temperature=Float(0.3, 2.0), top_k=Int(1, 20), generation_seed=Categorical([0, 1]), max_new_tokens=8
)


def make_tuner(server: FakeServer, *, options: dict[str, Any] | None = None, **changes: Any) -> Tuner:
    arguments: dict[str, Any] = {
        "server": OpenAIServer(**{"base_url": server.base_url, "probe": False, **(options or {})}),
        "dataset": ROWS,
        "scorer": scorer,
        "prompt_template": "{question}",
        "column_mapping": {"input_cols": ["question"], "eval_cols": ["answer"]},
        "holdout_size": 4,
    }
    return Tuner(**{**arguments, **changes})


def search(tuner: Tuner, path: Path, n_trials: int = 8, **changes: Any) -> optuna.Study:
    return tuner.search(
        SPACE,
        n_trials=n_trials,
        rungs=4,
        concurrency=2,
        storage=f"sqlite:///{path}",
        show_progress=False,
        **changes,
    )


def test_a_search_on_a_server(server: FakeServer, tmp_path: Path) -> None:
    server.delay_s = 0.01
    path = tmp_path / "x.db"
    tuner = make_tuner(server, options={"max_concurrency": 3})
    study = search(tuner, path)
    assert server.most_at_once == 3
    assert study.trials[0].user_attrs["baseline"] == "greedy"
    store = CompletionStore(open_storage(f"sqlite:///{path}"))
    completions = [completion for trial in study.trials for completion in store.load(study_key(study), trial.number)]
    assert len(completions) == len(server.requests)
    assert all(
        completion.token_ids == () and completion.token_count == len(completion.text.split())
        for completion in completions
    )
    assert stored_tokens(store, study_key(study)) == sum(completion.token_count for completion in completions) > 0
    assert study.best_trial.user_attrs["tokens"] == sum(
        completion.token_count for completion in store.load(study_key(study), study.best_trial.number)
    )
    assert check_database(f"sqlite:///{path}").problems == ()
    assert tuner.confirm(study, seeds=2, show_progress=False).samples == 4
    assert check_database(f"sqlite:///{path}").problems == ()


def gone_after(last: int, sent: dict[str, Any], number: int) -> Fault | None:
    return Fault(status=503) if number >= last else None


@pytest.mark.full
def test_a_server_that_dies_stops_the_search_and_nothing_is_lost(server: FakeServer, tmp_path: Path) -> None:
    whole = everything(search(make_tuner(server), tmp_path / "whole.db"), tmp_path / "whole.db")
    path = tmp_path / "x.db"
    interruptions = 0
    for last in itertools.count(6, 11):
        server.requests.clear()
        server.faults = functools.partial(gone_after, last)
        try:
            study = search(make_tuner(server, options={"max_retries": 0}), path)
            break
        except ServerError:
            interruptions += 1
    assert interruptions >= 3
    assert everything(study, path) == whole


@pytest.mark.full
def test_a_faulty_server_changes_nothing(server: FakeServer, tmp_path: Path) -> None:
    whole = everything(search(make_tuner(server), tmp_path / "whole.db"), tmp_path / "whole.db")
    server.requests.clear()
    faults = itertools.cycle([None, Fault(status=500), None, Fault(drop=True), None, Fault(body=b"{"), None, None])
    server.faults = lambda sent, number: next(faults)
    study = search(make_tuner(server), tmp_path / "x.db")
    assert everything(study, tmp_path / "x.db") == whole
    assert len(server.requests) > sum(len(row[-1]) for row in whole)


@pytest.mark.full
def test_one_row_that_is_refused_fails_its_trial_alone(server: FakeServer, tmp_path: Path) -> None:
    server.faults = lambda sent, number: (
        Fault(status=400, body=b'{"error": "no"}') if sent["temperature"] > 1.2 and "5?" in sent["prompt"] else None
    )
    study = search(make_tuner(server), tmp_path / "x.db")
    failed = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.FAIL]
    assert 0 < len(failed) < len(study.trials)
    assert all(trial.params["temperature"] > 1.2 for trial in failed)
    rows = {f"row {row['answer']}" for row in ROWS if "5?" in row["question"]}
    assert {trial.user_attrs["error"].split(":")[0] for trial in failed} <= rows
    # The other trial's completions were not asked for again.
    sent = [tuple(sorted((key, str(value)) for key, value in body.items())) for body in server.requests]
    assert len(set(sent)) == len(sent)


@pytest.mark.full
def test_tokens_are_limited(server: FakeServer, tmp_path: Path) -> None:
    study = search(make_tuner(server), tmp_path / "x.db", n_trials=100, max_tokens_total=300)
    tokens = stored_tokens(CompletionStore(open_storage(f"sqlite:///{tmp_path}/x.db")), study_key(study))
    assert 300 <= tokens < 300 + 2 * 4 * 8


@pytest.mark.full
def test_the_server_may_move_but_not_change(server: FakeServer, tmp_path: Path) -> None:
    search(make_tuner(server), tmp_path / "x.db", n_trials=3)
    moved = FakeServer()
    try:
        assert len(search(make_tuner(moved), tmp_path / "x.db", n_trials=4).trials) == 4
        moved.models = ["another"]
        with pytest.raises(FingerprintError, match="model"):
            search(make_tuner(moved), tmp_path / "x.db", n_trials=5)
    finally:
        moved.close()


def test_a_space_that_the_server_lacks_is_refused_before_anything_is_generated(
    server: FakeServer, tmp_path: Path
) -> None:
    tuner = make_tuner(server, options={"probe": True})
    with pytest.raises(ParameterError, match="`tfs` is not available on a server of the kind `vllm`"):
        tuner.search(SearchSpace(tfs=Float(0.5, 1.0)), storage=f"sqlite:///{tmp_path}/x.db")
    with pytest.raises(ParameterError, match="`top_a` is not available on a server"):
        tuner.search(SPACE, presets=[{"top_a": 0.2}], storage=f"sqlite:///{tmp_path}/x.db")
    assert all(sent["max_tokens"] == 16 for sent in server.requests)  # the probe's
    assert not (tmp_path / "x.db").exists()
    server.ignored = {"top_k"}
    with pytest.raises(ParameterError, match="`top_k` has no effect on the server"):
        make_tuner(server, options={"probe": True}).objective(SPACE)


def test_the_probe_runs_once_and_is_told(server: FakeServer, tmp_path: Path) -> None:
    tuner = make_tuner(server, options={"probe": True})
    diagnosis = tuner.diagnosis(SPACE)
    assert diagnosis["engine"] == f"vllm server at {server.base_url}, text prompts, at most 32 requests at once"
    assert (diagnosis["seeds"], diagnosis["parameters"]) == ("kept", "temperature, top_k take effect")
    assert diagnosis["prompts"].endswith("on average")
    assert "characters" in diagnosis["prompts"]
    asked = len(server.requests)
    tuner.objective(SPACE)
    assert len(server.requests) == asked
    assert "seeds" not in tuner.diagnosis()


def test_messages_go_to_the_chat_endpoint(server: FakeServer) -> None:
    messages = [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "{question}"}]
    tuner = make_tuner(server, prompt_template=None, messages=messages)
    assert len(tuner.get_score({"temperature": 1.0, "max_new_tokens": 4}).outputs) == 16
    assert server.requests[0]["messages"][0] == messages[0]
    assert {sent["messages"][1]["content"] for sent in server.requests} == {row["question"] for row in ROWS}
    with pytest.raises(TaskError, match="a server of the kind `openai` cannot continue a last message"):
        make_tuner(
            server,
            options={"kind": "openai"},
            prompt_template=None,
            messages=[*messages, {"role": "assistant", "content": "It"}],
        )


@pytest.mark.full
def test_arguments_of_the_chat_template_go_to_the_server(server: FakeServer) -> None:
    chat: dict[str, Any] = {
        "prompt_template": None,
        "messages": [{"role": "user", "content": "{question}"}],
        "chat_template_args": {"enable_thinking": False},
    }
    for kind in ("vllm", "sglang", "llamacpp"):
        tuner = make_tuner(server, options={"kind": kind}, **chat)
        tuner.get_score({"temperature": 1.0, "max_new_tokens": 4})
        assert server.requests[-1]["chat_template_kwargs"] == {"enable_thinking": False}
    assert tuner._fingerprint()["chat_template_args"] == {"enable_thinking": False}
    without = make_tuner(server, **{**chat, "chat_template_args": None})
    without.get_score({"temperature": 1.0, "max_new_tokens": 4})
    assert "chat_template_kwargs" not in server.requests[-1]
    assert "chat_template_args" not in without._fingerprint()
    for kind in ("openai", "tgi"):
        with pytest.raises(TaskError, match=f"a server of the kind `{kind}` takes no `chat_template_args`"):
            make_tuner(server, options={"kind": kind}, **chat)


def test_a_preprocessor_may_use_a_tokenizer(server: FakeServer) -> None:
    def write(tokenizer: Any, question: str, **columns: str) -> str:
        return f"{tokenizer.eos_token}{question}"

    tuner = make_tuner(server, prompt_template=None, sample_preprocessor=write, tokenizer=tiny_tokenizer())
    tuner.get_score({"temperature": 1.0, "max_new_tokens": 4})
    assert {sent["prompt"] for sent in server.requests} == set(tuner.dataset["_X"])
    assert "tokens" in tuner.diagnosis()["prompts"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "org/model"),
        ("custom_pred_function", len),
        ("device", "cpu"),
        ("replay_bytes", 0),
        ("is_encoder_decoder", False),
        ("tokenizer_encode_args", {"truncation": True}),
        ("tokenizer_decode_args", {"skip_special_tokens": True}),
    ],
)
def test_arguments_that_are_for_a_model_are_refused(server: FakeServer, name: str, value: object) -> None:
    arguments: dict[str, Any] = {name: value}
    with pytest.raises(ConfigurationError, match=f"^`{name}` has no effect with `server`"):
        make_tuner(server, **arguments)


def test_an_empty_prompt_is_refused(server: FakeServer) -> None:
    with pytest.raises(TaskError, match="the prompt of row 1 has no tokens: ''"):
        make_tuner(server, dataset=[{"question": q, "answer": "a"} for q in ("x", "", *"abcd")])


def test_a_model_still_needs_its_tokenizer() -> None:
    with pytest.raises(ConfigurationError, match="pass the model's tokenizer"):
        Tuner(
            model=tiny_model(),
            dataset=ROWS,
            scorer=scorer,
            prompt_template="{question}",
            column_mapping={"input_cols": ["question"], "eval_cols": ["answer"]},
        )


# Answers that are no ordinary text.

MESSAGES = [{"role": "user", "content": "{question}"}]


def altered(rows: set[int], choice: dict[str, Any]) -> Alter:
    """Change the choice in the answers to some rows."""
    prompts = [ROWS[row]["question"] for row in rows]

    def alter(sent: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if sent["messages"][-1]["content"] in prompts:
            answer["choices"][0] |= choice
        return answer

    return alter


NO_TEXT = {"message": {"role": "assistant", "content": None}}


@pytest.mark.full
def test_answers_without_text_are_counted_in_verdict_and_report(server: FakeServer, tmp_path: Path) -> None:
    tuner = make_tuner(server, prompt_template=None, messages=MESSAGES)
    searched, held_out = (sorted(s.row for s in split) for split in (tuner.task.search, tuner.task.holdout))
    server.alter = altered({searched[0], held_out[0]}, {**NO_TEXT, "finish_reason": "content_filter"})
    study = search(tuner, tmp_path / "x.db", n_trials=3)
    assert [trial.user_attrs["finish_reasons"]["filter"] for trial in study.trials] == [1, 1, 1]
    verdict = tuner.confirm(study, seeds=2, show_progress=False)
    count = sum(result.seeds for result in verdict.finalists)
    assert f"{count} of {4 * count} answers are no ordinary text (`" in verdict.sentence
    what = "withheld or cut by the server's content filter"
    assert verdict.sentence.endswith(f": {count} x {what} (row {held_out[0]})")
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict
    page = html.unescape(render_report(study, f"sqlite:///{tmp_path}/x.db"))
    assert f"answers of the server are no ordinary text: 3 x {what} (row {searched[0]})" in page
    assert f"{count} x {what} (row {held_out[0]})" in page
    assert check_database(f"sqlite:///{tmp_path}/x.db").problems == ()


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({**NO_TEXT, "finish_reason": "stop"}, "8 of 8 answers are no text to score: 4 x no text (rows"),
        (
            {"message": {"tool_calls": [{"function": {"name": "f"}}]}, "finish_reason": "tool_calls"},
            "8 of 8 answers are no text to score: 4 x a tool call in place of a text (rows",
        ),
    ],
)
def test_trials_without_any_text_fail(server: FakeServer, tmp_path: Path, choice: dict[str, Any], message: str) -> None:
    server.alter = altered(set(range(16)), choice)
    tuner = make_tuner(server, prompt_template=None, messages=MESSAGES)
    with pytest.raises(TrialError) as failure:
        search(tuner, tmp_path / "x.db", n_trials=3)
    assert str(failure.value).startswith(f"all 3 trials failed, the first with: {message}")


def test_thoughts_without_an_end_end_the_search(server: FakeServer, tmp_path: Path) -> None:
    server.alter = altered(set(range(16)), {**NO_TEXT, "finish_reason": "length"})
    tuner = make_tuner(server, prompt_template=None, messages=MESSAGES)
    message = r"^none of 12 completions has an answer, as the length limit .* ended every thought: raise max_new_tokens"
    with pytest.raises(ConfigurationError, match=message):
        search(tuner, tmp_path / "x.db", n_trials=3)


def test_a_trial_whose_thoughts_have_no_end_is_scored(server: FakeServer, tmp_path: Path) -> None:
    """A search over lengths learns from it."""

    def alter(sent: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if sent["max_tokens"] < 3:
            answer["choices"][0] |= {**NO_TEXT, "finish_reason": "length"}
        return answer

    server.alter = alter
    tuner = make_tuner(server, prompt_template=None, messages=MESSAGES)
    space = SearchSpace(temperature=Float(0.5, 1.5), max_new_tokens=Int(1, 4))
    study = tuner.search(space, n_trials=10, pruner="none", show_progress=False)
    endless = [trial for trial in study.trials if trial.params.get("max_new_tokens", 4) < 3]
    assert endless
    for trial in endless:
        assert trial.state == optuna.trial.TrialState.COMPLETE
        assert trial.user_attrs["finish_reasons"] == {"thinking": 12}


@pytest.mark.full
def test_an_answer_from_another_model_fails_its_trial(server: FakeServer, tmp_path: Path) -> None:
    server.alter = lambda sent, answer: {**answer, "model": "other" if sent["temperature"] > 1.2 else "tiny"}
    study = search(make_tuner(server), tmp_path / "x.db")
    failed = {trial.number for trial in study.trials if trial.state == optuna.trial.TrialState.FAIL}
    assert failed == {trial.number for trial in study.trials if trial.params.get("temperature", 0.0) > 1.2} != set()
    error = study.trials[min(failed)].user_attrs["error"]
    assert "the answer comes from the model `other`, not from `tiny`" in error
    assert "requests of 4 rows failed: " in error


@pytest.mark.full
@pytest.mark.sampled(2)
@pytest.mark.parametrize("usage", [None, {"completion_tokens": -7}])
def test_a_limit_on_tokens_ends_a_search_without_usage(server: FakeServer, tmp_path: Path, usage: object) -> None:
    server.alter = lambda sent, answer: {**answer, "usage": usage}
    study = search(make_tuner(server), tmp_path / "x.db", n_trials=100, max_tokens_total=200)
    assert 1 < len(study.trials) < 20
    tokens = stored_tokens(CompletionStore(open_storage(f"sqlite:///{tmp_path}/x.db")), study_key(study))
    assert 200 <= tokens < 200 + 2 * 4 * 8


@pytest.mark.full
def test_a_tokenizer_counts_for_a_server_with_chat_messages(server: FakeServer) -> None:
    server.tells_tokens = False
    tuner = make_tuner(server, prompt_template=None, messages=MESSAGES, tokenizer=tiny_tokenizer())
    assert "characters" in tuner.diagnosis()["prompts"]  # the server has the template
    study = tuner.search(SPACE, n_trials=2, objectives=("score", "tokens"), show_progress=False)
    assert study.trials[0].user_attrs["tokens"] > 12
    with pytest.raises(TrialError, match="`tokens` cannot be an objective: the engine reports no token counts"):
        make_tuner(server).search(SPACE, n_trials=1, objectives=("score", "tokens"), show_progress=False)


# Study files.

STUDY = """
[study]
n_trials = 4
rungs = 4

[server]
kind = "vllm"
base_url = "{url}"
api_key_env = "TEST_KEY"
max_concurrency = 4
timeout_s = 30
max_retries = 2

[data]
path = "demo"
input_cols = ["start"]
eval_cols = ["members", "count"]
prompt_template = "{{start}}"
search_size = 8

[metric]
name = "distinct_items"
column = "members"

[space]
temperature = {{ low = 0.3, high = 2.0 }}
top_k = {{ choices = [3, 9] }}
max_new_tokens = 8
"""


@pytest.mark.full
def test_a_study_file_may_name_a_server(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-geheim")
    server.key = "sk-geheim"
    path = tmp_path / "x.toml"
    path.write_text(STUDY.format(url=server.base_url), encoding="utf-8")
    assert main(["doctor", str(path)]) == 0
    assert "kept" in capsys.readouterr().out
    assert main(["run", str(path), "--quiet"]) == 0
    assert "tiny" in (tmp_path / "x.log").read_text(encoding="utf-8")
    for written in tmp_path.rglob("*.*"):
        assert written.is_dir() or b"geheim" not in written.read_bytes()
    out = capsys.readouterr()
    assert "geheim" not in out.out + out.err
    assert main(["fsck", str(tmp_path / "x.db")]) == 0
    monkeypatch.delenv("TEST_KEY")
    assert main(["run", str(path), "--quiet"]) != 0
    assert "no such environment variable is set" in capsys.readouterr().err


def test_after_a_servers_failure_the_same_command_goes_on(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.toml"
    text = STUDY.format(url=server.base_url).replace("max_retries = 2", "max_retries = 0")
    path.write_text(text.replace('api_key_env = "TEST_KEY"', ""), encoding="utf-8")
    server.faults = functools.partial(gone_after, 20)
    assert main(["run", str(path), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert "cannot be used" in error
    assert error.endswith("; the same command goes on from here\n")
    server.faults = lambda sent, number: None
    assert main(["run", str(path), "--quiet"]) == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "vllm"', 'kind = "vlm"', "unknown kind of server `vlm`: did you mean `vllm`"),
        ("[server]", '[engine]\nkind = "grpc"\n[server]', "[engine] is the former name of [server]: leave it out"),
        ("max_concurrency = 4", "max_concurrency = 0", "`max_concurrency` in [server] must be >= 1, got 0"),
        ("max_retries = 2", "max_retries = -1", "`max_retries` in [server] must be >= 0, got -1"),
        ("timeout_s = 30", "api_key = 'sk-x'", "unknown key in [server] `api_key`: did you mean `api_key_env`?"),
        ("[data]", '[model]\nname = "demo"\n[data]', "[model] has no effect with [server], which generates"),
    ],
)
def test_wrong_keys_are_refused(old: str, new: str, message: str) -> None:
    text = STUDY.format(url="http://localhost:1/v1").replace(old, new, 1)
    with pytest.raises(ConfigurationError) as refusal:
        StudyFile.parse(text, name="x", directory=Path())
    assert str(refusal.value).startswith(message)


def test_the_former_section_goes_on_working() -> None:
    text = STUDY.format(url="http://localhost:1/v1")
    expected = StudyFile.parse(text, name="x", directory=Path())
    former = text.replace('[server]\nkind = "vllm"', '[engine]\nkind = "openai"\nserver = "vllm"')
    message = (
        r'^study file: \[engine\] kind = "openai", server = "vllm" is now \[server\] kind = "vllm", with the other'
    )
    with pytest.warns(FutureWarning, match=message):
        file = StudyFile.parse(former, name="x", directory=Path())
    assert file.server == expected.server
    assert file.server == OpenAIServer(
        base_url="http://localhost:1/v1",
        kind="vllm",
        api_key_env="TEST_KEY",
        max_concurrency=4,
        timeout_s=30,
        max_retries=2,
    )
    with pytest.raises(ConfigurationError, match="unknown kind of engine `grpc`: known are openai"):
        StudyFile.parse(former.replace('"openai"', '"grpc"'), name="x", directory=Path())


def test_the_former_argument_goes_on_working(server: FakeServer) -> None:
    former = OpenAIServer(base_url=server.base_url, probe=False)
    with pytest.warns(FutureWarning, match="^`engine` is now `server`$"):
        tuner = Tuner(  # type: ignore[call-arg]
            engine=former,
            dataset=ROWS,
            scorer=scorer,
            prompt_template="{question}",
            column_mapping={"input_cols": ["question"], "eval_cols": ["answer"]},
            holdout_size=4,
        )
    assert tuner.diagnosis() == make_tuner(server).diagnosis()
    with pytest.raises(ConfigurationError, match="`engine` is the former name of `server`"):
        make_tuner(server, engine=former)


def test_the_modules_need_no_model_libraries() -> None:
    folder = Path(sys.modules["llmsearch_optuna.engine.http"].__file__ or "").parent
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    assert "import torch" not in sources
    assert "transformers import" not in sources
