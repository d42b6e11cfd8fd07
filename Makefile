# The commands of the project. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Prefect's usage statistics would wait for a network that compute sites do not have.
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

# Tests start Python some hundred times: what it has compiled is kept, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install demo serve test test-fast faults test-slurm test-browser test-stac-browser test-wheel check \
  check-types check-code check-packages docs release-check bench bench-slurm image test-image lock page-reader clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## create .venv from requirements.lock (PYTHON=... names the Python)

$(INSTALLED): requirements.lock pyproject.toml tools/find-python tools/make-environment
	@python=$$(tools/find-python) && tools/make-environment $(VENV) "$$python"
	@touch $@

demo: install ## ingest a small simulated campaign, from HTTP to a catalog
	$(BIN)/python -m flows.demo

serve: install ## run the service: Prefect server, worker, deployments; Ctrl-C ends it (SERVE_ARGS=...)
	$(BIN)/python -m deployments.serve $(SERVE_ARGS)

# More than the cores: many tests wait for what they started. Files stay together, since their tests
# share servers, and begin in the order of tests/conftest.py.
TEST_WORKERS ?= 3
DISTRIBUTED = --numprocesses $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

test: install ## run all tests
	$(BIN)/python -m pytest $(DISTRIBUTED) $(PYTEST_ARGS)

# These tests do not wait: one worker for each core.
test-fast: TEST_WORKERS = auto
test-fast: install ## run the tests that are fast and need no server, browser or Slurm (about a minute)
	$(BIN)/python -m pytest $(DISTRIBUTED) tests/deployments tests/flows tests/project tests/shift_stac tests/tasks \
	  -m "not (server or prefect or browser or slurm or image or slow or heavy)" $(PYTEST_ARGS)

faults: install ## try each fault many times, and write the table docs/explanation/faults.md (FAULT_TRIES=20, long)
	SHIFT_TEST_TRIES=$(or $(FAULT_TRIES),20) $(BIN)/python -m pytest tests/faults --timeout 0 \
	  -m "slow or not slow" $(PYTEST_ARGS)

test-slurm: install ## run all tests on a real Slurm of two nodes, which they start (make test runs most)
	$(BIN)/python -m pytest -m "slow or not slow" tests/slurm tests/integration/test_ingest_on_slurm.py \
	  $(PYTEST_ARGS)

test-browser: install ## run the tests in a real browser (make test runs them, too)
	$(BIN)/python -m pytest tests/browser $(PYTEST_ARGS)

STAC_BROWSER ?= build/stac-browser
# The release, with the version of one of its parts that it was released with: the present one of
# ol-stac asks for an OpenLayers that the release does not have.
$(STAC_BROWSER)/dist/index.html:
	mkdir -p $(STAC_BROWSER)
	cd $(STAC_BROWSER) && npm pack --silent @radiantearth/stac-browser@4.0.1 \
	  && tar xzf radiantearth-stac-browser-4.0.1.tgz --strip-components=1 \
	  && npm install --no-audit --no-fund --save-exact ol-stac@1.1.0 \
	  && SB_historyMode=hash npm run build:minimal

test-stac-browser: install $(STAC_BROWSER)/dist/index.html ## try Radiant Earth's STAC Browser on the archive (npm, minutes)
	SHIFT_STAC_BROWSER=$(STAC_BROWSER)/dist $(BIN)/python -m pytest tests/browser/test_stac_browser.py

test-wheel: install ## open STORE with the wheel alone, in an empty environment (network, minutes)
	tools/try-wheel $(STORE)

image: install ## build the container image, by buildah on a debootstrapped Debian (root, network, minutes)
	PYTHON=$(BIN)/python docker/build-image

# A network of its own, where the services' ports are free, and from which nothing else is reached.
# Processes of its own: whatever ends the tests ends all that they started.
test-image: image ## run the image and docker/compose.yaml, and test them (root, minutes)
	SHIFT_IMAGES=build/images unshare --net --pid --mount-proc --fork --kill-child -- \
	  sh -c 'ip link set lo up && exec "$$@"' sh $(BIN)/python -m pytest tests/docker $(PYTEST_ARGS)

check: install ## check format, lint, types, imports, dead code, spelling, style, known weaknesses of packages
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target check-types check-code check-packages

check-types:
	$(BIN)/mypy

check-code:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/vulture
	$(BIN)/codespell
	$(BIN)/python tools/check-style

check-packages:
	$(BIN)/python tools/audit requirements.lock

docs: install ## build the documentation as a site in build/docs (no network; warnings are errors)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Open build/docs/index.html. Its search needs a server: python -m http.server --directory build/docs"

release-check: install ## try wheel and sdist with locked, lowest and newest dependencies (network, minutes)
	tools/check-release

bench: install ## run the benchmarks, about an hour; results in benchmarks/results
	$(BIN)/python benchmarks/conversion.py
	$(BIN)/python benchmarks/reading.py
	$(BIN)/python benchmarks/latency.py
	$(BIN)/python benchmarks/codecs.py
	$(BIN)/python benchmarks/maps.py --scan-lines 5110
	$(BIN)/python benchmarks/catalog.py
	$(BIN)/python benchmarks/campaign.py
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/ingest.py

bench-slurm: install ## measure what a Slurm job adds to the time of a line, and a cube on two nodes
	$(BIN)/python benchmarks/slurm.py
	$(BIN)/python benchmarks/season_cube.py

# docker/ has the part of it that an image needs: the service without what tests need, and what builds the wheel.
lock: install ## resolve the dependencies again, for all supported Pythons
	$(BIN)/uv pip compile --universal --python-version 3.12 --all-extras --generate-hashes \
	  --no-header --quiet \
	  --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.12 --constraint requirements.lock \
	  --generate-hashes --no-annotate --no-header --quiet \
	  --extra service --output-file docker/requirements.lock pyproject.toml
	echo hatchling | $(BIN)/uv pip compile --universal --python-version 3.12 \
	  --constraint requirements.lock --generate-hashes --no-annotate --no-header \
	  --quiet --output-file docker/build.lock -

page-reader: ## bundle the JavaScript again that reads stores in the archive's page (npm)
	cd tools/page-reader && npm ci --ignore-scripts --no-audit --no-fund && npm run build

clean: ## remove the environment and the folder demo
	rm -rf $(VENV) demo
