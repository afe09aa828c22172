import { useEffect, useState } from "react";
import type { Place } from "../../feed/feedReducer";
import type { FeedSource } from "../../services/explore";
import { asFailure } from "../../services/failures";
import { useGateway } from "../../services/GatewayContext";
import { explain, type Why } from "../../services/why";
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
  const { why, trouble } = useWhy(place, source);
  return (
    <Dialog title={place.card.title} kicker="Why am I seeing this?" className="why-dialog" onClose={onClose}>
      <div aria-busy={why === null && trouble === null} aria-live="polite">
        {why === null && trouble === null && <p className="soft">Looking it up …</p>}
        {trouble && <p role="alert">{trouble}</p>}
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

function useWhy(place: Place, source: FeedSource): { why: Why | null; trouble: string | null } {
  const gateway = useGateway();
  const [why, setWhy] = useState<Why | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    explain(gateway, source, place, controller.signal).then(setWhy, (thrown) =>
      setTrouble(asFailure(thrown).message),
    );
    return () => controller.abort();
  }, [gateway, source, place]);
  return { why, trouble };
}
