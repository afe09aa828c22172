import { useCallback } from "react";
import type { Place } from "../../feed/feedReducer";
import { useAnswer } from "../../hooks/useAnswer";
import type { FeedKind } from "../../gql/graphql";
import type { Failure } from "../../services/failures";
import { useGateway } from "../../services/GatewayContext";
import { explain } from "../../services/why";
import { Dialog } from "../Dialog";
import { Adjustments } from "./Adjustments";
import { ContributionBars } from "./ContributionBars";
import { Reasons } from "./Reasons";
import { RemovalQuestion } from "./RemovalQuestion";

interface Props {
  place: Place;
  feed: FeedKind;
  /** Reads the feed anew, when the ranking on the screen has expired. */
  onRefresh: () => void;
  onClose: () => void;
  onDismissed: (place: Place) => void;
  onRestored: (place: Place) => void;
}

/** The explanation of a project: a sentence, the parts of its score, the evidence, and actions. */
export function WhyDialog({ place, feed, onRefresh, onClose, onDismissed, onRestored }: Props) {
  const gateway = useGateway();
  const asked = useAnswer(useCallback((signal) => explain(gateway, place, signal), [gateway, place]));
  const why = asked.answer;
  return (
    <Dialog title={place.card.title} kicker="Why am I seeing this?" className="why-dialog" onClose={onClose}>
      <div aria-busy={asked.isLoading} aria-live="polite">
        {asked.isLoading && <p className="soft">Loading…</p>}
        {asked.failure && <NoAnswer failure={asked.failure} onRefresh={onRefresh} />}
        {why && <p className="why-summary">{why.summary}</p>}
      </div>
      {why && (
        <>
          <Reasons
            place={place}
            reasons={why.reasons}
            onDismissed={() => onDismissed(place)}
            onRestored={() => onRestored(place)}
          />
          <ContributionBars explanation={why} />
          <Adjustments place={place} adjustments={why.adjustments} />
          {feed === "FOR_YOU" && <RemovalQuestion place={place} />}
        </>
      )}
    </Dialog>
  );
}

function NoAnswer({ failure, onRefresh }: { failure: Failure; onRefresh: () => void }) {
  if (failure.kind !== "expired") return <p role="alert">{failure.message}</p>;
  return (
    <>
      <p role="alert">This explanation has expired. Refresh the page to see the current order and why.</p>
      <button type="button" className="button primary" onClick={onRefresh}>
        Refresh
      </button>
    </>
  );
}
