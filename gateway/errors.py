"""Every error a client can be told, with its machine-readable code, status and remedy.

    EdgeError
    ├── BadRequest          400  the request is not what the endpoint takes
    ├── NotSignedIn         401  proved absent, expired, ended or bad
    ├── NotAllowed          403  known, but not for you
    ├── NotFound            404
    ├── Conflict            409  the state of the account forbids it
    ├── Gone                410  it was there, for as long as it was meant to be
    ├── TooLarge            413
    ├── WrongMediaType      415
    ├── TooMany             429  too often; come back later
    ├── StoreAway           503  cannot be known now: never a reason to forget anybody
    │   ├── TooFewReplicas  503  recorded, but a fail-over could still lose it
    │   ├── StoreBusy       503  it is there, and could not be asked in time
    │   └── StoreRefused    503  it answered with an error that waiting does not mend
    ├── WebsiteAway         503  the same, where the website is asked
    └── ReportAway          503  a report cannot be made now, or not with so many days

A store fault is never "not signed in": two types, two statuses.
"""

from typing import ClassVar


class EdgeError(Exception):
    """Base of all errors that become an answer: `status`, `code` (snake_case), and what to do about it."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, code: str, detail: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class BadRequest(EdgeError):
    """The request is malformed; repeating it will not help."""

    status = 400
    title = "Bad request"


class NotSignedIn(EdgeError):
    """There is no credential, or it was proved expired, ended or bad."""

    status = 401
    title = "Not signed in"

    def __init__(self, code: str, detail: str, *, challenge: str = "") -> None:
        super().__init__(code, detail)
        #: For WWW-Authenticate; blank for the one that names the scheme alone.
        self.challenge = challenge


class NotAllowed(EdgeError):
    """The caller is known and may not do this."""

    status = 403
    title = "Not allowed"


class NotFound(EdgeError):
    """There is no such thing, or it is not this account's."""

    status = 404
    title = "Not found"


class Conflict(EdgeError):
    """The state of the account or device forbids it."""

    status = 409
    title = "Conflict"


class Gone(EdgeError):
    """It was there and its time is over; it will not come back."""

    status = 410
    title = "Gone"


class TooLarge(EdgeError):
    """The body is longer than the endpoint takes."""

    status = 413
    title = "Too large"


class WrongMediaType(EdgeError):
    """The endpoint takes another content type."""

    status = 415
    title = "Unsupported media type"


class TooMany(EdgeError):
    """The client asks too often."""

    status = 429
    title = "Too many requests"


class StoreAway(EdgeError):
    """The store did not answer, so nothing can be said; the caller keeps what it has and comes back."""

    status = 503
    title = "Temporarily unavailable"

    def __init__(self, detail: str = "the store did not answer; try again", *, code: str = "store_away") -> None:
        super().__init__(code, detail, retry_after_seconds=2)


class TooFewReplicas(StoreAway):
    """It was carried out, but fewer replicas have confirmed it than were asked for: nothing may rest on it yet."""

    def __init__(self, have: int, wanted: int) -> None:
        super().__init__(
            f"recorded, but only {have} of {wanted} replicas have confirmed it; repeat it",
            code="recorded_not_confirmed",
        )


class StoreBusy(StoreAway):
    """The store is there, but too many ask, or it may not be asked yet: no outage, only a reason to come back."""


class StoreRefused(StoreAway):
    """The store is there and answered with an error of the command itself: a bug of ours, or data that nobody wrote."""


class WebsiteAway(EdgeError):
    """The website, asked whom its old cookie stands for, gave no answer that says so."""

    status = 503
    title = "Temporarily unavailable"

    def __init__(self, detail: str) -> None:
        super().__init__("website_away", detail, retry_after_seconds=5)


class ReportAway(EdgeError):
    """A report cannot be made: others are under way, its time was over, or there was no room."""

    status = 503
    title = "Temporarily unavailable"
