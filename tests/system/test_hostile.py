"""Texts of others are data: what is stored comes back as it was, and nothing that is shown is obeyed."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hostile_texts import (
    COLUMN,
    EVIL,
    EVIL_FILE,
    HOSTILE,
    MEGABYTE,
    UTF8,
    Searched,
    assert_harmless,
    complete,
    completion_of,
    make_tuner,
    score,
    search,
)
from hypothesis import given
from hypothesis import strategies as st
from scored_texts import built_in
from tiny_models import tiny_tokenizer

from llmsearch_optuna import Tuner
from llmsearch_optuna.cli import main
from llmsearch_optuna.data.loading import load_data
from llmsearch_optuna.errors import ConfigurationError, LlmsearchError, StorageError, TaskError, TrialError
from llmsearch_optuna.identity import without_hashes
from llmsearch_optuna.logs import study_log
from llmsearch_optuna.metrics import BUILT_IN_METRICS, make_metric
from llmsearch_optuna.storage import CompletionStore, StoredCompletion, StoredSample, open_storage
from llmsearch_optuna.study.attributes import ERROR
from llmsearch_optuna.study.fingerprint import study_fingerprint
from llmsearch_optuna.study.study import create_study, open_study, study_key
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.terminal import printable

score.__qualname__ = EVIL


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """A study with a verdict, in a database with a name that is as bad."""
    database = tmp_path_factory.mktemp("hostile") / f"{EVIL_FILE}.db"
    tuner = make_tuner()
    study = search(tuner, database)
    tuner.confirm(study, seeds=2, show_progress=False)
    return Searched(database, study, tuner)


# What is stored.


def test_what_is_stored_comes_back_as_it_was(searched: Searched) -> None:
    samples = searched.store.load_samples(study_key(searched.study))
    assert [(sample.row, sample.prompt) for sample in samples] == [
        (sample.row, sample.prompt) for sample in searched.tuner.task.search
    ]
    for sample in samples:
        name = sample.prompt.partition("|")[0]
        assert sample.reference == {COLUMN: HOSTILE[name] if name in UTF8 else name}
    texts = set()
    for trial in searched.study.trials:
        stored = searched.store.load(study_key(searched.study), trial.number)
        assert [completion.text for completion in stored] == [
            completion_of(sample.prompt) for sample in samples[: len(stored)]
        ]
        texts |= {completion.text for completion in stored}
    assert len(texts) > 0.6 * len(HOSTILE)  # the rest is held out
    with sqlite3.connect(searched.database) as connection:
        held_out = {json.loads(text) for (text,) in connection.execute("select text from llmsearch_held_out")}
    assert texts | held_out == set(HOSTILE.values())
    assert searched.study.study_name == EVIL
    assert searched.database.is_file()


@pytest.mark.full
def test_a_study_that_is_interrupted_ends_the_same(searched: Searched, tmp_path: Path) -> None:
    def contents(database: Path) -> list[list[list[str]]]:
        with sqlite3.connect(database) as connection:
            tables = ("trial_params", "trial_values", "trial_intermediate_values", "llmsearch_completions")
            all_rows = []
            for table in tables:
                cursor = connection.execute(f"select * from {table}")
                left_out = {"study_key", f"{table.removesuffix('s')}_id"}
                kept = [i for i, (name, *_) in enumerate(cursor.description) if name not in left_out]
                all_rows.append(sorted([str(row[i]) for i in kept] for row in cursor))
            return all_rows

    calls = 0

    def interrupted(prompts: Sequence[str], params: Any) -> list[str]:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            raise KeyboardInterrupt
        return complete(prompts, params)

    tuner = make_tuner(interrupted)
    interruptions = 0
    while True:
        try:
            search(tuner, tmp_path / "x.db")
            break
        except KeyboardInterrupt:
            interruptions += 1
    assert interruptions > 2
    assert contents(tmp_path / "x.db") == contents(searched.database)


@given(texts=st.lists(st.text(st.characters(codec=None, exclude_categories=())), min_size=1, max_size=4))
def test_any_text_is_stored_as_it_is(texts: list[str], any_store: CompletionStore) -> None:
    key = os.urandom(16).hex()
    samples = [
        StoredSample(position=position, row=position, prompt=text, reference={text: [text, None]})
        for position, text in enumerate(texts)
    ]
    completions = [
        StoredCompletion(position=position, row=0, text=text, token_ids=(), finish_reason="stop", score=None)
        for position, text in enumerate(texts)
    ]
    any_store.save_samples(key, samples)
    any_store.append(key, 0, completions)
    assert any_store.load_samples(key) == samples
    assert any_store.load(key, 0) == completions


@pytest.fixture(scope="module")
def any_store() -> CompletionStore:
    return CompletionStore(open_storage(None))


@pytest.mark.full
def test_studies_of_any_name_are_found_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    storage = open_storage(url)
    made = {}
    for text in UTF8.values():
        name = text[:500]  # Optuna's column is this short
        made[name] = study_key(create_study(name, storage, greater_is_better=True, fingerprint={text: text}))
    for text in UTF8.values():
        study, _ = open_study(url, text[:500])
        assert study_key(study) == made[text[:500]]
        assert study_fingerprint(study)[text] == text
    assert len(set(made.values())) == len(UTF8)
    with pytest.raises(ConfigurationError, match=r"^study_name must be UTF-8, got 'lone \\ud800 and \\udfff'$"):
        create_study(HOSTILE["surrogate"], storage, greater_is_better=True, fingerprint={})
    with pytest.raises(StorageError, match="holds several studies") as caught:
        open_study(url)
    assert_harmless(str(caught.value))


# What is shown.


@pytest.fixture
def shown(searched: Searched, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command prints."""

    def run(command: str, *options: str, status: int = 0) -> str:
        assert main([command, str(searched.database), *options]) == status
        captured = capsys.readouterr()
        assert (captured.err == "") is (status == 0)
        assert_harmless(captured.out + captured.err)
        return captured.out + captured.err

    return run


