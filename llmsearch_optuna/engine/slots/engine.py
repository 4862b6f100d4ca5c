"""The slot engine: continuous batching in static slots, and replay of the logits of earlier forward passes.

How it works:

*Slots.* The KV cache has a fixed number of slots. Each running continuation has one, left-aligned at position 0. Masks
hide everything after its last token, so only a position changes when a continuation starts, ends or returns to a
shorter prefix. Decode steps use only shapes that give bit-identical logits (`ExactShapes`), so that the batch has no
influence.

*Steps.* A step computes logits, from which the host draws the tokens of all waiting completions. A CUDA device that
holds the whole model draws as well, for one completion that waits at each node, and runs one step ahead
(`device_steps`).

*Replay.* The logits after a prefix (a prompt and the tokens after it) depend only on its tokens. `PrefixTree` keeps a
summary of them for each computed prefix. A new completion walks down the tree, with its own parameters and noise, as
long as the summaries decide its tokens. Then it waits at a node: for the logits of a new prefix, or for all logits of a
prefix whose summary does not decide.

*Admission.* Each step computes one node per slot (`SlotScheduler`), for all completions that wait there, of any trial.
A new prompt is prefilled when a slot is free for its continuations. Requests of the current call come first. Upcoming
ones take the slots that are left. Evicted keys and values are rebuilt token by token.

*Memory.* The slots grow to the longest request. If memory runs out, stored prefixes are dropped, the number of slots is
halved, and the step is repeated. A later call tries all slots again (`Regrowth`). No completion loses a token, because
a token's noise depends only on the seed, prompt, step and token id.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Completion, Request, TokenCallback
from llmsearch_optuna.engine.memory import OUT_OF_MEMORY, Regrowth, free_memory, is_out_of_memory, release_memory
from llmsearch_optuna.engine.running_completion import (
    UNDECIDED,
    RunningCompletion,
    draw_tokens,
    draw_tokens_from_summary,
    sampling_rows,
)
from llmsearch_optuna.engine.sampling import SUMMARY_WIDTH, summarise, summary_parts
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.slots.prefill import PromptCache
from llmsearch_optuna.engine.slots.prefix_tree import Node, PrefixTree
from llmsearch_optuna.engine.slots.replay import DeviceReplay, HostReplay, Replay
from llmsearch_optuna.engine.slots.scheduler import ComputedNodes, SlotScheduler
from llmsearch_optuna.engine.slots.statistics import ReplayStatistics
from llmsearch_optuna.engine.slots.steps import StepResult
from llmsearch_optuna.errors import MemoryExhaustedError

__all__ = ["SlotEngine"]

_LOG = logging.getLogger(__name__)


class SlotEngine:
    """Serves decoder-only attention models, with one slot of a static KV cache per running continuation.

    Args:
        runner: Runs a model that `probe_slots` passed.
        tokenizer: The model's tokenizer.
        slots: The maximum number of continuations decoded at the same time. Less than 8 counts as 8. On the CPU, not
            many more are made than there are requests. Halved whenever memory runs out, until a later call; see
            `Regrowth`.
        decode_args: The tokenizer's keyword arguments for decoding. By default, special tokens are skipped.
        replay_bytes: Memory for stored prefixes, in bytes; 0 disables replay. The default is a quarter of the free
            memory of the model's device.
        prompts: The cache of prefilled prompts; a new one by default.

    Attributes:
        statistics: The statistics of all calls so far.
    """

    def __init__(
        self,
        runner: ModelRunner,
        tokenizer: PreTrainedTokenizerBase,
        *,
        slots: int = 64,
        decode_args: Mapping[str, Any] | None = None,
        replay_bytes: int | None = None,
        prompts: PromptCache | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._decode_args = decode_args
        self._prompts = PromptCache(runner) if prompts is None else prompts
        self._runner = runner
        self._tree = PrefixTree(
            free_memory(runner.device) // 4 if replay_bytes is None else replay_bytes,
            runner.device if runner.draws_on_device else torch.device("cpu"),
        )
        self._scheduler = SlotScheduler(runner, self._prompts, self._tree, slots)
        self._waiting: dict[Node, list[RunningCompletion]] = {}
        self._finished: dict[Request, Completion] = {}
        self._regrowth = Regrowth()
        self._replay: Replay | None = None
        self.statistics = ReplayStatistics()

    @property
    def slots(self) -> int:
        """The maximum number of continuations decoded at the same time."""
        return self._scheduler.slots

    def generate(
        self, requests: Sequence[Request], on_tokens: TokenCallback | None = None, upcoming: Sequence[Request] = ()
    ) -> list[Completion]:
        """Generate one completion per request; see `Engine.generate`.

        Upcoming requests use the slots that the requests leave free. Their progress is kept for the next call.
        """
        requested = set(requests)
        try:
            self._drop_all_but({*requests, *upcoming})
            if self._scheduler.is_shrunk and self._regrowth.is_due():
                self._grow_back(requested)
            self._scheduler.prepare(len({*requests, *upcoming}))
            is_admitted = False
            while not requested <= self._finished.keys():
                try:
                    if not is_admitted:
                        self._admit(requests, upcoming, on_tokens)
                        is_admitted = True
                    self._advance(requested, on_tokens)
                    continue
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                # Outside the handler, whose traceback keeps the tensors of the failed step alive.
                self._make_room()
                is_admitted = False
        except BaseException:
            # Any error or interrupt may leave half-written state, which the next call must not use.
            self._waiting.clear()
            self._finished.clear()
            self._tree.clear()
            self._scheduler.clear()
            raise
        completions = [self._finished[request] for request in requests]
        for request in requested:
            del self._finished[request]
        return completions

    def _drop_all_but(self, requests: AbstractSet[Request]) -> None:
        """Drop the running and finished completions of all other requests, which earlier calls left behind."""
        self._finished = {request: completion for request, completion in self._finished.items() if request in requests}
        for node, running in list(self._waiting.items()):
            running[:] = [completion for completion in running if completion.request in requests]
            if not running:
                del self._waiting[node]
                self._tree.prune(node)

    def _admit(self, requests: Iterable[Request], upcoming: Iterable[Request], on_tokens: TokenCallback | None) -> None:
        """Reserve positions and start a completion for each request that has none yet, running or finished."""
        started = self._running_requests() | self._finished.keys()
        new = dict.fromkeys(request for request in (*requests, *upcoming) if request not in started)
        if new:
            self._scheduler.reserve(max(len(request.prompt_ids) + request.params.max_new_tokens for request in new))
            running = [RunningCompletion(request, self._tokenizer) for request in new]
            self._walk(
                [(completion, self._tree.root(completion.request.prompt_ids)) for completion in running], on_tokens
            )

    def _advance(self, requested: AbstractSet[Request], on_tokens: TokenCallback | None) -> None:
        """Draw the first tokens of prompts while slots are free for their continuations, then run one decode step."""
        while prompts := self._next_prompts():
            logits = torch.stack([self._prompts.get(prompt.prompt_ids).logits for prompt in prompts])
            self._process_prompts(prompts, logits, on_tokens)
            self._scheduler.assign(self._targets(requested))
        self._scheduler.assign(self._targets(requested))
        computed = self._scheduler.step()
        if computed is not None and computed.nodes:
            requested_nodes = sum(node in self._waiting for node in computed.nodes)
            self.statistics.computed += requested_nodes
            self.statistics.rebuilt += len(computed.nodes) - requested_nodes
            self._process(computed, on_tokens)

    def _next_prompts(self) -> list[Node]:
        """Return the next prompts whose first tokens may be drawn, because there are slots for their continuations.

        A prompt that will not stay in the cache is the last, so that it is loaded into slots before it is dropped.
        """
        prompts = [node for node in self._waiting if node.parent is None]
        free = self.slots - (len(self._waiting) - len(prompts))
        chosen: list[Node] = []
        for prompt in prompts:
            if free <= 0:
                break
            chosen.append(prompt)
            free -= len(self._waiting[prompt])
            self._prompts.get(prompt.prompt_ids)  # prefilled, so that it is known whether it stays
            if not self._prompts.keeps(prompt.prompt_ids):
                break
        return chosen

    def _targets(self, requested: AbstractSet[Request]) -> dict[Node, list[RunningCompletion]]:
        """Return the nodes after prompts that the model has to compute, those of this call's requests first."""
        first: dict[Node, list[RunningCompletion]] = {}
        later: dict[Node, list[RunningCompletion]] = {}
        for node, waiting in self._waiting.items():
            if node.parent is not None:
                is_requested = any(completion.request in requested for completion in waiting)
                (first if is_requested else later)[node] = waiting
        return first | later

    def _process_prompts(self, prompts: list[Node], logits: Tensor, on_tokens: TokenCallback | None) -> None:
        """Store the summaries of prompts, and draw the first tokens of the completions that wait at them.

        Shape of the logits: (prompts, vocabulary).
        """
        numbers = self._tree.allocate_summaries(prompts)
        summary = None if self._runner.draws_on_device else summarise(logits)
        self._tree.table.store(numbers, summary.parts if summary else summary_parts(logits), logits.shape[1])
        result = StepResult(list(range(len(prompts))), logits, summary)
        self._process(ComputedNodes(prompts, [None] * len(prompts), result), on_tokens)

    def _process(self, computed: ComputedNodes, on_tokens: TokenCallback | None) -> None:
        """Draw the next token of each completion that waits at one of the nodes, whose summaries are stored.

        The device has drawn those of the leads. The summaries of the logits decide most of the others. The rest is
        drawn from all logits, if these are there, and waits for them otherwise.
        """
        nodes, leads, result = computed
        tokens: dict[RunningCompletion, int] = {}
        undecided: list[tuple[int, RunningCompletion]] = []
        for row, (node, lead, token) in enumerate(zip(nodes, leads, result.tokens, strict=bool(result.tokens))):
            if lead is not None and lead in self._waiting.get(node, ()):
                if token == UNDECIDED:
                    undecided.append((row, lead))
                else:
                    lead.record_surprise(result.surprises[row])
                    tokens[lead] = token
        served = tokens.keys() | {lead for _, lead in undecided}
        rows = {node: row for row, node in enumerate(nodes)}
        rest = [
            (row, completion)
            for node, row in rows.items()
            for completion in self._waiting.get(node, ())
            if completion not in served
        ]
        for entry, token in zip(rest, self._draw_from_summaries(rest, computed), strict=True):
            if token != UNDECIDED:
                tokens[entry[1]] = token
            elif not result.tokens:  # otherwise the logits only hold for undecided leads
                undecided.append(entry)
        if undecided:
            running = [completion for _, completion in undecided]
            slots = torch.tensor([result.slots[row] for row, _ in undecided], device=result.logits.device)
            logits = result.logits[slots]
            drawn = draw_tokens(logits, running, sampling_rows(running, logits), width=8 * SUMMARY_WIDTH)
            tokens |= zip(running, drawn, strict=True)
        walks = []
        for node in rows:
            waiting = self._waiting.pop(node, [])
            walks += [(completion, node) for completion in waiting if completion in tokens]
            if remaining := [completion for completion in waiting if completion not in tokens]:
                self._waiting[node] = remaining
        self._walk(self._append(walks, [tokens[completion] for completion, _ in walks], on_tokens), on_tokens)

    def _draw_from_summaries(
        self, entries: Sequence[tuple[int, RunningCompletion]], computed: ComputedNodes
    ) -> list[int]:
        """Return the next token of each completion at a row of computed nodes, `UNDECIDED` if all logits are needed."""
        if not entries:
            return []
        summary = computed.result.summary
        if summary is not None:
            selected = summary.select(torch.tensor([row for row, _ in entries]))
            return draw_tokens_from_summary(selected, [completion for _, completion in entries], search_noise=False)
        numbers = [self._tree.summary_number(computed.nodes[row]) for row, _ in entries]
        stored = [completion for (_, completion), number in zip(entries, numbers, strict=True) if number]
        tokens = iter(self._ready_replay().draw(stored, [n for n in numbers if n]) if stored else [])
        return [next(tokens) if number else UNDECIDED for number in numbers]

    def _walk(self, walks: list[tuple[RunningCompletion, Node]], on_tokens: TokenCallback | None) -> None:
        """Draw tokens of completions, each at the node of its prompt and tokens so far, from stored summaries.

        They go on until they finish or wait for the model.
        """
        while walks:
            stored = []
            for completion, node in walks:
                if self._tree.has_summary(node):
                    stored.append((completion, node))
                else:
                    self._waiting.setdefault(node, []).append(completion)
            if not stored:
                return
            numbers = [self._tree.summary_number(node) for _, node in stored]
            tokens = self._ready_replay().draw([completion for completion, _ in stored], numbers)
            decided = []
            for (completion, node), token in zip(stored, tokens, strict=True):
                if token != UNDECIDED:
                    completion.replayed += 1
                    decided.append((completion, node))
                else:
                    self._waiting.setdefault(node, []).append(completion)
            self.statistics.replayed += len(decided)
            walks = self._append(decided, [token for token in tokens if token != UNDECIDED], on_tokens)

    def _ready_replay(self) -> Replay:
        """Return what draws from stored summaries. A prompt must have been prefilled."""
        if self._replay is None:
            if self._runner.draws_on_device:
                vocabulary = len(self._prompts.template.logits)
                self._replay = DeviceReplay(self._tree.table, vocabulary, self._runner.device)
            else:
                # On CUDA, a step of the model costs less per row than the search.
                self._replay = HostReplay(self._tree.table, search_noise=self._runner.device.type != "cuda")
        return self._replay

    def _append(
        self,
        walks: Sequence[tuple[RunningCompletion, Node]],
        tokens: Sequence[int],
        on_tokens: TokenCallback | None,
    ) -> list[tuple[RunningCompletion, Node]]:
        """Append the next token to each completion, and return the unfinished ones with their next nodes."""
        unfinished = []
        for (completion, node), token in zip(walks, tokens, strict=True):
            completion.append(token)
            if completion.finish_reason is None:
                unfinished.append((completion, self._tree.child(node, token)))
            else:
                self._finished[completion.request] = completion.to_completion(self._decode_args)
                self._tree.touch(node)
        self.statistics.drawn += len(walks)
        if on_tokens is not None:
            on_tokens(len(walks))
        return unfinished

    def _running_requests(self) -> set[Request]:
        return {completion.request for running in self._waiting.values() for completion in running}

    def _grow_back(self, requested: AbstractSet[Request]) -> None:
        """Try the full number of slots again."""
        self._prompts.grow_back()
        self._scheduler.grow_back(
            max(
                len(request.prompt_ids) + request.params.max_new_tokens
                for request in self._running_requests() | requested
            )
        )
        _LOG.info("trying %d completions at once again", self.slots)

    def _make_room(self) -> None:
        """Drop stored prefixes, and halve the number of slots and the memory limits.

        No running completion loses a token: the scheduler rebuilds their keys and values in the new slots.

        Raises:
            MemoryExhaustedError: There is only one slot.
        """
        if self.slots == 1:
            raise MemoryExhaustedError(OUT_OF_MEMORY)
        self._regrowth.memory_ran_out()
        self._tree.clear()  # memory may have run out while it was written
        self._prompts.shrink()
        self._scheduler.shrink()
        release_memory()
        _LOG.warning("out of memory: continuing with %d completions at once", self.slots)
