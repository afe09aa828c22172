import type { ViewerStage } from "../../gql/graphql";
import type { Status } from "../../services/onboarding";

const STAGES: Record<ViewerStage, string> = {
  NEW: "New here",
  QUIZ: "Getting started",
  LIGHT: "Getting to know you",
  HEAVY: "Knows you well",
};

const RADIUS = 8;
const ROUND = 2 * Math.PI * RADIUS;

/** The quality of the profile as a ring, which opens the personalization panel. */
export function PersonalizationBadge({ status, onOpen }: { status: Status | null; onOpen: () => void }) {
  const quality = status?.quality ?? 0;
  return (
    <button type="button" className="button badge" onClick={onOpen} aria-haspopup="dialog">
      <svg viewBox="0 0 20 20" width="20" height="20" className="ring" aria-hidden="true">
        <circle cx="10" cy="10" r={RADIUS} />
        <circle
          className="share"
          cx="10"
          cy="10"
          r={RADIUS}
          strokeDasharray={`${quality * ROUND} ${ROUND}`}
          transform="rotate(-90 10 10)"
        />
      </svg>
      <span className="badge-words">{status ? STAGES[status.stage] : "Your page"}</span>
      <span className="visually-hidden">
        {status && `: profile ${Math.round(quality * 100)}% complete. `}Settings
      </span>
    </button>
  );
}
