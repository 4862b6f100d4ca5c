"""Fixtures for all tests."""

import os

# Before anything imports a model library: no test may reach for a hub.
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch

# Tiny models gain nothing from a second thread, and lose much where the cores are busy.
torch.set_num_threads(1)


@pytest.fixture(
    params=[
        "cpu",
        pytest.param(
            "cuda",
            marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")],
        ),
    ]
)
def device(request: pytest.FixtureRequest) -> torch.device:
    """Where to run: the CPU, and CUDA where there is one."""
    return torch.device(request.param)
