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

install() {
  [[ $1/node_modules/.package-lock.json -nt $1/package-lock.json ]] && return
  echo "installing npm packages (frontend/${1#.})" >&2
  # Two tries a second apart: npm's own patience would keep whoever is offline waiting for minutes.
  (cd "$1" && npm ci --loglevel=error --fetch-retries=1 --fetch-retry-mintimeout=1000) >&2 ||
    leave_out "npm ci could not install, see above; where npm cannot be reached, all else works without the pages"
}

command -v node >/dev/null && command -v npm >/dev/null || leave_out "it takes Node.js 20.19 or newer, with npm"
node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
  leave_out "it takes Node.js 20.19 or newer, and this is $(node --version)"

for package in "${packages[@]}"; do
  [[ -f $package/package.json ]] || continue
  [[ $script == build ]] && is_built "$package" && continue
  install "$package"
  (cd "$package" && npm run --silent --if-present "$script")
  [[ $script != build ]] || touch "$package/dist/.built"
done
