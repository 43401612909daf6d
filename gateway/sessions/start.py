"""Signing in: the website has checked who it is and hands the account over; out come the cookies of this browser."""

import contextlib
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Callable
from pathlib import Path

from ..devices.place import Places, prefix_of
from ..errors import BadRequest, Conflict, NotFound
from ..fingerprint.keep import Fingerprints
from ..ids import Account, new_id, to_bytes, to_text
from ..metrics import SESSIONS_STARTED
from ..recognition.describe import describe
from ..recognition.hints import NO_HINTS
from ..revocation.revoke import Revoker
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from ..tokens.codec import Codec
from ..tokens.purposes import Lease
from .browser import Brought, brought, given
from .leases import Leases
from .policy import DEVICE_COOKIE_SECONDS, SessionPolicy
from .refusals import REFUSALS, WRONG_TIMES
from .sign_in import Begun, SignIn, Started
from .story import Story

_START = load(
    Path(__file__).parent / "start.lua",
    keys=(
        "account",
        "devices",
        "browser",
        "new_device",
        "session",
        "sessions",
        "generations",
        "revocations",
        "number",
        "outbox",
    ),
    args=(
        "prefix",
        "account",
        "session_id",
        "new_device_id",
        "browser_id",
        "former_session",
        "remembered",
        "authenticated_at_ms",
        "method",
        "run",
        "ttl_ms",
        "session_idle_ms",
        "session_absolute_ms",
        "remember_idle_ms",
        "remember_absolute_ms",
        "lease_ms",
        "most_sessions",
        "when_full",
        "most_devices",
        "key_id",
        "label",
        "kind",
        "agent_kind",
        "model",
        "os",
        "client",
        "stated",
        "hardware",
        "place",
        "country",
        "provider",
        "event_prefix",
        "vouched",
        "given_device",
        "approved_by",
        "grace_ms",
        "bound_to",
    ),
)


