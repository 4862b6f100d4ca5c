"""Thoughts of reasoning models are cut from what is scored, and counted."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_model, tiny_tokenizer
from transformers import PreTrainedTokenizerBase

from llmsearch_optuna import OpenAIServer, Tuner
from llmsearch_optuna.engine.base import Completion, Request, Stopping
from llmsearch_optuna.engine.thinking import ThinkingCutter, check_thinking, thinking_cutter
from llmsearch_optuna.errors import ConfigurationError, FingerprintError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import CompletionStore, open_storage
from llmsearch_optuna.study.attributes import FINISH_REASONS, THINKING_TOKENS, TRIAL_TOKENS
from llmsearch_optuna.study.study import study_key

MARKS = {"start": "<think>", "end": "</think>"}
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n{% if enable_thinking is not defined or enable_thinking %}<think>\n{% else %}"
    "<think>\n\n</think>\n\n{% endif %}"
)


def reasoning_tokenizer(*, special: bool, template: str | None = TEMPLATE) -> PreTrainedTokenizerBase:
    """A tokenizer whose marks are tokens, as those of Qwen3, or special tokens, as those of Magistral."""
    tokenizer: Any = tiny_tokenizer()
    tokenizer.add_tokens(list(MARKS.values()), special_tokens=special)
    tokenizer.chat_template = template
    return tokenizer  # type: ignore[no-any-return]


def request_of(prompt: str = "Q:", *, stop: tuple[str, ...] = ()) -> Request:
    return Request(prompt=prompt, prompt_ids=(1,), params=GenerationParams(), stopping=Stopping(strings=stop))


def cutter(tokenizer: PreTrainedTokenizerBase | None = None, marks: Mapping[str, str] = MARKS) -> ThinkingCutter:
    made = thinking_cutter(marks, tokenizer, None, has_messages=False)
    assert made is not None
    return made


def text_completion(text: str, **changes: Any) -> Completion:
    values = {"token_ids": (), "finish_reason": "eos", "token_count_reported": 10, **changes}
    return Completion(text=text, **values)


@pytest.mark.parametrize(
    ("prompt", "text", "answer", "is_finished"),
    [
        ("Q:", "<think>hm</think>\n\n42", "\n\n42", True),
        ("Q:<think>\n", "hm</think>42", "42", True),
        ("Q:", "hm</think>42", "42", True),  # a server's template has written the start mark
        ("Q:", "\n<think></think>42", "42", True),
        ("Q:", "42", "42", True),
        ("Q:<think>\n\n</think>\n\n", "42", "42", True),
        ("Q:", "the mark <think> begins a thought", "the mark <think> begins a thought", True),
        ("Q:", "<think>a</think>not </think> again", "not </think> again", True),
        ("Q:", "<think>hm", "", False),
        ("Q:<think>\n", "hm", "", False),
    ],
)
def test_the_answer_follows_the_thought(prompt: str, text: str, answer: str, is_finished: bool) -> None:
    cut = cutter().cut(request_of(prompt), text_completion(text))
    assert (cut.text, cut.finish_reason) == (answer, "eos" if is_finished else "thinking")
    assert cut.token_count == 10
    assert cut.thinking_token_count == {"42": 0}.get(text, cut.thinking_token_count)
    if not is_finished:
        assert cut.thinking_token_count == 10


def test_a_number_of_the_server_counts_more_than_the_share_of_the_text() -> None:
    text = "<think>" + "x" * 15 + "</think>" + "y" * 30
    assert cutter().cut(request_of(), text_completion(text)).thinking_token_count == 5
    reported = text_completion(text, thinking_token_count=7)
    assert cutter().cut(request_of(), reported).thinking_token_count == 7


@pytest.mark.parametrize("special", [False, True])
@given(thought=st.text("abc de\n", max_size=20), answer=st.text("xyz ü\n", max_size=20), opened=st.booleans())
def test_tokens_up_to_the_end_mark_are_the_thought(special: bool, thought: str, answer: str, opened: bool) -> None:
    """Also if the marks are special tokens, which the text of a completion does not have."""
    tokenizer = reasoning_tokenizer(special=special)
    start = "" if opened else "<think>"
    ids = tokenizer(f"{start}{thought}</think>", add_special_tokens=False)["input_ids"]
    after = [*tokenizer(answer, add_special_tokens=False)["input_ids"], 2]
    completion = Completion(
        text=str(tokenizer.decode([*ids, *after], skip_special_tokens=True)),
        token_ids=(*ids, *after),
        finish_reason="eos",
    )
    request = request_of("Q:<think>\n" if opened else "Q:")
    cut = cutter(tokenizer).cut(request, completion)
    assert (cut.text, cut.finish_reason, cut.thinking_token_count) == (answer, "eos", len(ids))
    assert cut.token_ids == completion.token_ids
    unfinished = Completion(text=start + thought, token_ids=tuple(ids[:-1]), finish_reason="length")
    if opened or not special or len(ids) > 1:
        cut = cutter(tokenizer).cut(request, unfinished)
        assert (cut.text, cut.finish_reason, cut.thinking_token_count) == ("", "thinking", len(ids) - 1)


def test_an_answer_behind_special_marks_is_cut_before_a_stop_string() -> None:
    tokenizer = reasoning_tokenizer(special=True)
    ids = tokenizer("<think>a; b</think>yes; no", add_special_tokens=False)["input_ids"]
    completion = Completion(text="a", token_ids=tuple(ids), finish_reason="stop")
    assert cutter(tokenizer).cut(request_of(stop=(";",)), completion).text == "yes"


@pytest.mark.parametrize(
    ("template", "start"),
    [
        (TEMPLATE, "<think>"),
        ("{{ '[THINK]' }}{{ '[/THINK]' }}", "[THINK]"),
        ("<|channel|>analysis<|message|> <|channel|>final<|message|>", "<|channel|>analysis<|message|>"),
        ("{{ messages }}", None),
        (None, None),
    ],
)
def test_marks_of_known_families_are_those_of_the_chat_template(template: str | None, start: str | None) -> None:
    tokenizer = reasoning_tokenizer(special=False, template=template)
    chosen = thinking_cutter(None, tokenizer, None, has_messages=True)
    assert (None if chosen is None else chosen.marks.start) == start
    assert thinking_cutter(None, tokenizer, None, has_messages=False) is None
    assert thinking_cutter(False, tokenizer, None, has_messages=True) is None
    assert thinking_cutter(None, None, None, has_messages=True) is None


@pytest.mark.parametrize(
    "given", ["<think>", True, {"start": "<think>"}, {"start": "x", "end": "x"}, {"start": 1, "end": 2}, {}]
)
def test_wrong_marks_are_refused_in_one_line(given: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"`thinking` must be two marks, as in .*, or false for none, got "
    ) as refusal:
        check_thinking(given)
    assert "\n" not in str(refusal.value)


def make_tuner(**changes: Any) -> Tuner:
    arguments: dict[str, Any] = {
        "model": tiny_model(vocab_size=420),
        "tokenizer": reasoning_tokenizer(special=False),
        "dataset": [{"question": f"How many apples are {number}?", "answer": "e"} for number in range(12)],
        "scorer": "contains",
        "messages": [{"role": "user", "content": "{question}"}],
        "column_mapping": {"input_cols": ["question"], "eval_cols": ["answer"]},
        "holdout_size": 4,
    }
    return Tuner(**{**arguments, **changes})


def test_a_search_scores_answers_and_counts_thoughts(tmp_path: Path) -> None:
    """A random model ends some of its thoughts."""
    tuner = make_tuner()
    path = tmp_path / "x.db"
    study = tuner.search(
        {"temperature": 1.5, "generation_seed": {"choices": [0, 1]}, "max_new_tokens": 200},
        n_trials=4,
        storage=path,
        baselines=False,
        pruner="none",
        show_progress=False,
    )
    assert tuner.tokenizer is not None
    end = tuner.tokenizer("</think>", add_special_tokens=False)["input_ids"][0]
    store = CompletionStore(open_storage(f"sqlite:///{path}"))
    reasons = set()
    for trial in study.trials:
        rows = store.load(study_key(study), trial.number)
        for row in rows:
            ids = list(row.token_ids)
            is_finished = end in ids
            assert row.finish_reason == "thinking" or is_finished
            assert row.thinking_token_count == (ids.index(end) + 1 if is_finished else len(ids))
            answer = str(tuner.tokenizer.decode(ids[row.thinking_token_count :], skip_special_tokens=True))
            assert row.text == answer.strip()
            reasons.add(row.finish_reason)
        assert trial.user_attrs[THINKING_TOKENS] == sum(row.thinking_token_count for row in rows)
        assert trial.user_attrs[THINKING_TOKENS] <= trial.user_attrs[TRIAL_TOKENS]
        assert trial.user_attrs[FINISH_REASONS].get("thinking", 0) == sum(
            row.finish_reason == "thinking" for row in rows
        )
    assert "thinking" in reasons
    assert len(reasons) > 1


def test_a_study_keeps_its_marks(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    space = {"temperature": 1.5, "max_new_tokens": 200}
    options: dict[str, Any] = {"storage": path, "baselines": False, "show_progress": False}
    make_tuner().search(space, n_trials=1, **options)
    with pytest.raises(FingerprintError, match="thinking"):
        make_tuner(thinking=False).search(space, n_trials=2, **options)


def test_a_search_in_which_no_thought_ends_says_why() -> None:
    message = (
        r"^none of \d+ completions has an answer, as .* ended every thought: raise max_new_tokens, or turn thinking"
    )
    with pytest.raises(ConfigurationError, match=message):
        make_tuner().search({"temperature": 1.5, "max_new_tokens": 2}, n_trials=2, show_progress=False)


def test_marks_that_no_completion_has_are_refused() -> None:
    tuner = make_tuner(thinking={"start": "<hm>", "end": "</hm>"}, chat_template_args={"enable_thinking": False})
    with pytest.raises(
        ConfigurationError, match=r"`thinking`: none of \d+ completions has a thought between '<hm>' and"
    ):
        tuner.search({"temperature": 1.0, "max_new_tokens": 8}, n_trials=4, show_progress=False)


def test_thoughts_in_the_texts_of_a_server_are_cut(server: FakeServer) -> None:
    server.alter = in_thought
    remote = OpenAIServer(base_url=server.base_url, model="tiny", probe=False)
    tuner = make_tuner(model=None, tokenizer=None, server=remote, thinking=MARKS)
    score = tuner.get_score({"temperature": 1.0, "max_new_tokens": 20})
    assert all("</think>" not in text and "hm" not in text for text in score.outputs)
    assert any(score.outputs)


def in_thought(request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(answer))
    message = changed["choices"][0]["message"]
    message["content"] = f"<think>hm</think>{message['content']}"
    return changed
