"""Record a landscape: evaluate many configurations on the same samples, without pruning.

Usage: python -m studies.benchmarks.record_landscape STUDY.toml --configs K [-o FILE.parquet] [--seed S] [--quiet]

An interrupted recording goes on with the same command; with a larger K it is extended.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from llmsearch_optuna.errors import ConfigurationError, LlmsearchError
from llmsearch_optuna.metrics import CorpusMetric
from llmsearch_optuna.storage import CompletionStore, sqlite_url
from llmsearch_optuna.study.objectives import SCORE
from llmsearch_optuna.study.study import open_study
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.study_file.launch import build_tuner, search
from llmsearch_optuna.tuner import Tuner
from studies.benchmarks.landscape import Landscape

__all__ = ["main", "record"]


def record(file: StudyFile, tuner: Tuner, *, configurations: int, path: Path, show_progress: bool = True) -> Landscape:
    """Evaluate configurations on the whole search split and save their scores and token counts.

    The baselines come first, then a random point and a scrambled Sobol' sequence over the space. Conditional and
    categorical parameters are always drawn at random. The configurations are the trials of a search without pruning.
    The database of this search is ``FILE.parquet.db``, next to the landscape.

    Args:
        file: The study file. Its sampler, pruner, presets and storage are ignored.
        tuner: The tuner that `build_tuner` made from the study file.
        configurations: The number of configurations in total, including the baselines.
        path: The Parquet file to write.
        show_progress: Whether to show progress on standard error.

    Raises:
        ConfigurationError: The metric is a corpus metric, which does not score single samples.
        StorageError: A file cannot be written, or the metric does not score single samples.
    """
    if isinstance(tuner.metric, CorpusMetric):
        raise ConfigurationError(
            f"metric `{tuner.metric.name}` does not score single samples: a landscape needs a metric that does"
        )
    storage = sqlite_url(f"{path}.db")
    study_section = dataclasses.replace(
        file.study,
        storage=storage,
        n_trials=configurations,
        baselines=True,
        presets=(),
        timeout=None,
        max_tokens_total=None,
        patience=None,
        objectives=(SCORE,),
        sampler="qmc",
        sampler_args={},
        pruner="none",
        pruner_args={},
    )
    recording = dataclasses.replace(file, study=study_section)
    search(recording, tuner, show_progress=show_progress)
    study, database = open_study(storage, file.study.name)
    landscape = Landscape.of_study(study, CompletionStore(database), file.space)
    landscape.save(path)
    return landscape


def main(arguments: Sequence[str] | None = None) -> Landscape:
    """Record a landscape.

    Args:
        arguments: The command line arguments. By default those of the process.

    Raises:
        LlmsearchError: An argument or the study file is invalid, or a file cannot be written.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("study", type=Path, metavar="STUDY.toml")
    parser.add_argument("--configs", type=int, required=True, metavar="K", help="total number, including the baselines")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.parquet", help="default: next to the study file")
    parser.add_argument("--seed", type=int, metavar="S", help="seed of the sample order and of the configurations")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    options = parser.parse_args(arguments)
    if options.configs < 1:
        raise ConfigurationError(f"`--configs` must be >= 1, got {options.configs}")
    path = options.output or options.study.with_suffix(".parquet")
    if path.suffix != ".parquet":
        raise ConfigurationError(f"`--output` must be a .parquet file, got {path}")
    file = StudyFile.load(options.study)
    if options.seed is not None:
        file = dataclasses.replace(file, study=dataclasses.replace(file.study, seed=options.seed))
    landscape = record(
        file, build_tuner(file), configurations=options.configs, path=path, show_progress=not options.quiet
    )
    count, samples = landscape.scores.shape
    print(f"{count} configurations on {samples} samples, {landscape.tokens.sum()} tokens: {path}")
    return landscape


if __name__ == "__main__":
    try:
        main()
    except LlmsearchError as error:
        raise SystemExit(f"record_landscape: {error}") from None
