"""What a receipt may promise, for every kind of silent worker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.revocation.receipt import Missing, Receipt, Registered, WorkerRow, write

_AT = 1_800_000_000_000


def _row(**changes: object) -> WorkerRow:
    values = {"fence_ms": 1000, "rule": "closed", "last_known_good_ms": 60_000, "verify_cache_ms": 0, "keys": ("k1",)}
    return WorkerRow(**{**values, **changes})  # type: ignore[arg-type]


def _write(*workers: Registered, applied: frozenset[str], now_ms: int, not_before_ms: int = 0) -> Receipt:
    return write(
        "00.x",
        at_ms=_AT,
        now_ms=now_ms,
        elapsed_ms=3.14159,
        durable=True,
        workers=workers,
        applied=applied,
        not_before_ms=not_before_ms,
    )


def test_everybody_applied_is_complete() -> None:
    """All workers have it: complete at once, whatever their rules."""
    receipt = _write(
        Registered("a", _row(), _AT),
        Registered("b", _row(rule="last-known-good"), _AT),
        applied=frozenset("ab"),
        now_ms=_AT + 3,
    )

    assert (receipt.status, receipt.applied, receipt.workers) == ("complete", 2, 2)
    assert receipt.as_dict()["elapsed_ms"] == 3.1
    assert receipt.as_dict()["missing"] == []


def test_nobody_registered_is_complete() -> None:
    """Where no worker runs, nobody accepts anything; a later one loads before it trusts."""
    assert _write(applied=frozenset(), now_ms=_AT).status == "complete"


@pytest.mark.parametrize(("rule", "span_ms"), [("closed", 1_100), ("last-known-good", 66_000)])
def test_a_silent_worker_is_waited_for_by_its_own_row(rule: str, span_ms: int) -> None:
    """Partial until its span and a tenth are over, then complete without counting it."""
    silent = Registered("b", _row(rule=rule), _AT - 100)
    others = Registered("a", _row(), _AT)

    before = _write(others, silent, applied=frozenset("a"), now_ms=_AT - 100 + span_ms - 1)
    after = _write(others, silent, applied=frozenset("a"), now_ms=_AT - 100 + span_ms)

    assert (before.status, before.applied, before.workers) == ("partial", 1, 2)
    assert before.certain_at_ms == before.missing[0].certain_at_ms == _AT - 100 + span_ms
    assert (after.status, after.applied, after.workers, after.missing) == ("complete", 1, 1, ())
    assert after.certain_at_ms is None


def test_a_pulse_after_the_revocation_does_not_prolong_the_wait() -> None:
    """A heartbeat sent after the append cannot renew a fence without the entry, so only earlier ones count."""
    lagging = Registered("b", _row(), _AT + 900)

    assert _write(lagging, applied=frozenset(), now_ms=_AT + 1_100).status == "complete"


def test_a_fence_longer_than_the_outage_rule_counts() -> None:
    """With last-known-good shorter than the fence, the fence is what matters."""
    silent = Registered("b", _row(rule="last-known-good", last_known_good_ms=500), _AT)

    assert _write(silent, applied=frozenset(), now_ms=_AT + 1_099).certain_at_ms == _AT + 1_100


def test_a_cache_in_the_proxy_keeps_even_an_applied_receipt_partial() -> None:
    """What a proxy may still answer from its cache is not certain yet."""
    worker = Registered("a", _row(verify_cache_ms=2_000), _AT)

    partial = _write(worker, applied=frozenset("a"), now_ms=_AT + 5)

    assert (partial.status, partial.applied, partial.workers) == ("partial", 0, 1)
    assert partial.missing == (Missing("a", _AT + 2_000, "cache"),)
    assert _write(worker, applied=frozenset("a"), now_ms=_AT + 2_000).as_dict()["applied"] == 1


def test_a_cached_answer_given_at_the_end_of_the_fence_is_waited_for() -> None:
    """A silent worker's proxy may have cached its last answer: the cache's time comes on top."""
    silent = Registered("a", _row(verify_cache_ms=2_000), _AT)

    assert _write(silent, applied=frozenset(), now_ms=_AT + 1_200).certain_at_ms == _AT + 3_100


def test_after_a_fail_over_no_receipt_is_complete_before_its_bound() -> None:
    """Workers get a fence's time to give back what the new store lacks."""
    worker = Registered("a", _row(), _AT)

    early = _write(worker, applied=frozenset("a"), now_ms=_AT + 10, not_before_ms=_AT + 500)

    assert (early.status, early.applied, early.workers) == ("partial", 1, 2)
    # 41 partial receipts said `missing: []`: whoever is waited for is named, even if by no name.
    assert early.missing == (Missing("unknown", _AT + 500, "fail_over"),)


def test_a_row_survives_the_store() -> None:
    """What a worker writes into the registry is what a revoker reads."""
    row = _row(rule="last-known-good", keys=("k1", "k2"))

    assert WorkerRow.from_json(row.to_json()) == row


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"fence_ms": 1}'])
def test_a_row_that_is_none_is_refused(text: str) -> None:
    """A revoker that cannot read a row must not guess."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        WorkerRow.from_json(text)


@given(
    fence_ms=st.integers(100, 60_000),
    rule=st.sampled_from(["closed", "last-known-good"]),
    outage_ms=st.integers(100, 300_000),
    sent_ms=st.integers(-400_000, 400_000),
    pulse_delay_ms=st.integers(0, 5_000),
    rate=st.floats(0.91, 1.0),
)
def test_no_lease_is_accepted_after_the_certain_time(
    fence_ms: int, rule: str, outage_ms: int, sent_ms: int, pulse_delay_ms: int, rate: float
) -> None:
    """Whenever the last heartbeat that can lack the entry was sent, and however slow the worker's clock, it is over."""
    row = _row(fence_ms=fence_ms, rule=rule, last_known_good_ms=outage_ms)
    pulse_ms = _AT + sent_ms + pulse_delay_ms
    if pulse_ms >= _AT:
        # Its pulse came after the append: at its PONG the worker has the entry, and the fence before counts.
        sent_ms, pulse_delay_ms = min(sent_ms, 0), 0
    span_ms = max(fence_ms, outage_ms) if rule == "last-known-good" else fence_ms
    accepts_until_ms = _AT + sent_ms + span_ms / rate

    assert row.certain_at_ms(_AT, pulse_ms) >= accepts_until_ms - 1
