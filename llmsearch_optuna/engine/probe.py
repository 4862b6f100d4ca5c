"""The start-up probe: does this model give in slots what it gives in a plain forward pass?"""

from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel

from llmsearch_optuna.engine.attention import attention_windows
from llmsearch_optuna.engine.decoder import SlotDecoder
from llmsearch_optuna.engine.forward import Forward
from llmsearch_optuna.engine.model import context_window, embedding_weight
from llmsearch_optuna.engine.prefill import prefill
from llmsearch_optuna.errors import ModelError

__all__ = ["Probe", "probe"]

_LENGTHS = (3, 5, 9, 14, 17, 6, 11)
_STEPS = 3
_LONGEST_WINDOW = 1024
_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
_HALF_TOLERANCE = 0.1


class Probe(NamedTuple):
    """What the probe found.

    Attributes:
        passed: Whether the slot engine can serve the model.
        reason: Why, or why not.
    """

    passed: bool
    reason: str


@torch.inference_mode()
def probe(forward: Forward) -> Probe:
    """Compares decode steps in slots with plain forward passes, on a few rows of random tokens.

    One row is longer than the model's sliding window, where that is no longer than 1,024 tokens or the model runs on
    CUDA. Logits may differ as rounding makes them (1e-3 of their norm in 32 bits, 0.1 in 16) in the median position of
    each row: in 16 bits a mixture of experts may choose another expert here and there.
    """
    try:
        differences = [_difference(rows) for rows in zip(*_both_ways(forward), strict=True)]
    except ModelError as error:
        return Probe(passed=False, reason=str(error))
    except Exception as error:  # noqa: BLE001 - the code of any model runs here, and may raise anything
        return Probe(passed=False, reason=f"a decode step in slots raised {type(error).__name__}: {error}")
    worst = max(differences)
    told = f"logits differ from those of a plain forward pass by {worst:.0e} of their norm"
    return Probe(passed=worst <= _TOLERANCE.get(embedding_weight(forward.model).dtype, _HALF_TOLERANCE), reason=told)


def _both_ways(forward: Forward) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The logits after each prompt and each further token, plainly and in slots. Shape: (1 + steps, vocabulary)."""
    model: Any = forward.model
    rows = _rows(forward.model, on_cuda=forward.device.type == "cuda")
    plain = [
        model(input_ids=torch.tensor([row], device=forward.device), use_cache=False).logits[0, -_STEPS - 1 :]
        for row in rows
    ]
    prompts = [prefill(forward, tuple(row[:-_STEPS])) for row in rows]
    longest = max(map(len, rows))
    decoder = SlotDecoder(forward, prompts[0].layers, len(rows), longest)
    for slot, prompt in enumerate(prompts):
        decoder.cache.load(slot, prompt.layers)
    logits = [torch.stack([prompt.logits for prompt in prompts])]
    for step in range(-_STEPS, 0):
        tokens = [row[step] for row in rows]
        logits.append(decoder.step(tokens, [len(row) + step for row in rows], longest).clone())
    return plain, list(torch.stack(logits, dim=1))


def _rows(model: PreTrainedModel, *, on_cuda: bool) -> list[list[int]]:
    lengths = [length + _STEPS for length in _LENGTHS]
    windows = [window for window in attention_windows(model).values() if window is not None]
    longest = max([window + 8 for window in windows if window <= _LONGEST_WINDOW or on_cuda], default=20)
    lengths.append(min(longest, context_window(model) or longest))
    generator = torch.Generator().manual_seed(0)
    vocabulary = embedding_weight(model).shape[0]
    return [torch.randint(vocabulary, (length,), generator=generator).tolist() for length in lengths]


def _difference(rows: tuple[torch.Tensor, torch.Tensor]) -> float:
    """The median over positions of the difference, relative to the norm of the logits."""
    plain, slots = (logits.double() for logits in rows)
    return float(((slots - plain).norm(dim=-1) / plain.norm(dim=-1)).median())
