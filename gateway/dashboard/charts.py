"""Charts as shapes in a box of 100 by 100 that the page stretches; words and numbers stand beside it as HTML.

So text keeps its size on a phone, and a chart needs no script. Bars begin at zero.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

#: Steps of a heat map, 0 (nothing) to this.
HEAT_STEPS: Final = 6


class Mark(NamedTuple):
    """A horizontal line of a scale: its height from the top of the box, and the number it stands for."""

    y: float
    label: str


class Column(NamedTuple):
    """An upright bar."""

    x: float
    y: float
    width: float
    height: float
    words: str


class Line(NamedTuple):
    """A line and the area below it, as paths; and its points, which say what they are."""

    line: str
    area: str
    points: list[tuple[float, float, str]]
    marks: list[Mark]


def scale_top(most: float) -> float:
    """The end of a scale that reaches from 0 to at least `most`: a round number, and at least 1."""
    if most <= 1:
        return 1
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= most)


def marks(top: float) -> list[Mark]:
    """Lines at nothing, half and all of a scale."""
    return [Mark(100, "0"), *([Mark(50, short(top / 2))] if top >= 2 else []), Mark(0, short(top))]


def line(values: Sequence[float], words: Sequence[str]) -> Line:
    """A line through values at even distances; `words` are what each point says."""
    top = scale_top(max(values, default=0))
    step = 100 / max(len(values) - 1, 1)
    points = [(_shape(place * step), _shape(100 - 100 * value / top)) for place, value in enumerate(values)]
    path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points) if points else ""
    area = f"{path} V100 H0 Z" if points else ""
    return Line(path, area, [(x, y, said) for (x, y), said in zip(points, words, strict=True)], marks(top))


def columns(values: Sequence[float], words: Sequence[str]) -> tuple[list[Column], list[Mark]]:
    """Upright bars at even distances, with a gap of a quarter between them."""
    top = scale_top(max(values, default=0))
    width = 100 / max(len(values), 1)
    bars = [
        Column(_shape((place + 0.125) * width), _shape(100 - 100 * value / top), _shape(0.75 * width),
               _shape(100 * value / top), said)
        for place, (value, said) in enumerate(zip(values, words, strict=True))
    ]  # fmt: skip
    return bars, marks(top)


def lengths(values: Sequence[float]) -> list[float]:
    """The lengths of bars beside each other, of which the longest is 100."""
    most = max(values, default=0)
    return [_shape(100 * value / most) if most > 0 else 0 for value in values]


def heat(values: Sequence[float]) -> list[int]:
    """A step for each value: 0 for nothing, else 1 to `HEAT_STEPS`, by the square root so that little still shows."""
    most = max(values, default=0)
    return [
        0 if value <= 0 else max(1, min(HEAT_STEPS, math.ceil(HEAT_STEPS * math.sqrt(value / most))))
        for value in values
    ]


def short(value: float) -> str:
    """A number in little room: "850", "1.2k", "3M"."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def _shape(value: float) -> float:
    return round(value, 2)
