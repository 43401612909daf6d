"""One gateway, one website and each proxy before them, for all edge tests of this folder."""

from harness.edge_fixtures import browser, cache, certificate, edge, gateway, proxies, website

__all__ = ["browser", "cache", "certificate", "edge", "gateway", "proxies", "website"]
