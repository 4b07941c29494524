# What deploy/up and deploy/down know of a running stack: where its state is, its ports, its processes.
# Sourced by bash behind lib.sh; `root` is the checkout.
# shellcheck shell=bash disable=SC2154,SC2034

ADMIN_EMAIL=admin@localhost
PORT_NAMES="admin proxy ops enrol channel demo postgres"

# Everything a stack keeps is in $STATE. That is .weir/ in the checkout where the service account can reach it; where it
# cannot (a clone under /root, say), .weir is a link to a folder of its own under /var/lib.
choose_state() {
  if [ -e "$root/.weir" ]; then STATE=$(readlink -f "$root/.weir"); fi
  if [ -z "${STATE:-}" ] || [ ! -d "$STATE" ]; then
    rm -f "$root/.weir" 2>/dev/null
    if [ "$(id -u)" != 0 ] || (cd / && as_service test -x "$root" 2>/dev/null); then
      STATE=$root/.weir
    else
      STATE=/var/lib/weir-$(printf '%s' "$root" | sha256sum | cut -c1-12)
      ln -s "$STATE" "$root/.weir" || fail "cannot write in $root"
    fi
  fi
  mkdir -p "$STATE"/{bin,run,log,secrets,proxy,web-admin} || fail "cannot write $STATE"
  chmod 0755 "$STATE" "$STATE/bin"; chmod 0700 "$STATE/secrets" "$STATE/proxy"
  service_owns "$STATE" "$STATE"/{run,log,secrets,proxy,web-admin}
  ID=$(printf '%s' "$STATE" | sha256sum | cut -c1-8)
}

load_ports() {
  PORT_admin=8080 PORT_proxy=8787 PORT_ops=8788 PORT_enrol=8443 PORT_channel=7300 PORT_demo=8790 PORT_postgres=54329
  # shellcheck disable=SC1091
  [ -f "$root/.weir/ports" ] && . "$root/.weir/ports"
  return 0
}
save_ports() {
  local n v
  for n in $PORT_NAMES; do v=PORT_$n; printf 'PORT_%s=%s\n' "$n" "${!v}"; done >"$STATE/ports"
}

# running NAME: the process of the pid file is alive and is the program that we started.
running() {
  local pid
  pid=$(cat "$STATE/run/$1.pid" 2>/dev/null) || return 1
  [ -n "$pid" ] && [ "$(readlink "/proc/$pid/exe" 2>/dev/null | sed 's/ (deleted)$//')" = "$STATE/bin/$2" ]
}
control_running() { running control weir-control; }
proxy_running() { running proxy weir-proxy; }
demo_running() { running demo weir-demo-provider; }
all_running() { control_running && proxy_running && demo_running; }
postgres_running() { [ -f "$STATE/pg/postmaster.pid" ] && kill -0 "$(head -1 "$STATE/pg/postmaster.pid")" 2>/dev/null; }

check_port() { # OPTION PORT WHAT
  port_taken "$2" && fail "port $2 ($3) is taken by another program; choose another with $1 N"
  return 0
}
check_ports() {
  control_running || {
    check_port --admin-port "$PORT_admin" weir-control
    check_port --enrol-port "$PORT_enrol" enrolment
    local i
    for i in 0 1 2 3; do check_port --channel-port $((PORT_channel + i)) "channel between the planes"; done
  }
  demo_running || check_port --demo-port "$PORT_demo" "demo provider"
  proxy_running || { check_port --proxy-port "$PORT_proxy" weir-proxy; check_port --ops-port "$PORT_ops" "weir-proxy health"; }
  [ -n "${DATABASE_URL:-}" ] || postgres_running || check_port --postgres-port "$PORT_postgres" PostgreSQL
}

build_release() { # FOLDER
  local log=$STATE/log/build.log
  need_node "$root/build/node" >"$log" 2>&1 || { tail -5 "$log" >&2; fail "no Node 20, which the model catalogue is built by"; }
  { cmake --preset release -S "$root" -B "$1" -DWEIR_TESTS=OFF &&
    cmake --build "$1" --target weir-control weir-proxy weir weir-demo-provider; } >>"$log" 2>&1 ||
    { tail -20 "$log" >&2; fail "the build failed; all of it is in $log"; }
}

# A running program is replaced, and restarted, only when it changed.
install_programs() {
  local p
  install_catalogue
  for p in weir-control weir-proxy weir weir-demo-provider; do
    cmp -s "$root/build/release/$p" "$STATE/bin/$p" && continue
    case $p in
      weir-control) stop_one control weir-control ;;
      weir-proxy) stop_one proxy weir-proxy ;;
      weir-demo-provider) stop_one demo weir-demo-provider ;;
    esac
    install -m 0755 "$root/build/release/$p" "$STATE/bin/$p.new" && mv "$STATE/bin/$p.new" "$STATE/bin/$p" || fail "cannot install $p"
  done
}

