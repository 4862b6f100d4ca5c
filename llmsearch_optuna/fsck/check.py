"""The check of a whole database for lost or damaged data, without writing to it."""

import contextlib
import dataclasses
import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.fsck.flaws import (
    completion_flaws,
    damaged_judgements,
    missing_positions,
    parsed,
    parsed_time,
    study_flaws,
    trial_flaws,
)
from llmsearch_optuna.fsck.inspection import Inspection, RawCompletion, RawStudy, RawTrial, inspect_database
from llmsearch_optuna.storage.schema import COMPLETIONS, HELD_OUT, SAMPLES
from llmsearch_optuna.storage.schema import VERSION as SCHEMA_VERSION
from llmsearch_optuna.study.attributes import FINGERPRINT, KEY, VERDICT
from llmsearch_optuna.study.price import Price
from llmsearch_optuna.terminal import listed

__all__ = ["Findings", "Problem", "StudyFindings", "check_database"]

_COPY = (
    "if this file was copied while a search was using the database, copy the file with `-wal` at the end of its name, "
    "too, or the database after the search"
)

_CLOCK_ERROR = dt.timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Lost or damaged data.

    Attributes:
        what: A description of what is lost or damaged.
        study: The study's name. None if the problem concerns the whole database.
        trial: The trial's number. None if the problem concerns the whole study.
    """

    what: str
    study: str | None = None
    trial: int | None = None

    def __str__(self) -> str:
        """Return the place of the problem and its description on one line."""
        where = "" if self.study is None else f"study `{self.study}`: "
        return f"{where}{'' if self.trial is None else f'trial {self.trial}: '}{self.what}"


@dataclass(frozen=True, kw_only=True)
class StudyFindings:
    """The contents of a study, as far as they can be read.

    Attributes:
        name: The study's name.
        ours: Whether this package made the study. Other studies are not checked.
        trials: The number of trials by state.
        samples: The number of samples in the search split.
        completions: The number of completions of trials.
        held_out: The number of completions on the hold-out split.
        verdict: Whether the study has a verdict.
    """

    name: str
    ours: bool
    trials: Mapping[str, int]
    samples: int = 0
    completions: int = 0
    held_out: int = 0
    verdict: bool = False

    def __str__(self) -> str:
        """Return the contents on one line."""
        if not self.ours:
            return f"study `{self.name}`: not made by llmsearch_optuna, not checked"
        states = ", ".join(f"{count} {state}" for state, count in self.trials.items()) or "none"
        return (
            f"study `{self.name}`: trials: {states}; {self.completions} completions on {self.samples} samples, "
            f"{self.held_out} on held-out samples; {'a verdict' if self.verdict else 'no verdict'}"
        )


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The result of `check_database`.

    Attributes:
        studies: The contents of each study.
        notes: Remarks that are no problems.
        problems: Lost or damaged data.
    """

    studies: tuple[StudyFindings, ...]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def whole(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as JSON types."""
        return {"whole": self.whole, **dataclasses.asdict(self)}


def check_database(url: str) -> Findings:
    """Read a whole database and report lost or damaged data. Nothing is written.

    Args:
        url: SQLAlchemy URL, e.g. ``sqlite:///studies/x.db``.

    Raises:
        StorageError: The database does not exist, cannot be opened, or is in memory.
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
        # The states of all trials by study key and number.
        self._trials: dict[str | None, dict[int, str]] = {}
        # The name of the first study of each key; later ones are copies.
        self._originals: dict[str, str] = {}

    def database(self) -> None:
        try:
            complaints = self._inspection.complaints()
        except StorageError as error:  # too damaged for SQLite to check
            complaints = [str(error)]
        for complaint in complaints:
            self._problem(f"the file is damaged: {complaint}")
        with self._reading("the tables"):
            stored, installed = self._inspection.optuna_versions()
            if stored is None:
                self._problem("there are no tables of Optuna: it holds no study")
                return
            if stored != installed:
                self._problem(f"Optuna's tables have version {stored}, but the installed Optuna needs {installed}")
            version = self._inspection.version()
            if version is not None and version > SCHEMA_VERSION:
                self._problem(
                    f"a newer llmsearch_optuna made the tables (schema {version}, this one supports {SCHEMA_VERSION}): "
                    "upgrade the package; they are not checked"
                )
                return
            if version is not None and version < SCHEMA_VERSION:
                self.notes.append(f"schema {version} will be upgraded to {SCHEMA_VERSION} when it is opened")
            keys: list[str | None] = []
            studies = self._inspection.studies()
            if not studies:
                self._empty()
            for study in studies:
                if KEY in study.user_attrs or FINGERPRINT in study.user_attrs:
                    keys.append(self._study(study, has_tables=version is not None))
                else:
                    self.studies.append(StudyFindings(name=study.name, ours=False, trials={}))
            if version is not None:
                self._leftovers(keys)
                self._leases(keys)

    def _study(self, study: RawStudy, *, has_tables: bool) -> str | None:
        """Check one study. Return its key, if it has one."""
        trials: list[RawTrial] = []
        with self._reading("its trials", study.name):
            trials = self._inspection.trials(study)
            for what in study_flaws(study, trials):
                self._problem(what, study.name)
        if not trials and self._inspection.without_log:
            self.notes.append(f"study `{study.name}`: it has no trials: {_COPY}")
        stored_key = parsed(study.user_attrs.get(KEY))
        key = stored_key if isinstance(stored_key, str) else None
        self._trials.setdefault(key, {trial.number: trial.state for trial in trials})
        original = study.name if key is None else self._originals.setdefault(key, study.name)
        if original != study.name:
            self.notes.append(
                f"study `{study.name}`: it is a copy of study `{original}`, with which it shares its completions: only "
                "the original can be resumed"
            )
        rows: dict[int, int] = {}
        completions = held_out = 0
        begun = any(trial.state != "WAITING" for trial in trials)
        if begun and not has_tables:
            self._problem("its samples and completions are lost", study.name)
        if has_tables and key is not None:
            with self._reading("its samples", study.name):
                rows = self._samples(study, key, begun=begun)
            completions = sum(self._trial(study, key, trial, rows) for trial in trials)
            with self._reading("its completions on held-out samples", study.name):
                held_out = self._held_out(study, key)
            with self._reading("the trials of its completions", study.name):
                numbers = {trial.number for trial in trials}
                stored = {group[1] for group in self._inspection.sizes(COMPLETIONS.name) if group[0] == key}
                if trials and original == study.name and (lost := sorted(stored - numbers)):
                    self._problem(f"trials {listed(lost)} are lost, though their completions are stored", study.name)
            with self._reading("its judgements", study.name):
                if damaged := damaged_judgements(self._inspection.judgements(key)):
                    self._problem(f"the judgements {listed(damaged)} cannot be read", study.name)
        self.studies.append(
            StudyFindings(
                name=study.name,
                ours=True,
                trials=dict(Counter(trial.state.lower() for trial in trials)),
                samples=len(rows),
                completions=completions,
                held_out=held_out,
                verdict=VERDICT in study.user_attrs,
            )
        )
        return key

    def _samples(self, study: RawStudy, key: str, *, begun: bool) -> dict[int, int]:
        """Check the samples. Return their dataset rows by position."""
        samples = self._inspection.samples(key)
        if positions := missing_positions([sample[0] for sample in samples]):
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
            flaws = trial_flaws(
                trial, completions, rows, objectives=max(1, len(study.directions)), price=_objective_price(study)
            )
            for what in (*completion_flaws(completions), *flaws):
                self._problem(what, study.name, trial.number)
            if trial.state == "RUNNING":
                self.notes.append(
                    f"study `{study.name}`: trial {trial.number} is running, or was interrupted and will be resumed "
                    f"at {len(completions)} samples"
                )
        return len(completions)

    def _held_out(self, study: RawStudy, key: str) -> int:
        groups: dict[tuple[Any, ...], list[RawCompletion]] = defaultdict(list)
        for completion in self._inspection.held_out(key):
            groups[completion.group].append(completion)
        for (finalist, seed), completions in groups.items():
            for what in completion_flaws(completions):
                self._problem(f"held-out samples of finalist {finalist} with seed {seed}: {what}", study.name)
        return sum(map(len, groups.values()))

    def _leftovers(self, keys: Sequence[str | None]) -> None:
        """Note the rows that belong to no study. `keys` are the keys of all studies; None for a key that is lost."""
        reason = "" if None in keys else ": it was deleted, and they do no harm"
        for table, rows in (
            (COMPLETIONS.name, "completions"),
            (HELD_OUT.name, "completions on held-out samples"),
            (SAMPLES.name, "samples"),
        ):
            with self._reading(f"the study keys of {table}"):
                count = sum(size for key, size in self._inspection.sizes(table).items() if key[0] not in keys)
                if count:
                    self.notes.append(f"{count} {rows} belong to no study{reason}")

    def _empty(self) -> None:
        """Report a database without studies: lost studies if it may be a copy without its log."""
        if self._inspection.without_log:
            self._problem(f"it holds no study: {_COPY}")
        else:
            self.notes.append("it holds no study")

    def _leases(self, keys: Sequence[str | None]) -> None:
        """Check the leases of workers. Those of other studies or of trials that do not run do no harm."""
        with self._reading("the leases of workers"):
            leases, now = self._inspection.leases(), parsed_time(self._inspection.now())
            for key, number, worker, renewed in leases:
                state = self._trials.get(key, {}).get(number)
                if key not in keys or state != "RUNNING":
                    is_lost = "belongs to no study" if key not in keys else f"is {(state or 'lost').lower()}"
                    self.notes.append(f"a lease on trial {number}, which {is_lost}, was left behind: it does no harm")
                    continue
                time = parsed_time(renewed)
                what = f"trial {number} is leased to worker {worker}"
                if time is None:
                    self._problem(f"{what}, but the time of its last renewal cannot be read: {renewed!r}")
                elif now is not None and time > now + _CLOCK_ERROR:
                    self._problem(
                        f"{what} and was last renewed at {renewed}, in the future of the database's clock ({now}): no "
                        "other worker can take the trial over before that time; correct the server's clock"
                    )
                else:
                    self.notes.append(f"{what}, which last renewed the lease at {renewed}")

    def _problem(self, what: str, study: str | None = None, trial: int | None = None) -> None:
        self.problems.append(Problem(what=what, study=study, trial=trial))

    @contextlib.contextmanager
    def _reading(self, what: str, study: str | None = None, trial: int | None = None) -> Iterator[None]:
        """Report a part that cannot be read, and continue with the next one."""
        try:
            yield
        except StorageError as error:
            self._problem(f"{what} cannot be read completely: {error}", study, trial)


def _objective_price(study: RawStudy) -> Price | None:
    """Return the price of tokens if their cost is an objective and the price can be read, else None."""
    fingerprint = parsed(study.user_attrs.get(FINGERPRINT))
    try:
        return Price.from_dict(fingerprint["price"])
    except (KeyError, TypeError, AttributeError):
        return None
