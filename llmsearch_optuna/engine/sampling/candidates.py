"""The most probable tokens of each row, which cuts make fewer, and the sums over the tokens outside them.

How it works: masses are added up as integers, so that the sums do not depend on the order of their terms, and so not on
kernel, device, batch or number of candidates.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

__all__ = [
    "CURVATURE_UNIT",
    "MASS_UNIT",
    "Candidates",
    "RowSum",
    "entropy",
    "keep_above",
    "keep_first",
    "log_mass",
    "masses",
    "most_probable",
    "relative_mass",
    "row_slices",
    "square",
    "sum_of_squares",
    "surprise",
]

# Probability masses are relative to the most probable token of the row, and added up as integer multiples of 1 /
# MASS_UNIT. Sums over a million tokens fit an int64; their truncation error is less than a float32's rounding error.
MASS_UNIT = 2.0**43
# The same for the second differences of tfs: their absolute values add up to 2 at most.
CURVATURE_UNIT = 2.0**60
# The same for the distances of the scores from the maximum, relative to the largest distance.
_SPREAD_UNIT = 2.0**43

# The number of elements of a temporary. On the CPU it stays in the cache of a core; a GPU is faster with large kernels.
_CORE_ELEMENTS = 2**17
_GPU_ELEMENTS = 2**24

RowSum = Literal["outside_mass", "outside_square", "outside_surprise", "deviation"]
"""What a first cut may need to know of the tokens outside the candidates: a field of `Candidates`."""


class Candidates(NamedTuple):
    """The most probable tokens of each row in descending order, of which the leading `size` are kept.

    A row is *open* until its first cut: the tokens outside these candidates are still kept. A first cut that ends
    strictly inside them also removes everything outside, and the row is closed. Otherwise the row is *undecided*: it
    needs more candidates.

    Attributes:
        scores: Logits divided by the temperature, in descending order; float32 [rows, k].
        token_ids: In ascending order if scores are tied; int64 [rows, k].
        size: The number of candidates kept, at least 1; int64 [rows].
        outside_mass: The sum of `relative_mass` over the tokens outside; int64 [rows]. It is 0 if the row is closed, or
            if no first cut in the batch needs it.
        outside_square: The same for `square`.
        outside_surprise: The same for `surprise`.
        deviation: The standard deviation of all finite scores; float64 [rows]. It is 0 in the same cases.
        open: Whether the row is open; bool [rows].
        undecided: Whether the row is undecided: all its other values are invalid; bool [rows].
    """

    scores: Tensor
    token_ids: Tensor
    size: Tensor
    outside_mass: Tensor
    outside_square: Tensor
    outside_surprise: Tensor
    deviation: Tensor
    open: Tensor
    undecided: Tensor

    @property
    def kept(self) -> Tensor:
        """Whether each candidate is kept; bool [rows, k]."""
        return torch.arange(self.scores.shape[1], device=self.scores.device) < self.size[:, None]

    @property
    def log_ratios(self) -> Tensor:
        """The log-probability of each candidate minus that of the first; float64 [rows, k], -inf if not kept."""
        ratios = self.scores.double() - self.scores[:, :1].double()
        return ratios.masked_fill(~self.kept, -torch.inf)


def most_probable(scores: Tensor, width: int, sums: Collection[RowSum]) -> Candidates:
    """Return the `width` most probable tokens of each row, before any cut.

    Args:
        scores: Logits divided by the temperature; float32 [rows, vocab]. The result of a row without finite scores is
            invalid.
        width: The number of candidates; all tokens if the vocabulary is not larger.
        sums: The sums over the whole row that are needed. The others are 0.
    """
    vocab = scores.shape[1]
    token_ids = torch.cat([_order_keys(scores[part]).topk(min(width, vocab)).indices for part in row_slices(scores)])
    best = scores.gather(1, token_ids)
    size = (best > -torch.inf).sum(-1).clamp(min=1)
    nothing = torch.zeros_like(size)
    candidates = Candidates(
        scores=best,
        token_ids=token_ids,
        size=size,
        outside_mass=nothing,
        outside_square=nothing,
        outside_surprise=nothing,
        deviation=nothing.double(),
        open=torch.full_like(size, width < vocab, dtype=torch.bool),
        undecided=torch.zeros_like(size, dtype=torch.bool),
    )
    if "deviation" in sums:
        candidates = candidates._replace(deviation=torch.cat([_deviation(scores[part]) for part in row_slices(scores)]))
    if width >= vocab:
        return candidates
    return candidates._replace(**{name: _outside(term, scores, best) for name, term in _TERMS.items() if name in sums})


def row_slices(scores: Tensor) -> Iterator[slice]:
    """Return at least one slice of rows, such that temporaries of a slice are small. Slicing never changes a result."""
    rows, vocab = scores.shape
    elements = _CORE_ELEMENTS * torch.get_num_threads() if scores.device.type == "cpu" else _GPU_ELEMENTS
    step = max(1, elements // vocab)
    return (slice(start, start + step) for start in range(0, max(1, rows), step))


def _order_keys(scores: Tensor) -> Tensor:
    """Return integers in the order of the scores, lower token ids before higher ones if tied; int64 [rows, vocab].

    The bits of a float32 sort like an integer once those below the sign are flipped in negative numbers. No two keys
    are equal, so that every algorithm finds the same largest ones in the same order.
    """
    keys = (scores + 0.0).view(torch.int32)  # -0.0 is 0.0
    keys ^= (keys >> 31) & 0x7FFFFFFF
    keys = keys.to(torch.int64) << 32
    keys |= torch.arange(scores.shape[1] - 1, -1, -1, device=scores.device)
    return keys


def relative_mass(gaps: Tensor) -> Tensor:
    """Return the probabilities relative to the first candidate's, as integer multiples of 1 / `MASS_UNIT`; int64.

    `gaps` are the scores minus the first candidate's.
    """
    return gaps.exp().mul_(MASS_UNIT).to(torch.int64)


def square(gaps: Tensor) -> Tensor:
    """Return the squares of the probabilities relative to the first candidate's, in the same units."""
    return relative_mass(2.0 * gaps)


