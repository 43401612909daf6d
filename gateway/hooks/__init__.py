"""Telling other systems: events from the outbox, delivered in the Standard Webhooks form."""
