"""Whole searches with their verdicts: this version, version 0.1.0, llmsearch and `model.generate`.

Usage: python -m studies.benchmarks.results [--json FILE] [--version-0-1-0 TREE] [--llmsearch PYTHON] [--generate]
    [--every N] [--only STUDY ...] [--model DIRECTORY]

Each study file is searched from its first trial to its verdict, as `llmsearch-optuna run` does it, in a database of
its own. Those of landscapes have 40 trials, and 96 samples in each split. Their spaces lose the penalties that version
0.1.0 does not know.

With ``--model``, another model than the demo's is searched, by this version and version 0.1.0 only.

Version 0.1.0 searches the same study files. It does not end searches early, and its verdicts have one stage.

llmsearch 0.1.0 and `model.generate` evaluate every N-th of the finished trials, pruned ones included, on the whole
search split, at the batch size that suits ``model.generate`` best. The mean of these trials stands for those left out.
If llmsearch evaluates all of them, its best trial is compared with its trial of the model's default parameters on the
held-out samples, too. Seconds are wall time, and do not count the loading of models.
"""

import argparse
import dataclasses
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tomlkit
from rich.console import Console
from rich.table import Table

from llmsearch_optuna import Tuner
from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.metrics import Metric
from llmsearch_optuna.report.outcomes import Cost, cost
from llmsearch_optuna.report.record import StudyRecord, TrialRecord, read_study
from llmsearch_optuna.storage import sqlite_url
from llmsearch_optuna.study.study import open_study
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.study_file.launch import build_tuner, search
from llmsearch_optuna.verdict.outputs import compare_outputs
from llmsearch_optuna.verdict.verdict import Verdict
from studies.benchmarks.command_line import make_parser, write_figures
from studies.benchmarks.workloads import (
    LlmsearchTrial,
    Workload,
    best_batch_size,
    hf_trial,
    llmsearch_trials,
    load_demo,
)

STUDIES = Path(__file__).parents[1]
FILES = {
    "demo": "demo.toml",
    "sums": "sums.toml",
    "docstrings": "docstrings.toml",
    "addition": "landscapes/addition.toml",
    "records": "landscapes/records.toml",
    "reordering": "landscapes/reordering.toml",
}
UNKNOWN_TO_0_1_0 = ("frequency_penalty", "presence_penalty")
PROMPTS_FOR_BATCH_SIZE = 32


class Searched(NamedTuple):
    """A study, searched and judged by a version of this package.

    Attributes:
        record: The study.
        cost: Its tokens.
        verdict: Its verdict.
        search_s: Seconds of the search.
        verdict_s: Seconds of the verdict.
    """

    record: StudyRecord
    cost: Cost
    verdict: Verdict
    search_s: float
    verdict_s: float

    @property
    def trials(self) -> list[TrialRecord]:
        """The finished trials."""
        return [*self.record.complete, *self.record.pruned]

    def figures(self) -> dict[str, Any]:
        """Return the figures as JSON holds them."""
        verdict = self.verdict
        finalists = {finalist.name: finalist for finalist in verdict.finalists}
        reference = verdict.reference or verdict.best
        gain = next((comparison for comparison in verdict.comparisons if comparison.name == verdict.best), None)
        in_full = self.cost.tokens + self.cost.reused + self.cost.saved
        return {
            "samples": len(self.record.samples),
            "held_out": verdict.samples,
            "trials": len(self.trials),
            "pruned_trials": len(self.record.pruned),
            "reference": reference,
            "search_reference": finalists[reference].search_score,
            "search_best": finalists[verdict.best].search_score,
            "held_out_reference": finalists[reference].score,
            "held_out_best": finalists[verdict.best].score,
            "gain": "" if gain is None else str(gain),
            "verdict": verdict.sentence,
            "tokens": self.cost.tokens,
            "verdict_tokens": self.cost.held_out,
            "tokens_in_full": in_full,
            "pruned": self.cost.saved / in_full,
            "taken_over": self.cost.reused / in_full,
            "replayed": self.cost.replayed,
            "search_s": self.search_s,
            "verdict_s": self.verdict_s,
        }


def study_text(name: str, url: str, model: Path | None) -> str:
    """Return the text of a study file that both versions read.

    Args:
        name: The study.
        url: Its database.
        model: The directory of the model to search; None for that of the file.
    """
    document: Any = tomlkit.parse((STUDIES / FILES[name]).read_text(encoding="utf-8"))
    document["study"]["storage"] = url
    if model is not None:
        document["model"] = {"name": str(model.resolve())}
    if FILES[name].startswith("landscapes"):
        document["study"]["n_trials"] = 40
        document["data"].update({"search_size": 96, "holdout_size": 96})
        for parameter in UNKNOWN_TO_0_1_0:
            document["space"].pop(parameter, None)
    return tomlkit.dumps(document)


