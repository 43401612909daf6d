# Each target sets up what it needs first; a second run costs nothing. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo serve test check evidence bench lock texts

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## The whole story in a browser: prints its address and stays up (CHECK=1: walk it headless, exit 0 or 1)
	@scripts/set-up demo
	@$(if $(CHECK),scripts/system-packages "the walk through the demo" chromium:chromium libatomic1:libatomic.so.1)
	@.venv/bin/latchstring demo $(if $(CHECK),--check)

serve: ## The gateway alone: store, workers, shipper, housekeeping, deliverer; settings from LATCHSTRING_*
	@scripts/set-up base
	@.venv/bin/latchstring serve

check: ## Linters and unit tests, under 90 seconds
	@scripts/set-up dev
	@scripts/suites lint unit

test: ## Everything: linters and all suites, with real store, proxies, browser and load (SUITES="unit store" for some)
	@scripts/set-up dev
	@scripts/system-packages "the tests" chromium:chromium curl:curl faketime:faketime libatomic1:libatomic.so.1 mount:mount nginx-light:nginx prometheus:prometheus util-linux:unshare
	@scripts/node-packages tests/harness/tough_cookie
	@scripts/node-packages tests/harness/snowplow_trackers
	@scripts/node-packages tests/harness/tv_clients
	@scripts/suites $(or $(SUITES),lint unit store beacons edge browser load)

evidence: ## The promises attacked at length, at most 2 hours; ends in a table and writes docs/evidence.md (ROWS=P2,P4)
	@scripts/set-up dev
	@scripts/system-packages "the evidence" faketime:faketime mount:mount nginx-light:nginx util-linux:unshare
	@PYTHONPATH=tests .venv/bin/python -m harness.evidence_run $(if $(ROWS),--rows $(ROWS))

bench: ## Verify and hit beside nginx and bare uvicorn, and verify case by case: requests a second, CPU a request, ratios
	@scripts/set-up dev
	@scripts/system-packages "the benchmark" wrk:wrk nginx-light:nginx
	@.venv/bin/python loadtests/bench/run.py
	@.venv/bin/python loadtests/bench/shipper.py
	@.venv/bin/python loadtests/bench/reports.py

texts: ## Bring the catalogues of our pages in step with their sources, and tell what is left to translate
	@scripts/set-up dev
	@PYTHONPATH=tests .venv/bin/python -m harness.texts

lock: ## Write requirements/*.txt again from pyproject.toml (ARGS=--upgrade: newest versions)
	@scripts/lock $(ARGS)
