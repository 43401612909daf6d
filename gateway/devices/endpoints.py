"""The backend's URLs of an account's devices: list, rename, remove one, remove all others."""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..api_requests import account_of, read_json, repeat_key_of
from ..errors import BadRequest, NotFound
from ..ids import Account, is_id
from ..revocation.answers import receipt_response
from ..revocation.receipt import Receipt
from ..revocation.revoke import Revoker, Target
from .registry import MAX_LISTED, DeviceRow, Devices

#: Devices that one answer may hold.
MOST_LISTED: Final = 1_000


class RenameRequest(Struct, forbid_unknown_fields=True):
    """PATCH …/devices/{device}."""

    name: Annotated[str, Meta(max_length=1_000)]


class KeepRequest(Struct, forbid_unknown_fields=True):
    """POST …/devices/remove-others: the one device that stays."""

    keep: Annotated[str, Meta(max_length=64)]


class AccountDevices:
    """An account's devices: what the page and the API do with them."""

    def __init__(self, devices: Devices, revoker: Revoker) -> None:
        self._devices = devices
        self._revoker = revoker

    async def list(self, account: str, *, after: str = "", limit: int = MAX_LISTED) -> Sequence[DeviceRow]:
        """See `Devices.list`."""
        return await self._devices.list(Account(account), after=after, limit=limit)

    async def ids(self, account: str) -> Sequence[str]:
        """See `Devices.ids`."""
        return await self._devices.ids(Account(account))

    async def find(self, account: str, device_id: str) -> DeviceRow | None:
        """See `Devices.find`."""
        return await self._devices.find(Account(account), device_id)

    async def rename(self, account: str, device_id: str, name: str) -> None:
        """See `Devices.rename`."""
        await self._devices.rename(Account(account), device_id, name)

    async def remove(
        self,
        account: str,
        device_ids: Sequence[str],
        *,
        reason: str = "removed_by_owner",
        repeat_key: str | None = None,
        act: str = "",
    ) -> Receipt:
        """Sign devices out everywhere, for good, in one act (see `Revoker.revoke`). Raises NotFound (nothing was
        removed), Conflict, StoreAway.
        """
        targets: list[tuple[Target, str]] = [("device", device) for device in device_ids]
        return await self._revoker.revoke(Account(account), targets, reason=reason, repeat_key=repeat_key, act=act)

    async def removed(self, account: str, *, repeat_key: str, act: str) -> Receipt | None:
        """See `Revoker.repeated`."""
        return await self._revoker.repeated(Account(account), repeat_key=repeat_key, act=act)


class DeviceEndpoints:
    """Routes below /v1; the app lets only service credentials through to them."""

    def __init__(self, devices: AccountDevices) -> None:
        self._devices = devices

    def routes(self) -> list[Route]:
        """In matching order."""
        base = "/v1/accounts/{account}/devices"
        return [
            Route(base, self.list, methods=["GET"]),
            Route(f"{base}/remove-others", self.remove_others, methods=["POST"]),
            Route(f"{base}/{{device}}", self.rename, methods=["PATCH"]),
            Route(f"{base}/{{device}}", self.remove, methods=["DELETE"]),
        ]

    async def list(self, request: Request) -> JSONResponse:
        """The account's devices, last used first: `limit` of them (200), behind `after`; `next` is the next `after`."""
        account, limit = account_of(request), _limit_of(request)
        rows = await self._devices.list(account, after=request.query_params.get("after", ""), limit=limit)
        following = rows[-1].position if len(rows) == limit else None
        return JSONResponse({"devices": [row.as_dict() for row in rows], "next": following})

    async def rename(self, request: Request) -> Response:
        """204; 400 for a bad name, 404 for a device the account does not have."""
        asked = await read_json(request, RenameRequest)
        await self._devices.rename(account_of(request), _device_of(request), asked.name)
        return Response(status_code=204)

    async def remove(self, request: Request) -> JSONResponse:
        """Sign one device out everywhere, for good."""
        receipt = await self._devices.remove(
            account_of(request), [_device_of(request)], reason="removed_by_website", repeat_key=repeat_key_of(request)
        )
        return receipt_response(receipt)

    async def remove_others(self, request: Request) -> Response:
        """Sign out every device but one; 204 if there is no other, 404 if that one is not this account's."""
        account = account_of(request)
        asked = await read_json(request, KeepRequest)
        repeat_key, act = repeat_key_of(request), f"remove-others {account} keep {asked.keep}"
        if repeat_key is not None:
            made = await self._devices.removed(account, repeat_key=repeat_key, act=act)
            if made is not None:
                return receipt_response(made)
        known = await self._devices.ids(account)
        if asked.keep not in known:
            # A mistyped id would sign out every device.
            raise NotFound("unknown_device", "no such device on this account; nothing was removed")
        others = [device for device in known if device != asked.keep]
        if not others:
            return Response(status_code=204)
        receipt = await self._devices.remove(
            account, others, reason="removed_by_website", repeat_key=repeat_key, act=act
        )
        return receipt_response(receipt)


def _limit_of(request: Request) -> int:
    said = request.query_params.get("limit", str(MAX_LISTED))
    if not (said.isascii() and said.isdigit() and len(said) < 5 and 1 <= int(said) <= MOST_LISTED):
        raise BadRequest("bad_limit", f"expected limit from 1 to {MOST_LISTED}")
    return int(said)


def _device_of(request: Request) -> str:
    device = str(request.path_params["device"])
    if not is_id(device):
        raise BadRequest("bad_device_id", "expected an id of 22 base64url characters")
    return device
