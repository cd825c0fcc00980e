# The commands of the README are these, and .ci/run runs `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
RUN := $(VENV)/.modviz-run
DEV := $(VENV)/.modviz-dev

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint lab fetch networks packaging binder-light table study bench bench-full limits browser-10 kills page shots clean

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: $(RUN) ## train a small network, analyse it, write a linked report
	$(BIN)/python -m modviz demo

serve: $(DEV) ## the same network in the live explorer, as a page on this machine
	$(BIN)/python -m modviz demo --serve

test: lint ## all checks: lint, types, tests, notebooks
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
	MODVIZ_CHECKPOINTS=$(CURDIR)/test-artifacts/checkpoints \
	$(BIN)/python -m pytest --nbmake --nbmake-timeout=600 notebooks

lint: $(DEV) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: $(DEV) ## open the quickstart in JupyterLab
	$(BIN)/jupyter lab notebooks/01_quickstart.ipynb

fetch: $(DEV) ## bring real weights and photos for the tests that look at them (80 MB)
	$(BIN)/python tests/networks/fetch.py

networks: fetch ## the tests of networks, with those that are too many for every run
	$(BIN)/python -m pytest -m "networks or not networks" tests/networks

packaging: $(DEV) ## install wheel, source archive and Binder's variants in clean environments (10 minutes)
	$(BIN)/python -m pytest -rP -m "packaging or not packaging" tests/packaging

binder-light: ## make or renew the branch that Binder opens without PyTorch
	binder/light/branch

table: $(DEV) ## measure all architectures and write README's table
	$(BIN)/python -m tests.networks.table

study: $(DEV) ## train and measure the paper's networks: hours, goes on where it stopped
	$(BIN)/python notebooks/reproduction.py
	$(BIN)/jupyter nbconvert --execute --to html notebooks/02_reproduce_the_paper.ipynb

bench: $(DEV) ## how many times as fast as the plain ways: lesions, partition, pictures (15 minutes)
	$(BIN)/python -m benchmarks

bench-full: $(DEV) ## the same with VGG-16, ResNet-20, ResNet-50, shuffles, adaptive controls
	$(BIN)/python -m benchmarks --full

limits: $(DEV) ## the work no exact method avoids, the machine's rates, and where each stage's time goes
	$(BIN)/python -m benchmarks.limits
	$(BIN)/python -m benchmarks.profiles

browser-10: $(DEV) ## the browser tests ten times in a row
	$(BIN)/python -m tests.browser.stress 10

kills: $(DEV) ## kill an analysis 200 times and go on from its checkpoint (15 minutes)
	$(BIN)/python -m tests.resume.kills 200

page: $(DEV) ## how quick and how light the page is
	$(BIN)/python -m benchmarks.page

shots: $(DEV) ## take pictures of the explorer in every state into docs/pictures
	$(BIN)/python -m pytest -m shots tests/browser/test_shots.py

clean: ## remove what the tools leave; the environment stays (rm -rf .venv removes it)
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis test-artifacts
	find modviz tests notebooks \( -name __pycache__ -o -name .ruff_cache \) -prune -exec rm -rf {} +

# Dependency groups need pip 25.1; a fresh environment may come with an older one.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"

$(RUN): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -e ".[torch]"
	touch $@

$(DEV): $(RUN)
	$(PIP_INSTALL) --group dev
	touch $@
