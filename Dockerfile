# sluice-api and sluice in one small image: no shell's worth of tools but libpq and the PostgreSQL client that backups need.
# Built and run without root inside; everything that is written goes to volumes.

FROM swift:6.3-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpq-dev libssl-dev libsqlite3-dev zlib1g-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# What is depended on changes seldom: fetched in a layer of its own.
COPY Package.swift ./
COPY Plugins Plugins
COPY Sources/embed-text Sources/embed-text
RUN swift package resolve
COPY . .
RUN scripts/swift-build.sh -c release --static-swift-stdlib --product sluice-api \
    && scripts/swift-build.sh -c release --static-swift-stdlib --product sluice \
    && mkdir -p /out \
    && cp .build/release/sluice-api .build/release/sluice /out/

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpq5 libsqlite3-0 libssl3 libstdc++6 zlib1g ca-certificates postgresql-client tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 sluice \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sluice \
    && install -d -o sluice -g sluice -m 0750 /var/lib/sluice /var/log/sluice
COPY --from=build /out/sluice-api /out/sluice /usr/local/bin/
# A library that is missing ends the build here, and not the first start.
RUN sluice help > /dev/null && ! ldd /usr/local/bin/sluice-api | grep 'not found'
USER 10001:10001
WORKDIR /var/lib/sluice
ENV SLUICE_HOME=/var/lib/sluice LISTEN=0.0.0.0:8080 ADMIN_LISTEN=0.0.0.0:9464
# 9464 holds the metrics: publish it to nobody but Prometheus.
EXPOSE 8080 9464
VOLUME ["/var/lib/sluice"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["sluice", "health", "--url", "http://127.0.0.1:8080"]
CMD ["sluice-api"]