def test_show(searched: Searched, shown: Callable[..., str]) -> None:
    output = shown("show")
    assert len(output) < 200_000
    assert "... (1,098,000 more characters)\n" in output
    assert output.endswith("\nlong texts are shortened: --full prints them in full\n")
    stored = searched.store.load(study_key(searched.study), searched.study.best_trial.number)
    for completion in stored:
        text = printable(completion.text[:2000], newlines=True).replace("\n", "\n    ")
        assert f"\ncompletion: {text}" in output
    assert sum(line.startswith("completion: ") for line in output.splitlines()) == len(stored)
    assert not [line for line in output.splitlines() if line.startswith(("trial 99", "verdict"))]  # none is forged


def test_show_in_full(shown: Callable[..., str]) -> None:
    output = shown("show", "--full")
    assert f"\ncompletion: {MEGABYTE}\n" in output
    assert "--full" not in output


def test_best(searched: Searched, shown: Callable[..., str]) -> None:
    output = "".join(shown("best").split())
    name = without_hashes(searched.tuner.metric.name)
    assert "".join(printable(f"({name})").split()) in output.replace("│", "")
    assert "verdict:" in output


@pytest.mark.parametrize("command", ["best", "confirm"])
def test_json(command: str, searched: Searched, shown: Callable[..., str]) -> None:
    output = shown(command, "--json", *(["--seeds", "2"] if command == "confirm" else []))
    document = json.loads(output)
    assert output.isascii()
    assert (document["verdict"] if command == "best" else document)["metric"] == searched.tuner.metric.name


def test_the_log_of_a_study_of_this_name(searched: Searched, shown: Callable[..., str]) -> None:
    assert "stores no study file" in shown("confirm", "--seeds", "3", status=1)
    lines = searched.database.with_suffix(".log").read_text(encoding="utf-8").splitlines()
    assert lines[3].endswith(printable(f": study: {EVIL} in {searched.database}"))
    assert [line for line in lines if ": ends: StorageError: study `" in line]
    assert_harmless("\n".join(lines))


