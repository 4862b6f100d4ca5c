"""The public classes and functions of the package as Markdown, from their signatures and docstrings."""

import ast
import functools
import importlib
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from docstrings import Docstring, as_markdown, item, one_line, parse

from llmsearch_optuna import errors

__all__ = ["describe_python", "list_errors", "list_names"]

_WIDTH = 100

_LINKS = {
    "`SearchOptions`": "[`[study]`](study_file.md#study)",
    "`DataOptions`": "[`[data]`](study_file.md#data)",
    "`PromptSource`": "[`[data]`](study_file.md#data)",
    "`TaskOptions`": "[`[data]`](study_file.md#data)",
    "`load_model`": "[`[model]`](study_file.md#model)",
    "`make_metric`": "[`make_metric`](#make_metric)",
}
"""What the Python page says of the options that a study file has, too."""

_DESCRIBED_ELSEWHERE = {
    "GenerationParams": "The fields are the [generation parameters](parameters.md).",
    "OpenAIServer": "The fields are the keys of [`[server]`](study_file.md#server).",
}

_ONLY_FIELDS = ("OpenAIServer",)
"""Classes whose methods are of no use to users."""


def describe_python(*names: str) -> str:
    """Describe public names of the package: classes with their methods, and functions."""
    return "\n\n".join(part for name in names for part in _describe(name))


def list_names(*modules: str) -> str:
    """List the public functions and classes of some modules, each with the first sentence of its docstring."""
    lines = []
    for module in modules:
        home = importlib.import_module(f"llmsearch_optuna.{module}")
        things = {name: getattr(home, name) for name in home.__all__}
        lines += [
            item(f"`{home.__package__}.{name}`: {one_line(parse(thing).summary)}")
            for name, thing in things.items()
            if inspect.isclass(thing) or inspect.isfunction(thing)
        ]
    return "\n".join(lines)


def list_errors(base: type[errors.LlmsearchError] = errors.LlmsearchError, depth: int = 0) -> str:
    """List an error and those derived from it, each with its docstring."""
    kinds = [getattr(errors, name) for name in errors.__all__ if not name.islower()]
    docstring = parse(base)
    line = item(f"`{base.__name__}`: {one_line(f'{docstring.summary} {docstring.details}')}", depth)
    return "\n".join([line, *(list_errors(kind, depth + 1) for kind in kinds if base in kind.__bases__)])


def _describe(name: str) -> Iterator[str]:
    module, _, attribute = name.rpartition(".")
    thing = getattr(importlib.import_module(".".join(["llmsearch_optuna", *module.split(".")]).rstrip(".")), attribute)
    prefix = f"llmsearch_optuna.{module}." if module else "llmsearch_optuna."
    yield f"### {attribute}"
    yield _signature(prefix + attribute, thing)
    yield from _texts(thing, parse(thing), elsewhere=_DESCRIBED_ELSEWHERE.get(attribute))
    if inspect.isclass(thing) and attribute not in _ONLY_FIELDS:
        for method, value in vars(thing).items():
            function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            if not method.startswith("_") and isinstance(function, property | functools.cached_property):
                yield f"#### {attribute}.{method}"
                yield from _texts(function, parse(function))
            elif not method.startswith("_") and inspect.isfunction(function):
                yield f"#### {attribute}.{method}"
                yield _signature(f"{attribute}.{method}", function)
                yield from _texts(function, parse(function))


def _signature(name: str, thing: Any) -> str:
    """Return a call with the default values, in a block."""
    words: list[str] = []
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in words and not any(w[0] == "*" for w in words):
            words.append("*")
        if parameter.name in ("self", "cls"):
            continue
        star = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "")
        default = "" if parameter.default is parameter.empty else f"={_shown(parameter.default)}"
        words.append(f"{star}{parameter.name}{default}")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            words.append("/")
    call = textwrap.fill(f"{name}({', '.join(words)})", _WIDTH, subsequent_indent="    ", break_long_words=False)
    return f"```text\n{call}\n```"


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str | int | float | tuple | None) and value != () else "..."


def _texts(thing: Any, docstring: Docstring, *, elsewhere: str | None = None) -> Iterator[str]:
    """Yield the paragraphs and lists of a docstring."""
    yield _linked(docstring.summary)
    if docstring.details:
        yield _linked(docstring.details)
    types = _annotations(thing)
    for heading, label in (("Args", "Arguments"), ("Attributes", "Attributes")):
        entries = docstring.entries.get(heading, {})
        if entries and elsewhere:
            yield elsewhere
        elif entries:
            yield f"{label}:"
            yield "\n".join(
                item(f"`{names.replace(', ', '`, `')}`{_kind(types.get(names.lstrip('*')))}: {_linked(meaning)}")
                for names, meaning in entries.items()
            )
    for heading in ("Returns", "Yields"):
        if heading in docstring.sections:
            yield f"{heading}: {_linked(docstring.sections[heading])}"
    if raises := docstring.entries.get("Raises"):
        yield "Raises:"
        lines = (_linked(" ".join(f"{name}: {meaning}".split())) for name, meaning in raises.items())
        cases = (re.split(r"(?<=\.) (?=\w+Error: )", line) for line in lines)
        yield "\n".join(item(re.sub(r"^(\w+)", r"`\1`", case)) for case in itertools.chain(*cases))


def _kind(annotation: str | None) -> str:
    return "" if annotation is None else f" (`{annotation}`)"


def _linked(text: str) -> str:
    for name, link in _LINKS.items():
        text = text.replace(name, link)
    return as_markdown(text)


def _annotations(thing: Any) -> dict[str, str]:
    """Return the type annotations of arguments or fields, as the source has them."""
    if isinstance(thing, property | functools.cached_property):
        return {}
    annotations: dict[str, str] = {}
    for source in reversed(inspect.getmro(thing)) if inspect.isclass(thing) else (inspect.unwrap(thing),):
        if not getattr(source, "__module__", "").startswith("llmsearch_optuna"):
            continue
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(source))).body
        functions = [node] if isinstance(node, ast.FunctionDef) else []
        if isinstance(node, ast.ClassDef):
            fields = (part for part in node.body if isinstance(part, ast.AnnAssign))
            annotations |= {ast.unparse(field.target): _type(field.annotation) for field in fields}
            functions = [p for p in node.body if isinstance(p, ast.FunctionDef) and p.name == "__init__"]
        for function in functions:
            arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
            annotations |= {a.arg: _type(a.annotation) for a in arguments if a.annotation is not None}
    return annotations


def _type(annotation: ast.expr) -> str:
    quoted = isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)
    return str(ast.literal_eval(annotation)) if quoted else ast.unparse(annotation)
