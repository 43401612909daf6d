"""What stands in mails: signed links that count who follows them, and signed pixels that tell of opens."""
