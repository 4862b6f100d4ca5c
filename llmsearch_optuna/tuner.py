"""The public interface: scores, objectives, searches and verdicts for a model, a dataset and a metric."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import datasets
import optuna

from llmsearch_optuna._version import __version__
from llmsearch_optuna.dashboard.annotations import annotations_of
from llmsearch_optuna.data.loading import as_dataset
from llmsearch_optuna.data.options import DataOptions
from llmsearch_optuna.data.prompts import read_columns
from llmsearch_optuna.data.rendering import check_rows, check_splits, encode_prompts, make_task, render_dataset
from llmsearch_optuna.data.task import Sample, check_window
from llmsearch_optuna.data.variants import PromptVariants
from llmsearch_optuna.demo.model import DEMO, demo_model_directory
from llmsearch_optuna.engine.backend import ModelLoader
from llmsearch_optuna.engine.decoding import with_default
from llmsearch_optuna.engine.function import PredictionFunction
from llmsearch_optuna.engine.generation_args import check_stop_strings, split_generation_args
from llmsearch_optuna.engine.http import OpenAIServer
from llmsearch_optuna.engine.selection import choose_backend
from llmsearch_optuna.engine.slots.statistics import ReplayStatistics
from llmsearch_optuna.engine.thinking import check_thinking, thinking_cutter
from llmsearch_optuna.metrics import Metric, ScoreRange, check_references, choose_score_range, make_metric
from llmsearch_optuna.search.baselines import baseline_trials, check_trials, parse_baselines, preset_trials
from llmsearch_optuna.search.evaluation import GenerationObjective
from llmsearch_optuna.search.first_scores import describe_example
from llmsearch_optuna.search.further_scores import check_constraints
from llmsearch_optuna.search.judging import asks_with_time, with_server, with_study_engine
from llmsearch_optuna.search.options import SearchOptions
from llmsearch_optuna.search.progress import EventCallback, holdout_progress
from llmsearch_optuna.search.renames import renamed_argument
from llmsearch_optuna.search.rungs import RungPlan, rung_sizes
from llmsearch_optuna.search.scoring import Evaluator, Score
from llmsearch_optuna.search.session import Database, find_database, lock_for_verdict, open_session
from llmsearch_optuna.search.spending import find_price
from llmsearch_optuna.search.tracking import Tracking
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.storage import CompletionStore, Storage
from llmsearch_optuna.study.attributes import RENDERED_AT
from llmsearch_optuna.study.fingerprint import build_fingerprint
from llmsearch_optuna.study.further_metrics import make_further_metrics
from llmsearch_optuna.study.objectives import SCORE, check_objectives
from llmsearch_optuna.study.study import check_fingerprint, rendering_time, stored_rendering_time, study_key
from llmsearch_optuna.verdict.holdout import HoldOut, check_verdict, confirm, update_costs
from llmsearch_optuna.verdict.verdict import Verdict

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["Tuner"]


class Tuner:
    """Search for the generation parameters that score best for a model, a dataset and a metric.

    Args:
        model: A loaded model, a directory, hub id or ``"demo"`` to load, or a function without arguments that returns
            model and tokenizer and is called after all checks that need neither. Omit it with `server`.
        tokenizer: The model's tokenizer. Required only with a loaded model.
        dataset: A DataFrame, `datasets.Dataset`, list of rows, mapping of columns, or with `take` an `IterableDataset`.
        scorer: ``(references: list[dict], completions: list[str]) -> float``, or one score per sample; or the name of a
            metric, a `Metric`, or an `evaluate` module; see `make_metric`.
        column_mapping: ``{"input_cols": [...], "eval_cols": [...]}``; optional with `messages_col`.
        prompt_template, prompt_jinja, sample_preprocessor, messages, messages_col: Exactly one; see `PromptSource`.
        device: The device to move the model to. By default a loaded model stays where it is; see also `load_model`.
        batch_size, replay_bytes: Completions at once (another number may round differently on CUDA), replay's memory.
        tokenizer_encode_args, tokenizer_decode_args, chat_template_args: See `DataOptions`.
        output_preproc: Applied to every completion before it is scored and stored; strips white space by default.
        callbacks_after_inference: Called without arguments after every call of the engine.
        is_encoder_decoder: Whether the model must be an encoder-decoder. By default this is not checked.
        further_metrics: Metrics by label that are shown, and may be constrained in `search`; each as `scorer` may be.
        greater_is_better: Whether a higher score is better. A `Metric` keeps its own direction.
        seed: Seed of the sample order and of the search.
        custom_pred_function: ``(prompts: list[str], parameters: dict) -> list[str]``; replaces the model.
        server: Replaces the model. Chat messages go to its chat endpoint, other prompts to its completions endpoint.
        backend, backend_args: ``"vllm"`` runs the model in vLLM in this process, with these arguments of ``vllm.LLM``.
        stop: Strings that end a completion, which is cut before the first of them.
        thinking: Marks of thoughts, which are not scored: ``{"start": ..., "end": ...}``; by the chat template; False.
        search_size, holdout_size, holdout_stratify_col, take, max_new_tokens_col: See `DataOptions`.
        score_range: The minimum and maximum score of a sample, the metric's own by default; others fail the trial.

    Attributes:
        dataset: The dataset with two additional columns: the prompts (`_X`) and the references (`_y`).
        task: The samples of the search split and of the hold-out split, each in the order that all trials share.
        metric, score_range, seed: As given. `score_range` is the metric's own by default; None if it has none.

    Raises:
        ConfigurationError: An argument is wrong or missing. ServerError: The server cannot be reached.
    """

    @renamed_argument("engine", "server")
    def __init__(
        self,
        *,
        model: "PreTrainedModel | str | Path | ModelLoader | None" = None,
        tokenizer: "PreTrainedTokenizerBase | None" = None,
        dataset: object,
        scorer: object,
        further_metrics: Mapping[str, object] | None = None,
        column_mapping: Mapping[str, Sequence[str]] | None = None,
        prompt_template: str | None = None,
        prompt_jinja: str | None = None,
        sample_preprocessor: Callable[..., str] | None = None,
        messages: Sequence[Mapping[str, str]] | None = None,
        messages_col: str | None = None,
        chat_template_args: Mapping[str, Any] | None = None,
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
        server: OpenAIServer | None = None,
        backend: str | None = None,
        backend_args: Mapping[str, Any] | None = None,
        stop: Sequence[str] = (),
        thinking: Mapping[str, str] | bool | None = None,
        search_size: int | None = None,
        holdout_size: int = 0,
        holdout_stratify_col: str | None = None,
        take: int | None = None,
        max_new_tokens_col: str | None = None,
        score_range: ScoreRange | None = None,
    ) -> None:
        self._source = DataOptions(
            **read_columns(column_mapping or {}, optional=messages_col is not None),
            prompt_template=prompt_template,
            prompt_jinja=prompt_jinja,
            messages=None if messages is None else tuple(messages),
            messages_col=messages_col,
            chat_template_args=chat_template_args,
            sample_preprocessor=sample_preprocessor,
            max_new_tokens_col=max_new_tokens_col,
            take=take,
            search_size=search_size,
            holdout_size=holdout_size,
            holdout_stratify_col=holdout_stratify_col,
            encode_args=tokenizer_encode_args,
            decode_args=tokenizer_decode_args,
        )
        marks, strings, rows = check_thinking(thinking), check_stop_strings(stop), as_dataset(dataset, take=take)
        metric = make_metric(scorer, greater_is_better=greater_is_better)
        check_references(metric, references := check_rows(rows, self._source))
        further = make_further_metrics(further_metrics, references)
        check_splits(rows, self._source)
        self.metric: Metric = with_server(metric)
        self.score_range = choose_score_range(self.metric, score_range)
        pending = choose_backend(
            model=demo_model_directory() if model == DEMO else model,
            tokenizer=tokenizer,
            custom_pred_function=custom_pred_function,
            server=server,
            backend=backend,
            backend_args=backend_args,
            **self._source.backend_arguments(),
            device=device,
            batch_size=batch_size,
            replay_bytes=replay_bytes,
            is_encoder_decoder=is_encoder_decoder,
            stops=bool(strings),
        )
        self.dataset = render_dataset(rows, self._source, pending.prompt_tokenizer)
        self._backend = pending.start()
        self.metric = with_study_engine(self.metric, self._backend, self._source)
        self._evaluator = Evaluator(
            engine=self._backend.engine,
            metric=self.metric,
            further_metrics=further,
            stopping=self._backend.stopping(strings),
            output_preproc=output_preproc,
            variants=PromptVariants(self.dataset, self._source, self._backend),
            thinking=thinking_cutter(marks, self.tokenizer, self._source.decode_args, self._source.has_messages),
            score_range=self.score_range,
            callbacks=tuple(callbacks_after_inference or ()),
        )
        self.seed, self._searched = seed, dict[str, Database]()
        self._samples = self._encode(self.dataset)
        self.task = make_task(self._source, self._samples, self.dataset, seed=seed)
        self._notes = self._backend.notes({sample.row: sample.token_ids for sample in self.task.samples})

    def get_score(self, generation_args: Mapping[str, Any] | GenerationParams, dataset: object | None = None) -> Score:
        """Generate the completions of all rows with one set of parameters, and score them.

        Args:
            generation_args: Generation parameters by name. For this call, also `eos_token_id` (an id or a list), `stop`
                (strings) and `stopping_criteria` (a list of `transformers.StoppingCriteria`).
            dataset: Rows with the columns of the tuner's dataset; by default all its rows, regardless of the splits.

        Raises:
            ConfigurationError: A parameter or the dataset is wrong. TrialError: The completions cannot be scored.
        """
        params, stopping = split_generation_args(generation_args, self._evaluator.stopping)
        evaluator, samples = replace(self._evaluator, stopping=stopping), self._samples
        if dataset is not None:
            rows = render_dataset(as_dataset(dataset), self._source, self.tokenizer)
            variants, samples = PromptVariants(rows, self._source, self._backend), self._encode(rows)
            evaluator = replace(evaluator, variants=variants)
        check_window(samples, self._backend.window, params.max_new_tokens)
        return evaluator.evaluate(samples, params)

    def objective(  # noqa: D417 - `SearchOptions` describes the options
        self,
        space: SearchSpace | Mapping[str, Any],
        *,
        rungs: RungPlan = 8,
        objectives: Sequence[str] = (SCORE,),
        constraints: Mapping[str, str] = MappingProxyType({}),
        price: Mapping[str, Any] | None = None,
    ) -> GenerationObjective:
        """Return an Optuna objective over the search split, for use with any ``study.optimize``.

        Args:
            space: The parameters to choose from. See `SearchOptions` for the other arguments.

        Raises:
            ConfigurationError: An option is wrong, a prompt is too long, or the server does not support a parameter.
        """
        space, names, backend = SearchSpace.of(space), check_objectives(objectives), self._backend
        rates = find_price(price, names, own_model=backend.model_name, counts_tokens=backend.counts_tokens)
        backend.check_space(space, ())
        self._evaluator.check(self.task.samples, space, backend.window)
        return GenerationObjective(
            **vars(self._evaluator),
            samples=self.task.search,
            space=space,
            rungs=rung_sizes(rungs, len(self.task.search)),
            objectives=names,
            price=rates,
            constraints=check_constraints(constraints, self._evaluator, counts_tokens=backend.counts_tokens),
            reuse=backend.repeatable,
        )

    @renamed_argument("lapse_s", "lease_timeout_s")
    def search(  # noqa: D417 - `SearchOptions` describes the options
        self,
        space: SearchSpace | Mapping[str, Any],
        *,
        n_trials: int = 50,
        timeout: float | None = None,
        max_tokens_total: int | None = None,
        price: Mapping[str, Any] | None = None,
        max_cost: float | None = None,
        patience: int | None = None,
        stop_early: bool = True,
        worthwhile: float | None = None,
        objectives: Sequence[str] = (SCORE,),
        constraints: Mapping[str, str] = MappingProxyType({}),
        storage: Storage | None = None,
        study_name: str = "llmsearch",
        sampler: str = "tpe",
        sampler_args: Mapping[str, Any] | None = None,
        pruner: str | None = None,
        pruner_args: Mapping[str, Any] | None = None,
        rungs: RungPlan = 8,
        concurrency: int | None = None,
        baselines: bool | Mapping[str, Mapping[str, Any]] = True,
        track: Mapping[str, Any] | None = None,
        presets: Sequence[GenerationParams | Mapping[str, Any]] = (),
        user_attrs: Mapping[str, Any] = MappingProxyType({}),
        lease_timeout_s: float = 60.0,
        should_stop: Callable[[], bool] = lambda: False,
        show_progress: bool = True,
        on_event: EventCallback | None = None,
    ) -> optuna.Study:
        """Run a search, or resume it where an earlier call with the same arguments stopped.

        One process at a time can search in an SQLite file. On a PostgreSQL server, any number of processes that make
        this call share the study, and take over the trials of one that died.

        Args:
            space: The parameters to choose from.
            storage: Path of an SQLite file, or SQLAlchemy URL (``postgresql+psycopg://...``); in memory by default.
            study_name: The name of the study in the storage.
            presets: Parameters of the trials after the baselines and before the sampler's first proposal.
            user_attrs: Attributes to set on the study; JSON-serialisable.
            should_stop: Called between rungs, and on another thread while a scorer takes long. True ends the search.
            show_progress: Whether to show progress on standard error.
            on_event: Called when a trial begins, passes a rung or finishes, with a JSON-serialisable dict.
            n_trials, timeout, ..., lease_timeout_s: All other arguments: see `SearchOptions`.

        Returns:
            The study. Its `best_trial` is fully evaluated and feasible. With several objectives, use `best_trials`.

        Raises:
            ConfigurationError: An argument is wrong. TrialError: Every trial failed. ServerError: The server is gone.
            FingerprintError: The study was made for another model, dataset, metric, space or other part of its scores.
            StorageError: The database cannot be used, or another process is searching it.
        """
        options = SearchOptions(
            n_trials=n_trials,
            timeout=timeout,
            max_tokens_total=max_tokens_total,
            price=price,
            max_cost=max_cost,
            patience=patience,
            stop_early=stop_early,
            worthwhile=worthwhile,
            objectives=objectives,
            constraints=constraints,
            sampler=sampler,
            sampler_args=sampler_args or {},
            pruner=pruner,
            pruner_args=pruner_args or {},
            rungs=rungs,
            concurrency=concurrency,
            baselines=baselines,
            track=track,
            lease_timeout_s=lease_timeout_s,
        )
        user_attrs = {**user_attrs, **self._keep_time(lambda: stored_rendering_time(storage, study_name))}
        backend = self._backend
        objective = self.objective(space, rungs=rungs, objectives=objectives, constraints=constraints, price=price)
        initial_trials = preset_trials(objective.space, presets)
        if baselines is not False:
            named, greedily = parse_baselines(baselines), backend.decodes_greedily()
            initial_trials[:0] = baseline_trials(objective.space, backend.default_params, greedily, named)
        check_trials(initial_trials, objective, self.task.samples, backend.window)
        backend.check_space(objective.space, [trial.params for trial in initial_trials])
        with open_session(
            storage,
            study_name,
            options,
            objective,
            seed=self.seed,
            held_out=len(self.task.holdout),
            fingerprint=self._fingerprint(objective.space),
            environment={"llmsearch_optuna": __version__, **backend.environment},
            initial_trials=initial_trials,
            user_attrs=user_attrs,
        ) as session:
            database = self._searched[session.objective.study_key] = session.database
            update_costs(session.study, database.storage, self.seed)
            session.run(
                rows=backend.concurrency,
                observers=annotations_of(session.study, database.url, database.storage),
                should_stop=should_stop,
                show_progress=show_progress,
                on_event=on_event,
            )
        backend.log_replay()
        return session.study

    def confirm(
        self,
        study: optuna.Study,
        *,
        seeds: int = 4,
        storage: Storage | None = None,
        resamples: int = 1000,
        show_progress: bool = True,
    ) -> Verdict:
        """Compare the best trial of a study with its baselines on the hold-out split, with seeds that no trial had.

        The finalists complete all held-out samples: the best trial and the reference and, if that leaves the answer
        open (see `verdict.stages`), two runners-up (of the Pareto front) and the other baselines. An interrupted call
        resumes. The last verdict is returned if it has the same finalists and was to have at least `seeds` seeds.

        Args:
            study: A study of this tuner's task; see `search`.
            seeds: Maximum number of fresh seeds for each finalist that does not decode greedily.
            storage: Path or SQLAlchemy URL of the study's database. Optional for a study that this tuner searched.
            resamples: Number of bootstrap resamples, used if the metric scores only a corpus.
            show_progress: Whether to show progress on standard error.

        Raises:
            ConfigurationError: An argument is wrong, or few samples are held out. TrialError: A finalist has no scores.
            FingerprintError: The study was made for another model, dataset, metric, direction, split or seed.
            StorageError: The database cannot be used or holds another study, or no trial is fully evaluated yet.
        """
        check_verdict(held_out=len(self.task.holdout), seeds=seeds, resamples=resamples)
        self._keep_time(lambda: rendering_time(study))
        check_fingerprint(study, self._fingerprint(), greater_is_better=self.metric.greater_is_better)
        database = find_database(study, storage, self._searched)
        split = HoldOut(
            evaluator=self._evaluator,
            samples=self.task.holdout,
            store=CompletionStore(database.storage),
            study_key=study_key(study),
            rows=self._backend.concurrency,
        )
        with lock_for_verdict(study, database), holdout_progress(enabled=show_progress) as show:
            verdict = confirm(study, split, study_seed=self.seed, seeds=seeds, resamples=resamples, on_completions=show)
            for annotations in annotations_of(study, database.url, database.storage):
                annotations.write_study_note()
            Tracking(study, database.storage).judged(verdict.sentence, verdict.figures)
            return verdict

    def diagnosis(self, space: SearchSpace | Mapping[str, Any] | None = None) -> dict[str, str]:
        """Describe what a search runs on, by topic: the engine and why it was chosen, the model, the data, the metric.

        Args:
            space: The parameters to choose from. If given, a server is tested for them, and one sample is generated.

        Raises:
            ParameterError: The server does not support a parameter.
        """
        window, space = self._backend.window, None if space is None else SearchSpace.of(space)
        return {
            "engine": self._backend.summary,
            **({} if space is None else self._backend.diagnose(space)),
            "model": self._backend.description,
            **self._notes,
            "window": str(window),
            **self.task.describe(),
            "metric": self.metric.name,
            **{f"metric {label}": metric.name for label, metric in self._evaluator.further_metrics.items()},
            **({} if space is None else describe_example(self._evaluator, self.task.search[0], space, window)),
        }

    @property
    def replay(self) -> ReplayStatistics | None:
        """The token counts of replay over all calls so far; None for an engine without replay."""
        return self._backend.replay

    @property
    def tokenizer(self) -> "PreTrainedTokenizerBase | None":
        """The tokenizer that encodes the prompts; None if only a server has it."""
        return self._backend.tokenizer

    def _encode(self, rows: datasets.Dataset) -> list[Sample]:
        return encode_prompts(rows, self.tokenizer, self._source)

    def _keep_time(self, find_time: Callable[[], datetime | None]) -> dict[str, str]:
        """Render prompts and questions that contain the time with that of the study. Return the attribute to store."""
        if not (self._source.writes_time(self.tokenizer) or asks_with_time(self.metric, self.tokenizer)):
            return {}
        time = find_time() or self._source.rendered_at
        if time != self._source.rendered_at:
            self._source = replace(self._source, rendered_at=time)
            self.dataset = render_dataset(self.dataset, self._source, self.tokenizer)
            self._samples = self._encode(self.dataset)
            self.task = make_task(self._source, self._samples, self.dataset, seed=self.seed)
            variants = PromptVariants(self.dataset, self._source, self._backend)
            self.metric = with_study_engine(self.metric, self._backend, self._source)
            self._evaluator = replace(self._evaluator, metric=self.metric, variants=variants)
        return {RENDERED_AT: time.isoformat()}

    def _fingerprint(self, space: SearchSpace | None = None) -> dict[str, Any]:
        return build_fingerprint(
            model=self._backend.identity,
            task={**self.task.fingerprint(), **self._source.fingerprint()},
            **self._evaluator.fingerprint(),
            decode_args=None if self._source.decode_args is None else with_default(self._source.decode_args),
            seed=self.seed,
            space=space,
        )
