"""What a study holds for optuna-dashboard beyond Optuna's own: notes, completions as artifacts, and figures."""

import contextlib
import io
import logging
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import optuna
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from optuna_dashboard import save_plotly_graph_object

from llmsearch_optuna.dashboard.markdown import SIGNATURE, completion_lines, study_note, trial_note
from llmsearch_optuna.dashboard.note import DashboardNote
from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.report import (
    plot_cost,
    plot_history,
    plot_importances,
    plot_learning_curves,
    plot_quality,
    plot_samples,
    plot_seeds,
    plot_standings,
)
from llmsearch_optuna.search.observers import SearchObserver, TrialProgress
from llmsearch_optuna.storage import (
    CompletionStore,
    StoredCompletion,
    StoredSample,
    advisory_lock,
    sqlite_path,
)
from llmsearch_optuna.study.ranking import maximizes
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study.trials import FINISHED
from llmsearch_optuna.verdict.finalists import finalists
from llmsearch_optuna.verdict.verdict import current_verdict

__all__ = ["Annotations", "CompletionArtifacts", "artifact_directory"]

_LOG = logging.getLogger(__name__)

_FIGURES = {
    "Baselines-and-best": plot_standings,
    "History": plot_history,
    "Learning-curves": plot_learning_curves,
    "Quality-and-tokens": plot_quality,
    "Seeds": plot_seeds,
    "Importances": plot_importances,
    "Cost": plot_cost,
    "Samples": plot_samples,
}
# The dashboard asks for all of them again and again.
_LARGEST_FIGURE = 200_000

_SHARE_OF_TIME = 0.01
_FIRST_DRAWING_S = 2.0


def artifact_directory(url: str) -> Path | None:
    """Where the artifacts of an SQLite file's studies lie: beside it; ``None`` for a server."""
    path = sqlite_path(url)
    return None if path is None else path.with_name(f"{path.name}.artifacts")


