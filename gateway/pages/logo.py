"""The operator's logo: a PNG, or an SVG that can do nothing but be looked at."""

import re
from pathlib import Path
from typing import Final
from xml.parsers import expat

from .static import StaticFile, hashed

MAX_LOGO_BYTES: Final = 128 * 1024
_MAX_PIXELS: Final = 4_096

_PNG: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_SVG: Final = "http://www.w3.org/2000/svg"
#: What draws. All else is refused, be it dangerous (script, foreignObject, animation) or the notes of an editor.
_DRAW: Final = """
    svg g defs symbol use switch title desc path rect circle ellipse line polyline polygon text tspan style
    linearGradient radialGradient stop clipPath mask pattern
    filter feGaussianBlur feOffset feBlend feColorMatrix feComposite feFlood feMerge feMergeNode
"""
_ELEMENTS: Final = frozenset(f"{_SVG} {name}" for name in _DRAW.split())
_XLINK_HREF: Final = "http://www.w3.org/1999/xlink href"
#: What would fetch something from elsewhere, in an attribute or a style.
_FETCHES: Final = re.compile(r"@import|url\(\s*['\"]?(?!#)|expression\(|\\", re.IGNORECASE)


def read_logo(path: Path) -> StaticFile:
    """The logo in a file, as it will be served. Raises ValueError with what is wrong and what to do."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_LOGO_BYTES + 1)
    except OSError as error:
        raise ValueError(f"the logo cannot be read: {error.strerror}") from None
    if len(content) > MAX_LOGO_BYTES:
        raise ValueError(f"expected a logo of at most {MAX_LOGO_BYTES // 1024} KiB")
    if content.startswith(_PNG):
        sides = [int.from_bytes(content[at : at + 4]) for at in (16, 20)]
        if not all(0 < side <= _MAX_PIXELS for side in sides):
            raise ValueError(f"expected a PNG of at most {_MAX_PIXELS} pixels a side, not {sides[0]} by {sides[1]}")
        return hashed("logo.png", content)
    _Looked().over(content)
    return hashed("logo.svg", content)


class _Looked:
    """Goes through an SVG once; entities are not expanded, for a document type is refused before there can be any."""

    def over(self, content: bytes) -> None:
        """Raises ValueError at the first thing that a logo has no use for."""
        self._depth = 0
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._doctype
        parser.ProcessingInstructionHandler = self._instruction
        parser.StartElementHandler = self._element
        parser.CharacterDataHandler = self._text
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            raise ValueError(f"expected a logo in PNG or SVG: {error}") from None

    def _doctype(self, *_: object) -> None:
        raise ValueError("expected an SVG without <!DOCTYPE>: take the line out, nothing needs it")

    def _instruction(self, target: str, _data: str) -> None:
        raise ValueError(f"expected an SVG without <?{target}?>: take the line out")

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        if name not in _ELEMENTS:
            raise ValueError(f"expected an SVG that only draws, not <{name.rpartition(' ')[2]}>: save it as plain SVG")
        if not self._depth:
            if name != f"{_SVG} svg":
                raise ValueError("expected a logo in PNG or SVG")
            if not ("viewBox" in attributes or {"width", "height"} <= attributes.keys()):
                raise ValueError("expected an SVG with a viewBox, or with width and height: else it has no size")
        self._depth += 1
        for attribute, value in attributes.items():
            leads = attribute in ("href", _XLINK_HREF) and not value.startswith("#")
            if leads or attribute.lower().startswith("on") or _FETCHES.search(value):
                name = attribute.rpartition(" ")[2]
                raise ValueError(f"expected an SVG without scripts and links to elsewhere, not {name}=…: take it out")

    def _text(self, text: str) -> None:
        if _FETCHES.search(text):
            raise ValueError("expected an SVG whose styles fetch nothing: take @import and url(…) out")
