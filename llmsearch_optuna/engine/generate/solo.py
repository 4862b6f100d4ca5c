"""Beam search and beam sampling with ``model.generate``, one request at a time."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)

from llmsearch_optuna.engine.base import Completion, Request, TokenCallback
from llmsearch_optuna.engine.generate.engine import neutral_config
from llmsearch_optuna.engine.memory import NOT_EVEN_ONE_ROW, is_out_of_memory, release_memory
from llmsearch_optuna.engine.model import embedding_weight, pad_token_id
from llmsearch_optuna.engine.running import Row
from llmsearch_optuna.engine.sampling import SamplingRows, check_logits, filtered_logits, penalise, prompt_key
from llmsearch_optuna.engine.stopping import RowStopper
from llmsearch_optuna.errors import MemoryExhaustedError, TrialError

__all__ = ["SoloEngine", "beam_seed", "needs_solo"]

_NO_TOKEN = -1


class SoloEngine:
    """Serves beam search and beam sampling, with one call of ``model.generate`` per request.

    So no completion depends on its company, not even by rounding. Penalties and cuts are those of the other engines;
    in beam search they work on log-probabilities, as in ``transformers``. Beam sampling draws as ``transformers``
    does, with torch's generator, seeded with the generation seed and the prompt: on another device, or with another
    version of torch, it draws other tokens.

    Args:
        model: A causal or an encoder-decoder language model; not modified.
        tokenizer: The model's tokenizer.
        decode_args: The tokenizer's keyword arguments for decoding; special tokens are skipped by default.
        use_cache: Whether the model may use its cache.
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
        upcoming: Sequence[Request] = (),  # noqa: ARG002 - there is never room to spare
    ) -> list[Completion]:
        """Generates one completion per request; see `Engine.generate`.

        Raises:
            TrialError: The model cannot be decoded in this mode.
        """
        completions = []
        for request in requests:
            try:
                row = self._beams(request)
            except ValueError as error:
                reason = " ".join(str(error).split())
                raise TrialError(f"{type(self._model).__name__} has no {request.params.mode}: {reason}") from error
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                release_memory()
                raise MemoryExhaustedError(NOT_EVEN_ONE_ROW) from error
            completions.append(row.completion(self._decode_args))
            if on_tokens is not None:
                on_tokens(len(row.token_ids))
        return completions

    def _beams(self, request: Request) -> Row:
        """The best of all beams."""
        params = request.params
        scores = _BeamScores(request)
        device = embedding_weight(self._model).device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(beam_seed(request))
            found = self._run(
                request,
                scores,
                _StoppedBeams(request, self._tokenizer, scores),
                do_sample=not params.greedy,
                top_k=0,
                min_p=0.0,
                num_beams=params.num_beams,
                length_penalty=1.0 if params.length_penalty is None else params.length_penalty,
                early_stopping=bool(params.early_stopping),
                eos_token_id=list(request.stopping.eos_token_ids) or [_NO_TOKEN],
            )
        row = Row(request, self._tokenizer)
        for token in found[scores.start :]:
            row.append(token)
            if row.finish_reason is not None:
                break
        return row

    def _run(
        self, request: Request, processor: LogitsProcessor, criterion: StoppingCriteria, **fields: Any
    ) -> list[int]:
        """What ``model.generate`` gives for one prompt: prompt or decoder start, and completion."""
        config: GenerationConfig = copy.deepcopy(self._config)
        for name, value in {**fields, "max_new_tokens": request.params.max_new_tokens}.items():
            setattr(config, name, value)
        ids = torch.tensor([request.prompt_ids], device=embedding_weight(self._model).device)
        found: list[int] = self._generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            generation_config=config,
            logits_processor=LogitsProcessorList([processor]),
            stopping_criteria=StoppingCriteriaList([criterion]),
        )[0].tolist()
        return found


def beam_seed(request: Request) -> int:
    """What torch's generator is seeded with for beam sampling; 32 bits, as it takes no more on the CPU."""
    return prompt_key([request.params.generation_seed, *request.prompt_ids])


def needs_solo(request: Request) -> bool:
    """Return whether a request has several beams, which are served one request at a time."""
    return request.params.beams


class _BeamScores(LogitsProcessor):
    """Penalties and cuts on the log-probabilities of one request's beams.

    Attributes:
        start: How many tokens the decoder had seen before the first of the completion.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self.start = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.start = self.start or input_ids.shape[1]
        beams, params = len(scores), self._request.params
        penalised = penalise(scores, [params] * beams, [self._request.prompt_ids] * beams, input_ids.tolist())
        if params.greedy:
            check_logits(penalised)
            return penalised
        return filtered_logits(penalised, SamplingRows.build([params] * beams, [0] * beams, scores.device))


class _StoppedBeams(StoppingCriteria):
    """Which beams end with a stop string or sequence; end tokens and lengths are left to ``generate``."""

    def __init__(self, request: Request, tokenizer: PreTrainedTokenizerBase, scores: _BeamScores) -> None:
        self._stopper = RowStopper(request, tokenizer)
        self._scores = scores

    def __call__(self, input_ids: Tensor, scores: object, **kwargs: Any) -> Tensor:  # noqa: ARG002
        reasons = [self._stopper.finish_reason(beam[self._scores.start :]) for beam in input_ids.tolist()]
        return torch.tensor([reason == "stop" for reason in reasons], device=input_ids.device)
