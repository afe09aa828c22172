import { useEffect, useRef, useState } from "react";
import type { OwnedProjects } from "../../gql/graphql";
import { asFailure } from "../../services/failures";
import { useGateway } from "../../services/GatewayContext";
import { deleteAll, exportAll, type Receipt } from "../../services/personalization";
import { Dialog } from "../Dialog";

/** A download and a deletion of all data stored about the viewer. */
export function YourData({ onDeleted }: { onDeleted: () => void }) {
  const gateway = useGateway();
  const [isAsking, setAsking] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [said, setSaid] = useState("");
  const [receipt, setReceipt] = useState<Receipt | null>(null);

  const attempt = async (act: () => Promise<string>) => {
    setBusy(true);
    setSaid("");
    try {
      setSaid(await act());
    } catch (thrown) {
      setSaid(asFailure(thrown).message);
    } finally {
      setBusy(false);
    }
  };
  const download = () =>
    attempt(async () => {
      saveAs("my-data.json", JSON.stringify(await exportAll(gateway), null, 2));
      return "Downloaded my-data.json.";
    });
  const remove = (projects: OwnedProjects) =>
    attempt(async () => {
      const given = await deleteAll(gateway, projects);
      setAsking(false);
      setReceipt(given);
      return given ? "Your data was deleted." : "There was nothing to delete.";
    });

  return (
    <section className="panel-part" aria-label="Your data">
      <h3>Your data</h3>
      <div className="data-acts">
        <button type="button" className="button" disabled={isBusy} onClick={() => void download()}>
          Download my data
        </button>
        {!receipt && (
          <button type="button" className="button danger" disabled={isBusy} onClick={() => setAsking(true)}>
            Delete my data…
          </button>
        )}
      </div>
      {isAsking && (
        <Confirm
          isBusy={isBusy}
          onDelete={(projects) => void remove(projects)}
          onCancel={() => setAsking(false)}
        />
      )}
      <p role="status">{said}</p>
      {receipt && <ReceiptOf receipt={receipt} onDone={onDeleted} />}
    </section>
  );
}

interface ConfirmProps {
  isBusy: boolean;
  onDelete: (projects: OwnedProjects) => void;
  onCancel: () => void;
}

function Confirm({ isBusy, onDelete, onCancel }: ConfirmProps) {
  const [projects, setProjects] = useState<OwnedProjects>("KEEP");
  return (
    <Dialog title="Delete your data?" className="confirm" onClose={onCancel}>
      <p>
        Your likes, saves, interests, answers and settings are deleted now, with everything learned from them.
        This can't be undone.
      </p>
      <label>
        Projects you created{" "}
        <select value={projects} onChange={(event) => setProjects(event.target.value as OwnedProjects)}>
          <option value="KEEP">Keep without my name</option>
          <option value="REMOVE">Delete</option>
        </select>
      </label>
      <div className="data-acts">
        <button type="button" className="button danger" disabled={isBusy} onClick={() => onDelete(projects)}>
          Delete everything
        </button>
        <button type="button" className="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}

function ReceiptOf({ receipt, onDone }: { receipt: Receipt; onDone: () => void }) {
  const rows = receipt.deleted.filter(({ count }) => count > 0);
  const done = useRef<HTMLButtonElement>(null);
  // The button that opened the confirmation is gone.
  useEffect(() => done.current?.focus(), []);
  return (
    <div className="receipt">
      <p>
        Receipt <code>{receipt.id}</code>. Caches and indexes follow within two minutes.
      </p>
      <ul>
        {rows.map(({ name, count }) => (
          <li key={name}>
            {count} {name.replaceAll("_", " ")}
          </li>
        ))}
      </ul>
      <button type="button" ref={done} className="button primary" onClick={onDone}>
        Start over
      </button>
    </div>
  );
}

function saveAs(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
