# Sourced by scripts/demo, scripts/test and .ci/run. Sets the project up in .venv, once per state of the sources.
#
#   PYTHON     interpreter to use (default: python3)
#
# Functions say what they do in one line on stderr; everything pip and the compiler say goes to a log, whose end is
# shown when a step fails.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PYTHON_CHOSEN="${PYTHON:-}"
PYTHON="${PYTHON:-python3}"
LOG="$ROOT/build/setup.log"

say() { printf 'engine: %s\n' "$*" >&2; }

# One line for each thing that is missing, then exit code 2.
check_machine() {
    if ! command -v "$PYTHON" >/dev/null 2>&1; then
        say "Python is missing ($PYTHON): apt-get install python3 python3-venv python3-dev"
        exit 2
    fi
    local version package
    version="$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        say "Python $version is too old, 3.11 or newer is needed: apt-get install python3.11, then set PYTHON=python3.11"
        exit 2
    fi
    package="python3"
    [ -n "$PYTHON_CHOSEN" ] && package="python$version"

    local missing=0
    if ! "$PYTHON" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        say "the venv module is missing: apt-get install $package-venv"
        missing=1
    fi
    if ! "$PYTHON" -c 'import os, sys, sysconfig
sys.exit(not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")))'; then
        say "Python.h is missing: apt-get install $package-dev"
        missing=1
    fi
    if ! command -v "${CXX:-g++}" >/dev/null 2>&1; then
        say "the C++ compiler is missing: apt-get install g++"
        missing=1
    elif ! printf '#include <vector>\nint main() {}\n' | "${CXX:-g++}" -x c++ -fsyntax-only - >/dev/null 2>&1; then
        say "the C++ compiler finds no standard library: apt-get install g++"
        missing=1
    fi
    if ! command -v "${CC:-gcc}" >/dev/null 2>&1; then
        say "the C compiler is missing: apt-get install gcc"
        missing=1
    fi
    [ "$missing" -eq 0 ] || exit 2
}

# step LINE COMMAND...: say LINE, run COMMAND quietly, show the end of its output if it fails.
step() {
    say "$1"
    shift
    if ! "$@" >>"$LOG" 2>&1; then
        say "failed: $*"
        tail -n 40 "$LOG" >&2
        say "the whole log: $LOG"
        exit 1
    fi
}

# What the installed package was made from: interpreter, build files, names and contents of the sources.
source_state() {
    (
        cd "$ROOT" || exit 1
        "$PYTHON" -VV
        sha256sum pyproject.toml setup.py
        find engine pyx -type f ! -path '*/__pycache__/*' \
            ! -name '*.so' ! -name '*.o' ! -name '*.c' ! -name '*.cpp' ! -name '*.html' -print0 |
            LC_ALL=C sort -z | xargs -0 sha256sum
    ) | sha256sum | cut -d ' ' -f 1
}

# requirements KEY...: the list that stands under these keys of pyproject.toml, one a line.
requirements() {
    "$PYTHON" -c 'import sys, tomllib
with open(sys.argv[1], "rb") as file:
    found = tomllib.load(file)
for key in sys.argv[2:]:
    found = found[key]
print(*found, sep="\n")' "$ROOT/pyproject.toml" "$@"
}

build_requirements() {
    requirements build-system requires
}

# make_venv FOLDER: an environment of its own with the build requirements; kept while interpreter and place are the same.
make_venv() {
    local venv="$1" state
    state="$("$PYTHON" -VV) $venv $(build_requirements | tr '\n' ' ')"
    if [ "$(cat "$venv/engine-venv" 2>/dev/null)" = "$state" ]; then
        return
    fi
    rm -rf "$venv"
    step "making ${venv#"$ROOT"/} with Python $("$PYTHON" -c 'import platform; print(platform.python_version())')" \
        "$PYTHON" -m venv "$venv"
    local requirements
    mapfile -t requirements < <(build_requirements)
    step "installing the build requirements" \
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${requirements[@]}"
    printf '%s\n' "$state" >"$venv/engine-venv"
}

# install_wheel FOLDER EXTRAS: build the wheel of the current sources in the environment's tools and install it there.
install_wheel() {
    local venv="$1" extras="$2" wheels extra needs
    local -a wanted
    wheels="$venv/wheel"
    rm -rf "$wheels"
    mapfile -t wanted < <(
        requirements project dependencies
        for extra in ${extras//,/ }; do requirements project optional-dependencies "$extra"; done
    )
    # While it compiles: half of it is waiting for the network.
    step "installing what it needs" \
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${wanted[@]}" &
    needs=$!
    step "compiling (a first build takes some minutes)" \
        "$venv/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
        --wheel-dir "$wheels" "$ROOT"
    local wheel
    wheel="$(echo "$wheels"/engine-*.whl)"
    wait "$needs" || exit 1
    step "installing the wheel" \
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "$wheel"
}

# set_up [EXTRAS]: .venv holds the wheel of the current sources; nothing is done when it already does.
set_up() {
    local extras="${1:-}" state stamp
    check_machine
    mkdir -p "$ROOT/build"
    stamp="$ROOT/.venv/engine-installed"
    exec 9>"$ROOT/build/setup.lock"
    flock 9
    state="$(source_state)"
    if ! grep -qsxF "$state $extras" "$stamp"; then
        : >"$LOG"
        make_venv "$ROOT/.venv"
        if grep -qs "^$state " "$stamp"; then
            # The wheel is there, only the extras, if any are wanted, are not.
            [ -z "$extras" ] || step "installing the extras $extras" "$ROOT/.venv/bin/python" -m pip install --quiet \
                --disable-pip-version-check "$(echo "$ROOT"/.venv/wheel/engine-*.whl)[$extras]"
        else
            rm -f "$stamp"
            ENGINE_BUILD=release install_wheel "$ROOT/.venv" "$extras"
        fi
        printf '%s %s\n' "$state" "$extras" >>"$stamp"
    fi
    exec 9>&-
}

# set_up_clients: the clients of tests/interop, each extra in a folder of its own below build/interop: they pin what the
# engine does not. Without them those tests are skipped, but in CI.
set_up_clients() {
    local extra folder state wanted
    exec 9>"$ROOT/build/setup.lock"
    flock 9
    for extra in interop interop-coinbase interop-mcp; do
        folder="$ROOT/build/interop/$extra"
        mapfile -t wanted < <(requirements project optional-dependencies "$extra")
        state="$("$PYTHON" -VV) ${wanted[*]}"
        if [ "$(cat "$folder/engine-clients" 2>/dev/null)" = "$state" ]; then
            continue
        fi
        rm -rf "$folder"
        if (step "installing the clients of $extra" "$ROOT/.venv/bin/python" -m pip install --quiet \
            --disable-pip-version-check --target "$folder" "${wanted[@]}"); then
            printf '%s\n' "$state" >"$folder/engine-clients"
        else
            rm -rf "$folder"
            [ -z "${CI:-}" ] || exit 1
            say "tests/interop will be skipped"
        fi
    done
    exec 9>&-
}

# second_look OUT WORKERS COMMAND...: a pytest run, by WORKERS processes (1: in one), its output also in OUT. What failed
# is run once more, alone: a test that passes then was disturbed by others, and is told by name. A crash is never put
# down to that; after one, pytest-xdist ends by --dist load alone, by loadgroup it waits for ever.
second_look() {
    local out="$1" workers="$2" status=0 beside=()
    shift 2
    [ "$workers" -le 1 ] || beside=(-n "$workers" --dist load)
    [ ! -t 1 ] || beside+=(--color=yes)
    "$@" "${beside[@]}" | tee "$out" || status=$?
    if [ "$status" -ne 1 ] || grep -qE "^worker '.*' crashed" "$out"; then
        return "$status"
    fi
    say "once more, alone: what failed"
    "$@" --last-failed --last-failed-no-failures none || return 1
    say "flaky: failed at first, passed alone:"
    grep -E '(FAILED|ERROR) ' "$out" | sed 's/ - .*//' >&2
}
