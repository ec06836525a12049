"""The parts of Sluice's benchmarks; bench.py, beside this folder, is their command line."""
