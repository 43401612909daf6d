"""The parts that attacks on the edge need."""

from harness.edge_fixtures import certificate, gateway, website

__all__ = ["certificate", "gateway", "website"]
