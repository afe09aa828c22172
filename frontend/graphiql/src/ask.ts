import type { GraphiQLProps } from 'graphiql';
import { parse } from 'graphql';
import { identity, remember, SESSION_HEADER } from './identity';

type Operation = Parameters<GraphiQLProps['fetcher']>[0];

const ACCEPT = 'application/graphql-response+json, application/json;q=0.9, text/event-stream;q=0.8';

/**
 * Sends an operation as whoever the bar above says. Headers written into GraphiQL's own pane win.
 *
 * A subscription comes as server-sent events (the "distinct connections" mode of the GraphQL-over-SSE protocol) and is
 * given as an async iterable, which GraphiQL shows event by event until Stop is pressed.
 */
export const ask: GraphiQLProps['fetcher'] = async (operation, options) => {
  const stop = new AbortController();
  const response = await fetch('graphql', {
    method: 'POST',
    headers: { ...headersOf(), ...options?.headers, Accept: ACCEPT, 'Content-Type': 'application/json' },
    body: JSON.stringify({ ...operation, operationName: nameIn(operation) }),
    signal: stop.signal,
  });
  keepSession(response);
  const isStream = response.headers.get('Content-Type')?.startsWith('text/event-stream');
  return isStream && response.body ? events(response.body, stop) : response.json();
};

/**
 * Gives the name of the operation to run where there is a choice. GraphiQL notices a tenth of a second late that a text
 * has changed: whoever pastes a query and runs it at once would ask for the operation that stood there before.
 */
function nameIn({ query, operationName }: Operation): string | undefined {
  try {
    const operations = parse(query).definitions.filter((definition) => definition.kind === 'OperationDefinition');
    return operations.length > 1 ? (operationName ?? undefined) : undefined;
  } catch {
    return undefined; // the gateway says what is wrong with it
  }
}

function headersOf(): Record<string, string> {
  const { token, session } = identity();
  return { ...(token && { Authorization: `Bearer ${token}` }), ...(session && { [SESSION_HEADER]: session }) };
}

/** The gateway gives a visitor without a token a session: with it the next page knows what they did. */
function keepSession(response: Response): void {
  const given = response.headers.get(SESSION_HEADER);
  if (given && !identity().token) remember({ session: given });
}

async function* events(body: NonNullable<Response['body']>, stop: AbortController) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).replace(/\r\n/g, '\n').split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const { name, data } = parsed(block);
        if (name === 'complete') return;
        if (name === 'next' && data) yield JSON.parse(data);
      }
    }
  } finally {
    stop.abort();
  }
}

/** One event of the stream: lines of `field: value`; those that begin with a colon only keep the connection open. */
function parsed(block: string): { name: string; data: string } {
  const lines = block.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line));
  const values = (field: string) => lines.filter((line) => line?.[1] === field).map((line) => line?.[2] ?? '');
  return { name: values('event')[0] ?? 'message', data: values('data').join('\n') };
}
