"""Quantised checkpoints are loaded where they can be, or refused before their weights are read."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_requests import tokens_of, unlike_requests
from safetensors.torch import load_file, save_file
from tiers import partly_full
from tiny_models import saved, tiny_model, tiny_tokenizer
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from llmsearch_optuna.engine.backend import Backend
from llmsearch_optuna.engine.generate.batching import Batching
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.loading import load_model, place_model
from llmsearch_optuna.engine.model_backend import model_backend
from llmsearch_optuna.engine.quantisation import mixes_rows
from llmsearch_optuna.errors import ModelError

# Of libraries that are not ours.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

REFUSALS = {
    "awq": ({"quant_method": "awq", "bits": 4}, "gptqmodel", "pip install gptqmodel"),
    "gptq": ({"quant_method": "gptq", "bits": 4}, "gptqmodel", "pip install gptqmodel optimum"),
    "bitsandbytes": (
        {"quant_method": "bitsandbytes", "load_in_4bit": True},
        "bitsandbytes",
        "pip install -U bitsandbytes",
    ),
    "torchao": (
        {"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8WeightOnlyConfig", "_data": {}}}},
        "torchao",
        "pip install torchao",
    ),
    "compressed-tensors": (
        {"quant_method": "compressed-tensors", "format": "int-quantized"},
        "compressed_tensors",
        "pip install compressed-tensors",
    ),
    "exl3": ({"quant_method": "exl3", "bits": 4}, None, "which transformers does not load: load it yourself"),
}


def saved_with(directory: Path, model: Any, quantisation: object) -> str:
    name = saved(directory, model)
    file = directory / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "quantization_config": quantisation}))
    return name


@pytest.mark.parametrize("method", REFUSALS)
def test_a_quantisation_that_cannot_be_used_names_the_package_before_weights_are_read(
    method: str, tmp_path: Path
) -> None:
    config, package, remedy = REFUSALS[method]
    if package is not None and importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    name = saved_with(tmp_path, tiny_model(), config)
    (tmp_path / "model.safetensors").write_bytes(b"not read")
    with pytest.raises(ModelError) as caught:
        load_model(name, device="cpu")
    assert str(caught.value).startswith(f"model {tmp_path} is quantised with `{method}`")
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)


WAYS: dict[str, dict[str, Any]] = {
    "nf4": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": torch.bfloat16},
    "nf4 twice": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True},
    "int8": {"load_in_8bit": True},
    "int8 without outliers": {"load_in_8bit": True, "llm_int8_threshold": 0.0},
}
REQUESTS = unlike_requests()


def quantised(directory: Path, way: str, dtype: torch.dtype) -> str:
    """Saves a quantised model."""
    pytest.importorskip("bitsandbytes")
    plain: Any = tiny_model(hidden_size=64, intermediate_size=128)
    plain.to(dtype).save_pretrained(directory / "plain")
    auto: Any = AutoModelForCausalLM
    config: Any = BitsAndBytesConfig
    model = auto.from_pretrained(
        directory / "plain", quantization_config=config(**WAYS[way]), device_map={"": "cpu"}, dtype=dtype
    )
    return saved(directory / "quantised", model)


def backend_of(model: Any) -> Backend:
    return model_backend(model, tiny_tokenizer(), batch_size=8)


@pytest.mark.parametrize("dtype", partly_full([torch.float32, torch.bfloat16], fast=[torch.bfloat16]))
@pytest.mark.parametrize("way", WAYS)
def test_a_row_of_a_quantised_model_does_not_depend_on_others(way: str, dtype: torch.dtype, tmp_path: Path) -> None:
    model, _ = load_model(quantised(tmp_path, way, dtype), device="cpu")
    assert model.get_input_embeddings().weight.dtype == dtype
    backend = backend_of(model)
    assert mixes_rows(model) == (way == "int8")
    assert ("its 8-bit layers round a row by its neighbours" in backend.summary) == (way == "int8")
    if dtype == torch.bfloat16:
        assert ("slots, which support" in backend.summary) == (way != "int8")
    batch = tokens_of(backend.engine, REQUESTS)
    assert len(set(batch)) > len(batch) // 2
    assert [tokens_of(backend.engine, [alone])[0] for alone in REQUESTS] == batch
    assert tokens_of(backend.engine, REQUESTS[::-1]) == batch[::-1]
    if way == "int8":
        plain = GenerateEngine(model, tiny_tokenizer(), batch_size=1, batching=Batching("none"))
        assert tokens_of(plain, REQUESTS) == batch


def test_the_fingerprint_covers_the_quantisation_and_leaves_the_model_as_it_is(tmp_path: Path) -> None:
    identities = []
    for way in WAYS:
        name = quantised(tmp_path / way, way, torch.bfloat16)
        model, _ = load_model(name, device="cpu")
        identities.append(backend_of(model).identity)
        untouched: Any = load_model(name, device="cpu").model
        ids = torch.tensor([[5, 6, 7]])
        with torch.inference_mode():
            expected = untouched(input_ids=ids).logits
            assert torch.equal(model(input_ids=ids).logits, expected)
        assert backend_of(model).identity == backend_of(untouched).identity == identities[-1]
    assert len(set(identities)) == len(WAYS)


@pytest.mark.parametrize("way", ["nf4", "int8"])
def test_a_quantised_checkpoint_keeps_its_weights(way: str, tmp_path: Path) -> None:
    model: Any = load_model(quantised(tmp_path, way, torch.bfloat16), device="cpu").model
    assert {weight.device.type for weight in model.parameters()} == {"cpu"}
    assert model.model.layers[0].mlp.up_proj.weight.dtype == (torch.uint8 if way == "nf4" else torch.int8)


def test_an_fp8_checkpoint_is_loaded_to_its_device(device: torch.device, tmp_path: Path) -> None:
    """transformers keeps the 8 bits where there is CUDA, and otherwise makes 16 of them."""
    plain: Any = tiny_model(hidden_size=64, intermediate_size=64, num_key_value_heads=4)
    plain.to(torch.bfloat16)
    config = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [32, 32], "fmt": "e4m3"}
    name = saved_with(tmp_path, plain, config)
    tensors = load_file(tmp_path / "model.safetensors")
    for key in [key for key in tensors if "_proj" in key]:
        weight = tensors[key].float()
        scale = weight.abs().max() / torch.finfo(torch.float8_e4m3fn).max
        tensors[key] = (weight / scale).to(torch.float8_e4m3fn)
        blocks = [length // 32 for length in weight.shape]
        tensors[key.replace(".weight", ".weight_scale_inv")] = scale.repeat(*blocks)
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    model: Any = load_model(name, device=str(device)).model
    weight = model.model.layers[0].mlp.up_proj.weight
    assert {parameter.device.type for parameter in model.parameters()} == {device.type}
    assert weight.dtype == (torch.float8_e4m3fn if torch.cuda.is_available() else torch.bfloat16)
    if not torch.cuda.is_available():
        expected = plain.model.layers[0].mlp.up_proj.weight
        assert (weight - expected).norm() < 0.1 * expected.norm()
        assert "slots, which support" in backend_of(model).summary


def test_a_quantised_model_is_not_moved() -> None:
    model: Any = tiny_model()
    model.is_quantized = True
    place_model(model, "cpu")
    with pytest.raises(
        ModelError, match="a quantised model stays on the device that it was loaded to, cpu, got device="
    ):
        place_model(model, "cuda:1")
