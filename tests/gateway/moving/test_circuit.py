"""The circuit: patience for a few failures, then rest, then one who tries."""

from latchstring_gateway.moving.circuit import REST_NS, TOLERATED, Circuit


def test_a_few_failures_keep_nobody_out() -> None:
    """And a success forgets them."""
    circuit = Circuit()
    for _ in range(3):
        for _ in range(TOLERATED - 1):
            circuit.failed(0)
        assert circuit.lets(0)
        circuit.succeeded()


def test_after_more_one_at_a_time_may_try() -> None:
    """Nobody while it rests, then one; his failure lets it rest again, his success opens it to all."""
    circuit = Circuit()
    for _ in range(TOLERATED):
        circuit.failed(10)

    assert not circuit.lets(10 + REST_NS - 1)
    assert circuit.lets(10 + REST_NS)
    assert not circuit.lets(10 + REST_NS), "the first has not come back"
    circuit.failed(20 + REST_NS)
    assert not circuit.lets(19 + 2 * REST_NS)
    assert circuit.lets(20 + 2 * REST_NS)
    circuit.succeeded()
    assert circuit.lets(20 + 2 * REST_NS)
    assert circuit.lets(20 + 2 * REST_NS)
