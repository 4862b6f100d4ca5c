"""The parts of the documentation that are made from the code. ``python tests/helpers/reference_pages.py`` writes them.

A part stands between ``<!-- made from the code: NAME ARGUMENTS -->`` and ``<!-- end -->``; the rest of the page is
written by hand. `MAKERS` has the function of each name.
"""

import argparse
import dataclasses
import functools
import inspect
import json
import re
import textwrap
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from docstrings import as_markdown, field_meanings, item, one_line, parse
from documentation import DOCS, first_sentence, prose, title
from python_reference import describe_python, list_errors, list_names

from llmsearch_optuna.cli.arguments import make_parser
from llmsearch_optuna.engine.http.server import OpenAIServer
from llmsearch_optuna.metrics import BUILT_IN_METRICS, describe_metric, make_metric, metric_text
from llmsearch_optuna.metrics.built_in import MULTI_COLUMN
from llmsearch_optuna.metrics.reducers import make_reducer
from llmsearch_optuna.search.options import SearchOptions
from llmsearch_optuna.search.paired_pruner import PairedPruner
from llmsearch_optuna.search.pruners import PRUNERS
from llmsearch_optuna.search.samplers import SAMPLERS
from llmsearch_optuna.space.dialects import DIALECTS, IMPLIED, VLLM_WITH_PLUGIN
from llmsearch_optuna.space.generation_config import HF_NAMES
from llmsearch_optuna.space.params import PARAMETERS
from llmsearch_optuna.space.rules import CLASHES, REMOVED
from llmsearch_optuna.study_file.sections import (
    DataSection,
    GenerationSection,
    ModelSection,
    StudySection,
    _options,
    _type_name,
)
from llmsearch_optuna.tracking.options import TrackOptions

__all__ = ["LLMS", "MAKERS", "SECTIONS", "llms_txt", "with_parts", "write_pages"]

LLMS = DOCS / "llms.txt"

SECTIONS: Mapping[str, type] = {
    "study": StudySection,
    "model": ModelSection,
    "server": OpenAIServer,
    "data": DataSection,
    "generation": GenerationSection,
    "track": TrackOptions,
}
"""The sections of a study file whose keys are the fields of a dataclass."""

_PART = re.compile(r"(<!-- made from the code: (\w+)((?: [\w.]+)*) -->\n).*?(?=<!-- end -->)", re.DOTALL)
_WIDTH = 100

_FOLDERS = {"": "Start here", "how-to": "How-to guides", "reference": "Reference", "explanations": "Explanations"}
_BACKGROUND = ("what_to_tune", "benchmarks", "comparison", "limits", "migrating", "troubleshooting")
_ORDER = (
    *(
        "own_data",
        "models",
        "own_metric",
        "judge",
        "several_metrics",
        "tasks_of_others",
        "reasoning_models",
        "several_completions",
        "objectives_and_cost",
    ),
    *(
        "servers",
        "ollama",
        "vllm",
        "many_workers",
        "budget",
        "compare_and_ci",
        "report_and_dashboard",
        "tracking",
        "deployment",
    ),
    *("study_file", "parameters", "metrics", "commands", "python", "events_and_log"),
    *("exactness", "replay", "pruning", "stopping", "verdict", "durability", "untrusted_input"),
    *_BACKGROUND,
)
"""The order of the pages within their sections. Pages that are not named come last."""


def with_parts(page: str) -> str:
    """Return a page with its generated parts as the code is now."""
    return _PART.sub(lambda match: f"{match[1]}\n{MAKERS[match[2]](*match[3].split()).strip()}\n\n", page)


def llms_txt() -> str:
    """Return the index of the documentation for language models; see llmstxt.org."""
    page = (DOCS / "index.md").read_text(encoding="utf-8")
    summary = " ".join(prose(page).split("\n\n")[1].split())
    pages = re.sub(r"\n +", " ", list_pages())
    return f"# {title(page)}\n\n> {summary}\n\n{pages}\n"


def list_pages() -> str:
    """List all pages by section, each with the first sentence of its text."""
    sections: dict[str, list[Path]] = {}
    for path in sorted(DOCS.rglob("*.md")):
        folder = path.parent.relative_to(DOCS).as_posix().replace(".", "")
        if path != DOCS / "index.md":
            sections.setdefault("Background" if path.stem in _BACKGROUND else _FOLDERS[folder], []).append(path)
    lines = []
    for section in (*_FOLDERS.values(), "Background"):
        if section in sections:
            lines += ["", f"## {section}", ""]
            lines += map(_entry, sorted(sections[section], key=_place))
    return "\n".join(lines).strip()


def _place(path: Path) -> int:
    return _ORDER.index(path.stem) if path.stem in _ORDER else len(_ORDER)


