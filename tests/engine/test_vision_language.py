"""Models that also read images or sound are searched with prompts of text, by name and as objects."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_requests import tokens_of, unlike_requests
from tiers import partly_full
from tiny_models import saved, tiny_tokenizer
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedModel

from llmsearch_optuna.engine.backend import Backend
from llmsearch_optuna.engine.generate.batching import Batching
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.loading import load_model
from llmsearch_optuna.engine.model_backend import model_backend

TEXT: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.5,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
IMAGES = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
QWEN_IMAGES = {"depth": 1, "hidden_size": 16, "out_hidden_size": 32, "num_heads": 2, "intermediate_size": 16}
MODELS: dict[str, dict[str, Any]] = {
    "llava": {
        "text_config": {"model_type": "llama", **TEXT},
        "vision_config": {"model_type": "clip_vision_model", **IMAGES},
    },
    # Positions of three dimensions.
    "qwen2_5_vl": {
        "text_config": {
            **TEXT,
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4},
        },
        "vision_config": QWEN_IMAGES,
    },
    "qwen3_vl": {
        "text_config": {
            **TEXT,
            "head_dim": 8,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1e4},
        },
        "vision_config": {**QWEN_IMAGES, "deepstack_visual_indexes": [0], "num_position_embeddings": 16},
    },
    "smolvlm": {"text_config": {"model_type": "llama", **TEXT}, "vision_config": IMAGES, "scale_factor": 1},
    # Masks by the type of a layer.
    "gemma3": {
        "text_config": {
            **TEXT,
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        "vision_config": IMAGES,
        "mm_tokens_per_image": 4,
    },
    "mistral3": {
        "text_config": {"model_type": "mistral", **TEXT},
        "vision_config": {"model_type": "pixtral", **IMAGES},
        "spatial_merge_size": 1,
    },
    # A layer that attends to images only.
    "mllama": {
        "text_config": {
            **TEXT,
            "num_hidden_layers": 3,
            "cross_attention_layers": [1],
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        },
        "vision_config": {
            **IMAGES,
            "num_global_layers": 1,
            "attention_heads": 2,
            "vision_output_dim": 32,
            "intermediate_layers_indices": [0],
            "max_num_tiles": 1,
            "supported_aspect_ratios": [[1, 1]],
        },
    },
    # A class for text alone that does not know the names of the weights.
    "emu3": {
        "text_config": TEXT,
        "vq_config": {
            "embed_dim": 8,
            "base_channels": 32,
            "channel_multiplier": [1],
            "num_res_blocks": 1,
            "latent_channels": 8,
            "attn_resolutions": [1],
        },
        "vocabulary_map": {"<image>": 3},
    },
    # The tokens of a prompt see each other, those of the completion do not.
    "paligemma": {
        "text_config": {"model_type": "gemma", "head_dim": 8, **TEXT},
        "vision_config": {"model_type": "siglip_vision_model", **IMAGES},
        "projection_dim": 32,
    },
}
NOT_IN_SLOTS = ("paligemma",)

REQUESTS = unlike_requests()


def reader_of_images(family: str) -> PreTrainedModel:
    auto: Any = AutoModelForImageTextToText
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: PreTrainedModel = auto.from_config(AutoConfig.for_model(family, **MODELS[family]))
    torch.nn.Module.eval(model)
    return model


def backend_of(model: PreTrainedModel) -> Backend:
    return model_backend(model, tiny_tokenizer(), batch_size=8)


@pytest.mark.parametrize("family", partly_full(MODELS, fast=["llava", "mllama"]))
def test_a_model_that_also_reads_images_writes_as_generate_does(family: str, tmp_path: Path) -> None:
    model = reader_of_images(family)
    backend = backend_of(model)
    assert bool(re.match(r"\d+ slots, which support", backend.summary)) == (family not in NOT_IN_SLOTS)
    expected = tokens_of(GenerateEngine(model, tiny_tokenizer(), batch_size=1, batching=Batching("none")), REQUESTS)
    assert len(set(expected)) > len(expected) // 2
    assert tokens_of(backend.engine, REQUESTS) == expected
    assert [tokens_of(backend.engine, [alone])[0] for alone in REQUESTS[::2]] == expected[::2]
    loaded, _ = load_model(saved(tmp_path, model), device="cpu")
    assert tokens_of(backend_of(loaded).engine, REQUESTS) == expected


@pytest.mark.parametrize("family", ["qwen3_vl", "mllama"])
def test_replay_of_a_model_that_also_reads_images_changes_no_token(family: str) -> None:
    backend = backend_of(reader_of_images(family))
    first = tokens_of(backend.engine, REQUESTS)
    assert tokens_of(backend.engine, REQUESTS[::-1]) == first[::-1]
    assert backend.replay is not None
    assert backend.replay.replayed >= sum(map(len, first))


@pytest.mark.parametrize("file", ["chat_template.json", "processor_config.json"])
def test_the_template_of_the_processor_is_used_if_the_tokenizer_has_none(file: str, tmp_path: Path) -> None:
    name = saved(tmp_path, reader_of_images("llava"))
    (tmp_path / "chat_template.jinja").unlink()
    assert load_model(name, device="cpu").tokenizer.chat_template is None
    (tmp_path / file).write_text(json.dumps({"chat_template": "of the processor"}))
    assert load_model(name, device="cpu").tokenizer.chat_template == "of the processor"
