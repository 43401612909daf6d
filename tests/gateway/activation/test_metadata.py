"""The metadata say what is true, in the form of RFC 8414."""

from harness.worker_app import Worker


async def test_the_metadata_name_every_endpoint_and_nothing_that_is_not_there(worker: Worker) -> None:
    """Each address answers; no claim is empty; the backend's own is not published."""
    answer = await worker.client.get("/.well-known/oauth-authorization-server")
    claims = answer.json()

    assert answer.headers["content-type"] == "application/json"
    assert claims["issuer"] == "https://www.example.com"
    assert claims["grant_types_supported"] == ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]
    assert claims["token_endpoint_auth_methods_supported"] == ["none"]
    assert all(claims.values())
    assert "introspection_endpoint" not in claims
    endpoints = [url for claim, url in claims.items() if claim.endswith("_endpoint")]
    assert len(endpoints) == 3
    for url in endpoints:
        refused = await worker.client.post(url, data={"client_id": "nobody"})

        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