@pytest.mark.parametrize("options", [["--study", EVIL + "x"], ["--study", "\udcff"], ["--trial", "99"]])
def test_errors_are_one_line(options: list[str], shown: Callable[..., str]) -> None:
    assert shown("show", *options, status=1).count("\n") == 1


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_written_on_the_command_line_is_shown(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["show", "x", text[:5000]], [text[:5000]], ["show", "x", "--trial", text[:5000]]):
        with pytest.raises(SystemExit):
            main(arguments)
        captured = capsys.readouterr()
        assert_harmless(captured.out + captured.err)
    assert main(["best", f"nowhere/{text[:100]}"]) == 1
    error = capsys.readouterr().err
    assert_harmless(error)
    assert error.count("\n") == 1


@pytest.mark.full
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_any_encoding_of_the_terminal_will_do(encoding: str, searched: Searched) -> None:
    program = "import sys, llmsearch_optuna.cli as c\n"
    program += "sys.exit(c.main(['best', sys.argv[1]]) or c.main(['show', sys.argv[1]]))"
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "OMP_NUM_THREADS": "1"}
    output = subprocess.run(
        [sys.executable, "-c", program, str(searched.database)], capture_output=True, env=environment, check=True
    ).stdout.decode(encoding)
    assert_harmless(output)
    stored = searched.store.load(study_key(searched.study), searched.study.best_trial.number)
    shown = [printable(completion.text[:2000], newlines=True).replace("\n", "\n    ") for completion in stored]
    assert not all(map(str.isascii, shown))
    for text in shown:
        assert text.encode(encoding, "backslashreplace").decode(encoding) in output


# Scorers, and what they raise.


@pytest.mark.full
def test_what_scorers_raise_is_shown_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    texts = iter(HOSTILE.values())
    current, scores = "", list[float]()

    def fail(references: list[dict[str, Any]], predictions: list[str]) -> list[float]:
        nonlocal current
        if scores:
            return [scores.pop()] * len(predictions)
        if len(predictions) > 1:  # a scorer that fails is asked again, sample by sample
            current = next(texts)
        raise ValueError(current)

    tuner = make_tuner(scorer=make_metric(fail, retries=0), holdout=0)
    with pytest.raises(TrialError, match=r"^all 5 trials failed") as caught:
        search(tuner, tmp_path / "failed.db", n_trials=len(HOSTILE), concurrency=1)
    assert_harmless(str(caught.value))
    texts = iter(HOSTILE.values())
    scores.append(0.5)  # unless a trial is scored, a search ends after five that failed
    log = tmp_path / "x.log"
    with study_log(log):
        study = search(tuner, tmp_path / "x.db", n_trials=1 + len(HOSTILE), rungs=60, concurrency=1, show_progress=True)
    errors = [trial.user_attrs[ERROR] for trial in study.trials[1:]]
    assert len(errors) == len(HOSTILE)
    for error in errors:
        assert "raised ValueError: " in error
        assert len(error) < 400
        assert_harmless(error)
        assert "\n" not in error
    console = capsys.readouterr().err
    assert_harmless(console)
    assert console.count("failed: ") == len(HOSTILE)
    logged = log.read_text(encoding="utf-8")
    assert_harmless(logged)
    assert "ValueError: before\\x00after\n" in logged
    lines = [line for line in logged.splitlines() if not line.startswith("    ")]
    assert all(re.match(r"2\d\d\d-\d\d-\d\dT\S+ (DEBUG|INFO|WARNING|ERROR) \[\d+\] \S+: ", line) for line in lines)
    assert sum(": failed: scorer" in line for line in lines) == len(HOSTILE)


@pytest.mark.parametrize("name", [name for name in BUILT_IN_METRICS if name != "judge"])  # see test_judge.py
def test_built_in_metrics_score_any_text(name: str) -> None:
    metric = built_in(name)
    texts = [text[:300] for text in HOSTILE.values()]
    forms = {"choice": "A", "json_schema": json.dumps(EVIL)}
    references: list[dict[str, object]] = [
        {"reference": ["1", re.sub("[,;]", " ", text)] if name == "distinct_items" else forms.get(name, text)}
        for text in texts
    ]
    try:
        result = metric(references, texts)
    except LlmsearchError as error:  # references that are no numbers
        assert name == "numeric"
        assert_harmless(str(error))
        references = [{"reference": "1"}] * len(texts)
        result = metric(references, texts)
    assert all(0.0 <= value <= 100.0 for value in (result.per_sample or [result.value]))


# Files of outputs and of data.


