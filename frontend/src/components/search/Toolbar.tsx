import { useRef, useState } from "react";
import type { FeedState } from "../../feed/feedReducer";
import type { Address } from "../../hooks/useAddress";
import { useSeenTypes } from "../../hooks/useSeenTypes";
import { SlidersIcon } from "../icons";
import { Filters } from "./Filters";
import { MeaningSlider } from "./MeaningSlider";
import { SearchBar } from "./SearchBar";

interface Props {
  address: Address;
  change: (part: Partial<Address>) => void;
  feed: FeedState;
}

const NO_FILTERS = { types: [], tools: [], categories: [] };

/** The search bar with the weight of meaning and the filters. */
export function Toolbar({ address, change, feed }: Props) {
  const filters = address.types.length + address.tools.length + address.categories.length;
  const [isOpen, setOpen] = useState(filters > 0);
  const toggle = useRef<HTMLButtonElement>(null);
  const types = useSeenTypes(feed.places, address.types);
  return (
    <div className="toolbar">
      <SearchBar query={address.query} onQuery={(query) => change({ query })} />
      {address.query && <MeaningSlider alpha={address.alpha} onAlpha={(alpha) => change({ alpha })} />}
      <button
        ref={toggle}
        type="button"
        className="button"
        aria-expanded={isOpen}
        aria-controls="filters"
        onClick={() => setOpen(!isOpen)}
      >
        <SlidersIcon />
        Filters{filters > 0 && ` (${filters})`}
      </button>
      {filters > 0 && (
        <button
          type="button"
          className="button quiet"
          onClick={() => {
            change(NO_FILTERS);
            toggle.current?.focus();
          }}
        >
          Clear filters
        </button>
      )}
      {isOpen && <Filters chosen={address} types={types} onChange={change} />}
    </div>
  );
}
