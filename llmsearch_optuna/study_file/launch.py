"""Build the `Tuner` of a study file, and run its search and its verdict."""

import dataclasses
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import optuna

from llmsearch_optuna.data.loading import as_dataset, load_data
from llmsearch_optuna.data.tasks.loading import load_options
from llmsearch_optuna.demo.dataset import demo_samples
from llmsearch_optuna.demo.model import DEMO, demo_model_directory
from llmsearch_optuna.engine.imports import import_local
from llmsearch_optuna.errors import StorageError, StudyFileError, TaskError
from llmsearch_optuna.metrics import CorpusMetric, make_metric
from llmsearch_optuna.search.baselines import parse_baselines
from llmsearch_optuna.search.preview import Preview
from llmsearch_optuna.search.preview import preview as search_preview
from llmsearch_optuna.search.progress import EventCallback
from llmsearch_optuna.space.presets import presets
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.study.attributes import STUDY_FILE
from llmsearch_optuna.study.source import without_password
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.study_file.sections import TASK, ModelSection
from llmsearch_optuna.tuner import Tuner
from llmsearch_optuna.verdict.verdict import no_holdout

__all__ = ["build_tuner", "import_engine", "preview", "search", "stored_file", "with_task"]

_LOG = logging.getLogger(__name__)

_DEMO_SIZE = 48


def import_engine(file: StudyFile) -> None:
    """Import what runs the model of a study file, which takes seconds. A study on a server needs nothing of it.

    Raises:
        ModelError: torch or transformers is not installed.
    """
    if file.model is not None:
        import_local("local", "the demo's model" if file.model.name == DEMO else "`[model]`")


def with_task(file: StudyFile) -> StudyFile:
    """Load the task of another package, if the study file names one.

    If the space has no `max_new_tokens` and the task asks for a length, that of the task is added to the space.

    Raises:
        TaskError: The task cannot be loaded; see `load_task`.
    """
    if file.data.task is None or file.task is not None:
        return file
    task, space = load_options(file.data, directory=file.directory, take=file.data.take), file.space
    if task.max_new_tokens is not None and "max_new_tokens" not in {**space.fixed, **space.dimensions}:
        _LOG.info("max_new_tokens = %d: %s sets it, and the space does not", task.max_new_tokens, file.data.task)
        space = SearchSpace.from_dict({**space.to_dict(), "max_new_tokens": task.max_new_tokens})
    return dataclasses.replace(file, task=task, space=space)


def build_tuner(file: StudyFile) -> Tuner:
    """Load metric, data and model, and set up the `Tuner`. The model is loaded after all checks that do not need it.

    Raises:
        ConfigurationError: One of them cannot be loaded, or they do not fit together.
        ServerError: The server cannot be reached.
    """
    import_engine(file)
    file = with_task(file)
    spec = file.task.metric if file.task is not None and file.metric.name == TASK else file.metric.name
    metric = make_metric(spec, **{**file.metric.arguments, "directory": file.directory})
    # If the pruner does not support the metric, raises the error before the model is loaded.
    file.study.make_pruner((1, 2**31), corpus_only=isinstance(metric, CorpusMetric))
    generator: dict[str, Any] = {"server": file.server}
    if file.model is not None:
        generator = _model_arguments(file.model, file.directory)
    data = file.data
    columns = {"input_cols": data.input_cols}
    if data.eval_cols is not None:
        columns["eval_cols"] = data.eval_cols
    return Tuner(
        **generator,
        dataset=_load_rows(file),
        scorer=metric,
        further_metrics={
            label: make_metric(choice.name, **{**choice.arguments, "directory": file.directory})
            for label, choice in file.metrics.items()
        },
        column_mapping=columns,
        prompt_template=data.prompt_template,
        prompt_jinja=data.prompt_jinja,
        messages=data.messages,
        messages_col=data.messages_col,
        chat_template_args=data.chat_template_args,
        tokenizer_encode_args=data.encode_args,
        tokenizer_decode_args=data.decode_args,
        seed=file.study.seed,
        stop=(*(() if file.task is None else file.task.stop), *file.generation.stop),
        thinking=file.generation.thinking,
        search_size=data.search_size,
        holdout_size=data.holdout_size,
        holdout_stratify_col=data.holdout_stratify_col,
        max_new_tokens_col=data.max_new_tokens_col,
        score_range=file.score_range,
        output_preproc=str.strip if file.task is None else file.task.output_preproc,
    )


