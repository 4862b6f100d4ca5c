"""The generation parameters under the names of other systems, with a warning for each difference in meaning.

Each ``to_...`` function takes the parameters and the stop strings.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from llmsearch_optuna.export.llamacpp import to_gguf, to_llamacpp
from llmsearch_optuna.export.lm_eval import to_lm_eval
from llmsearch_optuna.export.translation import Exported, differences, translated
from llmsearch_optuna.space.dialects import DIALECTS, EXPORT_DIALECTS
from llmsearch_optuna.space.generation_config import HF_NAMES, generation_config
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.settings import BODY, settings_in

__all__ = [
    "TARGETS",
    "to_hf",
    "to_json",
    "to_koboldcpp",
    "to_ollama",
    "to_openai",
    "to_sglang",
    "to_text_generation_webui",
    "to_vllm",
]


def to_hf(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return the fields of a ``GenerationConfig`` for ``transformers``.

    `logits_processors` expresses all other parameters, except in beam search; see `write_hf`.
    """
    remedy = "" if params.beams else "; llmsearch_optuna.logits_processors reproduces them"
    warnings = list(differences(params, HF_NAMES, "transformers", remedy))
    if stop:
        warnings.append(f"stop={json.dumps(stop)}: pass stop_strings and tokenizer to model.generate")
    if params.beams:
        warnings.append(
            f"num_beams={params.num_beams}: llmsearch_optuna.logits_processors do not support beam search, so that the "
            "export has no `exact` config and no `--exact`"
        )
    return Exported(generation_config(params), tuple(warnings))


def to_vllm(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return the arguments of vLLM's ``SamplingParams``, which are also the fields of a request to its server."""
    values, warnings = translated(DIALECTS["vllm"], params, stop)
    return Exported(values, tuple(warnings))


def to_ollama(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return the fields of a request to Ollama's own API (``request``) and the lines of a ``modelfile``.

    The two are equivalent, but only the request has fields beside the options, such as ``think``. Ollama's defaults
    (top_k 40, top_p 0.9) are switched off.
    """
    options, warnings = translated(DIALECTS["ollama"], params, stop)
    body = {name: options.pop(name) for name in settings_in(dict(params.settings), BODY)}
    entries = [(name, entry) for name, value in options.items() for entry in (value if name == "stop" else [value])]
    lines = [
        f'PARAMETER {name} """{entry}"""' if name == "stop" else f"PARAMETER {name} {json.dumps(entry)}"
        for name, entry in entries
    ]
    if stop:
        warnings.append(f"stop={json.dumps(stop)}: replaces the stop strings of the model's own Modelfile; add those")
    warnings += [f"{BODY}{name}: only requests have it (`{name}`), no Modelfile" for name in body]
    return Exported({"request": {**body, "options": options}, "modelfile": lines}, tuple(warnings))


def to_sglang(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return the fields of a ``request`` to SGLang's OpenAI-compatible API, and its own ``sampling_params``.

    The two are equivalent. The latter are for ``/generate`` and ``sglang.Engine``. The defaults that SGLang takes from
    the model's generation config are switched off.
    """
    request, warnings = translated(DIALECTS["sglang"], params, stop)
    names = {"max_tokens": "max_new_tokens", "seed": "sampling_seed"}
    if not params.greedy:
        warnings.append("seed: SGLang uses it only if started with --enable-deterministic-inference")
    native = {names.get(name, name): value for name, value in request.items()}
    return Exported({"request": request, "sampling_params": native}, tuple(warnings))


def to_koboldcpp(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return a ``request`` to koboldcpp's ``/api/v1/generate``, and ``arguments`` that make the same its defaults.

    koboldcpp's defaults (top_k 100, top_p 0.92, a temperature of 0.75 after all cuts) are switched off. Its samplers
    are in the order of this package.
    """
    request, warnings = translated(EXPORT_DIALECTS["koboldcpp"], params, stop)
    if not params.greedy:
        warnings.append("top_k: koboldcpp never keeps more than 3000 tokens")
        if not 0 < params.generation_seed < 2**31:
            warnings.append(
                f"generation_seed={params.generation_seed}: koboldcpp replaces a seed outside 1 to {2**31 - 1}"
            )
    return Exported({"request": request, "arguments": ["--gendefaults", json.dumps(request)]}, tuple(warnings))


def to_text_generation_webui(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return a ``request`` to the API of text-generation-webui, and the lines of a ``preset``.

    The preset is a file ``user_data/presets/NAME.yaml``. The order of the samplers is that of this package.
    """
    request, warnings = translated(EXPORT_DIALECTS["text_generation_webui"], params, stop)
    unset = ("max_tokens", "seed", "stop")
    lines = [f"{name}: {json.dumps(value)}" for name, value in request.items() if name not in unset]
    warnings.append(
        f"max_new_tokens={params.max_new_tokens}: a preset has no length limit, seed or stop strings; only the request "
        "has them"
    )
    return Exported({"request": request, "preset": lines}, tuple(warnings))


def to_openai(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return the sampling fields of a chat completions request to OpenAI's API or a compatible one."""
    values, warnings = translated(DIALECTS["openai"], params, stop)
    return Exported(values, tuple(warnings))


def to_json(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return all parameters that are set (``params``) and the stop strings (``stop``), under this package's names."""
    return Exported({"params": params.to_dict(), "stop": list(stop)}, ())


TARGETS: Mapping[str, tuple[str, Callable[[GenerationParams, Sequence[str]], Exported]]] = MappingProxyType(
    {
        "hf": ("generation_config", to_hf),
        "vllm": ("sampling_params", to_vllm),
        "sglang": ("sglang", to_sglang),
        "llamacpp": ("llama_cpp", to_llamacpp),
        "gguf": ("metadata", to_gguf),
        "ollama": ("ollama", to_ollama),
        "koboldcpp": ("koboldcpp", to_koboldcpp),
        "text_generation_webui": ("text_generation_webui", to_text_generation_webui),
        "lm_eval": ("lm_eval", to_lm_eval),
        "openai": ("request", to_openai),
        "json": ("llmsearch_optuna", to_json),
    }
)
"""The systems by name: the key of their parameters in an export, and the function that returns them."""
