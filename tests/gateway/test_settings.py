"""Settings: every mistake at once, named, with its remedy; and each in the document."""

from pathlib import Path

import pytest

from latchstring_gateway.settings import Settings, SettingsError, read

_DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_defaults_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing needs to be set to begin."""
    monkeypatch.delenv("LATCHSTRING_STORE", raising=False)

    chosen = read()

    assert chosen.store_url.startswith("unix://")
    assert chosen.keys_path == Path("data/keys.json")
    assert chosen.session_policy().lease_seconds == 300
    assert chosen.worker_row(frozenset({"k2", "k1"})).keys == ("k1", "k2")


def test_every_mistake_is_told_at_once_by_name() -> None:
    """One start shows all that is wrong, with what was expected."""
    with pytest.raises(SettingsError) as wrong:
        read(
            listen="nowhere",
            store="mysql://x",
            trusted_proxies="0.0.0.0/0",
            public_origin="www.example.com",
            sign_in_url="//evil.example",
            workers=0,
            outage_rule="hope",
            cors_origins="https://app.example.com, *",
        )

    told = "\n".join(wrong.value.problems)
    assert len(wrong.value.problems) == 8
    for name in (
        "LISTEN",
        "STORE",
        "TRUSTED_PROXIES",
        "PUBLIC_ORIGIN",
        "SIGN_IN_URL",
        "WORKERS",
        "OUTAGE_RULE",
        "CORS_ORIGINS",
    ):
        assert f"LATCHSTRING_{name}: " in told


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"heartbeat_seconds": 0.8}, "LATCHSTRING_HEARTBEAT_SECONDS"),
        ({"grace_seconds": 80_000}, "LATCHSTRING_ROTATE_EVERY_SECONDS"),
        ({"last_known_good_seconds": 600}, "LATCHSTRING_LAST_KNOWN_GOOD_SECONDS"),
        ({"bridge_url": "https://web.internal/who"}, "LATCHSTRING_BRIDGE_COOKIE"),
        ({"bridge_cookie": "sessionid"}, "LATCHSTRING_BRIDGE_URL"),
        ({"snowplow_micro": True}, "LATCHSTRING_WORKERS=1"),
        ({"tv_clients": "tv", "tv_dpop_clients": "tv,console"}, "LATCHSTRING_TV_DPOP_CLIENTS"),
    ],
)
def test_spans_that_break_the_protocol_are_refused(overrides: dict[str, float], named: str) -> None:
    """The figures depend on each other, and the message says which."""
    with pytest.raises(SettingsError, match=named):
        read(**overrides)


def test_all_spans_that_do_not_fit_are_told_together() -> None:
    """Two mistakes between figures are two lines; the second was told only after the first was mended."""
    with pytest.raises(SettingsError) as wrong:
        read(heartbeat_seconds=0.8, grace_seconds=80_000)

    assert len(wrong.value.problems) == 2


@pytest.mark.parametrize(
    "overrides",
    [
        {"public_origin": "https://exa mple"},
        {"public_origin": "https://user@example.com"},
        {"public_origin": "https://example.com/"},
        {"sign_in_url": "/sign-in\r\nset-cookie: a=b"},
        {"sign_in_url": "/sign-in#top"},
        {"sign_in_url": "/\\evil.example"},
        {"session_idle_seconds": float("inf")},
        {"remember_absolute_seconds": float("nan")},
    ],
)
def test_a_value_that_would_break_at_the_first_request_is_refused_at_start(overrides: dict[str, object]) -> None:
    """A header with a line break, an origin no browser sends, a span without an end."""
    with pytest.raises(SettingsError, match=next(iter(overrides)).upper()):
        read(**overrides)


def test_an_origin_is_taken_in_any_case() -> None:
    """Browsers send it in lower case; one with capitals was an error at start without a name."""
    assert read(public_origin="https://WWW.Example.com:8443").public_origin == "https://www.example.com:8443"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """LATCHSTRING_ and the name in capitals."""
    monkeypatch.setenv("LATCHSTRING_WORKERS", "7")
    monkeypatch.setenv("LATCHSTRING_STORE", "redis://store.example:6379/0")

    assert (read().workers, read().store_url) == (7, "redis://store.example:6379/0")


def test_every_setting_is_in_the_document() -> None:
    """Name, default and meaning of each, as the code has them."""
    text = _DOCUMENT.read_text()

    for name, field in Settings.model_fields.items():
        assert f"`LATCHSTRING_{name.upper()}`" in text, name
        assert (field.description or "") in text, name


@pytest.mark.parametrize(
    "url", ["web/who", "ftp://web/who", "http://user:word@web/who", "http://web/#x", "http://web/ x"]
)
@pytest.mark.parametrize("cookie", ["__Host-session", "__Host-device", "a b", "a=b", "\xe9"])
def test_a_bridge_that_leads_nowhere_is_refused(url: str, cookie: str) -> None:
    """No URL of a website, or no cookie of its own; both are told."""
    with pytest.raises(SettingsError) as wrong:
        read(bridge_url=url, bridge_cookie=cookie)

    assert [problem.partition(":")[0] for problem in wrong.value.problems] == [
        "LATCHSTRING_BRIDGE_URL",
        "LATCHSTRING_BRIDGE_COOKIE",
    ]
