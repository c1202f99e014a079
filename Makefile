# `make demo` and `make test` are all that a new user needs; each sets up .venv by itself.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# Byte code is kept of the modules that are used, a sixth of those installed; where the environment forbids it, every
# process would compile them anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test check lint docs clean .venv
.DEFAULT_GOAL := demo

demo: $(READY)  ## The whole chain on a simulated photo site: no key, no network, no GPU
	$(BIN)/rawlabel demo

# Tests run side by side; trainings in several processes that each take all cores slow each other many times.
test check: export OMP_NUM_THREADS := 1
# What large arrays lay in is kept for the next one, where glibc would ask the system anew each time: a sixth less work.
test check: export MALLOC_MMAP_THRESHOLD_ := 268435456
test check: export MALLOC_TRIM_THRESHOLD_ := 1073741824

test: lint  ## All tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: lint  ## Lint, format, types, import layers, unit tests
	$(BIN)/python -m pytest -m "not integration" -n 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers 2
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/readme.py --check
	$(BIN)/python tools/data_model.py --check
	$(BIN)/python tools/reference.py --check
	$(BIN)/python tools/house.py

docs: export NO_MKDOCS_2_WARNING := 1

docs: $(READY)  ## The documentation as a site, in site/
	$(BIN)/mkdocs build --strict --quiet

.venv: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info < (3, 14)))' || \
		{ echo "make: rawlabel needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@echo "setting up .venv (a few minutes the first time: torch is large)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

clean:  ## Remove what make made
	rm -rf .venv demo site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
