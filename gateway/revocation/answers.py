"""A receipt as an HTTP answer."""

from starlette.responses import JSONResponse

from .receipt import Receipt


def receipt_response(receipt: Receipt) -> JSONResponse:
    """200 with a complete receipt, 202 with a partial one."""
    return JSONResponse(receipt.as_dict(), 200 if receipt.status == "complete" else 202)
