"""Record a landscape: the scores and token counts of many configurations on the same samples, in one Parquet file.

Usage: python -m studies.benchmarks.landscape STUDY.toml --configs K [-o FILE.parquet] [--seed S] [--quiet]

An interrupted recording goes on with the same command; with a larger K it is extended.
"""

import argparse
import dataclasses
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import optuna
import pyarrow as pa
import pyarrow.parquet as pq
from optuna.trial import TrialState

from llmsearch_optuna.errors import ConfigurationError, LlmsearchError, StorageError
from llmsearch_optuna.metrics import CorpusMetric
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.storage import CompletionStore, sqlite_url
from llmsearch_optuna.study.attributes import BASELINE
from llmsearch_optuna.study.fingerprint import study_fingerprint
from llmsearch_optuna.study.objectives import SCORE
from llmsearch_optuna.study.ranking import maximizes
from llmsearch_optuna.study.study import open_study, study_key
from llmsearch_optuna.study.trials import trial_params
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.study_file.launch import build_tuner, search
from llmsearch_optuna.tuner import Tuner

__all__ = ["Configuration", "Landscape", "main", "record"]

_FORMAT = "1"
_LIBRARIES = ("llmsearch_optuna", "numpy", "optuna", "torch", "transformers")

_COLUMNS = pa.schema(
    [
        pa.field("trial", pa.int32()),
        pa.field("baseline", pa.string()),
        pa.field("params", pa.string()),  # JSON
        pa.field("chosen", pa.string()),  # JSON
        pa.field("scores", pa.list_(pa.float64())),
        pa.field("tokens", pa.list_(pa.int32())),
    ]
)


class Configuration(NamedTuple):
    """A set of generation parameters.

    Attributes:
        trial: The number of the trial that evaluated it.
        baseline: The baseline's name. None for a proposed configuration.
        params: All generation parameters that are set.
        chosen: The searched parameters as Optuna stores them. Empty for a baseline.
    """

    trial: int
    baseline: str | None
    params: Mapping[str, Any]
    chosen: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Landscape:
    """Fully evaluated configurations on the same samples.

    The file has one row per configuration and can be read by any Parquet reader.

    Attributes:
        space: The search space that the configurations were drawn from.
        greater_is_better: Whether a higher score is better.
        configurations: The configurations in the order of their trials.
        rows: The samples' rows in the dataset. Shape: (samples,).
        scores: Shape: (configurations, samples).
        tokens: The numbers of generated tokens, including the end token. Shape: (configurations, samples).
        about: The study's fingerprint (model, prompts, metric, ...) and the versions of the libraries, by name.
    """

    space: SearchSpace
    greater_is_better: bool
    configurations: tuple[Configuration, ...]
    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    tokens: npt.NDArray[np.int64]
    about: Mapping[str, Any]

    @classmethod
    def of_study(cls, study: optuna.Study, store: CompletionStore, space: SearchSpace) -> Self:
        """Read the fully evaluated trials of a study.

        Args:
            study: A study of this package.
            store: The study's completions.
            space: The study's search space.

        Raises:
            StorageError: No trial is fully evaluated, or the metric does not score single samples.
        """
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if not trials:
            raise StorageError(f"study `{study.study_name}` has no fully evaluated trial yet")
        completions = [store.load(study_key(study), trial.number) for trial in trials]
        if any(completion.score is None for completion in completions[0]):
            raise StorageError(
                f"study `{study.study_name}` has no scores of single samples: a landscape needs a metric "
                "that scores every sample"
            )
        versions = {f"version of {name}": importlib.metadata.version(name) for name in _LIBRARIES}
        return cls(
            space=space,
            greater_is_better=maximizes(study),
            configurations=tuple(
                Configuration(
                    trial.number, trial.user_attrs.get(BASELINE), trial_params(trial).to_dict(), dict(trial.params)
                )
                for trial in trials
            ),
            rows=np.array([completion.row for completion in completions[0]], dtype=np.int64),
            scores=np.array([[completion.score for completion in row] for row in completions], dtype=np.float64),
            tokens=np.array([[completion.token_count for completion in row] for row in completions], dtype=np.int64),
            about={**study_fingerprint(study), **versions},
        )

    def save(self, path: Path) -> None:
        """Write the Parquet file.

        Raises:
            StorageError: The file cannot be written.
        """
        metadata = {
            "format": _FORMAT,
            "space": json.dumps(self.space.to_dict()),
            "greater_is_better": json.dumps(self.greater_is_better),
            "rows": json.dumps(self.rows.tolist()),
            "about": json.dumps(dict(self.about)),
        }
        table = pa.table(
            {
                "trial": [configuration.trial for configuration in self.configurations],
                "baseline": [configuration.baseline for configuration in self.configurations],
                "params": [json.dumps(dict(configuration.params)) for configuration in self.configurations],
                "chosen": [json.dumps(dict(configuration.chosen)) for configuration in self.configurations],
                "scores": self.scores.tolist(),
                "tokens": self.tokens.tolist(),
            },
            schema=_COLUMNS.with_metadata(metadata),
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path, compression="zstd")
        except OSError as error:
            raise StorageError(f"landscape {path} cannot be written: {error}") from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file written by `save`.

        Raises:
            StorageError: The file cannot be read, or is not a landscape.
        """
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise StorageError(f"landscape {path} cannot be read: {error}") from error
        encoded = table.schema.metadata or {}
        if encoded.get(b"format") != _FORMAT.encode() or not table.schema.equals(_COLUMNS):
            raise StorageError(f"{path} is not a landscape that this version of llmsearch_optuna can read")
        metadata = {key.decode(): value.decode() for key, value in encoded.items()}
        columns = table.to_pydict()
        return cls(
            space=SearchSpace.from_dict(json.loads(metadata["space"])),
            greater_is_better=json.loads(metadata["greater_is_better"]),
            configurations=tuple(
                Configuration(trial, baseline, json.loads(params), json.loads(chosen))
                for trial, baseline, params, chosen in zip(
                    *(columns[name] for name in ("trial", "baseline", "params", "chosen")), strict=True
                )
            ),
            rows=np.array(json.loads(metadata["rows"]), dtype=np.int64),
            scores=np.array(columns["scores"], dtype=np.float64),
            tokens=np.array(columns["tokens"], dtype=np.int64),
            about=json.loads(metadata["about"]),
        )


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
    search(recording, tuner, n_trials=configurations, show_progress=show_progress)
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
        raise SystemExit(f"landscape: {error}") from None
