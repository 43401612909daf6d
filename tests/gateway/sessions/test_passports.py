"""From the lease to the website: one passport a lease and level, which foreign libraries and our middleware read.

The website's copies of the keys are fetched seldom, outlive an edge that is away, and survive a rotation.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, cast

import jwt as pyjwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import KeySet, KeySetSerialization
from prometheus_client import REGISTRY

from harness.waiting import wait_until_async
from harness.worker_app import RUN, Jar, Worker
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.tokens.rotation import retire, rotate
from latchstring_middleware.passport import Passport, PassportRefused, PassportVerifier

pytestmark = pytest.mark.store
ISSUER, AUDIENCE = "https://www.example.com", "website"


def minted() -> float:
    """Passports signed in this process so far."""
    return REGISTRY.get_sample_value("latchstring_passports_minted_total") or 0


async def jwks_of(worker: Worker) -> dict[str, Any]:
    """What the edge publishes."""
    found: dict[str, Any] = (await worker.client.get("/.well-known/jwks.json")).json()
    return found


async def passport_of(worker: Worker, jar: Jar) -> str:
    """What the website is handed for this browser."""
    answer = await worker.verify(jar)
    assert answer.status_code == 200
    return str(answer.headers["x-latch-passport"])


class Website:
    """A website with our middleware's verifier; counts how often it asks the edge for keys."""

    def __init__(self, worker: Worker, **options: Any) -> None:
        self.worker = worker
        self.fetches = 0
        self.edge_is_away = False
        self.verifier = PassportVerifier(issuer=ISSUER, audience=AUDIENCE, fetch=self._fetch, **options)

    async def _fetch(self) -> Mapping[str, Any]:
        self.fetches += 1
        if self.edge_is_away:
            raise OSError("no route")
        return await jwks_of(self.worker)

    async def reads(self, passport: str) -> Passport | PassportRefused:
        """One request."""
        return await self.verifier.verify_with_new_keys(passport)


async def test_one_passport_is_minted_for_a_lease_however_often_it_is_asked_for(worker: Worker) -> None:
    """By the fast way and the long way, and by the answer that renews the lease and the ones after it."""
    jar = await worker.signed_in()
    before = minted()
    first = {await passport_of(worker, jar) for _ in range(20)}
    for_one_lease = minted() - before

    renewed = await worker.navigate(worker.run_out(jar))
    jar.take(renewed.headers.get_list("set-cookie"))
    second = {renewed.headers["x-latch-passport"], *[await passport_of(worker, jar) for _ in range(20)]}

    assert (len(first), len(second), first & second) == (1, 1, set())
    assert (for_one_lease, minted() - before) == (1, 2)


async def test_each_level_of_a_lease_has_its_own_passport(worker: Worker) -> None:
    """Without the cookie of the browser's run the user is remembered, and the passport says so."""
    jar = await worker.signed_in()
    remembered = Jar({name: value for name, value in jar.items() if name != RUN})
    before = minted()
    passports = [await passport_of(worker, one) for one in (jar, remembered, jar, remembered)]

    claims = [pyjwt.decode(one, options={"verify_signature": False}) for one in passports]

    assert [one["lvl"] for one in claims] == ["fresh", "remembered"] * 2
    assert minted() - before == 2


