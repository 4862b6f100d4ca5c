"""From rows to samples: loading, prompts, rendering, splits.

`load_data` is imported when it is first used, because ``datasets`` is slow to import and not every command needs it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmsearch_optuna.data.loading import load_data

__all__ = ["load_data"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from llmsearch_optuna.data.loading import load_data  # noqa: PLC0415

    return load_data
