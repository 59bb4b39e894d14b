# The image of docker-compose.yml and deploy/kubernetes: one image for every role, run by a user without rights on a
# read-only file system.  What it holds is locked by hash: the core, the dashboard, AWS KMS, and the native core.

FROM rust:1.95-slim-bookworm AS native
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements/build.txt requirements/
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install -q --no-cache-dir --require-hashes -r requirements/build.txt
COPY native native
RUN /opt/build/bin/maturin build --quiet --release --locked --interpreter python3 -m native/Cargo.toml -o /wheels

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements/pip.txt requirements/build.txt requirements/image.txt requirements/
RUN python -m venv /opt/aegis \
    && /opt/aegis/bin/pip install -q --require-hashes -r requirements/pip.txt \
    && /opt/aegis/bin/pip install -q --require-hashes -r requirements/image.txt \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install -q --require-hashes -r requirements/build.txt
COPY --from=native /wheels /wheels
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY schemas schemas
COPY topologies topologies
COPY aegis_stream aegis_stream
# Compiled here, since nothing can be written where it runs; the installer has no business there either.
RUN /opt/build/bin/pip wheel -q --no-deps --no-build-isolation -w /wheels . \
    && /opt/aegis/bin/pip install -q --no-deps --no-index /wheels/*.whl \
    && /opt/aegis/bin/python -m compileall -q /opt/aegis/lib \
    && /opt/aegis/bin/pip uninstall -q -y pip

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="aegis-stream" \
      org.opencontainers.image.description="Encrypts personal data in Kafka events, field by field." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/aegis /opt/aegis
ENV PATH=/opt/aegis/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
ENTRYPOINT ["aegis"]
