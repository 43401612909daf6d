"""Logos: pictures are taken, and what could do anything else is refused with the remedy."""

import struct
from pathlib import Path

import pytest

from latchstring_gateway.pages.logo import MAX_LOGO_BYTES, read_logo

_SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">{}</svg>'


def _png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height) + b"\x08\x06\x00\x00\x00"


def _file(folder: Path, content: str | bytes) -> Path:
    path = folder / "logo"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "inside",
    [
        "<path d='M0 0h9'/>",
        "<defs><linearGradient id='a'/></defs><g fill='url(#a)'><use href='#a'/><use xlink:href='#a'/></g>",
        "<style>.a { fill: url(#b) }</style><title>Cinema Nova &amp; friends</title>",
        "<!-- made by hand --><text x='1'>Nova</text>",
    ],
)
def test_a_drawing_is_taken_under_a_name_that_carries_its_hash(tmp_path: Path, inside: str) -> None:
    """As it is, byte for byte."""
    logo = read_logo(_file(tmp_path, _SVG.format(inside)))

    assert (logo.name[:5], logo.name[-4:], len(logo.name)) == ("logo.", ".svg", 21)
    assert (logo.media_type, logo.content) == ("image/svg+xml", _SVG.format(inside).encode())


def test_a_png_is_taken(tmp_path: Path) -> None:
    """By what it is, not by its name."""
    assert read_logo(_file(tmp_path, _png(400, 100))).media_type == "image/png"


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<g onload='alert(1)'/>",
        "<g ONCLICK='alert(1)'/>",
        "<a href='https://evil.example'><path d='M0 0'/></a>",
        "<use href='https://evil.example/x.svg#a'/>",
        "<use xlink:href='data:image/svg+xml,x'/>",
        "<image href='https://evil.example/x.png'/>",
        "<foreignObject><p xmlns='http://www.w3.org/1999/xhtml'>x</p></foreignObject>",
        "<set attributeName='href' to='javascript:alert(1)'/>",
        "<animate attributeName='x'/>",
        "<style>@import '//evil.example/x.css';</style>",
        "<style>.a { fill: url(https://evil.example) }</style>",
        "<style>.a { fill: u\\72l(https://evil.example) }</style>",
        "<g style='fill: url( \"//evil.example\")'/>",
        "<g filter='url(//evil.example#a)'/>",
        "<x:script xmlns:x='http://www.w3.org/2000/svg'>alert(1)</x:script>",
        "<h:script xmlns:h='http://www.w3.org/1999/xhtml'>alert(1)</h:script>",
        "<?xml-stylesheet href='//evil.example'?>",
        "<path",
    ],
)
def test_a_drawing_that_does_more_than_draw_is_refused(tmp_path: Path, inside: str) -> None:
    """Scripts, handlers, links, and whatever fetches from elsewhere."""
    with pytest.raises(ValueError, match="expected"):
        read_logo(_file(tmp_path, _SVG.format(inside)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_they_are_expanded(tmp_path: Path, encoding: str) -> None:
    """In any encoding."""
    bomb = '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>' + _SVG.format("<text>&b;</text>")

    with pytest.raises(ValueError, match="DOCTYPE"):
        read_logo(_file(tmp_path, bomb.encode(encoding)))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "PNG or SVG"),
        (b"GIF89a", "PNG or SVG"),
        (b"<html><body/></html>", "only draws"),
        (b'<path xmlns="http://www.w3.org/2000/svg"/>', "PNG or SVG"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "viewBox"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="9"/>', "viewBox"),
        (_png(0, 9), "pixels"),
        (_png(9, 4_097), "4096 pixels a side, not 9 by 4097"),
        (_png(9, 9) + b"x" * MAX_LOGO_BYTES, "at most 128 KiB"),
        (_png(9, 9)[:18], "pixels"),
    ],
)
def test_what_is_no_logo_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    """Another format, no size, too large, cut off."""
    with pytest.raises(ValueError, match=told):
        read_logo(_file(tmp_path, content))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With the system's own reason."""
    with pytest.raises(ValueError, match="No such file"):
        read_logo(tmp_path / "nowhere")
