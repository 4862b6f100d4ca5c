"""The options of tracking."""

import importlib.util

import pytest

from llmsearch_optuna import _version
from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.tracking.options import TrackOptions


@pytest.mark.parametrize("distribution", ["llmsearch_optuna", "llmsearch_optuna_slim"])
def test_a_missing_package_comes_with_the_distribution_that_is_installed(
    distribution: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_version, "library_version", lambda name: "1.0" if name == distribution else "not installed")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=rf"^tracking in mlflow .*: pip install '{distribution}\[mlflow\]'$"):
        TrackOptions(to="mlflow").check_installed()
