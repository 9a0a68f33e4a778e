# `make demo` and `make test` each do all their own set-up, in .venv.
# Python 3.11 to 3.14, as pyproject.toml has it: make demo PYTHON=python3.13
PYTHON ?= python3
# On a GPU machine: the CUDA build of torch, e.g. make demo TORCH=torch
TORCH ?= torch==2.13.0
PROFILE ?= local

.PHONY: demo test docs bench clean

demo: .venv/ready
	.venv/bin/ser demo --work demo --profile $(PROFILE)

test: .venv/ready-test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy ser experiments
	.venv/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder
	ATEN_CPU_CAPABILITY=default .venv/bin/pytest -n 2 $(ARITHMETIC)

# What holds on the processor at hand alone is seen where torch is told to use none of its vector instructions.
ARITHMETIC = tests/models/test_models.py tests/models/test_temporal.py tests/training/test_loss.py tests/trials/test_outputs.py tests/training/test_stacked.py \
	tests/training/test_train.py

# The site of docs/, in site/: open site/index.html, no server needed.
docs: .venv/ready-test
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet

bench: .venv/ready-test
	for bench in tests/bench/bench_*.py; do .venv/bin/python $$bench || exit 1; done

# torch first and alone: otherwise a resolver may fetch gigabytes of CUDA packages beside it.
.venv/torch:
	@$(PYTHON) -c 'import sys; v = sys.version_info; (3, 11) <= v[:2] <= (3, 14) or sys.exit("$(PYTHON) is Python %d.%d; \
	allowed: Python 3.11 to 3.14; name one with PYTHON=, such as PYTHON=python3.12" % v[:2])'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet "$(TORCH)"
	touch $@

.venv/ready: .venv/torch pyproject.toml setup.py constraints.txt
	.venv/bin/pip install --quiet -c constraints.txt -e '.[demo]'
	touch $@

.venv/ready-test: .venv/torch pyproject.toml setup.py constraints.txt
	.venv/bin/pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf .venv work demo site
