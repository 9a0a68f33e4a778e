# `make demo` and `make test` each do all their own set-up, in .venv.
PYTHON ?= python3
# On a GPU machine: the CUDA build of torch, e.g. make demo TORCH=torch
TORCH ?= torch==2.13.0
PROFILE ?= local

.PHONY: demo test bench clean

demo: .venv/ready
	.venv/bin/ser demo --work demo --profile $(PROFILE)

test: .venv/ready-test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy ser experiments
	.venv/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: .venv/ready-test
	for bench in tests/bench/bench_*.py; do .venv/bin/python $$bench || exit 1; done

# torch first and alone: otherwise a resolver may fetch gigabytes of CUDA packages beside it.
.venv/torch:
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet "$(TORCH)"
	touch $@

.venv/ready: .venv/torch pyproject.toml constraints.txt
	.venv/bin/pip install --quiet -c constraints.txt -e '.[demo]'
	touch $@

.venv/ready-test: .venv/torch pyproject.toml constraints.txt
	.venv/bin/pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf .venv work demo
