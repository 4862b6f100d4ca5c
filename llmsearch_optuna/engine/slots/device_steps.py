"""Decode steps that draw on the CUDA device, which runs one step ahead of the host.

How it works: a step is the model's forward pass, the summaries of its logits and the draw, all in one CUDA graph. What
the draw needs of each slot is in tables on the device (`SlotTables`, which has a picture of them); a completion is
written to them when it is admitted to its slot. The step leaves the drawn token and its position where the next step
finds them. So the host can launch the next step before it knows the result of this one, and does its own work (stop
strings, texts, prefix tree, storage) while the device computes. The noise of a token depends only on the seed, the
prompt, the step and the token, so this changes no token: where a completion has ended meanwhile, the result of its
slot is dropped.

The host sends one small copy per step (`Inputs`), and gets the results in pinned memory, with an event that tells when
they are there. It waits for nothing else.

A row is undecided if the leading candidates do not decide its token, or if its logits are not numbers. Its slot then
stays as it is: the next step feeds the same token at the same position, and gives the same logits to the bit. From
these the host draws the token, or raises the error.
"""

import logging
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from llmsearch_optuna.engine.memory import to_device, to_pinned
from llmsearch_optuna.engine.running_completion import RunningCompletion
from llmsearch_optuna.engine.sampling import SlotContents, SlotTables, summarise_on_device, summary_of
from llmsearch_optuna.engine.slots.decoder import SlotDecoder
from llmsearch_optuna.engine.slots.graphs import GraphError, Inputs, Outputs, StepGraphs
from llmsearch_optuna.engine.slots.steps import DRAWN, StepResult, StepRow

__all__ = ["DeviceSteps"]

_LOG = logging.getLogger(__name__)

_WIDTH = 1024  # candidates of a draw: a sort of more takes longer, and rows that need more are rare


class _LaunchedStep(NamedTuple):
    """A step that is not collected yet.

    Attributes:
        slots: The slots of its rows.
        on_host: All outputs but the logits, in pinned memory.
        copied: The event after which they are there.
    """

    slots: list[int]
    on_host: list[Tensor]
    copied: torch.cuda.Event


class DeviceSteps:
    """Steps that draw on a CUDA device; see `Steps`.

    Args:
        decoder: Runs the forward passes, on one device.
        vocabulary: The number of tokens of the logits.
    """

    lag = 1

    def __init__(self, decoder: SlotDecoder, vocabulary: int) -> None:
        self._decoder = decoder
        self._device = decoder.runner.device
        self._tables = SlotTables(decoder.slots, vocabulary, self._device)
        self._next = torch.zeros(2, decoder.slots, dtype=torch.int64, device=self._device)  # tokens and positions
        self._launched: deque[_LaunchedStep] = deque()
        self._logits = torch.empty(0)
        self._growths = decoder.growths
        self._graphs: StepGraphs | None = None
        if decoder.runner.is_capturable:
            self._graphs = StepGraphs(self._step, decoder.slots, decoder.vocabulary, self._device)

    @property
    def has_graphs(self) -> bool:
        """Whether steps are CUDA graphs."""
        return self._graphs is not None

    @torch.inference_mode()
    def launch(self, rows: Mapping[int, StepRow], width: int, length: int) -> None:
        """Begin a step; see `Steps`. The width is always the number of slots."""
        inputs = torch.zeros(len(Inputs._fields), width, dtype=torch.int64)
        if rows:
            columns = [(row.token, row.position, row.page, row.lead is not None) for row in rows.values()]
            inputs[:, list(rows)] = torch.tensor(columns, dtype=torch.int64).T
        with torch.cuda.device(self._device):
            self._admit({slot: row.lead for slot, row in rows.items() if row.lead is not None and row.token != DRAWN})
            outputs = self._run(inputs, length)
            on_host = [to_pinned(output) for output in outputs[1:]]
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record()
        self._logits = outputs.logits
        self._launched.append(_LaunchedStep(list(rows), on_host, copied))

    def collect(self) -> StepResult:
        """Return the result of the earliest step; see `Steps`."""
        slots, on_host, copied = self._launched.popleft()
        copied.synchronize()
        index = torch.tensor(slots, dtype=torch.int64)
        values, token_ids, log_sums = (output[index] for output in on_host[:3])
        tokens, surprises = on_host[3][:, index]
        return StepResult(
            summary_of(values, token_ids, log_sums, self._logits.shape[1]),
            tokens.tolist(),
            surprises.view(torch.float64).tolist(),
            self._logits,
            slots,
        )

    def discard(self) -> None:
        """Discard all steps; see `Steps`."""
        self._launched.clear()

    def _admit(self, leads: Mapping[int, RunningCompletion]) -> None:
        """Write completions to the tables, and drop the graphs if they have become invalid."""
        is_new = bool(leads) and self._tables.admit(
            [(slot, _contents(completion)) for slot, completion in leads.items()], self._decoder.capacity
        )
        if (is_new or self._growths != self._decoder.growths) and self._graphs is not None:
            self._graphs.clear()
        self._growths = self._decoder.growths

    def _run(self, inputs: Tensor, length: int) -> Outputs:
        if self._graphs is not None:
            try:
                return self._graphs.step(inputs, length)
            except GraphError as error:
                _LOG.warning("decode steps run without CUDA graphs, which is slower: %s", error)
                self._graphs = None
                self._decoder.runner.is_capturable = False
        return self._step(Inputs(*to_device(inputs, self._device)), length)

    def _step(self, inputs: Inputs, length: int) -> Outputs:
        """Run the model, summarise its logits and draw. If no row keeps its token, repeating it changes nothing."""
        is_drawn, draws = inputs.tokens < 0, inputs.draws.bool()
        tokens, positions = self._next.where(is_drawn, torch.stack(inputs[:2]))
        positions = positions.clamp(max=length - 1)  # a slot may be beyond it whose completion has ended
        logits = self._decoder.run(tokens, positions, inputs.pages, length)
        drawn = self._tables.draw(logits, width=_WIDTH)
        is_decided = ~drawn.undecided & drawn.peaks.isfinite()
        keeps = draws & is_decided
        self._tables.append(drawn, keeps)
        following = torch.stack([drawn.tokens.where(keeps, tokens), positions + keeps])
        self._next.copy_(following.where(draws, self._next))
        result = torch.stack([drawn.tokens.where(is_decided, DRAWN), drawn.surprises.view(torch.int64)])
        return Outputs(logits, *summarise_on_device(logits), result)


def _contents(completion: RunningCompletion) -> SlotContents:
    request = completion.request
    return SlotContents(
        params=request.params,
        prompt_key=completion.prompt_key,
        prompt=request.prompt_ids,
        context=completion.context,
        step=len(completion.token_ids),
        mirostat_mu=completion.mirostat_mu,
    )
