"""Grants: a device asks to be let in, its person approves or refuses, and the device hears of it.

A grant is pending, approved, refused, or expired. It lies in the partition of its user code and not of an account:
whose it will be is not known when it is made.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

from ..errors import StoreAway
from ..ids import Account, new_id
from ..recognition.describe import Description, describe
from ..recognition.makers import NO_MAKE, Make
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from .codes import CodeForm, DeviceCode, make_device_code, partition_of_code, read_device_code

_SCRIPTS: Final = Path(__file__).parent
_AWAIT = load(_SCRIPTS / "await_code.lua", keys=("waiting",), args=("code_hash", "life_ms", "most"))
_OFFER = load(
    _SCRIPTS / "offer.lua",
    keys=("grant", "user_code"),
    args=(
        "code_hash",
        "client",
        "session",
        "device",
        "agent",
        "network",
        "country",
        "provider",
        "brand",
        "model",
        "hardware",
        "life_ms",
    ),
)
_POLL = load(_SCRIPTS / "poll.lua", keys=("grant",), args=("client", "tolerance_ms", "longest_interval_ms"))
_SETTLE = load(_SCRIPTS / "settle.lua", keys=("grant",), args=("decision", "account", "session", "authenticated_at_ms"))

#: What a device is told to wait between two polls (RFC 8628 section 3.2), and how early it may be.
INTERVAL_SECONDS: Final = 5
_TOLERANCE_MS: Final = 1_000
_LONGEST_INTERVAL_MS: Final = 60_000
#: Codes that wait at once. With more, a random guess would hit too often.
MOST_WAITING: Final = 100_000
#: A random code is taken with a chance of at most MOST_WAITING / space.
_TRIES: Final = 8

State: TypeAlias = Literal["pending", "slow_down", "expired", "refused", "unknown"]
Decision: TypeAlias = Literal["approved", "refused"]
#: "held": the decision is this account's for a minute, whatever else it has to do first.
Step: TypeAlias = Decision | Literal["held"]


@dataclass(frozen=True, slots=True)
class Asking:
    """The device that asks, as far as it is kept: its user agent, its network and where that is; blank: not known.

    `make` is what it stated itself, `hardware` the tag of its hardware id.
    """

    agent: str
    network: str
    country: str
    provider: str
    make: Make = NO_MAKE
    hardware: str = ""

    def described(self) -> Description:
        """What it is."""
        return describe(self.agent).stated(self.make)


@dataclass(frozen=True, slots=True)
class Offered:
    """The codes of a new grant."""

    device_code: str
    user_code: str
    expires_in_seconds: int


@dataclass(frozen=True, slots=True)
class Approved:
    """A grant that its person approved: whose sign-in it becomes, under which ids; `approved_by` is his own session."""

    account: Account
    authenticated_at_ms: int
    approved_by: str
    session: str
    device: str
    agent: str
    make: Make
    hardware: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A grant that waits for its person."""

    code: DeviceCode
    user_code: str
    asking: Asking


class Grants:
    """The grants of a deployment. Every method raises StoreAway."""

    def __init__(self, store: Store, form: CodeForm, *, life_seconds: int) -> None:
        self._store = store
        self.form = form
        self._life_seconds = life_seconds

    async def offer(self, client: str, asking: Asking) -> Offered | None:
        """A new grant; None while too many wait. A device may have several."""
        for _ in range(_TRIES):
            user_code = self.form.make()
            partition = partition_of_code(user_code)
            text = make_device_code(partition)
            code = read_device_code(text)
            assert code is not None
            life_ms = self._life_seconds * 1000
            status, _count = await _AWAIT(
                self._store,
                {"waiting": keys.WAITING_CODES},
                {"code_hash": code.sha256, "life_ms": life_ms, "most": MOST_WAITING},
            )
            if status == "full":
                return None
            status, _now_ms = await _OFFER(
                self._store,
                {"grant": keys.grant(partition, code.sha256), "user_code": keys.user_code(partition, user_code)},
                {
                    "code_hash": code.sha256,
                    "client": client,
                    "session": new_id(),
                    "device": new_id(),
                    "agent": asking.agent,
                    "network": asking.network,
                    "country": asking.country,
                    "provider": asking.provider,
                    "brand": asking.make.brand,
                    "model": asking.make.model,
                    "hardware": asking.hardware,
                    "life_ms": life_ms,
                },
            )
            if status == "ok":
                return Offered(text, user_code, self._life_seconds)
        return None

    async def poll(self, code: DeviceCode, client: str) -> Approved | State:
        """What the device hears. A grant of another client is unknown to this one."""
        answer: list[Any] = await _POLL(
            self._store,
            {"grant": keys.grant(code.partition, code.sha256)},
            {"client": client, "tolerance_ms": _TOLERANCE_MS, "longest_interval_ms": _LONGEST_INTERVAL_MS},
        )
        if answer[0] != "approved":
            return cast(State, answer[0])
        if len(answer) != 10:
            raise StoreAway("the store answered out of contract")
        _approved, account, authenticated_at_ms, approved_by, session, device, agent, brand, model, hardware = answer
        make = Make(brand, model)
        return Approved(Account(account), int(authenticated_at_ms), approved_by, session, device, agent, make, hardware)

    async def waiting(self) -> int:
        """How many codes wait, those included that were settled before they expired."""
        return int(await self._store.guard(self._store.redis.zcard(keys.WAITING_CODES)))

    async def find(self, user_code: str) -> Waiting | None:
        """The grant that a user code stands for, until it expires."""
        partition = partition_of_code(user_code)
        found = await self._store.guard(self._store.redis.get(keys.user_code(partition, user_code)))
        if not found:
            return None
        code = DeviceCode(partition, str(found))
        row = await self._store.guard(self._store.redis.hgetall(keys.grant(partition, code.sha256)))
        if not row:
            return None
        agent, network, country, provider = (str(row[field]) for field in ("agent", "network", "country", "provider"))
        # A row of an older version has none.
        make = Make(str(row.get("brand", "")), str(row.get("model", "")))
        asking = Asking(agent, network, country, provider, make, str(row.get("hardware", "")))
        return Waiting(code, user_code, asking)

    async def settle(
        self, waiting: Waiting, decision: Step, account: Account, *, session: str, authenticated_at_ms: int
    ) -> bool:
        """Approve or refuse, or hold it for this account; False if it is too late. Safe to repeat."""
        answer = await _SETTLE(
            self._store,
            {"grant": keys.grant(waiting.code.partition, waiting.code.sha256)},
            {"decision": decision, "account": account, "session": session, "authenticated_at_ms": authenticated_at_ms},
            replicas=self._store.replicas.writes,
        )
        return bool(answer == "ok")
