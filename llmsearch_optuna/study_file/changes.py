"""Changes of single keys of a study file from the command line."""

from collections.abc import MutableMapping, Sequence

import tomlkit
from tomlkit.exceptions import TOMLKitError

from llmsearch_optuna.errors import StudyFileError

__all__ = ["changed_text"]


def changed_text(text: str, changes: Sequence[str]) -> str:
    """Return the content of a study file with other values of some keys. Comments stay.

    Args:
        text: TOML.
        changes: Keys with their sections and values in TOML, as ``space.temperature.high=1.5``. A value that is no TOML
            is a string: ``model.name=org/model``.

    Raises:
        StudyFileError: A change has no key or no value, or the key lies in a value that is no table.
    """
    document = tomlkit.parse(text)
    for change in changes:
        key, separator, value = change.partition("=")
        names = [name.strip() for name in key.split(".")]
        if not separator or not value.strip() or len(names) < 2 or not all(names):
            raise StudyFileError(
                f"`--set` needs a section, a key and a value, as in space.temperature.high=1.5, got {change!r}"
            )
        place: MutableMapping[str, object] = document
        for depth, name in enumerate(names[:-1], start=1):
            inner = place.setdefault(name, tomlkit.table() if depth == 1 else tomlkit.inline_table())
            if not isinstance(inner, MutableMapping):
                raise StudyFileError(
                    f"`--set {change}`: `{'.'.join(names[:depth])}` is {inner!r} in the study file, and no table: set "
                    "it as a whole"
                )
            place = inner
        place[names[-1]] = _value(value.strip())
    return tomlkit.dumps(document)


def _value(text: str) -> object:
    try:
        return tomlkit.value(text)
    except TOMLKitError:
        return tomlkit.string(text)
