import { useEffect, useId, useRef, useState } from "react";
import { TYPING_REST_MS } from "../../hooks/useDebounced";
import { SearchIcon } from "../icons";

interface Props {
  query: string;
  onQuery: (query: string) => void;
}

/** Characters that the gateway takes in a query. */
const LONGEST = 1_000;

/** Searches while one types, a moment after the last letter; at once with Enter. */
export function SearchBar({ query, onQuery }: Props) {
  const id = useId();
  const [typed, setTyped] = useState(query);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const said = useRef(query);
  useEffect(() => {
    // The address has changed by other means (another tab, a step back), and not by what was typed here.
    if (query === said.current) return;
    said.current = query;
    setTyped(query);
    clearTimeout(timer.current);
  }, [query]);
  const say = (next: string, rest: number) => {
    setTyped(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      said.current = next;
      onQuery(next);
    }, rest);
  };
  return (
    <search className="search-bar">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          say(typed, 0);
        }}
      >
        <label htmlFor={id} className="visually-hidden">
          Search projects
        </label>
        <SearchIcon />
        <input
          id={id}
          type="search"
          dir="auto"
          value={typed}
          maxLength={LONGEST}
          placeholder="Search projects"
          enterKeyHint="search"
          autoComplete="off"
          onChange={(event) => say(event.target.value, event.target.value ? TYPING_REST_MS : 0)}
        />
      </form>
    </search>
  );
}
