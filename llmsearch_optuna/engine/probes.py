"""The start-up probes: do slots, or batches of ``model.generate``, give the logits of plain forward passes?

How it works: a few sequences of random tokens go through the model twice, in plain forward passes without a cache and
with the method under test. The tokens of the last steps are forced, so that both see the same input. The method passes
if its logits differ from the plain ones by no more than rounding. A model's class does not tell which methods work:
some models silently ignore positions or masks, others give wrong logits with padding or with their own KV cache.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel

from llmsearch_optuna.engine.generate.batching import Batching, padded_inputs, shared_length
from llmsearch_optuna.engine.generate.engine import disabled_arguments, neutral_config
from llmsearch_optuna.engine.model import embedding_weight
from llmsearch_optuna.engine.model_limits import input_limits
from llmsearch_optuna.engine.routing import batch_dependent_length
from llmsearch_optuna.engine.slots.attention import attention_windows
from llmsearch_optuna.engine.slots.decoder import SlotDecoder
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.slots.prefill import prefill
from llmsearch_optuna.engine.slots.shapes import REFERENCE_LENGTH
from llmsearch_optuna.errors import ModelError, describe_error

__all__ = ["probe_batching", "probe_slots"]

_LENGTHS = (3, 5, 9, 14, 17, 6, 11)
_STEPS = 3  # of model.generate
_SLOT_STEPS = 7
_LONGEST_WINDOW = 1024
_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
_HALF_TOLERANCE = 0.1
_HALF_ROUNDING = 0.01
_HALF_MARGIN = 4
# Of the positions: a mixture of experts may select another expert at some of them.
_SHARE, _SLOT_SHARE = 0.5, 0.75

# The fastest first.
_BATCHINGS = [
    Batching(together, use_cache) for use_cache in (True, False) for together in ("all", "one length", "none")
]
_ALONE = Batching("none")
_BATCH_LENGTHS = (3, 9, 9, 14, 14)
_LONGEST_SEQUENCE = 140


@torch.inference_mode()
def probe_slots(runner: ModelRunner) -> tuple[bool, str]:
    """Compare decode steps in slots with plain forward passes, on a few sequences of random tokens.

    One sequence is longer than the model's sliding windows and chunks. Those of more than 1,024 tokens are only tested
    on CUDA. Those that no sequence in slots exceeds are not tested. Each step reads as many positions as the steps of
    short requests may, because some models (GPT-Neo) count their windows from the last position that is read.

    At three quarters of the positions of each sequence, the difference must not exceed 1e-3 of the logits' norm in
    float32, 1e-6 in float64, and 0.1 in 16 bits. At the others, a mixture of experts may select another expert.

    Returns:
        Whether the slot engine supports the model, and the reason.
    """
    try:
        pairs = zip(*_plain_and_slot_logits(runner), strict=True)
        differences = [_difference(plain, slot, _SLOT_SHARE) for plain, slot in pairs]
    except ModelError as error:
        return False, str(error)
    except Exception as error:  # noqa: BLE001 - the code of any model runs here, and may raise anything
        return False, f"a decode step in slots raised {describe_error(error)}"
    worst = max(differences)
    return worst <= _tolerance(runner.model), _describe(worst)


def _plain_and_slot_logits(runner: ModelRunner) -> tuple[list[Tensor], list[Tensor]]:
    """Return the logits of plain forward passes and those of decode steps in slots, as one tensor per sequence.

    They are the logits after the prompt and after each further token. Shape of each: (1 + steps, vocabulary).
    """
    model: Any = runner.model
    limit = input_limits(runner.model).together
    bounds = [bound for bound in (limit, batch_dependent_length(runner.model)) if bound is not None]
    windows = [
        window
        for window in attention_windows(runner.model).values()
        if window is not None
        and window < min(bounds, default=math.inf)
        and (window <= _LONGEST_WINDOW or runner.device.type == "cuda")
    ]
    past_window = min([max([window + 8 for window in windows], default=20), *bounds])
    sequences = _random_sequences(runner.model, [*(length + _SLOT_STEPS for length in _LENGTHS), past_window])
    plain = [
        model(input_ids=torch.tensor([sequence], device=runner.device), use_cache=False).logits[0, -_SLOT_STEPS - 1 :]
        for sequence in sequences
    ]
    prompts = [prefill(runner, tuple(sequence[:-_SLOT_STEPS])) for sequence in sequences]
    read = max(*map(len, sequences), min(REFERENCE_LENGTH, limit or REFERENCE_LENGTH))
    decoder = SlotDecoder(runner, prompts[0].layers, len(sequences), read)
    for slot, prompt in enumerate(prompts):
        decoder.cache.load(slot, prompt.layers)
    logits = [torch.stack([prompt.logits for prompt in prompts])]
    for step in range(-_SLOT_STEPS, 0):
        tokens = [sequence[step] for sequence in sequences]
        logits.append(decoder.step(tokens, [len(sequence) + step for sequence in sequences], read).clone())
    return plain, list(torch.stack(logits, dim=1))


def _difference(plain: Tensor, other: Tensor, share: float) -> float:
    """Return the difference relative to the norm of the plain logits; inf if it is NaN.

    It is the maximum over a share of the positions, those with the smallest differences. Tokens that both exclude with
    a logit of -inf, as an output bias for padded ids does, are left out.
    """
    plain, other = plain.double(), other.double()
    is_excluded = (plain == -torch.inf) & (other == -torch.inf)
    plain, other = (logits.masked_fill(is_excluded, 0.0) for logits in (plain, other))
    by_position = ((other - plain).norm(dim=-1) / plain.norm(dim=-1)).nan_to_num(math.inf).sort().values
    return float(by_position[math.ceil(share * len(by_position)) - 1])


@torch.inference_mode()
def probe_batching(model: PreTrainedModel, pad_token: int) -> tuple[Batching, str]:
    """Compare ways of calling ``model.generate`` with plain forward passes, on a few sequences of random tokens.

    Models without an attention mask (RWKV) give wrong logits in padded batches, others with their own KV cache. If the
    logits differ even one sequence at a time, ``generate`` is assumed to be right, and the reason says how much.

    Returns:
        The fastest correct way to call ``model.generate``, and why the fastest of all is not used; an empty string if
        it is.

    Raises:
        ModelError: ``model.generate`` raises an exception even for one sequence at a time, with and without a cache.
    """
    limits = input_limits(model)
    bounds = (_LONGEST_SEQUENCE, limits.together, limits.prompt, batch_dependent_length(model))
    longest = min(length for length in bounds if length)
    sequences = _random_sequences(model, [*(length + _STEPS for length in _BATCH_LENGTHS), longest])
    allowed = _tolerance(model)
    if embedding_weight(model).dtype not in _TOLERANCE:
        # Some errors are smaller than the largest rounding differences in 16 bits, so measure how this model rounds.
        rounding = _measure(model, sequences, _ALONE, pad_token).difference
        allowed = min(allowed, _HALF_MARGIN * max(rounding, _HALF_ROUNDING))
    measured = {}
    for batching in _BATCHINGS:
        measured[batching] = _measure(model, sequences, batching, pad_token)
        if measured[batching].difference <= allowed:
            return batching, "" if batching == _BATCHINGS[0] else measured[_BATCHINGS[0]].description
    running = [batching for batching, result in measured.items() if result.runs and batching.together == "none"]
    if not running:
        raise ModelError(f"{type(model).__name__} cannot generate: {measured[_ALONE].description}")
    return running[0], f"even so, {measured[running[0]].description}"


class _Measured(NamedTuple):
    """The maximum difference over the sequences, its description, and whether ``generate`` ran without an exception.

    The difference is infinite if ``generate`` or the plain forward pass raised an exception.
    """

    difference: float
    description: str
    runs: bool = True


def _measure(model: PreTrainedModel, sequences: Sequence[list[int]], batching: Batching, pad_token: int) -> _Measured:
    try:
        inputs, logits = _generate(model, sequences, batching, pad_token)
    except Exception as error:  # noqa: BLE001 - the code of any model runs here, and may raise anything
        return _Measured(math.inf, f"model.generate raised {describe_error(error)}", runs=False)
    try:
        plain = [_plain_logits(model, *pair) for pair in zip(sequences, inputs, strict=True)]
    except Exception as error:  # noqa: BLE001 - as above
        return _Measured(math.inf, f"a plain forward pass, to compare with, raised {describe_error(error)}")
    worst = max(_difference(*pair, _SHARE) for pair in zip(plain, logits, strict=True))
    return _Measured(worst, _describe(worst))


def _generate(
    model: PreTrainedModel, sequences: Sequence[list[int]], batching: Batching, pad_token: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Run ``generate`` with forced last tokens, and return one tensor of ids and one of logits per sequence.

    Returns:
        The token ids of the decoder, including the forced ones and padding, int64, shape (tokens,), and the logits from
        which ``generate`` chose the forced tokens, shape (steps, vocabulary).
    """
    config = neutral_config(model, pad_token, use_cache=batching.use_cache)
    for name, value in {"max_new_tokens": _STEPS, "return_dict_in_generate": True, "output_logits": True}.items():
        setattr(config, name, value)
    generator: Any = model
    inputs: list[Tensor] = []
    logits: list[Tensor] = []
    while len(logits) < len(sequences):
        remaining = sequences[len(logits) :]
        batch = remaining[: shared_length(remaining, batching, len(remaining))]
        output = generator.generate(
            **padded_inputs(model, [sequence[:-_STEPS] for sequence in batch], pad_token),
            **disabled_arguments(model),
            generation_config=config,
            logits_processor=LogitsProcessorList([_ForcedTokens([sequence[-_STEPS:] for sequence in batch])]),
        )
        inputs += output.sequences
        logits += torch.stack(output.logits, dim=1)
    return inputs, logits


