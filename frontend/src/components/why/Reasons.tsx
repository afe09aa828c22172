import { useState } from "react";
import type { Place } from "../../feed/feedReducer";
import { type BecauseResult, dismissBecause, sendAct } from "../../services/acts";
import { asFailure } from "../../services/failures";
import { useGateway } from "../../services/GatewayContext";
import type { Reason } from "../../services/why";
import { TitleLink } from "../TitleLink";
import { WhatChanged } from "./WhatChanged";

interface Props {
  place: Place;
  reasons: Reason[];
  onDismissed: () => void;
  onRestored: () => void;
}

/** The evidence, each piece with a way to say that it was wrong. */
export function Reasons({ place, reasons, onDismissed, onRestored }: Props) {
  const gateway = useGateway();
  const [asked, setAsked] = useState<string | null>(null);
  const [done, setDone] = useState<BecauseResult | null>(null);
  const [trouble, setTrouble] = useState("");
  const key = place.card.key;

  const attempt = async (act: () => Promise<void>) => {
    setTrouble("");
    try {
      await act();
    } catch (thrown) {
      setTrouble(asFailure(thrown).message);
    }
  };
  const lessLike = (reason: Reason) =>
    attempt(async () => {
      setAsked(reason.id);
      try {
        const result = await dismissBecause(gateway, key, reason.id);
        setDone(result);
        onDismissed();
      } finally {
        setAsked(null);
      }
    });
  const undo = () =>
    attempt(async () => {
      await sendAct(gateway, key, "dismissed", false);
      setDone(null);
      onRestored();
    });

  return (
    <section className="why-part" aria-label="The evidence">
      <h3>The evidence</h3>
      {reasons.length === 0 && <p>No single reason stands out.</p>}
      <ul className="reasons">
        {reasons.map((reason) => (
          <li key={reason.id} className="reason" data-group={reason.group}>
            <p>
              <Evidence reason={reason} />
            </p>
            {done === null && (
              <button
                type="button"
                className="button"
                aria-busy={asked === reason.id}
                disabled={asked !== null}
                onClick={() => void lessLike(reason)}
              >
                Less like this
                <span className="visually-hidden">: {reason.text}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      {/* There before its words, or they would not be read out. */}
      <div role="status">
        {trouble && <p>{trouble}</p>}
        {done && <WhatChanged result={done} onUndo={() => void undo()} />}
      </div>
    </section>
  );
}

/** The reason in words; where they name a project, the name is a link to it. */
function Evidence({ reason }: { reason: Reason }) {
  const project = reason.__typename === "SimilarToProject" ? reason.project : null;
  if (!project) return <bdi>{reason.text}</bdi>;
  const [before = "", ...behind] = reason.text.split(project.title);
  // A title that is cut short in the words cannot be found in them.
  if (behind.length === 0) {
    return (
      <>
        {reason.text} (<TitleLink project={project} />)
      </>
    );
  }
  return (
    <>
      {before}
      <TitleLink project={project} />
      {behind.join(project.title)}
    </>
  );
}
