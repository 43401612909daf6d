"""Verify with cookies seen before and never seen, with few and many live revocations, and with one and two workers."""

import asyncio
import contextlib
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from measuring import BenchError
from servers import Served, latchstring

from latchstring_gateway.clock import SystemClock
from latchstring_gateway.ids import to_bytes
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store
from latchstring_gateway.store.embedded import store_url
from latchstring_gateway.store.scripts import load
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyring import KeyRing, create_key_file
from latchstring_gateway.tokens.purposes import Lease

_HERE: Final = Path(__file__).parent
REVOCATIONS: Final = (0, 1_000, 100_000)
WORKERS: Final = (1, 2)
#: More than two workers together remember (50,000 verified leases each).
_COOKIES: Final = 120_000
#: An hour, so that nothing is due while it is measured; a revocation lives twice as long.
_LEASE_MS: Final = 3_600_000

_REVOKE_MANY: Final = load(_HERE / "revoke_many.lua", keys=("revocations", "number"), args=("first", "count"))


@dataclass(frozen=True, slots=True)
class VerifyRow:
    """One case; `wrk_script` replaces the cookie of each request by another."""

    name: str
    #: The row of the same case without revocations.
    baseline: str
    served: Served
    wrk_script: tuple[str, ...]


@contextlib.contextmanager
def verify_rows(directory: Path) -> Iterator[list[VerifyRow]]:
    """Every case, on a store for each number of revocations, all with one key ring; BenchError if one is not true."""
    directory.mkdir()
    keys_file, cookies = directory / "keys.json", directory / "cookies"
    create_key_file(keys_file)
    _write_cookies(keys_file, cookies)
    unseen = ("-s", str(_HERE / "many_cookies.lua"), "--", str(cookies))
    with contextlib.ExitStack() as stack:
        rows = []
        for revocations in REVOCATIONS:
            for workers in WORKERS:
                served = stack.enter_context(
                    latchstring(
                        directory / f"{revocations}-{workers}",
                        workers=workers,
                        keys_file=keys_file,
                        before_start=partial(_revoke, revocations),
                    )
                )
                _check_revoked(served, keys_file, revocations)
                rows += [
                    VerifyRow(
                        _name(revocations, workers, seen=seen),
                        _name(0, workers, seen=seen),
                        served,
                        () if seen else unseen,
                    )
                    for seen in (True, False)
                ]
        yield rows


def _name(revocations: int, workers: int, *, seen: bool) -> str:
    return f"{'seen' if seen else 'never seen'}, {revocations:,} revoked, {workers} worker{'s'[: workers - 1]}"


def _revoke(count: int, data_dir: Path) -> None:
    asyncio.run(append_revocations(count, data_dir))


async def append_revocations(count: int, data_dir: Path) -> None:
    """Revoke so many sessions that nobody has, evenly over all partitions."""
    store = Store(store_url(data_dir))
    try:
        for partition in range(keys.PARTITIONS):
            first, after = (count * at // keys.PARTITIONS for at in (partition, partition + 1))
            await _REVOKE_MANY(
                store,
                {"revocations": keys.revocations(partition), "number": keys.number(partition)},
                {"first": first, "count": after - first},
            )
    finally:
        await store.close()


def _lease(account: str, session: bytes) -> Lease:
    now_ms = SystemClock().wall_ms()
    return Lease(
        session=session,
        account=account,
        device=secrets.token_bytes(16),
        n=1,
        generation=0,
        authenticated_at_ms=now_ms,
        issued_at_ms=now_ms,
        fresh_until_ms=now_ms + _LEASE_MS,
        lease_end_ms=now_ms + _LEASE_MS,
        remembered=True,
        run=b"runrun",
    )


def _cookie(codec: Codec, lease: Lease) -> str:
    return f"theme=dark; __Host-session={codec.seal(lease).decode()}; __Host-run=cnVucnVu"


def _write_cookies(keys_file: Path, cookies: Path) -> None:
    codec = Codec(KeyRing.load(keys_file, SystemClock()))
    with cookies.open("w") as file:
        for number in range(_COOKIES):
            file.write(_cookie(codec, _lease(f"visitor{number}@example.com", secrets.token_bytes(16))) + "\n")


def _check_revoked(served: Served, keys_file: Path, revocations: int) -> None:
    """The workers hold what was revoked, to the last one, and nothing else."""
    codec = Codec(KeyRing.load(keys_file, SystemClock()))
    for number, expected in ((revocations - 1, 401), (revocations, 200)):
        if number >= 0:
            lease = _lease("somebody", to_bytes(f"revoked{number:014d}A"))
            asked = urllib.request.Request(f"{served.origin}/verify", headers={"Cookie": _cookie(codec, lease)})
            try:
                with urllib.request.urlopen(asked, timeout=10) as answer:
                    status = answer.status
            except urllib.error.HTTPError as error:
                status = error.code
            if status != expected:
                raise BenchError(f"expected {expected} for revocation {number}; got {status}")
