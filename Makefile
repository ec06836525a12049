# Flags that lint and test share, so that nothing is built twice. SwiftPM takes warnings-as-errors away from dependencies.
# make test SWIFT_BUILD_FLAGS= lets warnings pass while you work.
SWIFT_BUILD_FLAGS ?= -Xswiftc -warnings-as-errors
# Swift's runtime goes into the program: a call into a shared library costs the API a sixth of its time (docs/performance.md).
RELEASE_FLAGS = -c release --static-swift-stdlib
# More for swift test, such as: make test TEST_FLAGS='--filter LocalClusterTests'
TEST_FLAGS ?=
FORMATTED = Package.swift Sources Tests Plugins
# make bench BENCH=single runs one of single, slots, tokens, bulk, bulk-slots, stream, latency, fairness, history, or soak, which takes an hour; BENCH_FLAGS='--rounds 3 --seconds 5' and so on.
BENCH ?= all
BENCH_FLAGS ?=
# make faults FAULTS_FLAGS='--only kill-api,black-hole --seed 7' and so on.
FAULTS_FLAGS ?=
SCRIPTS = scripts/setup.sh scripts/swift-build.sh scripts/test.sh scripts/find-secrets.sh .ci/run deploy/compose/api-login.sh $(wildcard client/macos/*.sh)

.DEFAULT_GOAL := help
.PHONY: faults kill-loop pooled fluent-bit help setup build run test bench lint format clean
export SWIFT_BUILD_FLAGS TEST_FLAGS

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing (Debian, Ubuntu), check the rest
	@scripts/setup.sh

build: setup ## release build of all programs
	@mkdir -p .build && touch .build/begun
	@for program in sluice-api sluice; do scripts/swift-build.sh $(RELEASE_FLAGS) --product $$program || exit 1; done
	@mv .build/begun .build/release/built # benchmarks refuse programs of older sources

run: build ## build, then run everything on this machine: PostgreSQL, migrations, demo tenant, API
	@exec .build/release/sluice up

test: ## build and run all tests; they start the PostgreSQL that they need
	@scripts/setup.sh test
	@scripts/test.sh

pooled: ## the end-to-end tests once more, with every server behind PgBouncer in transaction mode
	@scripts/setup.sh test
	@SLUICE_TEST_POOLER=1 TEST_FLAGS='--filter EndToEndTests' scripts/test.sh

bench: ## measure a release build beside plain SQL; BENCH=single for one: see docs/performance.md
	@scripts/setup.sh bench
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory .build/openloop
	@python3 Benchmarks/bench.py $(BENCH) $(BENCH_FLAGS)

.build/openloop: Benchmarks/generators/openloop.c
	@mkdir -p .build
	$(CC) -O2 -std=gnu11 -Wall -Wextra -Werror -o $@ $<

faults: build ## put faults into a running installation, and end with a table: see docs/faults.md
	@scripts/setup.sh test
	@python3 -B Tests/Faults/faults.py $(FAULTS_FLAGS)

kill-loop: build ## kill the API and PostgreSQL's backends for a minute under load, then count
	python3 Tests/Faults/kill_loop.py

fluent-bit: setup ## the Mac kit's way into the database on a real Fluent Bit: on PATH, or FLUENT_BIT=/path/to/fluent-bit
	@binary=$${FLUENT_BIT:-$$(command -v fluent-bit || ls /opt/fluent-bit/bin/fluent-bit 2> /dev/null)}; \
	if [ -z "$$binary" ]; then \
		echo "There is no fluent-bit on PATH, and FLUENT_BIT names none: nothing was run on a real one. make test runs the same"; \
		echo "scenarios on a stand-in. Install it (https://docs.fluentbit.io/manual/installation) and try again."; \
	else \
		scripts/swift-build.sh && FLUENT_BIT="$$binary" python3 -B Tests/MacKit/run.py --delivery; \
	fi

lint: ## format, warnings as errors, scripts
	@scripts/setup.sh test
	swift format lint --strict --recursive --parallel $(FORMATTED)
	@for script in $(SCRIPTS); do \
		case $$(head -n 1 $$script) in *bash) bash -n $$script ;; *) sh -n $$script ;; esac || exit 1; \
	done
	shellcheck $(SCRIPTS)
	shellcheck -s sh client/macos/privileges_local_logger.sh
	@for list in client/macos/*.plist; do plistutil -i $$list -o /dev/null || exit 1; done
	scripts/swift-build.sh --build-tests $(SWIFT_BUILD_FLAGS)

format: ## rewrite the sources in the house format
	swift format --in-place --recursive --parallel $(FORMATTED)

clean: ## delete what was built
	swift package clean
