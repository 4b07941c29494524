#!/bin/bash
# A private PostgreSQL cluster for tests: postgres.sh create DIR PORT | start DIR PORT | stop DIR [immediate] | drop DIR
# `create` prints the owner's URL up to the database name.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/lib.sh
. "$here/lib.sh"
case ${1:-} in
  create) need_postgres; need_user; postgres_create "$2" "$3" || fail "no cluster in $2"; cat "$2/owner.url"; echo ;;
  start) postgres_start "$2" "$3" || fail "cluster in $2 does not start" ;;
  stop) postgres_stop "$2" "${3:-fast}" ;;
  drop) postgres_stop "$2" immediate; rm -rf "$2" "$2.log" ;;
  *) fail "usage: postgres.sh create|start DIR PORT, stop|drop DIR" ;;
esac
