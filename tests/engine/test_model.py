"""Loading models, and what the search must know of them."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import dispatch_model
from tiny_models import saved, tiny_model, tiny_tokenizer
from transformers import AutoModelForCausalLM

from llmsearch_optuna.engine.base import Stopping
from llmsearch_optuna.engine.loading import load_model, place_model
from llmsearch_optuna.engine.model import (
    default_params,
    default_stopping,
    model_fingerprint,
    pad_token_id,
)
from llmsearch_optuna.errors import ModelError
from llmsearch_optuna.space.params import GenerationParams


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_a_saved_model_loads_as_itself(family: str, tmp_path: Path, device: torch.device) -> None:
    model, tokenizer = load_model(saved(tmp_path, tiny_model(family)), device=str(device))
    assert model.device.type == device.type
    assert not model.training
    assert tokenizer("a fox")["input_ids"] == tiny_tokenizer()("a fox")["input_ids"]
    assert model_fingerprint(model) == model_fingerprint(tiny_model(family))


@pytest.mark.parametrize(("dtype", "expected"), [("bfloat16", torch.bfloat16), (None, torch.float32)])
def test_dtype(dtype: str | None, expected: torch.dtype, tmp_path: Path) -> None:
    assert load_model(saved(tmp_path, tiny_model()), device="cpu", dtype=dtype).model.dtype == expected


def test_pickles_are_loaded_only_when_asked_for(tmp_path: Path) -> None:
    model: Any = tiny_model()
    saved(tmp_path, model)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"cannot be loaded: .*safetensors") as caught:
        load_model(str(tmp_path))
    assert "\n" not in str(caught.value)
    loaded = load_model(str(tmp_path), allow_pickle=True, device="cpu").model
    assert model_fingerprint(loaded) == model_fingerprint(model)


@pytest.mark.parametrize("part", ["AutoConfig", "AutoTokenizer"])
def test_code_that_comes_with_a_model_is_never_run(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(question: str) -> str:
        pytest.fail(f"asked: {question}")

    monkeypatch.setattr("builtins.input", ask)
    saved(tmp_path, tiny_model())
    was_run = tmp_path / "run"
    (tmp_path / "own.py").write_text(f"open({str(was_run)!r}, 'w')\nclass Own: pass\n")
    file = tmp_path / ("tokenizer_config.json" if part == "AutoTokenizer" else "config.json")
    config = json.loads(file.read_text())
    reference = ["own.Own", None] if part == "AutoTokenizer" else "own.Own"
    config |= {"model_type": "own", "tokenizer_class": "Own", "auto_map": {part: reference}}
    file.write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"cannot be loaded: it needs code from its repository, which is never run"):
        load_model(str(tmp_path), device="cpu")
    assert not was_run.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "float8"}, "dtype must be one of float32, bfloat16, float16, got 'float8'"),
        ({"gguf_file": "none.gguf"}, "cannot be loaded: "),
        ({"device": "nowhere"}, "device 'nowhere' cannot be used: "),
        ({"device": "cuda0"}, "device 'cuda0' cannot be used: "),
        ({"device": "mps"}, "^device 'mps' has no float64, with which tokens are drawn: set device = 'cpu'$"),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_one_line(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_model(saved(tmp_path, tiny_model()), **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["./nomodel", "../no/model", "/no/model", "~nobody-7/model", "no/model/there"])
def test_a_directory_that_is_missing_is_no_hub_id(name: str) -> None:
    with pytest.raises(ModelError, match=f"^model {re.escape(name)} cannot be loaded: there is no such directory$"):
        load_model(name)


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"^the model's name is empty: name a directory or a hub id$"):
        load_model(name)


def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    weights = Path(saved(tmp_path, tiny_model())) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match=f"^model {tmp_path} cannot be loaded: ") as caught:
        load_model(str(tmp_path), device="cpu")
    assert "\n" not in str(caught.value)


def test_an_empty_directory_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"model {tmp_path} cannot be loaded"):
        load_model(str(tmp_path))


@pytest.mark.parametrize("is_quantised", [False, True])
@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("auto", "^device='auto' spreads a model while it is loaded, and this one is loaded: leave `device` out"),
        ("cuda0", "^device 'cuda0' cannot be used: "),
    ],
)
def test_a_loaded_model_is_not_moved_to_what_is_no_device(device: str, message: str, *, is_quantised: bool) -> None:
    model: Any = tiny_model()
    model.is_quantized = is_quantised
    with pytest.raises(ModelError, match=message) as caught:
        place_model(model, device)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_spread_or_quantised_stays_where_it_is() -> None:
    model: Any = tiny_model()
    model.hf_device_map = {"": "cpu"}
    place_model(model, "nowhere")
    assert model.device == torch.device("cpu")


def test_the_fingerprint_tells_models_apart_and_not_their_places() -> None:
    plain = model_fingerprint(tiny_model())
    model: Any = tiny_model()
    model.config._name_or_path = "elsewhere"
    assert model_fingerprint(model) == plain
    assert model_fingerprint(tiny_model(seed=1)) != plain
    assert model_fingerprint(tiny_model(rope_parameters={"rope_theta": 5e5, "rope_type": "default"})) != plain
    torch.nn.Module.to(model, torch.bfloat16)
    assert model_fingerprint(model) != plain


PLACES = {
    **dict.fromkeys(("model.embed_tokens", "model.layers.0", "model.norm", "model.rotary_emb", "lm_head"), "cpu"),
    "model.layers.1": "disk",
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_fingerprint_does_not_depend_on_what_is_offloaded(dtype: torch.dtype, tmp_path: Path) -> None:
    auto: Any = AutoModelForCausalLM
    model: Any = tiny_model()
    model.to(dtype)
    plain = model_fingerprint(model)
    name = saved(tmp_path / "saved", model)
    # From a file of accelerate's, and from the checkpoint.
    spread: Any = dispatch_model(model, PLACES, main_device="cpu", offload_dir=str(tmp_path / "offloaded"))
    loaded: Any = auto.from_pretrained(name, device_map=PLACES, offload_folder=str(tmp_path / "folder"))
    for offloaded in (spread, loaded):
        assert offloaded.model.layers[1].mlp.up_proj.weight.is_meta
        assert model_fingerprint(offloaded) == plain
    other: Any = tiny_model()
    other.model.layers[1].mlp.up_proj.weight.data += 1.0
    other.to(dtype)
    changed = dispatch_model(other, PLACES, main_device="cpu", offload_dir=str(tmp_path / "other"))
    assert model_fingerprint(changed) != plain


def test_pad_token_comes_from_tokenizer_then_model_then_end_token() -> None:
    model: Any = tiny_model()
    assert pad_token_id(model, tiny_tokenizer()) == 0
    model.generation_config.pad_token_id = 7
    assert pad_token_id(model, tiny_tokenizer(pad=False)) == 7
    model.generation_config.pad_token_id = None
    model.generation_config.eos_token_id = [9, 2]
    assert pad_token_id(model, tiny_tokenizer(pad=False)) == 9
    model.generation_config.eos_token_id = None
    tokenizer: Any = tiny_tokenizer(pad=False)
    tokenizer.eos_token = None
    assert pad_token_id(model, tokenizer) == 0


def test_a_pad_token_without_an_embedding_is_not_used() -> None:
    tokenizer: Any = tiny_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    model: Any = tiny_model(vocab_size=tokenizer.pad_token_id)
    assert tokenizer.pad_token_id >= len(model.get_input_embeddings().weight)
    model.generation_config.pad_token_id = None
    assert pad_token_id(model, tokenizer) == 2


def test_end_tokens_come_from_the_model_then_the_tokenizer() -> None:
    model: Any = tiny_model()
    model.generation_config.eos_token_id = [2, 5]
    assert default_stopping(model, tiny_tokenizer()) == Stopping(eos_token_ids=(2, 5))
    model.generation_config.eos_token_id = None
    assert default_stopping(model, tiny_tokenizer()) == Stopping(eos_token_ids=(2,))
    tokenizer: Any = tiny_tokenizer()
    tokenizer.eos_token = None
    assert default_stopping(model, tokenizer) == Stopping()


def test_default_params_are_what_generate_would_do_by_itself() -> None:
    model: Any = tiny_model()
    assert default_params(model, max_new_tokens=5) == GenerationParams(do_sample=False, max_new_tokens=5)
    model.generation_config.update(do_sample=True)
    hidden = GenerationParams(do_sample=True, temperature=1.0, top_k=50, max_new_tokens=5, generation_seed=3)
    assert default_params(model, max_new_tokens=5, generation_seed=3) == hidden
    model.generation_config.update(top_k=7, min_p=0.1, repetition_penalty=1.2)
    configured = GenerationParams(
        do_sample=True, temperature=1.0, top_k=7, min_p=0.1, repetition_penalty=1.2, max_new_tokens=5
    )
    assert default_params(model, max_new_tokens=5) == configured
    model.generation_config.update(num_beams=4, length_penalty=1.5, early_stopping=True)
    beams = dataclasses.replace(configured, num_beams=4, length_penalty=1.5, early_stopping=True)
    assert default_params(model, max_new_tokens=5) == beams
    model.generation_config.update(early_stopping="never")
    with pytest.raises(ModelError, match="asks for early_stopping='never', which no engine serves"):
        default_params(model, max_new_tokens=5)
