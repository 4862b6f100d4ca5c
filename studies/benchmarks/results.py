"""Whole searches with their verdicts, beside llmsearch 0.1.0 evaluating the same trials in full: the demo model.

Usage: python -m studies.benchmarks.results [--json FILE] [--llmsearch PYTHON] [--every N] [--only STUDY ...]

Each study file is searched from its first trial to its verdict, as `llmsearch-optuna run` does it, in a database of
its own. llmsearch evaluates every N-th of the finished trials, pruned ones included, on the whole search split, at the
batch size that suits ``model.generate`` best; its mean stands for those left out. Seconds are wall time, and do not
count the loading of models.
"""

import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from llmsearch_optuna import Tuner
from llmsearch_optuna.report.outcomes import Cost, cost
from llmsearch_optuna.report.record import StudyRecord, read_study
from llmsearch_optuna.storage import sqlite_url
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.study_file.launch import build_tuner, search
from llmsearch_optuna.verdict.verdict import Verdict
from studies.benchmarks.command_line import make_parser, write_figures
from studies.benchmarks.workloads import Workload, best_batch_size, llmsearch_trials, load_demo

STUDIES = Path(__file__).parents[1]
NAMES = ("demo", "sums", "docstrings")
PROMPTS_FOR_BATCH_SIZE = 32


class Result(NamedTuple):
    """One study, searched and judged.

    Attributes:
        name: The study file's name.
        record: The study.
        cost: Its tokens.
        verdict: Its verdict.
        search_s: Seconds of the search.
        verdict_s: Seconds of the verdict.
        workload: What llmsearch is given.
        sets: The parameters of the finished trials.
    """

    name: str
    record: StudyRecord
    cost: Cost
    verdict: Verdict
    search_s: float
    verdict_s: float
    workload: Workload
    sets: list[dict[str, Any]]

    @property
    def in_full(self) -> float:
        """Tokens that the same trials have without pruning."""
        return self.cost.tokens + self.cost.reused + self.cost.saved

    def figures(self, llmsearch_s: Sequence[float]) -> dict[str, Any]:
        """As JSON holds them; `llmsearch_s` has seconds of some trials, or none."""
        verdict = self.verdict
        finalists = {finalist.name: finalist for finalist in verdict.finalists}
        reference = verdict.reference or verdict.best
        gain = next((comparison for comparison in verdict.comparisons if comparison.name == verdict.best), None)
        figures: dict[str, Any] = {
            "samples": len(self.record.samples),
            "held_out": verdict.samples,
            "trials": len(self.sets),
            "pruned_trials": len(self.record.pruned),
            "reference": reference,
            "search_reference": finalists[reference].search_score,
            "search_best": finalists[verdict.best].search_score,
            "held_out_reference": finalists[reference].score,
            "held_out_best": finalists[verdict.best].score,
            "gain": "" if gain is None else str(gain),
            "verdict": verdict.sentence,
            "tokens_in_full": self.in_full,
            "pruned": self.cost.saved / self.in_full,
            "taken_over": self.cost.reused / self.in_full,
            "replayed": self.cost.replayed,
            "search_s": self.search_s,
            "verdict_s": self.verdict_s,
        }
        if llmsearch_s:
            total = sum(llmsearch_s) / len(llmsearch_s) * len(self.sets)
            figures |= {"llmsearch_s": total, "llmsearch_trials": len(llmsearch_s), "ratio": total / self.search_s}
        return figures


def run_study(name: str, directory: Path) -> Result:
    """Searches and judges one study."""
    file = StudyFile.load(STUDIES / f"{name}.toml")
    url = sqlite_url(str(directory / f"{name}.db"))
    file = dataclasses.replace(file, study=dataclasses.replace(file.study, storage=url))
    tuner = build_tuner(file)
    started = time.perf_counter()
    study = search(file, tuner)
    searched = time.perf_counter()
    verdict = tuner.confirm(study)
    ended = time.perf_counter()
    record = read_study(study, url)
    sets = [trial.params.to_dict() for trial in (*record.complete, *record.pruned) if trial.params is not None]
    return Result(
        name=name,
        record=record,
        cost=cost(record),
        verdict=verdict,
        search_s=searched - started,
        verdict_s=ended - searched,
        workload=Workload(
            name=name,
            prompts=[sample.prompt for sample in tuner.task.search],
            max_new_tokens=file.space.longest_completion(),
            eos_token_ids=ending_tokens(tuner, file.generation.stop),
        ),
        sets=[{key: value for key, value in values.items() if value is not None} for values in sets],
    )


def ending_tokens(tuner: Tuner, stop: Sequence[str]) -> list[int]:
    """The end token, and the tokens that hold one of these texts, which are single characters."""
    tokenizer: Any = tuner.tokenizer
    texts = {token: tokenizer.decode([token]) for token in range(len(tokenizer))}
    return [tokenizer.eos_token_id, *(token for token, text in texts.items() if any(string in text for string in stop))]


def llmsearch_seconds(python: str, result: Result, every: int) -> list[float]:
    """Seconds of every so many trials by llmsearch."""
    sets = result.sets[::every]
    some = dataclasses.replace(result.workload, prompts=result.workload.prompts[:PROMPTS_FOR_BATCH_SIZE])
    sampled = {"temperature": 0.7, "top_p": 0.9, "generation_seed": 0}
    size = best_batch_size(load_demo(), some, sampled)
    return llmsearch_trials(python, [result.workload], sets, {result.name: size})[result.name]


def show(figures: dict[str, dict[str, Any]]) -> None:
    """Print the table and the verdicts."""
    splits = ("search split", "held out", "gain [95 %]")
    table = Table("study", "trials", *splits, "pruned", "replayed", "search s", "llmsearch s", "ratio")
    for name, row in figures.items():
        table.add_row(
            name,
            f"{row['trials']} ({row['pruned_trials']} pruned) x {row['samples']}",
            f"{row['search_reference']:.3f} -> {row['search_best']:.3f}",
            f"{row['held_out_reference']:.3f} -> {row['held_out_best']:.3f}",
            row["gain"],
            f"{row['pruned']:.0%}",
            f"{row['replayed'] or 0:.0%}",
            f"{row['search_s']:.0f}",
            f"{row['llmsearch_s']:.0f}" if "ratio" in row else "",
            f"{row['ratio']:.1f}" if "ratio" in row else "",
        )
    console = Console(width=150)
    console.print(table)
    for name, row in figures.items():
        console.print(f"{name}: {row['verdict']}")


def main() -> None:
    """Run the benchmark."""
    parser = make_parser(__doc__)
    parser.add_argument("--llmsearch", metavar="PYTHON", help="the Python of an environment with llmsearch 0.1.0")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="llmsearch evaluates every N-th trial")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="STUDY", help="only these")
    options = parser.parse_args()
    subprocess.run([sys.executable, str(STUDIES / "docstrings.py")], check=True)  # noqa: S603 - our own
    figures = {}
    with tempfile.TemporaryDirectory() as directory:
        for name in options.only:
            result = run_study(name, Path(directory))
            seconds = [] if options.llmsearch is None else llmsearch_seconds(options.llmsearch, result, options.every)
            figures[name] = result.figures(seconds)
            show({name: figures[name]})
            write_figures(options.json, figures)
    if len(figures) > 1:
        show(figures)


if __name__ == "__main__":
    main()
