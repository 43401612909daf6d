"""The manage-devices page over HTTP, on a registry in memory."""

import re
from dataclasses import replace

import httpx
import pytest

from harness.devices_stand import FAMILY, MANY, PARTIAL, STRANGE, THIS, MemoryDevices, application
from latchstring_gateway.errors import StoreAway
from latchstring_gateway.fingerprint.likeness import Likeness


@pytest.fixture
def devices() -> MemoryDevices:
    """A family's devices."""
    return MemoryDevices()


@pytest.fixture
def client(devices: MemoryDevices) -> httpx.AsyncClient:
    """A browser that is signed in and follows no redirect by itself."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(application(devices)), base_url="http://edge")


async def test_the_device_in_use_stands_first_and_is_marked(client: httpx.AsyncClient) -> None:
    """The device in use, then the others by last use."""
    html = (await client.get("/latch/devices")).text

    order = re.findall(r'<li class="card[^"]*" id="d-([^"]+)"', html)
    assert order[:3] == ["this", "phone", "tv"]
    assert len(order) == len(FAMILY)
    assert html.count("You are using it now") == 1
    assert html.index("You are using it now") < html.index('id="d-phone"')


async def test_each_action_says_what_it_signs_out(client: httpx.AsyncClient) -> None:
    """The button names the kind of device, and for screen readers its name too."""
    html = (await client.get("/latch/devices")).text

    assert 'Sign out this TV<span class="unseen"> (<bdi>Living-room TV</bdi>)' in html
    assert "Sign out this console" in html
    assert "Sign out all other devices" in html


async def test_a_list_with_nothing_else_says_so(client: httpx.AsyncClient, devices: MemoryDevices) -> None:
    """One device: an explanation instead of an empty list, and nothing to sign out in bulk."""
    devices.rows = [THIS]

    html = (await client.get("/latch/devices")).text

    assert "Nothing else is signed in." in html
    assert "Sign out all other devices" not in html


async def test_a_list_without_any_row_still_is_a_page(client: httpx.AsyncClient, devices: MemoryDevices) -> None:
    """The registry may lag behind the session: no row at all is shown as nothing else."""
    devices.rows = []

    assert (await client.get("/latch/devices")).status_code == 200


async def test_many_devices_are_all_there(client: httpx.AsyncClient, devices: MemoryDevices) -> None:
    """Thirty devices: thirty cards with distinct ids."""
    devices.rows = MANY

    html = (await client.get("/latch/devices")).text

    assert len(set(re.findall(r' id="(d-[^"]+)"', html))) == 30


async def test_names_are_isolated_and_escaped(client: httpx.AsyncClient, devices: MemoryDevices) -> None:
    """A right-to-left name turns nothing around it, markup in a name stays text."""
    devices.rows = STRANGE

    html = (await client.get("/latch/devices")).text

    assert "<bdi>תלוויזיה בסלון</bdi>" in html
    assert "<script" not in html


async def test_a_refused_copy_of_a_sign_in_is_told(client: httpx.AsyncClient, devices: MemoryDevices) -> None:
    """The owner reads that a copied credential was used, and what to do."""
    devices.rows = STRANGE

    html = (await client.get("/latch/devices")).text

    assert "Somebody used a copy of its sign-in" in html
    assert '<a href="#d-reused"><bdi>Study computer</bdi></a>' in html
    assert "We show this for 30 days, or until you sign it out below." in html


async def test_a_device_that_looks_like_a_former_one_says_so(client: httpx.AsyncClient, devices: MemoryDevices) -> None:
    """With a way to the former, which is there to be signed out; none where it is gone."""
    likeness = Likeness("stick", "same", ("hardware", "model"), 3)
    devices.rows = [replace(one, looks_like=likeness) if one.id == "tv" else one for one in FAMILY]

    html = (await client.get("/latch/devices")).text
    devices.rows = [one for one in devices.rows if one.id != "stick"]
    without = (await client.get("/latch/devices")).text

    assert 'It looks like your <a href="#d-stick"><bdi>Holiday-house stick</bdi></a>, last used' in html
    assert "If the two are one device, sign the former out." in html
    assert html.count("It looks like") == 1
    assert "It looks like" not in without


async def test_nothing_is_told_where_nothing_was_copied(client: httpx.AsyncClient) -> None:
    """A quiet list stays quiet."""
    assert "copied sign-in" not in (await client.get("/latch/devices")).text


async def test_renaming_goes_back_to_the_list_and_says_so(client: httpx.AsyncClient, devices: MemoryDevices) -> None:
    """303 to the list, which names the new name; a reload posts nothing."""
    answer = await client.post("/latch/devices/tv/rename", data={"name": "  Upstairs TV "})
    html = (await client.get(answer.headers["location"])).text

    assert answer.status_code == 303
    assert "It is now called “<bdi>Upstairs TV</bdi>”" in html
    assert [one.name for one in devices.rows if one.id == "tv"] == ["Upstairs TV"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Please give it a name."),
        ("   ", "Please give it a name."),
        ("x" * 61, "Please use at most 60 characters; that was 61."),
        ("a\x00b", "Please leave out line breaks and invisible control characters."),
        ("a\u202eb", "Please leave out line breaks and invisible control characters."),
    ],
)
async def test_a_bad_name_is_explained_at_its_field(client: httpx.AsyncClient, name: str, message: str) -> None:
    """400, the typed value kept, the message tied to the field and announced."""
    answer = await client.post("/latch/devices/tv/rename", data={"name": name})

    assert answer.status_code == 400
    assert 'aria-invalid="true" aria-describedby="error-tv"' in answer.text
    assert f'id="error-tv">{message}' in answer.text
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize("path", ["/latch/devices/gone/remove", "/latch/devices/gone/rename"])
async def test_a_device_that_is_not_listed_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    """Somebody else's device, or one removed a moment ago: 404 and the way back, whatever the name."""
    good = await client.post(path, data={"name": "x"})
    bad = await client.post(path, data={"name": ""})

    assert [good.status_code, bad.status_code] == [404, 404]
    assert "not on your list any more" in good.text


