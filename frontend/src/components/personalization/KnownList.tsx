import { useEffect, useRef, useState } from "react";

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

/** The number of items shown before the list is expanded. */
const SHOWN = 8;

/** Things known of the viewer, each with a button to take it away, which hands the focus on to the next. */
export function KnownList({ title, empty, act, items, onAct }: Props) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? items : items.slice(0, SHOWN);
  const heading = useRef<HTMLHeadingElement>(null);
  const list = useRef<HTMLUListElement>(null);
  /** The place in the list where a button was pressed that is gone now. */
  const pressed = useRef<number | null>(null);
  useEffect(() => {
    if (pressed.current === null) return;
    const buttons = list.current?.querySelectorAll("button") ?? [];
    const next = buttons[Math.min(pressed.current, buttons.length - 1)] ?? heading.current;
    pressed.current = null;
    next?.focus();
  }, [items.length, isWhole]);
  return (
    <section className="panel-part" aria-label={title}>
      <h3 ref={heading} tabIndex={-1}>
        {title}
      </h3>
      {items.length === 0 && <p className="soft">{empty}</p>}
      <ul ref={list} className="known">
        {shown.map((item, at) => (
          <li key={`${item.kind} ${item.key}`}>
            <span>
              <bdi>{item.name}</bdi> <small>{item.note}</small>
            </span>
            <button
              type="button"
              className="button quiet"
              onClick={() => {
                pressed.current = at;
                onAct(item);
              }}
            >
              {act}
              <span className="visually-hidden"> {item.name}</span>
            </button>
          </li>
        ))}
      </ul>
      {items.length > shown.length && (
        <button
          type="button"
          className="button"
          onClick={() => {
            pressed.current = shown.length;
            setWhole(true);
          }}
        >
          Show all {items.length}
        </button>
      )}
    </section>
  );
}