def _entry(path: Path) -> str:
    page = path.read_text(encoding="utf-8")
    return item(f"[{title(page)}]({path.relative_to(DOCS).as_posix()}): {first_sentence(page)}")


def describe_keys(section: str) -> str:
    """List the keys of a section of a study file."""
    kind: Any = SECTIONS[section]
    hints, meanings = typing.get_type_hints(kind), field_meanings(kind)
    options = sorted(_options(kind).items(), key=lambda entry: entry[1].name not in kind.__annotations__)
    return "\n".join(
        item(f"`{key}` ({_type(hints[option.name])}{_default(option)}): {_as_toml(meanings[option.name])}")
        for key, option in options
    )


def _type(hint: Any) -> str:
    return re.sub(r"\(an? (\w+) each\)", r"of \1s", _type_name(hint))


def _as_toml(text: str) -> str:
    """Return a text with its Python dictionaries in the syntax of TOML."""
    return re.sub(
        r"`\{(\".*?)\}`",
        lambda match: "`{ " + re.sub(r'"(\w+)": ', r"\1 = ", match[1]).replace("False", "false") + " }`",
        text,
    )


def _default(option: "dataclasses.Field[Any]") -> str:
    value = option.default
    if option.default_factory is not dataclasses.MISSING:
        value = option.default_factory()
    if value is dataclasses.MISSING:
        return ", required"
    if value is None or value == "":
        return ""
    return f", default: `{json.dumps(value) if value != {} else '{}'}`"


def describe_metric_keys() -> str:
    """List the keys of ``[metric]`` that every metric has."""
    meanings = parse(make_metric).entries["Args"]
    types = {"column": "a string", "greater_is_better": "true or false, default: `true`", "reducer": "a string"}
    types |= {"retries": "an integer", "timeout_s": "a number"}
    texts = {name: one_line(meanings[name]).replace("see `make_reducer`", "see below") for name in types}
    return "\n".join(item(f"`{name}` ({kind}): {texts[name]}") for name, kind in types.items())


def describe_reducers() -> str:
    """List the reducers."""
    return as_markdown(textwrap.dedent(parse(make_reducer).entries["Args"]["name"].partition("\n")[2]))


def list_samplers() -> str:
    """List the samplers with their Optuna classes."""
    return "\n".join(
        f"- `{name}`{' (default)' if name == SearchOptions.sampler else ''}: `optuna.samplers.{sampler.__name__}`"
        for name, sampler in SAMPLERS.items()
    )


def list_pruners() -> str:
    """List the pruners: the package's own with their docstrings, the others with their Optuna classes."""
    return "\n".join(
        f"- `{name}`: "
        + (f"`optuna.pruners.{pruner.__name__}`" if pruner.__module__.startswith("optuna") else parse(pruner).summary)
        for name, pruner in PRUNERS.items()
    )


def describe_paired_keys() -> str:
    """List the arguments of the paired pruner."""
    meanings = parse(PairedPruner).entries["Args"]
    defaults = inspect.signature(PairedPruner).parameters
    return "\n".join(
        item(f"`{name}` (a number, default: `{defaults[name].default}`): {one_line(meanings[name])}")
        for name in ("alpha", "margin")
    )


def list_clashes() -> str:
    """List the combinations of parameters that are refused."""
    return "\n".join(item(f"{clash.reason}.") for clash in CLASHES)


def list_removed() -> str:
    """List the parameters that are refused by name."""
    return "\n".join(item(f"`{name}`: {reason}.") for name, reason in REMOVED.items())


def describe_parameters(*stages: str) -> str:
    """Describe the generation parameters of some stages, in a table. ``other`` has those of no stage."""
    lines = ["| Parameter | Values | Off | Meaning |", "| --- | --- | --- | --- |"]
    for name, row in PARAMETERS.items():
        stage = row.stage or (PARAMETERS[row.requires].stage if row.requires else "other")
        if stage in stages:
            kind = {bool: "", int: "integer ", float: "number ", tuple: ""}[row.type]
            off = "" if row.off is None or row.requires else f"`{json.dumps(row.off)}`"
            lines.append(f"| `{name}` | {kind}{row.rule.text} | {off} | {as_markdown(row.description)} |")
    return "\n".join(lines)


def compare_systems() -> str:
    """Return the table of the names of the parameters in other systems."""
    titles = {kind: f"`{kind}`" for kind in DIALECTS} | {"vllm": "`vllm`, `sglang`"}
    kinds = [kind for kind in titles if kind != "sglang"]
    assert DIALECTS["vllm"].fields == DIALECTS["sglang"].fields
    lines = [f"| Parameter | `hf` | {' | '.join(titles[kind] for kind in kinds)} | `vllm` with the plug-in |"]
    lines.append("| --- " * (len(kinds) + 3) + "|")
    for name in PARAMETERS:
        if name in IMPLIED:
            continue
        fields = [{"temperature": "temperature", **DIALECTS[kind].fields}.get(name) for kind in kinds]
        fields = [name if name in HF_NAMES else None, *fields]
        fields.append(name if name in ("temperature", *VLLM_WITH_PLUGIN.fields) else None)
        lines.append(f"| `{name}` | {' | '.join('-' if field is None else f'`{field}`' for field in fields)} |")
    return "\n".join(lines)


