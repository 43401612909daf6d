"""A revocation before its judge."""

from latchstring_gateway.revocation.case import Case
from latchstring_gateway.revocation.receipt import Registered, WorkerRow
from latchstring_gateway.revocation.registry import RollCall


def test_time_goes_on_by_the_steady_clock() -> None:
    """The registry's server is asked once; from there on no wall clock matters."""
    workers = (Registered("a", WorkerRow(1_000, "closed", 0, 0), 5_000),)
    case = Case("00.x", (), RollCall(workers, 5_000, "one", 0), 10**9, 10**9, workers, 0, 0)

    early = case.judge(frozenset(), 10**9 + 500_000_000, durable=True)
    late = case.judge(frozenset(), 10**9 + 1_100_000_000, durable=True)

    assert case.names == {"a"}
    assert (early.status, late.status) == ("partial", "complete")
    assert early.elapsed_ms == 500
    assert case.now_ms(2 * 10**9) == 6_000
