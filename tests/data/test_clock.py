import datetime as dt
import itertools
import logging
from pathlib import Path
from typing import Any

import pytest
from tiny_models import CHAT_TEMPLATE, tiny_tokenizer
from tiny_studies import ROWS, make_tuner, search
from transformers.utils import chat_template_utils

from llmsearch_optuna import Tuner
from llmsearch_optuna.data.loading import as_dataset
from llmsearch_optuna.data.prompts import PromptSource
from llmsearch_optuna.data.rendering import render_dataset
from llmsearch_optuna.errors import FingerprintError
from llmsearch_optuna.study.attributes import RENDERED_AT

FORMATS = "%d %b %Y %A %H:%M:%S %-d %B %y 100%% %j %I%p %F %T"
DATED = (
    "\n{% if strftime_now is defined %}{% set today = strftime_now('" + FORMATS + "') %}Today: {{ today }}{% endif %}"
)
MESSAGES = [{"role": "user", "content": "{question}"}]


class Clock(dt.datetime):
    """The clock that transformers reads."""

    moment = dt.datetime(2025, 3, 4, 5, 6, 7)  # noqa: DTZ001

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        return cls.moment


def dated_tokenizer(template: str = DATED + CHAT_TEMPLATE) -> Any:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    return tokenizer


@pytest.mark.parametrize("start", ["", "\n", "{%- set x = 1 -%}\n ", " "])
def test_the_time_is_written_as_transformers_writes_it(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = dated_tokenizer(start + DATED + "{% macro day() %}{{ strftime_now('%d') }}{% endmacro %}{{ day() }}")
    monkeypatch.setattr(chat_template_utils, "datetime", Clock)
    chat = [{"role": "user", "content": "x"}]
    expected = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert "04 Mar 2025 Tuesday 05:06:07 4 March 25 100% 063 05AM 2025-03-04 05:06:07" in expected
    source = PromptSource(
        input_cols=("q",), eval_cols=(), messages=({"role": "user", "content": "{q}"},), rendered_at=Clock.moment
    )
    assert source.prompt({"q": "x"}, tokenizer) == expected


def tuner_on(day: int, **changes: Any) -> Tuner:
    tuner = make_tuner(
        **{"tokenizer": dated_tokenizer(), "prompt_template": None, "messages": MESSAGES, "holdout_size": 4, **changes}
    )
    tuner._keep_time(lambda: dt.datetime(2025, 3, day))  # noqa: DTZ001
    return tuner


@pytest.mark.full
def test_a_study_keeps_the_date_of_its_first_day(tmp_path: Path) -> None:
    study = search(tuner_on(1), tmp_path / "x.db", 3)
    assert study.user_attrs[RENDERED_AT] == "2025-03-01T00:00:00"
    tomorrow = tuner_on(2, holdout_stratify_col="question")
    assert "02 Mar 2025" in tomorrow.dataset["_X"][0]
    tomorrow = tuner_on(2)
    assert len(search(tomorrow, tmp_path / "x.db", 5).trials) == 5
    assert all("01 Mar 2025" in prompt for prompt in tomorrow.dataset["_X"])
    assert all("01 Mar 2025" in sample.prompt for sample in tomorrow.task.samples)
    later = tuner_on(9)
    later.confirm(study, storage=f"sqlite:///{tmp_path}/x.db", seeds=1, show_progress=False)
    assert "01 Mar 2025" in later.task.holdout[0].prompt
    # A study of version 0.1.0 stores no time: that of its first trial is taken.
    trial = study.get_trials()[0]
    study.set_user_attr(RENDERED_AT, None)
    assert trial.datetime_start is not None
    with pytest.raises(FingerprintError, match="prompts contain the time"):
        search(tuner_on(9), tmp_path / "x.db", 6)


def test_an_undated_study_stores_no_time(tmp_path: Path) -> None:
    study = search(make_tuner(prompt_template=None, messages=MESSAGES), tmp_path / "x.db", 1, baselines=False)
    assert RENDERED_AT not in study.user_attrs


def test_only_other_prompts_are_explained(tmp_path: Path) -> None:
    search(make_tuner(), tmp_path / "x.db", 1, baselines=False)
    with pytest.raises(FingerprintError) as other:
        search(make_tuner(prompt_template="{question} "), tmp_path / "x.db", 1, baselines=False)
    assert "all but the prompts is the same: if neither template nor tokenizer has changed" in str(other.value)
    with pytest.raises(FingerprintError) as more:
        search(make_tuner(prompt_template="{question} ", seed=7), tmp_path / "x.db", 1, baselines=False)
    assert "all but the prompts" not in str(more.value)


def test_prompts_that_change_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    numbers = itertools.count()
    source = PromptSource(
        input_cols=("question",),
        eval_cols=(),
        sample_preprocessor=lambda tokenizer, question: f"{question} {next(numbers)}",
    )
    with caplog.at_level(logging.WARNING):
        rendered = render_dataset(as_dataset(ROWS), source, None)
    assert [prompt.split()[-1] for prompt in rendered["_X"]] == list(map(str, range(16)))
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("row 0 gives another prompt each time it is rendered")
