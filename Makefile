# The one way in. `make help` lists the targets. Every target that needs Python sets up .venv itself,
# from the hash-pinned lock files, and does nothing when hashes say that it is up to date.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
# The steps share one virtual environment, so -j must not run two of them at once.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help install run test lint bench provision clean lock setup-runtime setup-tools setup-clients setup-readers

VENV := .venv
BIN := $(VENV)/bin
# Other people's clients of the exchange, in an environment of their own beside the tests that run them.
CLIENTS := $(VENV)/clients
CLIENTS_LOCK := tests/venue/clients/requirements.lock
# Other people's readers of what we export, likewise.
READERS := $(VENV)/readers
READERS_LOCK := tests/recorder/readers/requirements.lock
PYTHON ?=
INSTANCE ?= btc
HOST ?=
ARGS ?=

# Every dependency comes as a wheel whose hash is in a lock. sdnotify alone is published as source; it
# is built by the pinned setuptools and not by one that pip would fetch unpinned for the occasion.
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-input \
	--no-build-isolation --use-pep517
PIP_HASHED := $(PIP_INSTALL) --require-hashes --only-binary :all: --no-binary sdnotify

PROGRESS := -e 's/^Collecting \([^ ]*\).*/      \1/p' -e 's/^Installing collected.*/      unpacking .../p'
# $(call pip,COMMAND): one line for each package; the whole output when it fails.
define pip
$(1) 2>&1 | tee $(VENV)/install.log | sed -un $(PROGRESS) || {
	tail -n 30 $(VENV)/install.log >&2
	printf '%s\n' 'make: the installation failed; its end is above, the whole is in $(VENV)/install.log' >&2
	exit 1
}
endef

# $(call stamp,FILES): what an installation was made from, and where (a moved .venv does not work).
stamp = $$({ cat $(1); printf '%s' '$(CURDIR)'; } | sha256sum | cut -d' ' -f1)

help: ## list the targets
	sed -nE 's/^([a-z]+):[^#]*## (.*)/make \1|\2/p' Makefile \
		| while IFS='|' read -r name text; do printf '  %-16s %s\n' "$$name" "$$text"; done

install: setup-tools ## set up .venv: runtime, test tools, lint tools, ansible
	echo '$(VENV) is ready: $(BIN)/aegis --help'

setup-runtime:
	stamp="$(call stamp,requirements-build.lock requirements.lock pyproject.toml)"
	if [ -x $(BIN)/aegis ] && [ "$$stamp" = "$$(cat $(VENV)/runtime.stamp 2>/dev/null)" ] \
		&& $(BIN)/python -c ''; then exit 0; fi
	if [[ "$$($(BIN)/python -m pip --version 2>/dev/null)" == *"from $(CURDIR)/$(VENV)/"* ]]; then
		echo '[1/4] keeping $(VENV)'
	else
		python=
		for candidate in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3; do
			if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
				python="$$candidate"; break
			fi
		done
		if [ -z "$$python" ]; then
			echo 'make: no Python 3.11 or later found. On Debian or Ubuntu: apt-get install python3 python3-venv' >&2
			echo 'make: or name one: make PYTHON=/path/to/python3.11 ...' >&2
			exit 1
		fi
		if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then
			package="$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
			if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
				echo "[1/4] installing $$package (this Python has no ensurepip) ..."
				log="$$(mktemp)"
				{ apt-get update && DEBIAN_FRONTEND=noninteractive \
					apt-get install -y --no-install-recommends "$$package"; } >"$$log" 2>&1 \
					|| { tail -n 20 "$$log" >&2; exit 1; }
				rm -f "$$log"
			else
				echo "make: $$python cannot create virtual environments. As root: apt-get install $$package" >&2
				exit 1
			fi
		fi
		echo "[1/4] creating $(VENV) with $$("$$python" --version) ..."
		rm -rf $(VENV)
		"$$python" -m venv $(VENV)
	fi
	rm -f $(VENV)/runtime.stamp
	echo "[2/4] installing $$(grep '==' requirements.lock | grep -vc win32) packages, hashes checked ..."
	$(call pip,$(PIP_HASHED) -r requirements-build.lock)
	$(call pip,$(PIP_HASHED) -r requirements.lock)
	echo '[3/4] installing aegis itself ...'
	$(call pip,$(PIP_INSTALL) --no-deps --editable .)
	echo '[4/4] compiling kernels, once (two to three minutes) ...'
	$(BIN)/aegis warm | sed 's/^/      /'
	echo "$$stamp" >$(VENV)/runtime.stamp

setup-tools: setup-runtime
	stamp="$(call stamp,requirements-dev.lock $(VENV)/runtime.stamp)"
	[ "$$stamp" != "$$(cat $(VENV)/tools.stamp 2>/dev/null)" ] || exit 0
	echo '[1/1] installing the tools for tests and lint, hashes checked ...'
	$(call pip,$(PIP_HASHED) -r requirements-dev.lock)
	echo "$$stamp" >$(VENV)/tools.stamp

