import inspect
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna import errors
from llmsearch_optuna.errors import ConfigurationError, LlmsearchError, unknown_name
from llmsearch_optuna.terminal import printable

CLASSES = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if value.__module__ == errors.__name__ and value is not LlmsearchError
]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_is_public_documented_and_in_the_tree(kind: type[LlmsearchError]) -> None:
    assert issubclass(kind, LlmsearchError)
    assert kind.__name__ in errors.__all__
    assert kind.__doc__
    assert f"─ {kind.__name__} " in (errors.__doc__ or "")


@pytest.mark.parametrize("kind", CLASSES)
def test_only_wrong_input_is_a_value_error(kind: type[LlmsearchError]) -> None:
    assert issubclass(kind, ValueError) == issubclass(kind, ConfigurationError)


def test_messages_are_one_line_whatever_they_quote() -> None:
    error = errors.TaskError("row 3:\n  Unexpected token\r\n\n  near `{`  and so on\u2028")
    assert str(error) == "row 3: Unexpected token near `{`  and so on"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_messages_can_be_printed_whatever_they_quote(text: str) -> None:
    message = str(errors.TaskError(f"quoted: {text}."))
    assert message.startswith("quoted:")
    assert message.endswith(".")
    assert message == printable(message)


@pytest.mark.parametrize(
    ("name", "valid", "message"),
    [
        ("rogue1", ["rouge1", "bleu"], "unknown metric `rogue1`: did you mean `rouge1`?"),
        ("zzz", ["b", "a", "b"], "unknown metric `zzz`: known are a, b"),
        ("zzz", [], "unknown metric `zzz`: there is none"),
    ],
)
def test_unknown_name_points_at_the_nearest(name: str, valid: list[str], message: str) -> None:
    assert unknown_name("metric", name, valid) == message
