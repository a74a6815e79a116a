# `make demo` and `make test` need nothing but Python 3.11 or newer: each makes its own environment.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; assert sys.version_info >= (3, 11)' 2>/dev/null && echo $$python && break; done)
LOCK := deploy/requirements.lock
MANIFESTS := pyproject.toml agents-sdk/python/pyproject.toml agents-sdk/host/pyproject.toml \
	rules/pyproject.toml $(LOCK)
OURS := -e agents-sdk/python -e rules -e agents-sdk/host
DEMO := .venv/demo
DEV := .venv/dev
# Tests at a time: they mostly wait, for expiries and for servers to start.
SIDE_BY_SIDE := 4

.DEFAULT_GOAL := help
.PHONY: help demo unit servers go test integrations deploy-test reliability bench lint lock clean

help:  ## Show this
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(DEMO)/.ready  ## Watch a real profiler go 19 → 100 → 19 Hz because an alert fires
	@$(DEMO)/bin/upshift demo

unit: $(DEV)/.ready  ## The pure tests: no process, no server, under half a minute
	$(DEV)/bin/python -m pytest --pure -n 2 --dist loadgroup --no-loadscope-reorder

servers:  ## Install the servers that tests need (as root on Debian or Ubuntu), or say which are missing
	@sh tests/install-servers.sh

go: $(DEV)/.ready
	@$(DEV)/bin/python tests/sdks/golang.py || $(DEV)/bin/pip install -q -c $(LOCK) --group go

test: $(DEV)/.ready lint servers go  ## Everything that is claimed, proved on real servers
	$(DEV)/bin/python -m pytest -n $(SIDE_BY_SIDE) --dist loadgroup --no-loadscope-reorder

integrations: $(DEV)/.ready go  ## The host agent's drivers on real bpftrace and JVMs; as root, on a quiet machine
	@sh tests/install-servers.sh bpftrace:bpftrace javac:openjdk-17-jdk-headless \
		musl-gcc:musl-tools curl:curl containerd:containerd mvn:maven
	@sh tests/parts/build.sh async-profiler parca otelcol opampsupervisor otelcol-opamp
	UPSHIFT_INTEGRATIONS=1 $(DEV)/bin/python -m pytest -n 0 tests/integrations tests/sdks

deploy-test: $(DEV)/.ready  ## Try what deploy/ has, as really as this machine allows; print a table. PART="images compose"
	@sh tests/install-servers.sh buildah:buildah debootstrap:debootstrap runc:runc \
		systemd-analyze:systemd bpftrace:bpftrace curl:curl redis-cli:redis-tools openssl:openssl \
		javac:openjdk-17-jdk-headless mvn:maven
	@$(DEV)/bin/pip install -q -c $(LOCK) --group deploy
	@sh tests/parts/build.sh alertmanager helm kube-apiserver otelcol opampsupervisor otelcol-opamp parca
	@cd tests && ../$(DEV)/bin/python -m deploy $(PART)

reliability: $(DEV)/.ready servers go  ## Inject every fault, on real processes; print what was promised and what was seen
	@cd tests && ../$(DEV)/bin/python -m reliability $(ROW)

bench: $(DEV)/.ready  ## Upshift beside the floor of its parts; ROW="due status" BASE=REV RUNS=N SPREAD=FILE JSON=FILE PLOT=FILE COST=FILE
	@PYTHONPATH=tests $(DEV)/bin/python -m bench $(ROW) $(if $(BASE),--base $(BASE)) \
		$(if $(RUNS),--runs $(RUNS)) $(if $(SPREAD),--spread $(SPREAD)) \
		--plot $(or $(PLOT),build/bench.png) $(if $(JSON),--json $(JSON)) $(if $(COST),--cost $(COST))

lint: $(DEV)/.ready  ## Style, types, import direction
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy
	PYTHONPATH=tests $(DEV)/bin/lint-imports --no-logo

lock: $(DEV)/.ready  ## Pin every dependency anew, for every Python and platform
	$(DEV)/bin/pip install -q uv
	$(DEV)/bin/uv pip compile pyproject.toml --extra demo --group dev --group deploy --group go --universal \
		--python-version 3.11 --no-emit-package upshift-agent --no-emit-package upshift-rules --no-annotate --no-header -q -U -o $(LOCK)

clean:  ## Remove the environments
	rm -rf .venv

$(DEMO)/.ready: $(MANIFESTS)
	@$(call environment,$(DEMO))
	@$(DEMO)/bin/pip install -q -c $(LOCK) $(OURS) -e '.[demo]'
	@touch $@

$(DEV)/.ready: $(MANIFESTS)
	@$(call environment,$(DEV))
	@$(DEV)/bin/pip install -q -c $(LOCK) $(OURS) -e '.[demo]' --group dev
	@touch $@

# pip learned --group in 25.1; the one that comes with Python may be older.
define environment
	[ -n "$(PYTHON)" ] || { echo "Upshift needs Python 3.11 or newer: make PYTHON=/path/to/python" >&2; exit 1; }; \
	echo "Making $(1) with $$($(PYTHON) --version) ..." && \
	$(PYTHON) -m venv $(1) && $(1)/bin/python -m pip install -q --disable-pip-version-check 'pip>=25.1'
endef
