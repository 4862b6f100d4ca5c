"""The start-up probes: does this model give in slots, or in batches, what it gives in a plain forward pass?"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel

from llmsearch_optuna.engine.generate.batching import Batching, padded_inputs, shared_length
from llmsearch_optuna.engine.generate.engine import neutral_config
from llmsearch_optuna.engine.model import context_window, embedding_weight
from llmsearch_optuna.engine.routing import common_length
from llmsearch_optuna.engine.slots.attention import attention_windows
from llmsearch_optuna.engine.slots.decoder import SlotDecoder
from llmsearch_optuna.engine.slots.model_runner import Forward
from llmsearch_optuna.engine.slots.prefill import prefill
from llmsearch_optuna.errors import ModelError

__all__ = ["BatchingProbe", "Probe", "probe", "probe_batching"]

_LENGTHS = (3, 5, 9, 14, 17, 6, 11)
_STEPS = 3
_LONGEST_WINDOW = 1024
_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
_HALF_TOLERANCE = 0.1
_HALF_ROUNDING = 0.01
_HALF_MARGIN = 4

# The quickest ways first.
_WAYS = [Batching(together, use_cache) for use_cache in (True, False) for together in ("all", "one length", "none")]
_ALONE = Batching("none")
_BATCH_LENGTHS = (3, 9, 9, 14, 14)
_LONGEST_ROW = 140


class Probe(NamedTuple):
    """What the probe found.

    Attributes:
        passed: Whether the slot engine can serve the model.
        reason: Why, or why not.
    """

    passed: bool
    reason: str


class BatchingProbe(NamedTuple):
    """What was found of ``model.generate``.

    Attributes:
        batching: The quickest way of calling it that is right.
        reason: Why no quicker one; empty for the quickest.
    """

    batching: Batching
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
    return Probe(passed=worst <= _tolerance(forward.model), reason=_told(worst))


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
    return _random_rows(model, lengths)


def _difference(rows: tuple[torch.Tensor, torch.Tensor]) -> float:
    """The median over positions of the difference, relative to the norm of the logits."""
    plain, other = (logits.double() for logits in rows)
    difference = float(((other - plain).norm(dim=-1) / plain.norm(dim=-1)).median())
    return math.inf if math.isnan(difference) else difference


@torch.inference_mode()
def probe_batching(model: PreTrainedModel, pad_token: int) -> BatchingProbe:
    """Compares ``model.generate`` in several ways with plain forward passes, on a few rows of random tokens.

    Models without an attention mask are wrong in padded batches (RWKV), others with their own cache. Where ``generate``
    differs even row by row, it is taken to know better than a forward pass, and the reason says so.

    Raises:
        ModelError: ``model.generate`` fails in every way.
    """
    window = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    longest = min(length for length in (_LONGEST_ROW, window, common_length(model)) if length)
    rows = _random_rows(model, [*(length + _STEPS for length in _BATCH_LENGTHS), longest])
    allowed = _tolerance(model)
    if embedding_weight(model).dtype not in _TOLERANCE:
        # Some ways are wrong by less than 16 bits may round; so see how this model rounds.
        rounding = _measured(model, rows, _ALONE, pad_token).difference
        allowed = min(allowed, _HALF_MARGIN * max(rounding, _HALF_ROUNDING))
    found = {}
    for way in _WAYS:
        found[way] = _measured(model, rows, way, pad_token)
        if found[way].difference <= allowed:
            return BatchingProbe(way, "" if way == _WAYS[0] else found[_WAYS[0]].told)
    runs = [way for way, measured in found.items() if measured.runs and way.together == "none"]
    if not runs:
        raise ModelError(f"{type(model).__name__} cannot generate: {found[_ALONE].told}")
    return BatchingProbe(runs[0], f"even so, {found[runs[0]].told}")


class _Measured(NamedTuple):
    """How right a way is: the largest difference of a row, what that is, and whether ``generate`` runs at all."""

    difference: float
    told: str
    runs: bool = True


def _measured(model: PreTrainedModel, rows: Sequence[list[int]], way: Batching, pad_token: int) -> _Measured:
    try:
        sequences, logits = _generated(model, rows, way, pad_token)
    except Exception as error:  # noqa: BLE001 - the code of any model runs here, and may raise anything
        return _Measured(math.inf, f"model.generate raised {type(error).__name__}: {error}", runs=False)
    try:
        plain = [_plain(model, row, sequence) for row, sequence in zip(rows, sequences, strict=True)]
    except Exception as error:  # noqa: BLE001 - as above
        return _Measured(math.inf, f"a plain forward pass, to compare with, raised {type(error).__name__}: {error}")
    worst = max(map(_difference, zip(plain, logits, strict=True)))
    return _Measured(worst, _told(worst))


def _generated(
    model: PreTrainedModel, rows: Sequence[list[int]], way: Batching, pad_token: int
) -> tuple[list[Tensor], list[Tensor]]:
    """What decoders saw and the logits of the last steps, when ``generate`` has to go the rows' way.

    Shapes: (tokens,), (steps, vocabulary).
    """
    config = neutral_config(model, pad_token, use_cache=way.use_cache)
    for name, value in {"max_new_tokens": _STEPS, "return_dict_in_generate": True, "output_logits": True}.items():
        setattr(config, name, value)
    generator: Any = model
    sequences: list[Tensor] = []
    logits: list[Tensor] = []
    while len(logits) < len(rows):
        left = rows[len(logits) :]
        batch = left[: shared_length(left, way, len(left))]
        given = generator.generate(
            **padded_inputs(model, [row[:-_STEPS] for row in batch], pad_token),
            generation_config=config,
            logits_processor=LogitsProcessorList([_Forced([row[-_STEPS:] for row in batch])]),
        )
        sequences += given.sequences
        logits += torch.stack(given.logits, dim=1)
    return sequences, logits


def _plain(model: PreTrainedModel, row: list[int], sequence: Tensor) -> Tensor:
    """The logits of the last steps in one forward pass. Shape: (steps, vocabulary)."""
    whole: Any = model
    device = embedding_weight(model).device
    if model.config.is_encoder_decoder:
        inputs = {"input_ids": torch.tensor([row[:-_STEPS]], device=device), "decoder_input_ids": sequence[None, :-1]}
    else:
        inputs = {"input_ids": torch.tensor([row[:-1]], device=device)}
    return whole(**inputs, use_cache=False).logits[0, -_STEPS:].to(sequence.device)  # type: ignore[no-any-return]


class _Forced(LogitsProcessor):
    """Leaves each row the next of its own tokens."""

    def __init__(self, rows: Sequence[Sequence[int]]) -> None:
        self._steps = iter(zip(*rows, strict=True))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002 - as transformers calls it
        tokens = torch.tensor(next(self._steps), device=scores.device)
        return torch.full_like(scores, -torch.inf).scatter_(1, tokens[:, None], 0.0)


def _random_rows(model: PreTrainedModel, lengths: Sequence[int]) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    vocabulary = embedding_weight(model).shape[0]
    return [torch.randint(vocabulary, (length,), generator=generator).tolist() for length in lengths]


def _tolerance(model: PreTrainedModel) -> float:
    return _TOLERANCE.get(embedding_weight(model).dtype, _HALF_TOLERANCE)


def _told(difference: float) -> str:
    return f"logits differ from those of a plain forward pass by {difference:.0e} of their norm"
