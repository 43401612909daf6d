"""uvicorn's private fields that the fast door leans on are where it looks for them."""

import asyncio
import inspect

import pytest
import uvicorn
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl

from harness.doors import Connection

CONNECTION_FIELDS = [
    *("parser", "transport", "flow", "server", "client", "pipeline", "scope", "headers", "url", "cycle"),
    *("expect_100_continue", "server_state", "tasks", "connections", "loop"),
]
MOVED = "uvicorn {} moved {}: read gateway/server/protocol.py against it before you raise the pin"


def test_uvicorn_is_the_release_line_that_was_read() -> None:
    """Another release line needs eyes first."""
    assert uvicorn.__version__.startswith("0.54."), MOVED.format(uvicorn.__version__, "on")


@pytest.mark.parametrize(
    "field",
    [
        "parser",
        "transport",
        "flow",
        "server",
        "client",
        "pipeline",
        "scope",
        "headers",
        "url",
        "expect_100_continue",
        "cycle",
        "server_state",
        "tasks",
        "connections",
        "loop",
    ],
)
async def test_the_connection_has_the_field(field: str) -> None:
    """Made by uvicorn's own constructor and by the beginning of a message."""
    protocol = Connection("plain").protocol
    protocol.on_message_begin()

    assert hasattr(protocol, field), MOVED.format(uvicorn.__version__, field)


@pytest.mark.parametrize(
    "field", ["keep_alive", "disconnected", "response_started", "response_complete", "message_event", "run_asgi"]
)
async def test_the_request_cycle_has_the_field(field: str) -> None:
    """What shutdown, disconnect and a refusal look at."""
    connection = Connection("plain")
    connection.feed(b"GET /other HTTP/1.1\r\n\r\n")

    assert hasattr(connection.protocol.cycle, field), MOVED.format(uvicorn.__version__, field)
    await connection.settle()
    connection.close()


@pytest.mark.parametrize(
    ("owner", "method", "parameters"),
    [
        (httptools_impl.HttpToolsProtocol, "__init__", ["self", "config", "server_state", "app_state", "_loop"]),
        (httptools_impl.HttpToolsProtocol, "_start_asgi_task", ["self", "cycle", "app"]),
        (httptools_impl.HttpToolsProtocol, "_should_upgrade", ["self"]),
        (httptools_impl.HttpToolsProtocol, "handle_websocket_upgrade", ["self"]),
        (httptools_impl.HttpToolsProtocol, "on_response_complete", ["self"]),
        (httptools_impl.HttpToolsProtocol, "shutdown", ["self"]),
        (FlowControl, "pause_reading", ["self"]),
        (FlowControl, "resume_reading", ["self"]),
        (FlowControl, "pause_writing", ["self"]),
        (FlowControl, "resume_writing", ["self"]),
    ],
)
def test_the_method_has_the_parameters(owner: type, method: str, parameters: list[str]) -> None:
    """What is overridden and what is called."""
    found = getattr(owner, method, None)

    assert found is not None, MOVED.format(uvicorn.__version__, method)
    assert list(inspect.signature(found).parameters) == parameters, MOVED.format(uvicorn.__version__, method)


def test_the_keep_alive_timer_is_armed_in_one_place_only() -> None:
    """The sweep replaces it by overriding `on_response_complete`; armed elsewhere it would close busy connections."""
    source = inspect.getsource(httptools_impl.HttpToolsProtocol)

    assert source.count("call_later") == 1, MOVED.format(uvicorn.__version__, "the keep-alive timer")
    assert "call_later" in inspect.getsource(httptools_impl.HttpToolsProtocol.on_response_complete)


def test_server_state_is_what_connections_share() -> None:
    """The default headers are a list that uvicorn replaces rather than changes."""
    state = uvicorn.server.ServerState()
    source = inspect.getsource(uvicorn.Server.on_tick)

    assert state.default_headers == []
    assert state.total_requests == 0
    assert "self.server_state.default_headers = " in source, MOVED.format(uvicorn.__version__, "default_headers")
    assert asyncio.iscoroutinefunction(uvicorn.Server.on_tick)
