"""The parameters of a batch as columns, one entry per row."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from llmsearch_optuna.space.params import CUTS, PARAMETERS, GenerationParams
from llmsearch_optuna.space.rules import XTC_THRESHOLD

__all__ = ["RowKinds", "SamplingRows"]

_MAX_TOP_K = 2**31  # beyond all vocabularies
# The value of each cut that means off. For a cut that has an effect at every valid value it is 0, which is invalid.
_OFF = {name: float(PARAMETERS[name].off or 0.0) for name in CUTS}
_OFF_ROW = torch.tensor(list(_OFF.values()), dtype=torch.float64)


class RowKinds(NamedTuple):
    """What the rows of a batch need, known to the host. It may name more than the rows need, but never less.

    Attributes:
        cuts: The names of the cuts that are on in any row.
        first_cuts: The names of the cuts that some row applies first. Only a first cut needs sums over all tokens.
        has_free: Whether any row is sampled without a cut.
        has_xtc: Whether any row has XTC.
    """

    cuts: frozenset[str]
    first_cuts: frozenset[str]
    has_free: bool
    has_xtc: bool

    @classmethod
    def of(cls, greedy: Tensor, cuts: Tensor, xtc_probability: Tensor) -> Self:
        """Return the kinds of rows from their columns, which are on the CPU; see `SamplingRows`."""
        cut = cuts.any(-1)
        return cls(
            cuts=frozenset(name for name, on in zip(CUTS, cuts.any(0).tolist(), strict=True) if on),
            first_cuts=frozenset(CUTS[column] for column in cuts[cut].int().argmax(-1).tolist()),
            has_free=bool((~cut & ~greedy).any()),
            has_xtc=bool((xtc_probability > 0.0).any()),
        )

    def __or__(self, other: Self) -> Self:
        """Return the kinds of both."""
        pairs: Iterable[tuple[Any, Any]] = zip(self, other, strict=True)
        return type(self)(*(kinds | other_kinds for kinds, other_kinds in pairs))


@dataclass(frozen=True, kw_only=True, eq=False)
class SamplingRows:
    """The sampling parameters of a batch as columns.

    Attributes:
        temperature: The divisor of the logits; float32 [rows], 1 if greedy.
        values: The value of each of `CUTS`, or the value that means off; float64 [rows, cuts].
        mirostat_mu: The maximum surprise of the next token in bits, which `build` sets to that of the first token, and
            0 if mirostat is off; float64 [rows].
        xtc_probability: The probability of XTC in each step, 0 if off; float64 [rows].
        xtc_threshold: Its threshold; float64 [rows].
        seeds: The generation seeds; int64 [rows].
        prompt_keys: The keys of the prompts (`prompt_key`); int64 [rows].
        greedy: Whether a row takes its most probable token; bool [rows].
        cuts: Whether each of `CUTS` is on, false if greedy; bool [rows, cuts].
        kinds: What has to be computed, which the host then knows without waiting for the device.
    """

    temperature: Tensor
    values: Tensor
    mirostat_mu: Tensor
    xtc_probability: Tensor
    xtc_threshold: Tensor
    seeds: Tensor
    prompt_keys: Tensor
    greedy: Tensor
    cuts: Tensor
    kinds: RowKinds

    @classmethod
    def build(
        cls,
        params: Sequence[GenerationParams],
        prompt_keys: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> Self:
        """Build the columns of these parameters.

        Args:
            params: The parameters of each row.
            prompt_keys: The `prompt_key` of each row.
            device: The device of the logits.

        Raises:
            ValueError: The number of prompt keys differs from the number of rows.
        """
        if len(params) != len(prompt_keys):
            raise ValueError(f"every row needs one prompt key, got {len(prompt_keys)} keys for {len(params)} rows")
        greedy = [row.greedy for row in params]

        def column(name: str, off: float) -> list[float]:
            return [
                off if is_greedy or (value := getattr(row, name)) is None else value
                for row, is_greedy in zip(params, greedy, strict=True)
            ]

        columns = {name: column(name, off) for name, off in _OFF.items()}
        columns["top_k"] = [min(k, _MAX_TOP_K) for k in columns["top_k"]]
        values = torch.tensor(list(columns.values()), dtype=torch.float64).T
        xtc_probability = torch.tensor(column("xtc_probability", 0.0), dtype=torch.float64)
        cuts, is_greedy = values != _OFF_ROW, torch.tensor(greedy, dtype=torch.bool)
        return cls(
            temperature=torch.tensor(column("temperature", 1.0), dtype=torch.float32, device=device),
            values=values.to(device),
            mirostat_mu=(2.0 * values[:, CUTS.index("mirostat_tau")]).to(device),
            xtc_probability=xtc_probability.to(device),
            xtc_threshold=torch.tensor(column("xtc_threshold", XTC_THRESHOLD), dtype=torch.float64, device=device),
            seeds=torch.tensor([row.generation_seed for row in params], dtype=torch.int64, device=device),
            prompt_keys=torch.tensor(prompt_keys, dtype=torch.int64, device=device),
            greedy=is_greedy.to(device),
            cuts=cuts.to(device),
            kinds=RowKinds.of(is_greedy, cuts, xtc_probability),
        )

    def select(self, index: slice | Tensor | Sequence[int]) -> Self:
        """Return the rows with these indices, in this order.

        Args:
            index: A slice, a sequence, or int64 [selected] on any device.
        """
        if not isinstance(index, slice):
            index = torch.as_tensor(index, dtype=torch.int64).to(self.greedy.device)
        columns = {field.name: getattr(self, field.name)[index] for field in dataclasses.fields(self)[:-1]}
        selected = dataclasses.replace(self, **columns)
        return selected if selected.cuts.device.type == "cuda" else selected.with_cuts(selected.cuts)

    def with_cuts(self, cuts: Tensor) -> Self:
        """Return the same rows with other cuts, on CUDA with some of these; bool [rows, cuts]."""
        if cuts.device.type == "cuda":
            return dataclasses.replace(self, cuts=cuts, kinds=self.kinds._replace(first_cuts=self.kinds.cuts))
        return dataclasses.replace(self, cuts=cuts, kinds=RowKinds.of(self.greedy, cuts, self.xtc_probability))

    def where(self, selected: Tensor) -> tuple[slice | Tensor, Self]:
        """Return the index of the selected rows, and these rows. On CUDA, where the host would wait: all rows."""
        if selected.device.type == "cuda" or selected.all():
            return slice(None), self
        index = selected.nonzero()[:, 0]
        return index, self.select(index)
