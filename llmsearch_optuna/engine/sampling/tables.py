"""The parameters and the contexts of slots on the device, so that the draw can be a part of a decode step's CUDA graph.

How it works: all numbers of a slot are one column of an int64 table (floats as their bits), written with a single copy
when a completion is admitted to the slot. Penalties need the tokens of the slot: their ids in order, and whether each
token of the vocabulary occurs in the prompt or in the context. `draw` reads the tables, and `advance` updates them with
the drawn tokens; the host takes no part in either. Which formulas run is decided by the host from the kinds of all
completions admitted so far (`SlotTables.kinds`): a graph is valid for the kinds that it was captured with.

::

    table     [numbers, slots]      temperature, seed, ..., step, length of the context, mirostat's mu
    contexts  [slots, capacity]     prompt and completion, as far as `length`
    prompts   [slots, vocabulary]   whether a token occurs in the prompt
    seen      [slots, vocabulary]   whether a token occurs in the context
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from llmsearch_optuna.engine.memory import to_device
from llmsearch_optuna.engine.sampling.penalties import penalty_factors, scale_logits
from llmsearch_optuna.engine.sampling.rows import RowKinds, SamplingRows
from llmsearch_optuna.engine.sampling.sampler import DeviceDraw, draw_on_device, mirostat_eta
from llmsearch_optuna.engine.sampling.summary import LogitSummary, SummaryDraw, sample_summary
from llmsearch_optuna.space.params import CUTS, GenerationParams

__all__ = ["SlotContents", "SlotKinds", "SlotTables"]

_CUTS = len(CUTS)
_FLOATS = ("temperature", "mu", "eta", "prompt_factor", "context_factor")
_INTEGERS = ("seed", "prompt_key", "greedy", "step", "length", "ngram")
_ROW = {name: row for row, name in enumerate((*_FLOATS, *_INTEGERS))}
_VALUES = slice(len(_ROW), len(_ROW) + _CUTS)
_ON = slice(_VALUES.stop, _VALUES.stop + _CUTS)


class SlotContents(NamedTuple):
    """The completion that a slot continues.

    Attributes:
        params: Its parameters.
        prompt_key: The `prompt_key` of its prompt.
        prompt: The token ids of its prompt.
        context: The token ids that the decoder has seen, including the one that the next step feeds to the model.
        step: The number of its tokens so far.
        mirostat_mu: Mirostat's mu for the next token, in bits.
    """

    params: GenerationParams
    prompt_key: int
    prompt: Sequence[int]
    context: Sequence[int]
    step: int
    mirostat_mu: float


class SlotKinds(NamedTuple):
    """What the draw has to compute, as the host knows it.

    Attributes:
        rows: The kinds of cuts.
        scales_prompt: Whether any completion has an `encoder_repetition_penalty`.
        scales_context: Whether any completion has a `repetition_penalty`.
        ngrams: All values of `no_repeat_ngram_size`.
    """

    rows: RowKinds
    scales_prompt: bool = False
    scales_context: bool = False
    ngrams: frozenset[int] = frozenset()

    @classmethod
    def of(cls, params: Sequence[GenerationParams], rows: RowKinds) -> "SlotKinds":
        """Return the kinds of completions with these parameters."""
        factors = [penalty_factors(row) for row in params]
        return cls(
            rows=rows,
            scales_prompt=any(factor != 1.0 for factor, _ in factors),
            scales_context=any(factor != 1.0 for _, factor in factors),
            ngrams=frozenset(row.no_repeat_ngram_size for row in params if row.no_repeat_ngram_size),
        )

    def __or__(self, other: "SlotKinds") -> "SlotKinds":
        """Return the kinds of both."""
        return SlotKinds(
            RowKinds(
                cuts=self.rows.cuts | other.rows.cuts,
                first_cuts=self.rows.first_cuts | other.rows.first_cuts,
                has_free=self.rows.has_free or other.rows.has_free,
            ),
            self.scales_prompt or other.scales_prompt,
            self.scales_context or other.scales_context,
            self.ngrams | other.ngrams,
        )

    @property
    def has_penalties(self) -> bool:
        """Whether the draw needs the contexts."""
        return self.scales_prompt or self.scales_context or bool(self.ngrams)


_NO_KINDS = SlotKinds(RowKinds(frozenset(), frozenset(), has_free=False))


class SlotTables:
    """What is needed to draw the next token of each slot, on the device of the logits.

    Args:
        slots: The number of slots. All of them are greedy, without penalties, until something is admitted.
        vocabulary: The number of tokens of the logits.
        device: The device.

    Attributes:
        kinds: The kinds of all completions admitted so far.
    """

    def __init__(self, slots: int, vocabulary: int, device: torch.device | str) -> None:
        self.kinds = _NO_KINDS
        self._slots = slots
        self._vocabulary = vocabulary
        self._device = device
        empty = SlotContents(GenerationParams(), 0, (), (), 0, 0.0)
        self._table = _columns([empty])[0].repeat(1, slots).to(device)
        self._contexts = self._new(0, torch.int64)
        self._prompts, self._seen = self._new(0, torch.bool), self._new(0, torch.bool)

    def admit(self, contents: Sequence[tuple[int, SlotContents]], capacity: int) -> bool:
        """Write what slots continue to the tables.

        Args:
            contents: Slots and their contents.
            capacity: The maximum number of tokens of any context, from now on.

        Returns:
            Whether graphs captured before are invalid, because other tables or formulas are used from now on.
        """
        slots, rows = [slot for slot, _ in contents], [content for _, content in contents]
        columns, kinds = _columns(rows)
        index = torch.tensor(slots)
        on_device = to_device(torch.cat([index[None], columns]), self._device)
        places = on_device[0]
        self._table.index_copy_(1, places, on_device[1:])
        before, self.kinds = self.kinds, self.kinds | kinds
        is_new = self.kinds != before
        if self.kinds.has_penalties:
            is_new |= self._grow(max(capacity, *self.kinds.ngrams, 1))
            self._write_contexts(places, rows)
        return is_new

    def draw(self, logits: Tensor, *, width: int) -> DeviceDraw:
        """Draw the next token of each slot, without waiting for the device; see `draw_on_device`.

        Args:
            logits: The model's logits before penalties; floating [slots, vocabulary].
            width: See `draw`.
        """
        return draw_on_device(self._penalised(logits.float()), self._rows(), self._int("step"), width=width)

    def draw_from_summary(self, summary: LogitSummary) -> SummaryDraw:
        """Draw the next token of each slot as far as a summary decides it, without waiting; see `sample_summary`.

        Args:
            summary: A summary of the logits before penalties, with one row per slot.
        """
        penalised = self._penalised_summary(summary) if self.kinds.has_penalties else summary
        return sample_summary(penalised, self._rows(), self._int("step"))

    def advance(self, drawn: DeviceDraw | SummaryDraw, mask: Tensor) -> None:
        """Advance the step, mirostat's mu and the context of each slot of the mask by the drawn token.

        Args:
            drawn: The tokens and their surprises.
            mask: Which slots to advance; bool [slots].
        """
        self._int("step").add_(mask)
        if "mirostat_tau" in self.kinds.rows.cuts:
            column = CUTS.index("mirostat_tau")
            mu, tau = self._float("mu"), self._table[_VALUES][column].view(torch.float64)
            has_mirostat = self._table[_ON][column].bool()
            mu.copy_((mu - self._float("eta") * (drawn.surprises - tau)).where(mask & has_mirostat, mu))
        if self.kinds.has_penalties:
            tokens, mask = drawn.tokens[:, None], mask[:, None]
            place = self._int("length").clamp(max=self._contexts.shape[1] - 1)[:, None]
            self._contexts.scatter_(1, place, tokens.where(mask, self._contexts.gather(1, place)))
            self._seen.scatter_(1, tokens, mask | self._seen.gather(1, tokens))
            self._int("length").add_(mask[:, 0])

    def _rows(self) -> SamplingRows:
        return SamplingRows(
            temperature=self._float("temperature").float(),
            values=self._table[_VALUES].view(torch.float64).T,
            mirostat_mu=self._float("mu"),
            seeds=self._int("seed"),
            prompt_keys=self._int("prompt_key"),
            greedy=self._int("greedy").bool(),
            cuts=self._table[_ON].bool().T,
            kinds=self.kinds.rows,
        )

    def _penalised(self, logits: Tensor, token_ids: Tensor | None = None) -> Tensor:
        """Apply the penalties; see `penalise`. The token ids are those of the columns; by default, all."""

        def of_columns(tokens: Tensor) -> Tensor:
            return tokens if token_ids is None else tokens.gather(1, token_ids)

        for factors, tokens in ((self._factors("prompt"), self._prompts), (self._factors("context"), self._seen)):
            if factors is not None:
                logits = torch.where(of_columns(tokens), scale_logits(logits, factors[:, None]), logits)
        for size in sorted(self.kinds.ngrams):
            logits = logits.masked_fill(of_columns(self._ngram_ends(size)), -torch.inf)
        return logits

    def _penalised_summary(self, summary: LogitSummary) -> LogitSummary:
        """Apply the penalties to a summary without any; see `penalise_summary`, where the bounds are explained."""
        bound, raises = summary.bound, torch.zeros_like(summary.lowered)
        is_penalised = self._int("ngram") > 0
        for factors in (self._factors("prompt"), self._factors("context")):
            if factors is not None:
                bound = torch.maximum(bound, scale_logits(bound, factors))
                raises |= factors < 1.0
                is_penalised |= factors != 1.0
        return summary._replace(
            logits=self._penalised(summary.logits, summary.token_ids),
            bound=bound,
            lowered=is_penalised,
            raised=(2 * self._int("length")).where(raises, 0),  # the prompt's tokens and the context's
        )

    def _factors(self, tokens: str) -> Tensor | None:
        """Return the penalty factors of the prompt's or the context's tokens, float32 [slots]; None if all are off."""
        is_used = self.kinds.scales_prompt if tokens == "prompt" else self.kinds.scales_context
        return self._float(f"{tokens}_factor").float() if is_used else None

    def _ngram_ends(self, size: int) -> Tensor:
        """Return the tokens that would repeat an n-gram of this size, in slots with this size; bool [slots, vocab]."""
        length = self._int("length")[:, None]
        windows = self._contexts.unfold(1, size, 1)  # of each slot, its n-grams
        begun = (length + torch.arange(1 - size, 0, device=self._device)).clamp(min=0)
        is_repeated = (windows[..., :-1] == self._contexts.gather(1, begun)[:, None]).all(-1)
        is_repeated &= torch.arange(windows.shape[1], device=self._device) <= length - size
        is_repeated &= self._int("ngram")[:, None] == size
        # Ids outside the vocabulary, and windows that repeat nothing, go to a column that is dropped.
        ends = windows[..., -1]
        ends = ends.where(is_repeated & (ends >= 0) & (ends < self._vocabulary), self._vocabulary)
        banned = torch.zeros(self._slots, self._vocabulary + 1, dtype=torch.bool, device=self._device)
        return banned.scatter_(1, ends, value=True)[:, :-1]

    def _grow(self, capacity: int) -> bool:
        """Make the tables of tokens large enough, and return whether they are other ones."""
        has_masks = self._seen.shape[1] > 0
        if has_masks and self._contexts.shape[1] >= capacity:
            return False
        longer = self._new(capacity, torch.int64)
        longer[:, : self._contexts.shape[1]] = self._contexts
        self._contexts = longer
        if not has_masks:
            self._prompts, self._seen = (self._new(self._vocabulary, torch.bool) for _ in range(2))
        return True

    def _write_contexts(self, places: Tensor, rows: Sequence[SlotContents]) -> None:
        capacity = self._contexts.shape[1]
        written = torch.full((2, len(rows), capacity), self._vocabulary, dtype=torch.int64)
        for row, content in enumerate(rows):
            for ids, part in ((content.context, 0), (content.prompt, 1)):
                written[part, row, : len(ids)] = torch.as_tensor(ids, dtype=torch.int64)
        on_device = to_device(written, self._device)
        self._contexts.index_copy_(0, places, on_device[0])
        on_device = on_device.where((on_device >= 0) & (on_device < self._vocabulary), self._vocabulary)
        # One more column for the ids outside the vocabulary and the padding.
        masks = torch.zeros(2, len(rows), self._vocabulary + 1, dtype=torch.bool, device=self._device)
        masks.scatter_(2, on_device, value=True)
        self._seen.index_copy_(0, places, masks[0, :, :-1])
        self._prompts.index_copy_(0, places, masks[1, :, :-1])

    def _new(self, columns: int, dtype: torch.dtype) -> Tensor:
        return torch.zeros(self._slots, columns, dtype=dtype, device=self._device)

    def _int(self, name: str) -> Tensor:
        return self._table[_ROW[name]]

    def _float(self, name: str) -> Tensor:
        return self._table[_ROW[name]].view(torch.float64)


def _columns(rows: Sequence[SlotContents]) -> tuple[Tensor, SlotKinds]:
    """Return the columns of the table for these contents, on the CPU, and their kinds."""
    params = [row.params for row in rows]
    sampling = SamplingRows.build(params, [row.prompt_key for row in rows])
    prompt_factors, context_factors = zip(*map(penalty_factors, params), strict=True)
    floats = torch.tensor(
        [
            sampling.temperature.tolist(),
            [row.mirostat_mu for row in rows],
            [mirostat_eta(row) for row in params],
            prompt_factors,
            context_factors,
        ],
        dtype=torch.float64,
    )
    integers = torch.stack(
        [
            sampling.seeds,
            sampling.prompt_keys,
            sampling.greedy.long(),
            torch.tensor([row.step for row in rows]),
            torch.tensor([len(row.context) for row in rows]),
            torch.tensor([row.params.no_repeat_ngram_size or 0 for row in rows]),
        ]
    )
    values, cuts = sampling.values.T.contiguous(), sampling.cuts.T.long()
    table = torch.cat([floats.view(torch.int64), integers, values.view(torch.int64), cuts])
    return table, SlotKinds.of(params, sampling.kinds)
