#!/usr/bin/env bash
# Starts the Kafka and the PostgreSQL that the tests talk to, on free loopback ports, and stops them.
#
#   tests/services.sh with COMMAND...    start both, run COMMAND, stop both; exits as COMMAND did
#   eval "$(tests/services.sh up)"       start both, export where they are
#   tests/services.sh down [STATE_DIR]   stop what that `up` started (default: $ORDER_PAYMENTS_TEST_SERVICES)
#   tests/services.sh restart STATE_DIR kafka|postgres SIGNAL
#                                        stop one of them by SIGNAL, start it again with its data and its port
#
# COMMAND finds in its environment
#   ORDER_PAYMENTS_TEST_KAFKA_BROKERS  host:port of the broker
#   ORDER_PAYMENTS_TEST_POSTGRES_URL   url of the maintenance database; its role may create databases
#   ORDER_PAYMENTS_TEST_SERVICES       the folder of their state and logs; empty if nothing was started
# Where the caller has set the first two, those servers are used and nothing is started.
# A client takes the broker's address from the broker. So whoever puts proxies before Kafka sets
#   ORDER_PAYMENTS_TEST_KAFKA_PROXIES  their ports; each is advertised by a listener of its own, and
#   ORDER_PAYMENTS_TEST_KAFKA_PROXIED  in COMMAND's environment has the ports of those listeners, in order
#
# Containers are used where an engine answers; ORDER_PAYMENTS_TEST_CONTAINERS=never forbids it.
# Otherwise Kafka runs from its jars (copied once into ${XDG_CACHE_HOME:-~/.cache}/order-payments) and
# PostgreSQL from its binaries. Durability stays on (fsync, synchronous_commit): the tests are about it.
#
# It never stops a process by name, and removes no folder that it did not make.
set -euo pipefail

readonly KAFKA_VERSION=4.1.0 # As in tests/services/pom.xml.
readonly START_TRIES=5       # A port may be taken between the probe and the start.
readonly KAFKA_START_SECONDS=90 POSTGRES_START_SECONDS=60 STOP_SECONDS=20
readonly MARKER=order-payments-test-services
# Sixteen bytes in base64url, as Kafka wants the id of a cluster: "order-payments-1".
readonly CLUSTER_ID=b3JkZXItcGF5bWVudHMtMQ

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/order-payments
state='' proxied=''

say() { printf 'services: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# --- What must be installed ------------------------------------------------------------------------

# install_package COMMAND PACKAGE: makes COMMAND available, or says who has to.
install_package() {
  has apt-get && [ "$(id -u)" = 0 ] || die "'$1' is missing; install it (Debian package $2) and try again"
  say "installing $2"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$2"; } >&2 ||
    die "'$1' is missing and installing the Debian package $2 failed"
}

postgres_bin() {
  local candidate
  for candidate in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) "$(dirname "$(command -v postgres || echo /none/)")"; do
    if [ -x "$candidate/postgres" ] && [ -x "$candidate/initdb" ]; then
      echo "$candidate"
      return
    fi
  done
}

require_postgres() {
  [ -n "$(postgres_bin)" ] || install_package postgres postgresql
  [ -n "$(postgres_bin)" ] || die "no folder with both 'postgres' and 'initdb' was found under /usr/lib/postgresql or in PATH"
}

require_kafka() {
  has java || install_package java default-jre-headless
  local jars=$cache/kafka-$KAFKA_VERSION
  [ -d "$jars" ] && return
  has mvn || install_package mvn maven
  say "copying the jars of Kafka $KAFKA_VERSION into $jars (once)"
  mkdir -p "$cache"
  local fresh
  fresh=$(mktemp -d "$cache/kafka.XXXXXX")
  mvn --batch-mode --quiet -Dstyle.color=never -f "$here/services/pom.xml" dependency:copy-dependencies \
    "-DoutputDirectory=$fresh" >&2 || {
    rm -rf "$fresh"
    die "Maven could not copy the jars of Kafka $KAFKA_VERSION"
  }
  # One rename, so that another run never sees half of them; the loser of a race throws its copy away.
  mv -T "$fresh" "$jars" 2>/dev/null || rm -rf "$fresh"
  [ -d "$jars" ] || die "$jars could not be written"
}

