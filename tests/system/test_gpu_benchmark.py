"""The benchmark of CUDA devices, rehearsed with tiny models, on real or simulated devices."""

import json
from pathlib import Path

import pytest
import torch

from studies.benchmarks import gpu


@pytest.mark.gpu
@pytest.mark.full
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_rehearsal_runs_all_sections_and_no_check_fails(tmp_path: Path) -> None:
    assert gpu.main(["--small", "--budget", "3000", "--json", str(tmp_path / "gpu.json")]) == 0
    figures = json.loads((tmp_path / "gpu.json").read_text())
    assert not any(name.endswith("skipped") for name in figures)
    assert figures["small, 8 slots, mixed: replayed tokens/s"] > 0


def test_without_a_device_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 0
    assert capsys.readouterr().out == "CUDA: not measured, there is none here\n"
