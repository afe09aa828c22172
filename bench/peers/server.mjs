// graphql-yoga with the gateway's schema, as a good Node team would write it: one process, no access log, no compression.
//
//   node server.mjs postgresql   DATABASE_URL, REDIS_URL and TOKEN_SECRET: prepared statements, a DataLoader for each
//                                relation, rankings and explanations in Redis (bench/serving/peers.py fills it)
//   node server.mjs memory       ANSWERS: a file of answers by operation name, resolved by graphql-js's default resolvers
//
// It prints its port once it listens.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import DataLoader from 'dataloader';
import { createSchema, createYoga } from 'graphql-yoga';
import { Redis } from 'ioredis';
import pg from 'pg';

const typeDefs = readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8');
const { DATABASE_URL, REDIS_URL, TOKEN_SECRET, ANSWERS } = process.env;
const opaque = (text) => Buffer.from(text).toString('base64url');

const statements = {
  viewer: 'SELECT a.id FROM users u JOIN actors a ON a.user_id = u.id WHERE u.key = $1',
  projects: `SELECT id, key, title, description, type, url, image_url AS "imageUrl", owner_id, like_count AS "likeCount",
               view_count AS "viewCount", created_at AS "createdAt"
             FROM projects WHERE key = ANY($1) AND NOT private AND NOT archived`,
  owners: 'SELECT id, key, username FROM users WHERE id = ANY($1)',
  terms: `SELECT pt.project_id, t.kind, t.key, t.name FROM project_terms pt JOIN terms t ON t.id = pt.term_id
          WHERE pt.project_id = ANY($1) AND t.kind IN ('tool', 'category') ORDER BY t.name, t.id`,
  marks: `SELECT project_id, true AS liked FROM likes WHERE actor_id = $2 AND project_id = ANY($1)
          UNION ALL SELECT project_id, false FROM saves WHERE actor_id = $2 AND project_id = ANY($1)`,
  activity: `SELECT project_id, (first_at AT TIME ZONE 'UTC')::date - (now() AT TIME ZONE 'UTC')::date AS day,
               count(*)::int AS count
             FROM engagement WHERE project_id = ANY($1) AND first_at >= (now() AT TIME ZONE 'UTC')::date - 13
             GROUP BY 1, 2`,
  known: 'SELECT id, key FROM projects WHERE key = ANY($1) AND NOT private AND NOT archived',
  record: `INSERT INTO interactions (actor_id, project_id, type, at, recorded_at)
           SELECT $1, project_id, type, now(), now() FROM unnest($2::bigint[], $3::text[]) AS event (project_id, type)
           ON CONFLICT DO NOTHING RETURNING project_id, type`,
  engage: `INSERT INTO engagement (actor_id, project_id, first_at, last_at, kinds)
           SELECT $1, project_id, now(), now(), 1 FROM unnest($2::bigint[]) AS event (project_id)
           ON CONFLICT (actor_id, project_id) DO UPDATE SET last_at = now(), kinds = engagement.kinds | 1`,
  count: 'UPDATE projects SET view_count = view_count + 1 WHERE id = ANY($1)',
  changed: 'UPDATE actors SET version = version + 1 WHERE id = $1',
};

function byKey(rows, keys, field) {
  const found = new Map(rows.map((row) => [row[field], row]));
  return keys.map((key) => found.get(key) ?? null);
}

function grouped(rows, keys, make) {
  const groups = new Map(keys.map((key) => [key, []]));
  for (const row of rows) groups.get(row.project_id).push(row);
  return keys.map((key) => make(groups.get(key)));
}

function loaders(pool, actor) {
  const read = (name, ...values) => pool.query({ name, text: statements[name], values }).then((result) => result.rows);
  const days = (rows) => {
    const counts = new Array(14).fill(0);
    for (const { day, count } of rows) if (day > -14 && day <= 0) counts[13 + day] = count;
    return counts;
  };
  const marks = (rows) => ({ liked: rows.some((row) => row.liked), saved: rows.some((row) => !row.liked) });
  return {
    project: new DataLoader(async (keys) => byKey(await read('projects', keys), keys, 'key')),
    owner: new DataLoader(async (ids) => byKey(await read('owners', ids), ids, 'id')),
    terms: new DataLoader(async (ids) => grouped(await read('terms', ids), ids, (rows) => rows)),
    activity: new DataLoader(async (ids) => grouped(await read('activity', ids), ids, days)),
    marks: new DataLoader(async (ids) =>
      actor === null ? ids.map(() => marks([])) : grouped(await read('marks', ids, actor), ids, marks),
    ),
  };
}

