"""Landscapes: recorded on a tiny model, saved and read back."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from laws import scaled
from study_files import write_model_and_rows

from llmsearch_optuna import Categorical, Float, SearchSpace
from llmsearch_optuna.errors import LlmsearchError, StorageError
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.study_file.launch import build_tuner
from studies.benchmarks.landscape import Configuration, Landscape
from studies.benchmarks.record_landscape import main

pytestmark = pytest.mark.full

STUDY = """
[study]
rungs = 4
presets = ["arena"]

[model]
name = "model"

[data]
path = "rows.jsonl"
input_cols = ["question"]
eval_cols = ["answer"]
prompt_template = "{question}"
search_size = 8

[metric]
name = "METRIC"

[space]
do_sample = { choices = [true, false] }
temperature = { low = 0.5, high = 9.0, when = { do_sample = true } }
repetition_penalty = { low = 1.0, high = 1.5 }
max_new_tokens = 4
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study file with its model and data."""
    path = tmp_path_factory.mktemp("landscape")
    rows = [{"question": f"Is {i} even?", "answer": "the lazy fox has apples"} for i in range(10)]
    write_model_and_rows(path, rows)
    (path / "mini.toml").write_text(STUDY.replace("METRIC", "scored_texts:share_of_letters"))
    (path / "corpus.toml").write_text(STUDY.replace("METRIC", "chrf"))
    (path / "one.toml").write_text(STUDY.replace("METRIC", "scored_texts:share_of_all_letters"))
    return path


@pytest.fixture(scope="module")
def recorded(directory: Path) -> Landscape:
    main([str(directory / "mini.toml"), "--configs", "11", "--quiet"])
    return Landscape.load(directory / "mini.parquet")


def test_every_configuration_scores_what_the_tuner_scores_it(directory: Path, recorded: Landscape) -> None:
    tuner = build_tuner(StudyFile.load(directory / "mini.toml"))
    assert recorded.scores.shape == recorded.tokens.shape == (11, 8)
    assert recorded.rows.tolist() == [sample.row for sample in tuner.task.search]
    assert len({row.tobytes() for row in recorded.scores}) > 3  # which could not be told apart otherwise
    for configuration, scores, tokens in zip(recorded.configurations, recorded.scores, recorded.tokens, strict=True):
        outputs = tuner.get_score(configuration.params).outputs
        references = [row["_y"] for row in tuner.dataset]
        expected = tuner.metric(references, outputs).per_sample
        assert expected is not None
        assert scores.tolist() == [expected[row] for row in recorded.rows]
        assert set(tokens.tolist()) <= {1, 2, 3, 4}


def test_the_baselines_come_first_and_the_rest_fills_the_space(recorded: Landscape) -> None:
    baselines = [configuration.baseline for configuration in recorded.configurations]
    assert baselines == ["model default", "greedy", *[None] * 9]
    drawn = recorded.configurations[2:]
    assert all(not configuration.chosen for configuration in recorded.configurations[:2])
    assert {configuration.chosen["do_sample"] for configuration in drawn} == {True, False}
    assert all(("temperature" in configuration.chosen) == configuration.chosen["do_sample"] for configuration in drawn)
    penalties = sorted(configuration.chosen["repetition_penalty"] for configuration in drawn[1:])
    # After a first random point, a scrambled Sobol' sequence puts one of eight points into every eighth.
    assert [int((penalty - 1.0) / 0.5 * 8) for penalty in penalties] == list(range(8))
    assert {"model", "metric", "prompts", "version of transformers"} <= set(recorded.about)
    assert recorded.space == StudyFile.parse(STUDY, name="mini", directory=Path()).space


def test_a_recording_goes_on_where_it_ended(directory: Path, recorded: Landscape) -> None:
    path = directory / "parts.parquet"
    for configs in ("5", "11"):
        main([str(directory / "mini.toml"), "--configs", configs, "-o", str(path), "--quiet"])
    assert_equal(Landscape.load(path), recorded)


def test_another_seed_records_other_configurations(directory: Path, recorded: Landscape) -> None:
    path = directory / "seed.parquet"
    main([str(directory / "mini.toml"), "--configs", "4", "-o", str(path), "--quiet", "--seed", "7"])
    other = Landscape.load(path)
    assert other.rows.tolist() != recorded.rows.tolist()
    assert other.configurations[3].chosen != recorded.configurations[3].chosen


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mini.toml", "--configs", "0"], "`--configs` must be >= 1, got 0"),
        (["mini.toml", "--configs", "2", "-o", "mini.db"], "`--output` must be a .parquet file, got mini.db"),
        (["corpus.toml", "--configs", "1"], "metric `chrf` does not score single samples"),
        (["one.toml", "--configs", "1", "--quiet"], "study `one` has no scores of single samples"),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    arguments: list[str],
    message: str,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(directory)
    with pytest.raises(LlmsearchError, match=re.escape(message)):
        main(arguments)
    assert not (directory / "corpus.parquet.db").exists()  # nothing was evaluated


def assert_equal(landscape: Landscape, other: Landscape) -> None:
    for name in ("scores", "tokens", "rows"):
        assert getattr(landscape, name).dtype == getattr(other, name).dtype
        np.testing.assert_array_equal(getattr(landscape, name), getattr(other, name))
    for name in ("space", "greater_is_better", "configurations", "about"):
        assert getattr(landscape, name) == getattr(other, name)


names = st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=scaled(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), greater_is_better=st.booleans())
def test_saved_landscapes_are_read_back(data: st.DataObject, greater_is_better: bool, tmp_path: Path) -> None:
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 6)))
    values = st.dictionaries(names, st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | names)
    landscape = Landscape(
        space=SearchSpace(
            do_sample=Categorical([True, False]),
            temperature=Float(0.1, 1.5, log=True, when={"do_sample": (True,)}),
            max_new_tokens=8,
        ),
        greater_is_better=greater_is_better,
        configurations=tuple(
            Configuration(number, data.draw(st.none() | names), data.draw(values), data.draw(values))
            for number in range(shape[0])
        ),
        rows=data.draw(arrays.arrays(np.int64, shape[1], elements=st.integers(0, 10**9))),
        scores=data.draw(arrays.arrays(np.float64, shape, elements=st.floats(allow_nan=False, allow_infinity=False))),
        tokens=data.draw(arrays.arrays(np.int64, shape, elements=st.integers(0, 10**6))),
        about=data.draw(st.dictionaries(names, names)),
    )
    landscape.save(tmp_path / "folder" / "one.parquet")
    assert_equal(Landscape.load(tmp_path / "folder" / "one.parquet"), landscape)


def test_other_files_are_no_landscapes(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("no Parquet")
    foreign = pa.table({"trial": [1]}).replace_schema_metadata({b"\xff": b"\xfe"})
    pq.write_table(foreign, tmp_path / "table.parquet")
    with pytest.raises(StorageError, match=r"text\.parquet cannot be read: "):
        Landscape.load(tmp_path / "text.parquet")
    with pytest.raises(StorageError, match=r"missing\.parquet cannot be read: "):
        Landscape.load(tmp_path / "missing.parquet")
    with pytest.raises(StorageError, match=r"table\.parquet is not a landscape that this version"):
        Landscape.load(tmp_path / "table.parquet")


def test_a_landscape_that_cannot_be_written_is_told(recorded: Landscape, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"x\.parquet cannot be written: "):
        recorded.save(tmp_path / "file" / "x.parquet")