def search(
    file: StudyFile,
    tuner: Tuner,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    show_progress: bool = True,
    on_event: EventCallback | None = None,
) -> optuna.Study:
    """Run or resume the search of a study file; see `Tuner.search`.

    Args:
        file: The study file.
        tuner: The result of `build_tuner`.
        should_stop: Called between rungs; the search ends if it returns True.
        show_progress: Whether to show progress on standard error.
        on_event: Called when a trial begins, passes a rung or finishes.
    """
    file = with_task(file)
    limits = {"max_new_tokens": file.space.longest_completion(), "generation_seed": file.space.first_seed()}
    return tuner.search(
        file.space,
        **file.study.arguments(),
        storage=file.study.storage,
        study_name=file.study.name,
        presets=[point for name in file.study.presets for point in presets(name, **limits)],
        user_attrs={STUDY_FILE: {"text": without_password(file.text), "directory": str(file.directory.resolve())}},
        should_stop=should_stop,
        show_progress=show_progress,
        on_event=on_event,
    )


def preview(file: StudyFile, tuner: Tuner) -> Preview:
    """Generate and score some samples of a study file, and say what its search may take; see `search.preview`.

    Args:
        file: The study file.
        tuner: The result of `build_tuner`.
    """
    study = file.study
    objective = tuner.objective(file.space, rungs=study.rungs, objectives=study.objectives, price=study.price)
    return search_preview(
        objective,
        trials=study.n_trials,
        held_out=len(tuner.task.holdout),
        seed=study.seed,
        named_baselines=len(parse_baselines(study.baselines)),
        max_tokens=study.max_tokens_total,
    )


def stored_file(study: optuna.Study) -> StudyFile:
    """Return the study file that a study was made with, for its verdict.

    Raises:
        StorageError: The study was made without a study file.
        ConfigurationError: The study file is not valid any more, or fewer than two samples are held out.
    """
    stored = study.user_attrs.get(STUDY_FILE)
    if stored is None:
        raise StorageError(
            f"study `{study.study_name}` stores no study file, so its model and data are unknown here: call "
            "`Tuner.confirm` in Python"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # former keys, which cannot be renamed in a stored study file
        file = StudyFile.parse(stored["text"], name=study.study_name, directory=Path(stored["directory"]))
    if file.data.holdout_size < 2:
        raise TaskError(no_holdout(file.data.holdout_size))
    return file


def _load_rows(file: StudyFile) -> datasets.Dataset:
    data = file.data
    if file.task is not None or data.path is None:
        return as_dataset([] if file.task is None else file.task.rows)
    if data.path == DEMO:
        return as_dataset(demo_samples((data.search_size or _DEMO_SIZE) + data.holdout_size))
    return load_data(
        data.path,
        directory=file.directory,
        config=data.config,
        split=data.split,
        streaming=data.streaming,
        take=data.take,
    )


def _model_arguments(section: ModelSection, directory: Path) -> dict[str, Any]:
    """Return the arguments of `Tuner` for the model.

    Raises:
        StudyFileError: A key has no effect with a backend that loads the model itself.
    """
    arguments: dict[str, Any] = {
        "batch_size": section.batch_size,
        "replay_bytes": section.replay_bytes,
        "backend": section.backend,
        "backend_args": section.backend_args,
    }
    if section.backend is None:
        keys = ("device", "dtype", "revision", "gguf_file", "allow_pickle")
        options = {key: getattr(section, key) for key in keys}
        return {
            **arguments,
            "model": lambda: import_local("loading", "`[model]`").load_model(
                _name_or_directory(section, directory), **options
            ),
        }
    for key in ("gguf_file", "allow_pickle"):
        if getattr(section, key):
            raise StudyFileError(f"`{key}` in [model] has no effect with `backend`: leave it out")
    given = {name: value for name in ("dtype", "revision") if (value := getattr(section, name)) is not None}
    backend_args = {**given, **(section.backend_args or {})}
    return {
        **arguments,
        "backend_args": backend_args,
        "device": section.device,
        "model": _name_or_directory(section, directory),
    }


def _name_or_directory(section: ModelSection, directory: Path) -> str:
    local = demo_model_directory() if section.name == DEMO else directory / section.name
    return str(local) if local.is_dir() else section.name
