"""The sections of a study file: their keys and types, which are the fields of dataclasses."""

import collections.abc
import contextlib
import dataclasses
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from llmsearch_optuna.data.options import DataOptions
from llmsearch_optuna.data.tasks.options import TaskOptions
from llmsearch_optuna.demo.model import DEMO
from llmsearch_optuna.engine.thinking import check_thinking
from llmsearch_optuna.errors import ConfigurationError, StudyFileError, check_minimum, unknown_name
from llmsearch_optuna.search.options import SearchOptions
from llmsearch_optuna.space.presets import presets
from llmsearch_optuna.study.further_metrics import check_label

__all__ = [
    "TASK",
    "Choice",
    "DataSection",
    "GenerationSection",
    "ModelSection",
    "StudySection",
    "in_section",
    "parse_choice",
    "parse_metrics",
    "parse_section",
]


TASK = "task"
"""The `name` in ``[metric]`` of the metric that a task in ``[data]`` brings."""


@dataclass(frozen=True, kw_only=True)
class StudySection(SearchOptions):
    """``[study]``: the search, and where it is stored.

    The fields `sampler`, `sampler_args`, `pruner`, `pruner_args` and `track` come from the sections ``[sampler]``,
    ``[pruner]`` and ``[track]``.

    Attributes:
        name: Name of the study. By default the name of the file without ``.toml``.
        storage: Database file, relative to the directory of the study file, or SQLAlchemy URL. By default the name of
            the file with ``.db``.
        seed: Seed of the sample order and of the search.
        presets: Lists of published parameters to try after the baselines: ``"arena"``, the winners of the preset arena
            (Oobabooga 2023), or ``"strategies"``, a grid for each decoding strategy.

    Raises:
        ConfigurationError: A preset list is unknown, or an option is invalid; see `SearchOptions`.
    """

    name: str = ""
    storage: str = ""
    seed: int = 42
    presets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.presets:
            presets(name)


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """``[model]``: the arguments of `load_model`, and those of `Tuner` that concern the model.

    A relative path starts from the directory of the study file.

    Attributes:
        name: Directory or hub id of a model, or of a PEFT adapter that names its base model. ``"demo"`` is the demo's
            model.
        device: The model's device. ``"auto"`` spreads it over all devices. By default ``"cuda"`` if it is available,
            otherwise ``"cpu"``.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``; that of the checkpoint by default.
        revision: The hub revision of the model or the adapter.
        gguf_file: Name of a GGUF file in the directory or repository, from which the model and the tokenizer are
            loaded. Its own sampling parameters become the model's defaults.
        allow_pickle: Also load pickled checkpoints. Pickles can run code, so use this only for files you trust.
        batch_size: Number of completions that are generated at once. It is halved while memory runs out. On CUDA,
            another number may round differently.
        replay_bytes: Memory for replay in bytes. 0 switches replay off. By default a quarter of the free memory.
        backend: ``"vllm"`` runs the model in vLLM, in this process. By default the package's own engine runs it.
        backend_args: Arguments of ``vllm.LLM``, such as ``{ tensor_parallel_size = 2 }``.

    Raises:
        ConfigurationError: A value is out of its range.
    """

    name: str
    device: str | None = None
    dtype: str | None = None
    revision: str | None = None
    gguf_file: str | None = None
    allow_pickle: bool = False
    batch_size: int = 64
    replay_bytes: int | None = None
    backend: str | None = None
    backend_args: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ConfigurationError("`name` must be a directory or a hub id, got an empty string")
        check_minimum("batch_size", self.batch_size, 1)
        check_minimum("replay_bytes", self.replay_bytes, 0)


@dataclass(frozen=True, kw_only=True)
class DataSection(DataOptions, TaskOptions):
    """``[data]``: the arguments of `load_data` or the options of a task, and how rows become samples.

    A relative path starts from the directory of the study file.

    Attributes:
        path: JSON, JSONL, CSV, TSV or Parquet file; directory of `datasets.Dataset.save_to_disk`; or hub id. ``"demo"``
            is the demo's dataset, which the package generates. Required without `task`.
        config: Configuration of a hub dataset.
        split: Split of a hub dataset, or of a saved dataset with several splits. Required for a hub dataset.
        streaming: Whether to read only the first `take` rows of a hub dataset or of a Parquet file.

    Raises:
        ConfigurationError: An option is without effect beside `task`, `streaming` is set without `take`, `take` is set
            for the demo's dataset, or an option is invalid; see `DataOptions` and `TaskOptions`.
    """

    path: str | None = None
    config: str | None = None
    split: str | None = None
    streaming: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        TaskOptions.__post_init__(self)
        if self.task is not None:
            for key in ("path", "config", "split", "streaming"):
                if getattr(self, key):
                    raise ConfigurationError(f"`{key}` has no effect with `task`, which has its own rows: leave it out")
        if self.streaming and self.take is None:
            raise ConfigurationError(
                "`streaming` needs `take`, the number of rows to read, as a stream may have no end"
            )
        if self.path == DEMO and self.take is not None:
            raise ConfigurationError("`take` has no effect on the data of the demo: leave it out")


