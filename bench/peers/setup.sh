#!/usr/bin/env bash
# Builds an environment per peer under build/peers, with the newest release that installs here.
#   bench/peers/setup.sh [cryptofeed] [nautilus]      (none named: all)
# PYTHON chooses the interpreter, ENGINE_PEERS another folder. A second run leaves what is there.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
folder="${ENGINE_PEERS:-$root/build/peers}"
python="${PYTHON:-python3}"

packages() {
  case "$1" in
    cryptofeed) echo "cryptofeed order_book uvloop" ;;
    nautilus) echo "--only-binary=nautilus_trader nautilus_trader uvloop" ;;
    *) echo "setup.sh: no peer named $1 (cryptofeed, nautilus)" >&2; return 2 ;;
  esac
}

if [ "$#" -eq 0 ]; then set -- cryptofeed nautilus; fi
for name in "$@"; do
  wanted="$(packages "$name")"
  home="$folder/$name"
  if [ -f "$home/ready" ]; then
    echo "$name: ready ($(tr '\n' ' ' < "$home/ready"))"
    continue
  fi
  rm -rf "$home"
  "$python" -m venv "$home"
  # shellcheck disable=SC2086  # a list of words on purpose
  "$home/bin/python" -m pip install --quiet --disable-pip-version-check $wanted
  "$home/bin/python" -m pip freeze | grep -iE '^(cryptofeed|nautilus_trader|order[-_]book|uvloop)==' > "$home/ready"
  echo "$name: installed ($(tr '\n' ' ' < "$home/ready"))"
done
