# The verbs of Twinpost; `make` alone lists them. Needs make and any Node >= 20 with npm; tools/bootstrap.sh gets the rest.
.DEFAULT_GOAL := help
.PHONY: help up down clean test check bench e2e e2e-cluster images measure-failover measure-catch-up sim generate rfc fuzz format unit bootstrap kube-tools kube-up kube-down
.NOTPARALLEL:

NODE := .tools/node/bin/node
BIN := node_modules/.bin
# Node runs TypeScript as it stands; its compiled form is kept, so that a second start costs little.
export NODE_COMPILE_CACHE ?= $(CURDIR)/.tools/compile-cache
export PATH := $(CURDIR)/.tools/node/bin:$(PATH)

# A test that hangs fails by itself, long before anybody would look.
TEST := $(NODE) --test --test-concurrency=2 --test-timeout=300000
UNIT_TESTS := 'lib/**/*.test.ts' 'services/**/*.test.ts' 'operator/**/*.test.ts' 'cli/**/*.test.ts' \
  'sim/**/*.test.ts' 'bench/**/*.test.ts' 'tools/**/*.test.ts' 'images/**/*.test.ts' 'charts/**/*.test.ts'
E2E_TESTS := 'e2e/*.test.ts' 'e2e/letters/*.test.ts'

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

up: bootstrap ## start the array, send a letter, kill a primary, read the letter from the other member
	@./twinpost up

down: ## stop the array; mail and accounts stay
	@if [ -d .twinpost ]; then ./twinpost down; fi

clean: ## stop the array and remove all of its data
	@if [ -d .twinpost ]; then ./twinpost clean; fi

test: check unit e2e ## everything a change must pass: check, unit, transcript, property and end-to-end tests

check: bootstrap ## format, lint, types, layering, generated files, RFCs: all that a commit needs besides tests
	@$(BIN)/biome check --error-on-warnings .
	@$(BIN)/tsc -p .
	@$(NODE) tools/tidy.ts
	@$(NODE) tools/gen-crds.ts --check
	@$(NODE) tools/gen-chart.ts --check
	@$(NODE) tools/gen-reference.ts --check
	@$(NODE) tools/rfc.ts

unit: bootstrap
	@$(TEST) $(UNIT_TESTS)

e2e: bootstrap ## end-to-end tests with real clients against an array of their own (E2E=all: the slow ones too)
	@$(NODE) --test --test-concurrency=1 --test-timeout=600000 $(E2E_TESTS)

e2e-cluster: bootstrap ## the same on a real cluster: install, mail in and out, one failover (E2E=all: all that can break)
	@$(NODE) --test --test-concurrency=1 --test-timeout=3600000 'e2e/cluster/*.test.ts'

images: bootstrap ## build the container images (TARGETS=...) as archives, with docker, podman or buildah
	@tools/images/build.sh $(TARGETS)

measure-failover: bootstrap ## kill -9 a primary ten times: seconds until a login, FETCH, APPEND and delivery succeed
	@$(NODE) e2e/measure/failover.ts

measure-catch-up: bootstrap ## seconds until a mirror that was away for 100,000 messages is in sync again
	@$(NODE) e2e/measure/catch-up.ts

sim: bootstrap ## simulate faults from seeds: SEEDS=n histories, from SEED=s on; MUTANT=name must be caught
	@SEEDS='$(SEEDS)' SEED='$(SEED)' WORLD='$(WORLD)' MUTANT='$(MUTANT)' $(NODE) sim/main.ts

bench: bootstrap ## measure deliveries, IMAP commands and memory, beside Postfix and Dovecot where installed (ONLY=, PART=)
	@$(NODE) bench/main.ts $(if $(ONLY),--only $(ONLY)) $(if $(PART),--part $(PART))

fuzz: bootstrap ## fuzz tests with many more runs than in make test: FUZZ_RUNS=n
	@FUZZ_RUNS=$(or $(FUZZ_RUNS),100000) $(TEST) '{lib,services}/**/*.fuzz.test.ts'

kube-tools: ## build etcd and kube-apiserver, so that tests of the Kubernetes API run and do not skip (KUBE=all: a whole cluster)
	@tools/kube/build.sh $(or $(KUBE),control-plane)

kube-up: bootstrap ## start a Kubernetes of NODES=1..3 nodes on this machine (tools/kube/README.md)
	@tools/kube/up.sh $(or $(NODES),1)

kube-down: ## stop that Kubernetes and remove its data
	@tools/kube/down.sh

generate: bootstrap ## write what is generated: crds/*.yaml, docs/reference/*.md, parts of charts/ and images/
	@$(NODE) tools/gen-crds.ts
	@$(NODE) tools/gen-reference.ts
	@$(NODE) tools/gen-chart.ts

rfc: bootstrap ## hold the RFCs that code and docs cite against rfc/index.tsv
	@$(NODE) tools/rfc.ts

format: bootstrap ## format all sources and fix what the linter can
	@$(BIN)/biome check --write .

bootstrap:
	@sh tools/bootstrap.sh
