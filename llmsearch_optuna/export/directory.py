"""A directory for ``transformers``: its own config, one for our logits processors, and a program that uses either."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.export.provenance import Provenance
from llmsearch_optuna.export.targets import Exported, to_hf
from llmsearch_optuna.space.generation_config import NEUTRAL_CONFIG

__all__ = ["write_hf", "write_json"]


def write_hf(provenance: Provenance, directory: Path) -> Exported:
    """Writes what ``GenerationConfig.from_pretrained`` loads, and a program that generates with it.

    ``generation_config.json`` holds what ``transformers`` has. ``exact/generation_config.json`` leaves all to
    `llmsearch_optuna.logits_processors`, which write the study's own completions. ``snippet.py`` does both, and
    ``llmsearch_optuna.json`` tells the parameters, their provenance, and what the plain config does not express.

    Args:
        provenance: Whence the parameters are.
        directory: Where to write; made where it does not exist.

    Returns:
        The plain config, and what it does not express.

    Raises:
        StorageError: The directory cannot be written.
    """
    params = provenance.params
    exported = to_hf(params, provenance.stop)
    exact: dict[str, Any] = {**NEUTRAL_CONFIG, "max_new_tokens": params.max_new_tokens}
    about = {
        "params": params.to_dict(),
        "stop": list(provenance.stop),
        "warnings": exported.warnings,
        "provenance": provenance.to_dict(),
    }
    files = {
        "generation_config.json": _json(exported.values),
        "exact/generation_config.json": _json(exact),
        "llmsearch_optuna.json": _json(about),
        "snippet.py": resources.files("llmsearch_optuna.export").joinpath("snippet.py.txt").read_text(encoding="utf-8"),
    }
    for name, text in files.items():
        _write(directory / name, text)
    return exported


def write_json(found: object, path: Path) -> None:
    """Writes an export as JSON.

    Raises:
        StorageError: The file cannot be written.
    """
    _write(path, _json(found))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error


def _json(values: object) -> str:
    return json.dumps(values, indent=2) + "\n"
