# The service, its core compiled in a stage with a compiler and run on a base without one.
FROM python:3.11-bookworm AS build
WORKDIR /src
COPY tools/install tools/compile tools/
COPY requirements requirements
COPY pyproject.toml README.md LICENSE ./
COPY service service
RUN tools/install /opt/reconverge

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="reconverge" \
      org.opencontainers.image.description="Order-state recovery, measured and capped" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/reconverge /opt/reconverge
# Nothing is written at run time: the root file system may be read-only. HTTP leaves loopback
# here because a container's loopback is its own; publishing the port stays a decision outside.
ENV PATH=/opt/reconverge/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RECONVERGE_HTTP_HOST=0.0.0.0 \
    RECONVERGE_HTTP_PORT=8080
USER 65532:65532
EXPOSE 8080
# /healthz answers 503 when a worker has stopped making progress; urlopen raises on it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-Ic", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["reconverge"]
CMD ["run"]
