# Flags that lint and test share, so that nothing is built twice. SwiftPM takes warnings-as-errors away from dependencies.
# make test SWIFT_BUILD_FLAGS= lets warnings pass while you work.
SWIFT_BUILD_FLAGS ?= -Xswiftc -warnings-as-errors
# More for swift test, such as: make test TEST_FLAGS='--filter LocalClusterTests'
TEST_FLAGS ?=
FORMATTED = Package.swift Sources Tests Plugins
SCRIPTS = scripts/setup.sh scripts/test.sh .ci/run

.DEFAULT_GOAL := help
.PHONY: help setup build run test lint format clean
export SWIFT_BUILD_FLAGS TEST_FLAGS

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing (Debian, Ubuntu), check the rest
	@scripts/setup.sh

build: setup ## release build of all programs
	swift build -c release

run: build ## build, then run everything on this machine: PostgreSQL, migrations, demo tenant, API
	@exec .build/release/sluice up

test: setup ## build and run all tests; they start the PostgreSQL that they need
	@scripts/test.sh

lint: setup ## format, warnings as errors, scripts
	swift format lint --strict --recursive --parallel $(FORMATTED)
	@for script in $(SCRIPTS); do \
		case $$(head -n 1 $$script) in *bash) bash -n $$script ;; *) sh -n $$script ;; esac || exit 1; \
	done
	@if command -v shellcheck > /dev/null; then shellcheck $(SCRIPTS); else echo "shellcheck is not installed: scripts checked for syntax only"; fi
	swift build --build-tests $(SWIFT_BUILD_FLAGS)

format: ## rewrite the sources in the house format
	swift format --in-place --recursive --parallel $(FORMATTED)

clean: ## delete what was built
	swift package clean
