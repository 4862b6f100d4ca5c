"""Prompts from Jinja2 templates."""

import re
from decimal import Decimal
from typing import Any

import pytest
from word_tokenizer import word_tokenizer

from llmsearch_optuna.data.loading import as_dataset
from llmsearch_optuna.data.options import DataOptions
from llmsearch_optuna.data.rendering import check_rows, encode_prompts, render_dataset
from llmsearch_optuna.errors import TaskError

ROW = {"q": "2 + 2?", "context": ["a", "b"], "a b": 3, "note": None}


def source(template: str, *columns: str, **changes: Any) -> DataOptions:
    return DataOptions(prompt_jinja=template, input_cols=columns, eval_cols=("a",), **changes)


@pytest.mark.parametrize(
    ("template", "columns", "prompt"),
    [
        ("{{ q }}\n", ["q"], "2 + 2?\n"),
        ("{# no note #}Q: {{ q }}", ["q"], "Q: 2 + 2?"),
        ("  {% for part in context %}\n- {{ part }}\n  {% endfor %}\nQ", ["context"], "- a\n- b\nQ"),
        ("{% if note %}{{ note }}{% else %}nothing{% endif %}", ["note"], "nothing"),
        ("{{ row['a b'] + 1 }}{{ row.q }}", ["a b", "q"], "42 + 2?"),
        ("{% for name, value in row.items() %}{{ name }} {% endfor %}", ["q", "note"], "q note "),
        ("{{ context | tojson }} {{ context | join(', ') }}", ["context"], '["a", "b"] a, b'),
        ("{% for part in context %}{% if loop.last %}{% break %}{% endif %}{{ part }}{% endfor %}", ["context"], "a"),
        ("{{ row }}", ["row"], "a column"),
        ("{{ range }}", ["range"], "7"),
        ("{{ decimal }} {{ '<b>' }}", ["decimal"], "1E+2 <b>".replace("1E+2", "100")),
    ],
)
def test_a_template_is_filled(template: str, columns: list[str], prompt: str) -> None:
    row = {**ROW, "row": "a column", "range": 7, "decimal": Decimal("1E+2")}
    assert source(template, *columns).filled(row) == [prompt]


@pytest.mark.parametrize(
    ("template", "columns", "message"),
    [
        ("a\n{% fo %}", ["q"], "the Jinja template cannot be read: line 2: Encountered unknown tag 'fo'."),
        ("{{ q", ["q"], "the Jinja template cannot be read: line 1: unexpected end of template"),
        ("{{ q | random }}", ["q"], "the Jinja template cannot be read: line 1: No filter named 'random'."),
        ("{{ qq }}", ["q"], "the Jinja template names `qq`, which is not among input_cols (q): did you mean `q`?"),
        ("{{ a }}", ["q"], "the Jinja template names `a`, which is not among input_cols (q)"),
        ("{{ row['z'] }}", ["q"], "the Jinja template names `z`, which is not among input_cols (q)"),
        ("Question", ["q"], "the template uses no column of input_cols (q), so that all prompts would be equal: write"),
        (
            "{{ q }}",
            ["q", "a b"],
            "the column `a b` of `input_cols` has no effect, as the template does not use it: write {{ row['a b'] }}",
        ),
    ],
)
def test_a_wrong_template_is_refused(template: str, columns: list[str], message: str) -> None:
    with pytest.raises(TaskError, match="^" + re.escape(message)):
        source(template, *columns)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ note }}", "row 0: a value of the Jinja template is missing, but the prompt needs one: test it"),
        ("{{ context }}", "row 0: the Jinja template writes a list (['a', 'b']), which would be Python code"),
        ("{{ context[0].name }}", "row 0 makes no prompt: UndefinedError: 'str object' has no attribute 'name'"),
        ("{{ q.__class__.mro() }}", "row 0 makes no prompt: SecurityError: "),
        ("{{ q + 1 }}", "row 0 makes no prompt: TypeError: "),
    ],
)
def test_a_row_that_does_not_fit_is_named(template: str, message: str) -> None:
    column = re.findall(r"\w+", template)[0]
    with pytest.raises(TaskError, match="^" + re.escape(message)):
        check_rows(as_dataset([{**ROW, "a": "4"}]), source(template, column))


def test_a_chat_message_may_be_a_jinja_template() -> None:
    messages = ({"role": "system", "content": "Be {{brief}}."}, {"role": "user", "content_jinja": "{{ q | upper }}!"})
    options = DataOptions(messages=messages, input_cols=("q",), eval_cols=("a",))
    dataset = render_dataset(as_dataset([{"q": "why", "a": "4"}]), options, None)
    assert dataset["_X"][0] == '[{"role": "system", "content": "Be {brief}."}, {"role": "user", "content": "WHY!"}]'


def test_a_prompt_has_the_special_tokens_of_a_prompt_template() -> None:
    tokenizer = word_tokenizer()
    rows = as_dataset([{"q": "What is one", "a": "4"}])
    encoded = []
    for options in (source("{{ q }}", "q"), DataOptions(prompt_template="{q}", input_cols=("q",), eval_cols=("a",))):
        rendered = render_dataset(rows, options, tokenizer)
        encoded.append(encode_prompts(rendered, tokenizer, options)[0].token_ids)
    assert encoded == [(1, 5, 6, 7)] * 2
