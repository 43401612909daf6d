"""The life of sessions as the log tells it: started, renewed, refused and why; never an id, always its keyed name.

How a session ends by somebody's will is told where it is revoked (revocation/revoke.py).
"""

from typing import Final

from .. import logs
from ..tokens.log_names import LogNames
from .leases import Leases, OpenLease

_log = logs.get("sessions")
#: Sessions whose refusal was told; past it the oldest may be told again.
_TOLD_MAX: Final = 10_000
#: What rotation finds in ordinary life; everything else is worth a line.
_ORDINARY: Final = frozenset(("renewed", "advanced"))
#: Refusals that an operator should look into.
_ALARMING: Final = frozenset(("reuse", "lost", "unknown"))


class Story:
    """Tells what happens to sessions, for one worker."""

    def __init__(self, names: LogNames, leases: Leases) -> None:
        self._names = names
        self._leases = leases
        self._told: dict[tuple[str, str], None] = {}

    def started(
        self, *, session: str, device: str, account: str, method: str, remembered: bool, device_kind: str, new: bool
    ) -> None:
        """A sign-in; `new` if its device was not known before."""
        _log.info(
            "session_started",
            session=self._names.of("session", session),
            device=self._names.of("device", device),
            account=self._names.of("account", account),
            method=method,
            remembered=remembered,
            device_kind=device_kind,
            device_is_new=new,
        )

    def not_started(self, *, account: str, reason: str) -> None:
        """A sign-in that the account's state forbids."""
        _log.info("sign_in_refused", account=self._names.of("account", account), reason=reason)

    def renewed(self, lease: OpenLease, note: str) -> None:
        """A lease was exchanged for a new one; `note` is what rotation saw."""
        tell = _log.debug if note in _ORDINARY else _log.info
        tell("session_renewed", **self._who(lease), note=note)

    def refused(self, token: bytes | None, reason: str) -> None:
        """A visit was not let in. Told once a session and reason: an old tab may ask every second for ever."""
        lease = None if token is None else self._leases.find(token)
        if not isinstance(lease, OpenLease):
            # Anybody can make these.
            _log.debug("visit_refused", reason=reason)
            return
        self.denied(lease, reason)

    def denied(self, lease: OpenLease, reason: str) -> None:
        """The same, of a token that verified."""
        key = (lease.session, reason)
        if key in self._told:
            return
        if len(self._told) >= _TOLD_MAX:
            self._told.pop(next(iter(self._told)))
        self._told[key] = None
        tell = _log.warning if reason in _ALARMING else _log.info
        tell("credential_reuse" if reason == "reuse" else "session_refused", **self._who(lease), reason=reason)

    def _who(self, lease: OpenLease) -> dict[str, str]:
        return {
            "session": self._names.of("session", lease.session),
            "device": self._names.of("device", lease.device),
        }
