"""Receipts as HTTP answers."""

import json
from dataclasses import replace

from latchstring_gateway.revocation.answers import receipt_response
from latchstring_gateway.revocation.receipt import Missing, Receipt

_COMPLETE = Receipt("07.x", "complete", applied=2, workers=2, elapsed_ms=3.14159, durable=True)


def test_a_complete_receipt_is_200_and_a_partial_one_202() -> None:
    """Whoever looks at the status alone is not told too much."""
    partial = replace(_COMPLETE, status="partial", applied=1, missing=(Missing("w", 5),), certain_at_ms=5)

    assert receipt_response(_COMPLETE).status_code == 200
    assert receipt_response(partial).status_code == 202
    assert json.loads(bytes(receipt_response(partial).body)) == {
        "id": "07.x",
        "status": "partial",
        "applied": 1,
        "workers": 2,
        "elapsed_ms": 3.1,
        "durable": True,
        "missing": [{"worker": "w", "certain_at_ms": 5, "why": "silent"}],
        "certain_at_ms": 5,
    }
