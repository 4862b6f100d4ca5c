"""GGUF files and PEFT adapters, as study files name them, give the tokens of their weights."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from tiers import partly_full
from tiny_models import saved, tiny_model, tiny_tokenizer
from transformers import PreTrainedModel

from llmsearch_optuna import Tuner
from llmsearch_optuna.engine.loading import load_model
from llmsearch_optuna.engine.model import default_params
from llmsearch_optuna.errors import ModelError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.study_file.launch import build_tuner

# peft asks transformers for it.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

STUDY = """
[model]
{model}
device = "cpu"
dtype = "float32"

[data]
path = "rows.jsonl"
input_cols = ["question"]
eval_cols = ["answer"]
prompt_template = "{{question}}"

[metric]
name = "contains"

[space]
temperature = 1.0
"""

QUESTIONS = ["A fox", "How many apples does Anna have?", "The quick brown fox jumps over the lazy dog"]

# Rows of weights that GGUF quantises in blocks of 32.
SIZES: dict[str, Any] = {"intermediate_size": 64, "vocab_size": len(tiny_tokenizer())}

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def gguf_name(name: str) -> str:
    """``model.layers.0.mlp.up_proj.weight`` is ``blk.0.ffn_up.weight`` there."""
    stem = name.removesuffix(".weight")
    if not stem.startswith("model.layers."):
        return f"{NAMES[stem]}.weight"
    layer, part = stem.removeprefix("model.layers.").split(".", 1)
    return f"blk.{layer}.{NAMES[part]}.weight"


def llama_cpp_order(weights: np.ndarray, heads: int) -> np.ndarray:
    """The rows of queries and keys as llama.cpp turns them: neighbours, where transformers turns halves."""
    return weights.reshape(heads, 2, -1, weights.shape[1]).swapaxes(1, 2).reshape(weights.shape)


def write_gguf(
    path: Path,
    model: PreTrainedModel,
    kind: GGMLQuantizationType,
    recommend: Callable[[gguf.GGUFWriter], None] = lambda _: None,
) -> None:
    """Writes a llama with its tokenizer; what is quantised changes in the model, too."""
    config: Any = model.config
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    tokenizer: Any = tiny_tokenizer()
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokenizer.convert_ids_to_tokens(range(config.vocab_size)))
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_token_types([control if number < 3 else normal for number in range(config.vocab_size)])
    writer.add_token_merges([" ".join(pair) for pair in described["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
            count = next((heads[part] for part in heads if f"{part}.weight" in name), None)
            array = weight.numpy() if count is None else llama_cpp_order(weight.numpy(), count)
            raw_dtype = kind if array.ndim == 2 else GGMLQuantizationType.F32
            packed = gguf.quantize(np.ascontiguousarray(array), raw_dtype)
            writer.add_tensor(gguf_name(name), packed, raw_dtype=raw_dtype)
            if count is None:
                weight.copy_(torch.tensor(gguf.dequantize(packed, raw_dtype)))
            else:  # blocks lie within rows, so that the order of rows does not matter
                weight.copy_(torch.tensor(gguf.dequantize(gguf.quantize(weight.numpy(), raw_dtype), raw_dtype)))
    recommend(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tuner_of(directory: Path, model: str) -> Tuner:
    rows = [{"question": question, "answer": "x"} for question in QUESTIONS]
    (directory / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return build_tuner(StudyFile.parse(STUDY.format(model=model), name="x", directory=directory))


def tuner_of_loaded(model: Any) -> Tuner:
    return Tuner(
        model=model,
        tokenizer=tiny_tokenizer(),
        dataset=[{"question": question, "answer": "x"} for question in QUESTIONS],
        scorer="contains",
        prompt_template="{question}",
        column_mapping={"input_cols": ["question"], "eval_cols": ["answer"]},
    )


def completions(tuner: Tuner) -> list[str]:
    """What a seeded and a greedy pass give."""
    passes: list[dict[str, Any]] = [
        {"temperature": 1.5, "generation_seed": 2, "max_new_tokens": 12},
        {"max_new_tokens": 12},
    ]
    return [text for params in passes for text in tuner.get_score(params)[1]]


@pytest.mark.parametrize("kind", partly_full(["F32", "F16", "Q8_0", "Q4_0"], fast=["Q8_0"]))
def test_a_gguf_file_gives_the_tokens_of_its_weights(kind: str, tmp_path: Path) -> None:
    model = tiny_model(**SIZES)
    (tmp_path / "as_gguf").mkdir()
    write_gguf(tmp_path / "as_gguf" / "tiny.gguf", model, GGMLQuantizationType[kind])
    saved(tmp_path / "plain", model)
    from_gguf = tuner_of(tmp_path, 'name = "as_gguf"\ngguf_file = "tiny.gguf"')
    plain = tuner_of(tmp_path, 'name = "plain"')

    texts = completions(from_gguf)
    assert texts == completions(plain)
    assert len(set(texts)) > 4


def test_what_a_gguf_file_recommends_is_the_models_default(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def recommend(writer: gguf.GGUFWriter) -> None:
        writer.add_sampling_temp(0.7)
        writer.add_sampling_top_k(20)
        writer.add_sampling_min_p(0.05)
        writer.add_sampling_penalty_repeat(1.1)
        writer.add_sampling_xtc_probability(0.3)

    write_gguf(tmp_path / "tiny.gguf", tiny_model(**SIZES), GGMLQuantizationType.F32, recommend)
    model, _ = load_model(str(tmp_path), device="cpu", dtype="float32", gguf_file="tiny.gguf")
    assert default_params(model, 9, 3) == GenerationParams(
        do_sample=True,
        temperature=0.7,
        top_k=20,
        top_p=None,
        min_p=0.05,
        repetition_penalty=1.1,
        generation_seed=3,
        max_new_tokens=9,
    )
    assert "xtc_probability of the GGUF file are left out of the model's default parameters" in caplog.text


def adapter_of(base: Path, directory: Path, **options: Any) -> PreTrainedModel:
    """Saves a random LoRA adapter, and gives the model with the adapter merged into its weights."""
    peft: Any = pytest.importorskip("peft")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        config = peft.LoraConfig(
            r=4,
            target_modules=["q_proj", "v_proj", "up_proj"],
            init_lora_weights=False,
            task_type="CAUSAL_LM",
            **options,
        )
        adapted = peft.get_peft_model(tiny_model(), config)
        for name, magnitudes in adapted.named_parameters():
            if "lora_magnitude_vector" in name:
                torch.nn.init.uniform_(magnitudes, 0.5, 2.0)
    adapted.peft_config["default"].base_model_name_or_path = str(base)
    adapted.save_pretrained(directory)
    merged: PreTrainedModel = adapted.merge_and_unload()
    return merged


@pytest.mark.parametrize("own_tokenizer", partly_full([True, False], fast=[True]))
def test_a_peft_adapter_is_served_in_slots_with_its_own_tokens(own_tokenizer: bool, tmp_path: Path) -> None:
    saved(tmp_path / "base", tiny_model())
    saved(tmp_path / "merged", adapter_of(tmp_path / "base", tmp_path / "adapter"))
    if own_tokenizer:
        tokenizer: Any = tiny_tokenizer()
        tokenizer.save_pretrained(tmp_path / "adapter")
    adapted, merged, plain = (tuner_of(tmp_path, f'name = "{name}"') for name in ("adapter", "merged", "base"))
    assert "slots, which support LlamaForCausalLM" in adapted.diagnosis()["engine"]
    assert completions(adapted) == completions(merged)
    assert completions(adapted) != completions(plain)


def test_an_adapter_keeps_its_magnitudes(tmp_path: Path) -> None:
    saved(tmp_path / "base", tiny_model())
    saved(tmp_path / "merged", adapter_of(tmp_path / "base", tmp_path / "adapter", use_dora=True))
    tuners = [tuner_of(tmp_path, f'name = "{name}"') for name in ("adapter", "merged")]
    assert completions(tuners[0]) == completions(tuners[1])


@pytest.mark.parametrize("layers", partly_full([1, 3], fast=[1]))
def test_an_adapter_of_another_base_model_is_refused(layers: int, tmp_path: Path) -> None:
    saved(tmp_path / "base", tiny_model(num_hidden_layers=layers))
    adapter_of(tmp_path / "base", tmp_path / "adapter")
    message = (
        r"its weights and the layers of its base model \S+base differ in model\.layers\.\d\.\S+ and 5 others: check"
    )
    with pytest.raises(ModelError, match=message):
        tuner_of(tmp_path, 'name = "adapter"')


def test_a_model_that_peft_wraps_is_served_in_slots(tmp_path: Path) -> None:
    peft: Any = pytest.importorskip("peft")
    saved(tmp_path / "base", tiny_model())
    saved(tmp_path / "merged", adapter_of(tmp_path / "base", tmp_path / "adapter"))
    wrapped = peft.PeftModel.from_pretrained(tiny_model(), tmp_path / "adapter")
    tuner = tuner_of_loaded(wrapped)
    assert "slots, which support PeftModelForCausalLM" in tuner.diagnosis()["engine"]
    assert completions(tuner) == completions(tuner_of(tmp_path, 'name = "merged"'))


WITH_TOKENS = [
    ("embeddings", None, False),
    ("embeddings", 64, False),
    ("tokens", None, False),
    ("tokens", None, True),
    ("layers", None, False),
    ("layers", 64, False),
]


@pytest.mark.parametrize(("trained", "multiple", "tied"), partly_full(WITH_TOKENS, fast=[WITH_TOKENS[0]]))
def test_an_adapter_whose_training_added_tokens_resizes_its_base_model(
    trained: str, multiple: int | None, tied: bool, tmp_path: Path
) -> None:
    adapter_with_tokens(tmp_path, trained, multiple, tied=tied)
    tuner = tuner_of(tmp_path, 'name = "adapter"')
    assert "slots, which support LlamaForCausalLM" in tuner.diagnosis()["engine"]
    assert completions(tuner) == completions(tuner_of(tmp_path, 'name = "merged"'))
    tokenizer: Any = tuner.tokenizer
    assert tokenizer.convert_tokens_to_ids("<added4>") == len(tokenizer) - 1


def adapter_with_tokens(tmp_path: Path, trained: str, multiple: int | None = None, *, tied: bool = False) -> None:
    """Saves a base model, an adapter whose training added five tokens, and the model with the adapter merged."""
    peft: Any = pytest.importorskip("peft")
    tokenizer: Any = tiny_tokenizer()
    tokenizer.add_tokens([f"<added{number}>" for number in range(5)])
    ways: dict[str, dict[str, Any]] = {
        "embeddings": {"modules_to_save": ["embed_tokens", "lm_head"]},
        "tokens": {"trainable_token_indices": {"embed_tokens": list(range(len(tokenizer) - 5, len(tokenizer)))}},
        "layers": {"target_modules": ["q_proj", "embed_tokens", "lm_head"]},
    }
    base: Any = tiny_model(vocab_size=len(tokenizer) - 5, tie_word_embeddings=tied)
    saved(tmp_path / "base", base)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        base.resize_token_embeddings(len(tokenizer), multiple, mean_resizing=False)
        options = {"target_modules": ["q_proj"], **ways[trained]}
        adapted = peft.get_peft_model(base, peft.LoraConfig(r=4, init_lora_weights=False, **options))
        for name, weights in adapted.named_parameters():
            if "modules_to_save" in name or "trainable_tokens_delta" in name:
                torch.nn.init.normal_(weights)
    adapted.peft_config["default"].base_model_name_or_path = str(tmp_path / "base")
    adapted.save_pretrained(tmp_path / "adapter", save_embedding_layers=trained != "tokens")
    tokenizer.save_pretrained(tmp_path / "adapter")
    (tmp_path / "merged").mkdir()
    merged = adapted.merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    tokenizer.save_pretrained(tmp_path / "merged")


@pytest.mark.parametrize(
    ("trained", "message"),
    [
        ("tokens", r"it was trained with the token id \d+, but the tokenizer has only \d+ ids: check its base model"),
        ("embeddings", None),
    ],
)
def test_tokens_that_no_tokenizer_has_are_not_left_out_in_silence(
    trained: str, message: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    adapter_with_tokens(tmp_path, trained)
    for file in (tmp_path / "adapter").glob("tokenizer*"):
        file.unlink()
    if message is None:
        load_model(str(tmp_path / "adapter"), device="cpu")
        assert "has no tokenizer of its own, but 5 embeddings more than its base model" in caplog.text
    else:
        with pytest.raises(ModelError, match=message):
            load_model(str(tmp_path / "adapter"), device="cpu")


def test_an_adapter_with_fewer_embeddings_than_its_tokenizer_has_ids_is_refused(tmp_path: Path) -> None:
    adapter_with_tokens(tmp_path, "embeddings")
    tokenizer: Any = tiny_tokenizer()
    tokenizer.add_tokens([f"<other{number}>" for number in range(9)])
    tokenizer.save_pretrained(tmp_path / "adapter")
    with pytest.raises(
        ModelError, match=r"it was trained with \d+ embeddings, but the tokenizer has \d+ ids: check its base"
    ):
        load_model(str(tmp_path / "adapter"), device="cpu")


@pytest.mark.parametrize(
    ("base", "message"),
    [("nowhere", "its base model nowhere is not found"), (None, "its adapter_config.json names no base model")],
)
def test_an_adapter_without_its_base_model_names_what_is_missing(
    base: str | None, message: str, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    saved(tmp_path / "base", tiny_model())
    adapter_of(tmp_path / "base", tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "base_model_name_or_path": base}))
    with pytest.raises(ModelError, match=message) as caught:
        tuner_of(tmp_path, 'name = "adapter"')
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("has_peft", "message"),
    [
        (False, "is a PEFT adapter: install peft (pip install peft), or merge it into its model"),
        (True, "cannot be loaded: it has no safetensors, and pickles need allow_pickle = true"),
    ],
)
def test_an_adapter_that_cannot_be_loaded_is_not_left_out(
    has_peft: bool, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmsearch_optuna.engine.adapter.is_peft_available", lambda: has_peft)
    saved(tmp_path / "model", tiny_model())
    (tmp_path / "model" / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=re.escape(message)):
        tuner_of(tmp_path, 'name = "model"')


def test_weights_that_a_checkpoint_does_not_have_are_refused(tmp_path: Path) -> None:
    model: Any = tiny_model()
    saved(tmp_path, model.model)
    with pytest.raises(
        ModelError, match=r"its files have no weights for lm_head\.weight, which would be random: load a"
    ):
        load_model(str(tmp_path), device="cpu")
