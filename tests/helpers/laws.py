"""The number of examples of a law: few in the fast tier, all in the full one."""

from hypothesis import settings

__all__ = ["scaled"]


def scaled(examples: int) -> int:
    """Return the number of examples to draw for a law that draws `examples` in the full tier."""
    return max(3, examples * settings().max_examples // 100)
