"""Synthetic studies, each written once for all tests that only read them."""

from collections.abc import Callable

import optuna
import pytest
from optuna.storages import RDBStorage
from synthetic_studies import Plan, write_study

Written = Callable[..., tuple[optuna.Study, RDBStorage]]


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """``(plan) -> study and storage``."""
    known: dict[Plan, tuple[optuna.Study, RDBStorage]] = {}

    def of(plan: Plan | None = None) -> tuple[optuna.Study, RDBStorage]:
        plan = plan or Plan()
        if plan not in known:
            known[plan] = write_study(tmp_path_factory.mktemp("written") / "x.db", plan)
        return known[plan]

    return of
