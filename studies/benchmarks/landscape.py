"""A landscape: the scores and token counts of many configurations on the same samples, in one Parquet file.

`studies.benchmarks.record_landscape` makes one. Reading one needs no model libraries, so that benchmarks on landscapes
start quickly.
"""

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import optuna
import pyarrow as pa
import pyarrow.parquet as pq
from optuna.trial import TrialState

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.storage import CompletionStore
from llmsearch_optuna.study.attributes import BASELINE
from llmsearch_optuna.study.fingerprint import study_fingerprint
from llmsearch_optuna.study.ranking import maximizes
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study.trials import trial_params

__all__ = ["Configuration", "Landscape"]

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
