"""The commands people type: a file per subject, each with `register(app)`."""
