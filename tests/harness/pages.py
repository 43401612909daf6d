"""Our pages for tests: for a website of any name, in English unless other languages are asked for."""

from latchstring_gateway.pages.languages import Languages, read_languages
from latchstring_gateway.pages.render import Pages


def pages(site_name: str = "Lantern", languages: str = "en", *, cookie: str = "") -> Pages:
    """Pages in these languages, by commas, the first for whoever asks for none."""
    return Pages(site_name, Languages(read_languages(languages.split(",")), cookie=cookie))