# Read by both planes when they start, hence both are restarted for another one.
install_catalogue() {
  cmp -s "$root/build/release/catalogue.json" "$STATE/bin/catalogue.json" && return 0
  stop_one proxy weir-proxy
  stop_one control weir-control
  install -m 0644 "$root/build/release/catalogue.json" "$STATE/bin/catalogue.json.new" &&
    mv "$STATE/bin/catalogue.json.new" "$STATE/bin/catalogue.json" || fail "cannot install catalogue.json"
}

# start NAME PROGRAM ARG…: detached, as the service account, with its own log.
start() {
  local name=$1 program=$2 log=$STATE/log/$1.log
  shift 2
  : >>"$log"; service_owns "$log"
  service_prefix
  # Nothing of ours stays open in it, so a pipe behind deploy/up ends when deploy/up does.
  "${SERVICE[@]}" setsid sh -c 'cd / && echo $$ >"$1" && shift && exec "$@"' sh "$STATE/run/$name.pid" "$STATE/bin/$program" "$@" \
    >>"$log" 2>&1 </dev/null &
  disown
}
stop_one() { # NAME PROGRAM
  local pid i
  running "$1" "$2" || { rm -f "$STATE/run/$1.pid"; return 0; }
  pid=$(cat "$STATE/run/$1.pid")
  kill -TERM "$pid" 2>/dev/null
  for i in $(seq 1 150); do
    running "$1" "$2" || break
    sleep 0.1
    [ "$i" = 150 ] && { say "  $1 does not end by itself: killed"; kill -KILL "$pid" 2>/dev/null; }
  done
  rm -f "$STATE/run/$1.pid"
}

# wait_for URL NAME PROGRAM: until it answers 200, or its process is gone.
wait_for() {
  local i
  for i in $(seq 1 300); do
    curl -fs -o /dev/null --noproxy '*' --max-time 2 "$1" 2>/dev/null && return 0
    [ "$i" -gt 10 ] && ! running "$2" "$3" && break
    sleep 0.1
  done
  tail -5 "$STATE/log/$2.log" >&2
  fail "$3 did not come up; its log is $STATE/log/$2.log"
}

write_secret() { (umask 077; printf '%s' "$2" >"$STATE/secrets/$1.new" && mv "$STATE/secrets/$1.new" "$STATE/secrets/$1"); service_owns "$STATE/secrets/$1"; }
secret() { cat "$STATE/secrets/$1" 2>/dev/null; }

# Owner's URL in OWNER_URL, the service's in SERVICE_URL; both databases are migrated.
database_up() {
  local service=weir_control_$ID password
  if [ -n "${DATABASE_URL:-}" ]; then
    OWNER_URL=$DATABASE_URL
    write_secret external-database "$DATABASE_URL"
  elif [ -f "$STATE/secrets/external-database" ] && [ ! -d "$STATE/pg" ]; then
    OWNER_URL=$(secret external-database)
  else
    if [ ! -f "$STATE/pg/owner.url" ]; then
      rm -rf "$STATE/pg"
      postgres_create "$STATE/pg" "$PORT_postgres" || fail "the private PostgreSQL could not be created; see $STATE/pg.log"
    elif ! postgres_running; then
      postgres_start "$STATE/pg" "$PORT_postgres" || fail "the private PostgreSQL does not start; see $STATE/pg/server.log"
    fi
    # the port may be another one than when the cluster was made
    OWNER_URL=$(sed -E "s,:[0-9]+/$,:$PORT_postgres/," "$STATE/pg/owner.url")
    [ "$(psql "${OWNER_URL}postgres" -Atqc "select 1 from pg_database where datname = 'weir'")" = 1 ] ||
      psql "${OWNER_URL}postgres" -qc 'create database weir' || fail "the database could not be created"
    OWNER_URL=${OWNER_URL}weir
  fi
  password=$(secret service-password)
  [ -n "$password" ] || { password=$(random_word); write_secret service-password "$password"; }
  psql "$OWNER_URL" -qX -v ON_ERROR_STOP=1 >/dev/null 2>"$STATE/log/role.log" <<SQL || { cat "$STATE/log/role.log" >&2; fail "the service's role could not be made"; }
SELECT format('CREATE ROLE %I LOGIN', '$service') WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '$service') \gexec
ALTER ROLE $service PASSWORD '$password';
SQL
  SERVICE_URL=$(printf '%s' "$OWNER_URL" | sed -E "s,://[^@/]*@,://$service:$password@,")
  WEIR_OWNER_URL=$OWNER_URL "$STATE/bin/weir-control" migrate --service-role "$service" >"$STATE/log/migrate.log" 2>&1 ||
    { tail -5 "$STATE/log/migrate.log" >&2; fail "a migration failed"; }
}

