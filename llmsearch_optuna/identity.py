"""Names for functions in a study's fingerprint. A name changes if the source code of its function changes."""

import functools
import hashlib
import inspect
import re
from types import CodeType

__all__ = ["describe", "digest", "identify", "without_addresses", "without_hashes"]


def identify(function: object) -> str:
    """Return a name for a callable. The name is the same in every process and changes with the callable's source code.

    If there is no source file, the name changes with the bytecode. A function written in C is identified by its name
    alone. The arguments of a `functools.partial` are included, the state of a closure or an instance is not.
    """
    if isinstance(function, functools.partial):
        keywords = (f"{key}={describe(value)}" for key, value in sorted(function.keywords.items()))
        arguments = [*map(describe, function.args), *keywords]
        return f"{identify(function.func)}({', '.join(arguments)})"
    named = function if hasattr(function, "__qualname__") else type(function)
    # Methods of built-in types, such as str.strip, have no module.
    name = f"{getattr(named, '__module__', 'builtins')}.{named.__qualname__}"
    try:
        return f"{name}#{digest(inspect.getsource(named))}"  # type: ignore[arg-type]
    except (OSError, TypeError):  # no source file: typed into a console, or written in C
        code = getattr(named, "__code__", None)
        return name if code is None else f"{name}#{digest(_describe_code(code))}"


def describe(argument: object) -> str:
    """Return the string for an argument in a name: `identify` for a callable, else its `repr` without addresses."""
    return identify(argument) if callable(argument) else without_addresses(_stable_repr(argument))


def _stable_repr(value: object) -> str:
    """Return the `repr` of a value with its sets in order. Their own order differs between processes."""
    if isinstance(value, set | frozenset) and type(value) in (set, frozenset) and value:
        members = f"{{{', '.join(sorted(map(_stable_repr, value)))}}}"
        return members if type(value) is set else f"frozenset({members})"
    if type(value) is dict:
        return f"{{{', '.join(f'{_stable_repr(key)}: {_stable_repr(part)}' for key, part in value.items())}}}"
    if type(value) is list:
        return f"[{', '.join(map(_stable_repr, value))}]"
    if type(value) is tuple:
        return f"({', '.join(map(_stable_repr, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def without_addresses(text: str) -> str:
    """Remove the memory addresses from the `repr` of an object."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def without_hashes(name: str) -> str:
    """Remove the hashes of source code, and arguments that are only a hash, from a name that is shown."""
    argument = r"\w+=#[0-9a-f]{8}\b"
    arguments = rf"\({argument}(?:, {argument})*\)|(?<=\()(?:{argument}, )+|, {argument}"
    return re.sub(rf"{arguments}|#[0-9a-f]{{8}}\b", "", name)


def digest(source: str) -> str:
    """Return a short hash of source code: 8 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _describe_code(code: CodeType) -> str:
    constants = [_describe_constant(constant) for constant in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _describe_constant(constant: object) -> str:
    if isinstance(constant, CodeType):
        return _describe_code(constant)
    if isinstance(constant, frozenset):  # its order of iteration differs between processes
        return str(sorted(map(_stable_repr, constant)))
    return _stable_repr(constant)
