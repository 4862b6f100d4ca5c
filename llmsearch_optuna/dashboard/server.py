"""A server for optuna-dashboard that only this machine can reach."""

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.storages import RDBStorage
from optuna_dashboard import wsgi

from llmsearch_optuna.dashboard.annotations import (
    FIGURE_ORDER,
    Annotations,
    CompletionArtifacts,
    artifact_directory,
    report_path,
)
from llmsearch_optuna.errors import ConfigurationError, StorageError
from llmsearch_optuna.report import render_report
from llmsearch_optuna.storage import exclusive_use, open_storage, readable_errors
from llmsearch_optuna.study.attributes import KEY
from llmsearch_optuna.terminal import printable

__all__ = ["annotate_studies", "dashboard_server"]

_App = Callable[..., Iterable[bytes]]

_STUDY_PATH = re.compile(r"/api/studies/\d+")
_HOST = "127.0.0.1"
_NAMES = frozenset({_HOST, "localhost"})


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Log no requests."""


def annotate_studies(url: str) -> str | None:
    """Write the missing notes and the figures of all studies in a database, except those of other programs.

    Args:
        url: The database's URL.

    Returns:
        ``None`` if they were written, else the reason why not: a search is running, which writes them itself, or the
        database cannot be written.

    Raises:
        StorageError: There is no such database, or it holds no study.
    """
    storage = open_storage(url, must_exist=True)
    try:
        with exclusive_use(url), readable_errors(url):
            for name in optuna.get_all_study_names(storage):
                study = optuna.load_study(study_name=name, storage=storage)
                if KEY in study.user_attrs:
                    annotations = Annotations(study, storage, artifact_directory(url))
                    annotations.write_missing_notes()
                    annotations.write_study_note()
                    annotations.draw()
    except StorageError as error:
        return str(error)
    return None


def _for_this_machine(app: _App) -> _App:
    """Return a WSGI app that rejects requests for host names other than ``127.0.0.1`` and ``localhost``.

    This prevents DNS rebinding: a foreign page whose host name resolves to this machine cannot read the studies.
    """

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_HOST", "").partition(":")[0] in _NAMES:
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"open http://127.0.0.1 instead; from another machine, forward the port with `ssh -L`\n"]

    return guarded


def _in_fixed_order(app: _App) -> _App:
    """Return the WSGI app with the figures of a study in our order; optuna-dashboard's own order is that of a set."""

    def ordered(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _STUDY_PATH.fullmatch(environ.get("PATH_INFO", "")) or environ.get("REQUEST_METHOD") != "GET":
            return app(environ, start_response)
        replies: list[tuple[str, list[tuple[str, str]]]] = []
        parts = app(environ, lambda status, headers, *_: replies.append((status, headers)))
        body = b"".join(parts)
        status, headers = replies[-1]
        if status.startswith("200"):
            detail = json.loads(body)
            detail["plotly_graph_objects"].sort(key=lambda figure: _place(figure["id"]))
            body = json.dumps(detail).encode()
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(status, [*kept, ("Content-Length", str(len(body)))])
        return [body]

    return ordered


def _place(name: str) -> tuple[int, str]:
    """Return where a figure stands: ours in their order, followed by those of users, by name."""
    return (FIGURE_ORDER.index(name) if name in FIGURE_ORDER else len(FIGURE_ORDER)), name


def _with_reports(app: _App, storage: RDBStorage) -> _App:
    """Return the WSGI app with the reports of all studies beside the dashboard; see `report_path`."""
    prefix = report_path(0).removesuffix("0")

    def reporting(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(prefix):
            return app(environ, start_response)
        status, kind, body = "404 Not Found", "text/plain", "there is no such study"
        with contextlib.suppress(KeyError, ValueError):
            name = storage.get_study_name_from_id(int(path.removeprefix(prefix)))
            try:
                body = render_report(optuna.load_study(study_name=name, storage=storage), storage)
                status, kind = "200 OK", "text/html"
            except StorageError as error:
                body = printable(str(error))
        start_response(status, [("Content-Type", f"{kind}; charset=utf-8"), ("Cache-Control", "no-store")])
        return [body.encode()]

    return reporting


@contextlib.contextmanager
def dashboard_server(url: str, port: int) -> Iterator[WSGIServer]:
    """Open a web server for optuna-dashboard on the loopback interface only, because it has no authentication.

    Args:
        url: The database's URL.
        port: The port; 0 for any free port.

    Yields:
        The listening server; ``serve_forever`` answers requests.

    Raises:
        ConfigurationError: The port is out of range or in use.
        StorageError: There is no such database, or it holds no study.
    """
    if not 0 <= port <= 65535:
        raise ConfigurationError(f"`--port` must be in [0, 65535], got {port}")
    storage = open_storage(url, must_exist=True)
    dashboard = wsgi(storage, artifact_store=CompletionArtifacts(storage, artifact_directory(url)))
    app = _with_reports(_in_fixed_order(dashboard), storage)
    try:
        server = make_server(_HOST, port, _for_this_machine(app), server_class=_Server, handler_class=_Handler)
    except OSError as error:
        raise ConfigurationError(
            f"port {port} of {_HOST} cannot be used ({error.strerror or error}): choose another with `--port`"
        ) from error
    with server:
        yield server
