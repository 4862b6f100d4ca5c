"""Chat templates that read a message's content as a string, as a list of parts, or either, by role."""

from typing import Any

import pytest
from tiny_models import tiny_tokenizer

from llmsearch_optuna.data.prompts import PromptSource
from llmsearch_optuna.engine.base import Stopping
from llmsearch_optuna.engine.end_tokens import end_token_findings
from llmsearch_optuna.errors import TaskError

# As SmolVLM's: a string is read as a list of letters, of which none is a text.
PARTS = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}{% if message['content'][0]['type'] == 'image' %}:"
    "{% else %}: {% endif %}{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}"
    "{% endif %}{% endfor %}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant: {% endif %}"
)
# As the first one of Llama 3.2 Vision: only the system's message is a string.
BY_ROLE = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] | trim }}{% else %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}[{{ part['text'] + '' }}]{% endfor %}"
    "{% endif %}{% endfor %}"
)
EITHER = (
    "{% for message in messages %}{% if message['content'] is string %}S {{ message['content'] }}{% else %}"
    "P {{ message['content'][0]['text'] }}{% endif %}{% endfor %}"
)
RAISES = "{% for message in messages %}({{ message['content'][0]['text'] + '' }}){% endfor %}"
SHOUTS = "{% for message in messages %}{{ message['content'] | upper }}{% endfor %}"

SYSTEM, QUESTION, ANSWER = (
    {"role": "system", "content": "Be brief. "},
    {"role": "user", "content": "{q}?"},
    {"role": "assistant", "content": "It is"},
)


def prompt(template: str, *messages: dict[str, str]) -> str:
    tokenizer: Any = tiny_tokenizer()
    tokenizer.chat_template = template
    source = PromptSource(input_cols=("q",), eval_cols=("a",), messages=messages)
    return source.prompt({"q": "Who", "a": "x"}, tokenizer)


@pytest.mark.parametrize(
    ("template", "messages", "expected"),
    [
        (PARTS, [QUESTION], "<|im_start|>user: Who?<|im_end|><|im_start|>assistant: "),
        (
            PARTS,
            [SYSTEM, QUESTION],
            "<|im_start|>system: Be brief. <|im_end|><|im_start|>user: Who?<|im_end|><|im_start|>assistant: ",
        ),
        (PARTS, [QUESTION, ANSWER], "<|im_start|>user: Who?<|im_end|><|im_start|>assistant: It is"),
        (BY_ROLE, [SYSTEM, QUESTION], "Be brief.[Who?]"),
        (EITHER, [SYSTEM, QUESTION], "S Be brief. S Who?"),
        (RAISES, [QUESTION], "(Who?)"),
        (SHOUTS, [QUESTION], "WHO?"),
    ],
)
def test_contents_have_the_form_that_the_template_reads(
    template: str, messages: list[dict[str, str]], expected: str
) -> None:
    assert prompt(template, *messages) == expected


def test_a_template_that_leaves_out_the_question_is_refused() -> None:
    with pytest.raises(TaskError, match="the chat template leaves out the content of the last message"):
        prompt("{% for message in messages %}{{ message['content']['value'] }}{% endfor %}", QUESTION)


def test_the_end_of_a_turn_is_found_where_contents_are_parts() -> None:
    tokenizer: Any = tiny_tokenizer()
    tokenizer.chat_template = PARTS
    tokenizer.eos_token = "<|endoftext|>"
    findings = end_token_findings(tokenizer, Stopping(eos_token_ids=(0,)), {0: [1, 2, 5]}, is_encoder_decoder=False)
    assert any("ends texts or turns with `<|im_end|>` (2)" in finding for finding in findings.values())
