"""Show what the recorded landscapes have to find: the better baseline beside the other configurations.

Usage: python -m studies.benchmarks.show_landscapes [--json FILE]

The best of many configurations scores too high on the samples that it was chosen by. For the *gain*, the best
configuration and the better baseline are chosen on one half of the samples and compared on the other half; the mean
over many random halves.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from studies.benchmarks.command_line import make_parser, write_figures
from studies.benchmarks.landscape import Landscape
from studies.benchmarks.places import NAMES, recorded

__all__ = ["Summary", "main", "summary"]

_SPLITS = 2000


class Summary(NamedTuple):
    """What there is to find in a landscape.

    Attributes:
        configurations: The number of those that are no baselines.
        samples: The number of samples.
        baseline: The mean score of the better baseline.
        median: The median of the configurations' mean scores.
        best: The largest of them.
        better: The number of configurations that score more than the better baseline.
        gain: The mean gain of what is best on one half of the samples, on the other half.
    """

    configurations: int
    samples: int
    baseline: float
    median: float
    best: float
    better: int
    gain: float


def summary(landscape: Landscape) -> Summary:
    """Summarise a landscape in which a higher score is better."""
    is_baseline = np.array([configuration.baseline is not None for configuration in landscape.configurations])
    scores = landscape.scores
    means, samples = scores.mean(axis=1), scores.shape[1]
    baseline = float(means[is_baseline].max())
    others = means[~is_baseline]
    rng, gains = np.random.default_rng(0), []
    for _ in range(_SPLITS):
        order = rng.permutation(samples)
        chosen, judged = scores[:, order[: samples // 2]].mean(axis=1), scores[:, order[samples // 2 :]].mean(axis=1)
        reference = np.where(is_baseline, chosen, -np.inf).argmax()
        gains.append(float(judged[chosen.argmax()] - judged[reference]))
    return Summary(
        configurations=len(others),
        samples=samples,
        baseline=baseline,
        median=float(np.median(others)),
        best=float(others.max()),
        better=int((others > baseline).sum()),
        gain=float(np.mean(gains)),
    )


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Print the table and return the figures."""
    options = make_parser(__doc__).parse_args(arguments)
    table = Table("landscape", "configurations x samples", "better baseline", "median", "best", "better ones", "gain")
    figures: dict[str, float] = {}
    for name in NAMES:
        row = summary(recorded(name))
        table.add_row(
            name,
            f"{row.configurations} x {row.samples}",
            f"{row.baseline:.3f}",
            f"{row.median:.3f}",
            f"{row.best:.3f}",
            str(row.better),
            f"{row.gain:+.3f}",
        )
        figures |= {f"{name}_{key}": float(value) for key, value in row._asdict().items()}
    Console(width=110).print(table)
    write_figures(options.json, figures)
    return figures


if __name__ == "__main__":
    main()
