"""The page that shows a receipt: the sentence that counts, what else is certain, and the figures for who asks."""

from datetime import tzinfo

from starlette.responses import Response

from ..pages.render import Reader
from ..pages.words import clock_time, span
from ..revocation.receipt import Receipt
from .receipt_words import tell


def receipt_page(
    receipt: Receipt, names: list[str], reader: Reader, *, zone: tzinfo, base_url: str, signed_out_here: bool
) -> Response:
    """What was signed out, by `names`; 202 while the receipt is partial."""
    language = reader.language
    told = tell(receipt, names, language, zone)
    return reader.page(
        "removed.html",
        status=200 if told.complete else 202,
        base_url=base_url,
        complete=told.complete,
        heading=told.heading,
        sentence=told.sentence,
        certainty=told.certainty,
        receipt=receipt,
        took=span(receipt.elapsed_ms, language),
        missing=[
            {"worker": one.worker, "certain_at": clock_time(one.certain_at_ms, language, zone)}
            for one in receipt.missing
        ],
        signed_out_here=signed_out_here,
    )
