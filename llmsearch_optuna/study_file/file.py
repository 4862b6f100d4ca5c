"""A study as a TOML file: read, and checked against the keys there are."""

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from llmsearch_optuna.errors import StudyFileError, unknown_name
from llmsearch_optuna.metrics import ScoreRange, check_score_range
from llmsearch_optuna.search.pruners import make_pruner
from llmsearch_optuna.search.samplers import Proposer
from llmsearch_optuna.space.presets import preset_names
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.storage import sqlite_url
from llmsearch_optuna.study.objectives import check_combination, check_objectives
from llmsearch_optuna.study_file.sections import (
    Choice,
    DataSection,
    EngineSection,
    GenerationSection,
    ModelSection,
    PrunerChoice,
    StudySection,
    parse_choice,
    parse_pruner_choice,
    parse_section,
)

__all__ = ["DEMO_DATA", "StudyFile"]


DEMO_DATA = "demo"
"""The path that stands for the embedded demo's data."""


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """A study file, checked.

    Attributes:
        study: The search.
        model: The model; ``None`` where a server generates.
        engine: The server that generates; ``None`` where a model does.
        data: The dataset.
        metric: The metric.
        score_range: The least and the largest score that it gives a sample; the metric's own by default.
        space: What is searched.
        generation: What holds for every trial.
        sampler: The sampler.
        pruner: The pruner.
        directory: What relative paths start from.
        text: The file as it is written.
    """

    study: StudySection
    model: ModelSection | None
    engine: EngineSection | None = None
    data: DataSection
    metric: Choice
    score_range: ScoreRange | None
    space: SearchSpace
    generation: GenerationSection
    sampler: Choice
    pruner: PrunerChoice
    directory: Path
    text: str

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a study file.

        Raises:
            StudyFileError: The file cannot be read, or a key or value is wrong; the message names it.
            ConfigurationError: The space, the sampler or the pruner is wrong.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StudyFileError(f"study file {path} cannot be read: {error}") from error
        return cls.parse(text, name=path.stem, directory=path.parent)

    @classmethod
    def parse(cls, text: str, *, name: str, directory: Path) -> Self:
        """Reads the text of a study file; see `load`.

        Args:
            text: TOML.
            name: The study's name, where the text gives none.
            directory: What relative paths start from.
        """
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise StudyFileError(f"study file {name} is not valid TOML: {error}") from error
        sections = ("study", "model", "engine", "data", "metric", "space", "generation", "sampler", "pruner")
        for section, content in table.items():
            if section not in sections:
                raise StudyFileError(unknown_name("section", section, sections))
            if not isinstance(content, dict):
                raise StudyFileError(f"`{section}` must be a section ([{section}]), got {content!r}")
        if "model" in table and "engine" in table:
            raise StudyFileError("[model] has no effect with [engine], as a server generates: leave one of them out")
        for section in ("data", "metric", "space") if "engine" in table else ("model", "data", "metric", "space"):
            if section not in table:
                raise StudyFileError(f"study file {name} needs a section [{section}]")
        study = parse_section("study", StudySection, table.get("study", {}))
        metric = dict(table["metric"])
        score_range = metric.pop("score_range", None)
        return cls(
            study=dataclasses.replace(
                study, name=study.name or name, storage=_storage_url(study.storage or f"{name}.db", directory)
            ),
            model=parse_section("model", ModelSection, table["model"]) if "model" in table else None,
            engine=parse_section("engine", EngineSection, table["engine"]) if "engine" in table else None,
            data=parse_section("data", DataSection, table["data"]),
            metric=parse_choice("metric", metric),
            score_range=None if score_range is None else check_score_range(score_range),
            space=SearchSpace.from_dict(table["space"]),
            generation=parse_section("generation", GenerationSection, table.get("generation", {})),
            sampler=parse_choice("sampler", {"name": "tpe", **table.get("sampler", {})}),
            pruner=parse_pruner_choice(table.get("pruner", {})),
            directory=directory,
            text=text,
        )

    def with_limits(self, *, n_trials: int | None, timeout_s: float | None, max_tokens_total: int | None) -> Self:
        """The study file with other limits, as far as they are given.

        Raises:
            StudyFileError: A value is out of its range.
        """
        given = {"n_trials": n_trials, "timeout_s": timeout_s, "max_tokens_total": max_tokens_total}
        changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        return dataclasses.replace(self, study=dataclasses.replace(self.study, **changes))

    def __post_init__(self) -> None:
        """Refuses, before anything is loaded, what would fail after the model is."""
        model, engine = self.model, self.engine
        if engine is not None and engine.kind != "openai":
            raise StudyFileError(unknown_name("kind of engine", engine.kind, ["openai"]))
        for section, key, value, least in (
            ("study", "n_trials", self.study.n_trials, 1),
            ("study", "max_tokens_total", self.study.max_tokens_total, 1),
            ("study", "patience", self.study.patience, 1),
            ("study", "concurrency", self.study.concurrency, 1),
            ("model", "batch_size", None if model is None else model.batch_size, 1),
            ("model", "replay_bytes", None if model is None else model.replay_bytes, 0),
            ("engine", "max_concurrency", None if engine is None else engine.max_concurrency, 1),
            ("engine", "max_retries", None if engine is None else engine.max_retries, 0),
            ("data", "take", self.data.take, 1),
            ("data", "search_size", self.data.search_size, 1),
            ("data", "holdout_size", self.data.holdout_size, 0),
        ):
            if value is not None and value < least:
                raise StudyFileError(f"`{key}` in [{section}] must be >= {least}, got {value}")
        self._check_data()
        for key in ("timeout_s", "lease_timeout_s"):
            seconds = getattr(self.study, key)
            if seconds is not None and not seconds > 0:
                raise StudyFileError(f"`{key}` in [study] must be > 0, got {seconds}")
        rungs = self.study.rungs
        sizes = [rungs] if isinstance(rungs, int) else rungs
        if sizes != "doubling" and (isinstance(sizes, str) or not sizes or sorted({0, *sizes}) != [0, *sizes]):
            raise StudyFileError(
                f'`rungs` in [study] must be a step >= 1, an ascending list of sizes >= 1 or "doubling", got {rungs!r}'
            )
        for preset in self.study.presets:
            if preset not in preset_names():
                raise StudyFileError(unknown_name("preset list", preset, preset_names()))
        for text in self.generation.stop:
            if not text:
                raise StudyFileError("`stop` in [generation] must not hold an empty text")
        check_combination(
            check_objectives(self.study.objectives),
            sampler=self.sampler.name,
            pruner=self.pruner.name,
            patience=self.study.patience,
        )
        Proposer(name=self.sampler.name, space=self.space, seed=self.study.seed, arguments=self.sampler.arguments)
        # The sizes are not known before the data are read; these refuse nothing.
        make_pruner(self.pruner.name, (1, 2**31), self.pruner.arguments)

    def _check_data(self) -> None:
        data = self.data
        missing = [key for key in ("input_cols", "eval_cols") if getattr(data, key) is None]
        if missing and data.messages_col is None:
            raise StudyFileError(f"[data] needs the key {', '.join(missing)} (or messages_col)")
        if data.streaming and data.take is None:
            raise StudyFileError(
                "`streaming` in [data] needs `take`, the number of rows to read, as a stream may have no end"
            )
        if data.path == DEMO_DATA and data.take is not None:
            raise StudyFileError("`take` in [data] has no effect on the demo's data: leave it out")
        if data.holdout_stratify_col is not None and data.holdout_size == 0:
            raise StudyFileError("`holdout_stratify_col` in [data] has no effect without `holdout_size`")


def _storage_url(storage: str, directory: Path) -> str:
    return storage if "://" in storage else sqlite_url(str(directory / storage))
