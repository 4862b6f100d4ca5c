"""The columns of a drafted study file: the reference, and those of the prompt."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import datasets

from llmsearch_optuna.data.nested import read_column
from llmsearch_optuna.data.values import can_be_written, find_parts, is_missing
from llmsearch_optuna.errors import StudyFileError

__all__ = ["Columns", "Table", "choose_columns", "has_gap", "name_words"]

_ROWS = 500
_MOST_PARTS = 16  # an object with more keys maps ids or names to values
_MESSAGES = ("messages", "conversation", "conversations", "chat")
_REFERENCES = (
    *("answer", "answers", "answer_key", "reference", "references", "target", "targets"),
    *("label", "output", "outputs", "completion", "response"),
    *("summary", "solution", "expected", "gold", "ideal", "highlights", "translation"),
    *("labels", "category", "class", "intent", "sentiment", "correct", "cop", "tgt", "answer_index", "answer_idx"),
)
_PARTS = ("text", "aliases", "value", "answer", "answers", "span", "spans")  # of an object with the reference
_SIDE = (
    *("id", "ids", "idx", "ind", "index", "row", "uid", "uuid", "url", "source", "split", "metadata", "meta"),
    *("date", "time", "timestamp", "created", "updated", "at"),
)
_NO_DATA = re.compile(r"(?:Unnamed: \d[\w.]*|__index_level_\d+__|_X|_y)?")  # pandas' index; columns of a rendered row
_SOURCE = "source"  # where a row is from, or a text to translate
_TRANSLATIONS = ("target", "targets", "tgt", "translation")
# What follows the name of the reference in that of a column with the same answer.
_FORMS = ("text", "name", "letter", "key", "value", "number", "id", "idx", "index", "start", "starts", "end", "aliases")
_EXPLANATIONS = (
    *("rationale", "rationales", "explanation", "explanations", "reasoning", "thought", "thoughts", "cot"),
    *("solution", "solutions", "exp"),
)
_ANSWERS = {"answer", "answers"}
_MOSTLY = 0.9  # the share of rows with a value in a column that may be the reference


@dataclass(frozen=True, kw_only=True)
class Table:
    """The rows of a dataset by column. The parts of objects are columns, e.g. ``answers.text`` of SQuAD.

    Attributes:
        dataset: All rows.
        first_rows: The first of them.
        head: The values of `first_rows`, by column.
    """

    dataset: datasets.Dataset
    first_rows: datasets.Dataset
    head: Mapping[str, Sequence[Any]]

    @classmethod
    def of(cls, dataset: datasets.Dataset) -> Self:
        """Return the table of a dataset."""
        first_rows = dataset.select(range(min(_ROWS, len(dataset))))
        rows = first_rows.to_list()  # images and sounds are not decoded
        head: dict[str, Sequence[Any]] = {}
        for name, feature in dataset.features.items():
            is_json = isinstance(feature, datasets.Json)
            values = read_column(first_rows, name) if is_json else [row[name] for row in rows]
            columns: Mapping[str, Sequence[Any]] = {name: values} if "." in name else _parts(name, values)
            head |= {part: columns[part] for part in columns if part == name or part not in dataset.column_names}
        return cls(dataset=dataset, first_rows=first_rows, head=head)

    def values(self, column: str) -> list[Any]:
        """Return the values of all rows."""
        name, *parts = [column] if column in self.dataset.column_names else column.split(".")
        return find_parts(read_column(self.dataset, name), parts)

    def owner(self, column: str) -> str:
        """Return the column of the dataset that a column is, or is a part of."""
        return column if column in self.dataset.column_names else column.partition(".")[0]

    def chat_column(self) -> str | None:
        """Return the column of chat messages; None if there is none."""
        names = [name for name in self.dataset.column_names if name.lower() in _MESSAGES]
        return next((name for name in names if _is_chat(read_column(self.first_rows, name)[0])), None)


class Columns(NamedTuple):
    """The columns of a drafted study file.

    Attributes:
        inputs: The columns of the prompt, in the order of the data.
        reference: The column of the reference.
        is_guessed: Whether no name tells the reference, so that it is the last column that could be one.
        unreadable: Columns that may belong to the prompt, but are no text.
    """

    inputs: list[str]
    reference: str
    is_guessed: bool
    unreadable: list[str]


def choose_columns(table: Table, data: str) -> Columns:
    """Choose the columns of the prompt and of the reference by their names and values.

    Args:
        table: The data.
        data: What to call the data in messages.

    Raises:
        StudyFileError: No column could be a prompt or a reference, or only a part of an object could be the reference
            and no usual name tells which.
    """
    texts = [name for name, values in table.head.items() if _holds_text(values)]
    usable = [name for name in texts if not _is_side(name)]
    reference, unclear = _usual_reference(table, usable)
    is_guessed = reference is None
    if reference is None and all(table.owner(name) in unclear for name in usable if unclear):
        reference = next((name for name in reversed(usable) if _is_mostly_set(table.head[name])), None)
    if reference is None and unclear:
        names = [name for name in table.head if table.owner(name) in unclear]
        objects = [name for name in unclear if name not in names]
        json_hint = f"; if the answer is JSON, name `{objects[0]}` and the metric `json_schema`" if objects else ""
        raise StudyFileError(
            f"{data} may have its reference in {' or '.join(names)}: name it and the columns of the prompt in a study "
            f"file by hand{json_hint}"
        )
    inputs = [] if reference is None else _inputs(table, texts, reference, is_guessed=is_guessed)
    if reference is None or not inputs:
        raise StudyFileError(
            f"{data} needs a column for the prompt and one for the reference, and it has {', '.join(table.head)}: name "
            "them in a study file by hand"
        )
    unreadable = [
        name
        for name, values in table.head.items()
        if name not in texts and not _is_side(name) and any(map(_is_set, values))
    ]
    return Columns(inputs, reference, is_guessed, unreadable)


def _usual_reference(table: Table, usable: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the column whose name, or whose last word, is the most usual one of a reference.

    Returns:
        The column, or None; and the columns with such a word in their name that are no text, as their parts may be it.
    """
    by_last_word: dict[str, str] = {}
    by_name: dict[str, str] = {}
    unclear = []
    for name in table.dataset.column_names:
        words = name_words(name)
        parts = [column for column in table.head if table.owner(column) == name]
        columns = [column for column in parts if column in usable]
        if len(columns) > 1:
            columns = [f"{name}.{part}" for part in _PARTS if f"{name}.{part}" in columns]
        if columns:
            by_last_word[words[-1]] = by_name["_".join(words)] = columns[0]
        is_object = parts != [name]
        is_usual = not set(words if is_object else words[-1:]).isdisjoint(_REFERENCES)
        has_values = any(_is_set(value) for part in parts for value in table.head[part])
        if is_usual and has_values and (is_object or not columns):
            unclear.append(name)
    names = by_last_word | by_name
    return next((names[name] for name in _REFERENCES if name in names), None), unclear