class CompletionArtifacts:
    """An artifact store of Optuna whose files can be had again from the database, should they be missing.

    Args:
        storage: Where the studies live.
        directory: Where the files lie. Without it, none are kept: what is asked for is made from the database.
    """

    def __init__(self, storage: RDBStorage, directory: Path | None) -> None:
        self._storage = storage
        self._directory = directory
        self._files = None if directory is None else FileSystemArtifactStore(directory)

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """An artifact's content.

        Raises:
            ArtifactNotFound: There is no such artifact.
        """
        if self._files is not None:
            with contextlib.suppress(ArtifactNotFound):
                return self._files.open_reader(artifact_id)
        return io.BytesIO(self._made_anew(artifact_id))

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keeps an artifact's content, where files are kept."""
        if self._files is not None and self._directory is not None:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._files.write(artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Removes an artifact's file.

        Raises:
            ArtifactNotFound: There is none.
        """
        if self._files is None:
            raise ArtifactNotFound(f"no file is kept of artifact {artifact_id}")
        self._files.remove(artifact_id)

    def _made_anew(self, artifact_id: str) -> bytes:
        for study in optuna.get_all_study_names(self._storage):
            loaded = optuna.load_study(study_name=study, storage=self._storage)
            for trial in loaded.get_trials(deepcopy=False):
                if f"artifacts:{artifact_id}" in trial.system_attrs:
                    store, key = CompletionStore(self._storage), study_key(loaded)
                    samples = {one.position: one for one in store.load_samples(key)}
                    return completion_lines(store.load(key, trial.number), samples).encode()
        raise ArtifactNotFound(f"no trial has an artifact {artifact_id}")


class Annotations(SearchObserver):
    """Writes what is to be seen of one study, as it goes on.

    Nothing that goes wrong here ends a search: it is one warning. What a process that was killed did not come to, the
    next one writes (`write_missing_notes`). Figures are drawn while a search runs where all this still takes a
    hundredth of its time at most.

    Args:
        study: The study.
        storage: Where it lives.
        directory: Where artifacts lie; see `CompletionArtifacts`.

    Attributes:
        seconds: The time that all this has taken so far.
    """

    def __init__(self, study: optuna.Study, storage: RDBStorage, directory: Path | None) -> None:
        self.seconds = 0.0
        self._storage = storage
        # Trials are attached to, and no sampler shall take note of that.
        self._study = optuna.load_study(
            study_name=study.study_name, storage=storage, sampler=optuna.samplers.RandomSampler()
        )
        self._id = storage.get_study_id_from_name(study.study_name)
        self._key = study_key(study)
        self._store = CompletionStore(storage)
        self._artifacts = CompletionArtifacts(storage, directory)
        self._samples: dict[int, StoredSample] | None = None
        self._latest: tuple[int, list[StoredCompletion]] | None = None
        self._told: set[str] = set()
        self._began = time.monotonic()
        self._drawing_s = _FIRST_DRAWING_S

    def attach_completions(self, trial: optuna.Trial) -> None:
        """Attaches its completions to a trial that is about to finish, as Optuna attaches nothing to finished ones."""
        with self._harmless(f"the completions of trial {trial.number} are not attached to it"):
            content = completion_lines(self._completions(trial.number), self._sample_at).encode()
            name = f"trial_{trial.number}_completions.jsonl"
            known = [one.artifact_id for one in get_all_artifact_meta(trial) if one.filename == name]
            if known:  # by a process that was killed before the trial was finished, and perhaps within the file
                self._artifacts.write(known[0], io.BytesIO(content))
                return
            with tempfile.TemporaryDirectory() as directory:
                path = Path(directory) / name
                path.write_bytes(content)
                upload_artifact(
                    artifact_store=self._artifacts,
                    file_path=str(path),
                    study_or_trial=trial,
                    mimetype="application/jsonl",
                )

    def write_trial_note(self, trial: FrozenTrial) -> None:
        """Writes the note of a finished trial."""
        with self._harmless(f"the note of trial {trial.number} is not written"), self._alone():
            self._write_missing([trial])

    def write_missing_notes(self) -> None:
        """Writes the notes that finished trials lack, and the study's own."""
        with self._harmless("notes are not written"), self._alone():
            self._write_missing(self._study.get_trials(deepcopy=False, states=FINISHED))

    def started(self, finished: int) -> None:  # noqa: ARG002
        """Write the notes that finished trials lack."""
        self.write_missing_notes()

    def before_trial_ends(self, trial: optuna.Trial) -> None:
        """Attach the completions."""
        self.attach_completions(trial)

    def trial_ended(self, trial: FrozenTrial, progress: TrialProgress | None, seconds: float) -> None:  # noqa: ARG002
        """Write the trial's note, and draw the figures if there is time."""
        self.write_trial_note(trial)
        self.draw_if_there_is_time()

    def ended(self) -> None:
        """Write the study's note, draw the figures if there is time, and log how much time all that took."""
        self.write_study_note()
        self.draw_if_there_is_time()
        _LOG.info("notes, artifacts and figures took %.1f of %.1f s", self.seconds, time.monotonic() - self._began)

    def write_study_note(self) -> None:
        """Writes the study's note: its verdict, and the best beside the baselines."""
        with self._harmless("the study's note is not written"), self._alone():
            if not self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
                return
            verdict = current_verdict(self._study)
            note, known = study_note(finalists(self._study), verdict), DashboardNote(self._storage, self._id, None)
            if note != known.body and (not known.body or known.body.endswith(SIGNATURE)):
                known.write(note)

    def draw_if_there_is_time(self) -> None:
        """Draws the figures, if that leaves the share of the time that all this takes small enough."""
        if self.seconds + self._drawing_s <= _SHARE_OF_TIME * (time.monotonic() - self._began):
            self.draw()

    def draw(self) -> None:
        """Draws the figures that there is enough of a study for; those that are large are left to the report."""
        before = self.seconds
        with self._harmless("figures are not drawn"):
            drawn = {}
            for name, plot in _FIGURES.items():
                with contextlib.suppress(StorageError):  # too little to be drawn yet
                    drawn[name] = plot(self._study, self._storage)
            with self._alone():
                for name, figure in drawn.items():
                    # The dashboard shows no names.
                    title = {"text": name.replace("-", " "), "font": {"size": 16}, "y": 0.98, "yanchor": "top"}
                    figure.update_layout(title=title, margin={"t": 100})
                    if len(figure.to_json()) > _LARGEST_FIGURE:
                        # In the place of one from when it was smaller.
                        figure.data = []
                        figure.update_layout(title_text=f"{name}: too large here, see `llmsearch-optuna report`")
                    save_plotly_graph_object(self._study, figure, graph_object_id=name)
        self._drawing_s = self.seconds - before

    def _write_missing(self, trials: list[FrozenTrial]) -> None:
        for trial in trials:
            trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._id, trial.number)
            known = DashboardNote(self._storage, self._id, trial_id)
            # A later version is somebody's own; the first one without its end has been damaged.
            if known.version > 1 or known.body.endswith(SIGNATURE):
                continue
            note = trial_note(
                trial,
                self._completions(trial.number),
                self._sample_at,
                greater_is_better=maximizes(self._study),
            )
            known.write(note)

    def _completions(self, number: int) -> list[StoredCompletion]:
        """A trial's completions; those of the last one are not read twice, as they are attached and then noted."""
        if self._latest is None or self._latest[0] != number:
            self._latest = number, self._store.load(self._key, number)
        return self._latest[1]

    @property
    def _sample_at(self) -> dict[int, StoredSample]:
        if self._samples is None:
            self._samples = {one.position: one for one in self._store.load_samples(self._key)}
        return self._samples

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """Keeps other workers from writing the same note at the same time."""
        return advisory_lock(self._storage.engine, f"llmsearch notes {self._key}")

    @contextlib.contextmanager
    def _harmless(self, otherwise: str) -> Iterator[None]:
        """Takes the time, and turns errors into a warning, the same one only once."""
        began = time.monotonic()
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a note, the search is worth more
            reason = f"{type(error).__name__}: {error}"
            _LOG.log(logging.DEBUG if reason in self._told else logging.WARNING, "%s: %s", otherwise, reason)
            self._told.add(reason)
        finally:
            self.seconds += time.monotonic() - began
