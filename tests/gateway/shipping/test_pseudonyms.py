"""Pseudonyms: the same for one name, different for every kind and key, and made under a key that stays."""

import stat
from pathlib import Path

import pytest

from latchstring_gateway.ids import is_id
from latchstring_gateway.shipping.pseudonyms import FILE, PseudonymKeyError, Pseudonyms


def test_a_name_has_one_pseudonym_of_each_kind_and_under_each_key() -> None:
    """Nobody finds out from an account's pseudonym which visitor is called the same."""
    ours, theirs = Pseudonyms(bytes(32)), Pseudonyms(bytes(31) + b"1")

    made = [one.of(kind, b"ada") for one in (ours, theirs) for kind in ("cookie", "tracker", "user")]

    assert all(map(is_id, made))
    assert len(set(made)) == 6
    assert ours.of("user", b"ada") == Pseudonyms(bytes(32)).of("user", b"ada")


def test_the_key_is_made_once_and_is_nobody_elses_to_read(tmp_path: Path) -> None:
    """The next process finds the same; the file is the owner's."""
    first = Pseudonyms.at(tmp_path / "data").of("user", b"ada")

    assert Pseudonyms.at(tmp_path / "data").of("user", b"ada") == first
    assert stat.S_IMODE((tmp_path / "data" / FILE).stat().st_mode) == 0o600
    assert Pseudonyms.at(tmp_path / "other").of("user", b"ada") != first


@pytest.mark.parametrize("text", ["", "0" * 63, "g" * 64, "0" * 65])
def test_a_file_that_holds_no_key_is_an_error(tmp_path: Path, text: str) -> None:
    """A new key in its place would make everybody a new visitor, and bring the erased back."""
    (tmp_path / FILE).write_text(text)

    with pytest.raises(PseudonymKeyError, match="64 hexadecimal digits"):
        Pseudonyms.at(tmp_path)
