"""Changes of single keys of a study file: every value, comments that stay, and one line for what is wrong."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_files import QUESTIONS, STUDY, write_model_and_rows

from llmsearch_optuna.cli import main
from llmsearch_optuna.errors import StudyFileError
from llmsearch_optuna.study.attributes import STUDY_FILE
from llmsearch_optuna.study.study import open_study
from llmsearch_optuna.study_file.changes import changed_text

TEXT = """
[study]  # the search
n_trials = 40

[model]
name = "demo"  # or another

[space]
temperature = { low = 0.1, high = 1.2 }
top_p = 0.9
"""


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        ("study.n_trials=7", ("study", "n_trials"), 7),
        ("space.temperature.high=1.5", ("space", "temperature", "high"), 1.5),
        ("space.temperature = { choices = [0.5, 1.0] }", ("space", "temperature"), {"choices": [0.5, 1.0]}),
        ("model.name=org/model", ("model", "name"), "org/model"),
        ('model.name="demo=x"', ("model", "name"), "demo=x"),
        ("study.stop_early=false", ("study", "stop_early"), False),
        ("space.template.enable_thinking=true", ("space", "template", "enable_thinking"), True),
        ("generation.stop=['a']", ("generation", "stop"), ["a"]),
    ],
)
def test_a_key_has_another_value_and_all_others_stay(change: str, path: tuple[str, ...], value: object) -> None:
    changed = changed_text(TEXT, [change])
    assert "# the search" in changed
    table: Any = tomllib.loads(changed)
    expected: Any = tomllib.loads(TEXT)
    place = expected
    for name in path[:-1]:
        place = place.setdefault(name, {})
    place[path[-1]] = value
    assert table == expected


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_any_value_is_toml_or_a_string(value: str) -> None:
    name = tomllib.loads(changed_text(TEXT, [f"model.name={value}"]))["model"]["name"]
    assert name == value.strip() or not isinstance(name, str) or value.strip()[0] in "\"'"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "n_trials=7",
            "`--set` needs a section, a key and a value, as in space.temperature.high=1.5, got 'n_trials=7'",
        ),
        ("study.n_trials", "`--set` needs a section, a key and a value"),
        ("study.=7", "`--set` needs a section, a key and a value"),
        ("space.top_p.high=1", "`--set space.top_p.high=1`: `space.top_p` is 0.9 in the study file, and no table: set"),
    ],
)
def test_what_is_wrong_is_one_line(change: str, message: str) -> None:
    with pytest.raises(StudyFileError) as error:
        changed_text(TEXT, [change])
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_search_has_them_and_its_study_stores_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model_and_rows(tmp_path, QUESTIONS)
    path = tmp_path / "x.toml"
    path.write_text(STUDY.format(trials=9), encoding="utf-8")
    assert main(["run", str(path), "--set", "study.n_trials=3", "--set", "space.top_p=0.8", "--quiet"]) == 0
    study, _ = open_study(f"sqlite:///{tmp_path}/x.db")
    assert len(study.trials) == 3
    stored = tomllib.loads(study.user_attrs[STUDY_FILE]["text"])
    assert (stored["study"]["n_trials"], stored["space"]["top_p"]) == (3, 0.8)
    capsys.readouterr()
    assert main(["run", str(path), "--quiet"]) == 1
    assert "another search space" in capsys.readouterr().err
    assert main(["doctor", str(path), "--set", "study.n_trial=3"]) == 1
    assert "did you mean" in capsys.readouterr().err
