"""Draw small SVG pictures that read well on light and dark pages: dark ink on a light card."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

__all__ = ["AMBER", "BLUE", "GREEN", "GREY", "INK", "LINE", "PALE", "RED", "Axes", "Drawing"]

Point = tuple[float, float]

# The colours of M. Okabe and K. Ito, "Color universal design" (2008), which colour-blind readers can tell apart.
BLUE, AMBER, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"
INK, GREY, LINE, PALE, CARD = "#1f2328", "#59636e", "#c8ced6", "#eef1f4", "#ffffff"

_INKS = {AMBER: "#8f5f00", RED: "#b34700", GREEN: "#00734f"}
"""Darker shades of the colours that are too bright for letters."""


@dataclass(kw_only=True)
class Drawing:
    """A picture of fixed size, in pixels; y grows downwards.

    Attributes:
        width: The width.
        height: The height.
        title: The description for readers who do not see it.
    """

    width: int
    height: int
    title: str
    _parts: list[str] = field(init=False, default_factory=list)

    def rect(
        self,
        corner: Point,
        size: Point,
        *,
        fill: str = CARD,
        stroke: str = "none",
        radius: float = 3,
        weight: float = 1,
    ) -> None:
        """Draw a rectangle from its top left corner."""
        self._parts.append(
            f'<rect x="{_n(corner[0])}" y="{_n(corner[1])}" width="{_n(size[0])}" height="{_n(size[1])}" '
            f'rx="{_n(radius)}" fill="{fill}" stroke="{stroke}" stroke-width="{_n(weight)}"/>'
        )

    def text(
        self, place: Point, words: str, *, size: int = 13, fill: str = INK, anchor: str = "start", bold: bool = False
    ) -> None:
        """Write lines of text; `place` is on the base line of the first."""
        weight = ' font-weight="600"' if bold else ""
        ink = _INKS.get(fill, fill)
        for number, line in enumerate(words.split("\n")):
            self._parts.append(
                f'<text x="{_n(place[0])}" y="{_n(place[1] + number * size * 1.35)}" font-size="{size}" fill="{ink}" '
                f'text-anchor="{anchor}"{weight}>{escape(line)}</text>'
            )

    def path(
        self,
        points: Sequence[Point],
        *,
        stroke: str = INK,
        weight: float = 1.5,
        dashes: str = "",
        arrow: bool = False,
    ) -> None:
        """Draw a line through points, with an arrow at its end if wanted."""
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        places = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self._parts.append(
            f'<polyline points="{places}" fill="none" stroke="{stroke}" stroke-width="{_n(weight)}" '
            f'stroke-linejoin="round"{dashed}/>'
        )
        if arrow:
            (x0, y0), (x, y) = points[-2:]
            angle = math.atan2(y - y0, x - x0)
            sides = [
                (x - 8 * math.cos(angle + turn), y - 8 * math.sin(angle + turn)) for turn in (-math.pi / 7, math.pi / 7)
            ]
            corners = " ".join(f"{_n(a)},{_n(b)}" for a, b in [(x, y), *sides])
            self._parts.append(f'<polygon points="{corners}" fill="{stroke}"/>')

    def dot(self, place: Point, *, fill: str) -> None:
        """Draw a small filled circle."""
        self._parts.append(f'<circle cx="{_n(place[0])}" cy="{_n(place[1])}" r="5" fill="{fill}"/>')

    def box(self, corner: Point, size: Point, words: str, *, stroke: str = LINE) -> None:
        """Draw a rectangle with a bold first line and small further lines."""
        self.rect(corner, size, fill=PALE, stroke=stroke, radius=6)
        head, _, rest = words.partition("\n")
        self.text((corner[0] + 12, corner[1] + 22), head, bold=True)
        if rest:
            self.text((corner[0] + 12, corner[1] + 41), rest, size=12, fill=GREY)

    def save(self, path: Path) -> None:
        """Write the file."""
        path.write_text(self.svg(), encoding="utf-8")

    def svg(self) -> str:
        """Return the picture as SVG."""
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr(self.title)}'
        card = (
            f'<rect x="0.5" y="0.5" width="{self.width - 1}" height="{self.height - 1}" rx="8" fill="{CARD}" '
            f'stroke="{LINE}"/>'
        )
        font = 'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">'
        return "\n".join([f"{head} {font}", f"<title>{escape(self.title)}</title>", card, *self._parts, "</svg>", ""])


@dataclass(frozen=True, kw_only=True)
class Axes:
    """A frame with linear axes in a drawing.

    Attributes:
        drawing: The drawing.
        corner: The top left corner of the frame.
        size: Its width and height.
        x: The values at its left and right edges.
        y: The values at its lower and upper edges.
    """

    drawing: Drawing
    corner: Point
    size: Point
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> Point:
        """Return the place of a point; values beyond the upper or lower edge are drawn on it."""
        low, high = self.y
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (min(max(y, low), high) - low) / (high - low)
        return self.corner[0] + across * self.size[0], self.corner[1] + (1 - up) * self.size[1]

    def ticks(self, x: Sequence[float], y: Sequence[tuple[float, str]], *, x_label: str) -> None:
        """Draw the grid, the numbers and the name of the horizontal axis."""
        for value, label in y:
            place = self.at(self.x[0], value)
            self.drawing.path([place, self.at(self.x[1], value)], stroke=LINE, weight=0.7)
            self.drawing.text((place[0] - 8, place[1] + 4), label, size=12, fill=GREY, anchor="end")
        bottom = self.corner[1] + self.size[1]
        for value in x:
            self.drawing.text((self.at(value, 0)[0], bottom + 17), f"{value:g}", size=12, fill=GREY, anchor="middle")
        middle = self.corner[0] + self.size[0] / 2
        self.drawing.text((middle, bottom + 36), x_label, size=12, fill=GREY, anchor="middle")

    def line(self, points: Sequence[Point], *, stroke: str, weight: float = 2, dashes: str = "") -> None:
        """Draw a line through values."""
        self.drawing.path([self.at(x, y) for x, y in points], stroke=stroke, weight=weight, dashes=dashes)


def _n(value: float) -> str:
    """Return a number with one decimal, so that the file is the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")
