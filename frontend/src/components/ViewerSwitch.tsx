import { useEffect, useId, useState } from "react";
import { type DemoViewer, fetchDemoViewers } from "../services/demo";
import type { SignedIn } from "../services/identity";

interface Props {
  user: SignedIn | null;
  become: (user: SignedIn | null) => void;
}

/** A choice of the demo's viewers; nothing outside the demo. */
export function ViewerSwitch({ user, become }: Props) {
  const id = useId();
  const [viewers, setViewers] = useState<DemoViewer[]>([]);
  useEffect(() => {
    // Without the list there is nothing to switch to, and nothing to say about it.
    fetchDemoViewers().then(setViewers, () => setViewers([]));
  }, []);
  if (viewers.length === 0) return null;
  return (
    <div className="viewer-switch">
      <label htmlFor={id}>Viewing as</label>
      <select
        id={id}
        value={user?.key ?? ""}
        onChange={(event) => become(viewers.find(({ key }) => key === event.target.value) ?? null)}
      >
        <option value="">Guest</option>
        {viewers.map((viewer) => (
          <option key={viewer.key} value={viewer.key}>
            {viewer.name}: {viewer.what}
          </option>
        ))}
      </select>
    </div>
  );
}
