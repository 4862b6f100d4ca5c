"""The tokenizer's keyword arguments for decoding completions."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llmsearch_optuna.errors import TaskError, unknown_name

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["check_decode_args", "with_default"]

_FLAGS = ("skip_special_tokens", "clean_up_tokenization_spaces", "spaces_between_special_tokens")


def with_default(decode_args: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the arguments, with `skip_special_tokens` unless they contain it."""
    return {"skip_special_tokens": True, **(decode_args or {})}


def check_decode_args(tokenizer: "PreTrainedTokenizerBase", decode_args: Mapping[str, Any]) -> None:
    """Validate the names and flags of the arguments: tokenizers ignore unknown ones.

    Raises:
        TaskError: The tokenizer has no such argument, or a flag is neither true nor false.
    """
    untyped: Any = tokenizer
    # The signature of `decode` hides the arguments.
    functions = [untyped.decode, *([untyped._decode] if hasattr(untyped, "_decode") else [])]  # noqa: SLF001
    parameters = [parameter for function in functions for parameter in inspect.signature(function).parameters.values()]
    names = {parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD}
    valid = {*names, *_FLAGS} - {"token_ids", "args"}
    for name, value in decode_args.items():
        if name not in valid:
            raise TaskError(unknown_name("argument in tokenizer_decode_args", name, valid))
        # 0 equals false, but tokenizers refuse it, and all but the clean-up refuse None.
        if name in _FLAGS and not (isinstance(value, bool) or (value is None and name != _FLAGS[0])):
            raise TaskError(f"`{name}` in tokenizer_decode_args must be true or false, got {value!r}")
