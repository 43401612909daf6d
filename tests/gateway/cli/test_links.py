"""`latchstring links make`, run as an operator runs it: beside a worker."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness.edge_gateway import EdgeGateway
from latchstring_gateway.cli.main import app

pytestmark = pytest.mark.store
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def gateway() -> Iterator[EdgeGateway]:
    """One worker."""
    running = EdgeGateway(workers=1, fsync="never", public_origin="https://www.example.com")
    yield running
    running.close()


@pytest.fixture
def run(gateway: EdgeGateway) -> Run:
    """The command with the worker's settings, or where it finds no worker."""

    def command(*arguments: str, listen: str = gateway.address) -> Result:
        env = {
            "LATCHSTRING_DATA_DIR": str(gateway.data_dir),
            "LATCHSTRING_STORE": gateway.valkey.url,
            "LATCHSTRING_LISTEN": listen,
        }
        return CliRunner().invoke(app, ["links", "make", *arguments], env=env)

    return command


_SALE = ("https://www.example.com/sale", "--campaign", "autumn", "--message", "news-41")


def test_a_link_is_printed_that_leads_where_it_should(gateway: EdgeGateway, run: Run) -> None:
    """A line for each link and one for the pixel."""
    link, pixel = run(*_SALE).stdout.splitlines()

    followed = gateway.client.get(link.removeprefix("https://www.example.com"))
    assert (followed.status_code, followed.headers["location"]) == (302, "https://www.example.com/sale")
    assert gateway.client.get(pixel.removeprefix("https://www.example.com")).status_code == 200


def test_a_file_of_recipients_makes_a_mail_for_each(run: Run, tmp_path: Path) -> None:
    """More than one request carries, in the order of the file, blank lines apart."""
    people = [f"person-{number}@example.com" for number in range(1_200)]
    (tmp_path / "list").write_text("\n".join(["", *people, ""]))

    told = run(*_SALE, "https://www.example.com/b", "--recipients", str(tmp_path / "list"), "--json")

    mails = [json.loads(line) for line in told.stdout.splitlines()]
    assert [mail["recipient"] for mail in mails] == people
    assert {len(mail["links"]) for mail in mails} == {2}
    assert len({mail["pixel"] for mail in mails}) == 1_200


def test_what_a_link_says_can_be_looked_at(gateway: EdgeGateway, run: Run) -> None:
    """`latchstring inspect` knows both kinds."""
    link, pixel = run(*_SALE).stdout.splitlines()
    env = {"LATCHSTRING_DATA_DIR": str(gateway.data_dir), "COLUMNS": "200"}

    for address, kind in ((link, "link of a mail"), (pixel, "open pixel of a mail")):
        token = address.rpartition("/")[2].removesuffix(".gif")
        shown = CliRunner().invoke(app, ["inspect", "-"], env=env, input=token).stdout
        assert kind in shown
        assert "autumn" in shown


def test_retiring_the_key_tells_until_when_links_would_have_worked(gateway: EdgeGateway, run: Run) -> None:
    """The dry run says so, since links are kept nowhere."""
    key_id = run(*_SALE, "--days", "400").stdout.partition("/go/")[2].split(".")[1]
    env = {"LATCHSTRING_DATA_DIR": str(gateway.data_dir), "LATCHSTRING_STORE": gateway.valkey.url, "COLUMNS": "200"}

    told = CliRunner().invoke(app, ["keys", "retire", key_id, "--dry-run"], env=env)

    assert "links of mails that work until" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("https://evil.example/", "--campaign", "autumn"), "target_not_allowed"),
        (("https://www.example.com/", "--campaign", "<b>"), "bad_campaign"),
        (("https://www.example.com/", "--campaign", "a", "--recipients", "/nowhere"), "No such file"),
    ],
)
def test_what_cannot_be_made_is_told_in_words(run: Run, arguments: tuple[str, ...], said: str) -> None:
    """Exit 1 and the reason; nothing on stdout."""
    done = run(*arguments)

    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr


def test_without_a_worker_it_says_what_is_missing(run: Run) -> None:
    """Links are made by who knows which key may sign."""
    done = run(*_SALE, listen="127.0.0.1:1")

    assert done.exit_code == 1
    assert "is `latchstring serve` running there?" in done.stderr
