"""Templates to HTML answers, under a policy that lets a page load nothing but our own style sheet and pictures."""

from functools import cache
from http import HTTPStatus
from typing import Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from ..errors import EdgeError
from .static import static_url

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

#: What every page of ours is answered with. `same-origin` and not `no-referrer`: the latter turns the Origin of a
#: form post into "null", and the check against cross-site posts would refuse our own forms.
PAGE_HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cache-control": "private, no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


@cache
def environment(*packages: str) -> Environment:
    """Our templates, and before them those of `packages`: HTML escaped, a name that is not given is an error."""
    templates = Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in (*packages, __package__)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["static_url"] = static_url
    return templates


def page(
    name: str, *, site_name: str, status: int = 200, headers: dict[str, str] | None = None, **context: object
) -> HTMLResponse:
    """The page `name` ("devices.html") of the website called `site_name`, never to be stored by a cache.

    Raises jinja2.UndefinedError if the template needs something that `context` does not have.
    """
    html = environment().get_template(name).render(site_name=site_name, **context)
    return HTMLResponse(html, status, {**PAGE_HEADERS, **(headers or {})})


def error_page(
    error: EdgeError, *, site_name: str, what_to_do: str = "", back_url: str = "/", back_words: str = ""
) -> HTMLResponse:
    """`error` as a page: what happened, what to do, and the code a helper can look up.

    `what_to_do` replaces the error's own detail, which is written for programmers.
    """
    headers = {}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(error.retry_after_seconds)
    return page(
        "error.html",
        site_name=site_name,
        status=error.status,
        headers=headers,
        code=error.code,
        title=_TITLES.get(error.status, error.title),
        what_to_do=what_to_do or error.detail,
        back_url=back_url,
        back_words=back_words or f"Back to {site_name}",
    )


#: The titles of errors.py are for programs; these are for people.
_TITLES: Final[dict[int, str]] = {
    HTTPStatus.BAD_REQUEST: "That did not come through",
    HTTPStatus.UNAUTHORIZED: "Please sign in",
    HTTPStatus.FORBIDDEN: "That is not possible from here",
    HTTPStatus.NOT_FOUND: "There is nothing here",
    HTTPStatus.GONE: "This link has had its time",
    HTTPStatus.TOO_MANY_REQUESTS: "That was a little too often",
    HTTPStatus.SERVICE_UNAVAILABLE: "We cannot do this right now",
}
