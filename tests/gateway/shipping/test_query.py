"""Parameters of a query or form: decoded once, the first of a name, and not more than there may be."""

from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.shipping.query import MAX_PARAMETERS, form_data, parameters


def test_bytes_that_are_no_utf8_stay_escaped() -> None:
    """One such byte anywhere made `not_utf8` of the whole hit."""
    assert parameters(b"p=/caf%E9&q=%ff+x&r=\xff&s=%C3%A9") == {"p": "/caf%E9", "q": "%FF x", "r": "%FF", "s": "\u00e9"}


def test_of_a_name_the_first_counts() -> None:
    """And what has no name is none."""
    assert parameters(b"a=1&a=2&=3&&b") == {"a": "1", "b": ""}


def test_parameters_after_the_two_hundredth_are_left_out() -> None:
    """They made `too_many_parameters` of the whole hit."""
    dropped: list[str] = []

    found = parameters(b"&".join(b"n%d=1" % n for n in range(MAX_PARAMETERS + 5)), dropped)

    assert (len(found), dropped) == (MAX_PARAMETERS, ["too_many_parameters"])
    assert len(parameters(b"&" * 1_000 + b"a=1")) == 1


@given(st.binary(max_size=100), st.binary(max_size=30))
def test_any_bytes_are_a_form_or_none(body: bytes, content_type: bytes) -> None:
    """Nothing raises, whatever the parts are."""
    for text in (body, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + body + b"\r\n--x--"):
        for kind in (content_type, b"multipart/form-data; boundary=x"):
            for name, value in form_data(text, kind).items():
                (name + value).encode()


@given(st.binary(max_size=100))
def test_any_bytes_are_text(query: bytes) -> None:
    """Nothing raises, and every value can be written down."""
    for name, value in parameters(query).items():
        (name + value).encode()
