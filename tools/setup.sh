#!/usr/bin/env bash
# Makes the virtual environment, from nothing: Python packages by hash, the package itself, and what the tests need
# of the system.  usage: tools/setup.sh VENV LOCK
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 lock=$2
mkdir -p .cache

say() { printf 'setup: %s\n' "$*" >&2; }

# Installs Debian packages where that can be done without asking anybody; says what to install where it cannot.
apt_install() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "please install: $* (Debian's names)"
        return 1
    fi
    say "apt-get install $*"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
        >"$log" 2>&1 || { tail -n 20 "$log" >&2; return 1; }
}

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
    local name
    for name in ${PYTHON:-} python3.11 python3 python3.12 python3.13 /usr/bin/python3; do
        if command -v "$name" >/dev/null && fits "$name"; then echo "$name"; return; fi
    done
    say "no Python 3.11, 3.12 or 3.13 found; set PYTHON to one"
    return 1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    python=$(find_python)
    "$python" -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
    say "virtual environment in $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

say "Python packages of $lock"
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$venv/bin/pip" install -q --require-hashes -r requirements/pip.txt
"$venv/bin/pip" install -q --no-compile --require-hashes -r "$lock"
"$venv/bin/pip" install -q --no-deps --no-build-isolation -e .

# The test of the wheel installs the core into an empty environment, and tests reach nothing outside.
rm -rf .cache/wheels
"$venv/bin/pip" download -q --no-deps --only-binary :all: --require-hashes -r requirements/core.txt -d .cache/wheels

# The tests of the HSM provider run on SoftHSM2; without it they fail and say so, all others run.
command -v softhsm2-util >/dev/null || apt_install softhsm2 || true

if [ -z "${AEGIS_TEST_BROKER:-}" ] && ! "$venv/bin/python" -m tools.kafka --engine; then
    missing=()
    command -v java >/dev/null || missing+=(openjdk-17-jre-headless)
    command -v mvn >/dev/null || missing+=(maven)
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}" || true
    say "Kafka's jars"
    "$venv/bin/python" -m tools.kafka --fetch
fi
