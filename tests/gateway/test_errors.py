"""Errors carry what a client may be told, and a store fault is never "not signed in"."""

import pytest

from latchstring_gateway import errors
from latchstring_gateway.errors import EdgeError, NotSignedIn, StoreAway, WebsiteAway
from latchstring_middleware.problems import Problem

_STATUSES = {
    "BadRequest": 400,
    "NotSignedIn": 401,
    "NotAllowed": 403,
    "NotFound": 404,
    "Conflict": 409,
    "Gone": 410,
    "TooLarge": 413,
    "WrongMediaType": 415,
    "TooMany": 429,
    "StoreAway": 503,
    "WebsiteAway": 503,
    "ReportAway": 503,
}


@pytest.mark.parametrize(("name", "status"), _STATUSES.items())
def test_each_kind_has_its_status_and_is_a_problem(name: str, status: int) -> None:
    """The middleware turns each into its answer; the module's tree lists it."""
    kind: type[EdgeError] = getattr(errors, name)
    error = kind("what did not answer") if kind in (StoreAway, WebsiteAway) else kind("some_code", "what to do")

    assert isinstance(error, Problem)
    assert error.status == status
    assert f"{name} " in (errors.__doc__ or "")
    assert str(error) == f"{error.code}: {error.detail}"


def test_the_tree_in_the_module_is_complete() -> None:
    """No error is made that the tree does not show."""
    assert {kind.__name__ for kind in EdgeError.__subclasses__() if kind.__module__ == errors.__name__} == set(
        _STATUSES
    )


def test_a_store_fault_asks_to_come_back_and_is_no_refusal() -> None:
    """Two types, two statuses."""
    assert StoreAway().retry_after_seconds
    assert not issubclass(StoreAway, NotSignedIn)
