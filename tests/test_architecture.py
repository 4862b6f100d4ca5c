"""The shape of the package: who imports whom, what is imported when, and what is public."""

import ast
import graphlib
import importlib.util
import inspect
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

import llmsearch_optuna

PACKAGE = "llmsearch_optuna"
ROOT = Path(llmsearch_optuna.__file__).parent

LEVELS = [
    {"_version", "identity", "statistics", "terminal"},
    # "" is the package itself, which imports the others when they are asked for.
    {"", "errors"},
    {"metrics", "space", "storage"},
    {"data", "engine", "logs", "study", "tracking"},
    {"demo", "search"},
    {"verdict"},
    {"export", "fsck", "report"},
    {"dashboard"},
    {"tuner"},
    {"study_file"},
    {"cli"},
]
"""The top-level modules and packages. Each imports only from the sets before its own."""

MOST_LEVELS, MOST_ENTRIES, MOST_TOP_MODULES = 11, 24, 8
MOST_LINES, MOST_LINES_OF_TUNER = 400, 460

# Who may import it, anywhere in a file; and "transformers" drags torch in.
OWNERS = {
    "torch": {"engine"},
    "transformers": {"engine"},
    "sqlalchemy": {"storage", "fsck"},
    "plotly": {"report"},
    "mlflow": {"tracking"},
    "wandb": {"tracking"},
}

RUNS_MODELS = {"accelerate", "gguf", "torch", "transformers"}
"""What `llmsearch_optuna_slim` does not need."""

LOCAL = {
    ("demo.model", "loading"),
    ("engine.selection", "local"),
    ("engine.selection", "tokenizers"),
    ("study_file.launch", "loading"),
    ("study_file.launch", "local"),
}
"""Who imports which modules of the engine with `import_local`."""

LAZY = {
    ("cli.searching", "study_file.drafting"),
    ("cli.searching", "study_file.launch"),
}
"""Imports within functions that are meant to be there: what they load takes seconds."""


class Import(NamedTuple):
    """One imported module, as far as it is one: ``from package import name`` is ``package.name`` where that is one."""

    importer: str
    imported: str
    in_function: bool


def modules() -> dict[str, Path]:
    """All modules by their name within the package."""
    paths = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return paths


MODULES = modules()


def part(module: str) -> str:
    """The module or package of the top level that a module belongs to."""
    return module.partition(".")[0]


