"""The tokenizers that are accepted. transformers has them without torch, too."""

import reprlib

from transformers import PreTrainedTokenizerBase

from llmsearch_optuna.errors import ModelError

__all__ = ["check_tokenizer"]


def check_tokenizer(tokenizer: object) -> None:
    """Validate that an object is a tokenizer of transformers.

    Raises:
        ModelError: It is something else, and the message says what to pass.
    """
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        return
    if isinstance(getattr(tokenizer, "tokenizer", None), PreTrainedTokenizerBase):
        raise ModelError(f"{type(tokenizer).__name__} is a processor: pass the tokenizer in it, processor.tokenizer")
    raise ModelError(
        f"a loaded tokenizer of transformers is needed, got {reprlib.repr(tokenizer)}: pass "
        "AutoTokenizer.from_pretrained(...)"
    )
