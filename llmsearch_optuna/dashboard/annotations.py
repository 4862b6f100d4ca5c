"""Additions to a study for optuna-dashboard: notes, completions as artifacts, and figures."""

import contextlib
import io
import logging
import tempfile
import textwrap
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

from llmsearch_optuna import report
from llmsearch_optuna.dashboard.markdown import SIGNATURE, completion_lines, study_note, trial_note
from llmsearch_optuna.dashboard.note import DashboardNote
from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.report.axes import write_above
from llmsearch_optuna.report.drawing import safe
from llmsearch_optuna.search.observers import SearchObserver, TrialProgress
from llmsearch_optuna.storage import CompletionStore, StoredCompletion, StoredSample, advisory_lock, sqlite_path
from llmsearch_optuna.study.attributes import KEY
from llmsearch_optuna.study.price import stored_price
from llmsearch_optuna.study.ranking import expense, infeasibility, maximizes
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study.trials import FINISHED
from llmsearch_optuna.verdict.finalists import finalists, measure_headings
from llmsearch_optuna.verdict.verdict import current_verdict

__all__ = [
    "FIGURE_ORDER",
    "Annotations",
    "CompletionArtifacts",
    "annotations_of",
    "artifact_directory",
    "report_path",
]

_LOG = logging.getLogger(__name__)

_FIGURES = {
    "Baselines-and-best": report.plot_standings,
    "History": report.plot_history,
    "Learning-curves": report.plot_learning_curves,
    "Quality-and-tokens": report.plot_quality,
    "Variants": report.plot_variants,
    "Seeds": report.plot_seeds,
    "Importances": report.plot_importances,
    "Cost": report.plot_cost,
    "Samples": report.plot_samples,
}
FIGURE_ORDER = tuple(_FIGURES)
"""The names of the figures in the order in which the dashboard shows them."""

_SUBTITLE_WIDTH = 90
# In characters of JSON. The dashboard requests all figures repeatedly.
_MAXIMUM_FIGURE_SIZE = 200_000

# During a search, figures are drawn only while all annotations take at most this share of its time.
_SHARE_OF_TIME = 0.01
_FIRST_DRAWING_S = 2.0  # estimate before the first drawing


def annotations_of(study: optuna.Study, url: str | None, storage: RDBStorage) -> "list[Annotations]":
    """Return a list with the writer of a study's notes; an empty list for a study in memory."""
    return [] if url is None else [Annotations(study, storage, artifact_directory(url))]


def artifact_directory(url: str) -> Path | None:
    """Return the directory of the artifacts, next to the SQLite file; ``None`` for a database server."""
    path = sqlite_path(url)
    return None if path is None else path.with_name(f"{path.name}.artifacts")


def report_path(study_id: int) -> str:
    """Return the path at which the dashboard's server shows the report of a study.

    Args:
        study_id: The study's id in the database.
    """
    return f"/llmsearch/report/{study_id}"