def surprise(gaps: Tensor) -> Tensor:
    """Return the entropy terms -w log(w), with w = exp(gaps), as integer multiples of 1 / `MASS_UNIT`."""
    gaps = gaps.clamp(min=-200.0)  # exp is 0 there already, and 0 * inf would be NaN
    return gaps.exp().mul_(gaps).mul_(-MASS_UNIT).to(torch.int64)


_TERMS: Mapping[RowSum, Callable[[Tensor], Tensor]] = MappingProxyType(
    {"outside_mass": relative_mass, "outside_square": square, "outside_surprise": surprise}
)
"""The terms of the sums over the tokens outside the candidates, as functions of their gaps; see `relative_mass`."""


def _deviation(scores: Tensor) -> Tensor:
    """Return the standard deviation of the finite scores of each row; float64 [rows].

    The sums are integer sums of the distances to the maximum score, relative to the range.
    """
    finite = scores > -torch.inf
    count = finite.sum(-1).double()
    top = scores.amax(-1).double()
    span = (top - scores.masked_fill(~finite, torch.inf).amin(-1).double()).clamp(min=1e-300)
    distances = ((top[:, None] - scores.double()) / span[:, None]).masked_fill_(~finite, 0.0)
    mean = (distances * _SPREAD_UNIT).to(torch.int64).sum(-1).double() / _SPREAD_UNIT / count
    mean_square = (distances.square_() * _SPREAD_UNIT).to(torch.int64).sum(-1).double() / _SPREAD_UNIT / count
    return (mean_square - mean.square()).clamp(min=0.0).sqrt() * span


def _outside(term: Callable[[Tensor], Tensor], scores: Tensor, best: Tensor) -> Tensor:
    """Return the sum of a term over all tokens that are not among the best; int64 [rows]."""
    top = best[:, :1]
    whole_rows = torch.cat([term(scores[part] - top[part]).sum(-1) for part in row_slices(scores)])
    return whole_rows - term(best - top).sum(-1)


def masses(candidates: Candidates) -> tuple[Tensor, Tensor]:
    """Return the mass of each candidate, 0 if not kept, and of all kept tokens; int64 [rows, k] and [rows]."""
    mass = relative_mass(candidates.scores - candidates.scores[:, :1]).where(candidates.kept, 0)
    return mass, mass.sum(-1) + candidates.outside_mass


def log_mass(total: Tensor) -> Tensor:
    """Return the surprisal of the first candidate in nats, given the mass of all kept tokens; float64 [rows]."""
    return torch.log(total.double() / MASS_UNIT)


def sum_of_squares(candidates: Candidates) -> Tensor:
    """Return the sum of `square` over all kept tokens; int64 [rows]."""
    squares = square(candidates.scores - candidates.scores[:, :1]).where(candidates.kept, 0)
    return squares.sum(-1) + candidates.outside_square


def entropy(candidates: Candidates, total: Tensor) -> Tensor:
    """Return the entropy of all kept tokens in nats, given their mass; float64 [rows]."""
    terms = surprise(candidates.scores - candidates.scores[:, :1]).where(candidates.kept, 0)
    whole = terms.sum(-1) + candidates.outside_surprise
    return log_mass(total) + whole.double() / total.double()


def keep_first(candidates: Candidates, size: Tensor) -> Candidates:
    """Keep the first `size` candidates, at least 1; int64 [rows].

    An open row becomes undecided unless at least two candidates are removed.
    """
    size = size.clamp(min=1)  # also in a row without a finite score, which is refused after all rows are drawn
    # Two removed candidates must remain in the tensors. They stand for the zeros past the end in tfs.
    inside = size <= candidates.size - 2
    return candidates._replace(
        size=size,
        open=torch.zeros_like(candidates.open),
        undecided=candidates.undecided | (candidates.open & ~inside),
        **{name: torch.zeros_like(getattr(candidates, name)) for name in get_args(RowSum)},
    )


def keep_above(candidates: Candidates, floor: Tensor) -> Candidates:
    """Keep the first token, and those whose log-probability minus its own is at least `floor`; float64 [rows]."""
    return keep_first(candidates, (candidates.log_ratios >= floor.clamp(max=0.0)[:, None]).sum(-1))
