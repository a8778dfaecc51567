# Everything happens in .venv; the first target that is called sets it up.
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: demo test test-slow test-all lint format docs dist clean

demo: $(READY)  ## train, evaluate and export a detector on built-in images: runs/demo/, then runs/demo-2/, ...
	$(VENV)/bin/keras-centernet demo

# A file's tests stay in one process, so that what they share is made once.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: $(READY)  ## all tests but the slow ones; OPTIONS are pytest's
	$(PYTHON) -m pytest $(PARALLEL) $(OPTIONS)

test-slow: $(READY)  ## the tests that take more than two seconds
	$(PYTHON) -m pytest -m "slow and not exhaustive" $(PARALLEL)

test-all: $(READY)  ## every test there is
	$(PYTHON) -m pytest -m "" $(PARALLEL)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

docs: $(READY)  ## the site of docs/ into site/; warnings are errors
	$(PYTHON) -m pip install -qq --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --quiet

dist: $(READY)  ## the packages into dist/, checked as an index would
	$(PYTHON) -m pip install -qq --editable ".[dist]"
	rm -rf dist build
	$(PYTHON) -m build --outdir dist > /dev/null
	$(PYTHON) -m twine check --strict dist/*
	$(PYTHON) -m zipfile -l dist/*.whl | grep -q keras_centernet/recipes/coco_dla34_1x.toml

clean:
	rm -rf $(VENV) build dist site *.egg-info

# Errors only (-qq): setuptools warns about every editable installation.
$(READY): pyproject.toml setup.cfg
	python3 -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is %d.%d." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --upgrade pip
	$(PYTHON) -m pip install -qq --editable ".[dev]"
	touch $(READY)
