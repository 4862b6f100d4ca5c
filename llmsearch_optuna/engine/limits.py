"""What a model can read: the lengths of prompts and completions, and the token ids."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["InputLimits"]


@dataclass(frozen=True, kw_only=True)
class InputLimits:
    """The limits of a model's inputs. Each is None if it is unknown or does not exist.

    Attributes:
        together: The maximum number of tokens of prompt and completion together, if one decoder reads both.
        prompt: The maximum number of tokens that an encoder reads.
        completion: The maximum number of tokens that the decoder behind an encoder generates.
        context: The maximum number of tokens of prompt and completion on a server, whose prompts are not counted here.
        vocabulary: The number of token ids that the model embeds.
        token_ids: The number of token ids of the tokenizer.
    """

    together: int | None = None
    prompt: int | None = None
    completion: int | None = None
    context: int | None = None
    vocabulary: int | None = None
    token_ids: int | None = None

    def excess(self, row: int, token_ids: Sequence[int], max_new_tokens: int) -> str | None:
        """Return what of a prompt and its completion exceeds the limits, and the remedy; None if nothing does."""
        length = len(token_ids)
        prompt = f"the prompt of row {row} has"
        if self.together is not None and length + max_new_tokens > self.together:
            return (
                f"{prompt} {length} tokens, and {max_new_tokens} new ones exceed the model's window of "
                f"{self.together}: shorten it, leave the row out, or lower max_new_tokens"
            )
        if self.prompt is not None and length > self.prompt:
            return (
                f"{prompt} {length} tokens, and they exceed the model's window of {self.prompt} for prompts (its "
                "encoder's): shorten it, or leave the row out"
            )
        if self.completion is not None and max_new_tokens > self.completion:
            return (
                f"the completion of row {row} may have {max_new_tokens} tokens, and they exceed the model's window of "
                f"{self.completion} for completions (its decoder's): lower max_new_tokens"
            )
        if self.context is not None and max_new_tokens >= self.context:
            return (
                f"the completion of row {row} may have {max_new_tokens} tokens, which leaves no room for a prompt in "
                f"the server's window of {self.context}: lower max_new_tokens, or start the server with a longer window"
            )
        return self.unknown_id(row, token_ids)

    def unknown_id(self, row: int, token_ids: Sequence[int]) -> str | None:
        """Return which token id of a prompt the model does not embed, and the remedy; None if there is none."""
        if self.vocabulary is None or (largest := max(token_ids, default=0)) < self.vocabulary:
            return None
        return (
            f"the tokenizer has {self.token_ids} token ids but the model embeds only {self.vocabulary}, and the prompt "
            f"of row {row} has the id {largest}: load the tokenizer that belongs to the model, or call "
            "model.resize_token_embeddings(len(tokenizer))"
        )

    def __str__(self) -> str:
        together = self.together if self.context is None else self.context
        parts = {"of prompt and completion": together, "of prompt": self.prompt, "of completion": self.completion}
        given = {name: limit for name, limit in parts.items() if limit is not None}
        if list(given) == ["of prompt and completion"]:
            return f"{together} tokens"
        return ", ".join(f"{limit} tokens {name}" for name, limit in given.items()) or "no limit is known"
