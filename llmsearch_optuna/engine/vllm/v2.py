"""The plug-in for vLLM's second model runner, whose rows change their order in every step.

How it works: the parameters of a request are a column of `ParameterTable`, by vLLM's own slot. All else that a draw
needs is vLLM's: the position of a row tells its step, and the tokens of a slot are on the device. So a row's token does
not depend on what happened to its request before, and rows of draft tokens are drawn like all others: with speculative
decoding, vLLM keeps a draft token if it is the one that is left here.

The one exception is mirostat, whose mu changes with each token that was kept; see `MirostatMemory` for requests that
are put back. With speculative decoding it is not exact, and a message says so.
"""

import logging
from typing import Any

import numpy as np
import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling import SlotContents, draw_completely, leave_tokens, mirostat_mu, prompt_key
from llmsearch_optuna.engine.sampling.contexts import NO_TOKEN, Contexts
from llmsearch_optuna.engine.sampling.parameter_table import ParameterTable
from llmsearch_optuna.engine.transfer import to_device
from llmsearch_optuna.engine.vllm.breakers import ModelBreakers
from llmsearch_optuna.engine.vllm.progress import MirostatMemory
from llmsearch_optuna.engine.vllm.request import params_of
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["V2Processor"]

_LOG = logging.getLogger(__name__)


class V2Processor:
    """Draws the tokens of the requests with our key; see ``vllm.v1.worker.gpu.sample.logits_processor``.

    Args:
        vllm_config: vLLM's configuration.
        req_states: vLLM's ``LogitsProcRequestState``.
        breakers: Gives the breakers of requests with DRY; by default, those of vLLM's tokenizer.
    """

    def __init__(self, vllm_config: Any, req_states: Any, *, breakers: ModelBreakers | None = None) -> None:
        speculative = vllm_config.speculative_config
        self._drafts = 0 if speculative is None else int(speculative.num_speculative_tokens)
        self._states = req_states
        self._device = torch.device(req_states.device)
        self._parameters = ParameterTable(req_states.max_num_reqs, self._device)
        self._is_ours = np.zeros(req_states.max_num_reqs, dtype=bool)
        self._is_ours_on_device = torch.from_numpy(self._is_ours).to(self._device, copy=True)
        self._new: dict[int, GenerationParams] = {}
        self._occupants: dict[int, tuple[GenerationParams, int]] = {}
        self._memory = MirostatMemory()
        self._breakers = breakers or ModelBreakers(vllm_config.model_config)

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        """Note a request that enters a slot, and return whether it is ours."""
        if (occupant := self._occupants.pop(req_idx, None)) is not None:
            self._memory.keep(*occupant, self._parameters.progress(req_idx))
        self._new.pop(req_idx, None)
        params = params_of(sampling_params)
        is_ours = params is not None
        if params is not None:
            self._new[req_idx] = params
            if params.mirostat_tau is not None and self._drafts:
                _LOG.error("`mirostat_tau` is not exact with speculative decoding: leave one of them out")
        if self._is_ours[req_idx] != is_ours:
            self._is_ours[req_idx] = is_ours
            self._is_ours_on_device = to_device(torch.from_numpy(self._is_ours.copy()), self._device)
        return is_ours

    def apply_staged_writes(self) -> None:
        """Write the parameters of new requests. Noise depends on the prompts, which are read from the device."""
        if not self._new:
            return
        slots = list(self._new)
        prompt_lengths = self._states.prompt_len.np[slots].tolist()
        lengths = self._states.prefill_len.np[slots].tolist()
        index = to_device(torch.tensor(slots), self._device)
        prompts = self._states.all_token_ids.gpu[index, : max(prompt_lengths)].cpu()  # here the host waits
        contents = []
        for row, slot in enumerate(slots):
            params, prompt_length = self._new[slot], prompt_lengths[row]
            key = prompt_key(prompts[row, :prompt_length].tolist())
            step, breakers = lengths[row] - prompt_length, self._breakers.of(params)
            if step:
                self._leave_old_slot(params, key)
            self._occupants[slot] = (params, key)
            contents.append((slot, SlotContents(params, key, (), (), step, mirostat_mu(params), breakers)))
        self._parameters.write(contents)
        for slot, content in contents:
            if content.step:
                self._memory.restore(content.params, content.prompt_key, self._parameters.progress(slot))
        self._new.clear()

    def _leave_old_slot(self, params: GenerationParams, key: int) -> None:
        """Keep the state of a completion that comes back to another slot before its old one is taken."""
        occupied = [slot for slot, occupant in self._occupants.items() if occupant == (params, key)]
        for slot in set(occupied) - set(self._new):
            self._memory.keep(*self._occupants.pop(slot), self._parameters.progress(slot))

    @torch.inference_mode()
    def apply(self, logits: Tensor, ctx: Any) -> Tensor:
        """Leave one token in each row of our requests. A row whose maximum is NaN or infinite is not changed.

        Args:
            logits: float32 [rows, vocabulary]; modified.
            ctx: vLLM's ``LogitsContext``.
        """
        if not self._is_ours[ctx.idx_mapping_np].any():
            return logits
        slots = ctx.expanded_idx_mapping.long()
        lengths = ctx.pos.long() + 1
        steps = lengths - self._states.prompt_len.gpu[slots]
        penalised = logits
        if self._parameters.kinds.has_penalties:
            contexts = self._contexts(slots, lengths, steps, ctx)
            penalised = contexts.penalise(logits, self._parameters.penalties(slots))
        may_wait = self._device.type == "cpu"
        drawn = draw_completely(penalised, self._parameters.rows(slots), steps, may_wait=may_wait)
        is_ours = self._is_ours_on_device[slots]
        # The row of a prompt that is still being computed has no token.
        is_kept = is_ours & (lengths >= self._states.prefill_len.gpu[slots])
        count = len(self._is_ours)
        surprises = torch.zeros(count, dtype=torch.float64, device=self._device)
        kept = torch.zeros(count, dtype=torch.bool, device=self._device)
        self._parameters.advance(surprises.index_copy_(0, slots, drawn.surprises), kept.index_copy_(0, slots, is_kept))
        return leave_tokens(logits, drawn.tokens, is_ours & drawn.peaks.isfinite())

    def _contexts(self, slots: Tensor, lengths: Tensor, steps: Tensor, ctx: Any) -> Contexts:
        """Return the tokens before each row: those that vLLM has committed, and the draft tokens up to the row."""
        capacity = max(int(ctx.seq_lens_upper_bound_np.max()), *self._parameters.kinds.ngrams, 1)
        tokens = self._states.all_token_ids.gpu[slots, :capacity].long()
        rows = torch.arange(len(slots), device=self._device)
        for back in range(self._drafts + 1):
            # The input of an earlier row of the same request is the token at that row's position.
            source = (rows - back).clamp(min=0)
            is_same = ctx.expanded_local_pos >= back
            place = ctx.pos.long()[source].clamp(max=tokens.shape[1] - 1)[:, None]
            given = ctx.input_ids.long()[source][:, None].where(is_same[:, None], tokens.gather(1, place))
            tokens = tokens.scatter(1, place, given)
        places = torch.arange(tokens.shape[1], device=self._device)
        tokens = tokens.where(places < lengths[:, None], NO_TOKEN)
        is_prompt = places < self._states.prompt_len.gpu[slots][:, None]
        return Contexts(tokens.where(is_prompt, NO_TOKEN), tokens, lengths, steps)
