"""Fixtures for all tests."""

import pytest
import torch


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
