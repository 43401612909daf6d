"""Errors in words for people: the titles and details of errors.py are for programs."""

from http import HTTPStatus
from typing import Final

from ..errors import EdgeError
from .language import Language, gettext_noop

_TITLES: Final[dict[int, str]] = {
    HTTPStatus.UNAUTHORIZED: gettext_noop("Please sign in"),
    HTTPStatus.FORBIDDEN: gettext_noop("That is not possible from here"),
    HTTPStatus.NOT_FOUND: gettext_noop("There is nothing here"),
    HTTPStatus.GONE: gettext_noop("This link has had its time"),
    HTTPStatus.TOO_MANY_REQUESTS: gettext_noop("That was a little too often"),
    HTTPStatus.SERVICE_UNAVAILABLE: gettext_noop("We cannot do this right now"),
}
_ANY_TITLE: Final = gettext_noop("That did not come through")

#: By code where more is known, else by status.
_REMEDIES: Final[dict[str | int, str]] = {
    "bad_link": gettext_noop(
        "This link is not whole: perhaps it was cut when it was copied. The mail it stood in has the whole one."
    ),
    "link_expired": gettext_noop("Links in mails work for a while, and this one is over."),
    "target_not_allowed": gettext_noop("This link leads to where links of this website do not lead any more."),
    "unknown_key": gettext_noop("This server does not know yet who signed this link; please try again in a moment."),
    "recorded_not_confirmed": gettext_noop(
        "It is written down, but not yet in as many places as it should be. Please do it once more."
    ),
    HTTPStatus.UNAUTHORIZED: gettext_noop("Sign in, then try again."),
    HTTPStatus.NOT_FOUND: gettext_noop("It may have been there before. Please go back."),
    HTTPStatus.TOO_MANY_REQUESTS: gettext_noop("Please wait a little, then try again."),
    HTTPStatus.SERVICE_UNAVAILABLE: gettext_noop("Nothing is lost. Please try again in a few seconds."),
}
_ANY_REMEDY: Final = gettext_noop("Please go back and try again.")


def title_of(error: EdgeError, language: Language) -> str:
    """What happened."""
    return language.gettext(_TITLES.get(error.status, _ANY_TITLE))


def remedy_of(error: EdgeError, language: Language) -> str:
    """What whoever reads it can do."""
    return language.gettext(_REMEDIES.get(error.code) or _REMEDIES.get(error.status, _ANY_REMEDY))
