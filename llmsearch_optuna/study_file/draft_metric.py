"""The metric of a drafted study file, by the form of its references, and the choices that they name."""

import re
import statistics
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics import make_metric
from llmsearch_optuna.metrics.words import unicode_words
from llmsearch_optuna.study_file.draft_columns import Table, has_gap, name_words

__all__ = ["Choices", "DraftedMetric", "choice_metric", "reference_text", "text_metric"]

_READ = 500  # references whose form is looked at
_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+%?|.*####\s*\S+", re.DOTALL)  # as in GSM8K
_LETTER = re.compile("[A-Za-z]")
_NEGLIGIBLE = 0.05  # the share of words that ROUGE may misread
_LETTERS = string.ascii_uppercase
_DEFAULT = "ABCD"  # the letters that `choice` reads by default
_CHOICES = {
    *("choice", "choices", "option", "options", "ending", "endings"),
    *("candidate", "candidates", "alternative", "alternatives"),
}
_PREFIXES = _CHOICES | {"answer", "op", "opt", "sol", "solution", "hyp", "hypothesis"}  # of opa, opb, opc, ...
_LABELS = ("label", "labels", "key", "keys", "letter", "letters")
_CHOICE_COLUMN = re.compile(r"(.*?)[\W_]*([A-Z]|[a-z]|\d)\W*")
_SERIES = (_LETTERS, string.digits, string.digits[1:])


class Choices(NamedTuple):
    """The choices of a question, as the prompt shows them.

    Attributes:
        columns: The column with a list of them, or a column for each.
        letters: What the prompt writes before the choices, a letter each; empty if they begin with their letters.
        labels: The column with the labels of each row's choices; None if these are the letters.
        unused: Columns of labels that the prompt leaves out, because the letters replace them.
    """

    columns: list[str]
    letters: str = ""
    labels: str | None = None
    unused: tuple[str, ...] = ()


class DraftedMetric(NamedTuple):
    """The metric of a drafted study file.

    Attributes:
        name: The name of the metric.
        reason: Why it fits, in words.
        arguments: The further keys of ``[metric]``.
        choices: The choices that the references name; None if the data do not list them.
    """

    name: str
    reason: str
    arguments: Mapping[str, Any] = {}
    choices: Choices | None = None


def reference_text(reference: object) -> str:
    """Return a reference as a string: the first of a list, and the empty string for a missing one."""
    value = next(iter(reference), None) if isinstance(reference, list) else reference
    return "" if has_gap(value) else str(value).strip()


def text_metric(texts: Sequence[str]) -> DraftedMetric:
    """Return the metric that fits the form of references, for data that list no choices.

    Args:
        texts: The references of all rows; see `reference_text`.
    """
    texts = [text for text in texts if text]
    if letters := _single_letters(texts):
        reason = "the references are single letters: the prompt must show what they stand for"
        return DraftedMetric("choice", reason, _letters_argument(letters))
    texts = texts[:_READ]
    if texts and all(map(_NUMBER.fullmatch, texts)):
        return DraftedMetric("numeric", "the references are numbers")
    labels = set(texts)
    lengths = [len(text.split()) for text in texts]
    if len(labels) <= min(20, len(texts) / 2) and statistics.median_high(lengths or [0]) <= 3:
        return DraftedMetric("exact_match", f"the references are labels ({len(labels)} different)")
    words = [unicode_words(text) for text in texts]
    if statistics.median_high(map(len, words)) <= 12:
        return DraftedMetric("token_f1", "the references are short texts")
    misread = sum(not word.isascii() for words_of_text in words for word in words_of_text)
    is_ascii = misread <= _NEGLIGIBLE * sum(map(len, words))
    return DraftedMetric("rougeL", "the references are long texts", {} if is_ascii else {"tokenize": "unicode"})


def choice_metric(table: Table, inputs: Sequence[str], reference: str) -> DraftedMetric | None:
    """Return the metric `choice` if the references name choices that are in the data, by letter, index or text.

    The metric itself tests whether the references fit.

    Args:
        table: The data.
        inputs: The columns of the prompt.
        reference: The column of the references.
    """
    references = enumerate(table.values(reference))
    answers = {row: answer for row, answer in references if not has_gap(answer) and reference_text(answer)}
    labels = [name for name in inputs if _are_labels(name, table.head[name])]
    for name in _choice_lists(table, [name for name in inputs if name not in labels], answers):
        if (metric := _choice_of_lists(table, name, labels, reference, answers)) is not None:
            return metric
    for columns in _choice_columns(inputs):
        letters = _LETTERS[: len(columns)]
        rows = [{reference: answer} for answer in answers.values()]
        arguments = _with_index_base(rows, {} if letters == _DEFAULT else {"letters": letters})
        if arguments is not None:
            reason = f"the references are {_kind(answers, arguments)} of `{columns[0]}` to `{columns[-1]}`"
            return DraftedMetric("choice", reason, arguments, Choices(columns, letters))
    return None


