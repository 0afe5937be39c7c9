# Everything a developer of Muster does often. `make` alone lists it.
SHELL := /bin/sh
.DEFAULT_GOAL := help

GO  ?= go
BIN := $(CURDIR)/bin

# The version that `muster version` shows.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X muster/internal/app.Version=$(VERSION) -X muster/internal/agent.Version=$(VERSION)

# Tools of the makers, at these versions. They are built from source into bin/, under a name that ends in the version: a
# new version is a new file.
GOLANGCI_LINT := $(BIN)/golangci-lint-v2.15.0
GOVULNCHECK   := $(BIN)/govulncheck-v1.9.0
NFPM          := $(BIN)/nfpm-v2.45.2

# Where packages are made, of which version and for which processors.
PACKAGES        ?= $(BIN)/packages
PACKAGE_VERSION ?= $(shell packaging/version.sh '$(VERSION)')
PACKAGE_ARCHES  ?= amd64 arm64
# The time that files in packages have: that of the last change, so that the same source gives the same package.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

# The race detector needs a C compiler; the product does not.
RACE ?= $(if $(shell command -v gcc || command -v cc || command -v clang),-race)

# A number of runs, not a time: where a time ends, the fuzzer of Go 1.26 may report that as a failure (go.dev/issue/75804).
FUZZTIME   ?= 20000x
# Targets with a whole server behind them, and how often they run.
FUZZ_SLOW     := FuzzServer
FUZZTIME_SLOW ?= 5000x
TESTFLAGS  ?=
# What is built for every system: CROSS=./cmd/muster-agent is the agent alone.
CROSS      ?= ./cmd/...
BENCHFLAGS ?=
FLEETFLAGS ?=
SOAKFLAGS  ?=

# A copy of the public Go vulnerability database, for machines without a network.
GO_OSV ?= ../shared/data/go-osv.tar.xz

##@ To use

.PHONY: run
run: ## a server with a demo fleet on 127.0.0.1:8080; needs nothing but Go
	$(GO) run ./cmd/muster demo

.PHONY: build
build: ## the programs, static, in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

.PHONY: cross
cross: ## see that they build for every system they are made for (in bin/cross/)
	@set -e; for os in linux darwin windows; do for arch in amd64 arm64; do \
		echo "$$os/$$arch"; mkdir -p $(BIN)/cross/$$os-$$arch; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/cross/$$os-$$arch/ $(CROSS); \
	done; done

.PHONY: packages
packages: $(NFPM) ## the agent as deb and rpm, in bin/packages/
	@set -e; rm -rf '$(PACKAGES)'; for arch in $(PACKAGE_ARCHES); do \
		build='$(PACKAGES)'/build/$$arch; mkdir -p $$build; \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $$build/ ./cmd/muster-agent; \
		gzip -9nc packaging/muster-agent.8 >$$build/muster-agent.8.gz; gzip -9nc CHANGELOG.md >$$build/changelog.gz; \
		for format in deb rpm; do \
			ARCH=$$arch BUILD=$$build PACKAGE_VERSION='$(PACKAGE_VERSION)' SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) \
				$(NFPM) package -f packaging/muster-agent.yaml -p $$format -t '$(PACKAGES)'/; \
		done; \
	done; rm -rf '$(PACKAGES)'/build

##@ To test

.PHONY: test
test: ## every test, on SQLite and PostgreSQL, with the race detector (TESTFLAGS=-count=1: nothing from the cache)
	$(if $(RACE),,@echo 'NO RACE DETECTOR: it needs a C compiler, and there is none here' >&2)
	$(GO) test $(RACE) -timeout 20m $(TESTFLAGS) ./...

.PHONY: test-short
test-short: ## the same without the race detector
	$(GO) test $(TESTFLAGS) ./...

.PHONY: test-postgres
test-postgres: ## see that PostgreSQL starts on this machine
	$(GO) test $(RACE) -count=1 ./internal/testpg

