"""Our pages for tests: for a website of any name, in English unless other languages are asked for."""

from latchstring_gateway.pages.languages import Languages, read_languages
from latchstring_gateway.pages.look import Look
from latchstring_gateway.pages.render import Pages


def pages(site_name: str = "Lantern", languages: str = "en", *, cookie: str = "", look: Look | None = None) -> Pages:
    """Pages in these languages, by commas, the first for whoever asks for none."""
    return Pages(site_name, Languages(read_languages(languages.split(",")), cookie=cookie), look or Look())