def _inputs(table: Table, texts: Sequence[str], reference: str, *, is_guessed: bool) -> list[str]:
    """Return the columns of the prompt: those of text that neither identify the row nor tell the reference."""
    inputs = [name for name in texts if name != reference and not _is_side(name) and not _tells(name, reference)]
    if not is_guessed:  # the other parts tell e.g. where in the context the answer begins
        inputs = [name for name in inputs if table.owner(name) != table.owner(reference)]
    if not inputs or name_words(reference)[-1] in _TRANSLATIONS:
        inputs = [name for name in texts if name in inputs or name.lower() == _SOURCE]
    return inputs


def _tells(name: str, reference: str) -> bool:
    """Return whether a column leads to the reference, as a rationale does, or is a form of it (``label_text``)."""
    words, answer = name_words(name), name_words(reference)
    is_form = words[: len(answer)] == answer and words[-1] in _FORMS
    return is_form or words[-1] in _EXPLANATIONS or {words[-1], answer[-1]} <= _ANSWERS


def _is_side(name: str) -> bool:
    """Return whether a column identifies or dates a row, or is the index of a DataFrame."""
    if _NO_DATA.fullmatch(name.strip()):
        return True
    last_words = {name_words(part)[-1] for part in name.split(".")}
    return "_".join(name_words(name)) not in _REFERENCES and not last_words.isdisjoint(_SIDE)


def name_words(name: str) -> list[str]:
    """Return the words of a name in lower case, at least one: ``ticket`` and ``id`` of ``Ticket ID``, ``ticketId``."""
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))
    return [word.lower() for word in words] or [name.lower()]


def has_gap(reference: object) -> bool:
    """Return whether a reference is missing, or is a list in which a value is missing."""
    return any(map(is_missing, reference)) if isinstance(reference, list) else is_missing(reference)


def _parts(name: str, values: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """Return the parts of objects, or of lists of objects, by their names in a study file; other values as they are."""
    present = [value for value in values if value is not None]
    items = [item for value in present for item in (value if isinstance(value, list) else [value])]
    keys = dict.fromkeys(key for item in items if isinstance(item, Mapping) for key in item)
    has_parts = (
        0 < len(keys) <= _MOST_PARTS
        and len({isinstance(value, list) for value in present if value != []}) == 1
        and all(isinstance(item, Mapping) for item in items)
        and not any("." in key for key in keys)
    )
    if not has_parts:
        return {name: values}
    parts: dict[str, Sequence[Any]] = {}
    for key in keys:
        parts |= _parts(f"{name}.{key}", find_parts(values, [key]))
    return parts


def _holds_text(values: Sequence[Any]) -> bool:
    """Return whether values can be written in a prompt, alone or as lists. None is a gap."""
    parts = [part for value in values for part in (value if isinstance(value, list) else [value])]
    return all(part is None or can_be_written(part) for part in parts) and any(map(_is_set, values))


def _is_set(value: object) -> bool:
    return value not in (None, "", [])


def _is_mostly_set(values: Sequence[Any]) -> bool:
    return sum(map(_is_set, values)) >= _MOSTLY * len(values)


def _is_chat(value: object) -> bool:
    """Return whether a value is a list of chat messages; those of ShareGPT have the keys ``from`` and ``value``."""
    messages = value if isinstance(value, list) else []
    return bool(messages) and all(isinstance(part, dict) and {"role", "from"} & part.keys() for part in messages)
