"""Who waits for an answer: a person before a page, or a script."""

import pytest

from latchstring_gateway.pages.person import shows_page

_PAGE = {b"sec-fetch-mode": b"navigate", b"sec-fetch-dest": b"document"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (_PAGE, True),
        ({**_PAGE, b"sec-fetch-dest": b"iframe"}, True),
        ({**_PAGE, b"sec-fetch-dest": b"frame"}, True),
        ({**_PAGE, b"accept": b"*/*"}, True),
        ({**_PAGE, b"sec-fetch-dest": b"image"}, False),
        ({b"sec-fetch-mode": b"cors", b"sec-fetch-dest": b"empty", b"accept": b"text/html"}, False),
        ({b"accept": b"text/html,application/xhtml+xml,*/*;q=0.8"}, True),
        ({b"accept": b"text/html", b"x-requested-with": b"XMLHttpRequest"}, False),
        ({b"accept": b"text/html", b"upgrade": b"websocket"}, False),
        ({b"accept": b"*/*"}, False),
        ({b"accept": b"application/json"}, False),
        ({}, False),
    ],
)
def test_a_page_or_form_is_told_from_a_script(headers: dict[bytes, bytes], expected: bool) -> None:
    """By what the browser says of it, or, if it is an older one, by what it would like to get."""
    assert shows_page(headers) is expected
