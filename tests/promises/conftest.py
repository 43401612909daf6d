"""The parts that attacks on the edge need."""

from harness.edge_fixtures import certificate, website

__all__ = ["certificate", "website"]
