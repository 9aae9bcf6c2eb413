# Needs Go, make and git, and protoc to generate code. Tools that a target wants
# besides are built from pinned sources (.ci/tools) into .cache on first use.

.SHELLFLAGS := -euc
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
GOBUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)"

# Build tags of `build`, `test`, `fuzz` and the benchmarks: libsecp256k1, which
# needs a C compiler, pkg-config and the library (Debian: libsecp256k1-dev). It is
# all that such a build takes from the system: names are resolved as in any other.
TAGS :=
TAGGED := $(if $(TAGS),-tags $(TAGS))
ifdef TAGS
build: GOBUILD := $(subst CGO_ENABLED=0,CGO_ENABLED=1,$(GOBUILD)) $(TAGGED),netgo,osusergo
endif

# The race detector, but not inside what only computes and is not ours: it makes
# SQLite ten times slower. Not fit for a package that instantiates generic code of
# others (sync.Map's): the linker keeps one copy, and without the detector in it
# that one would seem to race. tests/harness builds with the same.
RACE := -race -gcflags=modernc.org/sqlite/lib=-race=false \
	-gcflags=github.com/decred/dcrd/dcrec/secp256k1/v4=-race=false \
	-gcflags=github.com/consensys/gnark-crypto/ecc/secp256k1/fp=-race=false -gcflags=modernc.org/libc=-d=checkptr=0

# The longest one package's tests may take.
TEST_TIMEOUT ?= 20m
# How long `make fuzz` spends on each target.
FUZZTIME ?= 10s

