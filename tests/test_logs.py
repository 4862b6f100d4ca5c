"""The log file: what is in it, what is not, and that it changes nothing else."""

import datetime as dt
import io
import json
import logging
import os
import re
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_model, tiny_tokenizer

from llmsearch_optuna.cli import main
from llmsearch_optuna.errors import ConfigurationError, StorageError
from llmsearch_optuna.logs import ConsoleFormatter, LogFileFormatter, log_path, study_log
from llmsearch_optuna.terminal import printable

PACKAGE = logging.getLogger("llmsearch_optuna.somewhere")
LINE = re.compile(r"(\S+) (DEBUG|INFO|WARNING|ERROR) \[(\d+)\] (\S+): (.*)")


def lines(path: Path) -> list[tuple[str, str, str]]:
    """Level, logger and message of every line but those that go on with one; each must be one of ours."""
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("    "):
            match = LINE.fullmatch(line)
            assert match is not None, line
            assert dt.datetime.fromisoformat(match[1]).utcoffset() is not None
            assert int(match[3]) == os.getpid()
            entries.append((match[2], match[4], match[5]))
    return entries


def record(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("name", logging.INFO, __file__, 1, message, arguments, info)


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    """A console as the command line sets it up."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(ConsoleFormatter())
    package = logging.getLogger("llmsearch_optuna")
    level = package.level
    package.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)
    package.setLevel(level)


# What is logged.


def test_it_holds_all_of_the_package_and_the_console_what_it_held_before(tmp_path: Path, console: io.StringIO) -> None:
    with study_log(tmp_path / "new" / "x.log"):
        PACKAGE.debug("of trial %d", 3)
        PACKAGE.info("told")
        logging.getLogger("other.library").warning("warned")
        logging.getLogger("other.library").info("not told")
    PACKAGE.warning("after")
    messages = lines(tmp_path / "new" / "x.log")[1:-1]
    assert messages == [
        ("DEBUG", "llmsearch_optuna.somewhere", "of trial 3"),
        ("INFO", "llmsearch_optuna.somewhere", "told"),
        ("WARNING", "other.library", "warned"),
    ]
    assert console.getvalue() == "told\nwarned\nafter\n"


def test_it_holds_warnings(tmp_path: Path, console: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with study_log(tmp_path / "x.log"):
            warnings.warn("look\x1b[2J", UserWarning, stacklevel=1)
    ((level, logger, message),) = lines(tmp_path / "x.log")[1:-1]
    assert (level, logger) == ("WARNING", "py.warnings")
    assert message.endswith("UserWarning: look\\x1b[2J")
    assert console.getvalue() == "UserWarning: look\\x1b[2J\n"  # without the line of code


@pytest.mark.parametrize("library", ["optuna", "transformers"])
def test_it_holds_warnings_of_libraries_that_show_them_themselves(library: str, tmp_path: Path) -> None:
    """These two keep their records from the root logger, and the command line shows only errors of transformers."""
    logger = logging.getLogger(library)
    before = logger.level, logger.propagate, list(logger.handlers)
    shown = io.StringIO()
    stream_handler = logging.StreamHandler(shown)
    try:
        logger.handlers, logger.propagate = [stream_handler], False
        logger.setLevel(logging.ERROR)
        with study_log(tmp_path / "x.log") as log:
            log.follow_libraries()
            logging.getLogger(f"{library}.part").warning("only logged")
            logging.getLogger(f"{library}.part").error("shown, too")
            logging.getLogger(f"{library}.part").info("neither")
        assert (logger.level, logger.handlers, stream_handler.filters) == (logging.ERROR, [stream_handler], [])
    finally:
        logger.setLevel(before[0])
        logger.propagate, logger.handlers = before[1:]
    assert [(level, message) for level, _, message in lines(tmp_path / "x.log")[1:-1]] == [
        ("WARNING", "only logged"),
        ("ERROR", "shown, too"),
    ]
    assert shown.getvalue() == "shown, too\n"


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    def state() -> list[object]:
        loggers = [logging.getLogger(name) for name in ("", "llmsearch_optuna", "optuna", "transformers")]
        handlers = [list(logger.handlers) for logger in loggers]
        filters = [list(handler.filters) for of_logger in handlers for handler in of_logger]
        return [warnings.showwarning, [logger.level for logger in loggers], handlers, filters]

    before = state()
    with study_log(tmp_path / "x.log"):
        assert state() != before
    assert state() == before


def test_warnings_are_still_shown_where_no_logging_is_set_up(tmp_path: Path) -> None:
    program = """
    import logging, sys, warnings
    from pathlib import Path
    from llmsearch_optuna.logs import study_log
    with study_log(Path(sys.argv[1])):
        logging.getLogger("llmsearch_optuna.x").warning("of the package")
        logging.getLogger("llmsearch_optuna.x").info("a detail")
        warnings.warn("of Python")
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "x.log")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "of the package\n" in shown
    assert shown.count("of Python") == 1
    assert "a detail" not in shown
    logged = (tmp_path / "x.log").read_text()
    assert logged.count("of the package") == logged.count("a detail") == logged.count("of Python") == 1


