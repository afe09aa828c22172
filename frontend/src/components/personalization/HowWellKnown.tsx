import type { ProfileQualityPart } from "../../gql/graphql";
import type { Status } from "../../services/onboarding";

const PARTS: Record<ProfileQualityPart, string> = {
  INTERESTS: "Interests",
  HISTORY: "Views",
  LIKES: "Likes",
  RECENCY: "Recent visits",
};

/** The quality of the profile by part, and how to improve it. */
export function HowWellKnown({ status, onQuiz }: { status: Status; onQuiz: () => void }) {
  return (
    <section className="panel-part" aria-labelledby="how-well">
      <h3 id="how-well">How well this page knows you: {Math.round(status.quality * 100)}%</h3>
      <ul className="quality">
        {status.qualityParts.map(({ part, value, maximum }) => (
          <li key={part}>
            <label>
              <span>{PARTS[part]}</span>
              <meter value={value} max={maximum}>
                {Math.round((100 * value) / maximum)}%
              </meter>
            </label>
          </li>
        ))}
      </ul>
      {status.missing.length > 0 && (
        <>
          <p className="soft">To improve it:</p>
          <ul className="hints">
            {status.missing.map(({ kind, text }) => (
              <li key={kind}>{text}</li>
            ))}
          </ul>
        </>
      )}
      <button type="button" className="button" onClick={onQuiz}>
        {status.hasCompletedOnboarding ? "Retake quiz" : "Answer a few questions"}
      </button>
    </section>
  );
}
