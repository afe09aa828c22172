import { useCallback, useId, useState } from "react";
import { useAnswer } from "../../hooks/useAnswer";
import { useDebounced } from "../../hooks/useDebounced";
import { fetchCategories, fetchTools, type Term } from "../../services/catalog";
import { useGateway } from "../../services/GatewayContext";
import { typeName } from "../../services/wording";
import { Choices } from "../Choices";

export interface Chosen {
  types: string[];
  tools: string[];
  categories: string[];
}

interface Props {
  chosen: Chosen;
  /** The types of projects that there are, as far as they have been seen. */
  types: string[];
  onChange: (change: Partial<Chosen>) => void;
}

/** Narrows whatever feed is shown: of each kind at least one must fit. */
export function Filters({ chosen, types, onChange }: Props) {
  const gateway = useGateway();
  const categories = useAnswer(useCallback((signal) => fetchCategories(gateway, signal), [gateway]));
  return (
    <div className="filters" id="filters">
      <Choices
        legend="Type"
        options={types.map((type) => ({ key: type, name: typeName(type) }))}
        chosen={chosen.types}
        onChange={(next) => onChange({ types: next })}
      />
      <Choices
        legend="Category"
        options={categories.answer ?? []}
        chosen={chosen.categories}
        onChange={(next) => onChange({ categories: next })}
      />
      <ToolChoices chosen={chosen.tools} onChange={(next) => onChange({ tools: next })} />
      {categories.failure && <p role="alert">{categories.failure.message}</p>}
    </div>
  );
}

function ToolChoices({ chosen, onChange }: { chosen: string[]; onChange: (tools: string[]) => void }) {
  const gateway = useGateway();
  const id = useId();
  const [typed, setTyped] = useState("");
  const search = useDebounced(typed);
  const tools = useAnswer(useCallback((signal) => fetchTools(gateway, search, signal), [gateway, search]));
  return (
    <div className="tool-choices">
      <Choices
        legend="Tool"
        options={withChosen(tools.answer ?? [], chosen)}
        chosen={chosen}
        onChange={onChange}
      />
      <label htmlFor={id} className="visually-hidden">
        Search tools
      </label>
      <input
        id={id}
        type="search"
        className="field"
        placeholder="Search tools by name or purpose"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
    </div>
  );
}

/** Chosen items stay visible, whatever the search. */
function withChosen(found: Term[], chosen: string[]): Term[] {
  const missing = chosen.filter((key) => !found.some((term) => term.key === key));
  return [...missing.map((key) => ({ key, name: key })), ...found];
}
