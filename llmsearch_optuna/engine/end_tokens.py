"""End tokens that are missing or in the wrong place: of a chat's turns, and of prompts."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Stopping

__all__ = ["end_token_findings"]

_LOG = logging.getLogger(__name__)

_ANSWER = "answer"
_LONGEST_START = 8


def end_token_findings(
    tokenizer: PreTrainedTokenizerBase,
    stopping: Stopping,
    prompts: Mapping[int, Sequence[int]],
    *,
    is_encoder_decoder: bool,
) -> dict[str, str]:
    """Return what is probably wrong with the end tokens, by topic: what it is, and the remedy.

    Args:
        tokenizer: The model's tokenizer.
        stopping: The model's own stopping conditions.
        prompts: The token ids of each prompt, by row.
        is_encoder_decoder: Whether an encoder reads the prompts.
    """
    findings = {
        "end tokens": _ignored_end(tokenizer, stopping, prompts),
        "ends of prompts": _missing_end(tokenizer, prompts)
        if is_encoder_decoder
        else _unwanted_end(tokenizer, stopping, prompts),
        "beginnings of prompts": _double_start(tokenizer, prompts),
    }
    return {topic: finding for topic, finding in findings.items() if finding is not None}


def _ignored_end(tokenizer: Any, stopping: Stopping, prompts: Mapping[int, Sequence[int]]) -> str | None:
    """Report a token that ends the tokenizer's texts or turns, but no completion."""
    candidates = [tokenizer.eos_token_id]
    turn_end = _turn_end(tokenizer)
    if any(turn_end in ids for ids in prompts.values()):
        candidates.append(turn_end)
    for token in candidates:
        if token is None or token in stopping.eos_token_ids:
            continue
        text = tokenizer.convert_ids_to_tokens(token)
        if text not in stopping.strings:
            names = [(end >= 0 and tokenizer.convert_ids_to_tokens(end)) or end for end in stopping.eos_token_ids]
            ends = ", ".join(f"`{name}`" for name in names) or "no token"
            return (
                f"the tokenizer ends texts or turns with `{text}` ({token}), but the model's generation config ends "
                f"completions with {ends}, so they may run on: add {token} to the generation config's eos_token_id"
            )
    return None


def _turn_end(tokenizer: Any) -> int | None:
    """Return the special token that the chat template writes after an answer; None if it writes none."""
    if not getattr(tokenizer, "chat_template", None):
        return None
    chat = _example(tokenizer)
    if chat is None:
        return None
    after = tokenizer(chat.rpartition(_ANSWER)[2].lstrip(), add_special_tokens=False)["input_ids"]
    return int(after[0]) if after and _is_special(tokenizer, after[0]) else None


def _example(tokenizer: Any) -> str | None:
    """Return a question and an answer in the chat template; None if it does not write them."""
    turns = {"user": "question", "assistant": _ANSWER}
    texts = [{"role": role, "content": text} for role, text in turns.items()]
    parts = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in turns.items()]
    for messages in (texts, parts):  # multimodal models read lists of parts
        try:
            chat = str(tokenizer.apply_chat_template(messages, tokenize=False))
        except Exception as error:  # noqa: BLE001 - a template may need other messages, and raise anything
            _LOG.debug("the chat template refuses an example: %s", error)
            continue
        if _ANSWER in chat:
            return chat
    return None


def _is_special(tokenizer: Any, token: int) -> bool:
    return token in tokenizer.all_special_ids or token in getattr(tokenizer, "added_tokens_decoder", ())


def _unwanted_end(tokenizer: Any, stopping: Stopping, prompts: Mapping[int, Sequence[int]]) -> str | None:
    """Report end tokens at the ends of a decoder's prompts."""
    ends = {*stopping.eos_token_ids, tokenizer.eos_token_id, getattr(tokenizer, "sep_token_id", None)} - {None}
    rows = [row for row, ids in prompts.items() if len(ids) > 1 and ids[-1] in ends]
    if not rows:
        return None
    end = tokenizer.convert_ids_to_tokens(prompts[rows[0]][-1])
    return (
        f"{_affected(rows, prompts)} end with the end token `{end}`, after which a "
        'model begins a new text or falls silent: set tokenizer_encode_args = {"add_special_tokens": False}, or take '
        "it out of the template"
    )


def _missing_end(tokenizer: Any, prompts: Mapping[int, Sequence[int]]) -> str | None:
    """Report prompts of an encoder without the end token that its tokenizer appends."""
    end = tokenizer("a")["input_ids"][-1]
    rows = [row for row, ids in prompts.items() if ids and ids[-1] != end]
    if not rows or not _is_special(tokenizer, end):
        return None
    text = tokenizer.convert_ids_to_tokens(end)
    return (
        f"{_affected(rows, prompts)} lack the end token `{text}`, with which the tokenizer ends "
        'texts: set tokenizer_encode_args = {"add_special_tokens": True}, or write it at their end'
    )


def _double_start(tokenizer: Any, prompts: Mapping[int, Sequence[int]]) -> str | None:
    """Report prompts that begin with the start token twice, with nothing but white space in between."""
    start = tokenizer.bos_token_id

    def is_double(ids: Sequence[int]) -> bool:
        if len(ids) < 2 or ids[0] != start or start not in ids[1:_LONGEST_START]:
            return False
        return not tokenizer.decode(list(ids[1 : list(ids).index(start, 1)])).strip()

    rows = [row for row, ids in prompts.items() if is_double(ids)]
    if not rows:
        return None
    return (
        f"{_affected(rows, prompts)} begin with `{tokenizer.bos_token}` twice: take it out of the template, or set "
        'tokenizer_encode_args = {"add_special_tokens": False}'
    )


def _affected(rows: Sequence[int], prompts: Mapping[int, Sequence[int]]) -> str:
    return f"{len(rows)} of {len(prompts)} prompts (the first is that of row {min(rows)})"
