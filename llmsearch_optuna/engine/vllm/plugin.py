"""The plug-in that vLLM finds by its entry point: one class for both of vLLM's interfaces.

vLLM calls it with ``(vllm_config, device, is_pin_memory)`` for its first model runner, and with ``(vllm_config,
req_states)`` for the second one, which takes only subclasses of its own `LogitsProcessor`. This module imports torch,
NumPy and vLLM's interface only.
"""

from typing import TYPE_CHECKING, Any

from llmsearch_optuna.engine.vllm.request import check_sampling_params
from llmsearch_optuna.engine.vllm.v1 import V1Processor
from llmsearch_optuna.engine.vllm.v2 import V2Processor
from llmsearch_optuna.errors import ConfigurationError

__all__ = ["LlmsearchProcessor"]

if TYPE_CHECKING:
    _Interface = object
else:
    try:
        from vllm.v1.worker.gpu.sample.logits_processor.interface import LogitsProcessor as _Interface
    except ImportError:  # a vLLM that has only the first interface
        _Interface = object


class LlmsearchProcessor(_Interface):
    """Draws the tokens of the requests that have this package's key; an instance is of one of the two processors."""

    def __new__(cls, vllm_config: Any, state: Any, *further: Any) -> Any:
        """Return the processor for the model runner that asks.

        Raises:
            ConfigurationError: Neither interface fits.
        """
        if hasattr(state, "all_token_ids") and not further:
            return V2Processor(vllm_config, state)
        if len(further) == 1 and not hasattr(state, "all_token_ids"):
            return V1Processor(vllm_config, state)
        raise ConfigurationError(
            "this version of vLLM has an interface for logits processors that llmsearch_optuna does not know: use a "
            "release of vLLM that CHANGELOG.md names, or uninstall llmsearch_optuna there"
        )

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Check a request before vLLM admits it; see `check_sampling_params`."""
        check_sampling_params(sampling_params)
