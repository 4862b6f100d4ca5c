"""The generation arguments of llmsearch: parameters and stopping conditions in one dict."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from llmsearch_optuna.engine.base import Stopping
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["EndSequence", "check_stop_strings", "split_generation_args"]


class EndSequence:
    """A stopping criterion that is no more than a sequence of token ids, so that no engine needs to call it.

    Attributes:
        sequence_ids: The token ids that end a completion.
    """

    sequence_ids: tuple[int, ...]


def check_stop_strings(stop: object) -> tuple[str, ...]:
    """Validate the strings that end a completion, and return them as a tuple.

    Raises:
        ParameterError: `stop` is not a list of non-empty strings.
    """
    if not isinstance(stop, list | tuple) or not all(isinstance(string, str) and string for string in stop):
        raise ParameterError(f"`stop` must be a list of non-empty strings, got {stop!r}")
    return tuple(stop)


def split_generation_args(
    values: Mapping[str, Any] | GenerationParams, stopping: Stopping
) -> tuple[GenerationParams, Stopping]:
    """Split the generation arguments of llmsearch into parameters and stopping conditions.

    Args:
        values: Generation parameters, which are returned, or their values by name. Names may also be `eos_token_id` (an
            id or a list, which replaces the default), `stop` (further strings) and `stopping_criteria` (further ones,
            as in llmsearch), both lists.
        stopping: The default stopping conditions.

    Raises:
        ParameterError: A parameter is unknown or out of range, or `stop` or `eos_token_id` is invalid.
    """
    if isinstance(values, GenerationParams):
        return values, stopping
    rest = dict(values)
    eos = rest.pop("eos_token_id", None)
    if eos is not None:
        ids = eos if isinstance(eos, list | tuple) else [eos]
        if not all(isinstance(token, int) for token in ids):
            raise ParameterError(f"`eos_token_id` must be a token id or a list of them, got {eos!r}")
        stopping = dataclasses.replace(stopping, eos_token_ids=tuple(ids))
    strings = check_stop_strings(rest.pop("stop", ()))
    criteria = tuple(rest.pop("stopping_criteria", None) or ())
    stopping = dataclasses.replace(
        stopping,
        strings=(*stopping.strings, *strings),
        sequences=(
            *stopping.sequences,
            *(c.sequence_ids for c in criteria if isinstance(c, EndSequence)),
        ),
        criteria=(*stopping.criteria, *(c for c in criteria if not isinstance(c, EndSequence))),
    )
    return GenerationParams.from_dict(rest), stopping
