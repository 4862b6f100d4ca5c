"""Searches over arguments of the chat template and fields of requests, in process and on a server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backends import replace_backend
from counted_engine import Counted
from fake_server import FakeServer, Fault
from tiny_models import tiny_model, tiny_tokenizer
from tiny_studies import everything, scorer

from llmsearch_optuna import OpenAIServer, Tuner
from llmsearch_optuna.errors import ConfigurationError, FingerprintError, ParameterError, TaskError
from llmsearch_optuna.report.page import render_report
from llmsearch_optuna.search.preview import preview
from llmsearch_optuna.study.study import open_study

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n{% if not enable_thinking|default(true) %}<quick>{% endif %}{{ mood|default('') }}"
)
THINKING = {"enable_thinking": {"choices": [True, False]}, "mood": {"choices": ["calm", None]}}
SPACE = {"temperature": {"low": 0.3, "high": 2.0}, "max_new_tokens": 4, "template": THINKING}


def make_tuner(**changes: Any) -> Tuner:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    arguments: dict[str, Any] = {
        "model": tiny_model(),
        "tokenizer": tokenizer,
        "dataset": [{"question": f"How many apples are {number}?", "answer": "x"} for number in range(12)],
        "scorer": scorer,
        "messages": [{"role": "user", "content": "{question}"}],
        "column_mapping": {"input_cols": ["question"], "eval_cols": ["answer"]},
        "holdout_size": 4,
    }
    return Tuner(**{**arguments, **changes})


def on_server(server: FakeServer, **options: Any) -> Tuner:
    remote = OpenAIServer(**{"base_url": server.base_url, "model": "tiny", **options})
    return make_tuner(server=remote, model=None, tokenizer=None)


def ends(settings: dict[str, Any]) -> str:
    return ("<quick>" if settings.get("template.enable_thinking") is False else "") + str(
        settings.get("template.mood", "")
    )


def test_each_trial_has_the_prompts_of_its_template_arguments(tmp_path: Path) -> None:
    tuner, path = make_tuner(), tmp_path / "x.db"
    engine = Counted(tuner._backend.engine)
    replace_backend(tuner, engine=engine)
    options: dict[str, Any] = {"rungs": 4, "show_progress": False, "concurrency": 2}
    study = tuner.search(SPACE, n_trials=8, storage=path, **options)
    assert {request.params.settings for request in engine.asked} > {()}
    for request in engine.asked:
        assert request.prompt.endswith(f"<|im_start|>assistant\n{ends(dict(request.params.settings))}")
        assert tuner.tokenizer is not None
        assert tuner.tokenizer.decode(list(request.prompt_ids)) == request.prompt
    verdict = tuner.confirm(study, storage=path, seeds=2, show_progress=False)
    assert verdict.sentence
    page = render_report(*open_study(f"sqlite:///{path}"))
    assert "template.enable_thinking" in page

    resumed = tmp_path / "resumed.db"
    for trials in (5, 8):
        again = make_tuner().search(SPACE, n_trials=trials, storage=resumed, **options)
    assert everything(again, resumed) == everything(study, path)


def test_fixed_arguments_are_those_of_presets_and_examples(caplog: pytest.LogCaptureFixture) -> None:
    tuner = make_tuner(scorer=lambda _, texts: [0.5] * len(texts))
    engine = Counted(tuner._backend.engine)
    replace_backend(tuner, engine=engine)
    space = {"temperature": {"low": 0.3, "high": 2.0}, "max_new_tokens": 4, "template": {"mood": "calm"}}
    tuner.search(space, n_trials=4, rungs=4, presets=[{"temperature": 0.7, "max_new_tokens": 4}], show_progress=False)
    diagnosis = tuner.diagnosis(space)
    shown = preview(tuner.objective(space, rungs=4), trials=4, held_out=4, seed=1).examples
    assert {request.params.settings for request in engine.asked} == {(("template.mood", "calm"),)}
    assert all(request.prompt.endswith("calm") for request in engine.asked)
    assert all(example.sample.prompt.endswith("calm") for example in shown)
    assert next(text for topic, text in diagnosis.items() if topic.startswith("prompt of")).endswith('calm"')
    assert 'calm"' in next(message for message in caplog.messages if message.startswith("nothing is measured"))


def test_a_score_of_other_rows_has_their_prompts() -> None:
    tuner = make_tuner()
    engine = Counted(tuner._backend.engine)
    replace_backend(tuner, engine=engine)
    tuner.get_score({"template.mood": "glad"}, [{"question": "Why?", "answer": "x"}])
    (request,) = engine.asked
    assert "Why?" in request.prompt
    assert request.prompt.endswith("glad")


@pytest.mark.parametrize(
    ("space", "changes", "error", "message"),
    [
        ({"template": {"budget": 5}}, {}, TaskError, "names `budget`, which the chat template does not read"),
        (
            {"body": {"effort": "low"}},
            {},
            ParameterError,
            "`body.effort` is a field of a server's request, and no server",
        ),
        (
            {"template": {"mood": "calm"}},
            {"messages": None, "prompt_template": "{question}"},
            TaskError,
            "`template.mood` has no effect without chat messages",
        ),
        ({"template": {"mood": {"choices": ["x" * 3000, "y"]}}}, {}, TaskError, "exceed|tokens"),
    ],
)
def test_what_has_no_effect_in_process_is_refused(
    space: dict[str, Any], changes: dict[str, Any], error: type[ConfigurationError], message: str
) -> None:
    with pytest.raises(error, match=message) as refusal:
        make_tuner(**changes).search({"temperature": 0.5, **space}, n_trials=3, show_progress=False)
    assert "\n" not in str(refusal.value)


def test_a_score_in_process_has_no_fields_of_requests() -> None:
    with pytest.raises(ParameterError, match=r"`body.effort` is a field of a server's request"):
        make_tuner().get_score({"body.effort": "low"})


ON_SERVER = {
    "temperature": {"low": 0.3, "high": 2.0},
    "max_new_tokens": 6,
    "template": {"enable_thinking": {"choices": [True, False]}},
    "body": {"reasoning_effort": {"choices": ["low", "high"]}, "user": "me"},
}


def test_a_server_gets_them_with_the_request(server: FakeServer, tmp_path: Path) -> None:
    tuner = on_server(server, probe=False)
    study = tuner.search(ON_SERVER, n_trials=8, rungs=4, storage=tmp_path / "x.db", show_progress=False)
    assert {request["user"] for request in server.requests} == {"me"}
    efforts = {request.get("reasoning_effort") for request in server.requests}
    assert efforts == {"low", "high", None}  # the baseline has none
    thinking = {json.dumps(request.get("chat_template_kwargs")) for request in server.requests}
    assert thinking == {'{"enable_thinking": true}', '{"enable_thinking": false}', "null"}
    assert tuner.confirm(study, storage=tmp_path / "x.db", seeds=2, show_progress=False).sentence


def refuses(is_refused: Callable[[dict[str, Any]], str | None]) -> Callable[[dict[str, Any], int], Fault | None]:
    def fault(request: dict[str, Any], _: int) -> Fault | None:
        text = is_refused(request)
        return None if text is None else Fault(status=400, body=json.dumps({"error": {"message": text}}).encode())

    return fault


def test_a_value_that_the_server_refuses_is_named(server: FakeServer) -> None:
    server.faults = refuses(lambda sent: "Invalid value: 'huge'" if sent.get("reasoning_effort") == "huge" else None)
    space = {**ON_SERVER, "body": {"reasoning_effort": {"choices": ["low", "huge"]}}}
    with pytest.raises(
        ParameterError, match=r"the server refuses `body.reasoning_effort` = \"huge\": .*Invalid value: 'huge'"
    ):
        on_server(server).search(space, n_trials=3, show_progress=False)


def test_a_server_of_another_kind_takes_no_template_arguments(server: FakeServer) -> None:
    server.owner = "openai"
    with pytest.raises(
        ParameterError, match=r"`template.enable_thinking` has no effect: a server of the kind `openai`"
    ):
        on_server(server).search(ON_SERVER, n_trials=3, show_progress=False)


def test_the_model_may_be_searched(server: FakeServer) -> None:
    server.alter = lambda sent, answer: {**answer, "model": sent["model"]}
    tuner = on_server(server, probe=False)
    space = {"temperature": 0.5, "max_new_tokens": 4, "body": {"model": {"choices": ["tiny", "other"]}}}
    study = tuner.search(space, n_trials=6, show_progress=False, sampler="random")
    assert {request["model"] for request in server.requests} == {"tiny", "other"}
    assert not [trial for trial in study.trials if "error" in trial.user_attrs]


def unsupported(sent: dict[str, Any]) -> str | None:
    """What OpenAI's reasoning models say."""
    for name in ("temperature", "top_p"):
        if name in sent:
            return f"Unsupported parameter: '{name}' is not supported with this model."
    if "max_tokens" in sent:
        return (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
    return None


def test_a_model_that_takes_neither_temperature_nor_max_tokens(server: FakeServer, tmp_path: Path) -> None:
    """A study of its effort runs to a verdict without a word about fields, and its baseline is the model's default."""
    server.owner, server.faults = "openai", refuses(unsupported)
    path = tmp_path / "x.db"
    tuner = on_server(server, kind="openai")
    with pytest.raises(
        ParameterError, match="every trial would decode greedily, which the server refuses: set do_sample"
    ):
        tuner.search({"body": {"reasoning_effort": {"choices": ["low", "high"]}}}, n_trials=2, show_progress=False)
    space = {
        "do_sample": True,
        "max_new_tokens": 8,
        "generation_seed": {"choices": [0, 1, 2]},
        "body": {"reasoning_effort": {"choices": ["low", "medium", "high"]}},
    }
    study = tuner.search(space, n_trials=6, rungs=4, storage=path, show_progress=False)
    assert [trial.user_attrs.get("baseline") for trial in study.trials[:2]] == ["model default", None]
    assert not [trial for trial in study.trials if "error" in trial.user_attrs]
    verdict = tuner.confirm(study, storage=path, seeds=2, show_progress=False)
    assert verdict.sentence
    accepted = [sent for sent in server.requests if unsupported(sent) is None]
    assert (
        {"max_completion_tokens", "messages", "model", "seed"}
        <= set(accepted[-1])
        <= {*("max_completion_tokens", "messages", "model", "seed", "reasoning_effort")}
    )


def test_fields_are_left_out_renamed_and_added(server: FakeServer, tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "omit": ("seed", "top_k"),
        "rename": {"max_tokens": "max_completion_tokens"},
        "extra_body": {"service_tier": {"name": "flex"}, "reasoning_effort": "low"},
    }
    space = {"temperature": {"low": 0.3, "high": 1.0}, "max_new_tokens": 6}
    options: dict[str, Any] = {"storage": tmp_path / "x.db", "show_progress": False, "rungs": 4}
    on_server(server, **changes).search(space, n_trials=3, **options)
    for sent in server.requests:
        if "vllm_xargs" in sent:  # the question for the plug-in
            continue
        assert sent["service_tier"] == {"name": "flex"}
        assert sent["reasoning_effort"] == "low"
        assert "max_completion_tokens" in sent
        assert not {"seed", "top_k", "max_tokens"} & set(sent)
    changes["extra_body"] = {"reasoning_effort": "high"}
    with pytest.raises(FingerprintError, match='"extra_body"'):
        on_server(server, **changes).search(space, n_trials=4, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"omit": "seed"}, "`omit` must name fields of requests, got 'seed'"),
        ({"omit": ("model",)}, "`omit` must not hold `model`, which the package needs"),
        ({"extra_body": {"n": 2}}, "`extra_body` must not hold `n`"),
        ({"rename": {"messages": "m"}}, "`rename` must not hold `messages`"),
    ],
)
def test_wrong_fields_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        OpenAIServer(base_url="http://localhost:1/v1", **options)


def test_what_is_left_out_cannot_be_searched(server: FakeServer) -> None:
    tuner = on_server(server, omit=("temperature",))
    with pytest.raises(ParameterError, match="`temperature` has no effect, as `omit` of the server"):
        tuner.search({"temperature": {"low": 0.3, "high": 1.0}}, n_trials=2, show_progress=False)
    study = tuner.search({"do_sample": True, "top_p": {"low": 0.3, "high": 1.0}}, n_trials=2, show_progress=False)
    assert study.trials[0].user_attrs["baseline"] == "model default"


def test_every_request_has_the_query_of_the_address(server: FakeServer) -> None:
    tuner = on_server(server, base_url=f"{server.base_url}?api-version=2026-01-01", probe=False)
    tuner.get_score({"temperature": 0.5, "max_new_tokens": 4})
    assert {path.partition("?")[2] for path in server.paths if "/v1/" in path} == {"api-version=2026-01-01"}
