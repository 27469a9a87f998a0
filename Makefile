# What one does with this checkout; `make` lists it. Environments and downloads are made when first
# wanted and kept under ~/.cache/reconverge: see tools/provision.
.DEFAULT_GOAL := help
.PHONY: help demo test quick test-long bench chaos soak check mutants pages schemas setup lock

PYTHON_DEV = "$$(tools/provision venv dev)"/bin/python
COMPILED = "$$(tools/provision compiled)"
PYTEST = $(PYTHON_DEV) -m pytest
REAL = kafka or engines or live

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 11

demo: ## a recorded failover, told by the service: no Java, Docker or compiler needed
	@"$$(tools/provision venv demo)"/bin/reconverge demo

# What only computes runs on every processor, the core's own tests once more on the compiled core;
# what starts real systems has the machine to itself. CONTRIBUTING.md lists the parts and their budgets.
test: setup ## lint, types and every test but the long ones, on real Kafka and real FIX engines
	@tools/timed "lint and types" 2 $(MAKE) --no-print-directory check
	@tools/timed "what only computes" 6 $(PYTEST) --numprocesses=auto -m "not ($(REAL) or long)"
	@PYTHONPATH=$(COMPILED) tools/timed "the compiled core" 3 \
		$(PYTEST) --numprocesses=auto tests/core tests/scenarios -m "not (source or long)"
	@tools/timed "real Kafka" 8 $(PYTEST) -m "kafka and not long"
	@tools/timed "real FIX engines" 4 $(PYTEST) -m "engines and not (kafka or long)"
	@tools/timed "against the clock" 2 $(PYTEST) -m "live and not (kafka or engines or long)"

quick: setup ## a minute, for the inner loop: lint, types and the fastest tests
	@$(PYTHON_DEV) -m ruff format --check --quiet .
	@$(PYTHON_DEV) -m ruff check --quiet .
	@tools/timed "types" 1 $(PYTHON_DEV) -m mypy
	@tools/timed "the fastest tests" 1 $(PYTEST) --quiet --numprocesses=auto \
		-m "not ($(REAL) or slow or long)"

test-long: setup ## what takes longer than `make test` has time for; run it before a release
	@tools/timed "long tests" 60 $(PYTEST) -m long
	@RECONVERGE_SEEDS=20000 tools/timed "ten times as many seeds" 30 \
		$(PYTEST) --numprocesses=auto tests/core/test_recovery_properties.py
	@tools/timed "faults on real Kafka" 25 $(PYTHON_DEV) -m tests.chaos --minutes 20

bench: setup ## the figures of docs/performance.md, the core compiled, as ratios measured in one run
	@PYTHONPATH=$(COMPILED) $(PYTHON_DEV) -m bench

chaos: setup ## kill, stop and cut everything for MINUTES=8, on real Kafka; writes docs/chaos.md
	@$(PYTHON_DEV) -m tests.chaos --minutes $(or $(MINUTES),8) --report docs/chaos.md

soak: setup ## simulated seeds, one after another, for SECONDS=600
	@$(PYTHON_DEV) -m tests.sim.soak --seconds $(or $(SECONDS),600)

check: setup ## ruff, mypy, shellcheck
	@$(PYTHON_DEV) -m ruff format --check --quiet .
	@$(PYTHON_DEV) -m ruff check --quiet .
	@$(PYTHON_DEV) -m mypy
	@"$$(tools/provision command shellcheck=shellcheck)" tools/* .ci/run

mutants: setup ## which small changes no test notices (MODULES="cap gaps", or SAMPLE=500; ROOM=stream)
	@ROOM=$(ROOM) SAMPLE=$(SAMPLE) tools/mutants $(MODULES)

schemas: setup ## write schemas/ again from the models
	@"$$(tools/provision venv dev)"/bin/reconverge schema schemas

pages: setup ## write the generated parts of docs/ again, the picture of the incident too
	@$(PYTHON_DEV) -m tests.generated
	@$(PYTHON_DEV) -m tests.demo.pages

setup: ## the development environment, linked at ~/.cache/reconverge/venv
	@tools/provision venv dev >/dev/null

lock: setup ## resolve requirements/*.txt again; UPGRADE=--upgrade moves every version
	@PATH="$$(tools/provision venv dev)/bin:$$PATH" tools/lock $(UPGRADE)
