# The image of docker-compose.yml: the locked core and the package, nothing else; one image for every role.
FROM python:3.11-slim-bookworm AS build
COPY requirements/pip.txt requirements/core.txt /src/requirements/
RUN python -m venv /opt/aegis \
    && /opt/aegis/bin/pip install -q --require-hashes -r /src/requirements/pip.txt \
    && /opt/aegis/bin/pip install -q --require-hashes -r /src/requirements/core.txt
COPY pyproject.toml README.md CHANGELOG.md LICENSE /src/
COPY schemas /src/schemas
COPY topologies /src/topologies
COPY aegis_stream /src/aegis_stream
RUN /opt/aegis/bin/pip install -q --no-deps /src

FROM python:3.11-slim-bookworm
COPY --from=build /opt/aegis /opt/aegis
ENV PATH=/opt/aegis/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
ENTRYPOINT ["aegis"]
