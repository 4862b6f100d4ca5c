"""Time llmsearch 0.1.0 on a job of `engine.py` or `results.py`, in an environment of its own (docs/benchmarks.md).

Usage: python llmsearch_peer.py JOB.json. The last line on standard output is one JSON object: workload to the seconds
and the texts of each trial.
"""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import datasets
import torch
from llmsearch.tuner import Tuner
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast


def main() -> None:
    """Run the job."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as scratch:
        directory = _older_format(Path(job["model"]), Path(scratch))
        model = AutoModelForCausalLM.from_pretrained(directory).eval()
        special = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(directory / "tokenizer.json"),
            padding_side="left",
            **{name: special[name] for name in ("bos_token", "eos_token", "pad_token", "unk_token")},
        )
    trials = {name: _trials(model, tokenizer, workload, job["params"]) for name, workload in job["workloads"].items()}
    print(json.dumps(trials))


def _older_format(source: Path, target: Path) -> Path:
    """Copy a model directory to what transformers 4.41 reads."""
    for name in ("model.safetensors", "generation_config.json", "tokenizer_config.json"):
        shutil.copy(source / name, target / name)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
    config["torch_dtype"] = config.pop("dtype")
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    merges = tokenizer["model"]["merges"]
    tokenizer["model"]["merges"] = [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]
    (target / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    return target


def _trials(model: Any, tokenizer: Any, workload: dict[str, Any], params: list[dict[str, Any]]) -> list[dict[str, Any]]:
    texts: list[str] = [""] * len(workload["prompts"])

    def keep(y_true: list[dict[str, Any]], y_pred: list[str]) -> float:
        for reference, text in zip(y_true, y_pred, strict=True):
            texts[int(reference["number"])] = text
        return 0.0

    tuner = Tuner(
        model=model,
        tokenizer=tokenizer,
        dataset=datasets.Dataset.from_dict({"prompt": workload["prompts"], "number": list(range(len(texts)))}),
        column_mapping={"input_cols": ["prompt"], "eval_cols": ["number"]},
        scorer=keep,
        device="cpu",
        prompt_template="{prompt}",
        tokenizer_encode_args={"padding": "longest", "truncation": False, "add_special_tokens": False},
        batch_size=workload["batch_size"],
        disable_generation_param_checks=True,
    )
    trials = []
    for values in params:
        arguments = {"do_sample": True, **values, "max_new_tokens": workload["max_new_tokens"]}
        if workload["eos_token_ids"] is not None:
            arguments["eos_token_id"] = workload["eos_token_ids"]
        started = time.perf_counter()
        tuner.get_score(arguments)
        trials.append({"seconds": time.perf_counter() - started, "texts": list(texts)})
    return trials


if __name__ == "__main__":
    main()
