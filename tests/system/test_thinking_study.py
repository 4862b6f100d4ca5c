"""A study over thinking, temperature and length, to a front and a verdict, in the slots and on a server."""

import copy
from pathlib import Path
from typing import Any

import optuna
import pytest
from fake_server import FakeServer
from tiny_models import tiny_model, tiny_tokenizer
from tiny_studies import scorer

from llmsearch_optuna import OpenAIServer, Tuner
from llmsearch_optuna.report import plot_variants
from llmsearch_optuna.study.attributes import FINISH_REASONS, THINKING_TOKENS, TRIAL_TOKENS
from llmsearch_optuna.study.ranking import pareto_front

MARKS = {"start": "<think>", "end": "</think>"}
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n{% if enable_thinking is not defined or enable_thinking %}<think>\n{% else %}"
    "<think>\n\n</think>\n\n{% endif %}"
)
SPACE = {
    "template.enable_thinking": {"choices": [True, False]},
    "temperature": {"low": 0.5, "high": 2.0},
    "max_new_tokens": {"low": 4, "high": 40},
}


def make_tuner(**changes: Any) -> Tuner:
    tokenizer: Any = tiny_tokenizer()
    tokenizer.add_tokens(list(MARKS.values()))
    tokenizer.chat_template = TEMPLATE
    arguments: dict[str, Any] = {
        "model": tiny_model(vocab_size=len(tokenizer)),
        "tokenizer": tokenizer,
        "dataset": [{"question": f"How many apples are {number}?", "answer": "x"} for number in range(16)],
        "scorer": scorer,
        "messages": [{"role": "user", "content": "{question}"}],
        "column_mapping": {"input_cols": ["question"], "eval_cols": ["answer"]},
        "holdout_size": 6,
    }
    return Tuner(**{**arguments, **changes})


def with_thoughts(request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """A thought of four tokens, unless it is turned off; without an answer if the limit is reached."""
    if request.get("chat_template_kwargs", {}).get("enable_thinking") is False:
        return answer
    changed = copy.deepcopy(answer)
    message = changed["choices"][0]["message"]
    message["reasoning_content"] = "hm hm hm hm"
    changed["usage"]["completion_tokens"] = min(changed["usage"]["completion_tokens"] + 4, request["max_tokens"])
    changed["usage"]["completion_tokens_details"] = {"reasoning_tokens": 4}
    if request["max_tokens"] <= 16:
        message["content"] = None
        changed["choices"][0]["finish_reason"] = "length"
    return changed


@pytest.mark.parametrize("kind", ["slots", "server"])
def test_it_runs_to_a_front_and_a_verdict(kind: str, server: FakeServer, tmp_path: Path) -> None:
    if kind == "server":
        server.alter = with_thoughts
        remote = OpenAIServer(base_url=server.base_url, model="tiny", probe=False)
        tuner = make_tuner(server=remote, model=None, tokenizer=None)
    else:
        tuner = make_tuner()
    study = tuner.search(
        SPACE, n_trials=14, objectives=("score", "tokens"), storage=tmp_path / "x.db", show_progress=False
    )
    assert {trial.state for trial in study.trials} == {optuna.trial.TrialState.COMPLETE}
    thinks = {trial.number: trial.params.get("template.enable_thinking", True) for trial in study.trials}
    assert set(thinks.values()) == {True, False}
    for trial in study.trials:
        assert (THINKING_TOKENS in trial.user_attrs) == thinks[trial.number]
        assert trial.user_attrs.get(THINKING_TOKENS, 0) <= trial.user_attrs[TRIAL_TOKENS]
    assert any("thinking" in trial.user_attrs[FINISH_REASONS] for trial in study.trials)
    assert pareto_front(study)
    verdict = tuner.confirm(study, storage=tmp_path / "x.db", seeds=2, show_progress=False)
    assert verdict.expense == "tokens"
    assert verdict.sentence
    figure: Any = plot_variants(study, f"sqlite:///{tmp_path}/x.db")
    assert {trace.name for trace in figure.data} >= {"enable_thinking=true", "enable_thinking=false"}