.PHONY: accuracy
accuracy: ## how much of what is found is true and how much that is true is found, all versions (5 minutes; docs/accuracy.md)
	MUSTER_REQUIRE_ORACLES=1 MUSTER_ACCURACY_ALL=1 $(GO) test -count=1 -v -timeout 20m ./test/accuracy

.PHONY: real-feeds
real-feeds: ## read the real feeds of ../shared/data, where there are any, and list what could not be used
	$(GO) test -count=1 -v -run TestRealFeeds ./internal/vuln/feed

.PHONY: cover
cover: ## which lines the tests run, as bin/coverage.html
	@mkdir -p $(BIN)
	$(GO) test -coverpkg=./internal/...,./client/... -coverprofile=$(BIN)/coverage.out $(TESTFLAGS) ./...
	$(GO) tool cover -html=$(BIN)/coverage.out -o $(BIN)/coverage.html

.PHONY: mutation
mutation: ## see what the tests of internal/policy do not notice (some 20 minutes; docs/mutation-testing.md)
	$(GO) run ./tools/mutation -package internal/policy -known docs/mutation-testing.md -workers 2 -budget 1h -- -rapid.checks=40 -rapid.nofailfile

# Targets are found in the text, and each package is built once for all of its targets.
.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME runs (20000x), those of whole servers for FUZZTIME_SLOW (5000x)
	@set -e; found=0; cache="$$($(GO) env GOCACHE)/fuzz"; program='$(BIN)/fuzz.test'; \
	for dir in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
		$(GO) test -c -fuzz=. -o "$$program" "$$dir"; \
		for target in $$(grep -hEo '^func Fuzz[A-Za-z0-9_]*' "$$dir"/*_test.go | sort | sed 's/func //'); do \
			found=$$((found+1)); \
			case ' $(FUZZ_SLOW) ' in *" $$target "*) runs=$(FUZZTIME_SLOW);; *) runs=$(FUZZTIME);; esac; \
			echo "$$target, $$runs ($$dir)"; \
			(cd "$$dir" && "$$program" -test.run '^$$' -test.fuzz "^$$target$$" -test.fuzztime $$runs -test.fuzzminimizetime 200x \
				-test.fuzzcachedir "$$cache/muster/$$dir"); \
		done; \
	done; rm -f "$$program"; \
	if [ $$found = 0 ]; then echo 'no fuzz target was found: that cannot be right' >&2; exit 1; fi

.PHONY: bench
bench: ## measure the budgets of docs/performance.md at 1 000 and 100 000 devices
	$(GO) run ./tools/bench $(BENCHFLAGS)

.PHONY: bytes
bytes: ## what a device takes on disk, by table, and what lists of software and vulnerabilities cost: takes minutes
	MUSTER_BYTES=$${MUSTER_BYTES:-1000} $(GO) test -run 'TestBytesPerDevice|TestListCosts' -timeout 60m -v ./internal/store
	MUSTER_BYTES=$${MUSTER_BYTES:-1000} MUSTER_BYTES_DRIFT=1 $(GO) test -run TestBytesPerDevice -timeout 60m -v ./internal/store

.PHONY: agent-cost
agent-cost: ## what the agent costs the machine that it runs on: processor and memory (a minute, as root)
	MUSTER_AGENT_COST=1 $(GO) test -count=1 -v -run TestCost ./test/agent

.PHONY: bench-million
bench-million: ## the same, and at 1 000 000 devices: takes long
	$(GO) run ./tools/bench -devices 1000,100000,1000000 $(BENCHFLAGS)

.PHONY: fleet
fleet: ## emulated devices, some of which misbehave, on a server that is killed meanwhile (FLEETFLAGS='-devices 5000 -for 2m')
	$(GO) run ./tools/fleet/emulate -kills 2 $(FLEETFLAGS)

.PHONY: soak
soak: ## a million emulated devices that ping every minute and report every hour for ten minutes (20 minutes, 6 GB; SOAKFLAGS='-devices 100000')
	$(GO) run ./tools/bench -devices 1000000 -engines sqlite -connections 256 -soak 10m $(SOAKFLAGS)

.PHONY: test-wine
test-wine: ## the tests of what the agent asks of Windows, under Wine (apt-get install wine wine64), in bin/wine
	@mkdir -p $(BIN)/wine
	WINEPREFIX=$(BIN)/wine WINEDEBUG=-all wine cmd /c ver
	$(GO) run ./tools/winedll $(BIN)/wine/drive_c/windows/system32/bcryptprimitives.dll
	WINEPREFIX=$(BIN)/wine WINEDEBUG=-all GOOS=windows $(GO) test -exec wine ./internal/agent/host ./internal/agent/windows

##@ To check

.PHONY: lint
lint: fmt-check vet golangci vuln ## everything that can be said without running it: gofmt, vet, golangci-lint, known vulnerabilities

.PHONY: fmt-check
fmt-check: # part of lint
	@bad=$$(gofmt -l $$(find . -name '*.go' -not -path './bin/*' -not -path '*/testdata/*')) && \
	if [ -n "$$bad" ]; then echo 'not formatted with gofmt:' >&2; echo "$$bad" >&2; exit 1; fi

.PHONY: vet
vet: # part of lint
	$(GO) vet ./...

.PHONY: golangci
golangci: $(GOLANGCI_LINT) # part of lint
	$(GOLANGCI_LINT) run ./...

.PHONY: vuln
vuln: $(GOVULNCHECK) ## known vulnerabilities in what we call, in the database MUSTER_GOVULNDB, else GO_OSV, else the public one
	@$(GO) run ./tools/vulndb check $(GOVULNCHECK)
	@set -e; db="$$MUSTER_GOVULNDB"; \
	if [ -n "$$db" ]; then \
		echo "VULNERABILITIES: the database that MUSTER_GOVULNDB names: $$db"; \
	elif [ -f '$(GO_OSV)' ]; then \
		echo 'VULNERABILITIES: an offline copy, only as new as it says: $(GO_OSV)'; \
		rm -rf $(BIN)/vulndb; $(GO) run ./tools/vulndb build '$(GO_OSV)' $(BIN)/vulndb; \
		db="file://$(BIN)/vulndb"; \
	else \
		echo 'VULNERABILITIES: the public database of the Go project, over the network'; \
	fi; \
	$(GOVULNCHECK) $${db:+-db "$$db"} ./...

.PHONY: fix
fix: $(GOLANGCI_LINT) ## format the source, and mend what the linters can mend by themselves
	gofmt -w $$(find . -name '*.go' -not -path './bin/*' -not -path '*/testdata/*')
	$(GOLANGCI_LINT) run --fix ./...

##@ Around it

.PHONY: tools
tools: $(GOLANGCI_LINT) $(GOVULNCHECK) $(NFPM) ## build the linters, and what makes packages, into bin/

$(GOLANGCI_LINT):
	GOBIN=$(BIN) GOFLAGS= $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(lastword $(subst -, ,$@))
	mv $(BIN)/golangci-lint $@

$(GOVULNCHECK):
	GOBIN=$(BIN) GOFLAGS= $(GO) install golang.org/x/vuln/cmd/govulncheck@$(lastword $(subst -, ,$@))
	mv $(BIN)/govulncheck $@

$(NFPM):
	GOBIN=$(BIN) GOFLAGS= $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(lastword $(subst -, ,$@))
	mv $(BIN)/nfpm $@

.PHONY: clean
clean: ## remove what this file builds; never a server's data
	rm -rf $(BIN)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^##@ /{printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## /{printf "  %-14s — %s\n", $$1, $$2}' $(MAKEFILE_LIST)
