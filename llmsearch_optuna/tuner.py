"""The public face: a model, a dataset and a metric; scores, objectives and searches."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import datasets
import optuna
from optuna.storages import RDBStorage

from llmsearch_optuna._version import __version__
from llmsearch_optuna.dashboard.annotations import Annotations, artifact_directory
from llmsearch_optuna.data.loading import as_dataset
from llmsearch_optuna.data.prompts import PromptSource, read_columns
from llmsearch_optuna.data.rendering import check_rows, encode_prompts, read_strata, render_dataset, token_limits
from llmsearch_optuna.data.task import Sample, Task, check_window
from llmsearch_optuna.engine.base import Stopping
from llmsearch_optuna.engine.function import PredictionFunction
from llmsearch_optuna.engine.http import OpenAIServer
from llmsearch_optuna.engine.selection import choose_generator
from llmsearch_optuna.engine.stopping import split_generation_args, stop_texts
from llmsearch_optuna.errors import ConfigurationError, MetricError, StorageError, TaskError
from llmsearch_optuna.identity import identify
from llmsearch_optuna.metrics import (
    CorpusMetric,
    Metric,
    ScoreRange,
    check_references,
    check_score_range,
    known_range,
    make_metric,
)
from llmsearch_optuna.search.baselines import baseline_points, preset_points
from llmsearch_optuna.search.evaluation import GenerationObjective, RungPlan, rung_sizes
from llmsearch_optuna.search.limits import Limits
from llmsearch_optuna.search.loop import run_search
from llmsearch_optuna.search.observers import SearchObserver, SearchObservers
from llmsearch_optuna.search.paired_pruner import PairedPruner
from llmsearch_optuna.search.progress import EventCallback, SearchProgress, holdout_progress
from llmsearch_optuna.search.pruners import make_pruner
from llmsearch_optuna.search.samplers import Proposer
from llmsearch_optuna.search.scores import ScoreReader, reported_scores
from llmsearch_optuna.search.scoring import processed_text, request_of
from llmsearch_optuna.search.session import open_session
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.storage import (
    CompletionStore,
    advisory_lock,
    exclusive_use,
    readable_errors,
)
from llmsearch_optuna.study.objectives import SCORE, TOKENS, check_combination, check_objectives
from llmsearch_optuna.study.study import (
    check_fingerprint,
    keep_concurrency,
    open_study,
    study_key,
)
from llmsearch_optuna.verdict.holdout import HoldOut, confirm
from llmsearch_optuna.verdict.verdict import Verdict, no_holdout

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from llmsearch_optuna.engine.slots.engine import ReplayStatistics

__all__ = ["Score", "Tuner"]

_LOG = logging.getLogger(__name__)


class Score(NamedTuple):
    """What `Tuner.get_score` gives.

    Attributes:
        value: The metric over all samples.
        outputs: The completions, in the order of the rows.
    """

    value: float
    outputs: list[str]


class Tuner:
    """Finds the generation parameters that score best for a model, a dataset and a metric.

    Args:
        model: A loaded model, or a directory or hub id to load. Left out with `engine`, and if need be with
            `custom_pred_function`.
        tokenizer: Its tokenizer; comes with a `model` that is given by name. Not needed with `engine`.
        dataset: A `datasets.Dataset`, a list of rows, a mapping of columns, or, with `take`, a
            `datasets.IterableDataset`.
        scorer: ``(y_true: list[dict], y_pred: list[str]) -> float``, or one score per sample; or the name of a metric,
            a `Metric`, or an `evaluate` module.
        column_mapping: ``{"input_cols": [...], "eval_cols": [...]}``: columns of the prompt, and of the reference. With
            `messages_col` there are no input columns, and without evaluation columns the reference is the assistant's
            last message, as the column ``reference``.
        prompt_template: ``str.format`` template over the input columns.
        sample_preprocessor: ``(tokenizer, **columns) -> prompt``.
        messages: Chat messages (role and ``str.format`` content).
        messages_col: Column that holds each row's own chat messages (role and content). A last message of the assistant
            is left out of the prompt. Exactly one of these four must be given.
        device: Where the model shall be; where it is already, by default.
        batch_size: Rows that are generated at once; halved when memory runs out. Completions do not depend on it.
        replay_bytes: Memory for continuations that trials have in common, which are then not computed again; 0 turns
            this off. By default a quarter of what is free where the model is. Completions do not depend on it.
        tokenizer_encode_args: The tokenizer's keyword arguments for prompts; see `encode_prompts` for the default.
        tokenizer_decode_args: The tokenizer's keyword arguments for completions; ``{"skip_special_tokens": True}`` by
            default.
        output_preproc: Applied to every completion before it is scored; strips white space by default.
        callbacks_after_inference: Called without arguments after every generation pass.
        is_encoder_decoder: Whether the model is an encoder-decoder; read off the model by default.
        greater_is_better: Whether a higher score is better.
        seed: Seed of the sample order and of the search.
        custom_pred_function: ``(prompts, generation parameters) -> completions``, in place of the model.
        engine: A server that generates, in place of the model. Chat messages go to its chat endpoint, all other prompts
            to its completions endpoint, as texts. `batch_size` is its business.
        stop: Texts that end a completion; it is cut before the first of them.
        search_size: Samples that trials see; all that the hold-out split leaves by default.
        holdout_size: Samples that no trial sees.
        holdout_stratify_col: Column whose values shall have the same shares of the hold-out split as of all samples
            that are used, as near as whole numbers come.
        take: Use only the first so many rows of the dataset; needed for a stream, of which no more are read.
        max_new_tokens_col: Column that holds the most tokens that each row's completion may have; the lesser of this
            and the trial's own `max_new_tokens` counts.
        score_range: The least and the largest score that the scorer gives a sample; the built-in metrics tell theirs.
            A trial with a score outside fails.

    Attributes:
        dataset: The dataset with the prompts (`_X`) and references (`_y`).
        task: The samples in their shared order, split.
        metric: The metric.
        score_range: The range of its scores, if it is known.

    Raises:
        ConfigurationError: An argument is wrong or missing; one line says which and what to change.
    """

    def __init__(
        self,
        *,
        model: "PreTrainedModel | str | None" = None,
        tokenizer: "PreTrainedTokenizerBase | None" = None,
        dataset: object,
        scorer: object,
        column_mapping: Mapping[str, Sequence[str]] | None = None,
        prompt_template: str | None = None,
        sample_preprocessor: Callable[..., str] | None = None,
        messages: Sequence[Mapping[str, str]] | None = None,
        messages_col: str | None = None,
        device: str | None = None,
        batch_size: int = 64,
        replay_bytes: int | None = None,
        tokenizer_encode_args: Mapping[str, Any] | None = None,
        tokenizer_decode_args: Mapping[str, Any] | None = None,
        output_preproc: Callable[[str], str] = str.strip,
        callbacks_after_inference: Sequence[Callable[[], object]] | None = None,
        is_encoder_decoder: bool | None = None,
        greater_is_better: bool = True,
        seed: int = 42,
        custom_pred_function: PredictionFunction | None = None,
        engine: OpenAIServer | None = None,
        stop: Sequence[str] = (),
        search_size: int | None = None,
        holdout_size: int = 0,
        holdout_stratify_col: str | None = None,
        take: int | None = None,
        max_new_tokens_col: str | None = None,
        score_range: ScoreRange | None = None,
    ) -> None:
        strings = stop_texts(stop)
        if holdout_stratify_col is not None and holdout_size == 0:
            raise TaskError(
                "holdout_stratify_col has no effect without holdout_size: hold samples out, or leave it out"
            )
        self._source = PromptSource(
            **read_columns(column_mapping or {}, optional=messages_col is not None),
            prompt_template=prompt_template,
            messages=None if messages is None else tuple(messages),
            messages_col=messages_col,
            sample_preprocessor=sample_preprocessor,
            max_new_tokens_col=max_new_tokens_col,
        )
        rows = as_dataset(dataset, take=take)
        strata = None if holdout_stratify_col is None else read_strata(rows, holdout_stratify_col)
        self.metric: Metric = make_metric(scorer, greater_is_better=greater_is_better)
        check_references(self.metric, check_rows(rows, self._source))
        self.score_range = _score_range(self.metric, score_range)
        generator = choose_generator(
            model=model,
            tokenizer=tokenizer,
            custom_pred_function=custom_pred_function,
            server=engine,
            has_messages=self._source.has_messages,
            begins_the_answer=self._source.begins_the_answer,
            device=device,
            batch_size=batch_size,
            replay_bytes=replay_bytes,
            encode_args=tokenizer_encode_args,
            decode_args=tokenizer_decode_args,
            is_encoder_decoder=is_encoder_decoder,
            stops=bool(strings),
        )
        self._encode_args = tokenizer_encode_args
        self.dataset = render_dataset(rows, self._source, generator.writer)
        self._backend = generator.start()
        self._stopping = Stopping(eos_token_ids=self._backend.eos_token_ids, strings=strings)
        self._output_preproc = output_preproc
        self._decode_args = tokenizer_decode_args
        self._callbacks = tuple(callbacks_after_inference or ())
        self.seed = seed
        self._searched: dict[str, tuple[str | None, RDBStorage]] = {}
        self.task = Task.split(
            self._encode(self.dataset),
            seed=seed,
            search_size=search_size,
            holdout_size=holdout_size,
            holdout_stratify_col=holdout_stratify_col,
            strata=strata,
        )

    def get_score(self, generation_args: Mapping[str, Any] | GenerationParams, dataset: object | None = None) -> Score:
        """Generates with one set of parameters and scores all samples.

        Args:
            generation_args: Generation parameters by name; also `eos_token_id` (an id or a list), `stop` (texts) and
                `stopping_criteria` (a list, as llmsearch takes it) for this call.
            dataset: Rows to score instead of the tuner's own, with the same columns.

        Returns:
            The score, and the completions in the order of the rows.

        Raises:
            ConfigurationError: A parameter or the dataset is wrong.
            TrialError: The completions cannot be scored.
        """
        if isinstance(generation_args, GenerationParams):
            params, stopping = generation_args, self._stopping
        else:
            params, stopping = split_generation_args(generation_args, self._stopping)
        rows = self.dataset if dataset is None else render_dataset(as_dataset(dataset), self._source, self.tokenizer)
        samples = self._encode(rows)
        check_window(samples, self._backend.window, params.max_new_tokens)
        completions = self._backend.engine.generate([request_of(sample, params, stopping) for sample in samples])
        self._after_generation()
        outputs = [
            processed_text(self._output_preproc, sample, completion)
            for sample, completion in zip(samples, completions, strict=True)
        ]
        return Score(self.metric([sample.reference for sample in samples], outputs).value, outputs)

    def objective(
        self, space: SearchSpace, *, rungs: RungPlan = 8, objectives: Sequence[str] = (SCORE,)
    ) -> GenerationObjective:
        """A plain Optuna objective over the search split, for anybody's ``study.optimize``.

        Args:
            space: What a trial samples from.
            rungs: When a trial reports and may be pruned: every so many samples, at these numbers of samples, or
                ``"doubling"``.
            objectives: See `search`.

        Raises:
            ConfigurationError: The rungs or the objectives are wrong, a prompt and its completion exceed the model's
                window, or the server that generates does not serve a parameter.
        """
        names = check_objectives(objectives)
        if TOKENS in names and not self._backend.counts_tokens:
            raise ConfigurationError(
                f"`{TOKENS}` cannot be an objective with custom_pred_function, whose tokens are not known: leave it out"
            )
        self._check_space(space)
        check_window((*self.task.search, *self.task.holdout), self._backend.window, space.longest_completion())
        return GenerationObjective(
            engine=self._backend.engine,
            samples=self.task.search,
            metric=self.metric,
            space=space,
            stopping=self._stopping,
            rungs=rung_sizes(rungs, len(self.task.search)),
            objectives=names,
            output_preproc=self._output_preproc,
            score_range=self.score_range,
            after_generation=self._after_generation,
        )

    def search(
        self,
        space: SearchSpace,
        *,
        n_trials: int = 50,
        timeout: float | None = None,
        max_tokens_total: int | None = None,
        patience: int | None = None,
        objectives: Sequence[str] = (SCORE,),
        storage: str | None = None,
        study_name: str = "llmsearch",
        sampler: str = "tpe",
        sampler_args: Mapping[str, Any] | None = None,
        pruner: str | None = None,
        pruner_args: Mapping[str, Any] | None = None,
        rungs: RungPlan = 8,
        concurrency: int | None = None,
        baselines: bool = True,
        presets: Sequence[GenerationParams | Mapping[str, Any]] = (),
        user_attrs: Mapping[str, Any] = MappingProxyType({}),
        lease_timeout_s: float = 60.0,
        should_stop: Callable[[], bool] = lambda: False,
        show_progress: bool = True,
        on_event: EventCallback | None = None,
    ) -> optuna.Study:
        """Searches, and resumes where an earlier call with the same arguments stopped.

        In an SQLite file, one process searches at a time. On a PostgreSQL server, any number of processes that make
        this call share the study: each evaluates trials of its own, sees the results of all, and takes over what
        one that died has left.

        Args:
            space: What may be chosen.
            n_trials: Finished trials wanted in total, those of earlier calls and the baselines included.
            timeout: Stop after so many seconds.
            max_tokens_total: Stop when so many tokens are generated, those of earlier calls included; looked at when
                all trials in flight have passed a rung. What is in flight then, or at the timeout, stays in the
                storage, and a later call takes it up.
            patience: Stop after so many proposals in a row that did not beat the best trial (by the pruner's margin):
                with 95 % confidence, the next one would have with chance 3 / `patience` at most, as far as proposals
                are alike. With the paired pruner, the search also stops when no score at all could.
            objectives: What is optimised: ``("score",)``, or ``("score", "tokens")``: also as few generated tokens per
                sample as possible, so that the study has a Pareto front (``study.best_trials``). Then every trial is
                fully evaluated, as none is shown to be worse in both by a few samples.
            storage: SQLAlchemy URL, ``sqlite:///studies/x.db`` or ``postgresql+psycopg://user@host/database``; in
                memory by default.
            study_name: The study's name in the storage.
            sampler: ``"tpe"``, ``"gp"``, ``"random"``, ``"grid"``, ``"qmc"``, ``"cmaes"`` or ``"nsga2"``;
                with several objectives not ``"cmaes"``.
            sampler_args: Arguments of the Optuna sampler.
            pruner: ``"paired"``, ``"median"``, ``"percentile"``, ``"hyperband"``, ``"successive-halving"`` or
                ``"none"``. By default ``"paired"``; ``"median"`` where the metric scores no single samples, and
                ``"none"``, which is then the only one, with several objectives.
            pruner_args: Arguments of `PairedPruner` (`alpha`, `margin`), or of the Optuna pruner.
            rungs: See `objective`.
            concurrency: Trials in flight, whose rungs are generated in one batch. By default as many as fill
                `batch_size` rows with their next two rungs, or as the study was begun with. More are faster; fewer let
                the sampler know more results before it proposes.
            baselines: Try the model's own parameters and greedy decoding first.
            presets: Parameters to try next.
            user_attrs: Attributes to set on the study, as JSON can hold them.
            lease_timeout_s: On a server: after how many seconds without a sign of life a process's trials are taken over.
            should_stop: Asked after every rung; ends the search, as the timeout does.
            show_progress: Whether to show progress on standard error.
            on_event: Told of trials that begin, pass a rung, and finish, as JSON can hold it.

        Returns:
            The study; its best trial is always a fully evaluated one. With several objectives it has `best_trials`.

        Raises:
            ConfigurationError: An argument is wrong.
            FingerprintError: The study exists and was made for another model, dataset, metric, space, split or seed, or
                for other objectives.
            StorageError: The database cannot be used, or another process is searching it.
            TrialError: Every trial failed.
        """
        limits = Limits(n_trials=n_trials, timeout=timeout, max_tokens_total=max_tokens_total, patience=patience)
        if concurrency is not None and concurrency < 1:
            raise ConfigurationError(f"concurrency must be >= 1, got {concurrency}")
        if not lease_timeout_s > 0.0:
            raise ConfigurationError(f"lease_timeout_s must be > 0 seconds, got {lease_timeout_s}")
        objective = self.objective(space, rungs=rungs, objectives=objectives)
        check_combination(objective.objectives, sampler=sampler, pruner=pruner, patience=patience)
        if len(objective.objectives) > 1:
            pruner = "none"
            _LOG.info("several objectives: nothing is pruned")
        proposer = Proposer(name=sampler, space=space, seed=self.seed, arguments=dict(sampler_args or {}))
        self._pruner(pruner, objective.rungs, pruner_args)  # refuses what is wrong before there is a database
        if pruner is None and isinstance(self.metric, CorpusMetric):
            _LOG.info("%s scores no single samples: the median pruner takes the paired one's place", self.metric.name)
        points = [
            *(baseline_points(space, self._backend.default_params) if baselines else ()),
            *preset_points(space, presets),
        ]
        self._check_space(space, [point.params for point in points])
        longest = max((point.params.max_new_tokens for point in points), default=0)
        check_window((*self.task.search, *self.task.holdout), self._backend.window, longest)
        with open_session(
            storage,
            study_name,
            greater_is_better=self.metric.greater_is_better,
            fingerprint=self._fingerprint(space),
            objectives=objective.objectives,
            environment={"llmsearch_optuna": __version__, **self._backend.environment},
            samples=self.task.search,
            initial_trials=points[:n_trials],
            user_attrs=user_attrs,
            lease_timeout_s=lease_timeout_s,
        ) as session:
            study = session.study
            self._searched[session.study_key] = (storage, session.storage)
            study.pruner = self._pruner(pruner, objective.rungs, pruner_args, session.scores)
            if isinstance(study.pruner, PairedPruner):
                limits = dataclasses.replace(limits, margin=study.pruner.margin, score_range=self.score_range)
            by_default = _filling(self._backend.rows, objective.rungs)
            progress = SearchProgress(
                study,
                samples=len(self.task.search),
                n_trials=n_trials,
                enabled=show_progress,
                on_event=on_event,
            )
            observers: list[SearchObserver] = [session.scores]
            if storage is not None:
                observers.append(Annotations(study, session.storage, artifact_directory(storage)))
            observers.append(progress)
            with progress:
                run_search(
                    study,
                    session.storage,
                    dataclasses.replace(
                        objective,
                        store=session.store,
                        study_key=session.study_key,
                        reuse=self._backend.repeatable,
                    ),
                    dataclasses.replace(proposer, scores=session.scores),
                    limits=limits,
                    concurrency=concurrency or by_default
                    if session.claims.shared
                    else keep_concurrency(study, concurrency, by_default),
                    claims=session.claims,
                    should_stop=should_stop,
                    observer=SearchObservers(observers),
                )
        if self.replay is not None:
            _LOG.info("replay: %s", self.replay)
        return study

    def confirm(
        self,
        study: optuna.Study,
        *,
        seeds: int = 4,
        storage: str | None = None,
        resamples: int = 1000,
        show_progress: bool = True,
    ) -> Verdict:
        """Compares the best of a study with its baselines on the hold-out split, with seeds that no trial had.

        The best, two runners-up (with several objectives: two others of the front) and the baselines generate on every
        held-out sample. Completions, scores and verdict are kept in the study's database: an interrupted call is taken
        up there, and a study whose finalists did not change since has the same verdict at once.

        Args:
            study: A study of this tuner's task; see `search`.
            seeds: Fresh seeds per finalist that samples; a verdict on the same finalists that has more is kept.
            storage: Where the study lives; may be left out for a study that this tuner searched.
            resamples: How often the bootstrap draws, where the metric scores only a corpus.
            show_progress: Whether to show progress on standard error.

        Raises:
            ConfigurationError: An argument is wrong, or fewer than two samples are held out.
            FingerprintError: The study was made for another model, dataset, metric, split or seed.
            StorageError: The database cannot be used or holds another study, or no trial is fully evaluated yet.
            TrialError: The completions of a finalist cannot be generated or scored.
        """
        for name, value, least in (("seeds", seeds, 1), ("resamples", resamples, 100)):
            if value < least:
                raise ConfigurationError(f"`{name}` must be >= {least}, got {value}")
        if len(self.task.holdout) < 2:
            raise TaskError(no_holdout(len(self.task.holdout)))
        check_fingerprint(study, self._fingerprint())
        if storage is not None:
            same, database = open_study(storage, study.study_name)
            if study_key(same) != study_key(study):
                raise StorageError(f"`storage` holds another study of the name `{study.study_name}`")
        elif study_key(study) in self._searched:
            storage, database = self._searched[study_key(study)]
        else:
            raise ConfigurationError("`storage` must say where the study lives, as this tuner did not search it")
        hold_out = HoldOut(
            engine=self._backend.engine,
            samples=self.task.holdout,
            metric=self.metric,
            score_range=self.score_range,
            stopping=self._stopping,
            output_preproc=self._output_preproc,
            store=CompletionStore(database),
            study_key=study_key(study),
            rows=self._backend.rows,
            after_generation=self._after_generation,
        )
        with (
            exclusive_use(storage),
            readable_errors(database.engine.url),
            advisory_lock(database.engine, f"llmsearch verdict {study_key(study)}"),
            holdout_progress(enabled=show_progress) as on_completions,
        ):
            verdict = confirm(
                study,
                hold_out,
                study_seed=self.seed,
                seeds=seeds,
                resamples=resamples,
                on_completions=on_completions,
            )
            if storage is not None:
                Annotations(study, database, artifact_directory(storage)).write_study_note()
            return verdict

    def diagnosis(self, space: SearchSpace | None = None) -> dict[str, str]:
        """What a search runs on, by name: the engine and why it is this one, the model, the data, the metric.

        Args:
            space: What shall be searched: a server is asked whether it serves that.

        Raises:
            ParameterError: It does not.
        """
        samples = (*self.task.search, *self.task.holdout)
        unit = "characters" if self.tokenizer is None else "tokens"
        limits = [one.max_new_tokens for one in samples if one.max_new_tokens is not None]
        unserved = [f"{name} = {value}" for name, value in self._backend.left_out.items()]
        prompts = [len(one.prompt if self.tokenizer is None else one.token_ids) for one in samples]
        return {
            "engine": self._backend.path,
            **({} if space is None else self._check_space(space)),
            "model": self._backend.description,
            **({"left out": f"{', '.join(unserved)}, which its generation config asks for"} if unserved else {}),
            "window": "no limit is known" if self._backend.window is None else f"{self._backend.window} tokens",
            "data": f"{len(self.task.search)} samples to search on, {len(self.task.holdout)} held out",
            "prompts": f"{min(prompts)} to {max(prompts)} {unit}, {sum(prompts) / len(prompts):.0f} on average",
            **({"length limits": f"{min(limits)} to {max(limits)} new tokens, by row"} if limits else {}),
            "metric": self.metric.name,
        }

    @property
    def replay(self) -> "ReplayStatistics | None":
        """How many tokens needed no forward pass so far; ``None`` for an engine that cannot replay."""
        return self._backend.replay

    @property
    def tokenizer(self) -> "PreTrainedTokenizerBase | None":
        """The tokenizer that encodes the prompts; ``None`` where only a server has it."""
        return self._backend.tokenizer

    def _encode(self, rows: datasets.Dataset) -> list[Sample]:
        return encode_prompts(
            rows,
            self._backend.tokenizer,
            is_chat=self._source.is_chat,
            encode_args=self._encode_args,
            limits=token_limits(rows, self._source),
        )

    def _check_space(self, space: SearchSpace, further: Sequence[GenerationParams] = ()) -> dict[str, str]:
        """What an engine that does not serve every parameter says of these, by topic."""
        return {} if self._backend.check_space is None else self._backend.check_space(space, further)

    def _after_generation(self) -> None:
        for callback in self._callbacks:
            callback()

    def _fingerprint(self, space: SearchSpace | None = None) -> dict[str, str]:
        parts = {
            "model": self._backend.identity,
            **self.task.fingerprint(),
            "metric": self.metric.name,
            "output_preproc": identify(self._output_preproc),
            "tokenizer_decode_args": repr(self._decode_args),
            "stopping": repr(self._stopping),
            "seed": str(self.seed),
        }
        return parts if space is None else {**parts, "space": repr(space)}

    def _pruner(
        self,
        name: str | None,
        rungs: Sequence[int],
        arguments: Mapping[str, Any] | None,
        scores: ScoreReader = reported_scores,
    ) -> optuna.pruners.BasePruner:
        corpus_only = isinstance(self.metric, CorpusMetric)
        return make_pruner(name, rungs, arguments, scores=scores, score_range=self.score_range, corpus_only=corpus_only)


def _filling(rows: int, rungs: Sequence[int]) -> int:
    """How many trials fill so many rows, as the engine begins on the rung after the next one where there is room."""
    return max(1, rows // rungs[min(1, len(rungs) - 1)])


def _score_range(metric: Metric, declared: ScoreRange | None) -> ScoreRange | None:
    if declared is None:
        return known_range(metric)
    if isinstance(metric, CorpusMetric):
        raise MetricError(f"metric `{metric.name}` scores no single samples: leave `score_range` out")
    return check_score_range(declared)
