"""Write exports to files, some with a program; for ``transformers``, a directory with two generation configs."""

import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Template

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.export.provenance import Provenance
from llmsearch_optuna.export.targets import to_hf
from llmsearch_optuna.export.translation import Exported
from llmsearch_optuna.space.generation_config import NEUTRAL_CONFIG

__all__ = ["write_hf", "write_json", "write_text", "write_with_program"]


def write_hf(provenance: Provenance, directory: str | os.PathLike[str]) -> Exported:
    """Write a directory that ``GenerationConfig.from_pretrained`` loads, and a program that generates with it.

    ``generation_config.json`` contains the parameters that ``transformers`` has. ``exact/generation_config.json``
    switches all of them off except `max_new_tokens`. It is for use with `llmsearch_optuna.logits_processors`, which
    reproduce the study's own completions. ``snippet.py`` generates with either. The processors do not support beam
    search: with beams there is only the plain config, and a warning says so.
    ``llmsearch_optuna.json`` contains all parameters, their provenance, and the warnings.

    Args:
        provenance: The parameters and their origin.
        directory: The directory; created if it does not exist.

    Returns:
        The fields of the plain config, and a warning for each parameter that it does not express.

    Raises:
        StorageError: The directory cannot be written.
    """
    directory, params = Path(directory), provenance.params
    exported = to_hf(params, provenance.stop)
    about = {
        "params": params.to_dict(),
        "stop": list(provenance.stop),
        "warnings": [*([provenance.caution] if provenance.caution else []), *exported.warnings],
        "provenance": provenance.to_dict(),
    }
    write_json(exported.values, directory / "generation_config.json")
    exact = directory / "exact" / "generation_config.json"
    if params.beams:
        _remove(exact)  # of an earlier export
    else:
        write_json({**NEUTRAL_CONFIG, "max_new_tokens": params.max_new_tokens}, exact)
    write_json(about, directory / "llmsearch_optuna.json")
    write_text(_program("snippet.py.jinja", exact=not params.beams), directory / "snippet.py")
    return exported


def write_json(exported: object, path: str | os.PathLike[str]) -> None:
    """Write an export as JSON.

    Raises:
        StorageError: The file cannot be written.
    """
    write_text(json.dumps(exported, indent=2) + "\n", Path(path))


def write_with_program(exported: Mapping[str, Any], directory: str | os.PathLike[str], target: str) -> None:
    """Write a directory with an export and the program ``snippet.py``, which reads it.

    Args:
        exported: The export.
        directory: The directory; created if it does not exist.
        target: ``"gguf"``: the program writes a copy of a GGUF file with the values of `to_gguf`, which the export has
            as ``metadata``. ``"vllm"``: it sends the request of the export, which has the result of `vllm_deployment`.

    Raises:
        StorageError: The directory cannot be written.
    """
    write_json(exported, Path(directory) / "llmsearch_optuna.json")
    write_text(_program(f"{target}_snippet.py.jinja"), Path(directory) / "snippet.py")


def _program(template: str, **values: bool) -> str:
    source = resources.files("llmsearch_optuna.export").joinpath(template).read_text(encoding="utf-8")
    # Python, not HTML
    return str(Template(source, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True).render(values))


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()
    except OSError as error:
        raise StorageError(f"{path} cannot be removed: {error.strerror or error}") from error


def write_text(text: str, path: Path) -> None:
    """Write a file, and its directory if it is missing.

    Raises:
        StorageError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
