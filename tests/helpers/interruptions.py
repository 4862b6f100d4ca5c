"""Interrupt a search at its n-th generation pass, or at its n-th write to a database."""

import copy
from typing import Any, Self

import sqlalchemy
from backends import replace_backend

from llmsearch_optuna import Tuner

WRITES = ("INSERT", "UPDATE", "DELETE")


class InterruptedEngine:
    """Interrupt a real engine after a number of passes."""

    def __init__(self, engine: Any, passes: int) -> None:
        self.engine, self.left = engine, passes

    def generate(self, *arguments: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.engine.generate(*arguments)


def interrupted(tuner: Tuner, passes: int) -> Tuner:
    """Return a copy of a tuner whose engine is interrupted after a number of passes."""
    tuner = copy.copy(tuner)
    replace_backend(tuner, engine=InterruptedEngine(tuner._backend.engine, passes))
    return tuner


class WriteCounter:
    """Count the writes of this process to any database, and interrupt it at the n-th."""

    def __init__(self, at: int | None = None, statements: tuple[str, ...] = WRITES) -> None:
        self.writes, self.at, self.statements = 0, at, statements

    def __call__(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith(self.statements):
            self.writes += 1
            if self.writes == self.at:
                raise KeyboardInterrupt

    def __enter__(self) -> Self:
        sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", self)
        return self

    def __exit__(self, *_: object) -> None:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", self)
