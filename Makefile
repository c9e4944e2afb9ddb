# Everything runs in .venv, which the first command sets up; PYTHON is any Python 3.11 to 3.13.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DOCS_READY := $(VENV)/.docs-ready

BENCHES := startup scan layers losses colormamba train infer data scaling

# Said before each bench: how long it took alone on two cores (x86-64), on 2026-11-29.
TOOK = @echo "$@: $(1) on two cores, with nothing else running"

.PHONY: help setup check test test-fast test-slow docs bench $(BENCHES:%=bench-%) bench-house bench-seams bench-topologies demo format clean

help:
	@echo "make demo             color rendered scenes with the bundled model"
	@echo "make demo IMAGE=FILE  color your own NIR photograph"
	@echo "make test             formatter, lint, types and the test suite"
	@echo "make test-fast        while working: formatter, lint, architecture, documents, and the fast"
	@echo "                      tests of config, images, losses, nir and system; no types, networks,"
	@echo "                      training or coloring"
	@echo "make test-slow        the tests that take minutes"
	@echo "make docs             build the documentation into site/; broken links fail"
	@echo "make bench            the nine that follow, one after another"
	@echo "make bench-startup    how soon the command answers"
	@echo "make bench-scan       the selective scan beside other ways to write it"
	@echo "make bench-layers     layers as they are here beside the plain way"
	@echo "make bench-losses     what the CDF term costs"
	@echo "make bench-colormamba what a tile costs in ColorMamba's generator"
	@echo "make bench-data       how fast training samples come"
	@echo "make bench-train      what a training step costs"
	@echo "make bench-scaling    what several devices add to it"
	@echo "make bench-infer      what coloring costs beside the network, and its memory"
	@echo "make bench-topologies whether several devices and processes compute the same"
	@echo "make bench-house      rooms, walks through them, docstrings, lengths, first answers"
	@echo "make bench-seams DATA=DIR  what tiles disagree about"
	@echo "make format           put the code into shape"
	@echo "make clean            remove .venv, demo/ and site/"

setup: $(READY)

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(DOCS_READY): $(READY) requirements-docs.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-docs.txt
	@touch $@

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright

test: check
	$(BIN)/pytest -m "not slow" --numprocesses auto --dist loadfile --no-loadscope-reorder

# Rooms whose tests compile little: those of ops, metrics, models, train, run and inference wait
# for `make test`, and so do the examples of docs/parts.md.
FAST := test_architecture.py test_docs.py test_text.py config images losses nir system

test-fast: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pytest -m "not slow" --deselect tests/test_docs.py::test_the_parts_print_what_stands_beside_them \
	    --numprocesses 2 --dist loadfile $(FAST:%=tests/%)

test-slow: setup
	$(BIN)/pytest -m slow

# The variable keeps an advertisement of the theme's authors out of the output.
docs: $(DOCS_READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean

bench: $(BENCHES:%=bench-%)

bench-startup: setup
	$(call TOOK,54 s)
	$(BIN)/python benchmarks/startup.py

bench-scan: setup
	$(call TOOK,159 s)
	DEVICES=1 launch/cpu.sh $(BIN)/python benchmarks/scan.py

bench-layers: setup
	$(call TOOK,25 s)
	DEVICES=1 launch/cpu.sh $(BIN)/python benchmarks/layers.py

bench-losses: setup
	$(call TOOK,103 s)
	DEVICES=1 launch/cpu.sh $(BIN)/python benchmarks/losses.py

bench-colormamba: setup
	$(call TOOK,170 s)
	DEVICES=1 launch/cpu.sh $(BIN)/python benchmarks/colormamba.py $(if $(PUBLISHED),--published "$(PUBLISHED)")

bench-data: setup
	$(call TOOK,80 s)
	$(BIN)/python benchmarks/data.py

bench-train: setup
	$(call TOOK,182 s)
	DEVICES=1 launch/cpu.sh $(BIN)/python benchmarks/train.py

bench-scaling: setup
	$(call TOOK,131 s)
	$(BIN)/python benchmarks/scaling.py

bench-topologies: setup
	$(call TOOK,426 s)
	$(BIN)/python benchmarks/topologies.py

bench-infer: setup
	$(call TOOK,101 s)
	DEVICES=1 launch/cpu.sh $(BIN)/python benchmarks/infer.py
	$(BIN)/python benchmarks/infer.py --memory sliding
	$(BIN)/python benchmarks/infer.py --memory photograph
	$(BIN)/python benchmarks/infer.py --memory mosaic

bench-house: setup
	$(BIN)/python benchmarks/house.py

bench-seams: setup
	$(BIN)/python benchmarks/seams.py --data "$(DATA)"

demo: setup
	$(BIN)/haqagen demo --out demo $(if $(IMAGE),--image "$(IMAGE)")

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) demo site
