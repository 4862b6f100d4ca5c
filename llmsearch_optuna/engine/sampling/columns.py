"""The parameters of a batch as columns, one entry per row."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from llmsearch_optuna.space.params import CUTS, GenerationParams

__all__ = ["SamplingRows"]

_OFF: dict[str, float] = {
    "temperature": 1.0,
    "top_n_sigma": 0.0,
    "top_h": 0.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "tfs": 1.0,
    "top_a": 0.0,
    "mirostat_tau": 0.0,
}
_DTYPES = {"temperature": torch.float32, "top_k": torch.int64}
_MAX_TOP_K = 2**31


@dataclass(frozen=True, kw_only=True, eq=False)
class SamplingRows:
    """The sampling parameters of a batch as columns; a parameter that is off has a value without effect.

    Attributes:
        temperature: Divides the logits; float32 [rows], 1 where greedy.
        top_n_sigma: float64 [rows], 0 is off.
        top_h: float64 [rows], 0 is off.
        top_k: int64 [rows], 0 is off.
        top_p: float64 [rows], 1 is off.
        min_p: float64 [rows], 0 is off.
        typical_p: float64 [rows], 1 is off.
        epsilon_cutoff: float64 [rows], 0 is off.
        eta_cutoff: float64 [rows], 0 is off.
        tfs: float64 [rows], 1 is off.
        top_a: float64 [rows], 0 is off.
        mirostat_tau: float64 [rows], 0 is off.
        mirostat_mu: The most bits of surprise that mirostat allows the next token, the first one at the start; float64
            [rows].
        seeds: Generation seeds; int64 [rows].
        prompt_keys: Keys of the prompts (`prompt_key`); int64 [rows].
        greedy: Whether a row takes its most probable token; bool [rows], on the CPU.
        cuts: Which of `params.CUTS` are on, none where greedy; bool [rows, cuts], on the CPU: what there is to
            compute is known without waiting for the device.
    """

    temperature: Tensor
    top_n_sigma: Tensor
    top_h: Tensor
    top_k: Tensor
    top_p: Tensor
    min_p: Tensor
    typical_p: Tensor
    epsilon_cutoff: Tensor
    eta_cutoff: Tensor
    tfs: Tensor
    top_a: Tensor
    mirostat_tau: Tensor
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
        """The columns of these parameters.

        Args:
            params: The parameters of each row.
            prompt_keys: The `prompt_key` of each row.
            device: Where the logits will be.

        Raises:
            ValueError: There is not one prompt key for each row.
        """
        if len(params) != len(prompt_keys):
            raise ValueError(f"every row needs one prompt key, got {len(prompt_keys)} keys for {len(params)} rows")
        greedy = [row.greedy for row in params]
        columns: dict[str, list[float]] = {
            name: [
                off if is_greedy or (value := getattr(row, name)) is None else value
                for row, is_greedy in zip(params, greedy, strict=True)
            ]
            for name, off in _OFF.items()
        }
        columns["mirostat_mu"] = [2.0 * tau for tau in columns["mirostat_tau"]]
        columns["top_k"] = [min(k, _MAX_TOP_K) for k in columns["top_k"]]
        tensors = {
            name: torch.tensor(column, dtype=_DTYPES.get(name, torch.float64), device=device)
            for name, column in columns.items()
        }
        on = [[value != _OFF[name] for value in columns[name]] for name in CUTS]
        return cls(
            **tensors,
            seeds=torch.tensor([row.generation_seed for row in params], dtype=torch.int64, device=device),
            prompt_keys=torch.tensor(prompt_keys, dtype=torch.int64, device=device),
            greedy=torch.tensor(greedy, dtype=torch.bool),
            cuts=torch.tensor(on, dtype=torch.bool).T,
        )

    def select(self, index: Tensor | Sequence[int]) -> Self:
        """The rows with these numbers, in this order.

        Args:
            index: A sequence, or int64 [selected] on any device.
        """
        index = torch.as_tensor(index, dtype=torch.int64)
        columns = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return dataclasses.replace(self, **{name: column[index.to(column.device)] for name, column in columns.items()})

    def with_mirostat_mu(self, mirostat_mu: Sequence[float]) -> Self:
        """The same rows with these values of mirostat's mu."""
        device = self.mirostat_mu.device
        return dataclasses.replace(self, mirostat_mu=torch.tensor(mirostat_mu, dtype=torch.float64, device=device))

    def with_cuts(self, cuts: Tensor) -> Self:
        """The same rows with only these cuts, bool [rows, cuts]."""
        return dataclasses.replace(self, cuts=cuts)
