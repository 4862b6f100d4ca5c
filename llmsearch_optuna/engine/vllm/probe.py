"""Check that the plug-in draws, and that vLLM gives a completion alone as in company and as transformers does."""

import logging

import torch
from transformers import PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.loading import Skeleton, load_model
from llmsearch_optuna.engine.memory import free_memory
from llmsearch_optuna.engine.vllm.engine import VLLMEngine
from llmsearch_optuna.errors import LlmsearchError, ModelError
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["compare_with_transformers", "probe_batches"]

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

    Raises:
        ModelError: The plug-in does not draw: all samples at temperature 1 are greedy completions.
    """
    requests = _requests(tokenizer)
    alone = [engine.generate([request])[0] for request in requests]
    if alone[:: len(_PARAMS)] == alone[1 :: len(_PARAMS)]:
        raise ModelError(
            "vLLM decodes greedily whatever the temperature, so it has not loaded the plug-in of llmsearch_optuna: "
            "leave out the backend_args that concern drafts, logits and sampling"
        )
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


def compare_with_transformers(engine: VLLMEngine, skeleton: Skeleton, dtype: str) -> dict[str, str]:
    """Compare completions with those of transformers on the CPU, which loads the model once more.

    Args:
        engine: Generates in vLLM.
        skeleton: The model.
        dtype: The dtype of its weights in vLLM.

    Returns:
        The finding, under ``"transformers"``.
    """
    memory = sum(weight.numel() for weight in skeleton.model.parameters()) * 4
    if memory > free_memory(torch.device("cpu")) // 2:
        return {"transformers": f"not compared: the model takes up to {memory / 2**30:.0f} GiB on the CPU"}
    try:
        revision = skeleton.revision if skeleton.adapter is None else None
        model, _ = load_model(skeleton.adapter or skeleton.name, device="cpu", dtype=dtype, revision=revision)
    except LlmsearchError as error:
        return {"transformers": f"not compared: {error}"}
    requests = _requests(skeleton.tokenizer)
    expected = GenerateEngine(model, skeleton.tokenizer, batch_size=1).generate(requests)
    completions = engine.generate(requests)
    equal = sum(first == second for first, second in zip(completions, expected, strict=True))
    return {"transformers": f"{equal} of {len(requests)} completions are those of transformers on the CPU in {dtype}"}


def _requests(tokenizer: PreTrainedTokenizerBase) -> list[Request]:
    return [
        Request(prompt=text, prompt_ids=tuple(tokenizer(text)["input_ids"]), params=params, stopping=Stopping())
        for text in _TEXTS
        for params in _PARAMS
    ]
