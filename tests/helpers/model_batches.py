"""A running batch of a real model with the plug-in, as in vLLM but without it: one plain forward pass per row."""

from collections.abc import Sequence
from types import SimpleNamespace

import torch
from tiny_models import tiny_tokenizer
from transformers import PreTrainedModel
from vllm_batches import sampling_params

from llmsearch_optuna.engine.vllm.breakers import ModelBreakers
from llmsearch_optuna.engine.vllm.engine import NewTokens
from llmsearch_optuna.engine.vllm.v1 import V1Processor
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["ModelBatch"]


class ModelBatch:
    """Runs requests in the order in which they came; see `RunningBatch`.

    Args:
        model: The model.
        capacity: The number of requests that have their turn together.
        has_plugin: Whether the plug-in draws; otherwise vLLM decodes greedily.

    Attributes:
        begun: The prompts of all requests that had their turn, by name.
        steps: The number of steps.
    """

    def __init__(self, model: PreTrainedModel, capacity: int, *, has_plugin: bool = True) -> None:
        scheduler = SimpleNamespace(max_num_seqs=capacity, async_scheduling=False)
        self._processor = V1Processor(
            SimpleNamespace(scheduler_config=scheduler, model_config=None),
            "cpu",
            breakers=ModelBreakers(None, lambda _: tiny_tokenizer()),
        )
        self._model = model
        self._has_plugin = has_plugin
        self._capacity = capacity
        self._requests: dict[str, tuple[Sequence[int], GenerationParams, list[int]]] = {}
        self._places: list[str] = []
        self.begun: dict[str, Sequence[int]] = {}
        self.steps = 0

    def begin(self, name: str, prompt_ids: Sequence[int], params: GenerationParams) -> None:
        self._requests[name] = (prompt_ids, params, [])

    def abort(self, names: Sequence[str]) -> None:
        for name in names:
            del self._requests[name]

    @torch.inference_mode()
    def step(self) -> list[NewTokens]:
        self.steps += 1
        turn = list(self._requests)[: self._capacity]
        removed = list(range(len(self._places)))
        added = []
        for place, name in enumerate(turn):
            prompt, params, output = self._requests[name]
            self.begun[name] = prompt
            if place >= len(self._places) or self._places[place] != name:
                added.append((place, sampling_params(params), prompt, output))
            if place < len(self._places):
                removed.remove(place)
        self._places = turn
        self._processor.update_state(SimpleNamespace(batch_size=len(turn), removed=removed, added=added, moved=[]))
        contexts = [[*self._requests[name][0], *self._requests[name][2]] for name in turn]
        logits = [self._model(input_ids=torch.tensor([context])).logits[0, -1] for context in contexts]
        stacked = torch.stack(logits)
        tokens = (self._processor.apply(stacked) if self._has_plugin else stacked).argmax(-1).tolist()
        new = []
        for name, token in zip(turn, tokens, strict=True):
            _, params, output = self._requests[name]
            output.append(token)
            is_last = len(output) == params.max_new_tokens
            new.append(NewTokens(name, (token,), is_last))
            if is_last:
                del self._requests[name]
        return new
