"""The sections of a study file: the keys that each may have, and what they may hold."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from llmsearch_optuna.errors import StudyFileError, unknown_name
from llmsearch_optuna.study.objectives import SCORE

__all__ = [
    "Choice",
    "DataSection",
    "EngineSection",
    "GenerationSection",
    "ModelSection",
    "PrunerChoice",
    "StudySection",
    "parse_choice",
    "parse_pruner_choice",
    "parse_section",
]


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
        lease_timeout_s: On a server: after how many seconds without a sign of life a worker's trials are taken over.
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
    lease_timeout_s: int | float = 60


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
        path: A JSON, JSONL, CSV, TSV or Parquet file or a saved dataset (from the study file's directory), a hub id,
            or ``"demo"``.
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


_Section = TypeVar("_Section", StudySection, ModelSection, EngineSection, DataSection, GenerationSection)


def parse_section(name: str, kind: type[_Section], table: Mapping[str, Any]) -> _Section:
    """A section, its keys and the types of their values checked.

    Raises:
        StudyFileError: A key is unknown or missing, or its value is of another type; the message names it.
    """
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


def parse_choice(section: str, table: Mapping[str, Any]) -> Choice:
    """What a section names, and its arguments.

    Raises:
        StudyFileError: There is no name.
    """
    arguments = dict(table)
    name = arguments.pop("name", None)
    if not isinstance(name, str):
        raise StudyFileError(f'[{section}] needs a name = "..."')
    return Choice(name, arguments)


def parse_pruner_choice(table: Mapping[str, Any]) -> PrunerChoice:
    """The pruner that ``[pruner]`` names: the paired one where it holds arguments alone, the default where nothing."""
    return PrunerChoice(None, {}) if not table else PrunerChoice(*parse_choice("pruner", {"name": "paired", **table}))
