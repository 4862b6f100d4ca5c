"""Completions of vLLM in this process, drawn by the plug-in.

How it works: all requests of a call, and those that may follow, are in vLLM's one running batch. vLLM computes them at
temperature 0 and without conditions of its own but the length; the plug-in draws each token. The tokens are checked
here, by the same code as in all engines, and a request that has ended is taken out of the batch. So completions are
those of the slots, as far as the logits are.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from transformers import PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Completion, Request, TokenCallback
from llmsearch_optuna.engine.failures import as_one_line
from llmsearch_optuna.engine.running_completion import RunningCompletion
from llmsearch_optuna.errors import ParameterError, ServerError
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["NewTokens", "RunningBatch", "VLLMEngine"]


class NewTokens(NamedTuple):
    """The tokens of a request from one step.

    Attributes:
        name: The name of the request.
        token_ids: The tokens.
        is_last: Whether the request has left the batch.
    """

    name: str
    token_ids: tuple[int, ...]
    is_last: bool


class RunningBatch(Protocol):
    """Requests that are computed together, step by step."""

    def begin(self, name: str, prompt_ids: Sequence[int], params: GenerationParams) -> None:
        """Add a request under a name."""
        ...

    def step(self) -> list[NewTokens]:
        """Compute the next token of the requests that have their turn.

        Raises:
            ServerError: The batch can no longer be used.
        """
        ...

    def abort(self, names: Sequence[str]) -> None:
        """Remove requests that have not left the batch."""
        ...


class VLLMEngine:
    """Generates completions in a running batch; see `Engine`.

    Args:
        batch: The batch.
        tokenizer: Decodes the completions.
        capacity: The maximum number of requests that have their turn together.
        decode_args: The tokenizer's keyword arguments for decoding. By default, special tokens are skipped.
    """

    def __init__(
        self,
        batch: RunningBatch,
        tokenizer: PreTrainedTokenizerBase,
        *,
        capacity: int,
        decode_args: Mapping[str, Any] | None = None,
    ) -> None:
        self._batch = batch
        self._tokenizer = tokenizer
        self._capacity = capacity
        self._decode_args = decode_args
        self._numbers = itertools.count()
        self._names: dict[Request, str] = {}
        self._running: dict[str, RunningCompletion] = {}
        self._finished: dict[Request, Completion] = {}

    @as_one_line()
    def generate(
        self, requests: Sequence[Request], on_tokens: TokenCallback | None = None, upcoming: Sequence[Request] = ()
    ) -> list[Completion]:
        """Generate one completion per request; see `Engine.generate`.

        Upcoming requests are begun while the batch has room. They go on in the next call that names them, and are
        aborted in the first one that does not, as those of a pruned trial.

        Raises:
            ParameterError: A request has more than one beam.
            TrialError: A stopping criterion raised an exception.
            ServerError: The batch has failed.
        """
        for request in requests:
            if request.params.beams:
                raise ParameterError(
                    f"`num_beams` must be 1 with vLLM, which samples token by token, got {request.params.num_beams}"
                )
        needed = dict.fromkeys(requests)
        ahead = [request for request in dict.fromkeys(upcoming) if request not in needed and not request.params.beams]
        self._keep({*needed, *ahead})
        try:
            for request in needed:
                self._begin(request)
            for request in ahead[: max(self._capacity - len(self._running), 0)]:
                self._begin(request)
            while any(request not in self._finished for request in needed):
                count = self._step()
                if on_tokens is not None:
                    on_tokens(count)
        except BaseException:  # after Ctrl-C, too, requests must not go on unseen
            self._keep(())
            raise
        return [self._finished[request] for request in requests]

    def _begin(self, request: Request) -> None:
        """Add a request to the batch, unless it is there or finished."""
        if request not in self._names and request not in self._finished:
            name = self._names[request] = str(next(self._numbers))
            self._running[name] = RunningCompletion(request, self._tokenizer)
            self._batch.begin(name, request.prompt_ids, request.params)

    def _step(self) -> int:
        """Run a step of the batch, and return the number of tokens."""
        count = 0
        ended = []
        for name, token_ids, is_last in self._batch.step():
            completion = self._running.get(name)
            if completion is None:  # it was aborted in the meantime
                continue
            for token in token_ids:
                if completion.finish_reason is None:
                    completion.append(token)
                    count += 1
            if completion.finish_reason is None:
                if is_last:
                    raise ServerError(f"vLLM ended a completion after {len(completion.token_ids)} tokens")
                continue
            self._finished[completion.request] = completion.to_completion(self._decode_args)
            del self._running[name], self._names[completion.request]
            if not is_last:
                ended.append(name)
        if ended:
            self._batch.abort(ended)
        return count

    def _keep(self, kept: Iterable[Request]) -> None:
        """Abort and forget all requests but these."""
        kept = set(kept)
        aborted = [self._names.pop(request) for request in [*self._names] if request not in kept]
        for name in aborted:
            del self._running[name]
        if aborted:
            self._batch.abort(aborted)
        self._finished = {request: done for request, done in self._finished.items() if request in kept}
