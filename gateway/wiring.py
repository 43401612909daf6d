"""The composition root: makes every object of a worker once and hands it down."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp

from latchstring_middleware.forwarded import TrustedProxies

from .background import Background, Work
from .beacons.floods import Floods
from .clock import Clock, SystemClock
from .devices.endpoints import AccountDevices
from .devices.limit import DeviceLimit
from .devices.place import Places
from .devices.refine import Refiner
from .devices.registry import Devices
from .fingerprint.keep import Fingerprints
from .ids import new_id
from .key_watch import KeyWatch
from .moving.bridge import Bridge
from .moving.vouching import Vouching
from .node_health import NAME_VARIABLE, health_directory
from .node_watch import NodeWatch
from .pages.render import Pages
from .place_watch import PlaceWatch
from .privacy.choices import ChoiceCookies
from .recognition.second_look import SecondLook, is_installed
from .reports.asking import Reports
from .revocation import registry
from .revocation.barrier import Barrier
from .revocation.certify import Certifier
from .revocation.everybody import EverybodyRevoker
from .revocation.feed import Feed
from .revocation.listeners import Listeners
from .revocation.restored import Memory
from .revocation.revoke import Revoker
from .service_keys import ServiceKeys
from .sessions.check import Checker
from .sessions.country import ClientCountry
from .sessions.gate import Gate
from .sessions.judge import Judge
from .sessions.leases import Leases, Passports
from .sessions.old_cookie import OldCookie
from .sessions.refusal_pages import RefusalPages
from .sessions.renew import Renewals
from .sessions.requirement import Requirement
from .sessions.start import Starter
from .sessions.story import Story
from .settings import Settings
from .snowplow.collector import Collector
from .store.client import Store
from .store.format_check import FormatWatch
from .tokens.codec import Codec
from .tokens.dpop import Proofs
from .tokens.keyring import KeyRing
from .tokens.log_names import LogNames
from .trials.claims import Trials


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything a worker is made of."""

    settings: Settings
    clock: Clock
    #: All background tasks of this process, and those that its rooms begin.
    work: Work
    background: Background
    node_watch: NodeWatch
    store: Store
    ring: KeyRing
    codec: Codec
    leases: Leases
    feed: Feed
    key_watch: KeyWatch
    listeners: Listeners
    memory: Memory
    revoker: Revoker
    everybody: EverybodyRevoker
    checker: Checker
    judge: Judge
    proofs: Proofs
    starter: Starter
    fingerprints: Fingerprints
    devices: AccountDevices
    trials: Trials
    refiner: Refiner
    limit: DeviceLimit
    service_keys: ServiceKeys
    choices: ChoiceCookies
    trusted: TrustedProxies
    places: Places
    place_watch: PlaceWatch
    #: Tells the website the country of a request's client, where the operator wants it.
    country: ClientCountry
    collector: Collector
    reports: Reports
    floods: Floods
    pages: Pages
    #: Both are there while visitors move in from the website's own sessions.
    bridge: Bridge | None


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    make_store: Callable[..., Store] = Store,
    work: Work | None = None,
) -> Rooms:
    """Make the rooms of one worker; starts nothing. Raises KeyFileError, PlaceFileError."""
    clock = clock or SystemClock()
    work = work or Work(clock)
    store = make_store(settings.store_url, replicas=settings.replicas)
    ring = KeyRing.load(settings.keys_path, clock)
    codec = Codec(ring)
    policy = settings.session_policy()
    proofs = Proofs(codec, clock, site=settings.public_origin)
    passports = Passports(ring, issuer=settings.public_origin, audience=settings.passport_audience)
    leases = Leases(codec, ring, passports, lease_seconds=settings.lease_seconds)
    barrier = Barrier()
    format_watch = FormatWatch(store)

    async def vouch(epoch: int) -> None:
        await format_watch.vouch(epoch)
        await memory.vouch(epoch)

    memory = Memory(store, settings.data_dir / "store-seen", owns_store=settings.store == "embedded")
    feed = Feed(
        # Connections of its own: in one pool, a crowd of renewals kept the heartbeat waiting until the store, which was
        # merely slow, counted as away.
        make_store(settings.store_url, replicas=settings.replicas),
        clock,
        worker=registry.worker_id(registry.this_host(), os.getpid(), new_id()),
        row=lambda: settings.worker_row(ring.known_ids()),
        lease_seconds=settings.lease_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        heard=barrier.heard,
        vouch=vouch,
        work=work,
    )
    listeners = Listeners(lambda: feed.contact_store_ms)
    feed.replica.tell = listeners.tell
    names = LogNames(ring)
    story = Story(names, leases)
    certifier = Certifier(store, clock, feed, barrier)
    revoker = Revoker(store, clock, certifier, barrier, names, reply_to=feed.worker)
    refiner = Refiner(store, SecondLook() if settings.second_look and is_installed() else None)
    fingerprints = Fingerprints(store, ring)
    trusted = TrustedProxies.parse(settings.trusted_proxies)
    places = settings.open_places()
    starter = Starter(store, codec, leases, policy, story, places, fingerprints, revoker, seen=refiner.seen)
    devices = AccountDevices(Devices(store), revoker)
    country = ClientCountry(trusted, places)
    old_cookie = OldCookie(settings.bridge_cookie.encode()) if settings.bridge_cookie else None
    checker = Checker(
        leases=leases,
        ring=ring,
        feed=feed,
        memory=memory,
        renewals=Renewals(store, leases, feed, policy),
        clock=clock,
        policy=policy,
        story=story,
        proofs=proofs,
    )
    floods = Floods(trusted, clock, per_second=settings.hits_per_client)
    pages = settings.pages()
    return Rooms(
        settings=settings,
        clock=clock,
        work=work,
        background=Background(clock, work),
        node_watch=NodeWatch(
            health_directory(settings.data_dir), work, clock, process=os.environ.get(NAME_VARIABLE, "")
        ),
        store=store,
        ring=ring,
        codec=codec,
        leases=leases,
        feed=feed,
        key_watch=KeyWatch(
            ring,
            leases,
            feed,
            store,
            clock,
            lead_seconds=settings.key_lead_seconds,
            rotate_seconds=settings.key_rotate_days * 86_400,
        ),
        listeners=listeners,
        memory=memory,
        revoker=revoker,
        everybody=EverybodyRevoker(store, clock, certifier, barrier, reply_to=feed.worker),
        checker=checker,
        judge=Judge(
            checker=checker,
            codec=codec,
            clock=clock,
            proofs=proofs,
            sign_in_url=settings.sign_in_url,
            cors_origins=settings.allowed_origins(),
            old_cookie=old_cookie,
            pages=RefusalPages(pages),
        ),
        proofs=proofs,
        starter=starter,
        fingerprints=fingerprints,
        devices=devices,
        limit=DeviceLimit(devices, settings.devices_per_account, clock),
        trials=Trials(store, ring, names, days=settings.trial_days, shared_after=settings.trial_shared_after),
        refiner=refiner,
        service_keys=ServiceKeys(store, clock),
        choices=ChoiceCookies(codec, clock, settings.policy_version),
        trusted=trusted,
        places=places,
        place_watch=PlaceWatch(places, country, clock, old_days=settings.place_data_days),
        country=country,
        collector=Collector(settings.network_users(ring, codec), trusted, clock, floods),
        floods=floods,
        pages=pages,
        reports=Reports(settings.data_dir, memory_mb=settings.report_memory_mb, seconds=settings.report_seconds),
        bridge=None
        if old_cookie is None
        else Bridge(
            old_cookie=old_cookie,
            vouching=Vouching(
                url=settings.bridge_url,
                cookie_name=settings.bridge_cookie,
                timeout_seconds=settings.bridge_timeout_seconds,
                clock=clock,
            ),
            starter=starter,
            store=store,
            codec=codec,
            clock=clock,
            pages=pages,
            address_of=lambda head: trusted.client_address(head.peer, head.headers),
        ),
    )


def gate(
    rooms: Rooms,
    app: ASGIApp,
    *,
    is_public: Callable[[str], bool] | None = None,
    requires: Callable[[str], Requirement] | None = None,
    of_pages: bool = False,
) -> Gate:
    """The gate before an app, on the rooms of this process; `of_pages` before our own, which are for browsers alone."""
    return Gate(
        app,
        judge=rooms.judge,
        clock=rooms.clock,
        is_public=is_public,
        requires=requires,
        has_bridge=of_pages,
        takes_bearer=not of_pages,
        address_of=lambda head: rooms.trusted.client_address(head.peer, head.headers),
    )


def fresh_gate(rooms: Rooms) -> Callable[[ASGIApp], Gate] | None:
    """The gate before what removes devices, where the operator wants the password for that; else None."""
    if not rooms.settings.remove_wants_password:
        return None
    return lambda app: gate(rooms, app, requires=lambda _path: Requirement(fresh=True), of_pages=True)
