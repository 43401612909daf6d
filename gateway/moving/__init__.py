"""Moving in and out: a website's own sessions and devices, brought over without anybody signing in again."""
