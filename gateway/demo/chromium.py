"""Finding the browser that walks through the demo."""

import importlib.util
import shutil


class BrowserMissing(Exception):
    """There is no browser to walk with; the message says how to get one."""


def find_chromium() -> str:
    """The path of a Chromium. Raises BrowserMissing, also if there is no playwright to drive it."""
    if importlib.util.find_spec("playwright") is None:
        raise BrowserMissing("the walk needs playwright: pip install 'latchstring[demo]'")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise BrowserMissing("the walk needs Chromium: apt-get install chromium, or run the demo without --check")
