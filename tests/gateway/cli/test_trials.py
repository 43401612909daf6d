"""`latchstring trials`, run as an operator runs it: beside a worker."""

import json
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from harness.edge_gateway import EdgeGateway
from latchstring_gateway.cli.main import app

pytestmark = pytest.mark.store
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def gateway() -> Iterator[EdgeGateway]:
    """One worker."""
    running = EdgeGateway(workers=1, fsync="never")
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
        return CliRunner().invoke(app, ["trials", *arguments], env=env)

    return command


def test_the_story_of_an_appeal(run: Run) -> None:
    """Claimed, asked about, refused, allowed, granted, held, forgotten: each in a sentence and a status."""
    ada, bob = ("free-month", "ada", "--card", "fp_1"), ("free-month", "bob", "--card", "fp_1", "--hardware", "unknown")
    allow = ("override", "free-month", "bob", "--by", "support-17", "--reason", "ticket 4711")

    said = [
        run(*words)
        for words in (
            ("check", "free-month", "--card", "fp_1"), ("claim", *ada), ("check", "free-month", "--card", "fp_1"),
            ("claim", *bob), allow, ("claim", *bob), ("claim", *bob), ("forget", "--account", "bob"),
        )
    ]  # fmt: skip

    assert [one.exit_code for one in said] == [0, 0, 3, 3, 0, 0, 0, 0]
    firsts = [one.stdout.splitlines()[0] for one in said]
    assert firsts[:4] == ["It would be granted.", "It is granted.", "It would be refused.", "It is refused."]
    assert firsts[4].startswith("The next claim of this account is granted until ")
    assert firsts[5] == "It is granted, by an override."
    assert firsts[6].startswith("The account holds it since ")
    assert firsts[7] == "1 forgotten."
    assert "card      had it " in said[3].stdout
    assert "hardware  identifies nobody: not looked at" in said[3].stdout


def test_the_answer_is_there_for_machines(run: Run) -> None:
    """As the worker gave it."""
    told = json.loads(run("check", "free-year", "--email", "ada@example.com", "--json").stdout)

    assert (told["eligible"], told["reasons"]) == (True, [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "free-month", "--card", "4111111111111111"), "card_number: expected the payment provider's"),
        (("claim", "Free Month", "ada"), "bad_field"),
        (("forget",), "what_to_forget"),
    ],
)
def test_what_cannot_be_done_is_told_in_words(run: Run, arguments: tuple[str, ...], said: str) -> None:
    """Exit 1 and the reason; nothing on stdout."""
    done = run(*arguments)

    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr


def test_without_a_worker_it_says_what_is_missing(run: Run) -> None:
    """Claims are decided by who knows which key may sign."""
    done = run("check", "free-month", "--card", "x", listen="127.0.0.1:1")

    assert done.exit_code == 1
    assert "is `latchstring serve` running there?" in done.stderr