class Starter:
    """Begins sessions; `seen` is told which device of an account showed which agent, and must not wait."""

    def __init__(
        self,
        store: Store,
        codec: Codec,
        leases: Leases,
        policy: SessionPolicy,
        story: Story,
        places: Places,
        fingerprints: Fingerprints,
        revoker: Revoker,
        *,
        seen: Callable[[Account, str, str], None] = lambda _account, _device, _agent: None,
    ) -> None:
        self._store = store
        self._seen = seen
        self._codec = codec
        self._leases = leases
        self._policy = policy
        self._story = story
        self._places = places
        self._fingerprints = fingerprints
        self._revoker = revoker

    async def start(self, sign_in: SignIn) -> Started:
        """`begin`, and the cookies of it."""
        begun = await self.begin(sign_in)
        lease = begun.lease
        return Started(
            session=to_text(lease.session),
            device=to_text(lease.device),
            device_name=begun.device_name,
            device_kind=begun.device_kind,
            device_is_new=begun.device_is_new,
            set_cookie=given(self._codec, self._leases, self._policy, lease, browser=begun.browser),
            looks_like=begun.looks_like,
            now_ms=lease.issued_at_ms,
        )

    async def begin(self, sign_in: SignIn) -> Begun:
        """Begin a session with a new id on the browser's device; the session that the browser was signed in with ends.

        If that is another account's, it ends like one that is signed out: behind the barrier, after this one has begun.
        Where the account has as many sessions as the policy allows, the ones begun longest ago end too, or this one is
        refused. Raises Conflict (account disabled; signed out everywhere since the check; too many sessions, or
        devices), BadRequest (authenticated_at stale or in the future), StoreAway, TooFewReplicas. Not idempotent:
        repeating it makes another session and ends nothing by itself.

        An old session is begun once. Repeated, it is the same session until its cookie has come back, for as long as
        grace and for the key it was begun with; then Conflict, as for one that is over, ended, or of a removed device.
        """
        came = brought(self._codec, sign_in.cookie)
        browser, former = came.browser, came.session
        old, policy, partition = sign_in.old, self._policy, keys.partition_of(sign_in.account)
        session, new_device, run = old.session if old else new_id(), new_id(), secrets.token_bytes(6)
        kind = describe(sign_in.user_agent, sign_in.hints).stated(sign_in.stated)
        place = self._places.of(sign_in.address)
        answer = await _START(
            self._store,
            {
                "account": keys.account(sign_in.account),
                "devices": keys.devices(sign_in.account),
                "browser": keys.browser(sign_in.account, browser),
                "new_device": keys.device(partition, new_device),
                "session": keys.session(partition, session),
                "sessions": keys.sessions(sign_in.account),
                "generations": keys.generations(partition),
                "revocations": keys.revocations(partition),
                "number": keys.number(partition),
                "outbox": keys.outbox(partition),
            },
            {
                "prefix": keys.prefix(partition),
                "account": sign_in.account,
                "session_id": session,
                "new_device_id": new_device,
                "browser_id": browser,
                "former_session": former,
                "remembered": int(sign_in.remember),
                "authenticated_at_ms": sign_in.authenticated_at_ms,
                "method": sign_in.method,
                "run": to_text(run),
                # An old cookie must not find its session forgotten: no browser keeps one longer.
                "ttl_ms": max(
                    policy.row_ms(remembered=sign_in.remember), DEVICE_COOKIE_SECONDS * 1000 if old is not None else 0
                ),
                "session_idle_ms": round(policy.session_idle_seconds * 1000),
                "session_absolute_ms": round(policy.session_absolute_seconds * 1000),
                "remember_idle_ms": round(policy.remember_idle_seconds * 1000),
                "remember_absolute_ms": round(policy.remember_absolute_seconds * 1000),
                "lease_ms": round(policy.lease_seconds * 1000),
                "most_sessions": policy.most_sessions,
                "when_full": policy.when_full,
                "most_devices": policy.most_devices,
                "key_id": self._codec.signing_key_id(),
                "label": kind.label,
                "kind": kind.kind,
                # What a renewal is compared with: it goes by the agent alone.
                "agent_kind": describe(sign_in.user_agent).kind,
                "model": kind.make,
                "os": kind.os,
                "client": kind.client,
                "stated": int(any(sign_in.stated)),
                "hardware": sign_in.hardware,
                "place": prefix_of(sign_in.address),
                "country": place.country or "",
                "provider": place.provider or "",
                "event_prefix": f"evt_{new_id()}",
                "vouched": int(old is not None),
                "given_device": old.device if old else "",
                "approved_by": old.approved_by if old else "",
                "grace_ms": round(policy.grace_seconds * 1000),
                "bound_to": old.bound_to if old else "",
            },
            replicas=self._store.replicas.writes,
        )
        if answer[0] in REFUSALS:
            self._story.not_started(account=sign_in.account, reason=answer[0])
            raise Conflict(*REFUSALS[answer[0]])
        if answer[0] in WRONG_TIMES:
            raise BadRequest(*WRONG_TIMES[answer[0]])
        _ok, now_ms, device, is_new, generation, fresh_until_ms, name, run_text, browser, is_repeated = answer
        if not is_repeated:
            # A repeat after a lost answer is the same sign-in.
            self._seen(sign_in.account, device, sign_in.hints.applied_to(sign_in.user_agent))
            SESSIONS_STARTED.labels("yes" if sign_in.remember else "no").inc()
            self._story.started(
                session=session,
                device=device,
                account=sign_in.account,
                method=sign_in.method,
                remembered=sign_in.remember,
                device_kind=kind.kind,
                new=bool(is_new),
            )
        lease = Lease(
            session=to_bytes(session),
            account=sign_in.account,
            device=to_bytes(device),
            n=1,
            generation=generation,
            authenticated_at_ms=sign_in.authenticated_at_ms,
            issued_at_ms=now_ms,
            fresh_until_ms=int(fresh_until_ms),
            lease_end_ms=now_ms + round(policy.lease_seconds * 1000),
            remembered=sign_in.remember,
            run=urlsafe_b64decode(run_text),
        )
        observed = sign_in.observed._replace(
            hardware=sign_in.hardware,
            kind=kind.kind,
            model=kind.make,
            system=kind.os,
            client=kind.client,
            hints="" if sign_in.hints == NO_HINTS else repr(tuple(sign_in.hints)),
            network=prefix_of(sign_in.address),
        )
        if came.account not in ("", sign_in.account):
            await self._end_another(came)
        likeness = await self._fingerprints.note(sign_in.account, device, observed, is_new=bool(is_new), now_ms=now_ms)
        return Begun(lease, browser, name, kind.kind, bool(is_new), likeness, bool(is_repeated))

    async def _end_another(self, came: Brought) -> None:
        """End another account's session that the browser brought, if it lives. Raises StoreAway, TooFewReplicas."""
        row = keys.session(keys.partition_of(came.account), came.session)
        if await self._store.guard(self._store.redis.hget(row, "state")) == "live":
            # It may be forgotten by now.
            with contextlib.suppress(NotFound):
                await self._revoker.revoke(came.account, [("session", came.session)], reason="replaced")
