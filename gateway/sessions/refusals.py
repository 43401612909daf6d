"""Why a sign-in is refused, by what start.lua answers: code and detail of the problem."""

from typing import Final

TOO_MANY_DEVICES: Final = "too_many_devices"
REFUSALS: Final = {
    "disabled": ("account_disabled", "the account is disabled"),
    "overtaken": (
        "sign_in_overtaken",
        "the account was signed out everywhere after this sign-in was checked; ask again",
    ),
    "full": ("too_many_sessions", "the account has as many sessions as it may; end one and try again"),
    "devices_full": (TOO_MANY_DEVICES, "the account has as many devices as it may; sign one of them out first"),
    "used": ("old_session_used", "the website's session was handed out before, or has been ended since"),
    "device_removed": ("device_removed", "the device of the website's session was removed"),
    "approver_gone": ("approver_signed_out", "whoever approved it was signed out before it began"),
    "over": ("old_session_over", "the password was checked too long ago, and the box was not ticked"),
}
#: These are the caller's mistakes (400), the others states of the account (409).
WRONG_TIMES: Final = {
    "stale": ("authenticated_at_stale", "authenticated_at_ms is more than 5 minutes ago; check the password again"),
    "future": ("authenticated_at_future", "authenticated_at_ms lies in the future; compare the clocks"),
}
