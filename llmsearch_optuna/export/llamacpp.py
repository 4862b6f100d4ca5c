"""Exports to llama.cpp: requests, a command line, a preset of its server, and the metadata of a GGUF file."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmsearch_optuna.export.translation import Exported, effective_params, translated
from llmsearch_optuna.space.dialects import LLAMACPP
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.rules import DRY_SEQUENCE_BREAKERS

__all__ = ["to_gguf", "to_llamacpp"]

# The options that are written only if needed. Their defaults are off, no GGUF file sets them, and older versions of
# llama.cpp lack some.
_OPTIONAL = ("top_n_sigma", "presence_penalty", "frequency_penalty", "dry_multiplier")

_LETTERS = {
    "penalties": "e",
    "dry": "d",
    "temperature": "t",
    "top_n_sigma": "s",
    "top_k": "k",
    "top_p": "p",
    "min_p": "m",
    "typ_p": "y",
    "xtc": "x",
}
"""Sampler -> its letter in ``--sampler-seq``."""


def to_llamacpp(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return a ``request`` to llama.cpp's server, command-line ``arguments``, and the lines of a ``preset``.

    The request is one to ``/completion``. The preset is an INI file for ``llama-server --models-preset``. Its section
    ``[*]`` is for all models; with the name of a model in place of the star it is for that model. The three are
    equivalent, but only the request has stop strings. llama.cpp's defaults (top_k 40, top_p 0.95, min_p 0.05, a
    temperature of 0.8 after all cuts) and those of the GGUF file are switched off. Its samplers are in the order of
    this package: penalties, temperature, cuts.
    """
    request, warnings = _request(params, stop)
    if stop:
        warnings.append(f"stop={json.dumps(stop)}: only requests to the server have it (`stop`), not the command line")
    options = list(_options(request))
    breakers = request.get("dry_sequence_breakers", ())
    if len(breakers) > 1 and {*breakers} != {*DRY_SEQUENCE_BREAKERS}:
        warnings.append(
            f"dry_sequence_breakers={json.dumps(breakers)}: a preset takes at most one, and has llama.cpp's own; "
            "the request and the command line have them"
        )
    preset = ["[*]", *(f"{option.lstrip('-')} = {text}" for option, text in _preset_options(options))]
    values = {"request": request, "arguments": list(itertools.chain(*options)), "preset": preset}
    return Exported(values, tuple(warnings))


def to_gguf(params: GenerationParams, stop: Sequence[str] = ()) -> Exported:
    """Return the metadata of a GGUF file (``general.sampling.*``) from which llama.cpp takes its defaults.

    A float is a FLOAT32 in the file, an integer an INT32, and a string a STRING.
    """
    keys = LLAMACPP.gguf_keys
    lacking = {name for name, field in LLAMACPP.fields.items() if field not in keys}
    left_out = {name: value for name, value in effective_params(params).items() if name in lacking}
    kept = {name: value for name, value in params.canonical.to_dict().items() if name not in lacking}
    request, warnings = _request(GenerationParams.from_dict(kept), stop)
    request["samplers"] = ";".join(request["samplers"])
    values = {f"general.sampling.{key}": request[field] for field, key in keys.items() if field in request}
    warnings += [f"{name}={json.dumps(value)}: a GGUF file has no key for it" for name, value in left_out.items()]
    warnings.append(f"max_new_tokens={params.max_new_tokens}: a GGUF file has no key for it, nor for a seed")
    if stop:
        warnings.append(f"stop={json.dumps(stop)}: a GGUF file has no key for it")
    return Exported(values, tuple(warnings))


def _request(params: GenerationParams, stop: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    request, warnings = translated(LLAMACPP, params, stop)
    effective = effective_params(params)
    cuts = (sampler for name, sampler in LLAMACPP.samplers.items() if name in effective)
    request["samplers"] = ["penalties", *(["dry"] if "dry_multiplier" in effective else []), "temperature", *cuts]
    return request, warnings


def _options(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field, option in LLAMACPP.options.items():
        if field not in request or (field in _OPTIONAL and request[field] == LLAMACPP.off.get(field)):
            continue
        if field == "dry_sequence_breakers":
            yield from ((option, _escaped(text)) for text in request[field])
        else:
            yield option, ";".join(request[field]) if field == "samplers" else str(request[field])


def _preset_options(options: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the options as an INI file takes them, where a value ends at a semicolon or #, and no key is repeated."""
    breaker_option = LLAMACPP.options["dry_sequence_breakers"]
    breakers = [text for option, text in options if option == breaker_option]
    for option, text in options:
        if option == LLAMACPP.options["samplers"]:
            yield "--sampler-seq", "".join(_LETTERS[name] for name in text.split(";"))
        elif option != breaker_option:
            yield option, text
        elif len(breakers) == 1:
            yield option, re.sub(r"[\x00-\x20;#]", lambda match: f"\\x{ord(match[0]):02x}", text)


def _escaped(breaker: str) -> str:
    """Return a breaker as the command line of llama.cpp takes it, where ``none`` stands for no breakers."""
    return {"": "none", "none": r"\x6eone"}.get(breaker, breaker.replace("\\", r"\\"))