# How it begins and ends.


def test_it_begins_with_the_versions_and_what_is_run_and_ends_with_the_outcome(tmp_path: Path) -> None:
    with study_log(tmp_path / "x.log", about={"command": "run x"}):
        pass
    with study_log(tmp_path / "x.log") as log:
        log.outcome = "interrupted by SIGTERM"
    (_, _, first), *rest = lines(tmp_path / "x.log")
    assert re.match(r"begins: llmsearch_optuna \S+, Python \d\S+, optuna \d.*, torch \d.*, transformers \d", first)
    assert [message for _, _, message in rest] == [
        "command: run x",
        "ends: finished",
        first,
        "ends: interrupted by SIGTERM",
    ]


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (KeyboardInterrupt(), ("WARNING", "ends: interrupted by Ctrl-C")),
        (ConfigurationError("wrong"), ("ERROR", "ends: ConfigurationError: wrong")),
    ],
)
def test_it_ends_with_what_is_raised(error: BaseException, end: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(type(error)), study_log(tmp_path / "x.log"):
        raise error from KeyError("the cause")
    level, _, message = lines(tmp_path / "x.log")[-1]
    assert (level, message) == end
    assert ("    KeyError: 'the cause'" in (tmp_path / "x.log").read_text()) is (level == "ERROR")


# Nothing in it can forge a line.


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_any_message_is_one_line_with_indented_ones(text: str) -> None:
    for logged in (record("%s", text), record("failed:", error=ValueError(text))):
        formatted = LogFileFormatter().format(logged)
        first, *others = formatted.split("\n")
        assert LINE.fullmatch(first)
        assert all(line.startswith("    ") for line in others)
        assert printable(formatted, newlines=True) == formatted
    shown = ConsoleFormatter().format(record("%s", text))
    assert printable(shown, newlines=True) == shown


# Files that are no good.


def test_a_file_that_is_no_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text("[study]")
    message = r"study.toml exists and is not a log of a study: name another file$"
    with pytest.raises(ConfigurationError, match=message), study_log(path):
        pytest.fail("not reached")
    assert path.read_text() == "[study]"


@pytest.mark.parametrize("streams", ["file", "pipe"])
def test_a_log_that_receives_the_output_is_refused(streams: str, tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    program = """
        import pathlib, sys
        from llmsearch_optuna.logs import study_log
        with study_log(pathlib.Path(sys.argv[1])):
            print("not reached")
    """
    with path.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), str(path)],
            check=False,
            stdout=file,
            stderr=file if streams == "file" else subprocess.PIPE,
            text=True,
        )
    output = path.read_text() + (done.stderr or "")
    assert done.returncode == 1
    assert "study.log is the log, and the output of the command goes there, too" in output
    assert "not reached\n" not in path.read_text()


@pytest.mark.parametrize("name", ["", "file/x.log", "a\0b"])
def test_a_file_that_cannot_be_written_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = r"^the log .* cannot be written: "
    with pytest.raises(ConfigurationError, match=message) as caught, study_log(tmp_path / name):
        pytest.fail("not reached")
    assert printable(str(caught.value)) == str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told_once_and_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with study_log(Path("/dev/full")):
        PACKAGE.warning("lost")
        reached = True
    assert reached
    assert re.fullmatch(
        r"the log /dev/full cannot be written any more: .*No space left on device\n", capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        ("sqlite:///studies/x.db", "studies/x.log"),
        ("sqlite:////abs/x.y.sqlite3?timeout=3", "/abs/x.y.log"),
        ("sqlite:///studies/x.log", "studies/x.log.log"),
        ("sqlite:///studies/x", "studies/x.log"),
        ("sqlite://", "here/a_b_c_.._d.log"),
        ("postgresql+psycopg://me:secret@host/db", "here/a_b_c_.._d.log"),
    ],
)
def test_log_path(storage: str, expected: str) -> None:
    assert log_path(storage, "a/b\0c/../d", Path("here")) == Path(expected)