control_up() {
  local out
  [ -f "$STATE/secrets/key-encryption-key" ] || write_secret key-encryption-key "$("$STATE/bin/weir-control" new-key-encryption-key)"
  SERVICE_ENV=("WEIR_DATABASE_URL=$SERVICE_URL" "WEIR_KEY_FILE=$STATE/secrets/key-encryption-key")
  if [ ! -f "$STATE/secrets/admin-token" ]; then
    out=$(cd / && as_service "$STATE/bin/weir-control" bootstrap-admin --email "$ADMIN_EMAIL" --organization demo --workspace default \
      --reset-password --admin-token deploy --key demo --json 2>"$STATE/log/bootstrap.log") || { cat "$STATE/log/bootstrap.log" >&2; fail "the first admin could not be made"; }
    write_secret admin-password "$(json_field password "$out")"
    write_secret demo-key "$(json_field key "$out")"
    write_secret admin-token "$(json_field admin_token "$out")"
  fi
  control_running || start control weir-control serve --listen "127.0.0.1:$PORT_admin" --enrol-listen "127.0.0.1:$PORT_enrol" \
    --channel-listen "127.0.0.1:$PORT_channel" --channel-advertise 127.0.0.1 --web-admin-folder "$STATE/web-admin"
  SERVICE_ENV=()
  wait_for "http://127.0.0.1:$PORT_admin/readyz" control weir-control
}

# json_field NAME TEXT: a top-level string member of one-line JSON that we made ourselves.
json_field() { printf '%s' "$2" | sed -nE "s/.*\"$1\" *: *\"([^\"]*)\".*/\1/p"; }

demo_up() {
  demo_running || start demo weir-demo-provider --listen "127.0.0.1:$PORT_demo"
  wait_for "http://127.0.0.1:$PORT_demo/v1/models" demo weir-demo-provider
}

admin_call() { # METHOD PATH [BODY]
  curl -fsS --noproxy '*' --max-time 20 -X "$1" -H "Authorization: Bearer $(secret admin-token)" -H 'Content-Type: application/json' \
    ${3:+--data "$3"} "http://127.0.0.1:$PORT_admin/api/v1$2"
}

proxy_up() {
  local token=
  if ! proxy_running; then
    if [ ! -f "$STATE/proxy/plane.json" ]; then
      token=$(json_field token "$(admin_call POST /enrolment-tokens '{}')")
      [ -n "$token" ] || fail "weir-control gave no enrolment token"
    fi
    SERVICE_ENV=(${token:+"WEIR_ENROL=$token"})
    start proxy weir-proxy --listen "127.0.0.1:$PORT_proxy" --ops-listen "127.0.0.1:$PORT_ops" --state-folder "$STATE/proxy" \
      --control "127.0.0.1:$PORT_enrol" --name "proxy-$ID"
    SERVICE_ENV=()
  fi
  wait_for "http://127.0.0.1:$PORT_ops/readyz" proxy weir-proxy
}

# The demo provider and its models, by the same declarative file that users write.
demo_configuration() {
  WEIR_TOKEN=$(secret admin-token) WEIR_URL=http://127.0.0.1:$PORT_admin WEIR_DEMO_URL=http://127.0.0.1:$PORT_demo/v1 \
    "$STATE/bin/weir" apply -f "$root/deploy/demo.yaml" >"$STATE/log/apply.log" 2>&1 ||
    { tail -5 "$STATE/log/apply.log" >&2; fail "the demo configuration could not be applied"; }
}

# A change reaches the proxy within a second; the promise to the user is that the curl below answers.
wait_for_answer() {
  local i out
  for i in $(seq 1 100); do
    out=$(curl -fsS --noproxy '*' --max-time 5 -H "Authorization: Bearer $(secret demo-key)" -H 'Content-Type: application/json' \
      -d '{"model":"demo","messages":[{"role":"user","content":"ping"}]}' "http://127.0.0.1:$PORT_proxy/v1/chat/completions" 2>&1) && return 0
    sleep 0.1
  done
  printf '%s\n' "$out" >&2
  fail "the proxy does not answer a chat completion; its log is $STATE/log/proxy.log"
}

# Node 20 or newer: the machine's, else the npm package `node`.
need_node() {
  local have
  command -v node >/dev/null && have=$(node -p 'process.versions.node.split(".")[0]') || have=0
  if [ "$have" -lt 20 ] || ! command -v npm >/dev/null; then
    need_packages nodejs npm
    if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
      local home=$1
      [ -x "$home/node_modules/node/bin/node" ] ||
        { mkdir -p "$home" && (cd "$home" && npm install --no-audit --no-fund --no-save --loglevel=error node@20.20.0 >"$home/npm.log" 2>&1); } ||
        { tail -5 "$home/npm.log" >&2; return 1; }
      PATH=$home/node_modules/node/bin:$PATH
      export PATH
    fi
  fi
}

web_admin_build() {
  local log=$STATE/log/web-admin.log stamp
  stamp=$(cd "$root" && find web-admin -path web-admin/node_modules -prune -o -path web-admin/dist -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
  [ "$(cat "$STATE/web-admin.stamp" 2>/dev/null)" = "$stamp" ] && return 0
  need_node "$root/build/node" >"$log" 2>&1 || return 1
  (cd "$root/web-admin" && npm ci --no-audit --no-fund --loglevel=error && npm run build) >>"$log" 2>&1 || return 1
  rm -rf "$STATE/web-admin.new" && cp -r "$root/web-admin/dist" "$STATE/web-admin.new" && service_owns "$STATE/web-admin.new" &&
    rm -rf "$STATE/web-admin" && mv "$STATE/web-admin.new" "$STATE/web-admin" && printf '%s' "$stamp" >"$STATE/web-admin.stamp"
}
