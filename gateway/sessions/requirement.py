"""What a route asks of a visitor beyond being signed in, as its proxy's configuration says it.

    X-Latch-Require: fresh, max-auth-age=300

Directives, each at most once, in any order: `fresh` (the password was given in this session), `max-auth-age=N` (it was
given at most N seconds ago), `background` (a poll that must not keep the session from idling). They only ever ask for
more than the path does. The proxy overwrites whatever a client sends under this name. What cannot be read is refused
and never ignored: a requirement with a slip of the pen in it must not let everybody in.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from ..wire import Headers
from .check import Accepted

REQUIRE_HEADER: Final = b"x-latch-require"
#: A year; longer than anybody stays signed in by one password.
LONGEST_AUTH_AGE_SECONDS: Final = 31_536_000
_MAX_AUTH_AGE: Final = re.compile(rb"max-auth-age=([1-9][0-9]{0,7})")

Unmet: TypeAlias = Literal["fresh_required", "authentication_too_old"]
STEP_UPS: Final[frozenset[str]] = frozenset(get_args(Unmet))


class BadRequirement(ValueError):
    """A requirement that cannot be read; the message names what was expected and repeats nothing."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What is asked; by default only to be signed in."""

    fresh: bool = False
    background: bool = False
    max_auth_age_seconds: int | None = None

    def unmet_by(self, verdict: Accepted) -> Unmet | None:
        """Why somebody who is signed in must show the password again, or None."""
        if self.fresh and verdict.level != "fresh":
            return "fresh_required"
        age_ms = verdict.at_ms - verdict.lease.content.authenticated_at_ms
        if self.max_auth_age_seconds is not None and age_ms > self.max_auth_age_seconds * 1000:
            return "authentication_too_old"
        return None

    def joined_with(self, other: "Requirement") -> "Requirement":
        """What is asked by both; whether it is a poll is for this one alone to say."""
        ages = [age for age in (self.max_auth_age_seconds, other.max_auth_age_seconds) if age is not None]
        return Requirement(self.fresh or other.fresh, self.background, min(ages, default=None))


def required_by(headers: Headers, *, fresh: bool = False, background: bool = False) -> Requirement:
    """What the header asks, on top of what the route's path asks already.

    Raises BadRequirement if the header came twice (a proxy added it to a client's), is empty, or says anything else
    than the directives above.
    """
    said = [value for name, value in headers if name == REQUIRE_HEADER]
    if not said:
        return Requirement(fresh, background)
    if len(said) > 1:
        raise BadRequirement("expected one X-Latch-Require header; does the proxy overwrite it?")
    seen: set[bytes] = set()
    max_auth_age_seconds = None
    for directive in (part.strip(b" \t") for part in said[0].split(b",")):
        name = directive.partition(b"=")[0]
        age = _MAX_AUTH_AGE.fullmatch(directive)
        if age is not None:
            max_auth_age_seconds = int(age[1])
        if name in seen or (directive not in (b"fresh", b"background") and age is None):
            raise BadRequirement("expected fresh, background and max-auth-age=SECONDS, each once, between commas")
        seen.add(name)
    if max_auth_age_seconds is not None and max_auth_age_seconds > LONGEST_AUTH_AGE_SECONDS:
        raise BadRequirement(f"expected max-auth-age of at most {LONGEST_AUTH_AGE_SECONDS} seconds")
    return Requirement(fresh or b"fresh" in seen, background or b"background" in seen, max_auth_age_seconds)