def test_log_path_fits_every_file_system() -> None:
    assert len(log_path("sqlite://", "é" * 500, Path()).name.encode()) < 255
    with pytest.raises(StorageError, match="cannot be used"):
        log_path("no url", "x", Path())


# The command line.

STUDY = """
[study]
n_trials = 3
rungs = 4

[model]
name = "model"

[data]
path = "rows.jsonl"
input_cols = ["question"]
eval_cols = ["answer"]
prompt_template = "{question}"

[metric]
name = "log_test_metric:score"

[space]
max_new_tokens = 4
generation_seed = { choices = [0, 1, 2] }
"""

METRIC = """
def score(references, predictions):
    if any(reference["answer"] == "raise" for reference in references):
        raise LookupError("not\\x1b[2J\\nfound")
    return [0.5 for _ in predictions]
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study file whose metric fails on one row."""
    model: Any = tiny_model()
    model.save_pretrained(tmp_path / "model")
    tokenizer: Any = tiny_tokenizer()
    tokenizer.save_pretrained(tmp_path / "model")
    rows = [{"question": f"{i}?", "answer": "raise" if i == 5 else "yes"} for i in range(8)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "mini.toml").write_text(STUDY)
    (tmp_path / "log_test_metric.py").write_text(METRIC)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "mini.toml"


def test_run_logs_beside_the_database(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(study)]) == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert error.count("trial 0 [model default]: failed: scorer `log_test_metric.score` raised LookupError") == 1
    logged = lines(study.with_suffix(".log"))
    messages = [message for _, _, message in logged]
    assert messages[1] == f"command: llmsearch-optuna run {study}"
    assert messages[2] == f"directory: {study.parent}"
    assert messages[3] == f"study: mini in {study.with_suffix('.db')}"
    assert sum(name == "llmsearch_optuna.search.progress" for _, name, _ in logged) == 3
    assert messages[-1].startswith("ends: TrialError: all 3 trials failed, the first with: scorer `log_test_metric.")
    text = study.with_suffix(".log").read_text()
    assert 'log_test_metric.py", line 4, in score\n' in text  # where the scorer failed
    assert "    LookupError: not\\x1b[2J\n    found\n" in text
    study.parent.joinpath("rows.jsonl").write_text('{"question": "1?", "answer": "yes"}\n' * 8)
    assert main(["run", str(study), "--log", "other.log", "--quiet"]) == 1
    assert lines(Path("other.log"))[-1][2].startswith("ends: FingerprintError: use another study_name or storage")
    assert study.with_suffix(".log").read_text() == text


def test_a_log_that_cannot_be_written_is_refused_before_anything_is_loaded(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (study.parent / "model" / "config.json").unlink()
    assert main(["run", str(study), "--log", "rows.jsonl/x.log"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("llmsearch-optuna: the log rows.jsonl/x.log cannot be written: ")
    assert error.count("\n") == 1


def test_passwords_are_not_logged(study: Path) -> None:
    url = "postgresql+nosuchdriver://me:secret@localhost/db"
    assert main(["worker", str(study), "--storage", url]) == 1
    text = Path("mini.log").read_text()
    assert "--storage postgresql+nosuchdriver://me:***@localhost/db\n" in text.replace("'", "")
    assert "secret" not in text


@pytest.mark.full
def test_warnings_of_transformers_are_logged_from_the_loading_of_the_model_on(study: Path) -> None:
    """In a new process, which imports transformers after the log is opened."""
    warn = "import logging\nlogging.getLogger('transformers.test').warning('only logged')\n"
    (study.parent / "log_test_metric.py").write_text(f"{METRIC}\n{warn}")  # imported before the model is loaded
    program = f"import sys; from llmsearch_optuna.cli import main; sys.exit(main(['run', {str(study)!r}, '--quiet']))"
    search_path = os.pathsep.join([str(study.parent), str(Path(__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": search_path},
    )
    assert done.returncode == 1  # one row fails
    assert "only logged" not in done.stderr
    assert "WARNING" in next(
        line for line in study.with_suffix(".log").read_text().splitlines() if "only logged" in line
    )
