"""Keeps the store, the HTTP workers, the shipper and the hook deliverer running, and lets none outlive the others."""
