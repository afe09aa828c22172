#!/bin/sh
# Requests to the gateway with curl: sh curl.sh http://127.0.0.1:8000/graphql TOKEN
set -eu
url=${1:?usage: sh curl.sh URL TOKEN} token=${2:?usage: sh curl.sh URL TOKEN}

ask() { # ask DOCUMENT [VARIABLES]: send an operation with the token
  variables=${2:-}
  curl --silent --show-error --fail-with-body "$url" \
    -H "Authorization: Bearer $token" -H "Content-Type: application/json" \
    -H "Accept: application/graphql-response+json" \
    -d "{\"query\": \"$1\", \"variables\": ${variables:-null}}"
  echo
}

echo "# The first page with explanations"
ask "{ forYou(first: 2) { strategy edges { rank node { key title } explanation { summary } } pageInfo { endCursor } } }"

echo "# Without a token: send the header X-Session-Id of the first response with later requests, which then belong to one session"
session=$(curl --silent --show-error --dump-header - --output /dev/null "$url" -H "Content-Type: application/json" \
  -d '{"query": "{ viewer { kind } }"}' | tr -d '\r' | sed -n 's/^[Xx]-[Ss]ession-[Ii]d: //p')
for _ in 1 2; do
  curl --silent --show-error "$url" -H "X-Session-Id: $session" -H "Content-Type: application/json" \
    -d '{"query": "mutation { setInterests(interests: [{kind: TOOL, key: \"suno\"}]) { changed interests { name } } }"}'
  echo
done

echo "# A cacheable query by GET: the header X-Explore-Request shows that no page of another site has sent the request"
curl --silent --show-error --get "$url" -H "X-Explore-Request: 1" \
  --data-urlencode 'query=query ($first: Int) { newest(first: $first) { edges { node { title } } } }' \
  --data-urlencode 'variables={"first": 2}'
echo

echo "# Errors have a code, and a message that says how to fix them"
ask "{ forYou(first: 1000) { strategy } }" || true
ask "mutation (\$key: String!) { likeProject(key: \$key) { changed userErrors { code message path } } }" \
  '{"key": "there is none"}'
