# make demo    a call between two simulated phones, step by step
# make test    all tests, against the real SIP programs too
# make check   what CI runs: lint, vet, tidy, tests with the race detector, fuzzing, vulnerabilities
#
# Every target installs what it needs; only Go has to be there. INTEROP=off goes
# without the real SIP programs.

GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0

GO ?= go
GOTESTFLAGS ?=
FUZZTIME ?= 2m
SCHEDULES ?= 100000
COUNT ?= 1
BENCHFLAGS ?=
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

BIN := $(CURDIR)/bin
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
GOVULNCHECK := $(BIN)/govulncheck-$(GOVULNCHECK_VERSION)

.PHONY: build demo test model soak attack flows check lint fmt vet tidy fuzz vulncheck bench bench-long microbench tools clean

build:
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(BIN)/callcontroller ./cmd/callcontroller

# Not by "go run", which fails after Ctrl-C whatever the program's exit status is.
demo: build
	@$(BIN)/callcontroller demo

test:
	scripts/install-peers
	$(GO) test $(GOTESTFLAGS) ./...

# Random schedules of everything that phones, people and a bad network can do.
model:
	$(GO) test ./test/model -rapid.checks=$(SCHEDULES)

# A thousand calls in each mode through a relay that loses 30 % of all datagrams.
soak:
	$(GO) test ./test/soak -v -timeout 15m -soak.calls=1000

# The real program, attacked row by row, with a capture of what leaves.
attack:
	scripts/install-peers
	$(GO) test ./test/attack -v

# The page of message diagrams, from calls between the test phones.
flows:
	$(GO) run ./test/flows docs/flows.md

# One after the other, also with -j: two of them at once only disturb each other.
check:
	scripts/install-compiler
	$(MAKE) lint
	$(MAKE) vet
	$(MAKE) tidy
	$(MAKE) test GOTESTFLAGS="-race $(GOTESTFLAGS)"
	$(GO) test -run NoReaderMissesOrRepeats ./test/load
	$(GO) test -run CostOfCall ./test/bench
	$(MAKE) model SCHEDULES=10000
	$(MAKE) fuzz FUZZTIME=3s
	$(MAKE) vulncheck

# The formatters, gofumpt among them, are part of the configuration.
lint: $(GOLANGCI_LINT)
	$(GOLANGCI_LINT) run ./...
	$(GOLANGCI_LINT) fmt --diff

fmt: $(GOLANGCI_LINT)
	$(GOLANGCI_LINT) fmt

vet:
	$(GO) vet ./...

tidy:
	$(GO) mod tidy -diff

fuzz:
	scripts/fuzz $(FUZZTIME)

vulncheck: $(GOVULNCHECK)
	scripts/vulncheck $(GOVULNCHECK)

# This program beside Kamailio, in turns: a quarter of an hour. docs/performance.md
bench:
	scripts/install-peers
	$(GO) run ./test/bench $(BENCHFLAGS)

# A million calls, and 100,000 that stand for ten minutes: half an hour.
bench-long:
	$(GO) run ./test/bench -only keepalive,million $(BENCHFLAGS)

# The parts, for benchstat: make microbench COUNT=10 >new.txt
microbench:
	$(GO) test -run '^$$' -bench . -benchmem -count $(COUNT) ./...
	$(GO) test -run '^$$' -bench NotifyOrder -benchtime 100000x ./test/load
	$(GO) test -run 'Calls$$' -v ./test/load

tools: $(GOLANGCI_LINT) $(GOVULNCHECK)

# A tool's file carries its version, so that another version is another file; the
# plain name points to it.
$(GOLANGCI_LINT):
	GOBIN=$(BIN) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(BIN)/golangci-lint $@
	ln -sf $(notdir $@) $(BIN)/golangci-lint

$(GOVULNCHECK):
	GOBIN=$(BIN) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv $(BIN)/govulncheck $@
	ln -sf $(notdir $@) $(BIN)/govulncheck

clean:
	rm -rf $(BIN)