def _plain_logits(model: PreTrainedModel, sequence: list[int], decoder_ids: Tensor) -> Tensor:
    """Return the logits of the last steps, from one forward pass without a cache. Shape: (steps, vocabulary).

    Only encoder-decoders read the values of `decoder_ids`, which are unpadded there.
    """
    forward: Any = model
    device = embedding_weight(model).device
    if model.config.is_encoder_decoder:
        ids = torch.tensor([sequence[:-_STEPS]], device=device)
        inputs = {"input_ids": ids, "decoder_input_ids": decoder_ids[None, :-1]}
    else:
        inputs = {"input_ids": torch.tensor([sequence[:-1]], device=device)}
    return forward(**inputs, use_cache=False).logits[0, -_STEPS:].to(decoder_ids.device)  # type: ignore[no-any-return]


class _ForcedTokens(LogitsProcessor):
    """Forces the next token of each sequence of a batch."""

    def __init__(self, sequences: Sequence[Sequence[int]]) -> None:
        self._steps = iter(zip(*sequences, strict=True))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002 - as transformers calls it
        tokens = torch.tensor(next(self._steps), device=scores.device)
        return torch.full_like(scores, -torch.inf).scatter_(1, tokens[:, None], 0.0)


def _random_sequences(model: PreTrainedModel, lengths: Sequence[int]) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    vocabulary = embedding_weight(model).shape[0]
    return [torch.randint(vocabulary, (length,), generator=generator).tolist() for length in lengths]


def _tolerance(model: PreTrainedModel) -> float:
    return _TOLERANCE.get(embedding_weight(model).dtype, _HALF_TOLERANCE)


def _describe(difference: float) -> str:
    return f"logits differ from those of a plain forward pass by {difference:.0e} of their norm"
