# `make demo` and `make test` each do all their own set-up, in .venv.
# Python 3.11 to 3.14, as pyproject.toml has it: make demo PYTHON=python3.13
PYTHON ?= python3
# On a GPU machine: the CUDA build of torch, e.g. make demo TORCH=torch
TORCH ?= torch==2.13.0
PROFILE ?= local
# Processes that test; each collects all tests first, which takes half a minute.
WORKERS ?= 2

.PHONY: demo test docs bench clean

demo: .venv/ready
	.venv/bin/ser demo --work demo --profile $(PROFILE)

# Byte code is written whatever the environment says: without it each process of pytest rewrites all asserts anew, and
# each process at all compiles what it imports (see PIP).
test: export PYTHONDONTWRITEBYTECODE =
test: .venv/ready-test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	@log=$$(mktemp); ($(BESIDE)) > $$log 2>&1 & beside=$$!; trap 'kill $$beside; exit 130' INT TERM; \
	echo "$(PYTEST)"; $(PYTEST); tests=$$?; wait $$beside; others=$$?; cat $$log; rm $$log; [ $$tests = 0 ] && [ $$others = 0 ]

PYTEST = .venv/bin/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Done meanwhile, as tests often wait for processes: types, and what holds on the processor at hand alone, which is seen
# where torch is told to use none of its vector instructions.
BESIDE = set -x; .venv/bin/mypy ser experiments && ATEN_CPU_CAPABILITY=default .venv/bin/pytest -p no:cacheprovider $(ARITHMETIC)
ARITHMETIC = tests/models/test_models.py tests/models/test_temporal.py tests/training/test_loss.py tests/trials/test_outputs.py tests/training/test_stacked.py \
	tests/training/test_train.py

# The site of docs/, in site/: open site/index.html, no server needed.
docs: .venv/ready-test
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet

bench: .venv/ready-test
	for bench in tests/bench/bench_*.py; do .venv/bin/python $$bench || exit 1; done

# Byte code of all packages, eleven million lines, takes pip minutes, one file after the other: a demo's is made on all
# processors, and tests let their processes write that of the modules they import.
PIP = .venv/bin/pip install --quiet --no-compile

# torch first and alone: otherwise a resolver may fetch gigabytes of CUDA packages beside it.
.venv/torch:
	@$(PYTHON) -c 'import sys; v = sys.version_info; (3, 11) <= v[:2] <= (3, 14) or sys.exit("$(PYTHON) is Python %d.%d; \
	allowed: Python 3.11 to 3.14; name one with PYTHON=, such as PYTHON=python3.12" % v[:2])'
	$(PYTHON) -m venv .venv
	$(PIP) "$(TORCH)"
	touch $@

.venv/ready: .venv/torch pyproject.toml setup.py constraints.txt
	$(PIP) -c constraints.txt -e '.[demo]'
	@.venv/bin/python -m compileall -q -j 0 .venv/lib > /dev/null || true # templates among them are no Python
	touch $@

.venv/ready-test: .venv/torch pyproject.toml setup.py constraints.txt
	$(PIP) -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf .venv work demo site
