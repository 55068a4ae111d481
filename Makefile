# narthex: what there is to do. `make` alone lists it.

REMOTE_WRITE_URL ?=
export REMOTE_WRITE_URL
DESTDIR ?=
PREFIX ?= /usr
export DESTDIR PREFIX

.DEFAULT_GOAL := help
.PHONY: help run test check bench instructions fuzz soak dist release-check install

help: ## list the targets
	@echo "narthex: a Prometheus-compatible metrics agent for small machines at the edge"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  REMOTE_WRITE_URL=http://host/api/v1/write make run   sends to your own receiver"

run: ## build and run the agent here: it scrapes itself and node_exporter, Ctrl-C stops it
	@packaging/scripts/run.sh

test: ## install what the tests use, then everything: checks, unit and end-to-end tests
	@packaging/scripts/test.sh

check: ## formatting, clippy, documentation, the rules of the repository
	@packaging/scripts/check.sh

bench: ## measure: every path, then agents side by side (45 minutes); BENCH="--quick" is short
	@packaging/scripts/bench.sh

instructions: ## count instructions a sample on the hottest paths, compare with what is stored
	@packaging/scripts/instructions.sh

fuzz: ## every fuzz target for FUZZ_SECONDS, 60 by default; needs cargo-fuzz and a nightly compiler
	@packaging/scripts/fuzz.sh

soak: ## long fault tests, then the end-to-end tests again and again; SOAK_ROUNDS=n, 10 by default
	@packaging/scripts/soak.sh

dist: ## what is released, into dist/: static binaries for three machines, packages, checksums
	@packaging/scripts/dist.sh

release-check: ## build what is released, install, run, upgrade and purge it (root, an hour); STEPS=
	@packaging/scripts/release-check.sh $(STEPS)

install: ## install from source on this machine (root); DESTDIR=, PREFIX=/usr
	@packaging/scripts/install.sh
