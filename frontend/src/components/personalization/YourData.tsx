import { useId, useState } from "react";
import type { OwnProjects } from "../../gql/graphql";
import { asFailure } from "../../services/failures";
import { useGateway } from "../../services/GatewayContext";
import { deleteAll, exportAll, type Receipt } from "../../services/personalization";

/** Everything that is held: to take along, or to be rid of. */
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
      return "Your data is in the file my-data.json.";
    });
  const remove = (projects: OwnProjects) =>
    attempt(async () => {
      const given = await deleteAll(gateway, projects);
      setAsking(false);
      setReceipt(given);
      return given ? "Everything is deleted." : "Nothing was held of you, so there was nothing to delete.";
    });

  return (
    <section className="panel-part" aria-label="Your data">
      <h3>Your data</h3>
      <div className="data-acts">
        <button type="button" className="button" disabled={isBusy} onClick={() => void download()}>
          Download all of it
        </button>
        {!isAsking && !receipt && (
          <button type="button" className="button danger" disabled={isBusy} onClick={() => setAsking(true)}>
            Delete all of it …
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
  onDelete: (projects: OwnProjects) => void;
  onCancel: () => void;
}

function Confirm({ isBusy, onDelete, onCancel }: ConfirmProps) {
  const id = useId();
  const [projects, setProjects] = useState<OwnProjects>("KEEP");
  return (
    <fieldset className="confirm" aria-describedby={id}>
      <legend>Delete everything?</legend>
      <p id={id}>
        Likes, saves, interests, answers, settings and all that was learned go at once and cannot be brought
        back.
      </p>
      <label>
        What becomes of projects that you made{" "}
        <select value={projects} onChange={(event) => setProjects(event.target.value as OwnProjects)}>
          <option value="KEEP">They stay, without your name</option>
          <option value="REMOVE">They are deleted too</option>
        </select>
      </label>
      <div className="data-acts">
        <button type="button" className="button danger" disabled={isBusy} onClick={() => onDelete(projects)}>
          Yes, delete everything
        </button>
        <button type="button" className="button" onClick={onCancel}>
          No, keep it
        </button>
      </div>
    </fieldset>
  );
}

function ReceiptOf({ receipt, onDone }: { receipt: Receipt; onDone: () => void }) {
  const rows = receipt.deleted.filter(({ rows }) => rows > 0);
  return (
    <div className="receipt">
      <p>
        Receipt <code>{receipt.id}</code>. Caches and indexes follow within some two minutes.
      </p>
      <ul>
        {rows.map(({ what, rows: many }) => (
          <li key={what}>
            {many} {what.replaceAll("_", " ")}
          </li>
        ))}
      </ul>
      <button type="button" className="button primary" onClick={onDone}>
        Begin anew
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
