"""`latchstring page-script`: the HTML with which a page tells the edge what happens on it."""

import json
from typing import Annotated

import typer

from ..beacons.script import STABLE_PATH, compressed, integrity, noscript_tag, script_path, script_tag
from ..shipping.own_fields import LABEL


def register(app: typer.Typer) -> None:
    """Add `page-script` to the command."""
    app.command("page-script")(page_script)


def _label(text: str) -> str:
    if text and not LABEL.fullmatch(text):
        raise typer.BadParameter("expected letters, digits and _ . : - only, at most 64")
    return text


def _origin(text: str) -> str:
    if text and not (text.startswith(("https://", "http://")) and text.count("/") == 2 and text.isprintable()):
        raise typer.BadParameter("expected scheme and host without a path, such as https://edge.example.com")
    return text


def page_script(
    *,
    app: Annotated[str, typer.Option(help="Id of the site, for the field `app` of its events.", callback=_label)] = "",
    origin: Annotated[
        str, typer.Option(help="Where the edge is, if not on the page's own host.", callback=_origin)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Path and integrity as JSON, for templates.")] = False,
) -> None:
    """Print what to put into a page: the script with its integrity, and a pixel for browsers without JavaScript.

    The address carries the script's hash: run this again after an upgrade. The old address is 404 then; /latch/page.js
    is always there, without integrity.
    """
    if as_json:
        told = {
            "path": script_path(),
            "stable_path": STABLE_PATH,
            "integrity": integrity(),
            "compressed_bytes": len(compressed()),
        }
        print(json.dumps(told))
        return
    print(f"<!-- in the head -->\n{script_tag(app=app, origin=origin)}")
    print(f"<!-- in the body -->\n{noscript_tag(app=app, origin=origin)}")
