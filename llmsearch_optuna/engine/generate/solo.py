"""Beam search and beam sampling with ``model.generate``, one request at a time."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)

from llmsearch_optuna.engine.base import Completion, Request, TokenCallback
from llmsearch_optuna.engine.generate.engine import disabled_arguments, neutral_config
from llmsearch_optuna.engine.memory import OUT_OF_MEMORY, is_out_of_memory, release_memory
from llmsearch_optuna.engine.model import embedding_weight, pad_token_id
from llmsearch_optuna.engine.running_completion import RunningCompletion
from llmsearch_optuna.engine.sampling import SamplingRows, check_logits, filtered_logits, penalise, prompt_key
from llmsearch_optuna.engine.sampling.breakers import breakers_of
from llmsearch_optuna.engine.stopping import StopChecker
from llmsearch_optuna.errors import MemoryExhaustedError, TrialError, one_line

__all__ = ["SoloEngine", "beam_seed"]

_NO_TOKEN = -1


class SoloEngine:
    """Serves beam search and beam sampling, with one call of ``model.generate`` per request.

    A completion therefore does not depend on other requests, not even by rounding. Penalties and cuts are those of the
    other engines. In beam search they apply to log-probabilities, as in ``transformers``. Beam sampling draws as in
    ``transformers``, with torch's generator, seeded with the generation seed and the prompt. The tokens can differ on
    another device or with another version of torch.

    Args:
        model: A causal or an encoder-decoder language model; not modified.
        tokenizer: The model's tokenizer.
        decode_args: The tokenizer's keyword arguments for decoding. By default, special tokens are skipped.
        use_cache: Whether the model may use its KV cache.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        decode_args: Mapping[str, Any] | None = None,
        use_cache: bool = True,
    ) -> None:
        self._model = model
        self._generate: Callable[..., Tensor] = cast("Any", model).generate
        self._tokenizer = tokenizer
        self._decode_args = decode_args
        self._config = neutral_config(model, pad_token_id(model, tokenizer), use_cache=use_cache)

    def generate(
        self,
        requests: Sequence[Request],
        on_tokens: TokenCallback | None = None,
        upcoming: Sequence[Request] = (),  # noqa: ARG002 - there is never spare capacity
    ) -> list[Completion]:
        """Generate one completion per request; see `Engine.generate`.

        Raises:
            TrialError: The model does not support the decoding mode.
        """
        completions = []
        for request in requests:
            try:
                completion = self._beams(request)
            except ValueError as error:
                kind = type(self._model).__name__
                raise TrialError(f"{kind} has no {request.params.mode}: {one_line(error)}") from error
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                release_memory()
                raise MemoryExhaustedError(OUT_OF_MEMORY) from error
            completions.append(completion.to_completion(self._decode_args))
            if on_tokens is not None:
                on_tokens(len(completion.token_ids))
        return completions

    def _beams(self, request: Request) -> RunningCompletion:
        """Return the completion of the best beam."""
        params = request.params
        scores = _BeamScores(request, self._tokenizer)
        device = embedding_weight(self._model).device
        config = copy.deepcopy(self._config)
        config.max_new_tokens = params.max_new_tokens
        config.do_sample = not params.greedy
        config.top_k = 0
        config.min_p = 0.0
        config.num_beams = params.num_beams
        config.length_penalty = 1.0 if params.length_penalty is None else params.length_penalty
        config.early_stopping = bool(params.early_stopping)
        config.eos_token_id = list(request.stopping.eos_token_ids) or [_NO_TOKEN]
        ids = torch.tensor([request.prompt_ids], device=device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(beam_seed(request))
            sequences = self._generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                **disabled_arguments(self._model),
                generation_config=config,
                logits_processor=LogitsProcessorList([scores]),
                stopping_criteria=StoppingCriteriaList([_StoppedBeams(request, self._tokenizer, scores)]),
            )
        completion = RunningCompletion(request, self._tokenizer)
        for token in sequences[0, scores.start :].tolist():
            completion.append(token)
            if completion.finish_reason is not None:
                break
        return completion


def beam_seed(request: Request) -> int:
    """Return the seed of torch's generator for beam sampling: a hash of generation seed and prompt in [0, 2**32).

    torch's generator on the CPU does not use more than 32 bits of a seed.
    """
    return prompt_key([request.params.generation_seed, *request.prompt_ids])


class _BeamScores(LogitsProcessor):
    """Applies the penalties, the temperature and the cuts to the log-probabilities of one request's beams.

    Attributes:
        start: The number of tokens in the decoder before the completion.
    """

    def __init__(self, request: Request, tokenizer: PreTrainedTokenizerBase) -> None:
        self._request = request
        self._breakers = breakers_of(tokenizer, request.params)
        self.start = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.start = self.start or input_ids.shape[1]
        beams, params = len(scores), self._request.params
        penalised = penalise(
            scores,
            [params] * beams,
            [self._request.prompt_ids] * beams,
            input_ids.tolist(),
            [input_ids.shape[1] - self.start] * beams,
            [self._breakers] * beams,
        )
        if params.greedy:
            check_logits(penalised)
            return penalised
        return filtered_logits(penalised, SamplingRows.build([params] * beams, [0] * beams, scores.device))


class _StoppedBeams(StoppingCriteria):
    """Detects the beams that a stop string, sequence or criterion ends. ``generate`` handles end tokens and lengths."""

    def __init__(self, request: Request, tokenizer: PreTrainedTokenizerBase, scores: _BeamScores) -> None:
        self._stop_checker = StopChecker(request, tokenizer)
        self._scores = scores

    def __call__(self, input_ids: Tensor, scores: object, **kwargs: Any) -> Tensor:  # noqa: ARG002
        reasons = [self._stop_checker.finish_reason(beam[self._scores.start :]) for beam in input_ids.tolist()]
        return torch.tensor([reason == "stop" for reason in reasons], device=input_ids.device)
