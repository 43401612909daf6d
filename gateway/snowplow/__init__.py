"""The collector that Snowplow's trackers talk to: paths, cookie, cross-origin manners, redirects, and a test bench."""
