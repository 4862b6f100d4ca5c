"""What is compared runs with the command line's settings of threads, which are read when torch is loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Ends at the first attempt to load torch, so that it takes no time.
PROGRAM = """
import importlib, os, sys

class Watch:
    def find_spec(self, name, *_):
        if name == "torch":
            os._exit(0 if os.environ.get("GOMP_SPINCOUNT") == "10000" else 1)

sys.meta_path.insert(0, Watch())
importlib.import_module(sys.argv[1])
os._exit(2)
"""


@pytest.mark.parametrize("module", ["engine", "replay", "results", "storage", "workers", "in_vllm"])
def test_threads_do_not_spin_for_long_in_what_is_compared(module: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    command = [sys.executable, "-c", PROGRAM, f"studies.benchmarks.{module}"]
    assert subprocess.run(command, check=False, cwd=ROOT, env=environment).returncode == 0
