# All images of Twinpost, one target each: docker build --target twinpost .
#
# BASE is any glibc system with Node >= 24.12 on its PATH; BUILDER is one that has npm too. The defaults come from Docker Hub; where no
# registry can be reached, tools/images/base.sh makes both from Debian packages and tools/images/build.sh passes them in.
# Images run as 10001 on a read-only root file system (Pod Security Standard "restricted") and hold no compiled code of ours, so
# that amd64 and arm64 are the same sources.
ARG BASE=docker.io/library/node:24-bookworm-slim
ARG BUILDER=docker.io/library/node:24-bookworm
# The servers of others that the chart brings are Debian's packages on SYSTEM; nats-server is built from its Go module by GO.
ARG SYSTEM=docker.io/library/debian:bookworm-slim
ARG GO=docker.io/library/golang:1.26-bookworm

# The packages that run in production, and nothing of theirs that only people read.
FROM ${BUILDER} AS packages
# Only for networks with an authority of their own; nothing of it stays in an image.
ARG NODE_EXTRA_CA_CERTS
WORKDIR /opt/twinpost
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error \
  && find node_modules -type f \( -name '*.map' -o -name '*.md' -o -name '*.markdown' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete \
  && find node_modules -depth -type d \( -name test -o -name tests -o -name examples -o -name docs \) -exec rm -rf {} +

# Sources, and their compiled form for the very Node that runs them: a container that starts again after a crash is there sooner.
FROM ${BASE} AS sources
WORKDIR /opt/twinpost
COPY --from=packages /opt/twinpost/node_modules ./node_modules
COPY package.json LICENSE ./
COPY lib ./lib
COPY services ./services
COPY operator ./operator
COPY crds ./crds
RUN mkdir .compiled && chown 10001:10001 .compiled
USER 10001:10001
ENV NODE_COMPILE_CACHE=/opt/twinpost/.compiled NODE_ENV=production
RUN for main in services/*/main.ts operator/kubernetes-main.ts; do node "$main" --help >/dev/null || exit 1; done

# Every process of the array and the operator: which one is the command of the container.
FROM ${BASE} AS twinpost
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="twinpost" \
  org.opencontainers.image.description="An array of complete mail servers on Kubernetes, mirrored in pairs" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
WORKDIR /opt/twinpost
COPY --from=sources /opt/twinpost ./
# Threads for syncs, reads and password hashes: with Node's four a few slow reads would delay a sync.
ENV NODE_COMPILE_CACHE=/opt/twinpost/.compiled NODE_ENV=production UV_THREADPOOL_SIZE=16
USER 10001:10001
CMD ["node", "operator/kubernetes-main.ts"]

# The version is pinned in tools/go.mod, with the sums of all modules beside it.
FROM ${GO} AS nats-build
# Only for networks with an authority of their own.
ARG SSL_CERT_FILE
WORKDIR /build
COPY tools/go.mod tools/go.sum ./
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /nats-server github.com/nats-io/nats-server/v2

FROM ${SYSTEM} AS nats
COPY --from=nats-build /nats-server /usr/local/bin/nats-server
COPY images/reloading.sh /opt/nats/
USER 10001:10001
ENTRYPOINT ["/opt/nats/reloading.sh", "/etc/twinpost/tls:/etc/twinpost/nats-auth", "nats-server", "--config", "/etc/twinpost/nats/nats.conf"]

FROM ${SYSTEM} AS openldap
RUN echo 'exit 101' >/usr/sbin/policy-rc.d && apt-get update -qq \
  && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends slapd ldap-utils >/dev/null \
  && rm -rf /usr/sbin/policy-rc.d /var/lib/apt/lists/* /var/cache/* /var/log/* /etc/ldap/slapd.d /var/lib/ldap /var/backups/*
COPY images/openldap/*.sh images/openldap/*.ldif /opt/openldap/
USER 10001:10001
ENTRYPOINT ["/opt/openldap/run.sh"]

FROM ${SYSTEM} AS resolver
RUN echo 'exit 101' >/usr/sbin/policy-rc.d && apt-get update -qq \
  && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends unbound dns-root-data >/dev/null \
  && rm -rf /usr/sbin/policy-rc.d /var/lib/apt/lists/* /var/cache/* /var/log/* /etc/unbound /var/lib/unbound
COPY images/reloading.sh images/resolver/unbound.conf /opt/resolver/
USER 10001:10001
ENTRYPOINT ["/opt/resolver/reloading.sh", "/etc/twinpost/tls", "unbound", "-d", "-p", "-c", "/opt/resolver/unbound.conf"]
