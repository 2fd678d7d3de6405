.DEFAULT_GOAL := help
SHELL := /bin/bash
PRODUCT := databricks-uploader
VENV := $(PRODUCT)/.venv
BIN := $(CURDIR)/$(VENV)/bin
UV := $(or $(shell command -v uv),$(CURDIR)/.tools/bin/uv)
LOCK := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 --upgrade
SIDE_BY_SIDE := --numprocesses logical --maxprocesses 4 --dist worksteal
export UV_PYTHON_DOWNLOADS := never
export VIRTUAL_ENV := $(CURDIR)/$(VENV)

help: ## list the targets
	@awk -F ' *## *' '/^[a-z-]+:.*##/ { sub(/:.*/, "", $$1); printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.setup ## prepare databricks-uploader/.venv

setup-databricks: $(VENV)/.databricks ## the same, to load into a Databricks workspace

demo: setup ## this machine as the sensor: record, upload beside it, read back
	@$(BIN)/python $(PRODUCT)/demo/demo.py

test: $(VENV)/.dev ## the tests, ten minutes at most
	cd $(PRODUCT) && $(BIN)/pytest $(SIDE_BY_SIDE) -m "not long"

test-databricks: $(VENV)/.dev ## both ways and the examples in a real workspace, where DATABRICKS_* name one; writes databricks-report.md
	cd $(PRODUCT) && $(BIN)/python -m tests.real_workspace $(CURDIR)/databricks-report.md

test-long: $(VENV)/.dev ## the tests that take longer
	cd $(PRODUCT) && $(BIN)/pytest $(SIDE_BY_SIDE) -m long

warehouse: $(VENV)/.dev ## a Databricks that runs here, until Ctrl-C; prints the settings to use it
	@cd $(PRODUCT) && $(BIN)/python -m tests.support.warehouse $(CURDIR)/warehouse-data

lint: $(VENV)/.dev ## style of the code
	cd $(PRODUCT) && $(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev ## strict types
	cd $(PRODUCT) && $(BIN)/mypy

layers: $(VENV)/.dev ## the map of the package
	cd $(PRODUCT) && $(BIN)/lint-imports --no-cache

docs: $(VENV)/.dev ## write the generated parts of the documents
	cd $(PRODUCT) && $(BIN)/python -m tests.support.documents

bench: $(VENV)/.dev ## two million rows against the C scan of the same file
	$(BIN)/python $(PRODUCT)/benchmarks/raw.py

bench-writers: $(VENV)/.dev ## writers at full speed, with and without us beside them
	cd $(PRODUCT) && $(BIN)/python -m benchmarks.writers

bench-steps: $(VENV)/.dev ## two million rows through a filter and a sanitize step
	cd $(PRODUCT) && $(BIN)/python -m benchmarks.steps

bench-aggregates: $(VENV)/.dev ## one million rows into hourly groups, against the same rows raw; and a late row
	cd $(PRODUCT) && $(BIN)/python -m benchmarks.aggregates

bench-databricks: $(VENV)/.dev ## one million rows by volume and by MERGE into the local warehouse, and into local Delta
	cd $(PRODUCT) && $(BIN)/python -m benchmarks.databricks

clean: ## remove what the other targets made
	rm -rf $(VENV) .tools demo-data warehouse-data $(PRODUCT)/.bench
	find $(PRODUCT) -name __pycache__ -o -name .mypy_cache -o -name .ruff_cache -o -name .hypothesis | xargs rm -rf

lock: $(UV)
	cd $(PRODUCT) && $(LOCK) pyproject.toml --extra delta --extra steps --extra demo --group build -o requirements/setup.txt
	cd $(PRODUCT) && $(LOCK) pyproject.toml --extra delta --extra steps --extra demo --extra databricks --group dev -o requirements/dev.txt
	cd $(PRODUCT) && $(LOCK) pyproject.toml --extra databricks -o requirements/databricks.txt
	cd $(PRODUCT) && echo uv | $(LOCK) - -o requirements/uv.txt

$(CURDIR)/.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $(PRODUCT)/requirements/uv.txt

$(VENV)/.setup: $(PRODUCT)/requirements/setup.txt $(PRODUCT)/pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python ">=3.11" $(VENV)
	$(UV) pip install --quiet --require-hashes -r $(PRODUCT)/requirements/setup.txt
	$(UV) pip install --quiet --no-deps --no-build-isolation -e $(PRODUCT)
	@touch $@

$(VENV)/.databricks: $(VENV)/.setup $(PRODUCT)/requirements/databricks.txt
	$(UV) pip install --quiet --require-hashes -r $(PRODUCT)/requirements/databricks.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.setup $(PRODUCT)/requirements/dev.txt
	$(UV) pip install --quiet --require-hashes -r $(PRODUCT)/requirements/dev.txt
	@touch $@

.PHONY: help setup setup-databricks demo test test-databricks test-long warehouse lint types layers docs bench bench-writers
.PHONY: bench-steps bench-databricks clean lock