@dataclass(frozen=True, kw_only=True)
class GenerationSection:
    """``[generation]``: options of every trial.

    Attributes:
        stop: Strings that end a completion, which is cut before the first of them.
        thinking: The marks around a thought, as in ``{ start = "<think>", end = "</think>" }``. Thoughts are not
            scored. False if there are no thoughts. By default the marks that the chat template names.

    Raises:
        ConfigurationError: A string is empty, or the marks are not two different strings.
    """

    stop: tuple[str, ...] = ()
    thinking: Mapping[str, str] | bool | None = None

    def __post_init__(self) -> None:
        if "" in self.stop:
            raise ConfigurationError("`stop` must not contain an empty string")
        check_thinking(self.thinking)


class Choice(NamedTuple):
    """``[metric]``, ``[sampler]`` or ``[pruner]``: a name and its arguments.

    Attributes:
        name: The name of the metric, sampler or pruner.
        arguments: All other keys of the section.
    """

    name: str
    arguments: dict[str, Any]


_Section = TypeVar("_Section")


def parse_section(name: str, kind: type[_Section], table: Mapping[str, Any], **further: Any) -> _Section:
    """Validate the keys, types and values of a section, and return it as an instance of its dataclass.

    Args:
        name: The name of the section.
        kind: The dataclass. The `metadata` of a field may have an entry ``key``: the field's key in the section if this
            is not the field's name, or None if the field has no key.
        table: The section, as parsed from TOML.
        further: Values of fields that have no key in the section.

    Raises:
        StudyFileError: A key is unknown or missing, or its value is wrong; the message names it.
    """
    options = _options(kind)
    hints = typing.get_type_hints(kind)
    for key, value in table.items():
        if key not in options:
            raise StudyFileError(unknown_name(f"key in [{name}]", key, options))
        hint = hints[options[key].name]
        if not _fits(value, hint):
            raise StudyFileError(f"`{key}` in [{name}] must be {_type_name(hint)}, got {value!r}")
    missing = [
        key
        for key, option in options.items()
        if key not in table and option.default is option.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise StudyFileError(f"[{name}] needs the key {', '.join(missing)}")
    values = {options[key].name: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    with in_section(name, kind):
        return kind(**values, **further)


@contextlib.contextmanager
def in_section(name: str, kind: type) -> Iterator[None]:
    """Name the section in the error that a wrong value raises: "`n_trials` in [study] must be >= 1, got 0".

    Raises:
        StudyFileError: The block raised a ConfigurationError.
    """
    try:
        yield
    except ConfigurationError as error:
        message = str(error)
        keys = {option.name: key for key, option in _options(kind).items()}
        start = re.match(r"`(\w+)` ", message)
        if start and start[1] in keys:
            message = f"`{keys[start[1]]}` in [{name}] {message[start.end() :]}"
        raise StudyFileError(message) from error


def _options(kind: Any) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of a section by key."""
    keys = {option.metadata.get("key", option.name): option for option in dataclasses.fields(kind)}
    return {key: option for key, option in keys.items() if key is not None}


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a TOML value fits a type annotation: a list any sequence, a table any mapping, an int a float."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, option) for option in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin in (tuple, collections.abc.Sequence):
        return isinstance(value, list) and all(_fits(item, arguments[0]) for item in value)
    if origin is collections.abc.Mapping:
        return isinstance(value, dict) and all(_fits(item, arguments[1]) for item in value.values())
    if hint is bool:
        return isinstance(value, bool)
    return isinstance(value, int | float if hint is float else hint) and not isinstance(value, bool)


def _type_name(hint: Any) -> str:
    """Return the description of a type annotation for error messages, e.g. ``"an integer"``."""
    names = {str: "a string", int: "an integer", float: "a number", bool: "true or false"}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type_name(option) for option in arguments if option is not types.NoneType)
    if origin is typing.Literal:
        return " or ".join(f'"{value}"' for value in arguments)
    if origin in (tuple, collections.abc.Sequence):
        return f"a list ({_type_name(arguments[0])} each)"
    return names.get(hint, "a table")


def parse_choice(section: str, table: Mapping[str, Any]) -> Choice:
    """Return the name in a section, and its other keys as arguments.

    Raises:
        StudyFileError: There is no name, or it is not a string.
    """
    arguments = dict(table)
    name = arguments.pop("name", None)
    if not isinstance(name, str):
        raise StudyFileError(f'[{section}] needs a name = "..."')
    return Choice(name, arguments)


def parse_metrics(table: Mapping[str, Any]) -> dict[str, Choice]:
    """Return the further metrics in ``[metrics]``, by label.

    Raises:
        StudyFileError: A metric is no table, or has no name.
        MetricError: A label is wrong.
    """
    metrics = {}
    for label, content in table.items():
        check_label(label)
        if not isinstance(content, Mapping):
            raise StudyFileError(f'`{label}` in [metrics] must be a table like {{ name = "..." }}, got {content!r}')
        metrics[label] = parse_choice(f"metrics.{label}", content)
    return metrics
