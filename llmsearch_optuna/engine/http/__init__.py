"""Completions from an OpenAI-compatible server."""

from llmsearch_optuna.engine.http.connection import Connection, connect
from llmsearch_optuna.engine.http.engine import HTTPEngine, run
from llmsearch_optuna.engine.http.probe import probe_server
from llmsearch_optuna.engine.http.server import OpenAIServer

__all__ = ["Connection", "HTTPEngine", "OpenAIServer", "connect", "probe_server", "run"]
