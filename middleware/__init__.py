"""HTTP manners."""