BIN := $(CURDIR)/.cache/bin
PROTO := $(wildcard proto/vigil/v1/*.proto)

.PHONY: help
help: ## Show this help.
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "  make %-16s %s\n", $$1, $$2 }'

.PHONY: build
build: ## Build the binary, ./vigil.
	$(GOBUILD) -o vigil ./plugin

.PHONY: demo
demo: ## Watch a breach and its penalty, start to end, on a private chain.
	go run ./tests/demo

.PHONY: test
test: ## Run all tests, with the race detector where there is a C compiler.
	@for node in bitcoind lightningd; do \
		echo "$$node: $$(command -v $$node || echo "none on PATH, tests that need it are skipped")"; \
	done
	@race='$(RACE)'; go build -race -o /dev/null runtime/cgo 2>/dev/null || { \
		race=; echo "no C compiler that works here: NO RACE DETECTOR in this run"; \
	}; set -x; go test $(TAGGED) $$race -timeout $(TEST_TIMEOUT) ./...

# What other processors run, and what the race detector sees of assembly: nothing.
FILTER_TESTS := -run 'Sieve|Recents|Filters|Others|Pass' ./internal/tower/store
.PHONY: test-paths
test-paths: ## Test key recovery and the store's filters as they are without AVX2, assembly or 64 bits.
	go test $(RACE) -tags purego $(FILTER_TESTS)
	GODEBUG=cpu.avx2=off go test -count 1 $(FILTER_TESTS)
	mkdir -p .cache && CGO_ENABLED=0 GOARCH=386 go test -c -o .cache/386 ./internal/teos/curve
	if .cache/386 -test.run '^$$' >/dev/null; then \
		export CGO_ENABLED=0 GOARCH=386; go test ./internal/teos/...; go test $(FILTER_TESTS); \
	else echo "no 32-bit program runs here"; fi

.PHONY: lint
lint: $(BIN)/golangci-lint ## Check formatting, and run go vet and the linters.
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	$(BIN)/golangci-lint run
	cd tests/browser && $(BIN)/golangci-lint run

# Where generated code goes: the repository itself, or a copy to compare with.
GENERATED := internal/towerpb

.PHONY: generate
generate: $(BIN)/protoc-gen-go $(BIN)/protoc-gen-go-grpc ## Generate internal/towerpb from proto/ with protoc.
	@command -v protoc >/dev/null || { echo "no protoc on PATH: install it (Debian: apt-get install protobuf-compiler)" >&2; exit 1; }
	rm -rf $(GENERATED) && mkdir -p $(GENERATED) # it holds nothing but what is generated
	PATH=$(BIN):$$PATH protoc -I proto $(PROTO) \
		--go_out=$(GENERATED) --go_opt=module=vigil/internal/towerpb \
		--go-grpc_out=$(GENERATED) --go-grpc_opt=module=vigil/internal/towerpb

.PHONY: check-generated
check-generated: ## Fail if `make generate` would change a file, but for protoc's version in it.
	$(MAKE) -s generate GENERATED=.cache/generated
	diff -ru -I '^// .*protoc  ' internal/towerpb .cache/generated

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s).
	@git grep --untracked -l '^func Fuzz' -- '*_test.go' | while read -r file; do \
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file" | while read -r target; do \
			(set -x; go test $(TAGGED) -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s "./$$(dirname "$$file")"); \
		done; \
	done

# How many steps `make soak` makes.
STEPS ?= 100000

.PHONY: soak
soak: ## Hold the tower against its reference for STEPS (100,000) random steps.
	go test ./tests/model -run '^TestSoak$$' -v -timeout 0 -args -steps $(STEPS)

# How often `make crash` kills the tower.
KILLS ?= 2000

.PHONY: crash
crash: ## Kill the tower KILLS (2,000) times under load, and count what it promised.
	VIGIL_KILLS=$(KILLS) go test ./tests/crash -run '^(TestKilled|TestPowerCut)' -v -timeout 0

.PHONY: matrix
matrix: ## Play every scene, reorg and refusal on all nodes, the long ones too.
	VIGIL_MATRIX=full go test ./tests ./tests/matrix -v -timeout 0

# How many channels `make mass` breaches.
BREACHES ?= 10000

.PHONY: mass
mass: ## Breach BREACHES (10,000) channels in three blocks.
	VIGIL_MASS=$(BREACHES) go test ./tests/mass -v -timeout 0

# How many appointments the largest store of `make bench-scale` holds.
SCALE ?= 10000000

.PHONY: bench
bench: ## Measure everything, and write the table into docs/performance.md.
	go run $(TAGGED) ./tests/bench -doc docs/performance.md

.PHONY: bench-full
bench-full: ## The same with 10,000 breaches in three blocks.
	go run $(TAGGED) ./tests/bench -full -doc docs/performance.md

.PHONY: bench-scale
bench-scale: ## Measure stores of up to SCALE (10,000,000) appointments, built once.
	go run $(TAGGED) ./tests/bench -scale $(SCALE) -doc docs/performance.md

# Platforms of a release: GOOS-GOARCH, arm with its version.
PLATFORMS := linux-amd64 linux-arm64 linux-armv6 darwin-amd64 darwin-arm64

.PHONY: release
release: $(BIN)/cyclonedx-gomod ## Build static, reproducible binaries for all platforms into dist/, with SBOM, manual, completion and SHA256SUMS.
	rm -rf dist && mkdir dist
	for platform in $(PLATFORMS); do \
		os=$${platform%-*} arch=$${platform#*-}; \
		echo "building dist/vigil-$$platform"; \
		GOOS=$$os GOARCH=$${arch%v6} GOARM=6 $(GOBUILD) -o dist/vigil-$$platform ./plugin; \
	done
	$(BIN)/cyclonedx-gomod app -json -std -licenses -noserial -notimestamp -main plugin -output dist/vigil.cdx.json .
	$(GOBUILD) -o dist/.vigil ./plugin
	dist/.vigil manual > dist/vigil.1
	for shell in bash zsh fish; do dist/.vigil completion $$shell > dist/vigil.$$shell; done
	rm dist/.vigil
	cp LICENSE README.md CHANGELOG.md contrib/systemd/vigil.service contrib/systemd/vigil.conf dist/
	cp contrib/prometheus/vigil.rules.yml dist/ && cp contrib/grafana/vigil.json dist/vigil.grafana.json
	cd dist && sha256sum * > SHA256SUMS && cat SHA256SUMS

.PHONY: check-platforms
check-platforms: ## Fail if the program does not build for a platform of a release.
	for platform in $(PLATFORMS); do \
		os=$${platform%-*} arch=$${platform#*-}; \
		GOOS=$$os GOARCH=$${arch%v6} GOARM=6 $(GOBUILD) -o /dev/null ./plugin || { echo "not for $$platform" >&2; exit 1; }; \
	done

# For processors that this machine is not one of, by QEMU's emulation: arithmetic,
# keys and signatures against the vectors, and a breach answered by the whole binary.
.PHONY: check-arm
check-arm: ## Fail if the program does not work on arm64 and armv6 (Debian: apt-get install qemu-user).
	for platform in arm64=qemu-aarch64 arm=qemu-arm; do \
		arch=$${platform%=*} qemu=$${platform#*=}; \
		command -v $$qemu >/dev/null || { echo "no $$qemu on PATH: install it (Debian: apt-get install qemu-user)" >&2; exit 1; }; \
		GOARCH=$$arch GOARM=6 $(GOBUILD) -o .cache/vigil-$$arch ./plugin && \
		printf '#!/bin/sh\nexec %s %s "$$@"\n' $$qemu $(CURDIR)/.cache/vigil-$$arch > .cache/run-$$arch && \
		chmod +x .cache/run-$$arch && \
		echo "$$arch:" && CGO_ENABLED=0 GOARCH=$$arch GOARM=6 go test -vet=off -exec $$qemu ./internal/teos/... && \
		VIGIL_BINARY=$(CURDIR)/.cache/run-$$arch go run ./tests/demo || exit 1; \
	done

.PHONY: check-reproducible
check-reproducible: ## Fail if a build in another directory gives another binary.
	rm -rf .cache/again && mkdir -p .cache/again
	git ls-files -z | xargs -0 cp --parents -t .cache/again
	$(GOBUILD) -o .cache/vigil-here ./plugin
	cd .cache/again && GOCACHE=$(CURDIR)/.cache/again-cache $(GOBUILD) -o ../vigil-there ./plugin
	cmp .cache/vigil-here .cache/vigil-there
	rm -rf .cache/again .cache/vigil-here .cache/vigil-there

.PHONY: clean
clean: ## Remove what was built; tools and test nodes stay in .cache.
	rm -rf vigil dist .cache/generated

$(BIN)/protoc-gen-go: TOOL = google.golang.org/protobuf/cmd/protoc-gen-go
$(BIN)/protoc-gen-go-grpc: TOOL = google.golang.org/grpc/cmd/protoc-gen-go-grpc
$(BIN)/cyclonedx-gomod: TOOL = github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
$(BIN)/golangci-lint: TOOL = github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(BIN)/govulncheck: TOOL = golang.org/x/vuln/cmd/govulncheck
$(BIN)/%: .ci/tools/go.mod
	cd .ci/tools && go build -trimpath -o $@ $(TOOL)
	@touch $@
