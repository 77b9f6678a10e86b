# The README's two commands are `make demo` and `make test`; both install what is missing first.
PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
# Half a laptop's memory is enough, and keeps the other half for its owner.
MEMORY_MB ?= 8000
# The CPU build of torch is a tenth of the CUDA build; GPU=1 takes the ordinary build.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES) --resources mem_mb=$(MEMORY_MB)

.PHONY: demo transfer-demo test test-long test-slurm lint format docs lock

demo: .venv/installed
	@$(SNAKEMAKE) --show-failed-logs
	@echo "The report: $(CURDIR)/results/report/index.html"

# Every figure of the report's transfer chapter, on simulated patients; beside the demo's results, not over them.
transfer-demo: .venv/installed
	@$(SNAKEMAKE) --show-failed-logs --configfile config/transfer.yaml --directory transfer-demo
	@echo "The report: $(CURDIR)/transfer-demo/results/report/index.html"

# Two files of tests at a time; the first is the whole workflow, which others wait for (tests/conftest.py).
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder
TESTS ?= not long

test: .venv/installed lint
	$(PYTEST) -m "$(TESTS)"

test-long: .venv/installed
	$(PYTEST) -m long

# The whole tiny configuration on a real Slurm, and a job that runs out of time.
test-slurm: .venv/installed
	$(BIN)/python -m pytest -m long tests/workflow/test_slurm.py

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	PYTHONPATH=scripts $(BIN)/lint-imports --no-cache
	$(BIN)/basedpyright

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

# The site, into site/; a dead link fails. Its tools have an environment of their own.
docs: .venv-docs/installed
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

.venv-docs/installed: envs/docs-requirements.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --requirement envs/docs-requirements.txt
	@touch $@

.venv/installed: envs/requirements.lock
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'neurograft needs Python 3.11 or newer: make PYTHON=python3.11 ...')"
	$(PYTHON) -m venv .venv
	GPU=$(GPU) TORCH_INDEX=$(TORCH_INDEX) sh envs/install.sh $(BIN)/python
	@touch $@

# Resolve envs/requirements.in afresh, in an environment of its own, into the pinned lock.
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --requirement envs/requirements.in
	( echo "# made by: make lock"; .venv-lock/bin/python -m pip freeze --exclude pip --exclude setuptools | sed 's/+cpu$$//' ) > envs/requirements.lock
	rm -r .venv-lock