async def test_pyjwt_and_joserfc_read_what_the_edge_hands_over(worker: Worker) -> None:
    """With nothing but the published keys, issuer and audience checked by them; it ends with its lease."""
    jar = await worker.signed_in("ada")
    passport, published = await passport_of(worker, jar), await jwks_of(worker)
    key = pyjwt.PyJWKSet.from_dict(published)[pyjwt.get_unverified_header(passport)["kid"]]

    claims = pyjwt.decode(passport, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=ISSUER, leeway=2)
    keys = KeySet.import_key_set(cast(KeySetSerialization, published))
    with pytest.warns(SecurityWarning, match="RFC 9864"):
        other = joserfc_jwt.decode(passport, keys, algorithms=["EdDSA"])
    joserfc_jwt.JWTClaimsRegistry(
        leeway=2, iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE}
    ).validate(other.claims)

    assert claims == other.claims
    assert (claims["sub"], claims["exp"]) == ("ada", worker.lease(jar).lease_end_ms // 1000)
    with pytest.raises(pyjwt.InvalidAudienceError):
        pyjwt.decode(passport, key, algorithms=["EdDSA"], audience="another", issuer=ISSUER, leeway=2)
    with pytest.raises(pyjwt.InvalidAlgorithmError):
        pyjwt.decode(passport, key, algorithms=["HS256", "none"], audience=AUDIENCE, issuer=ISSUER)


async def test_a_website_asks_for_keys_once_for_any_number_of_requests(worker: Worker) -> None:
    """Also while the edge is away: its copy stays good, and good passports stay good."""
    website = Website(worker)
    jars = [await worker.signed_in(f"visitor{n}") for n in range(5)]
    passports = [await passport_of(worker, jar) for jar in jars]
    await website.reads(passports[0])
    website.edge_is_away = True

    read = [await website.reads(passport) for passport in passports * 100]

    assert all(isinstance(one, Passport) for one in read)
    assert website.fetches == 1


async def test_unknown_keys_make_one_fetch_an_interval(worker: Worker) -> None:
    """A flood of passports that name keys nobody has; each is refused without waiting for another fetch."""
    website = Website(worker)
    good = await passport_of(worker, await worker.signed_in())
    await website.reads(good)
    began = time.monotonic()

    refused = await asyncio.gather(*[website.reads(_of_key(good, f"evil{n}")) for n in range(200)])

    assert {one.reason for one in refused if isinstance(one, PassportRefused)} == {"unknown_key"}
    assert len(refused) == 200
    assert website.fetches == 1
    assert time.monotonic() - began < 60
    assert isinstance(await website.reads(good), Passport)


def _of_key(passport: str, key_id: str) -> str:
    header = {**pyjwt.get_unverified_header(passport), "kid": key_id}
    made = pyjwt.utils.base64url_encode(json.dumps(header).encode()).decode()
    return ".".join([made, *passport.split(".")[1:]])


async def test_a_website_with_an_old_copy_of_the_keys_reads_on_through_a_rotation(worker: Worker) -> None:
    """The new key is published before it signs, the old one as long as it verifies; the copy is renewed once."""
    website = Website(worker, refresh_seconds=0)
    jar, path = await worker.signed_in(), worker.rooms.settings.keys_path
    old = worker.rooms.ring.signing_key()
    before = await passport_of(worker, jar)
    assert isinstance(await website.reads(before), Passport)
    fresh = rotate(path, SystemClock(), ahead_seconds=60)
    await worker.rooms.key_watch.follow()
    published_early = {key["kid"] for key in (await jwks_of(worker))["keys"]}
    still = await passport_of(worker, await worker.signed_in())
    rotate(path, SystemClock(), ahead_seconds=0)

    async def signs_anew() -> bool:
        await worker.rooms.key_watch.follow()
        await worker.rooms.key_watch.agree()
        return worker.rooms.ring.signing_key().id not in (old.id, fresh.id)

    await wait_until_async(signs_anew, "the newest key to sign")
    after = await passport_of(worker, await worker.signed_in())
    read = [await website.reads(passport) for passport in (before, still, after, before)]

    assert published_early == {old.id, fresh.id}
    assert pyjwt.get_unverified_header(still)["kid"] == old.id
    assert pyjwt.get_unverified_header(after)["kid"] == worker.rooms.ring.signing_key().id
    assert all(isinstance(one, Passport) for one in read)
    assert website.fetches == 2


async def test_a_retired_key_leaves_the_published_set(worker: Worker) -> None:
    """And with it, at the website's next refresh, every passport it signed."""
    website = Website(worker)
    path, old = worker.rooms.settings.keys_path, worker.rooms.ring.signing_key()
    passport = await passport_of(worker, await worker.signed_in())
    assert isinstance(await website.reads(passport), Passport)
    rotate(path, SystemClock(), ahead_seconds=0)
    retire(path, old.id, SystemClock())
    await worker.rooms.key_watch.follow()

    await website.verifier.keys.refresh()

    assert old.id not in {key["kid"] for key in (await jwks_of(worker))["keys"]}
    assert await website.reads(passport) == PassportRefused("unknown_key")
