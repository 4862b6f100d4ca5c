"""A study as a TOML file: read, and checked against the keys there are."""

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from llmsearch_optuna.errors import StudyFileError, unknown_name
from llmsearch_optuna.metrics import ScoreRange, check_score_range
from llmsearch_optuna.objectives import SCORE, check_combination, check_objectives
from llmsearch_optuna.presets import preset_names
from llmsearch_optuna.proposals import Proposer
from llmsearch_optuna.pruning import make_pruner
from llmsearch_optuna.space import SearchSpace
from llmsearch_optuna.storage import sqlite_url

__all__ = [
    "DEMO_DATA",
    "STUDY_FILE",
    "Choice",
    "DataSection",
    "EngineSection",
    "GenerationSection",
    "ModelSection",
    "PrunerChoice",
    "StudyFile",
    "StudySection",
]

DEMO_DATA = "demo"
"""The path that stands for the embedded demo's data."""

STUDY_FILE = "llmsearch_study_file"
"""User attribute of a study: the study file that it was last searched with."""


@dataclass(frozen=True, kw_only=True)
class StudySection:
    """``[study]``: the search.

    Attributes:
        name: The study's name; the file's by default.
        storage: Database file (from the study file's directory) or SQLAlchemy URL; the file's name with ``.db``.
        n_trials: Finished trials wanted in total.
        timeout_s: Stop after so many seconds.
        max_tokens_total: Stop when so many tokens are generated in total.
        patience: Stop after so many proposals in a row that are no improvement.
        objectives: What is optimised: ``["score"]``, or ``["score", "tokens"]``.
        seed: Seed of the sample order and of the search.
        rungs: When trials report: a step, a list of sizes, or ``"doubling"``.
        concurrency: Trials in flight; as many as fill the batch by default.
        baselines: Try the model's own parameters and greedy decoding first.
        presets: Names of preset lists to try next.
        lapse_s: On a server: after how many seconds without a sign of life a worker's trials are taken over.
    """

    name: str = ""
    storage: str = ""
    n_trials: int = 50
    timeout_s: int | float | None = None
    max_tokens_total: int | None = None
    patience: int | None = None
    objectives: list[str] = field(default_factory=lambda: [SCORE])
    seed: int = 42
    rungs: int | list[int] | str = 8
    concurrency: int | None = None
    baselines: bool = True
    presets: list[str] = field(default_factory=list)
    lapse_s: int | float = 60


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """``[model]``: see `load_model`; ``name = "demo"`` is the embedded model."""

    name: str
    device: str | None = None
    dtype: str | None = None
    revision: str | None = None
    gguf_file: str | None = None
    allow_pickle: bool = False
    batch_size: int = 64
    replay_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class EngineSection:
    """``[engine]``: a server that generates, in place of ``[model]``; see `OpenAIServer`.

    Attributes:
        kind: ``"openai"``: a server with the API of OpenAI.
        base_url: Where it is.
        model: The model's name there.
        server: What kind of server it is.
        api_key_env: The environment variable that holds the API key.
        max_concurrency: Requests at once.
        timeout_s: Seconds that an attempt may take.
        max_retries: How often a request is sent again.
        probe: Whether to find out first if the server keeps seeds, and takes notice of the parameters.
    """

    kind: str
    base_url: str
    model: str | None = None
    server: str | None = None
    api_key_env: str | None = None
    max_concurrency: int | None = None
    timeout_s: int | float = 600
    max_retries: int = 6
    probe: bool = True


