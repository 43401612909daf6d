"""The whole story on one machine: a small streaming website, a real Caddy before it, and a walk through both."""
