import { useCallback } from "react";
import type { Place } from "../../feed/feedReducer";
import { useAnswer } from "../../hooks/useAnswer";
import type { FeedSource } from "../../services/explore";
import { useGateway } from "../../services/GatewayContext";
import { explain } from "../../services/why";
import { Dialog } from "../Dialog";
import { Adjustments } from "./Adjustments";
import { ContributionBars } from "./ContributionBars";
import { Reasons } from "./Reasons";
import { RemovalQuestion } from "./RemovalQuestion";

interface Props {
  place: Place;
  source: FeedSource;
  onClose: () => void;
  onDismissed: (place: Place) => void;
  onRestored: (place: Place) => void;
}

/** Why somebody sees a project: in a sentence, in numbers that add up, with the evidence, and what to do about it. */
export function WhyDialog({ place, source, onClose, onDismissed, onRestored }: Props) {
  const gateway = useGateway();
  const asked = useAnswer(
    useCallback((signal) => explain(gateway, source, place, signal), [gateway, source, place]),
  );
  const why = asked.answer;
  return (
    <Dialog title={place.card.title} kicker="Why am I seeing this?" className="why-dialog" onClose={onClose}>
      <div aria-busy={asked.isLoading} aria-live="polite">
        {asked.isLoading && <p className="soft">Looking it up …</p>}
        {asked.failure && <p role="alert">{asked.failure.message}</p>}
        {why && <p className="why-summary">{why.explanation.summary}</p>}
        {why && !why.isOfThisPage && (
          <p className="soft">
            A newer ranking has come since this page was made. These are the numbers that would rank it now.
          </p>
        )}
      </div>
      {why && (
        <>
          <Reasons
            place={place}
            reasons={why.explanation.reasons}
            onDismissed={() => onDismissed(place)}
            onRestored={() => onRestored(place)}
          />
          <ContributionBars explanation={why.explanation} />
          {why.isOfThisPage && <Adjustments place={place} adjustments={why.explanation.adjustments} />}
          {source.kind === "FOR_YOU" && <RemovalQuestion place={place} source={source} />}
        </>
      )}
    </Dialog>
  );
}
