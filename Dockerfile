# syntax=docker/dockerfile:1
# Three stages: one builds the pages, one installs, the last runs. Nothing is downloaded that requirements.lock or a
# package-lock.json does not name by hash. `--build-arg PAGES=no` leaves the pages, and with them Node.js, out.
ARG PAGES=yes

FROM node:20-bookworm-slim AS pages-yes
WORKDIR /build/frontend
COPY frontend /build/frontend
COPY schema.graphql /build/schema.graphql
RUN npm ci && npm run build
RUN cd graphiql && npm ci && npm run build

FROM scratch AS pages-no
WORKDIR /build/frontend/dist
WORKDIR /build/frontend/graphiql/dist

FROM pages-${PAGES} AS pages

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements.lock ./
RUN /opt/venv/bin/pip install --require-hashes --only-binary :all: -r requirements.lock
# Our own code is copied, not installed: that would need a build tool that the lock does not name.
RUN printf '%s\n' '#!/opt/venv/bin/python' 'from gateway.cli import app' 'app()' > /opt/venv/bin/explore \
 && chmod 0755 /opt/venv/bin/explore

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/explore --shell /usr/sbin/nologin explore \
 && install -d -o explore -g explore -m 0750 /var/lib/explore
COPY --from=build /opt/venv /opt/venv
COPY db /opt/explore/db
COPY scoring /opt/explore/scoring
COPY resolvers /opt/explore/resolvers
COPY gateway /opt/explore/gateway
COPY --from=pages /build/frontend/dist /opt/explore/frontend/dist
COPY --from=pages /build/frontend/graphiql/dist /opt/explore/frontend/graphiql/dist
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/explore \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    VAR_DIR=/var/lib/explore \
    HOST=0.0.0.0 \
    PORT=8000
USER explore
WORKDIR /var/lib/explore
VOLUME /var/lib/explore
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]
# exec form: the server is process 1 and gets the signal that stops it
ENTRYPOINT ["explore"]
CMD ["serve"]
