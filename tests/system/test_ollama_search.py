"""Whole searches on Ollama."""

from pathlib import Path
from typing import Any

import pytest
from fake_ollama import FakeOllama
from fake_server import Fault
from tiny_studies import ROWS, everything, scorer

from llmsearch_optuna import Categorical, Float, Int, OpenAIServer, SearchSpace, Tuner
from llmsearch_optuna.cli import main
from llmsearch_optuna.errors import FingerprintError, ParameterError, TaskError, TrialError
from llmsearch_optuna.fsck.check import check_database
from llmsearch_optuna.storage import CompletionStore, open_storage
from llmsearch_optuna.study.study import study_key

SPACE = SearchSpace(
    temperature=Float(0.3, 2.0),
    top_k=Int(1, 20),
    repetition_penalty=Float(1.0, 1.5),
    generation_seed=Categorical([0, 1]),
    max_new_tokens=8,
)
MESSAGES = [{"role": "user", "content": "{question}"}]


def make_tuner(ollama: FakeOllama, options: dict[str, Any] | None = None, **changes: Any) -> Tuner:
    arguments: dict[str, Any] = {
        "server": OpenAIServer(**{"base_url": ollama.base_url, "kind": "ollama", "probe": False, **(options or {})}),
        "dataset": ROWS,
        "scorer": scorer,
        "messages": MESSAGES,
        "column_mapping": {"input_cols": ["question"], "eval_cols": ["answer"]},
        "holdout_size": 4,
    }
    return Tuner(**{**arguments, **changes})


def search(tuner: Tuner, path: Path, space: SearchSpace = SPACE, n_trials: int = 6) -> Any:
    return tuner.search(
        space, n_trials=n_trials, rungs=4, concurrency=2, storage=f"sqlite:///{path}", show_progress=False
    )


def test_a_search_to_a_verdict(ollama: FakeOllama, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    ollama.parameters = {"temperature": 0.7, "stop": ["<|im_end|>"]}
    tuner = make_tuner(ollama, {"probe": True})
    study = search(tuner, path)
    assert [trial.user_attrs.get("baseline") for trial in study.trials[:3]] == ["model default", "greedy", None]
    defaults = [sent["options"] for sent in ollama.requests if sent["options"]["top_k"] == 40]
    assert {(sent["temperature"], sent["top_p"], sent["repeat_penalty"]) for sent in defaults} == {(0.7, 0.9, 1.0)}
    store = CompletionStore(open_storage(f"sqlite:///{path}"))
    completions = [done for trial in study.trials for done in store.load(study_key(study), trial.number)]
    assert all(done.token_count == len(done.text.split()) for done in completions)
    verdict = tuner.confirm(study, seeds=2, show_progress=False)
    assert verdict.samples == 4
    assert check_database(f"sqlite:///{path}").problems == ()
    assert set(ollama.paths) == {"/api/tags", "/api/version", "/api/show", "/api/chat"}
    former = everything(study, path)
    assert everything(search(make_tuner(ollama), path), path) == former


def test_another_model_of_the_same_name_is_another_study(
    ollama: FakeOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(make_tuner(ollama), tmp_path / "x.db", n_trials=3)
    monkeypatch.setattr("fake_ollama.DIGEST", "0" * 64)
    with pytest.raises(FingerprintError, match="model"):
        search(make_tuner(ollama), tmp_path / "x.db", n_trials=4)


def test_thinking_may_be_searched(ollama: FakeOllama, tmp_path: Path) -> None:
    ollama.capabilities, ollama.reasons = ["completion", "thinking"], 2
    space = SearchSpace.from_dict(
        {"temperature": Float(0.5, 1.0), "body.think": Categorical([True, False]), "max_new_tokens": 8}
    )
    study = search(make_tuner(ollama, {"probe": True}), tmp_path / "x.db", space, n_trials=8)
    trials = [trial for trial in study.trials if "body.think" in trial.params]
    assert {trial.params["body.think"] for trial in trials} == {True, False}
    assert all(bool(trial.user_attrs.get("thinking_tokens")) == trial.params["body.think"] for trial in trials)
    assert {sent.get("think") for sent in ollama.requests} == {None, True, False}
    ollama.capabilities = ["completion"]
    with pytest.raises(
        ParameterError, match=r'^the server refuses `body.think` = true: .*"tiny:latest" does not support thinking'
    ):
        search(make_tuner(ollama, {"probe": True}), tmp_path / "y.db", space)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"mirostat_tau": Float(1.0, 5.0)}, "`mirostat_tau` is not available on a server of the kind `ollama`, which"),
        ({"top_a": Float(0.0, 0.5)}, "`top_a` is not available on a server of the kind `ollama`, which takes freq"),
        ({"dry_multiplier": Float(0.0, 1.0)}, "`dry_multiplier` is not available on a server of the kind `ollama`"),
        ({"xtc_probability": 0.5}, "`xtc_probability` is not available on a server of the kind `ollama`"),
        ({"body.num_ctx": Categorical([512, 4096])}, "Ollama has no field `num_ctx`, and would ignore it: it is an op"),
        ({"body.reasoning_effort": Categorical(["low"])}, "Ollama has no field `reasoning_effort`, and would ignore"),
        (
            {"template.enable_thinking": Categorical([True, False])},
            "`template.enable_thinking` has no effect: a server of the kind `ollama` takes none; leave it out",
        ),
    ],
)
def test_what_ollama_lacks_is_refused_before_anything_is_generated(
    ollama: FakeOllama, tmp_path: Path, entries: dict[str, Any], message: str
) -> None:
    space = SearchSpace.from_dict({"temperature": Float(0.5, 1.0), **entries})
    with pytest.raises(ParameterError) as refusal:
        search(make_tuner(ollama), tmp_path / "x.db", space)
    assert str(refusal.value).startswith(message)
    assert ("`body.think` switches thinking" in str(refusal.value)) == any("template." in name for name in entries)
    assert not ollama.requests
    assert not (tmp_path / "x.db").exists()


