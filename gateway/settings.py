"""Settings from the environment (LATCHSTRING_*) -> frozen values for each room; every mistake is reported at once."""

from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field, ValidationError, model_validator

from .device_settings import DeviceSettings
from .page_settings import PageSettings
from .report_settings import ReportSettings
from .revocation.receipt import WorkerRow
from .sessions.policy import SessionPolicy
from .setting_forms import (
    PREFIX,
    Database,
    Domains,
    ForeignCookie,
    FreePaths,
    Listening,
    Origin,
    Origins,
    OwnPath,
    PasswordFile,
    Proxies,
    Seconds,
    StatementKeysFile,
    StoreAddress,
    TrackersCookie,
    TvClients,
    WebsiteUrl,
    listed,
)
from .shipping.consent import Signal
from .snowplow.network_user import NetworkUsers
from .snowplow.refusal import refusal
from .store import address
from .store.client import ALL, Replicas
from .store.embedded import store_url
from .tokens.codec import Codec
from .tokens.keyring import KeyRing


class SettingsError(Exception):
    """The settings cannot be used; `problems` has one line for each mistake, with its remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(DeviceSettings, PageSettings, ReportSettings):
    """Every setting, its unit and its default."""

    listen: Listening = Field("127.0.0.1:8400", description="host:port, or unix:/path, that the proxy talks to")
    workers: int = Field(2, ge=1, le=256, description="HTTP worker processes")
    shippers: int = Field(1, ge=1, le=64, description="processes that take hits from the journal to the warehouse")
    store: StoreAddress = Field(
        "embedded", description="embedded, or the URL of an outside store, of its Sentinels or of a Cluster"
    )
    store_password_file: PasswordFile | None = Field(None, description="the store's password, kept out of the URL")
    store_sentinel_password_file: PasswordFile | None = Field(None, description="the Sentinels' password")
    store_check_replicas: int | None = Field(
        None, ge=0, le=9, description="replicas that confirm what a check rests on; default: 1 if replicated, else 0"
    )
    store_write_replicas: int | None = Field(
        None, ge=0, le=9, description="replicas that confirm a revocation or sign-in; default: all, if replicated"
    )
    store_may_lose_confirmed: bool = Field(
        False, description="start although fewer replicas confirm than there are: a fail-over may lose it"
    )
    keys_file: Path | None = Field(None, description="the key ring; default: keys.json in data_dir")
    key_rotate_days: float = Field(
        0, ge=0, le=3_650, description="age at which a worker replaces the signing key; 0: only by hand"
    )
    key_lead_seconds: float = Field(
        120, ge=0, le=86_400, description="how long every worker has known a key before it signs"
    )
    link_origins: Origins = Field(
        "", description="further origins, by commas, that links of mails and redirects lead to"
    )
    public_origin: Origin = Field("https://localhost:8443", description="scheme and host that browsers see")
    cors_origins: Origins = Field("", description="other origins, by commas, whose scripts may read refusals")
    trusted_proxies: Proxies = Field("127.0.0.1,::1,unix:", description="whose X-Forwarded-* is believed")
    sign_in_url: OwnPath = Field("/sign-in", description="path of the website's sign-in page")
    passport_audience: str = Field("website", description="aud of the passport; empty turns passports off")
    outage_rule: Literal["last-known-good", "closed"] = Field(
        "last-known-good", description="what happens to good leases while the store is away"
    )
    last_known_good_seconds: Seconds = Field(60, description="how long, after the last contact")
    fence_seconds: Seconds = Field(
        1.0, le=60, description="how old a worker's knowledge may be without asking the store"
    )
    heartbeat_seconds: Seconds = Field(0.2, le=5, description="how often that knowledge is confirmed")
    verify_cache_seconds: float = Field(0, ge=0, description="how long the proxy caches verify answers; receipts wait")
    lease_seconds: float = Field(300, ge=2, le=3_600, description="life of a lease, the same on every node")
    session_idle_seconds: Seconds = Field(1_800, description="fresh until this long after the last request")
    session_absolute_seconds: Seconds = Field(43_200, description="fresh until this long after the password")
    remember_idle_seconds: float = Field(30 * 86_400, gt=0, le=400 * 86_400, description="remembered, sliding")
    remember_absolute_seconds: Seconds = Field(365 * 86_400, description="remembered at most")
    rotate_every_seconds: Seconds = Field(86_400, description="how often a credential's counter advances")
    grace_seconds: Seconds = Field(900, description="how late an answer may reach a browser after a rotation")
    second_look: bool = Field(default=True, description="look again at devices, if the extra detector is installed")
    tv_clients: TvClients = Field(
        "", description="ids, by commas, of TV apps that may sign devices in; empty: none may"
    )
    tv_dpop_clients: TvClients = Field(
        "", description="those of them whose tokens are always bound to a key (DPoP); others may bind theirs"
    )
    tv_statement_keys_file: StatementKeysFile | None = Field(
        None, description="public keys by which TV apps sign what they state of their devices; none: none may state"
    )
    tv_codes: Literal["letters", "digits"] = Field("letters", description="what a TV shows: 8 letters or 9 digits")
    tv_code_seconds: int = Field(900, ge=60, le=3_600, description="how long such a code waits for its person")
    tv_days: int = Field(3_650, ge=1, le=36_500, description="how long a TV stays signed in, used or not")
    tv_grace_seconds: Seconds = Field(3_600, description="how late an answer may reach a TV")
    activation_url: WebsiteUrl = Field(
        "", description="short address that TVs show and proxy or website send on to /latch/activate; empty: that one"
    )
    fsync: Literal["interval", "always", "never"] = Field("interval", description="when the journal is synced to disk")
    segment_max_bytes: int = Field(64 * 1024 * 1024, ge=4_096, description="size at which a journal segment is closed")
    segment_max_seconds: Seconds = Field(10, description="age at which a journal segment is closed")
    backlog_max_bytes: int = Field(
        16 * 1024**3, ge=0, description="most that hits not yet shipped may take; above it 503; 0: no limit"
    )
    disk_reserve_bytes: int = Field(
        128 * 1024**2,
        ge=0,
        description="less than this free on the journal's disk: hits get 503, so shipping can go on",
    )
    hits_per_client: float = Field(
        1_000,
        ge=0,
        le=1_000_000,
        description="events a second that a worker takes from a client, above it 429; 0: no limit",
    )
    clickhouse: Database = Field(
        "", description="URL of a ClickHouse database that all events are sent to; empty: none"
    )
    unconsented_visitors: Literal["none", "daily"] = Field(
        "none", description="whether visitors who have said neither yes nor no are told apart: not at all, or for a day"
    )
    refusal_signals: Literal["gpc,dnt", "gpc", "dnt", "none"] = Field(
        "gpc,dnt", description="signals of a browser that refuse analytics, unless its visitor chose otherwise"
    )
    addresses: Literal["network", "none"] = Field(
        "network", description="what is kept of a hit's address: its network (/24, /48), or nothing"
    )
    policy_version: str = Field(
        "1", pattern=r"^[A-Za-z0-9._-]{1,32}$", description="version of the privacy policy that choices are made under"
    )
    keep_days: int = Field(400, ge=0, description="how long events are kept, by day of receipt; 0: for ever")
    bridge_url: WebsiteUrl = Field("", description="where the website says whom its old session cookie stands for")
    bridge_cookie: ForeignCookie = Field("", description="the name of that cookie; both or none (docs/moving-in.md)")
    bridge_timeout_seconds: float = Field(2, gt=0, le=10, description="how long the website may take to say so")
    snowplow_paths: FreePaths = Field(
        "", description="further paths, by commas, at which Snowplow trackers post or get"
    )
    snowplow_cookie: TrackersCookie = Field(
        "sp", description="the name of the network user id's cookie; empty: none is set"
    )
    snowplow_cookie_domains: Domains = Field("", description="domains, by commas, whose subdomains share that cookie")
    snowplow_adopt_cookies: bool = Field(
        default=False, description="take over ids that an earlier collector has set, without a seal"
    )
    snowplow_micro: bool = Field(
        default=False, description="for development: /micro shows what Snowplow trackers sent; needs WORKERS=1"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe line that is logged"
    )

    @model_validator(mode="after")
    def _spans_fit(self) -> "Settings":
        wrong = []
        if self.heartbeat_seconds * 2 > self.fence_seconds:
            wrong.append("LATCHSTRING_HEARTBEAT_SECONDS must be at most half of LATCHSTRING_FENCE_SECONDS")
        if self.grace_seconds * 4 > self.rotate_every_seconds:
            wrong.append("LATCHSTRING_ROTATE_EVERY_SECONDS must be at least 4 times LATCHSTRING_GRACE_SECONDS")
        if self.last_known_good_seconds > self.lease_seconds:
            wrong.append("LATCHSTRING_LAST_KNOWN_GOOD_SECONDS must be at most LATCHSTRING_LEASE_SECONDS")
        if bool(self.bridge_url) != bool(self.bridge_cookie):
            wrong.append("LATCHSTRING_BRIDGE_URL and LATCHSTRING_BRIDGE_COOKIE belong together: set both or none")
        if self.snowplow_micro and self.workers != 1:
            wrong.append(
                "LATCHSTRING_SNOWPLOW_MICRO needs LATCHSTRING_WORKERS=1: what /micro shows lives in one process"
            )
        if not set(listed(self.tv_dpop_clients)) <= set(listed(self.tv_clients)):
            wrong.append("LATCHSTRING_TV_DPOP_CLIENTS must name clients that LATCHSTRING_TV_CLIENTS names too")
        if wrong:
            raise ValueError("\n".join(wrong))
        return self

    @property
    def store_url(self) -> str:
        """Where the store listens; not for logs, since the URL itself may have a password."""
        if self.store == "embedded":
            return store_url(self.data_dir)
        return address.with_password_files(
            self.store, password_file=self.store_password_file, sentinel_password_file=self.store_sentinel_password_file
        )

    @property
    def replicas(self) -> Replicas:
        """How many replicas confirm what is read and written."""
        is_replicated = self.store != "embedded" and address.parse(self.store).kind != "one"
        checks, writes = self.store_check_replicas, self.store_write_replicas
        return Replicas(
            int(is_replicated) if checks is None else checks,
            (ALL if is_replicated else 0) if writes is None else writes,
            may_lose=self.store_may_lose_confirmed,
        )

    @property
    def keys_path(self) -> Path:
        """The key ring's file."""
        return self.keys_file or self.data_dir / "keys.json"

    def allowed_origins(self) -> frozenset[bytes]:
        """The origins in `cors_origins`, as browsers send them."""
        return frozenset(one.encode() for one in listed(self.cors_origins))

    def link_targets(self) -> frozenset[str]:
        """The origins that links of mails may lead to: the website's own, and those in `link_origins`."""
        return frozenset({self.public_origin, *listed(self.link_origins)})

    def session_policy(self) -> SessionPolicy:
        """What sessions need to know."""
        return SessionPolicy(
            lease_seconds=self.lease_seconds,
            session_idle_seconds=self.session_idle_seconds,
            session_absolute_seconds=self.session_absolute_seconds,
            remember_idle_seconds=self.remember_idle_seconds,
            remember_absolute_seconds=self.remember_absolute_seconds,
            rotate_every_seconds=self.rotate_every_seconds,
            grace_seconds=self.grace_seconds,
            outage_rule=self.outage_rule,
            last_known_good_seconds=self.last_known_good_seconds,
            most_sessions=self.sessions_per_account,
            when_full=self.sessions_when_full,
            most_devices=self.devices_per_account,
        )

    def trackers_paths(self) -> list[str]:
        """The paths of one's own at which Snowplow's trackers may call."""
        return listed(self.snowplow_paths)

    def refusing_signals(self) -> frozenset[Signal]:
        """The signals of a browser that count as a refusal."""
        return frozenset(cast(Signal, name) for name in self.refusal_signals.split(",") if name != "none")

    def network_users(self, ring: KeyRing, codec: Codec) -> NetworkUsers:
        """Who reads and sets the cookie of Snowplow's trackers."""
        return NetworkUsers(
            ring,
            name=self.snowplow_cookie,
            domains=listed(self.snowplow_cookie_domains),
            adopts=self.snowplow_adopt_cookies,
            refuses=refusal(codec, self.refusing_signals()),
        )

    def worker_row(self, key_ids: frozenset[str]) -> WorkerRow:
        """What a worker of these settings writes into the registry."""
        return WorkerRow(
            fence_ms=round(self.fence_seconds * 1000),
            rule=self.outage_rule,
            last_known_good_ms=round(self.last_known_good_seconds * 1000),
            verify_cache_ms=round(self.verify_cache_seconds * 1000),
            keys=tuple(sorted(key_ids)),
        )


def read(**overrides: Any) -> Settings:
    """The settings of this process; `overrides` win over the environment. Raises SettingsError with every mistake."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError([line for mistake in error.errors() for line in _told(mistake).splitlines()]) from None


def _told(mistake: Any) -> str:
    message = str(mistake["msg"]).removeprefix("Value error, ")
    if not mistake["loc"]:
        return message
    name = str(mistake["loc"][0])
    field = Settings.model_fields.get(name)
    meaning = f" ({field.description})" if field is not None and field.description else ""
    return f"{PREFIX}{name.upper()}: {message}{meaning}"
