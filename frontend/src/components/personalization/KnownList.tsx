import { useState } from "react";

interface Item {
  kind: string;
  key: string;
  name: string;
  note: string;
}

interface Props {
  title: string;
  empty: string;
  /** What the button of each does. */
  act: string;
  items: Item[];
  onAct: (item: Item) => void;
}

/** How many are shown until somebody asks for all. */
const SHOWN = 8;

/** Things known of the viewer, each with a button to take it away. */
export function KnownList({ title, empty, act, items, onAct }: Props) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? items : items.slice(0, SHOWN);
  return (
    <section className="panel-part" aria-label={title}>
      <h3>{title}</h3>
      {items.length === 0 && <p className="soft">{empty}</p>}
      <ul className="known">
        {shown.map((item) => (
          <li key={`${item.kind} ${item.key}`}>
            <span>
              <bdi>{item.name}</bdi> <small>{item.note}</small>
            </span>
            <button type="button" className="button quiet" onClick={() => onAct(item)}>
              {act}
              <span className="visually-hidden"> {item.name}</span>
            </button>
          </li>
        ))}
      </ul>
      {items.length > shown.length && (
        <button type="button" className="button" onClick={() => setWhole(true)}>
          Show all {items.length}
        </button>
      )}
    </section>
  );
}