def level(module: str) -> int:
    return next(index for index, names in enumerate(LEVELS) if part(module) in names)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def statements(node: ast.AST, *, in_function: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, in_function
        elif is_type_checking(child):
            assert isinstance(child, ast.If)
            yield from statements(ast.Module(child.orelse, []), in_function=in_function)
        else:
            inside = in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from statements(child, in_function=inside)


def imports_of(source: str, importer: str) -> list[Import]:
    imports = []
    for statement, in_function in statements(ast.parse(source)):
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        else:
            assert statement.level == 0, f"{importer} imports relatively"
            assert statement.module is not None
            names = [
                f"{statement.module}.{alias.name}"
                if f"{statement.module}.{alias.name}".removeprefix(f"{PACKAGE}.") in MODULES
                else statement.module
                for alias in statement.names
            ]
        imports += [Import(importer, name, in_function) for name in names]
    return imports


IMPORTS = [entry for name, path in MODULES.items() for entry in imports_of(path.read_text(encoding="utf-8"), name)]
OWN = [
    entry._replace(imported=entry.imported.removeprefix(PACKAGE).removeprefix("."))
    for entry in IMPORTS
    if entry.imported.split(".")[0] == PACKAGE
]


def test_imports_are_found_wherever_they_are() -> None:
    source = """
import a.b as c, d
from e.f import g
from llmsearch_optuna import errors, __version__
from llmsearch_optuna.engine import base, Engine
if TYPE_CHECKING:
    import not_this
else:
    import h
try:
    import i
except ImportError:
    def f():
        import j
class C:
    def m(self):
        if True:
            from k import l
"""
    assert [(entry.imported, entry.in_function) for entry in imports_of(source, "x")] == [
        ("a.b", False),
        ("d", False),
        ("e.f", False),
        (f"{PACKAGE}.errors", False),
        (PACKAGE, False),
        (f"{PACKAGE}.engine.base", False),
        (f"{PACKAGE}.engine", False),
        ("h", False),
        ("i", False),
        ("j", True),
        ("k", True),
    ]
    assert len(MODULES) > 30
    assert {entry.importer for entry in OWN} > {"tuner", "cli", "engine.generate.engine", "metrics", "demo.model"}


def test_every_module_has_a_level() -> None:
    assert {part(module) for module in MODULES} == set.union(*LEVELS)
    assert sum(map(len, LEVELS)) == len(set.union(*LEVELS))


def test_the_house_is_small() -> None:
    entries = {part(module) for module in MODULES}
    assert len(LEVELS) <= MOST_LEVELS
    assert len(entries) <= MOST_ENTRIES
    assert sum(1 for path in ROOT.glob("*.py")) <= MOST_TOP_MODULES


def test_modules_are_short() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert lines.pop("tuner") <= MOST_LINES_OF_TUNER
    too_long = {name: count for name, count in lines.items() if count > MOST_LINES}
    assert not too_long, f"split these modules: the limit is {MOST_LINES} lines"


def test_no_module_imports_upwards() -> None:
    upwards = [
        (entry.importer, entry.imported)
        for entry in OWN
        if entry.importer
        and part(entry.imported) not in ("", part(entry.importer))
        and level(entry.imported) >= level(entry.importer)
    ]
    assert upwards == []


def test_the_package_itself_imports_none_of_its_modules() -> None:
    assert {entry.imported for entry in OWN if entry.importer == ""} == {"_version"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for entry in OWN:
        graph[entry.importer].add(entry.imported)
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(graph)


def test_no_parts_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {part(module): set() for module in MODULES}
    for entry in OWN:
        if part(entry.importer) != part(entry.imported):
            graph[part(entry.importer)].add(part(entry.imported))
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(graph)


def test_own_modules_are_imported_at_the_head_of_a_file() -> None:
    assert {(entry.importer, entry.imported) for entry in OWN if entry.in_function} == LAZY


@pytest.mark.parametrize("library", OWNERS)
def test_heavy_libraries_have_owners(library: str) -> None:
    importers = {part(entry.importer) for entry in IMPORTS if entry.imported.split(".")[0] == library}
    assert importers <= OWNERS[library]


def test_only_one_place_imports_what_runs_a_model() -> None:
    """A study on a server needs neither torch nor transformers."""
    needy = {entry.importer for entry in IMPORTS if entry.imported.split(".")[0] in RUNS_MODELS}
    while more := {entry.importer for entry in OWN if entry.imported in needy} - needy:
        needy |= more
    assert {"engine.local", "engine.loading", "engine.tokenizers"} < needy
    assert {part(module) for module in needy} == {"engine"}
    assert not any(module.startswith("engine.http") for module in needy)
    imported = {
        (name, node.args[0].value)
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "import_local"
        if isinstance(node.args[0], ast.Constant)
    }
    assert imported == LOCAL


def test_owners_use_what_they_own() -> None:
    used = {(part(entry.importer), entry.imported.split(".")[0]) for entry in IMPORTS}
    assert {("engine", "torch"), ("engine", "transformers"), ("storage", "sqlalchemy")} <= used


# What importing costs.

LIGHT = [
    "",
    "cli",
    "cli.entry",
    "dashboard.server",
    "data.task",
    "demo.model",
    "engine.selection",
    "engine.server_backend",
    "export",
    "fsck.check",
    "metrics",
    "report",
    "search.pruners",
    "search.samplers",
    "storage",
    "study.study",
    "study_file.file",
    "study_file.launch",
    "tracking.mlflow_runs",
    "tracking.wandb_runs",
    "tuner",
    "verdict.outputs",
    "verdict.verdict",
]

SCRIPT = """
import importlib, json, sys
loaded = {}
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
    loaded[name] = sorted({"torch", "transformers", "evaluate", "mlflow", "wandb"} & set(sys.modules))
print(json.dumps(loaded))
"""


def test_light_modules_load_no_model_libraries() -> None:
    names = [f"{PACKAGE}.{name}".rstrip(".") for name in LIGHT]
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(names)], capture_output=True, text=True, check=True
    )
    assert json.loads(output.stdout) == {name: [] for name in names}


