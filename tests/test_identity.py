import functools
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from llmsearch_optuna.identity import digest, identify, without_hashes


def module(path: Path, source: str) -> ModuleType:
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("scorers", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["scorers"] = made  # where the source of a class is looked for
    spec.loader.exec_module(made)
    return made


@pytest.fixture(autouse=True)
def _no_scorers_left() -> Iterator[None]:
    yield
    sys.modules.pop("scorers", None)


SOURCES = {
    "function": "def f(y):\n    return y + {}\n",
    "lambda": "f = lambda y: y + {}\n",
    "method": "class Scorer:\n    def score(self, y):\n        return y + {}\nf = Scorer().score\n",
    "closure": "def outer():\n    def f(y):\n        return y + {}\n    return f\nf = outer()\n",
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_name_changes_with_the_source_and_only_with_it(kind: str, tmp_path: Path) -> None:
    names = [
        identify(module(tmp_path / f"{index}.py", comment + SOURCES[kind].format(constant)).f)
        for index, (comment, constant) in enumerate([("", 1), ("# moved down\n\n", 1), ("", 2)])
    ]
    assert names[0] == names[1]
    assert names[0] != names[2]
    assert names[0].startswith("scorers.")


def test_an_instance_and_a_class_are_named_by_their_class(tmp_path: Path) -> None:
    source = "class F:\n    def __call__(self, y):\n        return {}\nf = F()\n"
    first = module(tmp_path / "1.py", source.format(1))
    name = identify(first.f)
    assert name == identify(first.F)
    assert name != identify(module(tmp_path / "2.py", source.format(2)).f)


def typed(source: str) -> object:
    """A function without a source, as one typed into a console."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(source, namespace)  # a console does so, too
    return namespace["f"]


@pytest.mark.parametrize(
    ("source", "other"),
    [
        ("def f(y): return y + 1", "def f(y): return y + 2"),
        ("def f(y): return y.upper()", "def f(y): return y.lower()"),
        ("def f(y): return y in {'a', 'b'}", "def f(y): return y in {'a', 'c'}"),
        ("def f(y): return [x + 1 for x in y]", "def f(y): return [x + 2 for x in y]"),
        ("def f(y): return (lambda: 1)()", "def f(y): return (lambda: 2)()"),
    ],
)
def test_without_a_source_a_name_changes_with_the_code(source: str, other: str) -> None:
    assert identify(typed(source)) == identify(typed(source))
    assert identify(typed(source)) != identify(typed(other))
    assert identify(typed(source)).startswith("__main__.f#")


def test_what_has_neither_source_nor_code_is_named() -> None:
    assert identify(str.strip) == "builtins.str.strip"
    assert identify(len) == "builtins.len"
    assert identify(typed("class f:\n    pass")) == "__main__.f"
    assert identify(3) == "builtins.int"


class Opaque:
    """Its repr holds its address."""


def scorer(*arguments: object, **keywords: object) -> float:
    return float(len(arguments) + len(keywords))


def test_the_arguments_of_a_partial_are_part_of_its_name() -> None:
    plain = identify(scorer)
    assert identify(functools.partial(scorer, 1, y=2, x="a")) == f"{plain}(1, x='a', y=2)"
    nested = functools.partial(functools.partial(scorer, 1), 2)
    assert identify(nested) == f"{plain}(1, 2)"
    assert identify(functools.partial(scorer, digest)) == f"{plain}({identify(digest)})"
    kinds = {"a": [1, (2,), (), {}, [], set(), frozenset()], 3: {"x"}}
    assert identify(functools.partial(scorer, kinds)) == f"{plain}({kinds!r})"
    # An address differs between processes, and one object of a class is as good as another.
    opaque = f"<{__name__}.Opaque object>"
    assert identify(functools.partial(scorer, Opaque(), [Opaque()])) == f"{plain}({opaque}, [{opaque}])"


SCRIPT = """
import functools
from llmsearch_optuna.identity import digest, identify
class A: pass
names = {}
exec("def f(y): return y in {'a', 'b', 'c', 'd'}, lambda: {'x', 'y'}", names)
print(identify(functools.partial(digest, {"a", "b", "c"}, x=[{"k": frozenset({"d", "e", "f"})}, ({"g", "h"},)])))
exec("def g(y): return y in ({'a', 'b'}, {'c', 'd'})", names)
print(identify(names["g"]))
print(identify(names["f"]), identify(functools.partial(digest, A(), scorer=names["f"])), identify(digest))
"""


def test_names_are_the_same_in_every_process() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1
    assert outputs.pop().count("#") == 6


def test_digest_takes_any_text() -> None:
    assert digest("\ud800") != digest("\ud801")
    assert len(digest("")) == 8


def test_a_name_is_shown_without_the_hashes_of_its_source() -> None:
    assert without_hashes(identify(module)).endswith("test_identity.module")
    assert without_hashes("contains(ignore_case=True)") == "contains(ignore_case=True)"
    assert without_hashes("a.f#0123abcd(by=b.g#89abcdef)") == "a.f(by=b.g)"
    assert without_hashes("json_schema(schema=#0123abcd)") == "json_schema"
    assert without_hashes("f(a=#0123abcd, b=#89abcdef)") == "f"
    assert without_hashes("f(a=#0123abcd, b=1, c=#89abcdef, d=2)") == "f(b=1, d=2)"