def load_study(name: str, directory: Path, model: Path | None) -> StudyFile:
    """Load a study file, with a database in this directory."""
    text = study_text(name, sqlite_url(str(directory / f"{name}.db")), model)
    return StudyFile.parse(text, name=name, directory=(STUDIES / FILES[name]).parent)


def run_study(file: StudyFile, tuner: Tuner) -> Searched:
    """Search and judge a study."""
    started = time.perf_counter()
    study = search(file, tuner)
    searched = time.perf_counter()
    verdict = tuner.confirm(study)
    ended = time.perf_counter()
    record = read_study(study, file.study.storage)
    return Searched(record, cost(record), verdict, searched - started, ended - searched)


def run_version_0_1_0(tree: Path, name: str, directory: Path, model: Path | None) -> Searched:
    """Search and judge a study with version 0.1.0, in a process of its own.

    Args:
        tree: A clone of that version.
        name: The study.
        directory: Where its database is written.
        model: See `study_text`.
    """
    url, path = sqlite_url(str(directory / f"{name} 0.1.0.db")), STUDIES / FILES[name]
    job = directory / "job.json"
    job.write_text(
        json.dumps({"text": study_text(name, url, model), "name": name, "directory": str(path.parent)}),
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree), str(path.parent)])}
    peer = str(Path(__file__).with_name("version_0_1_0.py"))
    done = subprocess.run(  # noqa: S603 - our own
        [sys.executable, peer, str(job)], check=True, stdout=subprocess.PIPE, text=True, env=environment
    )
    seconds = json.loads(done.stdout.splitlines()[-1])
    record = read_study(*open_study(url))
    if record.verdict is None:
        raise RuntimeError(f"version 0.1.0 ended without a verdict on {name}")
    return Searched(record, cost(record), record.verdict, **seconds)


def ending_tokens(tuner: Tuner, stop: Sequence[str]) -> list[int]:
    """The end token, and the tokens that hold one of these texts, which are single characters."""
    tokenizer: Any = tuner.tokenizer
    texts = {token: tokenizer.decode([token]) for token in range(len(tokenizer))}
    return [tokenizer.eos_token_id, *(token for token, text in texts.items() if any(string in text for string in stop))]


class Peers:
    """What other programs do with the finished trials of a study.

    Args:
        file: The study.
        tuner: What `build_tuner` made of it.
        searched: Its search.
        every: Of how many trials one is evaluated.
    """

    def __init__(self, file: StudyFile, tuner: Tuner, searched: Searched, every: int) -> None:
        self._tuner = tuner
        self._workload = Workload(
            name="search",
            prompts=[sample.prompt for sample in tuner.task.search],
            max_new_tokens=file.space.longest_completion(),
            eos_token_ids=ending_tokens(tuner, file.generation.stop),
        )
        self._trials = len(searched.trials)
        sets = [trial.params.to_dict() for trial in searched.trials if trial.params is not None]
        self._sets = [{key: value for key, value in values.items() if value is not None} for values in sets][::every]
        self._loaded = load_demo()
        some = dataclasses.replace(self._workload, prompts=self._workload.prompts[:PROMPTS_FOR_BATCH_SIZE])
        sampled = {"temperature": 0.7, "top_p": 0.9, "generation_seed": 0}
        self._batch_size = best_batch_size(self._loaded, some, sampled)

    def generate(self) -> dict[str, Any]:
        """Return the seconds of `model.generate`."""
        return self._total(
            "generate", [hf_trial(self._loaded, self._workload, values, self._batch_size) for values in self._sets]
        )

    def llmsearch(self, python: str, directory: Path) -> dict[str, Any]:
        """Return the seconds of llmsearch; if it evaluates all trials, also the gain of its best one.

        The gain is that over the first trial, which has the model's default parameters, on held-out samples.

        Args:
            python: The Python of an environment with llmsearch.
            directory: Where outputs are written.
        """
        trials = self._llmsearch(python, self._workload, self._sets)
        figures = self._total("llmsearch", [trial.seconds for trial in trials])
        if len(trials) < self._trials:
            return figures
        metric, task = self._tuner.metric, self._tuner.task
        scores = [mean_score(metric, task.search, trial.texts) for trial in trials]
        best = scores.index(max(scores) if metric.greater_is_better else min(scores))
        held_out = dataclasses.replace(self._workload, prompts=[sample.prompt for sample in task.holdout])
        outputs = self._llmsearch(python, held_out, [self._sets[0], self._sets[best]])
        paths = [directory / "llmsearch default.jsonl", directory / "llmsearch best.jsonl"]
        for path, trial in zip(paths, outputs, strict=True):
            write_outputs(path, task.holdout, trial.texts)
        verdict = compare_outputs(paths[0], paths[1], [metric])[0]
        return figures | {
            "llmsearch_best": self._sets[best],
            "llmsearch_search_best": scores[best],
            "llmsearch_gain": str(verdict.comparisons[0]),
        }

    def _llmsearch(self, python: str, workload: Workload, sets: Sequence[dict[str, Any]]) -> list[LlmsearchTrial]:
        return llmsearch_trials(python, [workload], sets, {workload.name: self._batch_size})[workload.name]

    def _total(self, name: str, seconds: Sequence[float]) -> dict[str, Any]:
        return {f"{name}_s": sum(seconds) / len(seconds) * self._trials, f"{name}_trials": len(seconds)}


