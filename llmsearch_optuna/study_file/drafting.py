"""Draft a study file from a data file and a model, by the names and values of its columns."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import datasets

from llmsearch_optuna.data.jinja import JinjaTemplate
from llmsearch_optuna.data.loading import load_data
from llmsearch_optuna.data.nested import read_column, read_rows
from llmsearch_optuna.errors import StudyFileError, TaskError

__all__ = ["draft"]

_LOG = logging.getLogger(__name__)

_ROWS = 500
_MESSAGES = ("messages", "conversation", "conversations", "chat")
_REFERENCES = (
    *("answer", "answers", "reference", "references", "target", "label", "output", "completion", "response"),
    *("summary", "solution", "expected", "gold", "ideal", "highlights", "translation"),
    *("labels", "category", "class", "intent", "sentiment"),
)
_SIDE = (
    *("id", "ids", "idx", "index", "uid", "uuid", "url", "source", "split", "metadata", "meta"),
    *("date", "time", "timestamp", "created", "updated", "at"),
)
_MOSTLY = 0.9  # the share of rows with a value in a column that may be the reference
_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+%?")
_CHARACTERS_PER_TOKEN = 3.0
_SERVER_LINES = (
    "max_concurrency = 32    # requests at once",
    '# api_key_env = "OPENAI_API_KEY"    # the environment variable with the key, if the server wants one',
)


class _Metric(NamedTuple):
    name: str
    reason: str


def draft(data: str, model: str, *, directory: Path, config: str | None = None, split: str | None = None) -> str:
    """Return a commented study file for a dataset and a model.

    The reference is the column with a usual name, such as ``answer``, or whose name ends with one. Otherwise, it is the
    last column that has a value in nearly all rows, and a warning says so. The metric follows from the form of the
    references, and the length limit from the longest of them. The draft is a start to be read and changed.

    Args:
        data: The path or hub id of the data; see `load_data`.
        model: The name or path of a model, or the address of a server (``http://...``).
        directory: The directory of the study file, which relative paths of the data start from.
        config: The configuration of a hub dataset; see `load_data`.
        split: The split of a hub dataset or a saved dataset; see `load_data`.

    Raises:
        TaskError: The data cannot be loaded.
        StudyFileError: No column could be a prompt or a reference.
    """
    dataset = load_data(data, directory=directory, config=config, split=split)
    head = read_rows(dataset.select(range(min(_ROWS, len(dataset)))))
    chat = next((name for name in dataset.column_names if name.lower() in _MESSAGES and _is_chat(head[0][name])), None)
    lines = _data_lines(data, dataset, head, chat)
    references = [_reference_text(row, lines) for row in head]
    metric = _metric(references)
    prompts = len({json.dumps(row, default=str) for row in read_rows(dataset.select_columns(lines.inputs))})
    longest = max(map(len, references))
    limit = min(1024, max(16, 16 * round(longest / _CHARACTERS_PER_TOKEN / 16 + 0.5)))
    target = "server" if model.startswith(("http://", "https://")) else "model"
    key = "base_url" if target == "server" else "name"
    return "\n".join(
        [
            f"[{target}]",
            f"{key} = {_toml(model)}",
            *(_SERVER_LINES if target == "server" else ()),
            "",
            "[data]",
            f"path = {_toml(data)}",
            *(f"{key} = {_toml(value)}" for key, value in (("config", config), ("split", split)) if value is not None),
            *lines.text,
            *_size_lines(prompts),
            "",
            "[metric]",
            f"name = {_toml(metric.name)}    # {metric.reason}; `llmsearch-optuna metrics` lists others",
            "",
            "[space]",
            "temperature = { low = 0.1, high = 1.2 }",
            "top_p = { low = 0.5, high = 1.0 }",
            f"max_new_tokens = {limit}    # the longest reference has {longest:,} characters",
            "",
        ]
    )


class _DataLines(NamedTuple):
    text: list[str]
    inputs: list[str]
    reference: str | None


def _data_lines(
    data: str, dataset: datasets.Dataset, head: Sequence[Mapping[str, Any]], chat: str | None
) -> _DataLines:
    """Return the lines of ``[data]`` on columns, and the columns of the prompt and the reference.

    The reference is None if it is the last message of a chat.
    """
    if chat is not None:
        text = f"messages_col = {_toml(chat)}    # the assistant's last message is the reference"
        return _DataLines([text], [chat], None)
    columns = dataset.column_names
    usable = [name for name in columns if _last_word(name) not in _SIDE and _holds_text(head, name)]
    by_name = {_last_word(name): name for name in usable} | {name.lower(): name for name in usable}
    reference = next((by_name[name] for name in _REFERENCES if name in by_name), None)
    is_guessed = reference is None
    if reference is None:
        reference = next((name for name in reversed(usable) if _is_mostly_set(head, name)), None)
    inputs = [name for name in usable if name != reference]
    if reference is None or not inputs:
        raise StudyFileError(
            f"{data} needs a column for the prompt and one for the reference, and it has {', '.join(columns)}: name "
            "them in a study file by hand"
        )
    if is_guessed:
        _LOG.warning(
            "no column has a usual name of a reference, such as `answer` or `label`: `%s`, the last one, is taken; if "
            "it is another, change `eval_cols`, `input_cols` and `messages`",
            reference,
        )
    comment = "the reference" + (", a guess: no column has a usual name" if is_guessed else "")
    content = _content(dataset, inputs, head)
    return _DataLines(
        [
            f"input_cols = {json.dumps(inputs)}",
            f"eval_cols = [{_toml(reference)}]    # {comment}",
            f'messages = [{{ role = "user", {content} }}]    # what the model is asked; say how to answer',
        ],
        inputs,
        reference,
    )


def _content(dataset: datasets.Dataset, inputs: Sequence[str], head: Sequence[Mapping[str, Any]]) -> str:
    """Return the key with the content of the message: a line for each column.

    It is a Jinja2 template if a column has lists or missing values, or braces in its name.
    """
    lists = [name for name in inputs if any(isinstance(row[name], list) for row in head)]
    gaps = [name for name in inputs if any(value is None for value in read_column(dataset, name))]
    if not lists and not gaps and not any(set(name) & set("{}") for name in inputs):
        template = "\n".join(f"{{{name}}}" for name in inputs)
        return f"content = {_toml(template)}"
    lines = []
    for name in inputs:
        variable = name if _is_variable(name) else f"row[{_toml(name)}]"
        text = f'{variable} | join(", ")' if name in lists else variable
        line = f"{{{{ {text} }}}}"
        lines += [f"{{% if {variable} is not none %}}", line, "{% endif %}"] if name in gaps else [line]
    template = "\n".join(lines)
    if inputs[-1] in gaps:  # the prompt ends without a line end, unless the last value is missing
        template = "".join(template.rsplit("\n", 1))
    return f"content_jinja = '''\n{template}'''"


def _is_variable(name: str) -> bool:
    """Return whether the name of a column is that of its variable in Jinja2."""
    try:
        return JinjaTemplate(f"{{{{ {name} }}}}").check([name], ()) == {name}
    except TaskError:  # it is read as something else
        return False


def _holds_text(head: Sequence[Mapping[str, Any]], name: str) -> bool:
    return all(_is_text(row[name]) for row in head) and any(row[name] not in (None, "", []) for row in head)


def _is_text(value: object) -> bool:
    """Return whether a value can be written in a prompt: text, a number, or a list of these. None leaves a gap."""
    values = value if isinstance(value, list) else [value]
    return value is None or all(isinstance(part, str | int | float) for part in values)


def _is_mostly_set(head: Sequence[Mapping[str, Any]], name: str) -> bool:
    return sum(row[name] not in (None, "", []) for row in head) >= _MOSTLY * len(head)


def _last_word(name: str) -> str:
    """Return the last word of a name in lower case: ``id`` of ``ticket_id``, ``Ticket ID`` and ``ticketId``."""
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))
    return words[-1].lower() if words else name.lower()


def _is_chat(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(part, dict) and "role" in part for part in value)


def _reference_text(row: Mapping[str, Any], lines: _DataLines) -> str:
    if lines.reference is None:
        chat = row[lines.inputs[0]]
        return str(chat[-1].get("content") or "") if _is_chat(chat) else ""
    value = row[lines.reference]
    return str((value or [""])[0] if isinstance(value, list) else "" if value is None else value).strip()


def _metric(references: Sequence[str]) -> _Metric:
    """Return a metric that fits the form of the references."""
    texts = [text for text in references if text]
    if all(len(text) == 1 and text.isalpha() for text in texts):
        return _Metric("choice", "the references are single letters")
    if all(_NUMBER.fullmatch(text) or re.search(r"####\s*\S+$", text) for text in texts):
        return _Metric("numeric", "the references are numbers")
    words = sorted(len(text.split()) for text in texts)
    median = words[len(words) // 2]
    if len(set(texts)) <= 20 and median <= 3:
        return _Metric("exact_match", f"the references are {len(set(texts))} labels")
    if median <= 12:
        return _Metric("token_f1", "the references are short texts")
    return _Metric("rougeL", "the references are long texts")


def _size_lines(prompts: int) -> list[str]:
    """Return the lines of the hold-out of at most 400 samples and, if samples remain, of the search on 200.

    Args:
        prompts: The number of different prompts. Rows with the same prompt stay in one split.
    """
    counted = f"of {prompts:,} different prompts, for the verdict"
    if prompts > 600:
        return ["search_size = 200", f"holdout_size = 400   # {counted}"]
    return [f"holdout_size = {prompts // 2}   # {counted}; the search has the others"]


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
