"""A study as a TOML file, parsed and validated."""

import dataclasses
import os
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from llmsearch_optuna.data.tasks.imported import ImportedTask
from llmsearch_optuna.data.tasks.options import default_columns
from llmsearch_optuna.engine.http.server import OpenAIServer
from llmsearch_optuna.errors import StudyFileError, unknown_name
from llmsearch_optuna.metrics import ScoreRange, check_score_range
from llmsearch_optuna.search.samplers import Proposer
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.storage import sqlite_path, sqlite_url
from llmsearch_optuna.study.constraints import check_labels, parse_constraints
from llmsearch_optuna.study_file.changes import changed_text
from llmsearch_optuna.study_file.sections import (
    TASK,
    Choice,
    DataSection,
    GenerationSection,
    ModelSection,
    StudySection,
    in_section,
    parse_choice,
    parse_metrics,
    parse_section,
)
from llmsearch_optuna.tracking.options import TrackOptions

__all__ = ["StudyFile"]


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """A validated study file.

    Attributes:
        study: The ``[study]`` section, with `name` and `storage` filled in.
        model: The model; None if a server generates.
        server: The server that generates; None if a model does.
        data: The dataset.
        metrics: The further metrics by label.
        metric: The metric. The name ``"task"`` is the metric of the task in ``[data]``.
        score_range: The minimum and maximum score of a sample; None for the metric's own.
        space: The parameters to choose from.
        generation: Options of every trial.
        directory: The directory that relative paths start from.
        text: The content of the file.
        task: The task of ``[data]``, if it has been loaded.
    """

    study: StudySection
    model: ModelSection | None
    server: OpenAIServer | None = None
    data: DataSection
    metric: Choice
    metrics: Mapping[str, Choice] = field(default_factory=dict)
    score_range: ScoreRange | None
    space: SearchSpace
    generation: GenerationSection
    directory: Path
    text: str
    task: ImportedTask | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str], changes: Sequence[str] = ()) -> Self:
        """Read a study file.

        Args:
            path: The file.
            changes: Other values of some of its keys; see `changed_text`.

        Raises:
            StudyFileError: The file cannot be read, or a key or value is wrong; the message names it.
            ConfigurationError: The space or the score range is wrong, the sampler does not support the space, or the
                package of the tracking service is not installed.
            StorageError: The storage is a directory, or its URL is wrong.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise StudyFileError(
                f"study file {path} cannot be read: save it as UTF-8, as TOML must be ({error})"
            ) from error
        except OSError as error:
            raise StudyFileError(f"study file {path} cannot be read: {error}") from error
        file = cls.parse(text, name=path.stem, directory=path.parent)
        if changes:
            file = cls.parse(changed_text(text, changes), name=path.stem, directory=path.parent)
        if (tracking := file.study.tracking()) is not None:
            tracking.check_installed()
        return file

    @classmethod
    def parse(cls, text: str, *, name: str, directory: Path) -> Self:
        """Parse the content of a study file; see `load`.

        Args:
            text: TOML.
            name: The study's name, and that of its database, if the text does not set them.
            directory: The directory that relative paths start from.
        """
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise StudyFileError(f"study file {name} is not valid TOML: {error}") from error
        _check_sections(table, name)
        metric = parse_choice("metric", table["metric"])
        score_range = metric.arguments.pop("score_range", None)
        if isinstance(server := metric.arguments.get("server"), dict):
            metric.arguments["server"] = parse_section("metric.server", OpenAIServer, server)
        metrics = parse_metrics(table.get("metrics", {}))
        chosen: dict[str, Any] = {}
        for section, default in (("sampler", "tpe"), ("pruner", "paired")):
            if table.get(section):  # an empty section is a missing one: the default pruner depends on the metric
                choice = parse_choice(section, {"name": default, **table[section]})
                chosen |= {section: choice.name, f"{section}_args": choice.arguments}
        if "track" in table:
            chosen["track"] = dataclasses.asdict(parse_section("track", TrackOptions, table["track"]))
        study = parse_section("study", StudySection, table.get("study", {}), **chosen)
        check_labels(parse_constraints(study.constraints), metrics)
        storage = study.storage or f"{name}.db"
        storage = storage if "://" in storage else sqlite_url(str(directory / storage))
        if sqlite_path(storage) is None and storage.startswith("sqlite") and "file:" not in storage:
            raise StudyFileError("`storage` in [study] must be a file or a server: memory is lost at the end")
        file = cls(
            study=dataclasses.replace(study, name=study.name or name, storage=storage),
            model=parse_section("model", ModelSection, table["model"]) if "model" in table else None,
            server=parse_section("server", OpenAIServer, table["server"]) if "server" in table else None,
            data=parse_section("data", DataSection, table["data"]),
            metric=metric,
            metrics=metrics,
            score_range=None if score_range is None else check_score_range(score_range),
            space=SearchSpace.from_dict(table["space"]),
            generation=parse_section("generation", GenerationSection, table.get("generation", {})),
            directory=directory,
            text=text,
        )
        # If the sampler does not support the space, raises the error before anything is loaded.
        Proposer(name=study.sampler, space=file.space, seed=study.seed, arguments=study.sampler_args)
        return file

    def with_limits(
        self,
        *,
        n_trials: int | None = None,
        timeout: float | None = None,
        max_tokens_total: int | None = None,
        max_cost: float | None = None,
    ) -> Self:
        """Return a copy with the given limits. A limit that is None keeps its value; see `SearchOptions`.

        Raises:
            StudyFileError: A value is out of its range.
        """
        limits = {
            "n_trials": n_trials,
            "timeout": timeout,
            "max_tokens_total": max_tokens_total,
            "max_cost": max_cost,
        }
        changes: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
        with in_section("study", StudySection):
            return dataclasses.replace(self, study=dataclasses.replace(self.study, **changes))


def _check_sections(table: dict[str, Any], name: str) -> None:
    """Validate the names of the sections, rename former keys, and add the columns and the metric of a task.

    Raises:
        StudyFileError: A section or a key is unknown or missing, or has no effect.
    """
    choices = ("metric", "metrics", "space", "generation", "sampler", "pruner")
    sections = ("study", "model", "server", "data", *choices, "track")
    for section, content in table.items():
        if section not in (*sections, "engine"):
            raise StudyFileError(unknown_name("section", section, sections))
        if not isinstance(content, dict):
            raise StudyFileError(f"`{section}` must be a section ([{section}]), got {content!r}")
    _rename_former_keys(table)
    if "model" in table and "server" in table:
        raise StudyFileError("[model] has no effect with [server], which generates: leave one of them out")
    if "task" in table.get("data", {}):
        table["data"] = {**default_columns(table["data"]), **table["data"]}
        table["metric"] = {"name": TASK, **table.get("metric", {})}
    for section in (() if "server" in table else ("model",)) + ("data", "metric", "space"):
        if section not in table:
            raise StudyFileError(f"study file {name} needs a section [{section}]")
    if not {"path", "task"} & set(table["data"]):
        raise StudyFileError("[data] needs the key path (or task)")
    columns = [key for key in ("input_cols", "eval_cols") if key not in table["data"]]
    if columns and "path" in table["data"] and "messages_col" not in table["data"]:
        raise StudyFileError(f"[data] needs the key {', '.join(columns)} (or messages_col)")


def _rename_former_keys(table: dict[str, Any]) -> None:
    """Replace former names of sections and keys in `table` by the present ones, each with a FutureWarning."""
    study = table.get("study", {})
    if "lapse_s" in study:
        if "lease_timeout_s" in study:
            raise StudyFileError("`lapse_s` in [study] is the former name of `lease_timeout_s`: leave it out")
        study["lease_timeout_s"] = study.pop("lapse_s")
        _warn("`lapse_s` in [study] is now `lease_timeout_s`")
    if "engine" in table:
        if "server" in table:
            raise StudyFileError("[engine] is the former name of [server]: leave it out")
        server = table["server"] = table.pop("engine")
        if (kind := server.pop("kind", None)) != "openai":
            raise StudyFileError(unknown_name("kind of engine", str(kind), ["openai"]))
        former, present = '[engine] kind = "openai"', "[server]"
        if "server" in server:
            server["kind"] = server.pop("server")
            former, present = (f'{former}, server = "{server["kind"]}"', f'{present} kind = "{server["kind"]}"')
        _warn(f"{former} is now {present}, with the other keys as before")


def _warn(message: str) -> None:
    warnings.warn(f"study file: {message}", FutureWarning, stacklevel=4)
