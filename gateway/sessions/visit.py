"""What the edge must know of a request before it decides: its cookies, its kind, and what its answer may carry."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from latchstring_middleware.cookies import named_cookies
from latchstring_middleware.forwarded import OriginalRequest

from ..pages.person import shows_page
from ..wire import Head
from .policy import RUN_COOKIE, SESSION_COOKIE

#: "advance": a new counter value may ride on the answer; "same": only the same one; "none": no cookie at all.
Carry: TypeAlias = Literal["advance", "same", "none"]

_SESSION: Final = SESSION_COOKIE.encode()
_RUN: Final = RUN_COOKIE.encode()
_NAMES: Final = frozenset((_SESSION, _RUN))
#: What every token of ours begins with (tokens/codec.py).
_TOKEN_VERSION: Final = b"v1."
_CARRYING_DESTINATIONS: Final = frozenset((b"document", b"iframe", b"empty"))
_LONG_ANSWERS: Final = frozenset((b"upgrade", b"range", b"transfer-encoding"))
#: What a proxy says of the original request, and a direct request of itself. The larger counts.
_LENGTHS: Final = frozenset((b"x-latch-content-length", b"content-length"))
#: The answer to a longer upload comes so late that its cookie could overwrite a newer one.
_LONGEST_CARRYING_BODY: Final = 65_536


@dataclass(frozen=True, slots=True)
class Shown:
    """An access token that an app shows; `proofs` are its DPoP headers where it says that the token is bound."""

    token: bytes
    proofs: tuple[bytes, ...] | None = None

    @property
    def scheme(self) -> Literal["Bearer", "DPoP"]:
        """How it is shown (RFC 6750, RFC 9449)."""
        return "Bearer" if self.proofs is None else "DPoP"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to be judged. `target` is path and query as the browser sent them; `arrived_ns` is boot time."""

    token: bytes | None
    run: bytes | None
    method: str
    target: str
    client_address: str
    agent: str
    navigation: bool
    carry: Carry
    background: bool
    arrived_ns: int
    #: A form that a person has sent.
    form: bool = False
    #: The Origin header, if it came once; and whether this asks, without cookies, what a script of it may send.
    origin: bytes = b""
    preflight: bool = False
    #: The access token of a TV, where one may be shown and no session cookie was.
    shown: Shown | None = None
    #: Scheme and host of the request, as a proxy tells them; blank where none does.
    site: str = ""


def read(
    head: Head,
    original: OriginalRequest | None,
    *,
    arrived_ns: int,
    background: bool = False,
    takes_bearer: bool = False,
    client_address: str | None = None,
) -> Visit:
    """Gather a visit from a forward-auth request (with `original`, from a trusted proxy) or a direct one.

    Of a direct one, `client_address` is the browser's own where a trusted proxy passed it on; else the peer's.
    """
    headers = dict(head.headers)
    cookies = named_cookies(head.headers, _NAMES)
    method = original.method if original else head.method.decode("latin-1")
    target = original.target if original else head.target.decode("latin-1")
    origins = [value for name, value in head.headers if name == b"origin"]
    origin = origins[0] if len(origins) == 1 else b""
    token = cookies.get(_SESSION)
    shown = _shown(head) if takes_bearer and token is None else None
    return Visit(
        token=token,
        run=cookies.get(_RUN),
        method=method,
        target=target,
        client_address=original.client_address if original else client_address or head.peer,
        agent=headers.get(b"user-agent", b"").decode("latin-1"),
        # An app cannot be sent to a page.
        navigation=shown is None and method == "GET" and shows_page(headers),
        form=shown is None and method == "POST" and shows_page(headers),
        # A poll that handed out longer leases would keep the requests that do extend the idle limit off the store.
        carry="none" if background else may_carry(head, method.encode("latin-1")),
        background=background,
        arrived_ns=arrived_ns,
        origin=origin,
        preflight=method == "OPTIONS" and origin != b"" and b"access-control-request-method" in headers,
        shown=shown,
        site=f"{original.scheme}://{original.host}" if original else "",
    )


def _shown(head: Head) -> Shown | None:
    """Our token in an Authorization header (RFC 6750 section 2.1, RFC 9449 section 7.1); the website's own credentials
    are its own.
    """
    sent = [value for name, value in head.headers if name == b"authorization"]
    scheme, token = access_token_in(sent[0]) if len(sent) == 1 else (b"", b"")
    if scheme == b"bearer":
        return Shown(token)
    if scheme == b"dpop":
        return Shown(token, tuple(value for name, value in head.headers if name == b"dpop"))
    return None


def access_token_in(authorization: bytes) -> tuple[bytes, bytes]:
    """The scheme in lower case and the token of an Authorization header that shows one of ours; else both blank."""
    scheme, _, token = authorization.partition(b" ")
    return (scheme.lower(), token) if token.startswith(_TOKEN_VERSION) else (b"", b"")


def may_carry(head: Head, method: bytes | None = None) -> Carry:
    """What a Set-Cookie may do on the answer to this request.

    Only answers that a browser stores promptly and never shares carry one: documents and fetches, not sub-resources,
    upgrades, event streams or ranges; nothing after an upload that is long or does not say how long it is.
    """
    destination = b"empty"
    forwarded_method = None
    lengths: list[bytes] = []
    for name, value in head.headers:
        if name == b"sec-fetch-dest":
            destination = value
        elif name == b"x-forwarded-method":
            forwarded_method = value
        elif name in _LONG_ANSWERS or (name == b"accept" and value == b"text/event-stream"):
            return "none"
        elif name in _LENGTHS and value:
            lengths.append(value)
    if destination not in _CARRYING_DESTINATIONS:
        return "none"
    verb = method or forwarded_method or head.method
    if verb == b"GET":
        return "advance"
    if verb in (b"POST", b"PUT", b"PATCH") and lengths and all(map(_is_short, lengths)):
        return "same"
    return "none"


def _is_short(length: bytes) -> bool:
    # Six digits at most: int() of thousands of them is slow, and raises beyond 4300.
    return len(length) < 7 and length.isdigit() and int(length) <= _LONGEST_CARRYING_BODY
