"""Import of a user's metric from ``package.module:function``."""

import importlib
import importlib.machinery
import operator
import re
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmsearch_optuna.errors import MetricError, describe_error

__all__ = ["import_object"]


def import_object(spec: str, directory: Path | None) -> object:
    """Import an object from ``package.module:attribute``.

    The module is looked for in `directory`, in the working directory, and then where Python looks. Both directories
    remain the last places where Python looks, for imports that the module makes later.

    Args:
        spec: The import path.
        directory: The first directory, e.g. that of the study file; None for none.

    Raises:
        MetricError: The module cannot be imported, or has no such attribute. The message says where it was looked for.
    """
    name, _, attribute = spec.rpartition(":")
    if name.endswith(".py") or "/" in name or "\\" in name:
        module = re.split(r"[/\\]", name)[-1].removesuffix(".py")
        raise MetricError(
            f"cannot import the metric `{spec}`: name a module and not a file, as in `{module}:{attribute}`, in the "
            "study file's directory, the working directory or where Python looks"
        )
    folders = list(dict.fromkeys(str(folder.resolve()) for folder in (directory, Path.cwd()) if folder is not None))
    try:
        with _first_on_path(folders):
            _forget_namesake(name.partition(".")[0], folders)
            module = importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the user's module may raise anything, and call sys.exit
        reason = describe_error(error)
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            reason += f"; it was looked for in {', '.join(folders)} and where Python looks"
        raise MetricError(f"cannot import the metric `{spec}`: {reason}") from error
    try:
        imported: object = operator.attrgetter(attribute)(module)
    except AttributeError:
        file = getattr(module, "__file__", None)
        place = f" ({file})" if file else ""
        raise MetricError(f"cannot import the metric `{spec}`: `{name}` has no `{attribute}`{place}") from None
    return imported


@contextmanager
def _first_on_path(folders: list[str]) -> Iterator[None]:
    before = list(sys.path)
    sys.path[:0] = folders
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = [*before, *(folder for folder in folders if folder not in before)]


def _forget_namesake(name: str, folders: list[str]) -> None:
    """Forget an imported module of this name that comes from another directory than the one found now.

    Raises:
        MetricError: The namesake is an installed package or a part of Python, which others use.
    """
    imported = sys.modules.get(name)
    spec = importlib.machinery.PathFinder.find_spec(name, folders)
    if imported is None or spec is None or spec.origin is None:
        return
    file = getattr(imported, "__file__", None)
    if file is not None and Path(file).resolve() == Path(spec.origin).resolve():
        return
    installed = [Path(sysconfig.get_path(key)).resolve() for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    if file is None or any(Path(file).resolve().is_relative_to(folder) for folder in installed):
        raise MetricError(f"`{name}` is also the name of a module that is in use: rename {spec.origin}")
    for module in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
        del sys.modules[module]
