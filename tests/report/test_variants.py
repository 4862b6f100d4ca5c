"""The score against tokens or cost, by variant of the prompts or requests."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from tiny_models import tiny_model, tiny_tokenizer
from tiny_studies import make_tuner, scorer, search

from llmsearch_optuna import Tuner
from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.report import plot_variants, read_study, render_report
from llmsearch_optuna.report.outcomes import quality_by_expense
from llmsearch_optuna.report.variants import variants

TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}{{ mood|default('') }}{{ depth|default('') }}"
SPACE = {
    "temperature": {"low": 0.3, "high": 2.0},
    "max_new_tokens": 4,
    "template": {"mood": {"choices": ["calm", "<b>"]}, "depth": {"low": 0.0, "high": 1.0}},
}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[optuna.Study, str]:
    path = str(tmp_path_factory.mktemp("variants") / "x.db")
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    arguments: dict[str, Any] = {
        "model": tiny_model(),
        "tokenizer": tokenizer,
        "dataset": [{"question": f"How many apples are {number}?", "answer": "x"} for number in range(6)],
        "scorer": scorer,
        "messages": [{"role": "user", "content": "{question}"}],
        "column_mapping": {"input_cols": ["question"], "eval_cols": ["answer"]},
        "stop": ["e", "a"],
    }
    tuner = Tuner(**arguments)
    study = tuner.search(SPACE, n_trials=14, storage=path, rungs=3, pruner="none", show_progress=False)
    return study, path


def test_trials_are_grouped_by_the_settings_with_few_values(searched: tuple[optuna.Study, str]) -> None:
    study, path = searched
    record = read_study(study, path)
    groups = variants(record)
    assert list(groups) == ["mood=<b>", "mood=calm", "mood=unset"]
    assert sum(map(len, groups.values())) == len(record.complete) == 14
    for name, qualities in groups.items():
        for quality in qualities:
            assert quality.trial.params is not None
            settings = dict(quality.trial.params.settings)
            assert settings.get("template.mood", "unset") == name.removeprefix("mood=")
    assert sorted(
        quality.trial.number for qualities in groups.values() for quality in qualities if quality.is_efficient
    ) == sorted(quality.trial.number for quality in quality_by_expense(record) if quality.is_efficient)


def test_the_figure_has_a_colour_for_each_and_the_front(searched: tuple[optuna.Study, str]) -> None:
    study, path = searched
    figure = plot_variants(study, path)
    front, *groups = figure.data
    assert (front.name, [group.name for group in groups]) == (
        "Pareto front",
        ["mood=&lt;b&gt;", "mood=calm", "mood=unset"],
    )
    assert len({group.marker.color for group in groups}) == 3
    assert list(front.x) == sorted(front.x)
    assert list(front.y) == sorted(front.y)
    assert figure.layout.xaxis.title.text == "tokens per sample"
    assert {(x, y) for x, y in zip(front.x, front.y, strict=True)} <= {
        point for group in groups for point in zip(group.x, group.y, strict=True)
    }
    assert "Score against tokens by variant" in render_report(study, path)


def test_without_variants_there_is_no_figure(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    study = search(make_tuner(), path, 3)
    assert variants(read_study(study, str(path))) == {}
    with pytest.raises(StorageError, match="has no fully evaluated trials of several variants"):
        plot_variants(study, str(path))
    assert "by variant" not in render_report(study, str(path))
