"""How the questions to a judge that is the study's own model are rendered, and what their judgements are kept by."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from tiny_models import CHAT_TEMPLATE, tiny_tokenizer
from tiny_studies import make_tuner, search

from llmsearch_optuna import Tuner
from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics import make_metric
from llmsearch_optuna.study.attributes import RENDERED_AT

RUBRIC = "Is it long?"

# A string is read as a list of letters, of which none is a text.
PARTS = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant: {% endif %}"
)
QUIET = CHAT_TEMPLATE + "{% if loud is defined and not loud %}(quiet){% endif %}"
DATED = "{% if strftime_now is defined %}Today: {{ strftime_now('%d %b %Y') }}\n{% endif %}" + CHAT_TEMPLATE
CHAT: dict[str, Any] = {"prompt_template": None, "messages": [{"role": "user", "content": "{question}"}]}


def judged(template: str, asked: list[str] | None = None, **changes: Any) -> Tuner:
    """A tuner whose completions depend on the temperature, and whose own model judges them; it notes the questions."""

    def complete(prompts: list[str], parameters: dict[str, Any]) -> list[str]:
        if asked is not None:
            asked.extend(prompt for prompt in prompts if RUBRIC in prompt)
        text = f"so {parameters.get('temperature', 0.0)}"
        return ["Score: 3" if RUBRIC in prompt else text for prompt in prompts]

    tokenizer: Any = tiny_tokenizer()
    tokenizer.chat_template = template
    return make_tuner(
        model=None,
        tokenizer=tokenizer,
        custom_pred_function=complete,
        scorer=make_metric("judge", rubric=RUBRIC, engine="study"),
        **changes,
    )


def judged_on(day: int, asked: list[str] | None = None, **changes: Any) -> Tuner:
    """A tuner whose template writes the date, made on a day of March 2025."""
    tuner = judged(DATED, asked, **changes)
    tuner._keep_time(lambda: dt.datetime(2025, 3, day))  # noqa: DTZ001
    return tuner


def identity(tuner: Tuner) -> str:
    metric: Any = tuner.metric
    return str(metric.judge.identity)


def test_a_template_that_reads_parts_gets_the_question() -> None:
    asked: list[str] = []
    score = judged(PARTS, asked).get_score({"temperature": 0.5})
    assert score.value == 3.0
    assert len(asked) == 16
    assert all(prompt.startswith("<|im_start|>user: ") for prompt in asked)
    assert all(prompt.endswith("<|im_end|><|im_start|>assistant: ") for prompt in asked)


def test_arguments_of_the_chat_template_reach_the_judge() -> None:
    asked: list[str] = []
    judged(QUIET, asked, chat_template_args={"loud": False}, **CHAT).get_score({"temperature": 0.5})
    assert len(asked) == 16
    assert all(prompt.endswith("<|im_start|>assistant\n(quiet)") for prompt in asked)


@pytest.mark.parametrize("prompts", [{}, CHAT])
def test_a_search_that_is_resumed_asks_with_the_date_of_its_first_day(prompts: dict[str, Any], tmp_path: Path) -> None:
    asked: list[str] = []
    arguments: dict[str, Any] = {"baselines": False, "stop_early": False}
    study = search(judged_on(1, asked, **prompts), tmp_path / "x.db", 1, **arguments)
    assert study.user_attrs[RENDERED_AT] == "2025-03-01T00:00:00"
    first = len(asked)
    search(judged_on(2, asked, **prompts), tmp_path / "x.db", 3, **arguments)
    assert 0 < first < len(asked)
    assert all("Today: 01 Mar 2025\n" in prompt for prompt in asked)


def test_judgements_are_kept_by_how_a_question_is_rendered() -> None:
    """But for plain templates, whose judgements keep the keys that they had."""
    plain = judged(CHAT_TEMPLATE)
    assert identity(plain) == plain._backend.identity == identity(judged(QUIET, **CHAT))
    quiet = identity(judged(QUIET, chat_template_args={"loud": False}, **CHAT))
    days = [identity(judged_on(day)) for day in (1, 1, 2)]
    assert days[0] == days[1]
    assert len({identity(plain), identity(judged(PARTS)), quiet, *days}) == 5


def test_a_template_without_the_question_is_refused() -> None:
    with pytest.raises(
        MetricError,
        match=r"^metric `judge`: the chat template of the study's model renders no question: TaskError: the chat "
        r"template leaves out the content of the last message",
    ):
        judged("{% for message in messages %}{{ message['content']['value'] }}{% endfor %}")
