"""Refusals in words, for whoever opened a page or sent a form: a page with the way back in, where a script gets JSON.

nginx throws the body of a forward-auth answer away, so the page comes again in the header X-Latch-Page: HTML in one
line of ASCII, at most 8 KiB of it (an operator's longer template is left out; then nginx shows the problem).
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from ..errors import StoreAway
from ..pages.render import Pages, Reader
from ..wire import Head, Reply
from .return_path import is_own
from .visit import Visit

PAGE_HEADER: Final = b"x-latch-page"
MAX_PAGE_BYTES: Final = 8_192
_OF_THE_BODY: Final = frozenset((b"content-type", b"content-length", b"cache-control"))


class RefusalPages:
    """Makes pages of refusals."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def not_sent(self, head: Head, visited: Visit, reply: Reply, *, code: str, sign_in_url: str) -> Reply:
        """For a form that was sent without a sign-in that is good enough: how to sign in and send it again."""
        page = self._reader(head).page("not_sent.html", status=reply.status, code=code, sign_in_url=sign_in_url)
        return _as_page(visited, reply, bytes(page.body), page.raw_headers)

    def away(self, head: Head, visited: Visit, reply: Reply) -> Reply:
        """For a time when nobody can tell who is signed in: nothing is lost, and the way to try again."""
        reader = self._reader(head)
        back = visited.target if visited.navigation else came_from(head, visited)
        # A path that begins with two slashes names another host.
        back = back if is_own(back) else "/"
        page = reader.error_page(StoreAway(), back_url=back, back_words=reader.language.gettext("Try again"))
        return _as_page(visited, reply, bytes(page.body), page.raw_headers)

    def _reader(self, head: Head) -> Reader:
        return self._pages.reader(Request({"type": "http", "headers": head.headers}))


def came_from(head: Head, visited: Visit) -> str:
    """Path and query of the page that a form stands on, by Referer; "/" if it is another host's, or not told."""
    said = [value for name, value in head.headers if name == b"referer"]
    hosts = [value for name, value in head.headers if name == b"host"]
    host = urlsplit(visited.site).netloc if visited.site else (hosts[0].decode("latin-1") if len(hosts) == 1 else "")
    try:
        page = urlsplit(said[0].decode("ascii")) if len(said) == 1 else None
    except ValueError:
        page = None
    if page is None or page.scheme not in ("http", "https") or page.netloc.lower() != host.lower():
        return "/"
    return f"{page.path or '/'}?{page.query}" if page.query else page.path or "/"


def _as_page(visited: Visit, reply: Reply, html: bytes, page_headers: list[tuple[bytes, bytes]]) -> Reply:
    kept = [(name, value) for name, value in reply.headers if name not in _OF_THE_BODY]
    names = {name for name, _ in kept}
    of_page = [(name, value) for name, value in page_headers if name not in names and name != b"content-length"]
    if visited.site:
        line = " ".join(html.decode().split()).encode("ascii", "xmlcharrefreplace")
        if len(line) <= MAX_PAGE_BYTES:
            of_page.append((PAGE_HEADER, line))
    return Reply(reply.status, (*kept, *of_page), html)
