"""The reports as pages for people: who may see them, what stands on them, and how it is drawn."""
