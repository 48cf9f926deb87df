# Needs Python 3.11 or newer and nothing else: each target makes .venv itself if need be.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup run test test-exhaustive check docs

setup: .venv/ready

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs,test]'
# For its notebook. It asks for datasets below 5; what the notebook uses runs with 5, too.
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps 'flwr-datasets>=0.6,<0.7' 'seaborn>=0.13,<0.14'
	touch $@

# The main job: 500 clients, five of whom leave, and the proof that the state is that of a run they never joined.
run: setup
	$(BIN)/fedsift run --leave-count 5 --oracle

test: setup
	$(BIN)/pytest -n 2 --dist loadfile

# The sweeps and property tests at full size: every kill point and bit, thousands of broken uploads.
test-exhaustive: setup
	$(BIN)/pytest -m 'exhaustive or hypothesis' --hypothesis-profile exhaustive

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/question.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

# The site, in site/; every warning is an error.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
