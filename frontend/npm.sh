#!/usr/bin/env bash
# Runs one script of each npm package here: `frontend/npm.sh build|lint|test`. Installs what its lock names, if need be.
# Exit code 3: left out, because Node.js is not there or npm cannot be reached; one line says which.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

script="${1:?usage: frontend/npm.sh build|lint|test}"
packages=(. graphiql)
left_out=3

leave_out() {
  echo "npm run $script was left out: $1" >&2
  exit "$left_out"
}

is_built() {
  local stamp="$1/dist/.built"
  [[ -f $stamp ]] && [[ -z $(find "$1" ../schema.graphql compress.mjs -newer "$stamp" -type f \
    -not -path '*/node_modules/*' -not -path '*/dist/*' -print -quit) ]]
}

# What npm says when nobody answers; whatever else stops it is a fault of the package, and must not pass for that.
not_reached='ENOTFOUND|EAI_AGAIN|EAI_FAIL|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ERR_SOCKET_TIMEOUT|ENETUNREACH|EHOSTUNREACH|E5[0-9][0-9]'

install() {
  [[ $1/node_modules/.package-lock.json -nt $1/package-lock.json ]] && return
  echo "installing what $1/package-lock.json names" >&2
  local said
  # Two tries a second apart: npm's own patience would keep whoever is offline waiting for minutes.
  if ! said=$(cd "$1" && npm ci --loglevel=error --fetch-retries=1 --fetch-retry-mintimeout=1000 2>&1); then
    [[ $said =~ $not_reached ]] && leave_out "npm cannot reach its registry (${BASH_REMATCH[0]}); all else works without"
    echo "$said" >&2
    exit 1
  fi
}

command -v node >/dev/null && command -v npm >/dev/null || leave_out "it takes Node.js 20.19 or newer, with npm"
node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
  leave_out "it takes Node.js 20.19 or newer, and this is $(node --version)"

for package in "${packages[@]}"; do
  [[ $script == build ]] && is_built "$package" && continue
  install "$package"
  (cd "$package" && npm run --silent --if-present "$script")
  [[ $script != build ]] || touch "$package/dist/.built"
done