class CompletionArtifacts:
    """An artifact store for Optuna that regenerates missing files from the database.

    Args:
        storage: The studies' database.
        directory: The directory of the files. If ``None``, no files are kept and every artifact is generated on
            request.
    """

    def __init__(self, storage: RDBStorage, directory: Path | None) -> None:
        self._storage = storage
        self._directory = directory
        self._files = None if directory is None else FileSystemArtifactStore(directory)

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Return an artifact's content.

        Raises:
            ArtifactNotFound: No trial has this artifact.
        """
        if self._files is not None:
            with contextlib.suppress(ArtifactNotFound):
                return self._files.open_reader(artifact_id)
        return io.BytesIO(self._regenerate(artifact_id))

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Write an artifact's file if there is a directory."""
        if self._files is not None and self._directory is not None:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._files.write(artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Remove an artifact's file.

        Raises:
            ArtifactNotFound: There is no such file.
        """
        if self._files is None:
            raise ArtifactNotFound(f"artifact {artifact_id} has no file")
        self._files.remove(artifact_id)

    def _regenerate(self, artifact_id: str) -> bytes:
        for name in optuna.get_all_study_names(self._storage):
            study = optuna.load_study(study_name=name, storage=self._storage)
            for trial in study.get_trials(deepcopy=False):
                if f"artifacts:{artifact_id}" in trial.system_attrs:
                    if KEY not in study.user_attrs:
                        raise ArtifactNotFound(f"artifact {artifact_id} is of another program, and its file is missing")
                    store, key = CompletionStore(self._storage), study_key(study)
                    samples = {sample.position: sample for sample in store.load_samples(key)}
                    return completion_lines(store.load(key, trial.number), samples).encode()
        raise ArtifactNotFound(f"no trial has artifact {artifact_id}")


class Annotations(SearchObserver):
    """Writes the notes, artifacts and figures of one study during its search.

    An error here never ends a search. It is logged as a warning, or as a debug message if the same error was logged
    before. After an interruption, the next process writes the missing notes. During a search, figures are drawn only
    while all annotations take at most 1 % of its time.

    Args:
        study: The study.
        storage: The study's database.
        directory: The directory of the artifacts; see `CompletionArtifacts`.

    Attributes:
        seconds: The time spent on annotations so far, in seconds.
    """

    def __init__(self, study: optuna.Study, storage: RDBStorage, directory: Path | None) -> None:
        self.seconds = 0.0
        self._storage = storage
        # This study is only read and annotated, so its sampler is never used.
        self._study = optuna.load_study(
            study_name=study.study_name, storage=storage, sampler=optuna.samplers.RandomSampler()
        )
        self._id = storage.get_study_id_from_name(study.study_name)
        self._key = study_key(study)
        self._store = CompletionStore(storage)
        self._artifacts = CompletionArtifacts(storage, directory)
        self._samples: dict[int, StoredSample] | None = None
        self._latest: tuple[int, list[StoredCompletion]] | None = None
        self._reported: set[str] = set()
        self._has_ended_trials = False
        self._began = time.monotonic()
        self._drawing_s = _FIRST_DRAWING_S

    def started(self, finished: int) -> None:  # noqa: ARG002
        """Write the missing notes of finished trials."""
        self.write_missing_notes()

    def before_trial_ends(self, trial: optuna.Trial) -> None:
        """Attach the completions to a trial that is about to finish; Optuna attaches nothing to a finished trial."""
        with self._harmless(f"the completions of trial {trial.number} are not attached to it"):
            content = completion_lines(self._completions(trial.number), self._sample_at).encode()
            name = f"trial_{trial.number}_completions.jsonl"
            attached = [meta.artifact_id for meta in get_all_artifact_meta(trial) if meta.filename == name]
            if attached:  # by a process that was killed before the trial finished; the file may be incomplete
                self._artifacts.write(attached[0], io.BytesIO(content))
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

    def trial_ended(self, trial: FrozenTrial, progress: TrialProgress | None, seconds: float) -> None:  # noqa: ARG002
        """Write the trial's note, and draw the figures if time permits."""
        self._has_ended_trials = True
        with self._harmless(f"the note of trial {trial.number} is not written"), self._exclusive():
            self._write_missing([trial])
        self._draw_if_time_permits()

    def ended(self) -> None:
        """Write the study's note, and draw the figures if time permits. If a trial ended, log the time that it took."""
        self.write_study_note()
        self._draw_if_time_permits()
        if self._has_ended_trials:
            _LOG.info("notes, artifacts and figures took %.1f of %.1f s", self.seconds, time.monotonic() - self._began)

    def write_missing_notes(self) -> None:
        """Write the missing notes of finished trials."""
        with self._harmless("notes are not written"), self._exclusive():
            self._write_missing(self._study.get_trials(deepcopy=False, states=FINISHED))

    def write_study_note(self) -> None:
        """Write the study's note: its verdict and the scores of its finalists.

        Nothing is written if a user edited the note, or if no trial is fully evaluated.
        """
        with self._harmless("the study's note is not written"), self._exclusive():
            if not self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
                return
            body = study_note(
                finalists(self._study),
                current_verdict(self._study),
                report_path(self._id),
                expense(self._study),
                measures=measure_headings(self._study),
                caution=infeasibility(self._study),
            )
            note = DashboardNote(self._storage, self._id, None)
            if body != note.body and (not note.body or note.body.endswith(SIGNATURE)):
                note.write(body)

    def _draw_if_time_permits(self) -> None:
        """Draw the figures if all annotations, with an estimate for this drawing, stay within `_SHARE_OF_TIME`."""
        if self.seconds + self._drawing_s <= _SHARE_OF_TIME * (time.monotonic() - self._began):
            self.draw()

    def draw(self) -> None:
        """Draw and store the figures that the study has enough data for. A placeholder replaces too large figures."""
        before = self.seconds
        with self._harmless("figures are not drawn"):
            drawn = {}
            for name, plot in _FIGURES.items():
                with contextlib.suppress(StorageError):  # not enough data yet
                    drawn[name] = plot(self._study, self._storage)
            notes = self._figure_notes()
            with self._exclusive():
                for name, figure in drawn.items():
                    # The dashboard shows no names of figures.
                    title = {"text": name.replace("-", " "), "font": {"size": 16}, "y": 0.98, "yanchor": "top"}
                    figure.update_layout(title=title, margin={"t": 100})
                    if lines := notes.get(name, ()):
                        write_above(figure, lines)
                    if len(figure.to_json()) > _MAXIMUM_FIGURE_SIZE:
                        # Replaces a figure stored when the study was smaller.
                        figure.data = []
                        figure.update_layout(
                            title_text=f"{name}: too large for the dashboard, see `llmsearch-optuna report`"
                        )
                    save_plotly_graph_object(self._study, figure, graph_object_id=name)
        self._drawing_s = self.seconds - before

    def _figure_notes(self) -> dict[str, list[str]]:
        """Return lines to stand below the titles of figures: the verdict, and why there are two importances."""
        if not self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            return {}
        verdict = current_verdict(self._study)
        return {
            "Baselines-and-best": [] if verdict is None else textwrap.wrap(safe(verdict.sentence), _SUBTITLE_WIDTH),
            "Importances": [
                "The best trials (five, or a tenth) against the rest, with 90 % intervals.",
                "Hyperparameter Importance, the dashboard's own, takes the best tenth, of few trials only one:",
                "where the two differ, trust these intervals.",
            ],
        }

    def _write_missing(self, trials: list[FrozenTrial]) -> None:
        for trial in trials:
            trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._id, trial.number)
            note = DashboardNote(self._storage, self._id, trial_id)
            if note.version > 1 or note.body.endswith(SIGNATURE):
                continue
            completions, greater_is_better = self._completions(trial.number), maximizes(self._study)
            price = stored_price(self._study)
            body = trial_note(trial, completions, self._sample_at, greater_is_better=greater_is_better, price=price)
            if note.version == 0 or body.startswith(note.body):  # else a user wrote it while the trial was running
                note.write(body)

    def _completions(self, number: int) -> list[StoredCompletion]:
        """Return a trial's completions. The last trial's are kept, because attaching and the note both need them."""
        if self._latest is None or self._latest[0] != number:
            self._latest = number, self._store.load(self._key, number)
        return self._latest[1]

    @property
    def _sample_at(self) -> dict[int, StoredSample]:
        if self._samples is None:
            self._samples = {sample.position: sample for sample in self._store.load_samples(self._key)}
        return self._samples

    def _exclusive(self) -> contextlib.AbstractContextManager[None]:
        """Keep other workers from writing the same note at the same time."""
        return advisory_lock(self._storage.engine, f"llmsearch notes {self._key}")

    @contextlib.contextmanager
    def _harmless(self, consequence: str) -> Iterator[None]:
        """Add the block's time to `seconds`, and log its error instead of raising it; see the class."""
        began = time.monotonic()
        try:
            yield
        except Exception as error:  # noqa: BLE001 - no error in a note may end a search
            reason = f"{type(error).__name__}: {error}"
            _LOG.log(logging.DEBUG if reason in self._reported else logging.WARNING, "%s: %s", consequence, reason)
            self._reported.add(reason)
        finally:
            self.seconds += time.monotonic() - began
