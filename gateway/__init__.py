"""Latchstring's edge, a folder per capability, stacked in floors: a module imports only from floors below its own.

cli           the commands people type
demo          a website, a proxy and a browser story on real parts
supervise     keeps the store, the HTTP workers and the shipper running
app | server | session_gate   the long way (Starlette) and the fast door (uvicorn protocol), the same handlers behind
              both; the gate in a website's own process
backend_routes | page_routes   every URL below /v1; every page for people
running       a worker's background life
activation_wiring   the part of it that activates TVs
wiring        the composition root: makes every object once and hands it down
key_watch | place_watch | node_watch   a worker's keys, its data of places, and its node, in step with their files
settings      environment and file -> each room's frozen policy; all mistakes at once
device_settings | page_settings | report_settings   those of them that say what is known of devices; how our pages
              speak and look; and what reports are of
setting_forms    what their texts must look like
dashboard     the reports as pages, for whoever has a service key
hooks | mail | reports | moving | privacy | snowplow | activation   events to other systems; links and pixels of mails;
              pages and the ledger; a website's own sessions moving in; what visitors choose, and erasing them; others'
              trackers; TVs
housekeeping   compaction, retention, rollups and erasures of the warehouse
sessions | shipping   sign-in, verify, renew, sign-out; journal -> Parquet
devices | beacons | trials   what an account is signed in on; hits and the journal; who has had which free trial
fingerprint   what a device gives away, and which former one it looks like
revocation    forgetting: one script, a feed, a fence, a barrier, a receipt
pages | service_keys | api_requests | account_paths   the frame of every page; who may call /v1, and what they say, of
              which account
store         the only room that talks to Redis or Valkey
tokens | hot_route | hot_counts | recognition | unexpected | metric_files   one format for every signed thing, and the
              keys; the ASGI door to hot handlers, and their counts; what a device is, by its agent; bugs that requests
              meet; scrapes
errors : clock : ids : wire : link_target : metrics : logs : background : node_health : format_mark : one_thread
"""
