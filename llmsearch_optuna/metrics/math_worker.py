r"""The worker of the metric `math`: a program that reads requests and writes replies, a line of JSON each.

It computes with limits on time and memory, and ends with its input. It imports nothing of this package.
"""

import contextlib
import json
import logging
import re
import signal
import sys
from typing import Any

__all__ = ["answer_of", "expressions", "main", "reply_to"]

_LIMIT_S = 60  # longer than that of the process that asks, which may be gone; it includes the import
_MEMORY = 4 * 2**30

_DELIMITERS = re.compile(r"\$|\\boxed|\\\(|\\\[")
_LATEX_WORDS = re.compile(r"\\(?:text\w*|math\w+|mbox|operatorname|begin|end)\s*\{[^{}]*\}|\\[A-Za-z]+")
_WORD = re.compile(r"[^\W\d_]{3}|\b(?i:an|as|at|be|by|do|he|if|in|is|it|me|my|no|of|on|or|so|to|us|we)\b")


def expressions(text: str) -> list[Any]:
    """Return what ``math_verify.parse`` returns for a text; an empty list if there is no expression."""
    from math_verify import parse  # noqa: PLC0415  # optional, and slow

    text = text.rpartition("####")[2].strip()
    if not _DELIMITERS.search(text) and "\n" not in text and not _WORD.search(_LATEX_WORDS.sub("", text)):
        text = f"${text}$"
    parsed: list[Any] = parse(text, parsing_timeout=None)
    return parsed


def answer_of(parsed: list[Any]) -> str | None:
    """Return one string for expressions with the same value, as far as that is cheap to tell; None if there is none."""
    import sympy  # noqa: PLC0415  # slow

    if not parsed:
        return None
    value = parsed[0]
    if isinstance(value, sympy.Equality):  # x = 3
        value = value.rhs
    with contextlib.suppress(Exception):
        value = sympy.nsimplify(sympy.simplify(value), rational=True)
    return str(value)


def reply_to(request: dict[str, str]) -> dict[str, Any]:
    """Return whether a prediction equals its reference, or its answer if there is no reference."""
    from math_verify import verify  # noqa: PLC0415  # optional, and slow

    predicted = expressions(request["prediction"])
    if "reference" not in request:
        return {"answer": answer_of(predicted)}
    expected = expressions(request["reference"])
    return {"is_equal": bool(expected and predicted) and verify(expected, predicted, timeout_seconds=None)}


def main() -> None:
    """Answer the requests on standard input."""
    logging.disable(logging.CRITICAL)
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows; a lower limit
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    for line in sys.stdin:
        if hasattr(signal, "alarm"):
            signal.alarm(_LIMIT_S)  # which ends the process, also in the middle of a computation in C
        try:
            reply = reply_to(json.loads(line))
        except Exception as error:  # noqa: BLE001  # completions are anything
            reply = {"error": type(error).__name__}
        print(json.dumps(reply), flush=True)
        if hasattr(signal, "alarm"):
            signal.alarm(0)


if __name__ == "__main__":
    main()
