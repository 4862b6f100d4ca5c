"""The parameters of a batch as columns, one entry per row."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from llmsearch_optuna.space.params import CUTS, PARAMETERS, GenerationParams

__all__ = ["SamplingRows"]

_MAX_TOP_K = 2**31  # beyond all vocabularies
# The value of each cut that means off. For a cut that has an effect at every valid value it is 0, which is invalid.
_OFF = {name: float(PARAMETERS[name].off or 0.0) for name in CUTS}
_OFF_ROW = torch.tensor(list(_OFF.values()), dtype=torch.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class SamplingRows:
    """The sampling parameters of a batch as columns.

    Attributes:
        temperature: The divisor of the logits; float32 [rows], 1 if greedy.
        values: The value of each of `CUTS`, or the value that means off; float64 [rows, cuts].
        mirostat_mu: The maximum surprise of the next token in bits, which `build` sets to that of the first token, and
            0 if mirostat is off; float64 [rows].
        seeds: The generation seeds; int64 [rows].
        prompt_keys: The keys of the prompts (`prompt_key`); int64 [rows].
        greedy: Whether a row takes its most probable token; bool [rows], on the CPU.
        cuts: Whether each of `CUTS` is on, false if greedy; bool [rows, cuts], on the CPU. The host can then decide
            what to compute without waiting for the device.
    """

    temperature: Tensor
    values: Tensor
    mirostat_mu: Tensor
    seeds: Tensor
    prompt_keys: Tensor
    greedy: Tensor
    cuts: Tensor

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
        return cls(
            temperature=torch.tensor(column("temperature", 1.0), dtype=torch.float32, device=device),
            values=values.to(device),
            mirostat_mu=(2.0 * values[:, CUTS.index("mirostat_tau")]).to(device),
            seeds=torch.tensor([row.generation_seed for row in params], dtype=torch.int64, device=device),
            prompt_keys=torch.tensor(prompt_keys, dtype=torch.int64, device=device),
            greedy=torch.tensor(greedy, dtype=torch.bool),
            cuts=values != _OFF_ROW,
        )

    def select(self, index: Tensor | Sequence[int]) -> Self:
        """Return the rows with these indices, in this order.

        Args:
            index: A sequence, or int64 [selected] on any device.
        """
        index = torch.as_tensor(index, dtype=torch.int64)
        columns = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return dataclasses.replace(self, **{name: column[index.to(column.device)] for name, column in columns.items()})
