"""The backend's URLs of an account's devices: list, rename, remove one, remove all others."""

from collections.abc import Sequence
from typing import Annotated

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
from .registry import DeviceRow, Devices


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

    async def list(self, account: str) -> Sequence[DeviceRow]:
        """See `Devices.list`."""
        return await self._devices.list(Account(account))

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
        """Every device of the account, last used first."""
        rows = await self._devices.list(account_of(request))
        return JSONResponse({"devices": [row.as_dict() for row in rows]})

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
        known = [row.id for row in await self._devices.list(account)]
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


def _device_of(request: Request) -> str:
    device = str(request.path_params["device"])
    if not is_id(device):
        raise BadRequest("bad_device_id", "expected an id of 22 base64url characters")
    return device
