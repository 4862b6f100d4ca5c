"""The model families of the tests: tiny configurations, what serves each, and the table of them for readers.

``python tests/helpers/families.py`` writes the table into the pages that have one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

VOCABULARY = 400

WINDOW = 8
"""Sliding window of the models that have one: shorter than every prompt of the tests."""

LONG = 24
"""From so many tokens on, families that treat long rows by their company do so."""

_HEAD = "| families | served by | note |"

_TOKENS: dict[str, Any] = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 0}

# Random weights this large make peaked distributions, as trained models have.
_SPREAD = 0.5

_SMALL: dict[str, Any] = {
    **_TOKENS,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": _SPREAD,
}

_EXPERTS: dict[str, Any] = {"moe_intermediate_size": 16, "num_experts_per_tok": 2}
_TWO_LAYERS: dict[str, Any] = {
    "sliding_window": WINDOW,
    "layer_types": ["sliding_attention", "full_attention"],
    # Tied ones make a random model repeat its last token.
    "tie_word_embeddings": False,
}
_FALCON: dict[str, Any] = {
    **_TOKENS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "initializer_range": _SPREAD,
}
_LATENT: dict[str, Any] = {**_SMALL, **_EXPERTS, "q_lora_rank": 16, "n_routed_experts": 4, "tie_word_embeddings": False}
_STATES: dict[str, Any] = {
    **_TOKENS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "initializer_range": _SPREAD,
    "tie_word_embeddings": False,
}
_BART: dict[str, Any] = {
    **_TOKENS,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 512,
    "init_std": _SPREAD,
    "tie_word_embeddings": False,
    "forced_eos_token_id": 2,
}

SLOTS = "slots"
PADDED = "plain `generate`"
ONE_LENGTH = "plain `generate`, prompts of one length together"
ROW_BY_ROW = "plain `generate`, row by row"

ATTENTION = ["llama", "qwen3", "gpt2", "mistral", "gemma3", "phi3", "mixtral"]
"""Families of several kinds of attention, all served in slots."""

NO_BEAMS = "no beams: the state cannot go back"

_ALIBI = "a decode step in slots raised ValueError"
_RECURRENT = "it has layers of type linear_attention"
_TWO_PARTS = "it is an encoder-decoder"

_COMPANY = "the rounding of a row depends on the other rows of the batch"
_LONG_ROWS = "one by one through `generate` from"
_FORCED = "ends with an end token at the length limit, as its config says"


@dataclass(frozen=True, kw_only=True)
class Family:
    """A model family.

    Attributes:
        model_type: Its name in transformers.
        sizes: The arguments of a tiny configuration.
        path: What serves it.
        reason: How the reason begins that slots do not suit it.
        note: What a user should know.
    """

    model_type: str
    sizes: dict[str, Any]
    path: str = SLOTS
    reason: str = ""
    note: str = ""


FAMILIES: dict[str, Family] = {
    "llama": Family(model_type="llama", sizes=_SMALL),
    "qwen2": Family(model_type="qwen2", sizes=_SMALL),
    "qwen3": Family(model_type="qwen3", sizes={**_SMALL, "head_dim": 8}),
    "mistral": Family(model_type="mistral", sizes={**_SMALL, "sliding_window": WINDOW}),
    "gemma": Family(model_type="gemma", sizes={**_SMALL, "head_dim": 8}),
    "gemma2": Family(model_type="gemma2", sizes={**_SMALL, "head_dim": 8, "query_pre_attn_scalar": 8, **_TWO_LAYERS}),
    "gemma3": Family(
        model_type="gemma3_text", sizes={**_SMALL, "head_dim": 8, "query_pre_attn_scalar": 8, **_TWO_LAYERS}
    ),
    "phi3": Family(model_type="phi3", sizes={**_SMALL, "sliding_window": WINDOW}),
    "phi3 (LongRoPE)": Family(
        model_type="phi3",
        sizes={
            **_SMALL,
            "original_max_position_embeddings": LONG,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10_000.0,
                "partial_rotary_factor": 1.0,
                "original_max_position_embeddings": LONG,
                "short_factor": [1.0] * 4,
                "long_factor": [1.5, 2.0, 4.0, 8.0],
            },
        },
        note=f"{_LONG_ROWS} as many tokens on as were trained on first (4,096)",
    ),
    "gpt2": Family(
        model_type="gpt2",
        sizes={**_TOKENS, "n_positions": 512, "n_embd": 32, "n_layer": 2, "n_head": 4, "initializer_range": _SPREAD},
    ),
    "gpt_neox": Family(model_type="gpt_neox", sizes=_SMALL),
    "opt": Family(
        model_type="opt",
        sizes={
            **_TOKENS,
            "hidden_size": 32,
            "word_embed_proj_dim": 32,
            "ffn_dim": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 512,
            "init_std": _SPREAD,
        },
    ),
    "falcon": Family(model_type="falcon", sizes=_FALCON),
    "mpt": Family(
        model_type="mpt",
        sizes={**_TOKENS, "d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 512, "initializer_range": _SPREAD},
    ),
    "qwen2_moe": Family(
        model_type="qwen2_moe",
        sizes={**_SMALL, **_EXPERTS, "num_experts": 4, "shared_expert_intermediate_size": 16},
        note=_COMPANY,
    ),
    "qwen3_moe": Family(
        model_type="qwen3_moe", sizes={**_SMALL, **_EXPERTS, "head_dim": 8, "num_experts": 4}, note=_COMPANY
    ),
    "mixtral": Family(
        model_type="mixtral", sizes={**_SMALL, "num_local_experts": 4, "sliding_window": None}, note=_COMPANY
    ),
    "gpt_oss": Family(
        model_type="gpt_oss",
        sizes={
            **_SMALL,
            **_TWO_LAYERS,
            "head_dim": 8,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        },
        note=_COMPANY,
    ),
    "deepseek_v3": Family(
        model_type="deepseek_v3",
        sizes={
            **_LATENT,
            "num_key_value_heads": 4,
            "n_group": 2,
            "topk_group": 1,
            "first_k_dense_replace": 1,
            "kv_lora_rank": 16,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8,
            "v_head_dim": 8,
        },
        note=_COMPANY,
    ),
    "llama4 (text)": Family(
        model_type="llama4_text",
        sizes={
            **_SMALL,
            "head_dim": 8,
            "intermediate_size_mlp": 48,
            "num_local_experts": 4,
            "interleave_moe_layer_step": 2,
            "attention_chunk_size": WINDOW,
            "no_rope_layers": [1, 0],
            "floor_scale": LONG,
        },
        note=f"{_COMPANY}; {_LONG_ROWS} 8,192 tokens on",
    ),
    "deepseek_v4": Family(
        model_type="deepseek_v4",
        sizes={
            **_LATENT,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "num_hidden_layers": 3,
            "layer_types": ["sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"],
            "sliding_window": WINDOW,
            "o_groups": 2,
            "o_lora_rank": 16,
            "index_n_heads": 2,
            "index_head_dim": 16,
            "index_topk": 4,
        },
        path=ONE_LENGTH,
        reason="it has layers of type compressed_sparse_attention, heavily_compressed_attention",
    ),
    "bloom": Family(
        model_type="bloom",
        sizes={**_TOKENS, "hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": _SPREAD},
        path=PADDED,
        reason=_ALIBI,
    ),
    "falcon (ALiBi)": Family(model_type="falcon", sizes={**_FALCON, "alibi": True}, path=PADDED, reason=_ALIBI),
    "gpt_neo": Family(
        model_type="gpt_neo",
        sizes={
            **_TOKENS,
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 24,  # not shorter than the sequences of the probe, which still has to see it
            "max_position_embeddings": 512,
            "initializer_range": _SPREAD,
            "tie_word_embeddings": False,
        },
        path=PADDED,
        reason="logits differ from those of a plain forward pass by",
    ),
    "mamba": Family(model_type="mamba", sizes={**_STATES, "state_size": 4}, path=PADDED, reason=_RECURRENT),
    "mamba2": Family(
        model_type="mamba2",
        sizes={**_STATES, "num_heads": 8, "head_dim": 8, "state_size": 8, "n_groups": 1, "chunk_size": 8},
        path=PADDED,
        reason=_RECURRENT,
    ),
    "jamba": Family(
        model_type="jamba",
        sizes={
            **_SMALL,
            "num_hidden_layers": 4,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "num_experts": 2,
            "num_experts_per_tok": 1,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
            "mamba_d_state": 4,
            "mamba_dt_rank": 4,
        },
        path=PADDED,
        reason=_RECURRENT,
    ),
    "falcon_h1": Family(
        model_type="falcon_h1",
        sizes={
            **_SMALL,
            "mamba_d_ssm": 64,
            "mamba_n_heads": 8,
            "mamba_d_head": 8,
            "mamba_d_state": 8,
            "mamba_chunk_size": 8,
        },
        path=PADDED,
        reason="it has layers of type hybrid",
    ),
    "nemotron_h": Family(
        model_type="nemotron_h",
        sizes={
            **_SMALL,
            "num_hidden_layers": 4,
            "layers_block_type": ["mamba", "mlp", "attention", "mamba"],
            "head_dim": 8,
            "mamba_num_heads": 8,
            "mamba_head_dim": 8,
            "ssm_state_size": 8,
            "n_groups": 2,
            "chunk_size": 8,
        },
        path=PADDED,
        reason="it has layers of type linear_attention, mlp",
    ),
    "lfm2": Family(
        model_type="lfm2",
        sizes={**_SMALL, "block_multiple_of": 16, "layer_types": ["conv", "full_attention"]},
        path=PADDED,
        reason="it has layers of type conv",
    ),
    "rwkv": Family(
        model_type="rwkv",
        sizes={
            **_TOKENS,
            "hidden_size": 32,
            "attention_hidden_size": 32,
            "num_hidden_layers": 2,
            "context_length": 512,
        },
        path=ROW_BY_ROW,
        reason="a decode step in slots raised",
        note=NO_BEAMS,
    ),
    "t5": Family(
        model_type="t5",
        sizes={
            **_TOKENS,
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 48,
            "num_layers": 2,
            "num_heads": 4,
            "initializer_factor": 3.0,
            "decoder_start_token_id": 0,
        },
        path=PADDED,
        reason=_TWO_PARTS,
    ),
    "bart": Family(
        model_type="bart", sizes={**_BART, "decoder_start_token_id": 2}, path=PADDED, reason=_TWO_PARTS, note=_FORCED
    ),
    "pegasus": Family(
        model_type="pegasus", sizes={**_BART, "decoder_start_token_id": 0}, path=PADDED, reason=_TWO_PARTS, note=_FORCED
    ),
}


def family_table() -> str:
    """The table for readers: families that are served alike share a line."""
    lines: dict[tuple[str, str], list[str]] = {}
    for name, family in FAMILIES.items():
        lines.setdefault((family.path, family.note), []).append(f"`{name}`")
    rows = [f"| {', '.join(names)} | {path} | {note} |" for (path, note), names in lines.items()]
    return "\n".join([_HEAD, "| --- | --- | --- |", *rows])


def with_table(page: str) -> str:
    """A page with the table as it should be."""
    lines = page.splitlines()
    first = lines.index(_HEAD)
    last = next(number for number, line in enumerate(lines) if number > first and not line.startswith("|"))
    return "\n".join([*lines[:first], family_table(), *lines[last:], ""])


if __name__ == "__main__":
    page = Path(__file__).parents[2] / "docs" / "explanations" / "exactness.md"
    page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")
