"""A tokenizer with one id per word, whose prompts can be read; and the check that a refusal is one line."""

import re
from collections.abc import Callable

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from llmsearch_optuna.errors import TaskError

CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
WORDS = ["<unk>", "<s>", "<user>", "<system>", "<assistant>", "What", "is", "one", "two", "plus", "?", "Answer"]


def word_tokenizer() -> PreTrainedTokenizerFast:
    """Put ``<s>`` first if special tokens are requested."""
    words = Tokenizer(models.WordLevel({word: id_ for id_, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=words, unk_token="<unk>", bos_token="<s>"
    )
    made.chat_template = CHAT_TEMPLATE
    return made


def one_line(attempt: Callable[[], object], message: str) -> None:
    """Check that `attempt` is refused with one line that matches."""
    with pytest.raises(TaskError) as refusal:
        attempt()
    text = str(refusal.value)
    assert re.search(message, text), text
    assert len(text.splitlines()) == 1
