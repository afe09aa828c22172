// The audits of GraphQL over HTTP, by the npm package graphql-http, against a server that runs.
// node audits.mjs URL  writes a JSON array of {id, name, status, reason}.
import { auditServer } from 'graphql-http';

const url = process.argv[2];

/** What a client that uses GET has to do: name itself by a header that another site's page cannot send. */
function fetchFn(address, options = {}) {
  return fetch(address, { ...options, headers: { ...options.headers, 'X-Explore-Request': 'audits' } });
}

const results = await auditServer({ url, fetchFn });
process.stdout.write(
  JSON.stringify(results.map(({ id, name, status, reason }) => ({ id, name, status, reason: reason && String(reason) }))),
);
