"""Signing TVs and consoles in: the device grant of OAuth 2.0 (RFC 8628), its page, and the tokens that come of it."""
