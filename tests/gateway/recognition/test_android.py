"""What the model and the build of an Android device tell."""

import pytest

from latchstring_gateway.recognition.android import AndroidDevice, android_device, kind_formed, kind_named


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (
            "Mozilla/5.0 (Linux; Android 11; 43U800BR Build/RP1A.200720.011; wv) Chrome/83.0",
            ("43U800BR", "RP1A.200720.011"),
        ),
        ("Mozilla/5.0 (Linux; U; Android 8.1.0; en-us; A95X-F1 Build/A95X_F1) Chrome/74.0", ("A95X-F1", "A95X_F1")),
        (
            "Mozilla/5.0 (Linux; Andr0id 9; BRAVIA 4K UR1 Build/PTT1.190515.001.S71) OMI/4.13",
            ("BRAVIA 4K UR1", "PTT1.190515.001.S71"),
        ),
        ("Dalvik/2.1.0 (Linux; U; Android 10; Mi Box)", ("Mi Box", "")),
        ("Mozilla/5.0 (Linux; Android 10; K) Chrome/137.0 Mobile", ("K", "")),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", None),
    ],
)
def test_model_and_build_are_found(agent: str, device: tuple[str, str] | None) -> None:
    """In every form that browsers and apps have for them."""
    assert android_device(agent) == device


@pytest.mark.parametrize(
    ("model", "build", "mobile", "kind"),
    [
        ("AFTKA", "", False, "stick"),
        ("AFTWMST22", "", True, "tv"),
        ("AEOHY", "", False, "speaker"),
        ("F32H8050C", "", True, "tv"),
        ("TF-LED50S25T2SU", "", True, "tv"),
        ("unheard-of", "RTT0.210618.003", True, "tv"),
        ("unheard-of", "RP1A.200720.011", False, "tv"),
        ("unheard-of", "RP1A.200720.011", True, None),
        ("Vega S95_Pro", "", False, "stick"),
        ("rk322x-box", "", False, "stick"),
        ("MAG425A", "", False, "set_top"),
        ("Lenovo TB3-X70F", "", False, None),
        ("SM-T505", "", False, None),
        ("Pixel 9", "", True, None),
        ("K", "", False, None),
        ("", "", False, None),
    ],
)
def test_only_what_no_phone_or_tablet_says_is_a_tv(model: str, build: str, mobile: bool, kind: str | None) -> None:
    """Sizes, makers' names and the builds of TVs; everything else is left to `user-agents`."""
    told = kind_named(model) or kind_formed(AndroidDevice(model, build), mobile=mobile)

    assert told == kind
