#!/usr/bin/env bash
# Builds kryoptic, a PKCS#11 token in software that has the standard mechanism 0x210B, which SoftHSM2 has not.
# Needs cargo, a C compiler, pkg-config and the headers of OpenSSL and SQLite; about 90 s of CPU.  Result:
# .cache/kryoptic/libkryoptic_pkcs11.so, on which the HSM tests then run as well.   usage: tools/kryoptic.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
version=1.5.4
python=${1:-.venv/bin/python}
place=$PWD/.cache/kryoptic
target=$place/libkryoptic_pkcs11.so

say() { printf 'kryoptic: %s\n' "$*" >&2; }

[ ! -f "$target" ] || { say "built already: ${target#"$PWD/"}"; exit 0; }
missing=()
command -v cargo >/dev/null || missing+=("cargo")
command -v gcc >/dev/null || missing+=("gcc")
pkg-config --exists openssl 2>/dev/null || missing+=("libssl-dev and pkg-config")
pkg-config --exists sqlite3 2>/dev/null || missing+=("libsqlite3-dev")
[ ${#missing[@]} = 0 ] || { say "please install: ${missing[*]}"; exit 1; }

mkdir -p "$place/fetch/src"
cat >"$place/fetch/Cargo.toml" <<TOML
[package]
name = "fetch"
version = "0.0.0"
edition = "2021"
[dependencies]
kryoptic = "=$version"
TOML
: >"$place/fetch/src/lib.rs"
say "fetching version $version"
cargo fetch -q --manifest-path "$place/fetch/Cargo.toml"
sources=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -maxdepth 2 -type d -name "kryoptic-$version" | head -n 1)
rm -rf "$place/source"
cp -r "$sources" "$place/source"

# bindgen reads C headers through libclang, which comes as a Python package where there is no compiler that has it.
"$python" -m pip install -q --disable-pip-version-check --no-deps --target "$place/libclang" "libclang==18.1.1"
export LIBCLANG_PATH=$place/libclang/clang/native
export BINDGEN_EXTRA_CLANG_ARGS="-I$(gcc -print-file-name=include)"
say "building"
(cd "$place/source" && cargo build -q --locked --release --no-default-features --features minimal,kryoptic-lib/dynamic)
cp "$place/source/target/release/libkryoptic_pkcs11.so" "$target"
rm -rf "$place/source" "$place/fetch" "$place/libclang"
say "built: ${target#"$PWD/"}"