@dataclass(frozen=True, kw_only=True)
class DataSection:
    """``[data]``: rows, and how they become prompts; see `load_data` and `PromptSource`.

    Attributes:
        path: A JSONL, CSV or Parquet file or a saved dataset (from the study file's directory), a hub id, or
            ``"demo"``.
        config: The hub dataset's configuration.
        split: The split of a dataset of the hub, or of a saved one.
        streaming: Whether to read a dataset of the hub, or a Parquet file, only as far as `take` says.
        take: Use only the first so many rows; needed with `streaming`.
        input_cols: Columns of the prompt; may be left out with `messages_col` only.
        eval_cols: Columns of the reference; may be left out with `messages_col`, whose last message it then is.
        prompt_template: ``str.format`` template over the input columns.
        messages: Chat messages, in place of the template.
        messages_col: Column that holds each row's own chat messages, in place of the template.
        max_new_tokens_col: Column that holds the most tokens that each row's completion may have.
        search_size: Samples that trials see.
        holdout_size: Samples that no trial sees.
        holdout_stratify_col: Column whose values have the same shares among these as among all samples.
        encode_args: The tokenizer's arguments for prompts.
        decode_args: The tokenizer's arguments for completions.
    """

    path: str
    config: str | None = None
    split: str | None = None
    streaming: bool = False
    take: int | None = None
    input_cols: list[str] | None = None
    eval_cols: list[str] | None = None
    prompt_template: str | None = None
    messages: list[dict[str, str]] | None = None
    messages_col: str | None = None
    max_new_tokens_col: str | None = None
    search_size: int | None = None
    holdout_size: int = 0
    holdout_stratify_col: str | None = None
    encode_args: dict[str, Any] | None = None
    decode_args: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class GenerationSection:
    """``[generation]``: what holds for every trial.

    Attributes:
        stop: Texts that end a completion.
    """

    stop: list[str] = field(default_factory=list)


class Choice(NamedTuple):
    """``[metric]`` or ``[sampler]``: something by name.

    Attributes:
        name: Its name.
        arguments: All other keys of the section.
    """

    name: str
    arguments: dict[str, Any]


class PrunerChoice(NamedTuple):
    """``[pruner]``.

    Attributes:
        name: The pruner's name; ``None`` for the default.
        arguments: All other keys of the section.
    """

    name: str | None
    arguments: dict[str, Any]


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
        study = _section("study", StudySection, table.get("study", {}))
        metric = dict(table["metric"])
        score_range = metric.pop("score_range", None)
        return cls(
            study=dataclasses.replace(
                study, name=study.name or name, storage=_storage_url(study.storage or f"{name}.db", directory)
            ),
            model=_section("model", ModelSection, table["model"]) if "model" in table else None,
            engine=_section("engine", EngineSection, table["engine"]) if "engine" in table else None,
            data=_section("data", DataSection, table["data"]),
            metric=_choice("metric", metric),
            score_range=None if score_range is None else check_score_range(score_range),
            space=SearchSpace.from_dict(table["space"]),
            generation=_section("generation", GenerationSection, table.get("generation", {})),
            sampler=_choice("sampler", {"name": "tpe", **table.get("sampler", {})}),
            pruner=_pruner_choice(table.get("pruner", {})),
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
        for key in ("timeout_s", "lapse_s"):
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


_Section = TypeVar("_Section", StudySection, ModelSection, EngineSection, DataSection, GenerationSection)


def _section(name: str, kind: type[_Section], table: Mapping[str, Any]) -> _Section:
    types_by_key = typing.get_type_hints(kind)
    for key, value in table.items():
        if key not in types_by_key:
            raise StudyFileError(unknown_name(f"key in [{name}]", key, types_by_key))
        if not _fits(value, types_by_key[key]):
            raise StudyFileError(f"`{key}` in [{name}] must be {_type_name(types_by_key[key])}, got {value!r}")
    needed = [f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
    missing = [key for key in needed if key not in table]
    if missing:
        raise StudyFileError(f"[{name}] needs the key {', '.join(missing)}")
    return kind(**table)


def _fits(value: Any, kind: Any) -> bool:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return True
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, option) for option in arguments)
    if origin is list:
        return isinstance(value, list) and all(_fits(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(item, arguments[1]) for item in value.values())
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _type_name(kind: Any) -> str:
    names = {str: "a text", int: "an integer", float: "a number", bool: "true or false"}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type_name(option) for option in arguments if option is not types.NoneType)
    if origin is list:
        return f"a list ({_type_name(arguments[0])} each)"
    return names.get(kind, "a table")


def _choice(section: str, table: Mapping[str, Any]) -> Choice:
    arguments = dict(table)
    name = arguments.pop("name", None)
    if not isinstance(name, str):
        raise StudyFileError(f'[{section}] needs a name = "..."')
    return Choice(name, arguments)


def _pruner_choice(table: Mapping[str, Any]) -> PrunerChoice:
    return PrunerChoice(None, {}) if not table else PrunerChoice(*_choice("pruner", {"name": "paired", **table}))


def _storage_url(storage: str, directory: Path) -> str:
    return storage if "://" in storage else sqlite_url(str(directory / storage))
