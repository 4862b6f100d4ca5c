"""The log file of a study, to which searches and verdicts append. No logged string can forge a line."""

import contextlib
import datetime as dt
import logging
import os
import platform
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from llmsearch_optuna._version import __version__, library_version
from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.storage import sqlite_path
from llmsearch_optuna.terminal import printable

__all__ = ["ConsoleFormatter", "LogFileFormatter", "StudyLog", "log_path", "study_log"]

_PACKAGE = "llmsearch_optuna"

# The loggers of these libraries do not propagate to the root logger.
_LIBRARIES = ("datasets", "evaluate", "huggingface_hub", "optuna", "transformers")

_VERSIONS = ("optuna", "sqlalchemy", "numpy", "torch", "transformers", "datasets")

_FIRST_LINE = re.compile(rb"\d{4}-\d\d-\d\dT")

_LONGEST_NAME = 60


def log_path(storage: str, study_name: str, directory: Path) -> Path:
    """Return the path of a study's log: next to its SQLite file, else ``<study_name>.log`` in `directory`.

    Args:
        storage: The study's storage URL.
        study_name: The study's name. Only its first 60 characters are used, and those other than letters, digits,
            ``_``, ``.`` and ``-`` become ``_``.
        directory: The directory of the log if the study is on a server or in memory.

    Raises:
        StorageError: `storage` is not a valid SQLAlchemy URL.
    """
    database = sqlite_path(storage)
    if database is None:
        name = re.sub(r"[^\w.-]", "_", study_name)[:_LONGEST_NAME]
        return directory / f"{name}.log"
    return database.with_suffix(".log") if database.suffix != ".log" else database.with_name(f"{database.name}.log")


class ConsoleFormatter(logging.Formatter):
    """Formats the message without time, level or logger. Control characters are escaped, line feeds are kept.

    Warnings of Python are shown without the line of code that they come from.
    """

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        text = super().format(record)
        if record.name == "py.warnings":  # "file:line: category: message", then the line of code
            text = text.partition("\n")[0].partition(": ")[2]
        return printable(text.rstrip("\n"), newlines=True)


class LogFileFormatter(logging.Formatter):
    """Formats time, level, process, logger and message. Further lines, such as a traceback, are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        time = dt.datetime.fromtimestamp(record.created, tz=dt.UTC).astimezone().isoformat(timespec="milliseconds")
        text = printable(super().format(record).rstrip("\n"), newlines=True).replace("\n", "\n    ")
        return f"{time} {record.levelname} [{record.process}] {record.name}: {text}"


class _LogFile(logging.Handler):
    """Appends each record with one write, so that several processes can share the file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.setFormatter(LogFileFormatter())
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._has_failed = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._file.write(f"{self.format(record)}\n".encode())
        except Exception:  # noqa: BLE001  # as in all logging handlers, a failure must not stop the program
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._has_failed:
            self._has_failed = True
            print(printable(f"the log {self._path} cannot be written any more: {error}"), file=sys.stderr)

    def close(self) -> None:
        self._file.close()
        super().close()


class StudyLog:
    """An open log file; see `study_log`.

    Args:
        handler: Writes to the file.
        undo: Receives the callbacks that restore the loggers when the log is closed.

    Attributes:
        outcome: The result in the last line of the log, unless an exception ends the block; ``"finished"`` by default.
    """

    def __init__(self, handler: logging.Handler, undo: contextlib.ExitStack) -> None:
        self.outcome = "finished"
        self._handler = handler
        self._undo = undo

    def follow_libraries(self) -> None:
        """Also log the warnings of libraries whose loggers do not propagate to the root logger.

        Call it again after importing one of them.
        """
        for library in _LIBRARIES:
            logger = logging.getLogger(library)
            if not logger.propagate and self._handler not in logger.handlers:
                self.follow(logger, logging.WARNING)

    def follow(self, logger: logging.Logger, level: int) -> None:
        """Log the records of a logger from `level` on. Its other handlers receive the same records as before."""
        before = logger.getEffectiveLevel()
        if level < before:
            family = logging.Filter(logger.name)

            def as_before(record: logging.LogRecord) -> bool:
                return record.levelno >= before or not family.filter(record)

            for other in _handlers(logger):
                if other is not self._handler:
                    other.addFilter(as_before)
                    self._undo.callback(other.removeFilter, as_before)
            self._undo.callback(logger.setLevel, logger.level)
            logger.setLevel(level)
        if self._handler not in _handlers(logger):
            logger.addHandler(self._handler)
            self._undo.callback(logger.removeHandler, self._handler)

    def write(self, level: int, message: str, error: BaseException | None = None) -> None:
        """Write one line to the file only, with the traceback of `error` if given."""
        info = None if error is None else (type(error), error, error.__traceback__)
        self._handler.handle(logging.LogRecord(__name__, level, __file__, 0, message, None, info))


