"""The activation page: it shows what asks, always asks back, and lets nobody guess."""

import asyncio
from pathlib import Path

import httpx
import pytest

from harness.people import place_file
from harness.tv import CLIENT, SETTINGS, Tv, approve, decide
from harness.worker_app import NAVIGATION, Jar, Worker, running_worker, settings_for
from latchstring_gateway.activation.budget import OF_ACCOUNT, OF_ALL, OF_NETWORK
from latchstring_gateway.activation.codes import FORMS
from latchstring_gateway.recognition.hints import ACCEPT_CH

URL = "/latch/activate"
_MULTIPART = "multipart/form-data; boundary=b"


async def _enter(worker: Worker, jar: Jar | None, typed: str, **headers: str) -> httpx.Response:
    sent = {**NAVIGATION, "sec-fetch-site": "same-origin", **headers}
    if jar is not None:
        sent["cookie"] = jar.header()
    return await worker.client.post(URL, data={"user_code": typed}, headers=sent)


async def _scan(worker: Worker, jar: Jar | None, code: str, **headers: str) -> httpx.Response:
    sent = {**NAVIGATION, **headers} | ({} if jar is None else {"cookie": jar.header()})
    return await worker.client.get(f"{URL}?user_code={code}", headers=sent)


async def test_who_is_not_signed_in_is_sent_to_sign_in_and_comes_back_with_the_code(worker: Worker, tv: Tv) -> None:
    """A scanned code survives the way over the sign-in page."""
    codes = await tv.ask()
    answer = await _scan(worker, None, codes["user_code"])

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?return=v1.")


async def test_a_code_that_was_typed_or_scanned_is_shown_again_and_connects_nothing_yet(
    worker: Worker, tv: Tv, owner: Jar
) -> None:
    """The question names code, kind and model; only the answer to it connects."""
    codes = await tv.ask()
    scanned = await _scan(worker, owner, codes["user_code"])
    typed = await _enter(worker, owner, codes["user_code"].lower().replace("-", " "))
    polled = await tv.poll()

    for answer in (scanned, typed):
        assert answer.status_code == 200
        assert "Connect this TV?" in answer.text
        assert codes["user_code"] in answer.text
        assert "This wasn\N{RIGHT SINGLE QUOTATION MARK}t me" in answer.text
        assert "198.51.100.0/24" in answer.text
        assert codes["device_code"] not in answer.text
    assert polled.json()["error"] == "authorization_pending"


async def test_client_hints_tell_the_model_and_the_page_asks_for_them(worker: Worker, tv: Tv, owner: Jar) -> None:
    """The agent of a browser on a TV may say as little as that of a phone."""
    reduced = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36"
    tv.headers |= {"user-agent": reduced, "sec-ch-ua-model": '"BRAVIA 4K VH2"'}
    codes = await tv.ask()
    shown = await _scan(worker, owner, codes["user_code"])

    assert "Sony BRAVIA 4K VH2" in shown.text
    assert shown.headers["accept-ch"] == ACCEPT_CH


async def test_the_outcome_is_told(worker: Worker, tv: Tv, owner: Jar) -> None:
    """After a yes and after a no, with what is certain."""
    first, second = await tv.ask(), await tv.ask()
    yes = await approve(worker, owner, first)
    no = await decide(worker, owner, second["user_code"], "refuse")

    assert (yes.status_code, no.status_code) == (200, 200)
    assert "This TV connects now" in yes.text
    assert "Nothing was connected" in no.text


async def test_an_impatient_finger_connects_once(worker: Worker, tv: Tv, owner: Jar) -> None:
    """The same answer twice is the same as once; another account's is too late."""
    codes = await tv.ask()
    answers = [await approve(worker, owner, codes) for _ in range(2)]
    stranger = await approve(worker, await worker.signed_in("eve"), codes)
    contrary = await decide(worker, owner, codes["user_code"], "refuse")

    assert [answer.status_code for answer in answers] == [200, 200]
    assert (stranger.status_code, contrary.status_code) == (400, 400)
    assert (await tv.poll()).status_code == 200
    assert (await tv.verify()).headers["x-latch-account"] == "ada"