def list_differences() -> str:
    """List the parameters whose meaning differs in a system, or that a system ignores beside others."""
    lines = []
    for dialect in DIALECTS.values():
        lines += [item(f"{dialect.title}, `{name}`: {text}.") for name, text in dialect.differences.items()]
        for name, others in dialect.ignored.items():
            names = ", ".join(f"`{other}`" for other in others)
            lines.append(item(f"{dialect.title} ignores these parameters if `{name}` is set: {names}."))
    return "\n".join(lines)


def describe_metrics() -> str:
    """Return a table of all metrics, and the description of each."""
    lines = ["| Metric | Score | Arguments |", "| --- | --- | --- |"]
    for metric in map(describe_metric, BUILT_IN_METRICS):
        arguments = ", ".join(f"`{argument.name}`" for argument in metric.arguments)
        lines.append(f"| [`{metric.name}`](#{metric.name.lower()}) | {metric.summary} | {arguments} |")
    sections = [f"## {name}\n\n{metric_text(name, with_reference=name in MULTI_COLUMN)}" for name in BUILT_IN_METRICS]
    return "\n\n".join(["\n".join(lines), *sections])


def describe_reference() -> str:
    """Describe the reference column of most metrics."""
    text = describe_metric("exact_match").reference
    return textwrap.fill(f"Unless a metric says otherwise, `column` is {text[0].lower()}{text[1:]}", 120)


def describe_commands() -> str:
    """Describe the commands: usage, arguments and options, from the argument parser."""
    parser = make_parser()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    parts = []
    for action in commands._choices_actions:
        command = commands.choices[action.dest]
        parts += [f"## {action.dest}", f"{_sentence(str(action.help))}", f"```text\n{_usage(command)}\n```"]
        options = [option for option in command._actions if not isinstance(option, argparse._HelpAction)]
        parts.append("\n".join(map(_option, sorted(options, key=lambda option: bool(option.option_strings)))))
        _, _, text = (command.epilog or "").partition("example")
        if examples := textwrap.dedent(text.partition("\n")[2]).rstrip():
            parts.append(f"```\n{examples}\n```")
    return "\n\n".join(part for part in parts if part)


def _usage(command: argparse.ArgumentParser) -> str:
    command.formatter_class = functools.partial(argparse.HelpFormatter, width=10_000)
    line = command.format_usage().removeprefix("usage: ").replace(" [-h]", "").strip()
    return textwrap.fill(line, _WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _option(option: argparse.Action) -> str:
    values = option.metavar or (f"{{{','.join(map(str, option.choices))}}}" if option.choices else "")
    value = f"{values} ..." if option.nargs == "+" else str(values)
    names = [f"`{name} {value}`" if value else f"`{name}`" for name in option.option_strings] or [f"`{value}`"]
    return item(f"{', '.join(names)}: {_sentence(str(option.help))}")


def _sentence(text: str) -> str:
    start = text[0].upper() + text[1:] if re.match(r"[\w'-]+[,:.]?\s", text) else text
    return start if start.endswith((".", "?")) else f"{start}."


MAKERS: Mapping[str, Callable[..., str]] = {
    "pages": list_pages,
    "keys": describe_keys,
    "metric_keys": describe_metric_keys,
    "reducers": describe_reducers,
    "samplers": list_samplers,
    "pruners": list_pruners,
    "paired_keys": describe_paired_keys,
    "clashes": list_clashes,
    "removed": list_removed,
    "parameters": describe_parameters,
    "systems": compare_systems,
    "differences": list_differences,
    "reference_column": describe_reference,
    "metrics": describe_metrics,
    "commands": describe_commands,
    "python": describe_python,
    "names": list_names,
    "errors": list_errors,
}
"""The functions that make the parts of the pages."""


def write_pages() -> None:
    """Write the parts of all pages, and `LLMS`. The index comes last, as it quotes the others."""
    paths = sorted(DOCS.rglob("*.md"), key=lambda path: path == DOCS / "index.md")
    for path in [*paths, DOCS / "index.md"]:
        path.write_text(with_parts(path.read_text(encoding="utf-8")), encoding="utf-8")
    LLMS.write_text(llms_txt(), encoding="utf-8")


if __name__ == "__main__":
    write_pages()