@contextlib.contextmanager
def study_log(path: Path, *, about: Mapping[str, str] = MappingProxyType({})) -> Iterator[StudyLog]:
    """Append the log records of a block to a file.

    The file receives all records of this package from DEBUG on, the records and warnings of other libraries, and lines
    at the beginning and the end of the block. If an exception ends the block, its traceback is written. Other handlers
    receive the same records as before.

    Args:
        path: The file. It is created with its directory if it does not exist.
        about: Lines of the form ``name: value`` to write at the beginning, after the versions.

    Yields:
        The log.

    Raises:
        ConfigurationError: The file cannot be written, is not a log, or receives the output of this process.
    """
    with contextlib.ExitStack() as undo:
        handler = _opened(path)
        undo.callback(handler.close)
        log = StudyLog(handler, undo)
        root = logging.getLogger()
        if not root.handlers and logging.lastResort is not None:  # used only without handlers
            root.addHandler(logging.lastResort)
            undo.callback(root.removeHandler, logging.lastResort)
        showing = warnings.showwarning
        logging.captureWarnings(True)
        if warnings.showwarning is not showing:
            undo.callback(logging.captureWarnings, False)
        root.addHandler(handler)
        undo.callback(root.removeHandler, handler)
        log.follow(logging.getLogger(_PACKAGE), logging.DEBUG)
        log.follow_libraries()
        versions = ", ".join(f"{name} {library_version(name)}" for name in _VERSIONS)
        log.write(logging.INFO, f"begins: {_PACKAGE} {__version__}, Python {platform.python_version()}, {versions}")
        for name, value in about.items():
            log.write(logging.INFO, f"{name}: {value}")
        try:
            yield log
        except KeyboardInterrupt:
            log.write(logging.WARNING, "ends: interrupted by Ctrl-C")
            raise
        except BaseException as error:
            log.write(logging.ERROR, f"ends: {type(error).__name__}: {error}", error)
            raise
        log.write(logging.INFO, f"ends: {log.outcome}")


def _opened(path: Path) -> _LogFile:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        head = b""
        if path.is_file():
            with path.open("rb") as before:
                head = before.read(16)
        handler = _LogFile(path)
    except (OSError, ValueError) as error:  # ValueError if the path holds NUL
        raise ConfigurationError(
            f"the log {path} cannot be written: {error}; `storage` or --log must name a folder that can be written"
        ) from error
    if _is_output(path):
        handler.close()
        raise ConfigurationError(
            f"{path} is the log, and the output of the command goes there, too: redirect the output to another file, "
            "or name another log with --log"
        )
    if head and not _FIRST_LINE.match(head):
        handler.close()
        raise ConfigurationError(f"{path} exists and is not a log of a study: name another file")
    return handler


def _is_output(path: Path) -> bool:
    """Return whether standard output or standard error is this file, which they would overwrite or interleave."""
    if not path.is_file():  # such as /dev/null
        return False
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):  # it may be closed
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return True
    return False


def _handlers(logger: logging.Logger) -> list[logging.Handler]:
    """Return all handlers that receive a logger's records."""
    handlers: list[logging.Handler] = []
    current: logging.Logger | None = logger
    while current is not None:
        handlers += current.handlers
        current = current.parent if current.propagate else None
    return handlers