async def test_no_other_site_decides(worker: Worker, tv: Tv, owner: Jar) -> None:
    """A form of a foreign page gets 403, whatever cookies come with it."""
    codes = await tv.ask()
    headers = {"cookie": owner.header(), "sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    for path in (URL, f"{URL}/connect", f"{URL}/refuse"):
        answer = await worker.client.post(path, data={"user_code": codes["user_code"]}, headers=headers)

        assert answer.status_code == 403, path
    assert (await tv.poll()).json()["error"] == "authorization_pending"


async def test_a_wrong_code_is_told_at_its_field(worker: Worker, owner: Jar) -> None:
    """400, announced, with what to do; what was typed stays in the field, harmless."""
    for typed, told in (
        ("", "A code has 8 letters"),
        ("WDJB", "A code has 8 letters"),
        ("BBBB-BBBB", "No device is waiting"),
        ("<script>alert(1)</script>", "A code has 8 letters"),
        ("W" * 10_000, "A code has 8 letters"),
    ):
        answer = await _enter(worker, owner, typed)

        assert answer.status_code == 400, typed
        assert told in answer.text, typed
        assert 'role="alert"' in answer.text, typed
        assert 'aria-invalid="true"' in answer.text, typed
        assert "<script" not in answer.text


@pytest.mark.parametrize(
    ("latin", "alike"),
    [
        ("BCHJKMPSTX", "\u0412\u0421\u041d\u0408\u041a\u041c\u0420\u0405\u0422\u0425"),
        ("BHKMNPTXZ", "\u0392\u0397\u039a\u039c\u039d\u03a1\u03a4\u03a7\u0396"),
    ],
    ids=["Cyrillic", "Greek"],
)
async def test_a_code_in_letters_that_look_like_ours_connects(
    worker: Worker, tv: Tv, owner: Jar, latin: str, alike: str
) -> None:
    """Whose keyboard is of another script types what he sees, in small letters too, with anything between."""
    codes = await tv.ask()
    typed = codes["user_code"].translate(str.maketrans(latin, alike)).lower().replace("-", " \u2013 ")
    answer = await decide(worker, owner, typed, "connect")

    assert answer.status_code == 200
    assert (await tv.poll()).status_code == 200


async def test_a_form_that_cannot_be_read_connects_nothing(worker: Worker, tv: Tv, owner: Jar) -> None:
    """JSON, XML, multipart, a code twice, and more than a form holds."""
    codes = await tv.ask()
    form = "application/x-www-form-urlencoded"
    code = codes["user_code"]
    for body, media_type, status in (
        (f'{{"user_code": "{code}"}}', "application/json", 415),
        (f"<user_code>{code}</user_code>", "application/xml", 415),
        (f'--b\r\ncontent-disposition: form-data; name="user_code"\r\n\r\n{code}\r\n--b--\r\n', _MULTIPART, 415),
        (f"user_code={code}&user_code={code}", form, 400),
        (f"user_code={code}&x={'x' * 1_000_000}", form, 413),
        (f"user_code={code}&x={'x' * 20_000}", form, 413),
    ):
        headers = {**NAVIGATION, "sec-fetch-site": "same-origin", "cookie": owner.header(), "content-type": media_type}
        answer = await worker.client.post(f"{URL}/connect", content=body, headers=headers)

        assert answer.status_code == status
    assert (await tv.poll()).json()["error"] == "authorization_pending"


async def test_an_account_has_ten_wrong_guesses_and_then_waits(worker: Worker, tv: Tv, owner: Jar) -> None:
    """Also for the right code, on whichever of the three ways it comes; others are not held up."""
    codes = await tv.ask()
    wrong = [await _enter(worker, owner, "BBBB-BBBB") for _ in range(10)]
    spent = [
        await _enter(worker, owner, codes["user_code"]),
        await _scan(worker, owner, codes["user_code"]),
        await approve(worker, owner, codes),
    ]
    neighbour = await _enter(worker, await worker.signed_in("eve"), codes["user_code"])

    assert {answer.status_code for answer in wrong} == {400}
    assert [answer.status_code for answer in spent] == [429] * 3
    assert all(0 < int(answer.headers["retry-after"]) <= 600 for answer in spent)
    assert "Too many wrong codes. Please wait 10 minutes" in spent[0].text
    assert neighbour.status_code == 200


async def test_right_codes_and_typing_errors_that_cannot_be_codes_cost_nothing(
    worker: Worker, tv: Tv, owner: Jar
) -> None:
    """Somebody who sets up a hotel is not locked out."""
    for _ in range(15):
        codes = await tv.ask()
        assert (await _enter(worker, owner, "WDJB")).status_code == 400
        assert (await approve(worker, owner, codes)).status_code == 200


async def test_a_burst_of_guesses_gets_no_further_than_one_after_another(worker: Worker, owner: Jar) -> None:
    """Fifty at once: ten are looked up."""
    answers = await asyncio.gather(*(_enter(worker, owner, "BBBB-BBBB") for _ in range(50)))

    assert sorted(answer.status_code for answer in answers) == [400] * 10 + [429] * 40


async def test_a_network_has_a_budget_over_all_accounts(worker: Worker, tv: Tv) -> None:
    """Forty wrong guesses from one network, however many accounts make them; elsewhere it goes on."""
    here = {"x-forwarded-for": "203.0.113.9"}
    for number in range(4):
        jar = await worker.signed_in(f"thief-{number}")
        for _ in range(10):
            assert (await _enter(worker, jar, "BBBB-BBBB", **here)).status_code == 400
    jar = await worker.signed_in("thief-4")

    assert (await _enter(worker, jar, "BBBB-BBBB", **here)).status_code == 429
    # What the network refused was not taken from the account.
    assert (await _enter(worker, jar, "BBBB-BBBB")).status_code == 400


def test_budgets_shrink_with_the_codes_that_wait() -> None:
    """Whatever waits, all guesses of a window together hit anything with a chance of 1 in 1000 or the floor's."""
    for one in FORMS.values():
        before = dict.fromkeys((OF_ACCOUNT, OF_NETWORK, OF_ALL), 10**9)
        for waiting in (0, 1, 10, 1_000, 100_000):
            for budget in before:
                allowed = budget.allowed(waiting=waiting, space=one.space)

                assert budget.least <= allowed <= min(budget.most, before[budget])
                if allowed > budget.least:
                    assert allowed * waiting / one.space <= budget.chance
                before[budget] = allowed


async def test_digits_where_the_operator_chose_them(store_url: str, tmp_path: Path) -> None:
    """Nine digits in groups of three, typed with whatever stands between."""
    async with running_worker(settings_for(store_url, tmp_path, **SETTINGS, tv_codes="digits")) as worker:
        tv, owner = Tv(worker), await worker.signed_in()
        codes = await tv.ask()
        answer = await _enter(worker, owner, codes["user_code"].replace("-", "."))
        field = await worker.client.get(URL, headers={**NAVIGATION, "cookie": owner.header()})

        assert len(codes["user_code"]) == 11
        assert (answer.status_code, codes["user_code"] in answer.text) == (200, True)
        assert 'inputmode="numeric"' in field.text


async def test_the_short_address_that_the_operator_gave_is_shown(store_url: str, tmp_path: Path) -> None:
    """The picture code still leads straight to the page."""
    settings = settings_for(store_url, tmp_path, **SETTINGS, activation_url="https://example.com/tv")
    async with running_worker(settings) as worker:
        codes = await Tv(worker).ask()

        assert codes["verification_uri"] == "https://example.com/tv"
        assert codes["verification_uri_complete"].startswith("https://www.example.com/latch/activate?user_code=")


@pytest.mark.parametrize(
    ("tvs_address", "told", "not_told"),
    [
        ("192.0.2.66", "It is on the same network as you.", "Look twice."),
        (
            "198.51.100.7",
            "another country (<bdi>Brazil</bdi>) than you (<bdi>Netherlands</bdi>)",
            "on the same network",
        ),
        ("203.0.113.7", "another Internet provider than you", "another country"),
    ],
)
async def test_a_device_elsewhere_is_warned_of(
    store_url: str, tmp_path: Path, tvs_address: str, told: str, not_told: str
) -> None:
    """Country and provider of both stand side by side, and a difference is said in words."""
    settings = settings_for(store_url, tmp_path, **SETTINGS, **_place_files(tmp_path))
    async with running_worker(settings) as worker:
        tv, owner = Tv(worker, address=tvs_address), await worker.signed_in()
        codes = await tv.ask()
        answer = await _scan(worker, owner, codes["user_code"], **{"x-forwarded-for": "192.0.2.10"})

        assert told in answer.text
        assert not_told not in answer.text
        assert "Example Cable" in answer.text


async def test_a_device_in_another_country_is_warned_of_without_any_file(store_url: str, tmp_path: Path) -> None:
    """By what is built in; of providers nothing is known then, and nothing is said."""
    async with running_worker(settings_for(store_url, tmp_path, **SETTINGS)) as worker:
        tv, owner = Tv(worker, address="200.3.14.10"), await worker.signed_in()
        codes = await tv.ask()
        answer = await _scan(worker, owner, codes["user_code"], **{"x-forwarded-for": "193.0.6.139"})

        assert "another country (<bdi>Uruguay</bdi>) than you (<bdi>Netherlands</bdi>)" in answer.text
        assert "provider" not in answer.text


def _place_files(folder: Path) -> dict[str, Path]:
    where = {
        "192.0.2.0/24": ("NL", "Example Cable"),
        "203.0.113.0/24": ("NL", "Example Mobile"),
        "198.51.100.0/24": ("BR", "Example Cable"),
    }
    countries = {network: {"country": {"iso_code": country}} for network, (country, _) in where.items()}
    providers = {network: {"autonomous_system_organization": provider} for network, (_, provider) in where.items()}
    return {
        "country_file": place_file(folder / "countries.mmdb", countries),
        "provider_file": place_file(folder / "providers.mmdb", providers),
    }


async def test_without_a_registered_client_nothing_is_let_in(store_url: str, tmp_path: Path) -> None:
    """The feature is off until the operator names an app."""
    async with running_worker(settings_for(store_url, tmp_path)) as worker:
        answer = await worker.client.post("/latch/oauth/device_authorization", data={"client_id": CLIENT})

        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
