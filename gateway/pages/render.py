"""Templates to HTML answers, under a policy that lets a page load nothing but our own style sheet and pictures."""

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Final

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, PrefixLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from latchstring_middleware.problems import CHALLENGE

from .. import logs
from ..errors import EdgeError
from .error_words import remedy_of, title_of
from .language import Language, english
from .languages import Languages
from .look import Look
from .static import static_url

_log: Final = logs.get("pages")
_AS_MADE: Final = Look()
_MAX_REASON_CHARS: Final = 300

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


#: What every template is given besides what its page shows.
FRAME: Final = frozenset({"site_name", "look", "language", "gettext", "ngettext"})


@cache
def environment(*packages: str, own: Path | None = None) -> Environment:
    """Our templates, before them those of `packages`, and before all the operator's in the folder `own`.

    Ours are also below "ours/", so that one of the same name can be built on them. HTML is escaped, and a name that is
    not given is an error; whoever renders a template gives it `frame(…)` besides what it shows.
    """
    ours = PackageLoader(__package__, "templates")
    folders = [] if own is None else [FileSystemLoader(own)]
    loaders = [*folders, *(PackageLoader(package, "templates") for package in packages), ours]
    templates = Environment(
        loader=ChoiceLoader([*loaders, PrefixLoader({"ours": ours})]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    # Texts are filled in by `Language`, which comes with each page.
    templates.newstyle_gettext = True  # type: ignore[attr-defined]  # the extension's
    templates.policies["ext.i18n.trimmed"] = True
    templates.globals["static_url"] = static_url
    return templates


def frame(site_name: str, language: Language, look: Look) -> dict[str, object]:
    """What every template needs."""
    return {
        "site_name": site_name,
        "look": look,
        "language": language,
        "gettext": language.gettext,
        "ngettext": language.ngettext,
    }


class Pages:
    """Our pages, for the website called `site_name`, in its languages and with its look."""

    def __init__(self, site_name: str, languages: Languages, look: Look = _AS_MADE) -> None:
        self.site_name = site_name
        self.look = look
        self._languages = languages

    def reader(self, request: Request) -> "Reader":
        """Whoever sent a request, by the language of the answer."""
        return Reader(self, self._languages.of(request), self._languages.varies)

    def english_reader(self) -> "Reader":
        """Whoever reads pages that are there in English alone: those of the operator's own people."""
        return Reader(self, english(), "")

    def render(self, name: str, language: Language, context: dict[str, object]) -> str:
        """The HTML of the template `name`. Raises jinja2.UndefinedError if it needs what `context` does not have.

        An operator's template that fails is told to the log and ours is taken: people have a thief to sign out.
        """
        given = {**frame(self.site_name, language, self.look), **context}
        if self.look.templates is not None:
            try:
                return environment(own=self.look.templates).get_template(name).render(given)
            except Exception as error:
                _log.error(
                    "template_failed", template=name, reason=f"{type(error).__name__}: {error}"[:_MAX_REASON_CHARS]
                )
        return environment().get_template(name).render(given)


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a page is made."""

    _pages: Pages
    language: Language
    _varies: str

    @property
    def site_name(self) -> str:
        """What the website is called."""
        return self._pages.site_name

    def page(
        self, name: str, *, status: int = 200, headers: dict[str, str] | None = None, **context: object
    ) -> HTMLResponse:
        """The page `name` ("devices.html"), never to be stored by a cache."""
        spoken_in = {"content-language": self.language.tag, **({"vary": self._varies} if self._varies else {})}
        if status == HTTPStatus.UNAUTHORIZED:
            spoken_in["www-authenticate"] = CHALLENGE.decode()
        html = self._pages.render(name, self.language, context)
        return HTMLResponse(html, status, {**PAGE_HEADERS, **spoken_in, **(headers or {})})

    def error_page(
        self, error: EdgeError, *, what_to_do: str = "", back_url: str = "/", back_words: str = ""
    ) -> HTMLResponse:
        """`error` as a page: what happened, what to do, and the code a helper can look up."""
        headers = {}
        if error.retry_after_seconds is not None:
            headers["retry-after"] = str(error.retry_after_seconds)
        return self.page(
            "error.html",
            status=error.status,
            headers=headers,
            code=error.code,
            title=title_of(error, self.language),
            what_to_do=what_to_do or remedy_of(error, self.language),
            back_url=back_url,
            back_words=back_words
            or self.language.gettext("Back to <bdi>%(site_name)s</bdi>", site_name=self.site_name),
        )
