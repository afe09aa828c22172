import { useId, useSyncExternalStore } from 'react';
import { useDemoViewers } from './demoViewers';
import { claimsOf, identity, remember, subscribe, tidied } from './identity';

/** The line above GraphiQL: whom the queries are asked as. */
export function IdentityBar() {
  const { token, session } = useSyncExternalStore(subscribe, identity);
  return (
    <header className="identity">
      <h1>
        <a href="./">explore-gateway</a>
      </h1>
      <DemoViewerChoice token={token} />
      <Secret
        label="Token"
        placeholder="paste a bearer token"
        value={token}
        onChange={(pasted) => remember({ token: tidied(pasted) })}
      />
      <Secret
        label="Session"
        placeholder="given with the first answer"
        value={session}
        onChange={(pasted) => remember({ session: pasted.trim() })}
      />
      <output>{whoAsks(token, session)}</output>
      <details>
        <summary>Where do I get a token?</summary>
        <p>
          <code>explore token USER</code> prints one for any user, with <code>--role service</code> one that may write
          the catalog; <code>explore token heavy</code> prints one for a viewer of the demo. Without a token you are a
          visitor, known by the session.
        </p>
      </details>
    </header>
  );
}

/** Lets somebody ask as one of the demo viewers, where there are any. */
function DemoViewerChoice({ token }: { readonly token: string }) {
  const id = useId();
  const viewers = useDemoViewers();
  if (viewers.length === 0) return null;
  const key = claimsOf(token)?.subject ?? '';
  const chosen = viewers.find((viewer) => viewer.key === key);
  return (
    <div className="field">
      <label htmlFor={id}>Ask as</label>
      <select
        id={id}
        value={chosen?.key ?? ''}
        title={chosen?.what}
        onChange={(event) =>
          remember({ token: viewers.find((viewer) => viewer.key === event.target.value)?.token ?? '' })
        }
      >
        <option value="">{token && !chosen ? 'whoever the token names' : 'a visitor'}</option>
        {viewers.map(({ key, username, what }) => (
          <option key={key} value={key}>
            {username}: {what}
          </option>
        ))}
      </select>
    </div>
  );
}

interface SecretProps {
  readonly label: string;
  readonly placeholder: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

/** A field whose value stays off the screen and out of the browser's own memory. */
function Secret({ label, placeholder, value, onChange }: SecretProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="password"
        autoComplete="off"
        spellCheck={false}
        placeholder={placeholder}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </div>
  );
}

function whoAsks(token: string, session: string): string {
  if (!token) return session ? 'You ask as a visitor whom the session knows.' : 'You ask as a new visitor.';
  const claims = claimsOf(token);
  if (!claims) return 'This is no token: a token has three parts with dots between them.';
  const { subject, role, expires } = claims;
  const until = expires?.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  if (expires && expires < new Date()) return `The token of “${subject}” expired on ${until}.`;
  return `You ask as “${subject}”${role ? ` (${role})` : ''}${until ? `, until ${until}` : ''}.`;
}
