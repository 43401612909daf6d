"""What a token may say: one struct per purpose; the purpose is the salt of its signature.

A payload is the MessagePack array of the fields in the order written here, so fields are only ever added by a new
purpose. The limits beside the types are enforced when a token is sealed and again when it is opened.
"""

from typing import Annotated, ClassVar, Final

from msgspec import Meta, Struct

#: The longest return target, in characters: what still fits a token.
RETURN_TARGET_MAX_CHARS: Final = 700

WAITING_TARGET_MAX_CHARS: Final = 600

Id = Annotated[bytes, Meta(min_length=16, max_length=16)]
RunId = Annotated[bytes, Meta(min_length=6, max_length=6)]
#: Below 2**53, so that a Lua script of the store, which computes in doubles, keeps every count exact.
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
# \A and \Z: "$" would let a final newline pass.
#: What ids.account_problem lets pass, by the roughest of its rules: who seals one has checked it.
AccountText = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\A[^\x00-\x20\x7f-\xa0\u2028-\u202f]+\Z")]
ActText = Annotated[str, Meta(max_length=300, pattern=r"\A[A-Z]+ /[\x21-\x7e]*\Z")]
ClientText = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\A[A-Za-z0-9._-]+\Z")]
#: The SHA-256 thumbprint of a public key (RFC 7638).
Thumbprint = Annotated[bytes, Meta(min_length=32, max_length=32)]
MethodText = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"\A[a-z0-9_-]+\Z")]
VersionText = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"\A[A-Za-z0-9._-]+\Z")]
#: What fits a token besides two labels and a pseudonym.
LINK_TARGET_MAX_CHARS: Final = 500
#: No "\\": browsers take it for "/".
LinkText = Annotated[
    str, Meta(max_length=LINK_TARGET_MAX_CHARS, pattern=r"\Ahttps?://[a-z0-9._\[\]:-]+([/?#][\x21-\x5b\x5d-\x7e]*)?\Z")
]
LabelText = Annotated[str, Meta(max_length=64, pattern=r"\A([A-Za-z0-9][A-Za-z0-9 _.:+-]*)?\Z")]
Pseudonym = Annotated[bytes, Meta(max_length=16)]
TargetText = Annotated[str, Meta(max_length=RETURN_TARGET_MAX_CHARS, pattern=r"\A/[\x21-\x7e]*\Z")]


class Payload(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Base of all purposes; a subclass names its `purpose`."""

    purpose: ClassVar[bytes] = b""


class Lease(Payload, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The session cookie: a lease on a session, good without asking the store until `lease_end_ms`.

    Ids are raw bytes; every instant is milliseconds of the store's wall clock. `n` is the counter of the credential,
    `generation` the account's revocation generation, `run` the value of the browser-run cookie set at sign-in.
    """

    purpose: ClassVar[bytes] = b"session"

    session: Id
    account: AccountText
    device: Id
    n: Count
    generation: Count
    authenticated_at_ms: Count
    issued_at_ms: Count
    fresh_until_ms: Count
    lease_end_ms: Count
    remembered: bool
    run: RunId


class AccessToken(Lease, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What a TV shows with each request: a lease of another purpose, since nothing is renewed in exchange for it."""

    purpose: ClassVar[bytes] = b"access"

    client: ClientText


class RefreshToken(Lease, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What a TV keeps: token n of its sign-in, which only the token endpoint takes, from the client it was given to."""

    purpose: ClassVar[bytes] = b"refresh"

    client: ClientText


class BoundAccessToken(AccessToken, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The same, good only beside a proof of this key (RFC 9449); of another purpose, so that none passes without."""

    purpose: ClassVar[bytes] = b"bound-access"

    thumbprint: Thumbprint


class BoundRefreshToken(RefreshToken, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The same, exchanged only for a proof of this key."""

    purpose: ClassVar[bytes] = b"bound-refresh"

    thumbprint: Thumbprint


class ProofNonce(Payload, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What a proof of a key repeats, to show that it was made after we said this (RFC 9449 section 8)."""

    purpose: ClassVar[bytes] = b"proof-nonce"

    issued_at_ms: Count


class DeviceToken(Payload, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The device cookie: this browser, whoever signs in on it."""

    purpose: ClassVar[bytes] = b"device"

    browser: Id
    issued_at_ms: Count


class OperatorCall(Payload, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One call to /v1 by who holds the key ring: the command line asking a worker. `act` is its method and path."""

    purpose: ClassVar[bytes] = b"operator"

    act: ActText
    issued_at_ms: Count


class DashboardVisit(Payload, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The dashboard's cookie: who was let in by the service key of this id."""

    purpose: ClassVar[bytes] = b"dashboard"

    key: Id
    issued_at_ms: Count


class ReturnTo(Payload, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Where to go after signing in: path and query.

    Only its alphabet (visible ASCII), its length and the first "/" are checked here; whether it leaves the host
    (as "//evil" does) is for the caller to judge before sealing.
    """

    purpose: ClassVar[bytes] = b"return"

    target: TargetText
    issued_at_ms: Count


class WaitingSignIn(Payload, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A sign-in whose password was checked and that waits until its person gives a device up; then on to `target`.

    One that is longer than WAITING_TARGET_MAX_CHARS does not fit beside the longest account.
    """

    purpose: ClassVar[bytes] = b"waiting"

    account: AccountText
    remember: bool
    authenticated_at_ms: Count
    method: MethodText
    target: Annotated[str, Meta(max_length=WAITING_TARGET_MAX_CHARS, pattern=r"\A/[\x21-\x7e]*\Z")]


class Choices(Payload, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The choices cookie: what a visitor allows, and under which version of the privacy policy it was asked."""

    purpose: ClassVar[bytes] = b"choices"

    analytics: bool
    sharing: bool
    policy: VersionText
    chosen_at_ms: Count


class VisitorToken(Payload, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The visitor cookie: a pseudonym for analytics, set only for who has agreed to it."""

    purpose: ClassVar[bytes] = b"visitor"

    visitor: Id
    issued_at_ms: Count


class MailLink(Payload, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A link of a mail: where it leads, and what is counted when it is followed.

    Whether the target's host is one of those that links may lead to is for the caller to judge, before sealing and
    after opening. `recipient` is a pseudonym of 16 bytes, or empty.
    """

    purpose: ClassVar[bytes] = b"link"

    target: LinkText
    campaign: LabelText
    message: LabelText
    recipient: Pseudonym
    sent_at_ms: Count
    expires_at_ms: Count


class OpenPixel(Payload, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The pixel of a mail, fetched when it is opened, or by whoever looks at mails for somebody."""

    purpose: ClassVar[bytes] = b"open"

    campaign: LabelText
    message: LabelText
    recipient: Pseudonym
    sent_at_ms: Count
    expires_at_ms: Count
