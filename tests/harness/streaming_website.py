"""A website with WebSockets and event streams, ended by the example of the docs. Run: `python -m … --fd N`.

`/live/socket` echoes each text message after a prefix with the account; `/live/events` sends one event with the account
and then is silent. STREAM_URL and STREAM_KEY say where it listens for revocations.
"""

import argparse
import asyncio
import importlib.util
import os
import socket
from pathlib import Path
from typing import Any, Final

import uvicorn

_EXAMPLE: Final = Path(__file__).parents[2] / "docs" / "examples" / "ending_streams.py"


async def website(scope: Any, receive: Any, send: Any) -> None:
    """ASGI."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
        return
    account = dict(scope["headers"]).get(b"x-latch-account", b"").decode()
    if scope["type"] == "websocket":
        while True:
            message = await receive()
            if message["type"] == "websocket.connect":
                await send({"type": "websocket.accept"})
            elif message["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": f"{account}: {message['text']}"})
            else:
                return
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": f"data: {account}\n\n".encode(), "more_body": True})
    await asyncio.Event().wait()


def main() -> None:
    """Serve on the inherited socket until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    listening = socket.socket(fileno=parser.parse_args().fd)
    spec = importlib.util.spec_from_file_location("ending_streams", _EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    app = example.EndingStreams(website, url=os.environ["STREAM_URL"], service_key=os.environ["STREAM_KEY"])
    config = uvicorn.Config(
        app, access_log=False, log_level="warning", proxy_headers=False, ws="wsproto", timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
