"""A server for optuna-dashboard that only this machine can reach."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.storages import RDBStorage
from optuna_dashboard import wsgi

from llmsearch_optuna.dashboard.annotations import Annotations, CompletionArtifacts, artifact_directory
from llmsearch_optuna.errors import ConfigurationError, StorageError
from llmsearch_optuna.storage import exclusive_use, open_storage, readable_errors
from llmsearch_optuna.study.attributes import KEY

__all__ = ["annotate_studies", "dashboard_server"]

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


def _for_this_machine(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Return a WSGI app that rejects requests for host names other than ``127.0.0.1`` and ``localhost``.

    This prevents DNS rebinding: a foreign page whose host name resolves to this machine cannot read the studies.
    """

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_HOST", "").partition(":")[0] in _NAMES:
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"open http://127.0.0.1 instead\n"]

    return guarded


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
    storage: RDBStorage = open_storage(url, must_exist=True)
    app = wsgi(storage, artifact_store=CompletionArtifacts(storage, artifact_directory(url)))
    try:
        server = make_server(_HOST, port, _for_this_machine(app), server_class=_Server, handler_class=_Handler)
    except OSError as error:
        raise ConfigurationError(
            f"port {port} of {_HOST} cannot be used ({error.strerror or error}): choose another with `--port`"
        ) from error
    with server:
        yield server