def write_lines(path: Path, lines: Sequence[object]) -> Path:
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def test_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [
        write_lines(
            tmp_path / f"{EVIL_FILE}{number}.jsonl",
            [
                {"id": f"{name}{text}", "prediction": text if number else "", "reference": {EVIL: text}}
                for name, text in HOSTILE.items()
            ],
        )
        for number in range(2)
    ]
    metrics = ["exact_match", f"column={EVIL}", "token_f1"]
    assert main(["compare", *map(str, files), "--metric", *metrics]) == 0
    output = capsys.readouterr().out
    assert_harmless(output)
    assert output.count("\nverdict: improved by") == 2
    assert main(["compare", *map(str, files), "--json", "--metric", *metrics]) == 0
    verdict = json.loads(capsys.readouterr().out.splitlines()[0])
    assert verdict["best"] == str(files[1])
    assert verdict["metric"] == f"exact_match(column={EVIL!r})"


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"id": ' + "9" * 5000 + "}",
        json.dumps({"id": EVIL + "\ud800\n"}),
        json.dumps({"id": [EVIL]}),
        json.dumps({"id": 1, "score": EVIL + "\ud800\n"}),
        json.dumps({"id": 1, "score": float("nan")}),
        EVIL,
    ],
)
def test_bad_lines_are_refused_in_one_line(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_lines(tmp_path / "good.jsonl", [{"id": 1, "score": 1}, {"id": 2, "score": 2}])
    bad = tmp_path / f"{EVIL_FILE}.jsonl"
    bad.write_text(line, encoding="utf-8")
    assert main(["compare", str(good), str(bad)]) == 1
    error = capsys.readouterr().err
    assert_harmless(error)
    assert error.count("\n") == 1


@pytest.mark.parametrize("text", UTF8.values(), ids=UTF8)
def test_data_are_read_as_they_are(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_lines(path, [{EVIL: text}])
    assert list(load_data(str(path))[EVIL]) == [text]
    quoted = text.replace('"', '""')
    (tmp_path / "x.csv").write_bytes(f'"{EVIL}"\n"{quoted}"\n'.encode())
    if "\0" not in text or sys.version_info >= (3, 12):
        assert list(load_data(str(tmp_path / "x.csv"))[EVIL]) == [text]


@pytest.mark.parametrize("lines", ["[" * 100_000, '{"q": "\\ud800"}', '{"q": ' + "{" * 5000, EVIL])
def test_data_that_are_no_text_are_refused_in_one_line(lines: str, tmp_path: Path) -> None:
    for name in ("x.json", "x.jsonl"):
        (tmp_path / name).write_text(lines)
        with pytest.raises(TaskError) as caught:
            load_data(str(tmp_path / name))
        assert_harmless(str(caught.value))


def test_prompts_with_lone_surrogates_are_refused() -> None:
    with pytest.raises(
        TaskError, match=r"^row 0 makes no prompt: UnicodeEncodeError: .*surrogates not allowed"
    ) as caught:
        Tuner(
            tokenizer=tiny_tokenizer(),
            custom_pred_function=complete,
            dataset=[{"q": "a", COLUMN: ""}],
            scorer=score,
            column_mapping={"input_cols": ["q"], "eval_cols": [COLUMN]},
            sample_preprocessor=lambda tokenizer, q, **columns: "\ud800\x1b[2J",
        )
    assert_harmless(str(caught.value))


@pytest.mark.parametrize("key", ["name", "storage", "n_trials", EVIL])
@pytest.mark.parametrize("section", ["study", EVIL])
def test_study_files_are_refused_in_one_line(section: str, key: str) -> None:
    def quoted(text: str) -> str:
        return json.dumps(text)

    with pytest.raises(ConfigurationError) as caught:
        StudyFile.parse(f"[{quoted(section)}]\n{quoted(key)} = {quoted(EVIL)}\n", name=EVIL, directory=Path())
    assert_harmless(str(caught.value))


@pytest.mark.parametrize("url", ["sqlite:///\udcff.db", f"sqlite:///nowhere/\0{EVIL}.db", f"{EVIL}://x/y", "x\ud800"])
def test_storages_are_refused_in_one_line(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        open_storage(url, must_exist=True)
    assert_harmless(str(caught.value))
