import type { Place } from "../../feed/feedReducer";
import type { AdjustmentRule } from "../../gql/graphql";
import type { Adjustment } from "../../services/why";
import { TitleLink } from "../TitleLink";

const RULES: Record<AdjustmentRule, string> = {
  DIVERSITY: "so that the page is not all alike",
  PIN: "because it was pinned by whoever runs this page",
  EXPLORATION: "so that new projects get a chance",
  REMAINDER: "because it follows behind what was ranked, newest first",
};

/** What came between the score and the rank. */
export function Adjustments({ place, adjustments }: { place: Place; adjustments: Adjustment[] }) {
  return (
    <section className="why-part" aria-label="From score to rank">
      <h3>From score to rank</h3>
      {adjustments.length === 0 && <p>Nothing came between: its score alone puts it at rank {place.rank}.</p>}
      <ul className="plain">
        {adjustments.map((adjustment) => (
          <li key={`${adjustment.rule} ${adjustment.fromRank}`}>
            <p>
              {moved(adjustment)} {RULES[adjustment.rule]}
              {adjustment.becauseOf && (
                <>
                  : <TitleLink project={adjustment.becauseOf} /> stands above it
                </>
              )}
              .
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

function moved({ fromRank, toRank }: Adjustment): string {
  if (fromRank === toRank) return `Its score was weighed again at rank ${toRank}, and it stays there,`;
  return `Moved ${toRank < fromRank ? "up" : "down"} from rank ${fromRank} to ${toRank}`;
}
