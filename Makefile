# `make demo` and `make test` first make a private environment in .venv, if there is none.

PYTHON ?= python3
VENV ?= .venv
TEMPLATE := <<cookiecutter.project_slug>>
READY := $(VENV)/.ready

PACKAGES := nginx-light fcgiwrap chromium

PYTEST := $(VENV)/bin/python -m pytest
# Byte-compiled, whatever the environment says: each command of the tests imports these packages.
INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --compile

.PHONY: demo test check test-pythons soak sweep fuzz bench packages docs constraints portable

# Bakes the Iris project, runs it, and compares three models. Makes demo/ anew each time.
demo: $(READY)
	@rm -rf demo && mkdir demo
	@export PATH="$(abspath $(VENV))/bin:$$PATH" && set -x && \
	cookiecutter . --no-input --default-config --output-dir demo && \
	cd demo/iris-classifier && \
	dvc repro && \
	git add . && \
	git commit -m "Random forest" && \
	dvc exp run --name logistic --set-param train.model=logistic_regression && \
	dvc exp run --name svc --set-param train.model=svc && \
	dvc exp show --no-pager --hide-workspace --only-changed --drop 'Created|balanced|average|precision|recall|log_loss|brier|roc|training|cv|.*/'

test: $(READY) packages
	$(PYTEST) --numprocesses 2

# What a change needs while one edits: style, types, the reader of tables, and the project's own tests.
check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(PYTEST) --numprocesses 2 -k "not combinations" tests/test_reader.py tests/test_scripts.py \
		tests/test_bake.py

# Installs the demo's project with each Python that is claimed, tests it, and compares what it makes.
# pyenv's commands work for those versions only that this variable names.
test-pythons: export PYENV_VERSION ?= $(shell pyenv versions --bare 2>/dev/null | paste -sd:)
test-pythons: $(READY)
	$(PYTEST) -m pythons tests/test_setup.py

# What takes too long for every change: crashes at random moments, combinations of answers. Tests
# with these markers run here alone.
soak sweep: $(READY) packages
	$(PYTEST) -m $@ --durations=0

# Searches for inputs that end in an error which is not ours: make fuzz SECONDS=3600
SECONDS ?= 600
fuzz: $(READY)
	$(VENV)/bin/python tests/fuzz.py $(SECONDS)

# Compares with what people write by hand, and with skrub; takes an hour, and belongs on an idle machine.
bench: $(READY)
	$(INSTALL) --requirement benchmarks/requirements.txt
	export PATH="$(abspath $(VENV))/bin:$$PATH" && set -x && \
	python benchmarks/reader.py 1000000 5 && \
	python benchmarks/reader.py 10000000 1 && \
	python benchmarks/models.py hist_gradient_boosting random_forest linear best skrub repro few && \
	python benchmarks/pipeline.py

# The tests that share or look at pages need these. Without them, those tests are skipped.
packages:
	@PATH="$$PATH:/usr/sbin"; \
	{ command -v nginx && command -v fcgiwrap && command -v chromium; } >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $(PACKAGES); \
	else false; fi || \
	echo "To run all tests: apt-get install --no-install-recommends $(PACKAGES)"

# Makes the pictures of README.md anew: screenshots of the demo's plots and report.
docs: $(READY) packages
	mkdir -p docs
	DOCS=docs $(PYTEST) tests/test_pages.py -k "classifiers or report_and_its"

$(READY): tests/requirements.txt tests/tables.txt $(TEMPLATE)/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed, for example: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --requirement tests/requirements.txt
	$(INSTALL) --no-deps --requirement tests/tables.txt
	touch $@

# Writes the template in a form whose names Windows allows.
portable: $(READY)
	$(VENV)/bin/python portable.py portable

# Pins the newest versions that suit every platform, Python 3.11 and later, and every remote.
constraints: $(READY)
	cd '$(TEMPLATE)' && \
	{ grep '^[[:alpha:]]' requirements.txt; printf 'dvc-%s\n' azure gs s3 ssh webdav; \
	printf '%s\n' python-calamine distributed; } | \
	$(abspath $(VENV))/bin/uv pip compile --universal --python-version 3.11 \
		--no-annotate --no-header --upgrade --quiet --output-file constraints.txt -
