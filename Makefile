# gan2hls: `make` alone says what there is to make. Needs Python 3.11 or 3.12, g++ and make; all else goes into .venv.

VENV  := .venv
STAMP := $(VENV)/.stamp
BIN   := $(VENV)/bin

# What csim and cosim work on; without MODEL it is the generator that ships with gan2hls.
MODEL  ?=
CONFIG ?=
# What synth works for.
TARGET ?= ecp5-85k
CLOCK  ?=
SEEDS  ?=
# Tests, or tasks of a sweep, that run at a time.
JOBS   ?= 2
# How long fuzz begins new networks, and the one that it repeats instead.
MINUTES ?= 10
SEED    ?=
# What sweep gets beside MODEL and CONFIG, e.g. SWEEP='--synth --multipliers 32,64'.
SWEEP  ?=

SHELL         := /bin/sh
.SHELLFLAGS   := -ec
.DEFAULT_GOAL := help
.ONESHELL:
.DELETE_ON_ERROR:
.NOTPARALLEL:

.PHONY: help
help:  ## say what there is to make
	@printf 'gan2hls: from a trained GAN generator to bit-exact HLS C++ and SystemVerilog\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nVariables: MODEL=checkpoint CONFIG=file.toml (csim, cosim, synth, sweep), JOBS=2 (test, fuzz, sweep), PYTHON=python3.11 (setup)\n'

.PHONY: setup
setup: $(STAMP)  ## create .venv with everything that is needed (done on demand by the others)

.PHONY: demo
demo: $(STAMP)  ## shipped generator to C++ and RTL, simulated, with a report
	@$(BIN)/gan2hls demo

.PHONY: test
test: $(STAMP)  ## run the tests, all but the slow ones
	@$(BIN)/python -m pytest -n $(JOBS) -q -m 'not slow'

.PHONY: test-slow
test-slow: $(STAMP)  ## run the slow tests, one at a time: millions of weights, images of 256x256
	@$(BIN)/python -m pytest -q -m slow --seed new

.PHONY: fuzz
fuzz: $(STAMP)  ## random networks through golden model, C++ and RTL (MINUTES=10, JOBS=2; SEED= repeats one)
	@$(BIN)/python -m tests.fuzz.run --jobs $(JOBS) $(if $(SEED),--seed '$(SEED)',--minutes '$(MINUTES)')

.PHONY: lint
lint: $(STAMP)  ## check the Python (ruff, mypy), the C++ (g++ and clang -Wall) and the SystemVerilog (Verilator -Wall, style)
	@status=0
	echo "ruff check"; $(BIN)/ruff check . || status=1
	echo "ruff format --check"; $(BIN)/ruff format --check . || status=1
	echo "mypy"; $(BIN)/mypy || status=1
	echo "hw"; $(BIN)/python sim/lint.py || status=1
	exit $$status

.PHONY: csim
csim: $(STAMP)  ## compile the generated C++ and compare it with the golden model (MODEL=, CONFIG=)
	@$(BIN)/gan2hls csim $(if $(MODEL),'$(MODEL)') $(if $(CONFIG),--config '$(CONFIG)')

.PHONY: cosim
cosim: $(STAMP)  ## simulate the generated SystemVerilog and compare it with the golden model (MODEL=, CONFIG=)
	@$(BIN)/gan2hls cosim $(if $(MODEL),'$(MODEL)') $(if $(CONFIG),--config '$(CONFIG)')

.PHONY: synth
synth: $(STAMP)  ## synthesize the generated SystemVerilog (TARGET=ecp5-85k, CLOCK=50, SEEDS=3, MODEL=, CONFIG=)
	@out=runs/$$(basename '$(or $(MODEL),digits32)')
	out="$${out%.*}"
	$(BIN)/gan2hls build $(if $(MODEL),'$(MODEL)') $(if $(CONFIG),--config '$(CONFIG)') --out "$$out"
	$(BIN)/gan2hls synth "$$out" --target '$(TARGET)' $(if $(CLOCK),--clock '$(CLOCK)') $(if $(SEEDS),--seeds '$(SEEDS)')

.PHONY: sweep
sweep: $(STAMP)  ## bit widths, budgets and targets in one report (SWEEP='--synth --search 50', MODEL=, CONFIG=)
	@$(BIN)/gan2hls sweep $(if $(MODEL),'$(MODEL)') $(if $(CONFIG),--config '$(CONFIG)') --jobs $(JOBS) $(SWEEP)

.PHONY: bench
bench: $(STAMP)  ## run the benchmarks
	@$(BIN)/python benchmarks/run.py

.PHONY: fit-estimate
fit-estimate: $(STAMP)  ## fit the model of `gan2hls estimate` anew, after a change of hw/rtl or of yosys
	@$(BIN)/python benchmarks/estimate.py

.PHONY: clean
clean:  ## remove caches and what builds leave; .venv and runs/ stay
	@rm -rf build dist sim_build obj_dir .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find . -name .venv -prune -o -name runs -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# Set-up. `.installing` says that an installation began and did not end: what is then in .venv can not be trusted (pip takes
# half a package for a whole one), so it is made anew. The stamp holds the folder's own path, because a .venv that was moved or
# copied still points to its old place.

PYTHONS := $(or $(PYTHON),python3.11 python3.12 python3)
PIP     := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input -c constraints.txt

ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

$(STAMP): pyproject.toml constraints.txt
	@say() { echo "set-up: $$*"; }
	fail() { echo "set-up: $$*" >&2; exit 1; }
	if [ -e $(VENV)/.installing ] || [ "$$(cat $(STAMP) 2>/dev/null || echo '$(CURDIR)')" != '$(CURDIR)' ] \
	    || ! $(BIN)/python -c 'import pip' 2>/dev/null; then
	    python=
	    for candidate in $(PYTHONS); do
	        if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then
	            python=$$candidate
	            break
	        fi
	    done
	    [ -n "$$python" ] || fail "Python 3.11 or 3.12 is needed, and none of '$(PYTHONS)' is one;" \
	        "install it or name it: make PYTHON=/path/to/python3.11"
	    "$$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$$python can not make a virtual environment;" \
	        "on Debian and Ubuntu install its package python3-venv (or python3.11-venv)"
	    say "making .venv with $$("$$python" --version)"
	    "$$python" -m venv --clear $(VENV)
	fi
	touch $(VENV)/.installing
	( while sleep 20 >/dev/null 2>&1 && kill -0 $$$$ 2>/dev/null; do say "still installing"; done ) &
	trap 'kill '$$!' 2>/dev/null || true' EXIT
	trap 'exit 130' HUP INT TERM
	say "1 of 2: torch, about 200 MB"
	$(PIP) torch || fail "pip could not install torch; see above, then run make again"
	say "2 of 2: gan2hls with its simulators and development tools, a minute or so"
	$(PIP) -e '.[dev]' || fail "pip could not install gan2hls; see above, then run make again"
	rm -f $(VENV)/.installing
	echo '$(CURDIR)' > $(STAMP)
	say "done"
