import { useState } from "react";
import type { Place } from "../../feed/feedReducer";
import { type BecauseResult, dismissBecause, sendAct } from "../../services/acts";
import type { TermKind } from "../../gql/graphql";
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

/** The reasons, each with a button that hides what it names; reasons that name nothing to hide have none. */
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

  if (reasons.length === 0) return null;
  return (
    <section className="why-part" aria-label="Reasons">
      <h3>Reasons</h3>
      <ul className="reasons">
        {reasons.map((reason) => {
          const effect = effectOf(reason);
          return (
            <li key={reason.id} className="reason" data-group={reason.group}>
              <p>
                <Evidence reason={reason} />
              </p>
              {done === null && effect && (
                <button
                  type="button"
                  className="button"
                  aria-busy={asked === reason.id}
                  disabled={asked !== null}
                  onClick={() => void lessLike(reason)}
                >
                  {effect}
                </button>
              )}
            </li>
          );
        })}
      </ul>
      {/* There before its words, or they would not be read out. */}
      <div role="status">
        {trouble && <p>{trouble}</p>}
        {done && <WhatChanged result={done} onUndo={() => void undo()} />}
      </div>
    </section>
  );
}

const HIDE: Record<TermKind, string> = {
  TOPIC: "Hide everything about",
  CATEGORY: "Hide everything in",
  TOOL: "Hide everything made with",
};

/** The label of the button that dismisses the project for this reason; null if the reason cannot be muted. */
export function effectOf(reason: Reason): string | null {
  switch (reason.__typename) {
    case "StatedInterest":
      return `${HIDE[reason.kind]} ${reason.name}`;
    case "FromOwner":
      return reason.owner && `Hide everything by ${reason.owner.username}`;
    case "SimilarToProject":
      return reason.project && `Hide this and stop using “${reason.project.title}”`;
    default:
      return null;
  }
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
