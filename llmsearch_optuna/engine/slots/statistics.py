"""The token counts of replay."""

from dataclasses import dataclass

__all__ = ["ReplayStatistics"]


@dataclass(kw_only=True)
class ReplayStatistics:
    """The number of tokens that an engine drew and computed.

    Attributes:
        drawn: Tokens of completions.
        replayed: Tokens of completions that needed no forward pass, because the prefix tree decided them.
        computed: Tokens that went through the model for waiting completions.
        rebuilt: Tokens that went through the model again, because their keys and values had been evicted.
    """

    drawn: int = 0
    replayed: int = 0
    computed: int = 0
    rebuilt: int = 0

    def __str__(self) -> str:
        share = self.replayed / max(1, self.drawn)
        again = f", {self.rebuilt:,} of them a second time" if self.rebuilt else ""
        return (
            f"{share:.0%} of {self.drawn:,} tokens were replayed without the model; for the others, "
            f"{self.computed + self.rebuilt:,} went through it{again} (first tokens come with the prompts, and "
            "completions with equal beginnings share a pass)"
        )