# --- Ports and processes ---------------------------------------------------------------------------

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A port nobody listens on, below the range that outgoing connections are given.
free_port() {
  local port
  while :; do
    port=$((15000 + (RANDOM * 32768 + RANDOM) % 17000))
    listening "$port" || break
  done
  echo "$port"
}

# The moment PID began, so that its number given to another process is not mistaken for it.
began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# remember NAME PID: writes down what `down` is to stop.
remember() { printf '%s %s\n' "$2" "$(began "$2")" >"$state/$1.pid"; }

alive() { [ -d "/proc/$1" ] && [ "$(began "$1")" = "$2" ]; }

# stop_process FILE SIGNAL: stops the process written down in FILE, by force when it lingers.
stop_process() {
  local pid start tick
  [ -s "$1" ] || return 0
  read -r pid start <"$1"
  alive "$pid" "$start" && kill -s "$2" "$pid" 2>/dev/null
  for ((tick = 0; tick < STOP_SECONDS * 10; tick++)); do
    alive "$pid" "$start" || break
    sleep 0.1
  done
  if alive "$pid" "$start"; then
    say "process $pid did not stop within $STOP_SECONDS s and is killed"
    kill -s KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$1"
}

# --- PostgreSQL ------------------------------------------------------------------------------------

# PostgreSQL refuses to run as root. Its own session, as for Kafka: a signal to our group, which runuser
# would pass on, is not for the server.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    (cd / && exec setsid --wait runuser -u postgres -- "$@")
  else
    setsid --wait "$@"
  fi
}

start_postgres() {
  local bin data=$state/postgres try port
  bin=$(postgres_bin)
  mkdir "$data"
  if [ "$(id -u)" = 0 ]; then chown postgres: "$data"; fi
  as_postgres "$bin/initdb" -D "$data" -U postgres --auth=trust -E UTF8 --no-locale >"$state/postgres.log" 2>&1 ||
    die "initdb failed: $(tail -n 3 "$state/postgres.log")"
  for ((try = 1; try <= START_TRIES; try++)); do
    port=$(free_port)
    if try_postgres "$bin" "$data" "$port"; then
      postgres_url=postgres://postgres@127.0.0.1:$port/postgres
      return
    fi
  done
  die "PostgreSQL did not start: $(tail -n 5 "$state/postgres.log")"
}

try_postgres() {
  local bin=$1 data=$2 port=$3 tick launcher
  as_postgres "$bin/postgres" -D "$data" -c listen_addresses=127.0.0.1 -c "port=$port" \
    -c unix_socket_directories= -c max_connections=300 -c fsync=on -c synchronous_commit=on \
    >>"$state/postgres.log" 2>&1 </dev/null &
  launcher=$!
  disown "$launcher"
  for ((tick = 0; tick < POSTGRES_START_SECONDS * 10; tick++)); do
    # Its own file names the server's process, which is not the launcher's where runuser is between.
    # One that was killed has left its file behind.
    if [ "$(sed -n 8p "$data/postmaster.pid" 2>/dev/null | tr -d ' ')" = ready ] &&
      [ -d "/proc/$(head -n 1 "$data/postmaster.pid")" ]; then
      remember postgres "$(head -n 1 "$data/postmaster.pid")"
      echo "$port" >"$state/postgres.port"
      return 0
    fi
    kill -0 "$launcher" 2>/dev/null || return 1
    sleep 0.1
  done
  kill "$launcher" 2>/dev/null
  return 1
}

# The processes of a server that was killed hold its memory for a moment; no other can start meanwhile.
restart_postgres() {
  local try
  for ((try = 0; try < POSTGRES_START_SECONDS * 10; try++)); do
    if try_postgres "$(postgres_bin)" "$state/postgres" "$(<"$state/postgres.port")"; then return; fi
    sleep 0.1
  done
  die "PostgreSQL did not start again: $(tail -n 5 "$state/postgres.log")"
}

# --- Kafka -----------------------------------------------------------------------------------------

