"""A log file per study: all that happens in it, appended by every command; nothing in it can forge a line."""

import contextlib
import datetime as dt
import logging
import platform
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

from llmsearch_optuna._version import __version__
from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.storage import sqlite_path
from llmsearch_optuna.terminal import printable

__all__ = ["ConsoleFormatter", "LogFileFormatter", "StudyLog", "log_path", "study_log"]

_PACKAGE = "llmsearch_optuna"

# They keep what they log from the root logger.
_LIBRARIES = ("datasets", "evaluate", "huggingface_hub", "optuna", "transformers")

_VERSIONS = ("optuna", "sqlalchemy", "numpy", "torch", "transformers", "datasets")

_FIRST_LINE = re.compile(rb"\d{4}-\d\d-\d\dT")

_LONGEST_NAME = 60


def log_path(storage: str, study_name: str, directory: Path) -> Path:
    """Where the log of a study lies: beside its SQLite file, else in a directory by the study's name.

    Args:
        storage: The study's storage URL.
        study_name: The study's name; what no file name holds is replaced.
        directory: Where the log lies if the study lives on a server or in memory.

    Raises:
        StorageError: The URL is wrong.
    """
    database = sqlite_path(storage)
    if database is None:
        name = re.sub(r"[^\w.-]", "_", study_name)[:_LONGEST_NAME]
        return directory / f"{name}.log"
    return database.with_suffix(".log") if database.suffix != ".log" else database.with_name(f"{database.name}.log")


class ConsoleFormatter(logging.Formatter):
    """The message alone, as a terminal can show it."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        return printable(super().format(record).rstrip("\n"), newlines=True)


class LogFileFormatter(logging.Formatter):
    """Time, level, process, logger and message; what follows on further lines, such as a traceback, is indented."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        time = dt.datetime.fromtimestamp(record.created, tz=dt.UTC).astimezone().isoformat(timespec="milliseconds")
        text = printable(super().format(record).rstrip("\n"), newlines=True).replace("\n", "\n    ")
        return f"{time} {record.levelname} [{record.process}] {record.name}: {text}"


class _LogFile(logging.Handler):
    """Appends each record in one piece, so that several processes can share the file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.setFormatter(LogFileFormatter())
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._told = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._file.write(f"{self.format(record)}\n".encode())
        except Exception:  # noqa: BLE001  # as everywhere in logging: what cannot be logged stops nothing
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._told:
            self._told = True
            print(printable(f"the log {self._path} cannot be written any more: {error}"), file=sys.stderr)

    def close(self) -> None:
        self._file.close()
        super().close()


class StudyLog:
    """A log that is being written.

    Attributes:
        outcome: What the last line shall say, if nothing is raised.
    """

    def __init__(self, handler: logging.Handler, undo: contextlib.ExitStack) -> None:
        self.outcome = "finished"
        self._handler = handler
        self._undo = undo

    def follow_libraries(self) -> None:
        """Logs the warnings of other libraries, too; call it again when further ones are imported."""
        for library in _LIBRARIES:
            logger = logging.getLogger(library)
            if not logger.propagate and self._handler not in logger.handlers:
                self.follow(logger, logging.WARNING)

    def follow(self, logger: logging.Logger, level: int) -> None:
        """Logs what a logger is told from a level on; its other handlers are given no more than before."""
        before = logger.getEffectiveLevel()
        if level < before:
            as_before = _from_level(logger.name, before)
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
        """Writes one line to the file alone; with the traceback of an error."""
        info = None if error is None else (type(error), error, error.__traceback__)
        self._handler.handle(logging.LogRecord(__name__, level, __file__, 0, message, None, info))


@contextlib.contextmanager
def study_log(path: Path, *, about: Mapping[str, str] = MappingProxyType({})) -> Iterator[StudyLog]:
    """Appends to a log file what happens in a block.

    It holds all records of this package, from DEBUG on, and what other libraries log or warn of; how the block begins,
    and how it ends, with the traceback of an error. Consoles and other handlers are given what they were given before.

    Args:
        path: The file; it is made with its directory where it does not exist.
        about: What to write at the beginning besides the versions, by name.

    Raises:
        ConfigurationError: The file cannot be written, or holds something else.
    """
    with contextlib.ExitStack() as undo:
        handler = _opened(path)
        undo.callback(handler.close)
        log = StudyLog(handler, undo)
        root = logging.getLogger()
        if not root.handlers and logging.lastResort is not None:  # which else would have shown warnings
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
        versions = ", ".join(f"{name} {metadata.version(name)}" for name in _VERSIONS)
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
    except (OSError, ValueError) as error:  # the latter where it holds NUL
        raise ConfigurationError(f"the log {path} cannot be written: {error}") from error
    if head and not _FIRST_LINE.match(head):
        handler.close()
        raise ConfigurationError(f"{path} exists and is no log of a study: name another file")
    return handler


def _handlers(logger: logging.Logger) -> list[logging.Handler]:
    """All that are given a logger's records."""
    found: list[logging.Handler] = []
    current: logging.Logger | None = logger
    while current is not None:
        found += current.handlers
        current = current.parent if current.propagate else None
    return found


def _from_level(name: str, level: int) -> Callable[[logging.LogRecord], bool]:
    family = logging.Filter(name)
    return lambda record: record.levelno >= level or not family.filter(record)
