"""The fast door: answers hot requests from uvicorn's protocol, before ASGI, within limits of its own."""
