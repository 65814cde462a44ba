# The commands of a checkout. `make` lists them.

CARGO ?= cargo
CHAOS_TEST = chaos::no_order_is_lost_doubled_or_told_twice_whatever_fails
CHAOS_ACCOUNT = $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/chaos.txt

.DEFAULT_GOAL := help
.PHONY: help demo test explore chaos bench lint deps

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: deps ## Build and run the demo; ARGS="--orders 100 --seed 7" is passed on
	$(CARGO) build --release --locked
	target/release/order-payments demo $(ARGS)

test: deps ## Run every test, against a real Kafka and PostgreSQL that it starts and stops
	tests/services.sh with $(CARGO) test --locked $(ARGS)

# Our own crate alone is optimised: what it stands on is built once, as for the tests.
explore: deps ## Play every fault at every step of a payment, and every pair; SEED=7 for other triples, CASE=... for one case
	ORDER_PAYMENTS_EXPLORE='$(or $(CASE),full$(addprefix :,$(SEED)))' CARGO_PROFILE_DEV_OPT_LEVEL=2 \
	  $(CARGO) test --locked --test explorer -- --nocapture

chaos: deps ## Kill, cut and restart everything over 20,000 orders; SEED=7 for another plan; ends in an account
	@rm -f $(CHAOS_ACCOUNT)
	@status=0; ORDER_PAYMENTS_CHAOS=full ORDER_PAYMENTS_CHAOS_SEED=$(SEED) ORDER_PAYMENTS_CHAOS_ACCOUNT=$(CHAOS_ACCOUNT) \
	  $(CARGO) test --locked --test suite -- --exact --nocapture $(CHAOS_TEST) || status=$$?; \
	if [ -e $(CHAOS_ACCOUNT) ]; then echo; cat $(CHAOS_ACCOUNT); fi; exit $$status

bench: deps ## Measure speed, cost, latency, recovery and scaling on real servers; ARGS="--quick" or "--help" is passed on
	tests/services.sh with $(CARGO) bench --locked --bench end_to_end -- $(ARGS)

lint: deps ## Check formatting, lints and documentation
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

# librdkafka (C and C++) and SQLite are compiled from source, against OpenSSL.
deps: ## Install the Debian packages that a build needs, where that is possible and needed
	@if command -v cc >/dev/null && command -v c++ >/dev/null && command -v pkg-config >/dev/null && pkg-config --exists openssl; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -q -y --no-install-recommends gcc g++ libc6-dev make pkg-config libssl-dev; \
	else \
	  echo "A build needs gcc, g++, make, pkg-config and libssl-dev (Debian's names). Install them and try again." >&2; exit 1; \
	fi
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust (its version is rust-version in Cargo.toml)." >&2; exit 1; }