def test_what_belongs_to_the_template_is_refused(ollama: FakeOllama) -> None:
    with pytest.raises(
        TaskError, match=r"the kind `ollama` takes no `chat_template_args`: .*set extra_body = \{ think = \.\.\. \}$"
    ):
        make_tuner(ollama, chat_template_args={"enable_thinking": False})
    with pytest.raises(TaskError, match="a server of the kind `ollama` cannot continue a last message of the assis"):
        make_tuner(ollama, messages=[*MESSAGES, {"role": "assistant", "content": "It"}])


def test_a_context_that_is_too_short_is_told(ollama: FakeOllama, tmp_path: Path) -> None:
    tuner = make_tuner(ollama, {"extra_body": {"options": {"num_ctx": 4}}})
    with pytest.raises(TrialError, match=r"all 3 trials failed, .*exceeds the available context size \(4 tokens\)"):
        search(tuner, tmp_path / "x.db", n_trials=3)


@pytest.mark.full
def test_a_busy_server_changes_nothing(ollama: FakeOllama, tmp_path: Path) -> None:
    whole = everything(search(make_tuner(ollama), tmp_path / "whole.db"), tmp_path / "whole.db")
    ollama.faults = lambda sent, number: (
        Fault(status=503, body=b'{"error": "server busy"}') if number % 4 == 0 else None
    )
    assert everything(search(make_tuner(ollama), tmp_path / "x.db"), tmp_path / "x.db") == whole


STUDY = """
[study]
n_trials = 5
rungs = 4

[server]
kind = "ollama"
base_url = "{url}"
model = "tiny"
extra_body = {{ think = false, keep_alive = "30m", options = {{ num_ctx = 512 }} }}

[data]
path = "demo"
input_cols = ["start"]
eval_cols = ["members", "count"]
messages = [{{ role = "user", content = "{{start}}" }}]
search_size = 8
holdout_size = 4

[metric]
name = "distinct_items"
column = "members"

[space]
temperature = {{ low = 0.3, high = 2.0 }}
top_k = {{ choices = [3, 9] }}
min_p = {{ low = 0.0, high = 0.3 }}
max_new_tokens = 8
"""


def test_a_study_file_may_name_ollama(ollama: FakeOllama, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.toml"
    path.write_text(STUDY.format(url=ollama.base_url), encoding="utf-8")
    assert main(["doctor", str(path)]) == 0
    output = capsys.readouterr().out
    assert "ollama server at" in output
    assert "min_p, temperature, top_k take effect" in output
    assert main(["run", str(path), "--quiet"]) == 0
    assert "verdict: " in capsys.readouterr().out
    assert main(["fsck", str(tmp_path / "x.db")]) == 0
    assert {(sent["think"], sent["keep_alive"], sent["options"]["num_ctx"]) for sent in ollama.requests} == {
        (False, "30m", 512)
    }
