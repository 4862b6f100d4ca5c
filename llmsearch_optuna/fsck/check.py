"""What of a database is whole and what is not; nothing is written to it."""

import contextlib
import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.fsck.flaws import completion_flaws, listed, missing_of, parsed, study_flaws, trial_flaws
from llmsearch_optuna.fsck.inspection import Inspection, RawCompletion, RawStudy, RawTrial, inspect_database
from llmsearch_optuna.storage import SCHEMA_VERSION
from llmsearch_optuna.study.attributes import FINGERPRINT, KEY, VERDICT

__all__ = ["Findings", "Problem", "StudyFindings", "check_database"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that is not whole.

    Attributes:
        what: What is lost or wrong.
        study: The study's name; ``None`` where it is the database's problem.
        trial: The trial's number; ``None`` where it is the study's problem.
    """

    what: str
    study: str | None = None
    trial: int | None = None

    def __str__(self) -> str:
        """Where, and what."""
        where = "" if self.study is None else f"study `{self.study}`: "
        return f"{where}{'' if self.trial is None else f'trial {self.trial}: '}{self.what}"


@dataclass(frozen=True, kw_only=True)
class StudyFindings:
    """What a study holds, as far as it can be read.

    Attributes:
        name: Its name.
        ours: Whether this package made it; others are not looked into.
        trials: The number of its trials by state.
        samples: The samples of its search split.
        completions: The completions of its trials.
        held_out: The completions on its hold-out split.
        verdict: Whether it has a verdict.
    """

    name: str
    ours: bool
    trials: Mapping[str, int]
    samples: int = 0
    completions: int = 0
    held_out: int = 0
    verdict: bool = False

    def __str__(self) -> str:
        """All of it on one line."""
        if not self.ours:
            return f"study `{self.name}`: not made by llmsearch_optuna, not looked into"
        states = ", ".join(f"{count} {state}" for state, count in self.trials.items()) or "none"
        return (
            f"study `{self.name}`: trials: {states}; {self.completions} completions on {self.samples} samples, "
            f"{self.held_out} on held-out samples; {'a verdict' if self.verdict else 'no verdict'}"
        )


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What `check_database` found.

    Attributes:
        studies: What each study holds.
        notes: What is worth knowing and no problem.
        problems: What is not whole.
    """

    studies: tuple[StudyFindings, ...]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def whole(self) -> bool:
        """Whether no problem was found."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """The findings as JSON can hold them."""
        return {"whole": self.whole, **dataclasses.asdict(self)}


def check_database(url: str) -> Findings:
    """Reads all that a database holds, and says what is whole and what is not. Writes nothing.

    Args:
        url: SQLAlchemy URL, e.g. ``sqlite:///studies/x.db``.

    Raises:
        StorageError: There is no such database, or it cannot be opened at all.
    """
    with inspect_database(url) as inspection:
        check = _Check(inspection)
        check.database()
    return Findings(studies=tuple(check.studies), notes=tuple(check.notes), problems=tuple(check.problems))


class _Check:
    def __init__(self, inspection: Inspection) -> None:
        self.studies: list[StudyFindings] = []
        self.notes: list[str] = []
        self.problems: list[Problem] = []
        self._inspection = inspection

    def database(self) -> None:
        try:
            complaints = self._inspection.complaints()
        except StorageError as error:  # too damaged to be gone through
            complaints = [str(error)]
        for complaint in complaints:
            self._problem(f"the file is damaged: {complaint}")
        with self._reading("the tables"):
            stored, known = self._inspection.optuna_versions()
            if stored is None:
                self._problem("there are no tables of Optuna: it holds no study")
                return
            if stored != known:
                self._problem(f"Optuna's tables are of version {stored}, the installed Optuna knows {known}")
            version = self._inspection.version()
            if version is not None and version > SCHEMA_VERSION:
                self._problem(
                    f"a newer llmsearch_optuna made the tables (schema {version}, this one knows {SCHEMA_VERSION}): "
                    "upgrade the package; they are not looked into"
                )
                return
            if version is not None and version < SCHEMA_VERSION:
                self.notes.append(f"schema {version} will be upgraded to {SCHEMA_VERSION} when it is opened")
            keys: list[str | None] = []
            for study in self._inspection.studies():
                if KEY in study.user_attrs or FINGERPRINT in study.user_attrs:
                    keys.append(self._study(study, has_tables=version is not None))
                else:
                    self.studies.append(StudyFindings(name=study.name, ours=False, trials={}))
            if version is not None:
                self._leftovers(keys)

    def _study(self, study: RawStudy, *, has_tables: bool) -> str | None:
        """Checks one study; returns its key, if it has one."""
        trials: list[RawTrial] = []
        with self._reading("its trials", study.name):
            trials = self._inspection.trials(study)
            for what in study_flaws(study, trials):
                self._problem(what, study.name)
        key = parsed(study.user_attrs.get(KEY))
        counts = {"samples": 0, "completions": 0, "held_out": 0}
        begun = any(trial.state != "WAITING" for trial in trials)
        if begun and not has_tables:
            self._problem("its samples and completions are lost", study.name)
        if has_tables and isinstance(key, str):
            rows: dict[int, int] = {}
            with self._reading("its samples", study.name):
                rows = self._samples(study, key, begun=begun)
            counts["samples"] = len(rows)
            counts["completions"] = sum(self._trial(study, key, trial, rows) for trial in trials)
            with self._reading("its completions on held-out samples", study.name):
                counts["held_out"] = self._held_out(study, key)
            with self._reading("the trials of its completions", study.name):
                numbers = {trial.number for trial in trials}
                lost = [one[1] for one in self._inspection.sizes("llmsearch_completions") if one[0] == key]
                if trials and (lost := sorted(set(lost) - numbers)):
                    self._problem(f"trials {listed(lost)} are lost, though their completions are there", study.name)
        self.studies.append(
            StudyFindings(
                name=study.name,
                ours=True,
                trials=dict(Counter(trial.state.lower() for trial in trials)),
                verdict=VERDICT in study.user_attrs,
                **counts,
            )
        )
        return key if isinstance(key, str) else None

    def _samples(self, study: RawStudy, key: str, *, begun: bool) -> dict[int, int]:
        """Checks the samples; returns their rows in the dataset by position."""
        samples = self._inspection.samples(key)
        if positions := missing_of([sample[0] for sample in samples]):
            self._problem(f"the samples at positions {listed(positions)} are lost", study.name)
        if begun and not samples:
            self._problem("its samples are lost", study.name)
        for position, row, prompt, reference in samples:
            if not (isinstance(row, int) and isinstance(parsed(prompt), str) and isinstance(parsed(reference), dict)):
                self._problem(f"the sample at position {position} is damaged", study.name)
        return {position: row for position, row, *_ in samples}

    def _trial(self, study: RawStudy, key: str, trial: RawTrial, rows: Mapping[int, int]) -> int:
        completions: list[RawCompletion] = []
        with self._reading("its completions", study.name, trial.number):
            completions = self._inspection.completions(key, trial.number)
            flaws = trial_flaws(trial, completions, rows, objectives=max(1, len(study.directions)))
            for what in (*completion_flaws(completions), *flaws):
                self._problem(what, study.name, trial.number)
            if trial.state == "RUNNING":
                self.notes.append(
                    f"study `{study.name}`: trial {trial.number} is running, or was interrupted and will be taken up "
                    f"at {len(completions)} samples"
                )
        return len(completions)

    def _held_out(self, study: RawStudy, key: str) -> int:
        groups: dict[tuple[Any, ...], list[RawCompletion]] = defaultdict(list)
        for completion in self._inspection.held_out(key):
            groups[completion.group].append(completion)
        for (finalist, seed), own in groups.items():
            for what in completion_flaws(own):
                self._problem(f"held-out samples of finalist {finalist} with seed {seed}: {what}", study.name)
        return sum(map(len, groups.values()))

    def _leftovers(self, keys: Sequence[str | None]) -> None:
        """Tells of what belongs to no study; `keys` are those of the studies, ``None`` for one that is lost."""
        reason = "" if None in keys else ", but to one that was deleted, and do no harm"
        for table, rows in (
            ("llmsearch_completions", "completions"),
            ("llmsearch_held_out", "completions on held-out samples"),
            ("llmsearch_samples", "samples"),
        ):
            with self._reading(f"the study keys of {table}"):
                count = sum(size for key, size in self._inspection.sizes(table).items() if key[0] not in keys)
                if count:
                    self.notes.append(f"{count} {rows} belong to no study{reason}")

    def _problem(self, what: str, study: str | None = None, trial: int | None = None) -> None:
        self.problems.append(Problem(what=what, study=study, trial=trial))

    @contextlib.contextmanager
    def _reading(self, what: str, study: str | None = None, trial: int | None = None) -> Iterator[None]:
        """Goes on with the next part where this one cannot be read."""
        try:
            yield
        except StorageError as error:
            self._problem(f"{what} cannot all be read: {error}", study, trial)
