"""The breakers of DRY in vLLM, from the texts of the tokens of vLLM's own tokenizer."""

import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llmsearch_optuna.engine.sampling.breakers import NO_BREAKERS, Breakers, breakers_of
from llmsearch_optuna.errors import describe_error
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["ModelBreakers"]

if TYPE_CHECKING:
    _tokenizer_of: Callable[[Any], Any]
else:
    try:
        from vllm.tokenizers import cached_tokenizer_from_config as _tokenizer_of
    except ImportError:  # without vLLM, or in a version that has no such function

        def _tokenizer_of(model_config: Any) -> None:
            """Return no tokenizer."""


_LOG = logging.getLogger(__name__)


class ModelBreakers:
    """Gives the breakers of requests.

    Args:
        model_config: vLLM's ``ModelConfig``, which names the tokenizer. It is loaded for the first request with DRY.
        tokenizer_of: ``(model_config) -> tokenizer``, or None if there is none; vLLM's function by default.
    """

    def __init__(self, model_config: Any, tokenizer_of: Callable[[Any], Any] = _tokenizer_of) -> None:
        self._load = functools.cache(functools.partial(tokenizer_of, model_config))

    def of(self, params: GenerationParams) -> Breakers:
        """Return the breakers of a request with these parameters; none, with an error in the log, if they are unknown.

        They are unknown if vLLM has no tokenizer, or one from which they cannot be read.
        """
        if not params.dry_multiplier or params.dry_sequence_breakers == ():
            return NO_BREAKERS
        try:
            tokenizer = self._load()
            if tokenizer is not None:
                return breakers_of(tokenizer, params)
            reason = "vLLM has no tokenizer here: leave out skip_tokenizer_init"
        except Exception as error:  # noqa: BLE001 - tokenizers differ, and what a request raises here ends vLLM for all
            reason = f"vLLM's tokenizer raised {describe_error(error)}"
        _LOG.error("`dry_multiplier` has no breakers, as %s", reason)
        return NO_BREAKERS