setup-clients: setup-runtime
	stamp="$(call stamp,$(CLIENTS_LOCK) $(VENV)/runtime.stamp)"
	[ "$$stamp" != "$$(cat $(CLIENTS)/stamp 2>/dev/null)" ] || exit 0
	echo "[1/1] installing $$(grep '==' $(CLIENTS_LOCK) | grep -vc win32) packages of the real clients that test the venue, hashes checked ..."
	rm -rf $(CLIENTS)
	$(BIN)/python -m venv --without-pip $(CLIENTS)
	$(call pip,$(BIN)/python -m pip --python $(CLIENTS)/bin/python install --disable-pip-version-check \
		--no-input --require-hashes --only-binary :all: -r $(CLIENTS_LOCK))
	echo "$$stamp" >$(CLIENTS)/stamp

setup-readers: setup-runtime
	stamp="$(call stamp,$(READERS_LOCK) $(VENV)/runtime.stamp)"
	[ "$$stamp" != "$$(cat $(READERS)/stamp 2>/dev/null)" ] || exit 0
	echo "[1/1] installing $$(grep '==' $(READERS_LOCK) | grep -vc win32) packages of the real readers that test the exports, hashes checked ..."
	rm -rf $(READERS)
	$(BIN)/python -m venv --without-pip $(READERS)
	$(call pip,$(BIN)/python -m pip --python $(READERS)/bin/python install --disable-pip-version-check \
		--no-input --no-deps --require-hashes --only-binary :all: -r $(READERS_LOCK))
	echo "$$stamp" >$(READERS)/stamp

# exec, so that no shell stands between the terminal and the supervisor. The variable asks the supervisor
# to become the terminal's foreground group: Ctrl-C then reaches it alone, and make sees its exit code
# instead of dying of SIGINT itself.
run: setup-runtime ## trade: aegis run $(INSTANCE), until Ctrl-C
	exec env AEGIS_TAKE_TERMINAL=1 $(BIN)/aegis run $(INSTANCE) $(ARGS)

test: setup-tools setup-clients setup-readers ## run the tests; ARGS='-k name' passes on to pytest
	# Rules first, on two cores; then real processes, two at a time. 5: nothing was chosen.
	together=0 alone=0
	$(BIN)/python -m pytest -n 2 --dist loadfile --share together $(ARGS) || together=$$?
	$(BIN)/python -m pytest -n 2 --dist loadgroup --share alone $(ARGS) || alone=$$?
	case "$$together $$alone" in '0 0'|'0 5'|'5 0') ;; *) exit 1 ;; esac

lint: setup-tools ## ruff, mypy --strict, the style test, the unit file, ansible-lint
	echo 'lint: ruff check'
	$(BIN)/ruff check --quiet .
	echo 'lint: ruff format'
	$(BIN)/ruff format --quiet --check . || { $(BIN)/ruff format --check . | tail -n 20; exit 1; }
	echo 'lint: mypy --strict'
	$(BIN)/mypy --strict --no-error-summary --package aegis
	echo 'lint: style test and unit file'
	$(BIN)/python -m pytest -q tests/style tests/deploy/test_unit.py
	echo 'lint: ansible-lint'
	PATH="$(CURDIR)/$(BIN):$$PATH" ANSIBLE_HOME='$(CURDIR)/$(VENV)/ansible' \
		ansible-lint --offline --profile production -q ansible

bench: setup-runtime ## measure this box: ring, hop, path
	for name in ring hop path; do $(BIN)/aegis bench $$name $(ARGS); done

provision: setup-tools ## make HOST a trading box: make provision HOST=root@203.0.113.7 [ARGS=--check]
	if [ -z '$(HOST)' ]; then
		echo 'make: whom? make provision HOST=root@203.0.113.7' >&2
		exit 2
	fi
	echo '[1/2] building the wheel ...'
	rm -rf build dist
	# A fixed date, so that the same sources give the same wheel, and no new release on the box.
	SOURCE_DATE_EPOCH=315532800 $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w dist .
	echo '[2/2] running the playbook against $(HOST) ...'
	PATH="$(CURDIR)/$(BIN):$$PATH" ANSIBLE_HOME='$(CURDIR)/$(VENV)/ansible' \
		ANSIBLE_CONFIG='$(CURDIR)/ansible/ansible.cfg' \
		ansible-playbook -i '$(HOST),' $(if $(filter root@%,$(HOST)),,--become) $(ARGS) ansible/site.yml

lock: ## renew the lock files (needs uv); ARGS=--upgrade takes newer versions
	uv="$$(command -v $(BIN)/uv uv | head -n 1)" || { echo 'make: lock needs uv (pip install uv)' >&2; exit 1; }
	compile() {
		UV_CUSTOM_COMPILE_COMMAND='make lock' "$$uv" pip compile --quiet --universal --python-version 3.11 \
			--fork-strategy fewest --generate-hashes --no-annotate --no-config $(ARGS) "$$@"
	}
	compile pyproject.toml -o requirements.lock
	compile --constraint requirements.lock --extra dev pyproject.toml -o requirements-dev.lock
	echo setuptools | compile --constraint requirements-dev.lock - -o requirements-build.lock
	compile $(CLIENTS_LOCK:.lock=.in) -o $(CLIENTS_LOCK)
	compile --no-deps $(READERS_LOCK:.lock=.in) -o $(READERS_LOCK)

clean: ## remove everything that make created, .venv included
	rm -rf $(VENV) build dist *.egg-info .ansible .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find aegis tests -name __pycache__ -type d -prune -exec rm -rf {} +
