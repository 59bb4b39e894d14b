#!/usr/bin/env bash
# Fuzz the native core's scanner, writer and opener, AddressSanitizer on.  Any failure ends it, with the input that did.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${AEGIS_FUZZ_SECONDS:-60}
cache=$PWD/.cache

command -v cargo >/dev/null || { echo "fuzz-native: no cargo"; exit 1; }
export PATH="$cache/cargo-fuzz/bin:$PATH"
command -v cargo-fuzz >/dev/null || cargo install -q --locked --root "$cache/cargo-fuzz" --version '^0.13' cargo-fuzz

# A sanitizer is a nightly's option; a stable compiler takes it when told that this is meant.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$cache/native-fuzz"
cd native
for target in scanner opener; do
    mkdir -p "$cache/fuzz/$target"
    log=$cache/fuzz/$target.log
    if ! cargo fuzz run "$target" "$cache/fuzz/$target" -- -max_total_time="$seconds" -max_len=4096 -timeout=10 \
        -dict=fuzz/json.dict -artifact_prefix="$cache/fuzz/$target-" -print_final_stats=1 > "$log" 2>&1; then
        tail -n 40 "$log"
        exit 1
    fi
    echo "fuzz-native: $target: $(grep '^Done ' "$log")"
done