def mean_score(metric: Metric, samples: Sequence[Sample], texts: Sequence[str]) -> float:
    """Return the score of completions."""
    return metric([sample.reference for sample in samples], texts).value


def write_outputs(path: Path, samples: Sequence[Sample], texts: Sequence[str]) -> None:
    """Write a file of outputs for `compare_outputs`."""
    lines = [
        json.dumps({"id": number, "prediction": text, "reference": sample.reference})
        for number, (sample, text) in enumerate(zip(samples, texts, strict=True))
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def show(figures: dict[str, dict[str, Any]]) -> None:
    """Print the tables and the verdicts."""
    scores = Table("study", "version", "trials", "search split", "held out", "gain [95 %]", title="scores")
    costs = Table(
        *("study", "version", "tokens", "pruned", "replayed", "of the verdict", "search s", "verdict s"), title="cost"
    )
    peers = Table("study", "search s", "model.generate s", "ratio", "llmsearch s", "ratio", "its gain", title="peers")
    for name, versions in figures.items():
        for version in ("this", "0.1.0"):
            if version not in versions:
                continue
            row = versions[version]
            scores.add_row(
                name,
                version,
                f"{row['trials']} ({row['pruned_trials']} pruned) x {row['samples']}",
                f"{row['search_reference']:.3f} -> {row['search_best']:.3f}",
                f"{row['held_out_reference']:.3f} -> {row['held_out_best']:.3f}",
                row["gain"],
            )
            costs.add_row(
                name,
                version,
                f"{row['tokens']:,}",
                f"{row['pruned']:.0%}",
                f"{row['replayed'] or 0:.0%}",
                f"{row['verdict_tokens']:,}",
                f"{row['search_s']:.0f}",
                f"{row['verdict_s']:.0f}",
            )
        search_s, others = versions["this"]["search_s"], versions["peers"]
        compared = (seconds_and_ratio(others.get(f"{peer}_s"), search_s) for peer in ("generate", "llmsearch"))
        peers.add_row(name, f"{search_s:.0f}", *itertools.chain(*compared), others.get("llmsearch_gain", ""))
    console = Console(width=150)
    for table in (scores, costs, peers):
        console.print(table)
    for name, versions in figures.items():
        for version in ("this", "0.1.0"):
            if version in versions:
                console.print(f"{name}, {version}: {versions[version]['verdict']}")


def seconds_and_ratio(seconds: float | None, search_s: float) -> tuple[str, str]:
    """Return two cells of a table, which are empty if nothing was measured."""
    return ("", "") if seconds is None else (f"{seconds:.0f}", f"{seconds / search_s:.1f}")


def measure(name: str, directory: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the figures of a study, at first without those of the peers, which take much longer.

    Version 0.1.0 comes first: after its own search, this process holds the model and what it replays.
    """
    figures: dict[str, Any] = {"peers": {}}
    if options.version_0_1_0 is not None:
        figures["0.1.0"] = run_version_0_1_0(options.version_0_1_0, name, directory, options.model).figures()
    file = load_study(name, directory, options.model)
    tuner = build_tuner(file)
    searched = run_study(file, tuner)
    figures["this"] = searched.figures()
    yield figures
    if not options.generate and options.llmsearch is None:
        return
    peers = Peers(file, tuner, searched, options.every)
    if options.generate:
        figures["peers"] |= peers.generate()
        yield figures
    if options.llmsearch is not None:
        figures["peers"] |= peers.llmsearch(options.llmsearch, directory)
        yield figures


def main() -> None:
    """Run the benchmark."""
    parser = make_parser(__doc__)
    parser.add_argument("--version-0-1-0", type=Path, metavar="TREE", help="a clone of version 0.1.0 of this package")
    parser.add_argument("--llmsearch", metavar="PYTHON", help="the Python of an environment with llmsearch 0.1.0")
    parser.add_argument("--generate", action="store_true", help="also evaluate the trials by model.generate")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="peers evaluate every N-th trial")
    parser.add_argument("--only", nargs="+", choices=FILES, default=FILES, metavar="STUDY", help="only these")
    parser.add_argument("--model", type=Path, metavar="DIRECTORY", help="search this model in place of the demo's")
    options = parser.parse_args()
    if options.model is not None and (options.generate or options.llmsearch is not None):
        parser.error("--generate and --llmsearch evaluate the demo model: omit --model")
    subprocess.run([sys.executable, str(STUDIES / "docstrings.py")], check=True)  # noqa: S603 - our own
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        for name in options.only:
            for measured in measure(name, directory, options):
                figures[name] = measured
                write_figures(options.json, figures)
            show({name: figures[name]})
    if len(figures) > 1:
        show(figures)


if __name__ == "__main__":
    main()
