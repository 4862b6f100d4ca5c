"""The options of tracking: the section ``[track]`` of a study file, and `track` of `Tuner.search`."""

import importlib.util
from dataclasses import dataclass
from typing import Any

from llmsearch_optuna._version import requirement
from llmsearch_optuna.errors import ConfigurationError, unknown_name
from llmsearch_optuna.storage import shown_url

__all__ = ["TrackOptions"]

_SERVICES = ("mlflow", "wandb")


@dataclass(frozen=True, kw_only=True)
class TrackOptions:
    """Where the runs of a search are shown, in addition to its database.

    Attributes:
        to: The service, ``"mlflow"`` or ``"wandb"``.
        uri: The address of its server or, for MLflow, of its database, such as ``"sqlite:///mlflow.db"``. By default
            the service's own setting, e.g. ``MLFLOW_TRACKING_URI`` and ``WANDB_BASE_URL``.
        project: The experiment of MLflow or the project of W&B. It is created if it does not exist.

    Raises:
        ConfigurationError: A value is wrong, or `uri` has a password, which the study would store.
    """

    to: str
    uri: str | None = None
    project: str = "llmsearch_optuna"

    def __post_init__(self) -> None:
        for name in ("to", "project", *(() if self.uri is None else ("uri",))):
            value: Any = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise ConfigurationError(f"`{name}` must be a non-empty string, got {value!r}")
        if self.to not in _SERVICES:
            raise ConfigurationError(unknown_name("tracking service", self.to, _SERVICES))
        if self.uri is not None and "***" in (shown := shown_url(self.uri)):
            raise ConfigurationError(
                f"`uri` must have no password, got {shown}: the study would store it; set it in the environment, as in "
                "MLFLOW_TRACKING_PASSWORD or WANDB_API_KEY"
            )

    def check_installed(self) -> None:
        """Check that the package of the service is installed, without importing it.

        Raises:
            ConfigurationError: It is not. The message names the extra.
        """
        if importlib.util.find_spec(self.to) is None:
            raise ConfigurationError(
                f"tracking in {self.to} needs the package {self.to}: pip install {requirement(self.to)}"
            )
