# Three stages: the first builds the pages, the second installs the packages, the last is the image that runs. All packages
# are pinned by hash in requirements.lock and the package-lock.json files. `--build-arg PAGES=no` omits pages and Node.js.
# The base images can be pinned by digest: `--build-arg PYTHON_IMAGE=python@sha256:...`, and NODE_IMAGE likewise.
ARG PAGES=yes
ARG NODE_IMAGE=node:20-bookworm-slim
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${NODE_IMAGE} AS pages-yes
WORKDIR /build/frontend
COPY frontend /build/frontend
COPY schema.graphql /build/schema.graphql
RUN npm ci && npm run build
RUN cd graphiql && npm ci && npm run build

FROM scratch AS pages-no
WORKDIR /build/frontend/dist
WORKDIR /build/frontend/graphiql/dist

FROM pages-${PAGES} AS pages

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /opt/venv
COPY requirements.lock ./
RUN python -m pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY db db
COPY scoring scoring
COPY resolvers resolvers
COPY gateway gateway
COPY --from=pages /build/frontend/dist frontend/dist
COPY --from=pages /build/frontend/graphiql/dist frontend/graphiql/dist
# pip writes the command `explore`. setuptools, which builds the package, is one of the locked packages.
RUN python -m pip --python /opt/venv/bin/python install --no-index --no-deps --no-build-isolation .

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --home-dir /var/lib/explore --shell /usr/sbin/nologin explore \
 && install -d -o explore -g explore -m 0700 /var/lib/explore
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
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
