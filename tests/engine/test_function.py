"""What a prediction function may return, and what is said of everything else."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.function import FunctionEngine
from llmsearch_optuna.errors import TrialError
from llmsearch_optuna.space.params import GenerationParams

ROWS = (4, 7, 9)


def texts(returned: Any, rows: tuple[int, ...] = ROWS) -> list[str]:
    def function(prompts: list[str], params: dict[str, Any]) -> Any:
        if isinstance(returned, BaseException):
            raise returned
        return returned

    requests = [
        Request(prompt=f"p{row}", prompt_ids=(), params=GenerationParams(), stopping=Stopping(), row=row)
        for row in rows
    ]
    return [completion.text for completion in FunctionEngine(function).generate(requests)]


def pieces() -> Iterator[str]:
    yield from ("a", "b", "c")


@pytest.mark.parametrize("returned", [["a", "b", "c"], ("a", "b", "c"), pieces(), np.array(["a", "b", "c"])])
def test_any_sequence_of_strings_will_do(returned: object) -> None:
    assert texts(returned) == ["a", "b", "c"]
    assert {type(text) for text in texts(["a", "", "c"])} == {str}


@pytest.mark.parametrize(
    ("returned", "got"),
    [
        (None, "None"),
        ("abc", "str"),  # as many characters as prompts
        (b"abc", "bytes"),
        ({"a": 1, "b": 2, "c": 3}, "dict"),
        ({"a", "b", "c"}, "set"),
        (3, "int"),
        ([], "0"),
        (["a", "b"], "2"),
        (["a", "b", "c", "d"], "4"),
        (["a", None, "c"], "None for row 7"),
        (["a", "b", float("nan")], "float for row 9"),
        ([["a"], ["b"], ["c"]], "list for row 4"),
    ],
)
def test_everything_else_fails_the_trial_in_one_line(returned: object, got: str) -> None:
    with pytest.raises(TrialError) as failure:
        texts(returned)
    assert str(failure.value) == (f"custom_pred_function must return a list of 3 strings for 3 prompts, got {got}")


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), ValueError("no")])
def test_whatever_it_raises_fails_the_trial(error: BaseException) -> None:
    with pytest.raises(TrialError, match=f"^custom_pred_function raised {type(error).__name__}"):
        texts(error)


def test_ctrl_c_is_not_its_fault() -> None:
    with pytest.raises(KeyboardInterrupt):
        texts(KeyboardInterrupt())
