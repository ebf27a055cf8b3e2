# The commands of this project; `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OVERLAY := local
JOBS := 2
DEV := $(VENV)/.dev-installed
LOCAL := $(VENV)/.local-installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-emit-index-url --no-header --no-config

.DEFAULT_GOAL := help
.PHONY: help setup run-all run-auth run-chat web rotate-keys import-convos k8s-secrets test test-browser check bench chaos fuzz soak format lock clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(DEV) ## Install everything, for running and for developing, into .venv (PYTHON=python3.12 to choose)

run-all: $(LOCAL) ## Start MongoDB, RabbitMQ, the auth service and two chat instances; Ctrl-C stops everything
	@exec $(BIN)/python -m deploy.local.run_all

run-auth: $(LOCAL) ## Start the auth service alone (MONGO_URL, AMQP_URL and HOST, PORT name what it uses)
	@exec $(BIN)/python -m auth_service

run-chat: $(LOCAL) ## Start one chat instance alone (MONGO_URL, AMQP_URL, AUTH_URL and HOST, PORT name what it uses)
	@exec $(BIN)/python -m chat_service

web: $(LOCAL) ## Build the browser client, where its sources changed
	@$(BIN)/python -m deploy.local.install.web

rotate-keys: $(LOCAL) ## Add a signing key for in five minutes and remove those nobody needs (SIGNING_KEYS=folder)
	@SIGNING_KEYS='$(or $(SIGNING_KEYS),.run/keys)' $(BIN)/python -m auth_service.tokens.rotate_keys

import-convos: $(LOCAL) ## Import employees and conversations of a system that embeds messages in convos: FROM=mongodb://host/database (ARGS=--dry-run)
	@exec $(BIN)/python -m deploy.import_convos --from '$(FROM)' $(ARGS)

k8s-secrets: $(LOCAL) ## Make the signing key and passwords of a cluster, once, in .run/k8s-secrets (OVERLAY=production)
	@$(BIN)/python -m deploy.k8s_secrets $(OVERLAY)

test: $(DEV) ## Run the tests (some of them: make test ARGS="-k resume"; JOBS=0 for one file after another)
	@$(BIN)/python -m deploy.local.install.packages
	@$(BIN)/python -m deploy.local.install.web
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(COVERAGE) $(ARGS)

test-browser: $(DEV) ## Run the tests of the browser client, in Chromium
	@$(BIN)/python -m deploy.local.install.packages
	$(BIN)/python -m pytest tests/browser $(ARGS)

check: $(DEV) ## Run everything that a change has to pass: lint, format, types, architecture, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test COVERAGE="--cov --cov-report=term"

bench: $(DEV) ## Measure everything, in about 9 minutes, into bench.json; or a part: make bench-cpu (throughput open-loop history instances talk calm strangers burst connections put post resume login start)
	@$(BIN)/python -m deploy.local.install.packages
	@exec $(BIN)/python -m tests.bench

bench-%: $(DEV)
	@$(BIN)/python -m deploy.local.install.packages
	@exec $(BIN)/python -m tests.bench $*

chaos: $(DEV) ## Break everything while people talk, and check every promise, in 5 minutes (MINUTES=60 SEED=...)
	@$(BIN)/python -m deploy.local.install.packages
	@MINUTES='$(MINUTES)' SEED='$(SEED)' exec $(BIN)/python -m tests.fault.chaos

soak: $(DEV) ## Let people come, chat and go, and see what that leaves in the services (MINUTES=30 CONNECTIONS=2000)
	@$(BIN)/python -m deploy.local.install.packages
	@MINUTES='$(MINUTES)' CONNECTIONS='$(CONNECTIONS)' SEED='$(SEED)' $(BIN)/python -m tests.fault.soak

fuzz: $(DEV) ## Send the services what nobody should, longer than make test does (EXAMPLES=1000, of each kind)
	@$(BIN)/python -m deploy.local.install.packages
	EXAMPLES=$(or $(EXAMPLES),1000) $(BIN)/python -m pytest tests/fault/fuzz -s $(ARGS)

format: $(DEV) ## Format the code and repair what lint can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(DEV) ## Write requirements/*.txt from pyproject.toml (newer versions: make lock ARGS=--upgrade)
	$(COMPILE) $(ARGS) --extra auth --group local --group dev --output-file requirements/dev.txt
	$(COMPILE) --constraint requirements/dev.txt --extra auth --group local --output-file requirements/local.txt
	$(COMPILE) --constraint requirements/dev.txt --extra auth --output-file requirements/auth.txt
	$(COMPILE) --constraint requirements/dev.txt --output-file requirements/chat.txt
	$(filter-out pyproject.toml,$(COMPILE)) $(ARGS) --group node --output-file requirements/node.txt

clean: ## Remove .run (the data of run-all, the Secrets of k8s-secrets!) and caches; .venv stays
	@if [ -e .run/lock ] && command -v flock >/dev/null && ! flock --nonblock .run/lock true; then \
		echo "make run-all is running here: stop it first."; exit 1; fi
	rm -rf .run .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The stamps: a second run installs nothing, a changed lock file installs again.
# dev.txt contains local.txt, so installing it settles both.
$(DEV): requirements/dev.txt | $(BIN)/python
	@echo "Installing requirements/dev.txt into $(VENV) (a minute or two the first time)"
	@$(PIP) install --quiet --require-hashes --requirement requirements/dev.txt
	@touch $(DEV) $(LOCAL)

$(LOCAL): requirements/local.txt | $(BIN)/python
	@echo "Installing requirements/local.txt into $(VENV) (a minute the first time)"
	@$(PIP) install --quiet --require-hashes --requirement requirements/local.txt
	@touch $(LOCAL)

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name one: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) lacks its venv module. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