LOGS = [str(Path(__file__).with_name("verdict") / "logs" / f"inspect_ai_0.3.285_2026-11_{name}.eval") for name in "ab"]

READING_COMMANDS = [
    ["--help"],
    ["metrics", "json_schema"],
    ["best", "x.db", "--study", "finished"],
    ["report", "x.db", "--study", "finished"],
    ["export", "x.db", "--study", "finished", "--to", "json"],
    ["fsck", "x.db"],
    ["compare", *LOGS, "--score", "match", "--cluster", "page"],
    ["power", *LOGS, "--score", "match", "--gain", "0.1"],
]

COMMANDS = """
import contextlib, io, json, sys
from llmsearch_optuna.cli import main
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.suppress(SystemExit):
        main(arguments)
    loaded = sorted({"torch", "transformers", "datasets"} & set(sys.modules))
    print(json.dumps([arguments[0], bool(output.getvalue()), loaded]))
"""


def test_commands_that_read_load_no_model_libraries(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        script = Path(__file__).with_name("system") / "version_0_1_0.sql"
        connection.executescript(script.read_text(encoding="utf-8"))
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(READING_COMMANDS)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT.parent)},
    )
    (caution,) = done.stderr.splitlines()  # of `export`
    assert caution.startswith("llmsearch-optuna: the verdict shows no gain of trial 2")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines == [[arguments[0], True, []] for arguments in READING_COMMANDS]


# What is public.


NEED_VLLM = ("engine.vllm.batch",) if importlib.util.find_spec("vllm") is None else ()
"""Modules that cannot be imported here."""
IMPORTABLE = [name for name in MODULES if name not in NEED_VLLM]


@pytest.mark.parametrize("name", IMPORTABLE)
def test_every_module_says_what_it_is_and_what_is_public(name: str) -> None:
    module = importlib.import_module(f"{PACKAGE}.{name}".rstrip("."))
    assert module.__doc__, "no docstring"
    assert module.__doc__.splitlines()[0].endswith((".", ":", "?"))
    if MODULES[name].read_text(encoding="utf-8").count("\n") == 1:
        return  # a package with a docstring and no more
    public = module.__all__
    assert len(set(public)) == len(public)
    for public_name in public:
        assert getattr(module, public_name) is not None
        assert not public_name.startswith("_") or public_name == "__version__"


@pytest.mark.parametrize("name", [name for name in IMPORTABLE if name])
def test_what_is_public_lives_there(name: str) -> None:
    """Names of `__all__` are defined in the module, or, in a package's `__init__`, within the package."""
    module = importlib.import_module(f"{PACKAGE}.{name}")
    for public_name in getattr(module, "__all__", ()):
        value = getattr(module, public_name)
        home = getattr(value, "__module__", None) if inspect.isclass(value) or inspect.isfunction(value) else None
        if isinstance(home, str) and home.split(".")[0] == PACKAGE:
            assert f"{home}.".startswith(f"{PACKAGE}.{name}.")


def test_the_package_gives_every_public_name_when_it_is_asked() -> None:
    for name in llmsearch_optuna.__all__:
        value = getattr(llmsearch_optuna, name)
        assert value.__name__ == name
        assert value.__module__.startswith(f"{PACKAGE}.")
        assert name in dir(llmsearch_optuna)
    assert "__version__" in dir(llmsearch_optuna)


def test_the_package_refuses_other_names() -> None:
    with pytest.raises(AttributeError, match=r"^module 'llmsearch_optuna' has no attribute 'tuner_'$"):
        llmsearch_optuna.tuner_  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name"):
        exec("from llmsearch_optuna import Tunar")
