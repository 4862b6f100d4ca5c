import subprocess
import sys
from importlib.metadata import entry_points
from types import SimpleNamespace

import pytest
import torch
from vllm_batches import FirstRunner, SecondRunner, sampling_params, vllm_config

from llmsearch_optuna.engine.vllm.plugin import LlmsearchProcessor
from llmsearch_optuna.engine.vllm.v1 import V1Processor
from llmsearch_optuna.engine.vllm.v2 import V2Processor
from llmsearch_optuna.errors import ConfigurationError, ParameterError
from llmsearch_optuna.space.params import GenerationParams

IMPORTS = """
import sys
before = set(sys.modules)
import torch, numpy
allowed = {name.partition(".")[0] for name in sys.modules}
import llmsearch_optuna.engine.vllm.plugin
imported = {name.partition(".")[0] for name in sys.modules}
print(*sorted(imported - allowed - set(sys.stdlib_module_names)))
"""


def test_vllm_finds_it() -> None:
    (entry,) = entry_points(group="vllm.logits_processors", name="llmsearch_optuna")
    assert entry.load() is LlmsearchProcessor


def test_each_model_runner_gets_its_processor() -> None:
    first = LlmsearchProcessor(vllm_config(2), torch.device("cpu"), False)
    assert isinstance(first, V1Processor)
    states = SecondRunner(2, torch.device("cpu"))._states
    assert isinstance(LlmsearchProcessor(vllm_config(2), states), V2Processor)


def test_an_unknown_interface_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="interface for logits processors that llmsearch_optuna does not know"):
        LlmsearchProcessor(vllm_config(2), SimpleNamespace())


def test_requests_are_checked_before_they_are_admitted() -> None:
    LlmsearchProcessor.validate_params(sampling_params(GenerationParams(temperature=1.0)))
    with pytest.raises(ParameterError, match="n=2"):
        LlmsearchProcessor.validate_params(sampling_params(GenerationParams(temperature=1.0), n=2))


def test_without_requests_of_ours_logits_are_returned_as_they_are() -> None:
    logits = torch.randn(3, 60)
    runner = FirstRunner(3, torch.device("cpu"), is_async=False)
    assert runner._processor.apply(logits) is logits


def test_its_import_needs_torch_and_numpy_only() -> None:
    result = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["llmsearch_optuna"]
