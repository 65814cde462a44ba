# order-payments as a container: built from source, run without privileges.
#
#   docker build -t order-payments .
#   docker run --rm order-payments --help

FROM rust:1.94-bookworm AS build
WORKDIR /build
COPY . .
# The manifest names tests and benchmarks; empty ones keep theirs out of the image's context.
RUN mkdir -p tests benches/end_to_end benches/store \
 && touch tests/main.rs tests/explorer.rs benches/micro.rs benches/end_to_end/main.rs benches/store/main.rs
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked && cp target/release/order-payments /order-payments

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libssl3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/order-payments --create-home order-payments
COPY --from=build /order-payments /usr/local/bin/order-payments
USER order-payments
WORKDIR /var/lib/order-payments
ENV ORDER_PAYMENTS__HTTP__LISTEN=0.0.0.0:8080 \
    ORDER_PAYMENTS__TELEMETRY__LOG_FORMAT=json
EXPOSE 8080
# Liveness by bash's own sockets: the image has no HTTP client, and needs none for anything else.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /livez HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["order-payments"]
CMD ["run"]
