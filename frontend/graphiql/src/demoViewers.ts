import { useEffect, useState } from 'react';

/** Somebody of the demo data to ask as. */
export interface DemoViewer {
  readonly key: string;
  readonly username: string;
  readonly what: string;
  readonly token: string;
}

/** Gives the demo viewers: none unless the gateway was started with `--demo` and this page was opened on its machine. */
export function useDemoViewers(): readonly DemoViewer[] {
  const [viewers, setViewers] = useState<readonly DemoViewer[]>([]);
  useEffect(() => {
    const left = new AbortController();
    fetch('demo/viewers', { signal: left.signal })
      .then(async (response) => setViewers(response.ok ? (await response.json()).viewers : []))
      .catch(() => undefined); // the gateway is away: the schema's own request says so
    return () => left.abort();
  }, []);
  return viewers;
}
