"""From a checked study file to its `Tuner`, its search, its verdict and its landscape."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import datasets
import optuna

from llmsearch_optuna.data.loading import as_dataset, load_data
from llmsearch_optuna.data.prompts import PromptSource
from llmsearch_optuna.data.rendering import check_rows, read_strata
from llmsearch_optuna.demo.dataset import demo_samples
from llmsearch_optuna.demo.model import demo_model_directory
from llmsearch_optuna.engine.http import OpenAIServer
from llmsearch_optuna.engine.loading import LoadedModel, load_model
from llmsearch_optuna.errors import ConfigurationError, StorageError, TaskError
from llmsearch_optuna.export.landscape import Landscape
from llmsearch_optuna.metrics import CorpusMetric, check_references, make_metric
from llmsearch_optuna.search.progress import EventCallback
from llmsearch_optuna.search.pruners import make_pruner
from llmsearch_optuna.space.presets import presets
from llmsearch_optuna.storage import CompletionStore, sqlite_url
from llmsearch_optuna.study.attributes import STUDY_FILE
from llmsearch_optuna.study.objectives import SCORE
from llmsearch_optuna.study.study import open_study
from llmsearch_optuna.study_file.file import DEMO_DATA, StudyFile
from llmsearch_optuna.study_file.sections import Choice, ModelSection, PrunerChoice
from llmsearch_optuna.tuner import Tuner
from llmsearch_optuna.verdict.verdict import Verdict, no_holdout

__all__ = ["build_tuner", "confirm", "record", "search"]

_DEMO = "demo"
_DEMO_SIZE = 48


def build_tuner(file: StudyFile) -> Tuner:
    """Loads metric, data and model, the cheap ones first.

    Raises:
        ConfigurationError: One of them cannot be had, or they do not fit together.
    """
    metric = make_metric(file.metric.name, **file.metric.arguments)
    data = file.data
    source = PromptSource(
        input_cols=tuple(data.input_cols or ()),
        eval_cols=None if data.eval_cols is None else tuple(data.eval_cols),
        prompt_template=data.prompt_template,
        messages=None if data.messages is None else tuple(data.messages),
        messages_col=data.messages_col,
        max_new_tokens_col=data.max_new_tokens_col,
    )
    rows = _rows(file)
    check_references(metric, check_rows(rows, source))
    if data.holdout_stratify_col is not None:
        read_strata(rows, data.holdout_stratify_col)
    make_pruner(file.pruner.name, (1, 2), file.pruner.arguments, corpus_only=isinstance(metric, CorpusMetric))
    generator: dict[str, Any]
    if file.model is None:
        generator = {"engine": _server(file)}
    else:
        loaded = _model(file.model, file.directory)
        generator = {
            "model": loaded.model,
            "tokenizer": loaded.tokenizer,
            "batch_size": file.model.batch_size,
            "replay_bytes": file.model.replay_bytes,
        }
    return Tuner(
        **generator,
        dataset=rows,
        scorer=metric,
        column_mapping={
            "input_cols": source.input_cols,
            **({} if source.eval_cols is None else {"eval_cols": source.eval_cols}),
        },
        prompt_template=data.prompt_template,
        messages=data.messages,
        messages_col=data.messages_col,
        tokenizer_encode_args=data.encode_args,
        tokenizer_decode_args=data.decode_args,
        seed=file.study.seed,
        stop=file.generation.stop,
        search_size=data.search_size,
        holdout_size=data.holdout_size,
        holdout_stratify_col=data.holdout_stratify_col,
        max_new_tokens_col=data.max_new_tokens_col,
        score_range=file.score_range,
    )


def search(
    file: StudyFile,
    tuner: Tuner,
    *,
    n_trials: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    show_progress: bool = True,
    on_event: EventCallback | None = None,
) -> optuna.Study:
    """Runs or resumes the search of a study file; see `Tuner.search`.

    Args:
        file: The study file.
        tuner: What `build_tuner` made of it.
        n_trials: Finished trials wanted in total; as the file says by default.
        should_stop: Asked after every rung; ends the search.
        show_progress: Whether to show progress on standard error.
        on_event: Told of trials that begin, pass a rung, and finish.
    """
    longest, seed = file.space.longest_completion(), file.space.first_seed()
    return tuner.search(
        file.space,
        n_trials=file.study.n_trials if n_trials is None else n_trials,
        timeout=file.study.timeout_s,
        max_tokens_total=file.study.max_tokens_total,
        patience=file.study.patience,
        objectives=file.study.objectives,
        storage=file.study.storage,
        study_name=file.study.name,
        sampler=file.sampler.name,
        sampler_args=file.sampler.arguments,
        pruner=file.pruner.name,
        pruner_args=file.pruner.arguments,
        rungs=cast("int | list[int] | Literal['doubling']", file.study.rungs),
        concurrency=file.study.concurrency,
        baselines=file.study.baselines,
        presets=[
            point
            for name in file.study.presets
            for point in presets(name, max_new_tokens=longest, generation_seed=seed)
        ],
        user_attrs={STUDY_FILE: {"text": file.text, "directory": str(file.directory.resolve())}},
        lease_timeout_s=file.study.lease_timeout_s,
        should_stop=should_stop,
        show_progress=show_progress,
        on_event=on_event,
    )


def confirm(study: optuna.Study, storage: str, *, seeds: int = 4, show_progress: bool = True) -> Verdict:
    """The verdict on a study that was made with a study file; see `Tuner.confirm`.

    Args:
        study: The study.
        storage: Where it lives.
        seeds: Fresh seeds per finalist that samples.
        show_progress: Whether to show progress on standard error.

    Raises:
        StorageError: The study was made without a study file.
        ConfigurationError: What the study file names cannot be had any more.
    """
    kept = study.user_attrs.get(STUDY_FILE)
    if kept is None:
        raise StorageError(
            f"study `{study.study_name}` was made without a study file, so that its model and data are not known here: "
            "use `Tuner.confirm`"
        )
    file = StudyFile.parse(kept["text"], name=study.study_name, directory=Path(kept["directory"]))
    if file.data.holdout_size < 2:
        raise TaskError(no_holdout(file.data.holdout_size))
    return build_tuner(file).confirm(study, seeds=seeds, storage=storage, show_progress=show_progress)


def record(file: StudyFile, tuner: Tuner, *, configurations: int, path: Path, show_progress: bool = True) -> Landscape:
    """Evaluates configurations on the whole search split, and saves scores and token counts as a landscape.

    The baselines come first, then a random point and a scrambled Sobol' sequence over the space (its conditional and
    categorical parameters are random in all of them). They are trials of a search without pruning, whose database lies
    beside the landscape (``FILE.parquet.db``), so that a recording goes on where it was interrupted, or where
    fewer were asked for.

    Args:
        file: The study file; its sampler, pruner, presets and storage are not used.
        tuner: What `build_tuner` made of it.
        configurations: Finished trials wanted in total, the baselines included.
        path: The Parquet file to write.
        show_progress: Whether to show progress on standard error.

    Raises:
        ConfigurationError: `configurations` is not positive, or the metric is known to score no single samples.
        StorageError: The files cannot be written, or the metric has no scores of single samples.
    """
    if configurations < 1:
        raise ConfigurationError(f"configurations must be >= 1, got {configurations}")
    if isinstance(tuner.metric, CorpusMetric):
        raise ConfigurationError(
            f"metric `{tuner.metric.name}` scores no single samples, which a landscape is made of: use one that does"
        )
    storage = sqlite_url(f"{path}.db")
    recording = dataclasses.replace(
        file,
        study=dataclasses.replace(
            file.study,
            storage=storage,
            baselines=True,
            presets=[],
            timeout_s=None,
            max_tokens_total=None,
            patience=None,
            objectives=[SCORE],
        ),
        sampler=Choice("qmc", {}),
        pruner=PrunerChoice("none", {}),
    )
    search(recording, tuner, n_trials=configurations, show_progress=show_progress)
    study, database = open_study(storage, file.study.name)
    landscape = Landscape.of_study(study, CompletionStore(database), file.space)
    landscape.save(path)
    return landscape


def _rows(file: StudyFile) -> datasets.Dataset:
    if file.data.path == DEMO_DATA:
        return as_dataset(demo_samples((file.data.search_size or _DEMO_SIZE) + file.data.holdout_size))
    return load_data(
        file.data.path,
        directory=file.directory,
        config=file.data.config,
        split=file.data.split,
        streaming=file.data.streaming,
        take=file.data.take,
    )


def _model(section: ModelSection, directory: Path) -> LoadedModel:
    local = directory / section.name
    name = str(local) if local.is_dir() else section.name
    if section.name == _DEMO:
        name = str(demo_model_directory())
    return load_model(
        name,
        device=section.device,
        dtype=section.dtype,
        revision=section.revision,
        gguf_file=section.gguf_file,
        allow_pickle=section.allow_pickle,
    )


def _server(file: StudyFile) -> OpenAIServer:
    assert file.engine is not None  # noqa: S101 - StudyFile has either
    arguments = dataclasses.asdict(file.engine)
    del arguments["kind"]
    return OpenAIServer(kind=arguments.pop("server"), **arguments)
