"""The parameters of slots on the device, one column per slot, so that a draw needs nothing of the host.

All numbers of a slot are one column of an int64 table (floats as their bits), written with a single copy. The host
decides which formulas run, from the kinds of all completions written so far (`ParameterTable.kinds`).
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling.breakers import NO_BREAKERS, Breakers, BreakerTable, breaker_table
from llmsearch_optuna.engine.sampling.contexts import Dry, Penalties
from llmsearch_optuna.engine.sampling.penalties import penalty_factors, penalty_offsets
from llmsearch_optuna.engine.sampling.repetitions import dry_settings
from llmsearch_optuna.engine.sampling.rows import RowKinds, SamplingRows
from llmsearch_optuna.engine.sampling.sampler import mirostat_eta
from llmsearch_optuna.engine.transfer import to_device
from llmsearch_optuna.space.params import CUTS, GenerationParams

__all__ = ["ParameterTable", "SlotContents", "SlotKinds"]

_CUTS = len(CUTS)
_FLOATS = (
    "temperature",
    "eta",
    "prompt_factor",
    "context_factor",
    "presence",
    "frequency",
    "xtc_probability",
    "xtc_threshold",
    "dry_multiplier",
    "dry_base",
    "mu",
)
_INTEGERS = ("step", "length", "seed", "prompt_key", "greedy", "dry_allowed_length", "dry_breakers", "ngram")
_ROW = {name: row for row, name in enumerate((*_FLOATS, *_INTEGERS))}
_PROGRESS = slice(_ROW["mu"], _ROW["step"] + 1)
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
        breakers: The breakers of DRY.
    """

    params: GenerationParams
    prompt_key: int
    prompt: Sequence[int]
    context: Sequence[int]
    step: int
    mirostat_mu: float
    breakers: Breakers = NO_BREAKERS


class SlotKinds(NamedTuple):
    """What the draw has to compute, as the host knows it.

    Attributes:
        rows: The kinds of cuts.
        scales_prompt: Whether any completion has an `encoder_repetition_penalty`.
        scales_context: Whether any completion has a `repetition_penalty`.
        counts_tokens: Whether any completion has a `presence_penalty` or a `frequency_penalty`.
        has_dry: Whether any completion has DRY.
        ngrams: All values of `no_repeat_ngram_size`.
    """

    rows: RowKinds
    scales_prompt: bool
    scales_context: bool
    counts_tokens: bool
    has_dry: bool
    ngrams: frozenset[int]

    @classmethod
    def of(cls, params: Sequence[GenerationParams], rows: RowKinds) -> Self:
        """Return the kinds of completions with these parameters."""
        factors = [penalty_factors(row) for row in params]
        return cls(
            rows=rows,
            scales_prompt=any(factor != 1.0 for factor, _ in factors),
            scales_context=any(factor != 1.0 for _, factor in factors),
            counts_tokens=any(penalty_offsets(row) != (0.0, 0.0) for row in params),
            has_dry=any(row.dry_multiplier for row in params),
            ngrams=frozenset(row.no_repeat_ngram_size for row in params if row.no_repeat_ngram_size),
        )

    def __or__(self, other: Self) -> Self:
        """Return the kinds of both."""
        pairs: Iterable[tuple[Any, Any]] = zip(self, other, strict=True)
        return type(self)(*(kinds | other_kinds for kinds, other_kinds in pairs))

    @property
    def has_penalties(self) -> bool:
        """Whether the draw needs the contexts."""
        return self.scales_prompt or self.scales_context or self.counts_tokens or self.has_dry or bool(self.ngrams)


