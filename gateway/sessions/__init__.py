"""Sign-in, verify, renew and sign-out: one cookie, two horizons."""
