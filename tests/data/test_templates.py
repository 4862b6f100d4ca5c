import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pytest
from word_tokenizer import one_line

from llmsearch_optuna.data.loading import as_dataset
from llmsearch_optuna.data.options import DataOptions
from llmsearch_optuna.data.prompts import PromptSource
from llmsearch_optuna.data.rendering import check_rows, render_dataset


def source(template: str, *columns: str) -> PromptSource:
    return PromptSource(input_cols=columns or ("q",), eval_cols=("a",), prompt_template=template)


@pytest.mark.parametrize("column", ["a.b", "q[0]", "q:x", "0", "q!r", "q!r:x", "my column", "q.x[1]"])
def test_any_column_may_be_in_a_template(column: str) -> None:
    template = f"{{{{{{{column}}}}}}}"
    assert source(template, column).prompt({column: "text", "a": ""}, None) == "{text}"
    assert source(f"{{q:>{{{column}}}}}", "q", column).prompt({"q": "x", column: 3}, None) == "  x"


def test_a_column_comes_before_a_part_of_one() -> None:
    row = {"q": {"x": 1}, "q[x]": 2, "w": 3.14159}
    assert source("{q[x]} {w:.2f}", "q", "q[x]", "w").prompt(row, None) == "2 3.14"
    assert source("{q[x]} {w!r:>9}", "q", "w").prompt(row, None) == "1   3.14159"


BRACES = r" \(write \{\{ and \}\} for braces\)$"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            '{q} Reply as {"answer": 1}',
            r'^the template names `\{"answer"\}`, which is not among input_cols \(q\)' + BRACES,
        ),
        ("{q} \\frac{1}{2}", r"names `\{1\}`.*" + BRACES),
        ("{q} \\textbf{word}", r"names `\{word\}`.*" + BRACES),
        ("def f(x): return {x: {q}}", r"names `\{x\}`.*" + BRACES),
        ("{q} {}", r"names `\{\}`.*" + BRACES),
        ("{q} {", "^the template cannot be read: .*" + BRACES),
        ("{ q }", r"names `\{ q \}`.*: did you mean \{q\}\?$"),
        ("{Q}", r"names `\{Q\}`.*: did you mean \{q\}\?$"),
        ("{q} {a}", r"names `\{a\}`, which is not among input_cols \(q\)$"),
    ],
)
def test_a_hint_says_what_a_brace_means(template: str, message: str) -> None:
    one_line(lambda: source(template), message)
    chat = ({"role": "user", "content": template},)
    one_line(lambda: PromptSource(input_cols=("q",), eval_cols=("a",), messages=chat), message)


def test_names_that_are_nearly_right() -> None:
    one_line(lambda: source("{questoin}", "context", "question"), r": did you mean \{question\}\?$")


def options(**changes: Any) -> DataOptions:
    return DataOptions(**{"input_cols": ("q", "context"), "eval_cols": ("a",), **changes})


@pytest.mark.parametrize("template", ["Question: {{q}}", "Question: {{ q }}", "Answer", "{{{{q}}}}"])
def test_a_template_without_columns_is_refused(template: str) -> None:
    cure = "$" if template == "Answer" else r" in single braces \(double ones are for Jinja\)$"
    message = r"^the template uses no column of input_cols \(q, context\), so .*: write \{q\}" + cure
    one_line(lambda: options(prompt_template=template), message)
    one_line(lambda: options(messages=({"role": "user", "content": template},)), message)
    options(input_cols=(), prompt_template=template)
    messages = ({"role": "system", "content": template}, {"role": "user", "content": "{q}"})
    options(input_cols=("q",), messages=messages)


@pytest.mark.parametrize(
    ("template", "cure"),
    [
        ("{q}", ""),
        ("{q} {{context}}", r" in single braces \(double ones are for Jinja\)"),
        ("{q} {{ context }}", r" in single braces \(double ones are for Jinja\)"),
    ],
)
def test_a_column_without_effect_is_refused(template: str, cure: str) -> None:
    message = "^the column `context` of `input_cols` has no effect, as the template does not use it: write {context}"
    message += f"{cure}, or leave it out of `input_cols`$"
    one_line(lambda: options(prompt_template=template), message)
    one_line(lambda: options(messages=({"role": "user", "content": template},)), message)
    options(prompt_template="{q} {context} {{context}}")
    options(prompt_template="{q:{context}}")
    options(sample_preprocessor=lambda tokenizer, **columns: "x")


def test_a_column_with_a_taken_name_is_to_be_renamed() -> None:
    rows = as_dataset([{"_X": "x", "a": "y"}])
    message = "^the dataset has no column '_X': it has a, as _X stands for what is made of a row: rename the column$"
    one_line(lambda: check_rows(rows, source("{_X}", "_X")), message)
    rendered = render_dataset(as_dataset([{"q": "x", "a": "y"}]), source("{q}"), None)
    one_line(lambda: check_rows(rendered, source("{_X}", "_X")), "^the dataset has no column '_X': it has q, a$")
    spaced = as_dataset([{"q": "x", " a": "y"}])
    one_line(lambda: check_rows(spaced, source("{q}")), "^the dataset has no column 'a': .*; did you mean ' a'\\?$")


@pytest.mark.parametrize(
    ("value", "template", "expected"),
    [
        ("3.14159", "{q:.2f}", "3.14"),
        ("18", "{q:d}|{q:,}|{q:+}", "18|18|+18"),
        ("-2.5e3", "{q:,.1f}", "-2,500.0"),
        ("18", "{q:>4}", "  18"),
        ("1 ", "{q:.2f}", None),
        ("nan", "{q:.2f}", None),
        ("2.5", "{q:d}", None),
        (Decimal("0.0000001"), "{q}|{q:.1e}", "0.0000001|1.0e-7"),
        (dt.date(2024, 1, 2), "{q}", "2024-01-02"),
    ],
)
def test_strings_that_are_numbers_take_the_formats_of_numbers(
    value: object, template: str, expected: str | None
) -> None:
    rows = as_dataset([{"q": value, "a": value}])
    if expected is None:
        one_line(lambda: check_rows(rows, source(template)), "^row 0 makes no prompt: ValueError: Unknown format code ")
    else:
        assert render_dataset(rows, source(template), None)["_X"][:] == [expected]


def test_a_part_of_a_column_is_an_input() -> None:
    rows = as_dataset([{"q": {"t": "x", "u": {"v": 1}}, "a": ""}])
    parts = source("{q.t} {q.u.v:02d}", "q.t", "q.u.v")
    assert render_dataset(rows, parts, None)["_X"][:] == ["x 01"]
    columns = PromptSource(
        input_cols=("q.t",), eval_cols=("q.u",), sample_preprocessor=lambda tokenizer, **columns: str(columns)
    )
    assert render_dataset(rows, columns, None)["_X"][:] == ["{'q.t': 'x', 'q.u': {'v': 1}}"]
    for template, cure in {"{q.t}": "q[t]", "{q[u].v}": "q[u][v]", "{q.u.v}": "q[u][v]"}.items():
        message = "^row 0: `.*` cannot be read ('dict' object has no attribute '[tuv]'): a part of a mapping is {"
        message = message.replace("(", r"\(").replace(")", r"\)") + re.escape(cure) + "}$"
        one_line(lambda template=template: check_rows(rows, source(template)), message)  # type: ignore[misc]