/** Return the key of the user of a bearer token (HS256), or null without one. */
function userOf(request) {
  const header = request.headers.get('authorization');
  if (header === null) return null;
  const [head, body, signature] = header.replace(/^Bearer /, '').split('.');
  const wanted = createHmac('sha256', TOKEN_SECRET).update(`${head}.${body}`).digest();
  if (!timingSafeEqual(wanted, Buffer.from(signature, 'base64url'))) throw new Error('The signature is wrong.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
  if (claims.exp * 1000 < Date.now() || claims.iss !== 'explore-gateway' || claims.aud !== 'explore')
    throw new Error('The token has expired, or is for somebody else.');
  return claims.sub;
}

/** Read a page of a ranking in one round trip; explanations take another. */
async function feed(name, first, context) {
  const read = context.redis.pipeline().lrange(`ranking:${name}`, 0, first).get(`ranking:${name}:meta`);
  const [rows, meta] = (await read.exec()).map(([, reply]) => reply);
  const entries = rows.slice(0, first).map((row) => JSON.parse(row));
  const { snapshotId, strategy } = JSON.parse(meta);
  const projects = await context.load.project.loadMany(entries.map((entry) => entry.key));
  const edges = entries.flatMap((entry, index) => {
    if (projects[index] === null) return []; // no longer visible
    const cursor = opaque(`${snapshotId}:${entry.rank}:${projects[index].id}`);
    return [{ id: opaque(`FeedEdge:${name}:${cursor}`), cursor, ...entry, ranking: name, node: projects[index] }];
  });
  const pageInfo = { endCursor: edges.at(-1)?.cursor, hasNextPage: rows.length > first };
  return { strategy, degraded: [], snapshotId, pageInfo, edges };
}

async function record(events, { pool, actor }) {
  const client = await pool.connect();
  const run = (name, ...values) => client.query({ name, text: statements[name], values }).then((result) => result.rows);
  try {
    await client.query('BEGIN');
    const known = new Map((await run('known', [...new Set(events.map((event) => event.project))])).map((row) => [row.key, row.id]));
    const results = events.map((event, index) => ({
      index,
      status: known.has(event.project) ? 'RECORDED' : 'REFUSED',
      userErrors: known.has(event.project) ? [] : [{ code: 'UNKNOWN_PROJECT', message: 'No such project.', path: [] }],
    }));
    const good = events.filter((event) => known.has(event.project));
    const added = await run('record', actor, good.map((event) => known.get(event.project)), good.map((event) => event.type.toLowerCase()));
    const viewed = [...new Set(added.filter((row) => row.type === 'view').map((row) => row.project_id))];
    await run('engage', actor, viewed);
    await run('count', viewed);
    await run('changed', actor);
    await client.query('COMMIT');
    return { recorded: added.length, results, userErrors: [] };
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

function overPostgresql() {
  pg.types.setTypeParser(pg.types.builtins.INT8, Number); // ids
  const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 });
  const redis = new Redis(REDIS_URL);
  const named = (kind) => ({ id: (row) => opaque(`${kind}:${row.key}`) });
  const project = (reference, _, { load }) => (reference.project === null ? null : load.project.load(reference.project));
  const resolvers = {
    Query: {
      forYou: (_, { first }, context) => feed(context.user, first, context),
      trending: (_, { first }, context) => feed('trending', first, context),
    },
    Mutation: { recordInteractions: (_, { events }, context) => record(events, context) },
    FeedEdge: { explanation: (edge, _, { load }) => load.explanation(edge.ranking).load(edge.key) },
    Adjustment: {
      blockedBy: (adjustment, _, { load }) => (adjustment.blockedBy === null ? null : load.project.load(adjustment.blockedBy)),
    },
    SimilarToProject: { project },
    Project: {
      ...named('Project'),
      owner: (row, _, { load }) => (row.owner_id === null ? null : load.owner.load(row.owner_id)),
      tools: async (row, _, { load }) => (await load.terms.load(row.id)).filter((term) => term.kind === 'tool'),
      categories: async (row, _, { load }) => (await load.terms.load(row.id)).filter((term) => term.kind === 'category'),
      activity: (row, _, { load }) => load.activity.load(row.id),
      viewerHasLiked: async (row, _, { load }) => (await load.marks.load(row.id)).liked,
      viewerHasSaved: async (row, _, { load }) => (await load.marks.load(row.id)).saved,
    },
    User: named('User'),
    Tool: named('Tool'),
    Category: named('Category'),
  };
  const context = async ({ request }) => {
    const user = userOf(request);
    const viewer = user && (await pool.query({ name: 'viewer', text: statements.viewer, values: [user] })).rows[0];
    const actor = viewer?.id ?? null;
    const explanations = new Map();
    const explanation = (ranking) => {
      if (!explanations.has(ranking)) {
        const read = (keys) => redis.hmget(`ranking:${ranking}:explanations`, keys);
        explanations.set(ranking, new DataLoader(async (keys) => (await read(keys)).map((text) => JSON.parse(text))));
      }
      return explanations.get(ranking);
    };
    return { pool, redis, user, actor, load: { ...loaders(pool, actor), explanation } };
  };
  return { schema: createSchema({ typeDefs, resolvers }), context };
}

function inMemory() {
  const answers = JSON.parse(readFileSync(ANSWERS, 'utf8'));
  const from = (name) => (_root, _arguments, _context, info) => answers[info.operation.name.value][name];
  const fields = new Set(Object.values(answers).flatMap((answer) => Object.keys(answer)));
  const Query = Object.fromEntries([...fields].map((name) => [name, from(name)]));
  return { schema: createSchema({ typeDefs, resolvers: { Query } }) };
}

const made = process.argv[2] === 'memory' ? inMemory() : overPostgresql();
const yoga = createYoga({ ...made, logging: false, graphiql: false, landingPage: false, maskedErrors: false });
const server = createServer(yoga);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
