"""Draft a study file from a data file and a model, by the names and values of its columns."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from llmsearch_optuna.data.jinja import JinjaTemplate
from llmsearch_optuna.data.loading import load_data
from llmsearch_optuna.data.rendering import check_rows
from llmsearch_optuna.data.templates import FormatTemplate
from llmsearch_optuna.data.values import is_missing
from llmsearch_optuna.errors import ConfigurationError, TaskError
from llmsearch_optuna.metrics import check_references, make_metric
from llmsearch_optuna.study_file.draft_columns import Columns, Table, choose_columns, has_gap
from llmsearch_optuna.study_file.draft_metric import Choices, DraftedMetric, choice_metric, reference_text, text_metric
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.terminal import printable

__all__ = ["draft"]

_LOG = logging.getLogger(__name__)

_BYTES_PER_TOKEN = 3.0  # of UTF-8, in which a character of other scripts than the Latin one has 2 to 4
_MOST_NAMED = 8  # columns in a comment
_SERVER_LINES = (
    "max_concurrency = 32    # requests at once",
    '# api_key_env = "OPENAI_API_KEY"    # the environment variable with the key, if the server wants one',
)


class _Task(NamedTuple):
    """What the draft says of the data.

    Attributes:
        lines: The lines of ``[data]`` on columns.
        inputs: The values of the columns of the prompt.
        texts: The references of all rows, as strings.
        metric: The metric.
    """

    lines: list[str]
    inputs: Mapping[str, Sequence[Any]]
    texts: list[str]
    metric: DraftedMetric


def draft(data: str, model: str, *, directory: Path, config: str | None = None, split: str | None = None) -> str:
    """Return a commented study file for a dataset and a model.

    The reference is the column with a usual name, such as ``answer``, or whose name ends with one. Otherwise, it is the
    last column that has a value in nearly all rows, and a warning says so. The metric follows from the form of the
    references, and the length limit from the longest of them. If the references name choices in the data, the prompt
    shows these with letters, and the metric is `choice`. The draft is a start to be read and changed. A warning counts
    missing references. Another one says what a search would refuse of the first rows.

    Args:
        data: The path or hub id of the data; see `load_data`.
        model: The name or path of a model, or the address of a server (``http://...``).
        directory: The directory of the study file, which relative paths of the data start from.
        config: The configuration of a hub dataset; see `load_data`.
        split: The split of a hub dataset or a saved dataset; see `load_data`.

    Raises:
        TaskError: The data cannot be loaded.
        StudyFileError: No column could be a prompt or a reference, or only a part of an object could be the reference
            and no usual name tells which.
    """
    table = Table.of(load_data(data, directory=directory, config=config, split=split))
    chat = table.chat_column()
    task = _columns_task(table, choose_columns(table, data)) if chat is None else _chat_task(table, chat)
    metric = task.metric
    prompts = len({json.dumps(row, default=str) for row in zip(*task.inputs.values(), strict=True)})
    longest = max(task.texts, key=_size)
    limit = min(1024, max(16, 16 * round(_size(longest) / _BYTES_PER_TOKEN / 16 + 0.5)))
    target = "server" if model.startswith(("http://", "https://")) else "model"
    key = "base_url" if target == "server" else "name"
    text = "\n".join(
        [
            f"[{target}]",
            f"{key} = {_toml(model)}",
            *(_SERVER_LINES if target == "server" else ()),
            "",
            "[data]",
            f"path = {_toml(data)}",
            *(f"{key} = {_toml(value)}" for key, value in (("config", config), ("split", split)) if value is not None),
            *task.lines,
            *_size_lines(prompts),
            "",
            "[metric]",
            f"name = {_toml(metric.name)}    # {printable(metric.reason)}; `llmsearch-optuna metrics` lists others",
            *(f"{key} = {_toml(value)}" for key, value in metric.arguments.items()),
            "",
            "[space]",
            "temperature = { low = 0.1, high = 1.2 }",
            "top_p = { low = 0.5, high = 1.0 }",
            f"max_new_tokens = {limit}    # the longest reference has {len(longest):,} characters",
            "",
        ]
    )
    _warn_of_refusals(text, table, directory)
    return text


def _chat_task(table: Table, chat: str) -> _Task:
    """Return the task of conversations, whose last message is the reference."""
    conversations = table.values(chat)
    texts = [_last_content(messages) for messages in conversations]
    line = f"messages_col = {_toml(chat)}    # the assistant's last message is the reference"
    return _Task([line], {chat: conversations}, texts, text_metric(texts))


def _last_content(messages: object) -> str:
    message = messages[-1] if isinstance(messages, list) and messages else None
    content = message.get("content") or message.get("value") if isinstance(message, Mapping) else None
    return str(content or "").strip()


def _columns_task(table: Table, columns: Columns) -> _Task:
    """Return the task of columns: those of the prompt in their order, and the choices last."""
    reference = columns.reference
    references = table.values(reference)
    texts = [reference_text(value) for value in references]
    metric = choice_metric(table, columns.inputs, reference) or text_metric(texts)
    names = columns.inputs
    if metric.choices is not None:
        last = [name for name in (*metric.choices.columns, metric.choices.labels) if name is not None]
        names = [name for name in names if name not in (*last, *metric.choices.unused)] + last
    gaps = sum(has_gap(value) or (metric.name == "choice" and not reference_text(value)) for value in references)
    empty = sum(isinstance(value, str) and not value.strip() for value in references)
    _warn_of_columns(columns, gaps, 0 if metric.name == "choice" else empty, len(references))
    evaluated = [reference, *(name for key, name in metric.arguments.items() if key == "choices_column")]
    guess = ", a guess: no column has a usual name" if columns.is_guessed else ""
    choices = ", and the choices" if len(evaluated) > 1 else ""
    inputs = {name: table.values(name) for name in names}
    content = _content(inputs, metric.choices)
    unused = [name for name in table.head if name not in {*names, *evaluated}]
    lines = [
        f"input_cols = {_toml(names)}{_comment_on(unused)}",
        f"eval_cols = {_toml(evaluated)}    # the reference{guess}{choices}",
        f'messages = [{{ role = "user", {content} }}]    # what the model is asked; say how to answer',
    ]
    return _Task(lines, inputs, texts, metric)


def _warn_of_columns(columns: Columns, gaps: int, empty: int, rows: int) -> None:
    if columns.is_guessed:
        _LOG.warning(
            "no column has a usual name of a reference, such as `answer` or `label`: `%s`, the last one, is taken; if "
            "it is another, change `eval_cols`, `input_cols` and `messages`",
            columns.reference,
        )
    if columns.unreadable:
        _LOG.warning(
            "%s: no text, and left out of the prompt; if the model needs it, write it in `messages` with Jinja",
            ", ".join(f"`{name}`" for name in columns.unreadable),
        )
    if gaps:
        _LOG.warning(
            "`%s`, the reference, has no value in %d of %d rows, which a search refuses: fill it in, or leave the rows "
            "out",
            *(columns.reference, gaps, rows),
        )
    if empty:
        _LOG.warning(
            "`%s`, the reference, is empty in %d of %d rows: fill it in, or leave the rows out",
            *(columns.reference, empty, rows),
        )


def _warn_of_refusals(text: str, table: Table, directory: Path) -> None:
    """Warn of what a search would refuse of the first rows, except for empty references."""
    file = StudyFile.parse(text, name="draft", directory=directory)
    try:
        references = {
            f"row {row}": reference
            for row, reference in enumerate(check_rows(table.first_rows, file.data))
            if not any(has_gap(value) or not reference_text(value) for value in reference.values())
        }
        if references:
            metric = make_metric(file.metric.name, **file.metric.arguments)
            check_references(metric, list(references.values()), list(references))
    except ConfigurationError as error:
        _LOG.warning("a search will refuse this draft: %s", error)


def _content(inputs: Mapping[str, Sequence[Any]], choices: Choices | None) -> str:
    """Return the key with the content of the message: a line for each column, and for each choice.

    It is a Jinja2 template if a column has lists or missing values, or a name that ``str.format`` reads otherwise, such
    as ``Urgent!``.

    Args:
        inputs: The values of the columns, those of choices last.
        choices: The choices; None if there are none.
    """
    labels: dict[str, str] = {}
    looped: tuple[str | None, ...] = ()
    if choices is not None and len(choices.columns) > 1:
        labels = {name: f"{letter}. " for name, letter in zip(choices.columns, choices.letters, strict=True)}
    elif choices is not None:
        looped = (*choices.columns, choices.labels)
    lists = [name for name, values in inputs.items() if any(isinstance(value, list) for value in values)]
    gaps = [name for name, values in inputs.items() if any(map(is_missing, values))]
    if not lists and not gaps and all(_names(FormatTemplate, f"{{{name}}}", name) for name in inputs):
        template = "\n".join(f"{labels.get(name, '')}{{{name}}}" for name in inputs)
        return f"content = {_toml(template)}"
    lines = []
    for name, values in inputs.items():
        if name in looped:
            continue
        variable = text = _variable(name)
        if name in lists:
            present = ' | reject("none")' if any(value and has_gap(value) for value in values) else ""
            text = f'{variable}{present} | join(", ")'
        line = f"{labels.get(name, '')}{{{{ {text} }}}}"
        if name in gaps:
            has_nan = any(value is not None and is_missing(value) for value in values)
            is_number = f" and {variable} == {variable}" if has_nan else ""  # NaN differs from itself
            # A prompt ends without a line end, unless the last value is missing.
            end = "" if name == list(inputs)[-1] else "\n"
            line = f"{{% if {variable} is not none{is_number} %}}\n{line}{end}{{% endif %}}"
        lines.append(line)
    if choices is not None and looped:
        lines.append(_loop(choices))
    template = "\n".join(lines)
    return f"content_jinja = {_toml(template)}" if "'''" in template else f"content_jinja = '''\n{template}'''"


def _loop(choices: Choices) -> str:
    """Return the part of a Jinja2 template that writes the choices of a list, each with its letter."""
    labels = _toml(choices.letters) if choices.labels is None else _variable(choices.labels)
    label = f"{{{{ {labels}[loop.index0] }}}}. " if choices.letters or choices.labels is not None else ""
    line = f'{label}{{{{ choice }}}}{{{{ "" if loop.last else "\\n" }}}}'
    return f"{{% for choice in {_variable(choices.columns[0])} %}}\n{line}{{% endfor %}}"


def _variable(name: str) -> str:
    """Return how a Jinja2 template names a column."""
    return name if _names(JinjaTemplate, f"{{{{ {name} }}}}", name) else f"row[{_toml(name)}]"


def _names(kind: type[FormatTemplate | JinjaTemplate], text: str, name: str) -> bool:
    """Return whether a template is read as the column of this name."""
    try:
        return kind(text).check([name], ()) == {name}
    except TaskError:
        return False


def _comment_on(names: Sequence[str]) -> str:
    """Return the comment on columns that the study file does not use."""
    if not names:
        return ""
    further = f" and {len(names) - _MOST_NAMED} others" if len(names) > _MOST_NAMED else ""
    return f"    # without {', '.join(map(_toml, names[:_MOST_NAMED]))}{further}"


def _size_lines(prompts: int) -> list[str]:
    """Return the lines of the hold-out of at most 400 samples and, if samples remain, of the search on 200.

    Args:
        prompts: The number of different prompts. Rows with the same prompt stay in one split.
    """
    counted = f"of {prompts:,} different prompts, for the verdict"
    if prompts > 600:
        return ["search_size = 200", f"holdout_size = 400   # {counted}"]
    return [f"holdout_size = {prompts // 2}   # {counted}; the search has the others"]


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _toml(value: str | int | Sequence[str]) -> str:
    """Return a string, an integer or a list of strings as TOML writes it, which is as JSON but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
