"""Check before a search that vLLM gives a completion alone as it does in company."""

import logging

from transformers import PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.vllm.engine import VLLMEngine
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["probe_batches"]

_LOG = logging.getLogger(__name__)

_TEXTS = ("Write down some random words:", "yes no yes no yes no", "The capital of France is", "1, 2, 3, 4, 5,")
_PARAMS = (
    GenerationParams(max_new_tokens=16),
    GenerationParams(max_new_tokens=16, temperature=1.0, generation_seed=1),
    GenerationParams(max_new_tokens=16, temperature=0.7, top_p=0.9, generation_seed=2),
)


def probe_batches(engine: VLLMEngine, tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """Compare completions alone and in one batch, and log a warning if they differ.

    Returns:
        The finding, under ``"batches"``.
    """
    requests = [
        Request(prompt=text, prompt_ids=tuple(tokenizer(text)["input_ids"]), params=params, stopping=Stopping())
        for text in _TEXTS
        for params in _PARAMS
    ]
    alone = [engine.generate([request])[0] for request in requests]
    together = engine.generate(requests)
    equal = sum(first == second for first, second in zip(alone, together, strict=True))
    finding = f"{equal} of {len(requests)} completions are the same alone and in company"
    if equal < len(requests):
        _LOG.warning(
            "%s: rounding depends on vLLM's batch here, so that a resumed search may differ; VLLM_BATCH_INVARIANT=1 "
            "prevents it on NVIDIA GPUs from compute capability 8.0 on",
            finding,
        )
    return {"batches": finding}