class ParameterTable:
    """The parameters of slots, and how far each has come.

    Args:
        slots: The number of slots. All of them are greedy, without penalties, until something is written.
        device: The device.

    Attributes:
        kinds: The kinds of all completions written so far.
        breakers: The breakers of the completions with DRY; None before the first one. A new set makes it another table.
    """

    def __init__(self, slots: int, device: torch.device | str) -> None:
        self.breakers: BreakerTable | None = None
        self._sets: tuple[Breakers, ...] = ()  # in `breakers`
        self._set_of: dict[int, Breakers] = {}  # by slot, of those with DRY
        self._device = device
        column, self.kinds = _columns([SlotContents(GenerationParams(), 0, (), (), 0, 0.0)], [0])
        self._table = column.repeat(1, slots).to(device)

    def write(self, contents: Sequence[tuple[int, SlotContents]]) -> Tensor:
        """Write what slots continue, and return these slots on the device; int64 [written]."""
        self._hold_breakers(contents)
        columns, kinds = _columns([content for _, content in contents], self._set_numbers(slot for slot, _ in contents))
        index = torch.tensor([slot for slot, _ in contents])
        on_device = to_device(torch.cat([index[None], columns]), self._device)
        places = on_device[0]
        self._table.index_copy_(1, places, on_device[1:])
        self.kinds |= kinds
        return places

    def integers(self, name: str) -> Tensor:
        """Return a row of the table, as a view; int64 [slots]."""
        return self._table[_ROW[name]]

    def rows(self, slots: Tensor | None = None) -> SamplingRows:
        """Return the parameters of all slots, or of some; int64 [rows]."""
        table = self._columns_of(slots)
        return SamplingRows(
            temperature=_floats(table, "temperature").float(),
            values=table[_VALUES].view(torch.float64).T,
            mirostat_mu=_floats(table, "mu"),
            xtc_probability=_floats(table, "xtc_probability"),
            xtc_threshold=_floats(table, "xtc_threshold"),
            seeds=table[_ROW["seed"]],
            prompt_keys=table[_ROW["prompt_key"]],
            greedy=table[_ROW["greedy"]].bool(),
            cuts=table[_ON].bool().T,
            kinds=self.kinds.rows,
        )

    def penalties(self, slots: Tensor | None = None) -> Penalties:
        """Return the penalties of all slots, or of some; int64 [rows]."""
        table = self._columns_of(slots)
        return Penalties(
            prompt_factors=_floats(table, "prompt_factor").float() if self.kinds.scales_prompt else None,
            context_factors=_floats(table, "context_factor").float() if self.kinds.scales_context else None,
            presence=_floats(table, "presence").float() if self.kinds.counts_tokens else None,
            frequency=_floats(table, "frequency").float() if self.kinds.counts_tokens else None,
            dry=None
            if self.breakers is None
            else Dry(
                _floats(table, "dry_multiplier"),
                _floats(table, "dry_base"),
                table[_ROW["dry_allowed_length"]],
                table[_ROW["dry_breakers"]],
                self.breakers,
            ),
            ngram_sizes=table[_ROW["ngram"]],
            ngrams=self.kinds.ngrams,
        )

    def _columns_of(self, slots: Tensor | None) -> Tensor:
        """Return the columns of some slots, or the table itself."""
        return self._table if slots is None else self._table[:, slots]

    def _hold_breakers(self, contents: Sequence[tuple[int, SlotContents]]) -> None:
        """Make a new table of the sets in use if one of these completions has a new set."""
        for slot, content in contents:
            self._set_of.pop(slot, None)
            if content.params.dry_multiplier:
                self._set_of[slot] = content.breakers
        if all(breakers in self._sets for breakers in self._set_of.values()):
            return
        self._sets = tuple(dict.fromkeys(self._set_of.values()))
        self.breakers = breaker_table(self._sets, self._device)
        numbers = self._set_numbers(range(self._table.shape[1]))
        self.integers("dry_breakers").copy_(to_device(torch.tensor(numbers), self._device))

    def _set_numbers(self, slots: Iterable[int]) -> list[int]:
        """Return the number of each slot's set of breakers; 0 without DRY."""
        return [self._sets.index(self._set_of[slot]) if slot in self._set_of else 0 for slot in slots]

    def progress(self, slot: int) -> Tensor:
        """Return the bits of mirostat's mu and the step of a slot, as a view; int64 [2]."""
        progress: Tensor = self._table[_PROGRESS, slot]
        return progress

    def advance(self, surprises: Tensor, mask: Tensor) -> None:
        """Advance the step and mirostat's mu of the slots of the mask.

        Args:
            surprises: The surprise of the token that each slot has drawn; float64 [slots].
            mask: bool [slots].
        """
        self.integers("step").add_(mask)
        if "mirostat_tau" in self.kinds.rows.cuts:
            column = CUTS.index("mirostat_tau")
            mu, tau = _floats(self._table, "mu"), self._table[_VALUES][column].view(torch.float64)
            has_mirostat = self._table[_ON][column].bool()
            mu.copy_((mu - _floats(self._table, "eta") * (surprises - tau)).where(mask & has_mirostat, mu))


def _floats(table: Tensor, name: str) -> Tensor:
    """Return a row of a table, as a view; float64 [columns]."""
    return table[_ROW[name]].view(torch.float64)


def _columns(rows: Sequence[SlotContents], sets: Sequence[int]) -> tuple[Tensor, SlotKinds]:
    """Return the columns of the table for these contents and sets of breakers, on the CPU, and their kinds."""
    params = [row.params for row in rows]
    sampling = SamplingRows.build(params, [row.prompt_key for row in rows])
    prompt_factors, context_factors = zip(*map(penalty_factors, params), strict=True)
    presence, frequency = zip(*map(penalty_offsets, params), strict=True)
    multipliers, bases, allowed_lengths = zip(*map(dry_settings, params), strict=True)
    floats = torch.tensor(
        [
            sampling.temperature.tolist(),
            [mirostat_eta(row) for row in params],
            prompt_factors,
            context_factors,
            presence,
            frequency,
            sampling.xtc_probability.tolist(),
            sampling.xtc_threshold.tolist(),
            multipliers,
            bases,
            [row.mirostat_mu for row in rows],
        ],
        dtype=torch.float64,
    )
    integers = torch.stack(
        [
            torch.tensor([row.step for row in rows]),
            torch.tensor([len(row.context) for row in rows]),
            sampling.seeds,
            sampling.prompt_keys,
            sampling.greedy.long(),
            torch.tensor(allowed_lengths),
            torch.tensor(sets),
            torch.tensor([row.params.no_repeat_ngram_size or 0 for row in rows]),
        ]
    )
    values, cuts = sampling.values.T.contiguous(), sampling.cuts.T.long()
    table = torch.cat([floats.view(torch.int64), integers, values.view(torch.int64), cuts])
    return table, SlotKinds.of(params, sampling.kinds)