def _choice_of_lists(
    table: Table, name: str, label_columns: Sequence[str], reference: str, answers: Mapping[int, Any]
) -> DraftedMetric | None:
    """Return the metric `choice` if the references name choices of a column of lists."""
    values = table.values(name)
    lists = {row: values[row] for row in answers}
    if not all(isinstance(choices, list) for choices in lists.values()):
        return None
    letters = _LETTERS[: max(map(len, lists.values()), default=0)]
    for column in label_columns:
        labels = table.values(column)
        marks = {row: [str(mark) for mark in labels[row] or ()] for row in lists}
        are_labels = all(len({*marks[row]}) == len(lists[row]) and str(answers[row]) in marks[row] for row in lists)
        if are_labels and any("".join(mark) != letters[: len(mark)] for mark in marks.values()):  # ARC has 1 to 4, too
            signs = sorted(set().union(*marks.values()), key=lambda sign: (sign.isdecimal(), sign))
            rows = [{reference: answer} for answer in answers.values()]
            if (arguments := _with_index_base(rows, {"letters": "".join(signs)})) is not None:
                reason = f"the references are labels of `{column}`"
                return DraftedMetric("choice", reason, arguments, Choices([name], labels=column))
    arguments = _with_index_base(
        [{reference: answers[row], name: choices} for row, choices in lists.items()],
        {"column": reference, "choices_column": name, **_letters_argument(letters)},
    )
    if arguments is None:
        return None
    has_letters = all(
        re.match(rf"\W?{letter}[\W_]", str(choice))
        for choices in lists.values()
        for letter, choice in zip(letters, choices, strict=False)
    )
    shown = Choices([name], "" if has_letters else letters, unused=tuple(label_columns))
    reason = f"the references are {_kind(answers, arguments, lists)} of `{name}`"
    return DraftedMetric("choice", reason, arguments, shown)


def _with_index_base(rows: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the arguments with which the metric `choice` takes all references, from index 0 or 1; None if neither."""
    for complete in (dict(arguments), {**arguments, "index_base": 1}):
        try:
            make_metric("choice", **complete)(rows, [""] * len(rows))
        except MetricError:
            continue
        return complete
    return None


def _letters_argument(letters: str) -> dict[str, Any]:
    """Return the argument for letters that are not the first ones of the default."""
    return {} if _DEFAULT.startswith(letters) else {"letters": letters}


def _kind(
    answers: Mapping[int, Any], arguments: Mapping[str, Any], lists: Mapping[int, Sequence[Any]] | None = None
) -> str:
    """Return what the references are: texts, letters or indices of choices."""
    if lists is not None and all(answer in lists[row] for row, answer in answers.items()):
        return "texts"
    texts = [reference_text(answer) for answer in answers.values()]
    if all(map(str.isdecimal, texts)):
        return f"indices (from {arguments.get('index_base', 0)})"
    return "letters" if all(len(text.strip("(). ")) == 1 for text in texts) else "texts"


def _single_letters(texts: Sequence[str]) -> str:
    """Return the letters from A to the last if all texts are letters, and most of these; else an empty string.

    Other letters are labels, as in Y and N.
    """
    letters = {text.upper() for text in texts if _LETTER.fullmatch(text)}
    if not texts or not all(text.upper() in letters for text in texts):
        return ""
    series = _LETTERS[: _LETTERS.index(max(letters)) + 1]
    return series if 2 * len(letters) >= len(series) else ""


def _choice_lists(table: Table, inputs: Sequence[str], answers: Mapping[int, Any]) -> list[str]:
    """Return the columns of lists that may be choices: by their names, or the only one if the references are letters.

    The only one must have lists of strings, of one length.
    """
    lists = {
        name: [value for value in table.head[name] if value is not None]
        for name in inputs
        if any(isinstance(value, list) for value in table.head[name])
    }
    if named := [name for name in lists if not _CHOICES.isdisjoint(name_words(name))]:
        return named
    return [
        name
        for name, values in lists.items()
        if len(lists) == len(set(map(len, values))) == 1
        and all(isinstance(part, str) for value in values for part in value)
        and all(map(_LETTER.fullmatch, map(reference_text, answers.values())))
    ]


def _choice_columns(inputs: Sequence[str]) -> Iterator[list[str]]:
    """Find columns that are a choice each, by their names: ``A``, ``B``, ..., or ``option1``, ``option2``, ..."""
    groups: dict[str, dict[str, str]] = {}
    for name in inputs:
        match = _CHOICE_COLUMN.fullmatch(name)
        if match and (name_words(match[1])[-1] in _PREFIXES if match[1] else match[2].isupper()):
            groups.setdefault(match[1].lower(), {})[match[2].upper()] = name
    for group in groups.values():
        marks = "".join(sorted(group))
        if len(marks) > 1 and any(series.startswith(marks) for series in _SERIES):
            yield [group[mark] for mark in marks]


def _are_labels(name: str, values: Sequence[Any]) -> bool:
    """Return whether a column has lists of the labels of choices, e.g. ``choices.label`` of ARC."""
    return name_words(name)[-1] in _LABELS and all(
        isinstance(value, list) and all(re.fullmatch("[A-Z0-9]", str(mark)) for mark in value) for value in values
    )