async def test_removing_asks_first_and_changes_nothing_by_asking(
    client: httpx.AsyncClient, devices: MemoryDevices
) -> None:
    """The link on the list leads to a question whose only form does it."""
    html = (await client.get("/latch/devices/tv/remove")).text

    assert "Sign out this TV?" in html
    assert html.count("<form") == 1
    assert len(devices.rows) == len(FAMILY)


async def test_removing_answers_with_the_receipt_in_words(client: httpx.AsyncClient, devices: MemoryDevices) -> None:
    """The device is gone from the registry and the page says what is certain."""
    answer = await client.post("/latch/devices/tv/remove")

    assert answer.status_code == 200
    assert (
        "<bdi>Living-room TV</bdi> is signed out everywhere (12 of 12 servers confirmed, 4\N{NO-BREAK SPACE}ms)."
        in answer.text
    )
    assert "tv" not in [one.id for one in devices.rows]


async def test_a_partial_removal_is_202_and_says_until_when(client: httpx.AsyncClient, devices: MemoryDevices) -> None:
    """Nobody reads "everywhere" while a server is missing."""
    devices.receipt = PARTIAL

    answer = await client.post("/latch/devices/tv/remove")

    assert answer.status_code == 202
    assert "signed out on 11 of 12 servers so far" in answer.text
    assert "certain everywhere by 23:01:06 UTC" in answer.text
    assert "everywhere (" not in answer.text


async def test_removing_the_device_in_use_says_so_before_and_leads_home_after(client: httpx.AsyncClient) -> None:
    """The question warns; the receipt does not offer a page that needs a session."""
    asked = (await client.get("/latch/devices/this/remove")).text
    done = (await client.post("/latch/devices/this/remove")).text

    assert "You are using it right now" in asked
    assert "Go to <bdi>Lantern</bdi>" in done
    assert "Back to your devices" not in done


async def test_removing_all_others_keeps_this_one(client: httpx.AsyncClient, devices: MemoryDevices) -> None:
    """The question lists them; afterwards only the device in use is left."""
    asked = (await client.get("/latch/devices/remove-others")).text
    done = (await client.post("/latch/devices/remove-others")).text

    assert "Sign out 6 other devices?" in asked
    assert "6 devices are signed out everywhere" in done
    assert [one.id for one in devices.rows] == ["this"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_removing_others_when_there_are_none_goes_back(
    client: httpx.AsyncClient, devices: MemoryDevices, method: str
) -> None:
    """Nothing to ask, nothing to do: back to the list."""
    devices.rows = [THIS]

    answer = await client.request(method, "/latch/devices/remove-others")

    assert (answer.status_code, answer.headers["location"]) == (303, "/latch/devices")


async def test_a_store_that_is_away_signs_nobody_out(client: httpx.AsyncClient, devices: MemoryDevices) -> None:
    """503 with Retry-After and words that calm; no cookie is touched."""
    devices.failing = StoreAway()

    answer = await client.post("/latch/devices/tv/remove")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert "you are still signed in" in answer.text
    assert "set-cookie" not in answer.headers


async def test_a_get_never_removes(client: httpx.AsyncClient) -> None:
    """Renaming has no GET at all."""
    assert (await client.get("/latch/devices/tv/rename")).status_code == 405


@pytest.mark.parametrize(
    ("language", "said"),
    [("nl", ["Je apparaten", "Meld deze tv af", "gisteren"]), ("ar", ["أجهزتك", "تسجيل الخروج من هذا التلفاز", "أمس"])],
)
async def test_every_page_is_there_in_every_language(language: str, said: list[str]) -> None:
    """List, questions, receipts and errors; nothing on them is English but names and what people own."""
    devices = MemoryDevices([*FAMILY, *STRANGE[1:]])
    app = application(devices, languages=f"en,{language}")
    wanted = {"accept-language": language}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge", headers=wanted) as client:
        answers = [
            await client.get("/latch/devices"),
            await client.get("/latch/devices/tv/remove"),
            await client.get("/latch/devices/remove-others"),
            await client.post("/latch/devices/tv/rename", data={"name": ""}),
            await client.get("/latch/devices/gone/remove"),
            await client.post("/latch/devices/tv/remove"),
            await client.post("/latch/devices/this/remove"),
        ]
        devices.receipt = PARTIAL
        answers.append(await client.post("/latch/devices/remove-others"))

    assert {answer.headers["content-language"] for answer in answers} == {language}
    assert all(words in answers[0].text for words in said)
    assert [words for answer in answers for words in _english_words(answer.text)] == []


def _english_words(html: str) -> list[str]:
    # What stands in a <bdi> is a name; what is left after the tags is ours.
    words = re.sub(r"<bdi>.*?</bdi>|<code>.*?</code>|<[^>]*>", " ", html)
    return re.findall(r"\b(?:the|this|you|your|signed|sign|and|not|it)\b", words)
