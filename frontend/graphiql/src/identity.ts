/** Who asks: a bearer token, a session id, both or neither. Kept in sessionStorage, so that it ends with the tab. */
export interface Identity {
  readonly token: string;
  readonly session: string;
}

/** What a token says of itself; nothing is verified here, the gateway does that. */
export interface Claims {
  readonly subject: string;
  readonly role: string | null;
  readonly expires: Date | null;
}

const KEY = 'explore-gateway:identity';
const NOBODY: Identity = { token: '', session: '' };

/** The header that names an anonymous visitor's session, in questions and in answers. */
export const SESSION_HEADER = 'X-Session-Id';

const listeners = new Set<() => void>();
let current = read();

/** Gives whoever asks now. */
export function identity(): Identity {
  return current;
}

/** Changes who asks, and remembers it until the tab is closed. */
export function remember(change: Partial<Identity>): void {
  current = { ...current, ...change };
  sessionStorage.setItem(KEY, JSON.stringify(current));
  for (const listener of listeners) listener();
}

/** Calls the listener after each change, until the function that it gives is called. */
export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Takes a token as people paste it: with the word Bearer, quotes or line breaks around it. */
export function tidied(pasted: string): string {
  return pasted.replace(/["'\s]/g, '').replace(/^Bearer/i, '');
}

/** Reads what a token says; null if it is not shaped like a JSON Web Token. */
export function claimsOf(token: string): Claims | null {
  const payload = token.split('.')[1];
  if (!payload) return null;
  try {
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
    const said: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isRecord(said) && typeof said.sub === 'string' ? claims(said.sub, said) : null;
  } catch {
    return null; // not Base64, or not JSON
  }
}

function claims(subject: string, said: Record<string, unknown>): Claims {
  return {
    subject,
    role: typeof said.role === 'string' ? said.role : null,
    expires: typeof said.exp === 'number' ? new Date(said.exp * 1000) : null,
  };
}

function read(): Identity {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? '{}');
    return isRecord(stored) ? { token: text(stored.token), session: text(stored.session) } : NOBODY;
  } catch {
    return NOBODY; // somebody else's value under our key
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
