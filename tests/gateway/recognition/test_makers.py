"""Brand and model, as a person would say them."""

import pytest

from latchstring_gateway.recognition.describe import describe


@pytest.mark.parametrize(
    ("agent", "make"),
    [
        ("Mozilla/5.0 (PlayStation 5/SmartTV) AppleWebKit/605.1.15", "Sony PlayStation 5"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox Series X) Chrome/102.0 Edge/20.02",
            "Microsoft Xbox Series X",
        ),
        ("Mozilla/5.0 (Nintendo Switch; LoginApplet) NF/6.0 NintendoBrowser/5.1.0", "Nintendo Switch"),
        ("Mozilla/5.0 (Linux; Android 9; AFTKA Build/PS7) Silk/94.1", "Amazon Fire TV Stick 4K Max"),
        ("otg/1.5.1 (AppleTv Apple TV 4; tvOS16.2; appletv.client)", "Apple TV"),
        ("HbbTV/1.2.1 (;Panasonic;VIERA 2015;31.005;8501-0003 0002-0000;)", "Panasonic VIERA 2015"),
        (
            "Mozilla/5.0 (Web0S; Linux/SmartTV) HbbTV/1.5.1 (+DRM; LGE/ATMACA/SUNNY; SN50FMN242; WEBOS5.0; W50; DTV;)",
            "Sunny SN50FMN242",
        ),
        (
            "Mozilla/5.0 (Web0S; Linux/SmartTV) LG Browser/8.00.00(LGE; 32LK6100PLB; 05.50.40; 1; DTV_W18R)",
            "LG 32LK6100PLB",
        ),
        ("Mozilla/5.0 (Web0S; Linux/SmartTV) Chrome/68.0 WebAppManager", "LG TV"),
        ("Opera/9.80 (X11;Linux armv7i;HbbTV/1.1.1;CE-HTML/1.0) Digital-TV/V8 (THOMSON,43FD,wireless)", "Thomson 43FD"),
        ("Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) Version/6.0 TV Safari/537.36", "Samsung TV"),
        ("Mozilla/5.0 (Linux; Android 11; 43U800BR Build/RTT0.210618.003)", "43U800BR"),
        ("HbbTV/1.4.1 (+DRM;Samsung;SmartTV2019:UE55RU7100;T-MSLDEUC-1401.1;;) Tizen/5.0", "Samsung UE55RU7100"),
        ("HbbTV/1.6.1 (+DRM; Samsung; SmartTV2023_LICENSE:K2LCSU;T-23;) Tizen/7.0", "Samsung K2LCSU"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", ""),
        ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/137.0.0.0 Mobile Safari/537.36", ""),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148 Safari/604.1", "Apple iPhone"),
    ],
)
def test_a_device_is_named_by_its_maker(agent: str, make: str) -> None:
    """A TV whose agent tells no model is still somebody's TV."""
    assert describe(agent).make == make
