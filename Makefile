# What one does with this checkout; `make` lists it. Environments and downloads are kept
# under ~/.cache/reconverge, see tools/provision.
.DEFAULT_GOAL := help
.PHONY: help setup lock

DEV = $$(tools/provision venv dev)/bin

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## make the development environment, linked at ~/.cache/reconverge/venv
	@tools/provision venv dev

lock: ## resolve requirements/*.txt again (UPGRADE=--upgrade moves every version)
	@PATH="$(DEV):$$PATH" tools/lock $(UPGRADE)
