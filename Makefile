# Every target installs what it needs first, at once when it is there. Assumed: rustup's cargo, Python 3, gcc, make.
#
#   make demo            the whole path on four local nodes with real Gaia stars, then keep serving   (ONCE=1: end after the report)
#   make test            formatting, lint, all tests                   make judges   the heavier outside judges
#   make soak            hours of random work                          make release  optimised binaries
#   make worker          the program of MPI's ranks, optimised, for jobs on a cluster (installs Open MPI and libclang)
#   make bench           speed, as ratios against named peers, optimised (the first build takes half an hour)
#   make bench-cutout    Cut & Merge against h5py, hdf5-metno, hidefix, kerchunk and the limit, local and over a model of a store;
#                        its files take 1 GB and some minutes once
#   make bench-formats   writing and reading VOTable, CSV, ECSV and FITS against astropy and the votable crate
#   make bench-tap       the TAP door against DaCHS in one run: rows per second, cones, small jobs (installs python3-gavo; optimised);
#                        BENCH="--sources 400000" and other options: benches/tap/bench.py --help
#   make bench-jobs     cuts and ingests by one process, by MPI ranks and under SLURM, and a model of large clusters (installs SLURM, Open MPI)
#   make fuzz            random bytes through the HDF5 reader, filters and writer, MINUTES=20 each
#   make python          the Python clients of the tests               make clean    drop what was built

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test judges soak fuzz bench bench-cutout bench-formats bench-tap bench-jobs release worker python clean demo-packages test-packages \
	judges-packages bench-tap-packages worker-packages target

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/spolia
# Outside the checkout: dependencies are built once on a machine, for every clone.
export CARGO_TARGET_DIR ?= $(CACHE)/target
export PATH := $(PATH):$(HOME)/.cargo/bin

# The folder of the demo's site.
SITE ?= site
LOCKED := $(if $(CI),--locked)
# All programs but that of MPI's ranks, with the same features of what they depend on.
WITHOUT_MPI := --workspace --exclude spolia-worker

help:
	@sed -n '/^#   make/s/^#   //p' Makefile

demo: demo-packages target
	cargo build $(WITHOUT_MPI) --bins $(LOCKED)
	$(CARGO_TARGET_DIR)/debug/spolia demo $(if $(ONCE),--once) $(SITE)

test soak: test-packages target
judges: judges-packages target

test judges soak:
	python=$$(tests/setup/python.sh) && SPOLIA_PYTHON=$$python tests/setup/run.sh $@

fuzz:
	tests/setup/fuzz.sh $(CACHE) $(or $(MINUTES),20)

release: demo-packages target
	cargo build $(WITHOUT_MPI) --bins --release $(LOCKED)
	@echo "the programs are $(CARGO_TARGET_DIR)/release/spolia and, to lie beside it, $(CARGO_TARGET_DIR)/release/spolia-make-gaia"

worker: worker-packages target
	cargo build --package spolia-worker --release $(LOCKED)
	@echo "the program of a rank is $(CARGO_TARGET_DIR)/release/spolia-worker; it belongs beside spolia, where all nodes see it"

bench: test-packages target
	cargo build --workspace --bins --bench "*" --release $(LOCKED)
	python=$$(tests/setup/python.sh) && SPOLIA_PYTHON=$$python cargo bench --workspace --bench "*" $(LOCKED)

bench-cutout: test-packages
	python=$$(tests/setup/python.sh venv-bench benches/cutout/requirements.txt) \
		&& export SPOLIA_PYTHON=$$python CARGO_TARGET_DIR=$(CACHE)/target-cutout PATH=$$(dirname $$python):$$PATH \
		&& $$python benches/cutout/make_files.py $(CACHE)/bench \
		&& cd benches/cutout && cargo run --release $(LOCKED) -- $(CACHE)/bench $(BENCH)

bench-formats: test-packages
	python=$$(tests/setup/python.sh) && export SPOLIA_PYTHON=$$python CARGO_TARGET_DIR=$(CACHE)/target-formats \
		&& cd benches/formats && cargo run --release $(LOCKED) -- $(BENCH)

bench-tap: bench-tap-packages target
	cargo build $(WITHOUT_MPI) --bins --release $(LOCKED)
	python=$$(tests/setup/python.sh) \
		&& stars=$$(benches/tap/stars.sh $$python) \
		&& PYTHONDONTWRITEBYTECODE=1 $$python benches/tap/bench.py $(CARGO_TARGET_DIR)/release --stars $$stars $(BENCH)

bench-jobs: judges-packages target
	cargo build --workspace --bins --release $(LOCKED)
	PYTHONDONTWRITEBYTECODE=1 python3 benches/jobs/bench.py $(CARGO_TARGET_DIR)/release $(BENCH)

python: test-packages
	@tests/setup/python.sh

clean:
	cargo clean
	rm -rf $(CACHE)/venv

demo-packages:
	@tests/setup/packages.sh demo

judges-packages:
	@tests/setup/packages.sh judges

worker-packages:
	@tests/setup/packages.sh worker

test-packages:
	@tests/setup/packages.sh test

bench-tap-packages:
	@tests/setup/packages.sh bench-tap

target:
	@tests/setup/target.sh
