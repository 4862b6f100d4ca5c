"""Kill searches with SIGKILL at random moments, resume them, and compare them with uninterrupted ones.

Usage: python -m studies.benchmarks.kill [--kills N] [--seed N] [--model {tiny,demo}] [--json FILE]

Every life of a search is a process of its own, on an SQLite file: search with pruning, then verdict. A study is killed
six times, if it does not end before: five times either at a random time, or just before or just after a random SQL
statement that writes to a random table, from the one that makes the first on; and once while the verdict is made. The
five come within a quarter of the time, or of the writes, of a whole run: so lives get on, and kills hit all of it. Then
it is finished, and its database compared row by row with that of the same study, uninterrupted. The next study has
another sampler, concurrency or seed.

Printed are the rows that one of the two databases lacks (`rows_lost`), those with other values (`rows_differing`), and
the completions that were generated again after a kill, although they were not in the interrupted batch
(`lost_beyond_a_batch`).
"""

import itertools
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import optuna
import torch
from rich.console import Console

from llmsearch_optuna.demo.model import demo_model_directory
from llmsearch_optuna.engine.loading import LoadedModel, load_model
from studies.benchmarks.command_line import make_parser, write_figures
from studies.benchmarks.contents import compare, count_rows, read_contents
from studies.benchmarks.lives import SAMPLERS, Case, Death, Life, live, tiny

KILLS_PER_STUDY = 6
FEW_WRITES = 5
PHASES = ("start", "search", "verdict")
GENERATED = ("llmsearch_completions", "llmsearch_held_out")
CONCURRENCIES = (3, 1)


class Outcome(NamedTuple):
    """What came of a study that was killed, finished and compared.

    Attributes:
        kills: How often it was killed, by what was on: the start, the search or the verdict.
        pruned: How many of the uninterrupted study's trials were pruned.
        lost: Rows that only one of the databases has.
        differing: Rows with other values.
        rows: Rows of the uninterrupted study.
        generated: Completions that the engine was asked for.
        stored: Completions that are stored.
        beyond_a_batch: Completions that were generated again and had not been in the batch that a kill hit.
    """

    kills: Counter[str]
    pruned: int
    lost: list[tuple[object, ...]]
    differing: list[tuple[object, ...]]
    rows: int
    generated: int
    stored: int
    beyond_a_batch: int


def killed_study(loaded: LoadedModel, case: Case, directory: Path, most_kills: int, draw: random.Random) -> Outcome:
    """One study, at most so many times killed, and compared with the uninterrupted one.

    Raises:
        SystemExit: A search failed, where it should have gone on.
    """
    whole, cut = directory / "whole.db", directory / "cut.db"
    uninterrupted = live(loaded, case, whole, Death())
    kills: Counter[str] = Counter()
    generated = beyond = 0
    finished = False
    while not finished:
        death = _death(most_kills - kills.total(), uninterrupted, draw, is_first=not cut.exists())
        before = count_rows(cut, *GENERATED)
        life = live(loaded, case, cut, death)
        lost = sum(life.batches) - (count_rows(cut, *GENERATED) - before)
        last = life.batches[-1] if life.batches and not life.finished else 0
        beyond += max(0, lost - last)
        generated += sum(life.batches)
        finished = life.finished
        if not finished:
            kills[_phase(cut)] += 1
    expected = read_contents(whole)
    difference = compare(read_contents(cut), expected)
    return Outcome(
        kills=kills,
        pruned=sum(values == ("PRUNED",) for values in expected.values()),
        lost=difference.lost,
        differing=difference.differing,
        rows=len(expected),
        generated=generated,
        stored=count_rows(cut, *GENERATED),
        beyond_a_batch=beyond,
    )


def _death(kills_left: int, uninterrupted: Life, draw: random.Random, *, is_first: bool) -> Death:
    if kills_left == 0:
        return Death()
    executed = draw.random() < 0.5
    if kills_left == 1:
        table = GENERATED[1]
        return Death(table=table, write=draw.randint(1, uninterrupted.writes[table]), executed=executed)
    if draw.random() < 0.5:
        return Death(after_s=draw.uniform(0.0, uninterrupted.seconds / 4))
    # Most tables are written to only while the study is made.
    tables = sorted(table for table, writes in uninterrupted.writes.items() if is_first or writes > FEW_WRITES)
    table = draw.choice(tables)
    return Death(table=table, write=draw.randint(1, 1 + uninterrupted.writes[table] // 4), executed=executed)


def _phase(path: Path) -> str:
    searched, held_out = (count_rows(path, table) for table in GENERATED)
    start, search, verdict = PHASES
    return verdict if held_out else search if searched else start


def killed_studies(loaded: LoadedModel, kills: int, seed: int) -> Iterator[tuple[Case, Outcome]]:
    """Studies, one after the other, until so many processes are killed."""
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    left = kills
    cases = itertools.cycle(itertools.product(SAMPLERS, CONCURRENCIES))
    for number, (sampler, concurrency) in enumerate(cases):
        if left <= 0:
            return
        case = Case(sampler=sampler, concurrency=concurrency, seed=seed + number)
        with tempfile.TemporaryDirectory() as directory:
            outcome = killed_study(loaded, case, Path(directory), min(left, KILLS_PER_STUDY), draw)
        left -= outcome.kills.total()
        yield case, outcome


def figures_of(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Sums over all studies."""
    return {
        "kills": sum(outcome.kills.total() for outcome in outcomes),
        **{f"kills_during_{phase}": sum(outcome.kills[phase] for outcome in outcomes) for phase in PHASES},
        "studies": len(outcomes),
        "pruned": sum(outcome.pruned for outcome in outcomes),
        "rows": sum(outcome.rows for outcome in outcomes),
        "rows_lost": sum(len(outcome.lost) for outcome in outcomes),
        "rows_differing": sum(len(outcome.differing) for outcome in outcomes),
        "completions": sum(outcome.stored for outcome in outcomes),
        "generated_again": sum(outcome.generated - outcome.stored for outcome in outcomes),
        "lost_beyond_a_batch": sum(outcome.beyond_a_batch for outcome in outcomes),
    }


def main(arguments: Sequence[str] | None = None) -> Mapping[str, int]:
    """Run everything, print the figures, and return them."""
    parser = make_parser(__doc__)
    parser.add_argument("--kills", type=int, default=100, help="how many processes to kill")
    parser.add_argument("--seed", type=int, default=0, help="decides when they are killed, and the studies' seeds")
    parser.add_argument("--model", choices=("tiny", "demo"), default="tiny", help="what generates")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    loaded = tiny() if options.model == "tiny" else load_model(str(demo_model_directory()))
    console = Console(width=110, highlight=False)
    outcomes = []
    for case, outcome in killed_studies(loaded, options.kills, options.seed):
        outcomes.append(outcome)
        console.print(
            f"{case.sampler}, {case.concurrency} in flight, seed {case.seed}: {outcome.kills.total()} kills, "
            f"{len(outcome.lost)} of {outcome.rows} rows lost, {len(outcome.differing)} differing"
        )
        for kind, keys in (("lost", outcome.lost), ("differing", outcome.differing)):
            for key in keys[:5]:
                console.print(f"  {kind}: {' '.join(map(str, key))}")
    figures = figures_of(outcomes)
    for name, value in figures.items():
        console.print(f"{name}: {value}")
    write_figures(options.json, figures)
    return figures


if __name__ == "__main__":
    main()
