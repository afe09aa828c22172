import type { Place } from "../../feed/feedReducer";
import type { AdjustmentRule } from "../../gql/graphql";
import type { Adjustment } from "../../services/why";
import { TitleLink } from "../TitleLink";

const RULES: Record<AdjustmentRule, string> = {
  DIVERSITY: "to keep the page varied",
  EXPLORATION: "to give new projects a chance",
  READ: "because you've already read it",
  REMAINDER: "because it follows the ranked projects, newest first",
};

/** The adjustments between score and rank. */
export function Adjustments({ place, adjustments }: { place: Place; adjustments: Adjustment[] }) {
  return (
    <section className="why-part" aria-label="From score to rank">
      <h3>From score to rank</h3>
      {adjustments.length === 0 && <p>Ranked #{place.rank} by score, no adjustments.</p>}
      <ul className="plain">
        {adjustments.map((adjustment) => (
          <li key={`${adjustment.rule} ${adjustment.fromRank}`}>
            <p>
              {moved(adjustment)} {reason(adjustment)}
              {adjustment.blockedBy && (
                <>
                  : <TitleLink project={adjustment.blockedBy} /> ranks higher
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

function reason({ rule, fromRank, toRank }: Adjustment): string {
  return rule === "READ" && toRank < fromRank ? "because projects you've already read rank lower" : RULES[rule];
}

function moved({ fromRank, toRank }: Adjustment): string {
  if (fromRank === toRank) return `Reviewed at rank ${toRank} and kept there`;
  return `Moved ${toRank < fromRank ? "up" : "down"} from rank ${fromRank} to ${toRank}`;
}
