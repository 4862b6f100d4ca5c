"""Build `llmsearch_optuna_slim`: the same package for studies on servers, without the libraries that run a model.

    pip install build tomlkit
    python .ci/build_slim.py [DIRECTORY]     # into dist/ by default

The extra `local` of this distribution brings the libraries, and so does `vllm`.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import tomlkit
except ModuleNotFoundError:
    raise SystemExit("tomlkit is missing: pip install build tomlkit") from None

ROOT = Path(__file__).parents[1]
NAME = "llmsearch_optuna_slim"
LOCAL = ("accelerate", "gguf", "torch", "transformers")
"""The dependencies that only running a model needs; `engine/imports.py` names them, too."""


def slim(pyproject: str) -> str:
    """Return the `pyproject.toml` of the slim distribution for that of the package."""
    document = tomlkit.parse(pyproject)
    project = document["project"]
    dependencies = list(project["dependencies"])
    local = [text for text in dependencies if text.startswith(tuple(f"{name}>" for name in LOCAL))]
    if len(local) != len(LOCAL):
        raise SystemExit(f"pyproject.toml must have each of {', '.join(LOCAL)} with its oldest version, has {local}")
    project["name"] = NAME
    project["dependencies"] = [text for text in dependencies if text not in local]
    extras = project["optional-dependencies"]
    extras["local"] = local
    extras["vllm"] = [*extras["vllm"], *local]
    del extras["test"]  # which needs the tree
    return tomlkit.dumps(document)


def build(directory: Path) -> None:
    """Build the source archive and the wheel into a directory."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        shutil.copytree(ROOT / "llmsearch_optuna", tree / "llmsearch_optuna", ignore=shutil.ignore_patterns("*.pyc"))
        for name in ("README.md", "LICENSE"):
            shutil.copy(ROOT / name, tree)
        (tree / "pyproject.toml").write_text(slim((ROOT / "pyproject.toml").read_text(encoding="utf-8")), "utf-8")
        subprocess.run([sys.executable, "-m", "build", "--outdir", directory.resolve(), tree], check=True)  # noqa: S603


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="?", default=Path("dist"))
    build(parser.parse_args().directory)
