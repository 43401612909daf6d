"""Hits: taken by hot handlers, kept in the journal before they are answered."""