# Becomes a Java of Kafka's; call it in a subshell. Its own session: Ctrl-C at the terminal is for the
# tests, and the broker is to outlive their last word.
exec_kafka() {
  exec setsid java -Xms256m -Xmx1g -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$cache/kafka-$KAFKA_VERSION/*" "$@"
}

# Sets, for $1 as Kafka's own address and the free ports after it: listeners, advertised, protocols.
kafka_listeners() {
  local host=$1 proxy
  listeners='' advertised='' protocols=''
  shift
  for proxy in ${ORDER_PAYMENTS_TEST_KAFKA_PROXIES:-}; do
    listeners+=,PROXY$proxy://$host:$1
    advertised+=,PROXY$proxy://127.0.0.1:$proxy
    protocols+=,PROXY$proxy:PLAINTEXT
    shift
  done
}

# A free port for each proxy; kept for their exports.
choose_proxied() {
  local proxy
  proxied=''
  for proxy in ${ORDER_PAYMENTS_TEST_KAFKA_PROXIES:-}; do proxied+=" $(free_port)"; done
}

# A broker that was killed may register again once its session has ended: soon, here.
kafka_properties() {
  local listeners advertised protocols
  # shellcheck disable=SC2086 # A list of numbers.
  kafka_listeners 127.0.0.1 $proxied
  cat <<PROPERTIES
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$2$listeners
advertised.listeners=PLAINTEXT://127.0.0.1:$1$advertised
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT$protocols
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:$2
log.dirs=$state/kafka
auto.create.topics.enable=false
num.partitions=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
PROPERTIES
}

start_kafka() {
  local try port
  for ((try = 1; try <= START_TRIES; try++)); do
    port=$(free_port)
    choose_proxied
    if try_kafka "$port" "$(free_port)"; then
      kafka_brokers=127.0.0.1:$port
      return
    fi
  done
  die "Kafka did not start: $(tail -n 5 "$state/kafka.log")"
}

try_kafka() {
  rm -rf "$state/kafka"
  kafka_properties "$1" "$2" >"$state/kafka.properties"
  : >"$state/kafka.log"
  (exec_kafka kafka.tools.StorageTool format -t "$CLUSTER_ID" -c "$state/kafka.properties") >>"$state/kafka.log" 2>&1 ||
    return 1
  launch_kafka "$1"
}

# launch_kafka PORT: starts a broker that was set up before.
launch_kafka() {
  local tick pid
  echo "$1" >"$state/kafka.port"
  exec_kafka kafka.Kafka "$state/kafka.properties" >>"$state/kafka.log" 2>&1 </dev/null &
  pid=$!
  disown "$pid" # So that bash does not report it when it is killed.
  remember kafka "$pid"
  for ((tick = 0; tick < KAFKA_START_SECONDS * 10; tick++)); do
    # A broker opens its port as the last step of its start.
    if listening "$1"; then return 0; fi
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.1
  done
  stop_process "$state/kafka.pid" TERM
  return 1
}

# --- Containers ------------------------------------------------------------------------------------

containers() {
  [ "${ORDER_PAYMENTS_TEST_CONTAINERS:-}" != never ] && has docker && docker info >/dev/null 2>&1
}

start_containers() {
  local postgres_port kafka_port
  postgres_port=$(free_port)
  kafka_port=$(free_port)
  docker run -d --rm -p "127.0.0.1:$postgres_port:5432" -e POSTGRES_HOST_AUTH_METHOD=trust postgres:15 \
    -c max_connections=300 -c fsync=on -c synchronous_commit=on >"$state/postgres.container"
  kafka_container "$kafka_port" >"$state/kafka.container"
  await_containers 0
  postgres_url=postgres://postgres@127.0.0.1:$postgres_port/postgres
  kafka_brokers=127.0.0.1:$kafka_port
}

# await_containers SINCE: waits for both; what Kafka logged before SINCE does not count.
await_containers() {
  local tick
  for ((tick = 0; tick < KAFKA_START_SECONDS; tick++)); do
    if docker exec "$(<"$state/postgres.container")" pg_isready -q -h 127.0.0.1 -U postgres &&
      docker logs --since "$1" "$(<"$state/kafka.container")" 2>&1 | grep 'Kafka Server started' >/dev/null; then
      return
    fi
    sleep 1
  done
  die "the containers did not answer within $KAFKA_START_SECONDS s"
}

# restart_container SERVER SIGNAL
restart_container() {
  local since=0
  if [ "$1" = kafka ]; then since=$(date +%s); fi
  docker restart --signal "$2" --time "$STOP_SECONDS" "$(<"$state/$1.container")" >/dev/null
  await_containers "$since"
}

kafka_container() {
  local listeners advertised protocols port ports=()
  choose_proxied
  # shellcheck disable=SC2086 # A list of numbers.
  kafka_listeners '' $proxied
  for port in $proxied; do ports+=(-p "127.0.0.1:$port:$port"); done
  docker run -d --rm -p "127.0.0.1:$1:9092" "${ports[@]}" -e KAFKA_HEAP_OPTS=-Xmx1g \
    -e KAFKA_PROCESS_ROLES=broker,controller -e KAFKA_NODE_ID=1 \
    -e "KAFKA_LISTENERS=PLAINTEXT://:9092,CONTROLLER://:9093$listeners" \
    -e "KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://127.0.0.1:$1$advertised" \
    -e "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT$protocols" \
    -e KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER -e KAFKA_CONTROLLER_QUORUM_VOTERS=1@localhost:9093 \
    -e KAFKA_AUTO_CREATE_TOPICS_ENABLE=false -e KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0 \
    -e KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1 -e KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS=4 \
    -e KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1 -e KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1 \
    -e KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS=4 apache/kafka:4.1.0
}

# --- Commands --------------------------------------------------------------------------------------

# Starts both and sets kafka_brokers, postgres_url and state; what was begun is stopped if it fails.
start() {
  kafka_brokers=${ORDER_PAYMENTS_TEST_KAFKA_BROKERS:-}
  postgres_url=${ORDER_PAYMENTS_TEST_POSTGRES_URL:-}
  if [ -n "$kafka_brokers" ] && [ -n "$postgres_url" ]; then
    say "using the servers of the environment"
    return
  fi
  [ -z "$kafka_brokers$postgres_url" ] ||
    die "set both ORDER_PAYMENTS_TEST_KAFKA_BROKERS and ORDER_PAYMENTS_TEST_POSTGRES_URL, or neither"
  state=$(mktemp -d "${TMPDIR:-/tmp}/order-payments-services.XXXXXX")
  chmod 755 "$state" # The user postgres has to pass through it.
  : >"$state/$MARKER"
  if containers; then
    start_containers
  else
    require_postgres
    require_kafka
    start_postgres
    start_kafka
  fi
  say "Kafka at $kafka_brokers, PostgreSQL at $postgres_url, logs in $state"
}

# stop STATE_DIR: stops what was started there and removes it; a folder already gone is done.
stop() {
  local container
  [ -n "$1" ] && [ -d "$1" ] || return 0
  [ -e "$1/$MARKER" ] || die "$1 was not made by $0"
  stop_process "$1/kafka.pid" TERM
  stop_process "$1/postgres.pid" INT
  for container in "$1"/*.container; do
    if [ -s "$container" ]; then docker rm -f "$(<"$container")" >/dev/null; fi
  done
  rm -rf "$1"
}

# restart STATE_DIR SERVER SIGNAL: one server anew, with what it has stored and at the port it had.
restart() {
  [ $# = 3 ] && [ -e "$1/$MARKER" ] || die "restart: name a state folder, kafka or postgres, and a signal"
  state=$1
  if [ -s "$state/$2.container" ]; then
    restart_container "$2" "$3"
    return
  fi
  stop_process "$state/$2.pid" "$3"
  case $2 in
    kafka) launch_kafka "$(<"$state/kafka.port")" || die "Kafka did not start again: $(tail -n 5 "$state/kafka.log")" ;;
    postgres) restart_postgres ;;
    *) die "restart: there is no server '$2'" ;;
  esac
}

exports() {
  printf 'export ORDER_PAYMENTS_TEST_KAFKA_BROKERS=%q\n' "$kafka_brokers"
  printf 'export ORDER_PAYMENTS_TEST_POSTGRES_URL=%q\n' "$postgres_url"
  printf 'export ORDER_PAYMENTS_TEST_SERVICES=%q\n' "$state"
  printf 'export ORDER_PAYMENTS_TEST_KAFKA_PROXIED=%q\n' "${proxied# }"
}

# A second signal must not cut the clean-up short: whoever sends one to a group often sends two.
clean_up() {
  trap '' INT TERM
  stop "$state"
}

up() {
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  start
  trap - EXIT
  exports
}

# The traps stay until the end, so whatever ends this script ends the servers.
with() {
  [ $# -gt 0 ] || die "with: name the command to run"
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  start
  eval "$(exports)"
  "$@"
}

case ${1:-} in
  up) up ;;
  down) stop "${2:-${ORDER_PAYMENTS_TEST_SERVICES:-}}" ;;
  restart)
    shift
    restart "$@"
    ;;
  with)
    shift
    with "$@"
    ;;
  *)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
