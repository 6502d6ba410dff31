# The gateway and the worker: our Python without Triton, and nothing to build with.
#   docker build -f docker/gateway.Dockerfile -t radgate/gateway:0.1.0 .
FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY docker/requirements.py pyproject.toml ./
RUN python requirements.py pyproject.toml > requirements.txt \
    && python -m venv /opt/radgate \
    && /opt/radgate/bin/pip install --no-cache-dir --disable-pip-version-check -r requirements.txt
COPY README.md LICENSE ./
COPY gateway ./gateway
COPY tools ./tools
RUN /opt/radgate/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps . \
    && /opt/radgate/bin/pip uninstall --yes --quiet pip

FROM python:3.12-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/radgate --shell /usr/sbin/nologin radgate \
    && install -d -o radgate -g radgate -m 0700 /var/lib/radgate \
    && install -d -o radgate -g radgate -m 0750 /data/in /data/out
COPY --from=build /opt/radgate /opt/radgate
ENV PATH=/opt/radgate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    RADGATE_DATA_DIR=/var/lib/radgate \
    RADGATE_ADMIN_HOST=0.0.0.0 \
    RADGATE_INPUT_ROOTS=/data/in \
    RADGATE_OUTPUT_ROOTS=/data/out
USER 10001:10001
WORKDIR /var/lib/radgate
EXPOSE 8080 8500 5000 8000 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9090/live', timeout=3)"]
ENTRYPOINT ["python", "-m", "gateway"]
