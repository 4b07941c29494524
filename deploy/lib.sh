# Shared by deploy/up, deploy/down and tests/run: packages, the unprivileged user, a private PostgreSQL cluster.
# Sourced by bash; every function says what went wrong and returns non-zero.
# shellcheck shell=bash disable=SC2034,SC2120

BUILD_PACKAGES="cmake ninja-build gcc libc6-dev pkg-config libevent-dev libssl-dev libnng-dev libprotobuf-c-dev
 protobuf-c-compiler protobuf-compiler libmicrohttpd-dev libargon2-dev libjansson-dev libyaml-dev libpq-dev
 libcurl4-openssl-dev libnghttp2-dev libpcre2-dev libhiredis-dev libjwt-dev libcmocka-dev"
RUN_PACKAGES="ca-certificates curl procps util-linux tzdata"
POSTGRES_PACKAGES="postgresql-15 postgresql-client-15"
SERVICE_USER=weir

say() { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# as_root COMMAND…: as it is for root, through sudo for others.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo -n true 2>/dev/null || say "  (sudo may ask for your password)"; sudo "$@"
  else fail "this needs root: $* (run as root, or install sudo)"
  fi
}

package_missing() {
  local p
  for p in "$@"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || printf '%s ' "$p"
  done
}

# need_packages NAME…: installs those that are missing, all in one go. Debian only; elsewhere it names them.
need_packages() {
  local missing log
  missing=$(package_missing "$@")
  [ -z "$missing" ] && return 0
  command -v apt-get >/dev/null || fail "please install these packages: $missing"
  log=$(mktemp)
  if [ -z "${WEIR_APT_UPDATED:-}" ]; then
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update >"$log" 2>&1 || { tail -5 "$log" >&2; fail "apt-get update failed"; }
    WEIR_APT_UPDATED=1
  fi
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >"$log" 2>&1 ||
    { tail -20 "$log" >&2; fail "apt-get could not install: $missing"; }
  rm -f "$log"
}

# PostgreSQL's own package makes and starts a cluster on a fresh machine; it is told not to. A cluster that exists is left alone.
need_postgres() {
  [ -x "$(postgres_bin)/initdb" ] && return 0
  need_packages postgresql-common
  if [ -z "$(ls /etc/postgresql 2>/dev/null)" ]; then
    local conf=/etc/postgresql-common/createcluster.conf
    if grep -q '^[# ]*create_main_cluster' "$conf" 2>/dev/null; then
      as_root sed -i 's/^[# ]*create_main_cluster.*/create_main_cluster = false/' "$conf"
    else
      printf 'create_main_cluster = false\n' | as_root tee -a "$conf" >/dev/null
    fi
  fi
  # shellcheck disable=SC2086
  need_packages $POSTGRES_PACKAGES
}

postgres_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1; }

# The account that services run as when root calls: made once, without a shell.
need_user() {
  [ "$(id -u)" = 0 ] || return 0
  id "$SERVICE_USER" >/dev/null 2>&1 ||
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$SERVICE_USER" ||
    fail "could not create the user $SERVICE_USER"
}

# The words before a command that make it run as the unprivileged account (root) or as oneself, into the array SERVICE.
service_prefix() {
  SERVICE=()
  [ "$(id -u)" = 0 ] && SERVICE=(setpriv --reuid "$SERVICE_USER" --regid "$SERVICE_USER" --init-groups --reset-env)
  SERVICE+=(env "PATH=$PATH" LANG=C.UTF-8 "${SERVICE_ENV[@]}")
}
SERVICE_ENV=()
as_service() { service_prefix; "${SERVICE[@]}" "$@"; }

# service_owns PATH…: hands files to the unprivileged account.
service_owns() { [ "$(id -u)" = 0 ] && chown -R "$SERVICE_USER:$SERVICE_USER" "$@"; return 0; }

random_word() { od -An -N"${1:-18}" -tx1 /dev/urandom | tr -d ' \n'; }

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# postgres_create DIR PORT: a new cluster in DIR (whose parent exists and the service account can reach), listening on loopback only.
# Leaves DIR/owner.url (role weir_owner: may create databases and roles, is no superuser) with mode 0600.
postgres_create() {
  local dir=$1 port=$2 bin pw owner_pw
  bin=$(postgres_bin)
  pw=$(random_word) owner_pw=$(random_word)
  mkdir -p "$dir" && service_owns "$dir" && chmod 0700 "$dir" || return 1
  printf '%s\n' "$pw" >"$dir.pw"; service_owns "$dir.pw"; chmod 0600 "$dir.pw"
  (cd / && as_service "$bin/initdb" -D "$dir" -U weir_super --pwfile="$dir.pw" -A scram-sha-256 -E UTF8 --locale=C.UTF-8 \
    --no-instructions) >"$dir.log" 2>&1 || { tail -5 "$dir.log" >&2; return 1; }
  printf "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 200\n" >>"$dir/postgresql.conf"
  # The service account could not be asked for a password here, so the super-user's goes through the environment, never a command line.
  printf '%s\n' "$pw" >"$dir/super.pw"; service_owns "$dir/super.pw"; chmod 0600 "$dir/super.pw"; rm -f "$dir.pw"
  postgres_start "$dir" "$port" || return 1
  PGPASSWORD=$pw "$bin/psql" -qX -h 127.0.0.1 -p "$port" -U weir_super -d postgres -v ON_ERROR_STOP=1 >/dev/null <<SQL || return 1
CREATE ROLE weir_owner LOGIN CREATEDB CREATEROLE PASSWORD '$owner_pw';
SQL
  (umask 077; printf 'postgresql://weir_owner:%s@127.0.0.1:%s/' "$owner_pw" "$port" >"$dir/owner.url")
  service_owns "$dir/owner.url"
}

# postgres_start DIR PORT, postgres_stop DIR [fast|immediate]
postgres_start() {
  local dir=$1 port=$2 bin
  bin=$(postgres_bin)
  (cd / && as_service "$bin/pg_ctl" -D "$dir" -w -t 60 -l "$dir/server.log" -o "-p $port" start) >/dev/null 2>&1 ||
    { tail -5 "$dir/server.log" >&2; return 1; }
}
postgres_stop() {
  local dir=$1 bin
  bin=$(postgres_bin)
  [ -f "$dir/postmaster.pid" ] || return 0
  (cd / && as_service "$bin/pg_ctl" -D "$dir" -w -t 60 -m "${2:-fast}" stop) >/dev/null 2>&1
}
