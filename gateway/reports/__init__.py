"""What the hits add up to: popular pages, and the ledger that proves nothing was lost."""
