import { useState } from "react";
import type { Place } from "../../feed/feedReducer";
import { asFailure } from "../../services/failures";
import { useGateway } from "../../services/GatewayContext";
import { whatWouldRemoveIt } from "../../services/why";

const NOTHING = "No single interest keeps this here; many small signals do.";

/** The causes without which the project would leave the page. The gateway ranks the page again for this, so a button requests it. */
export function RemovalQuestion({ place }: { place: Place }) {
  const gateway = useGateway();
  const [answer, setAnswer] = useState<string | null>(null);
  const [isAsking, setAsking] = useState(false);
  const ask = async () => {
    setAsking(true);
    try {
      setAnswer((await whatWouldRemoveIt(gateway, place)) ?? NOTHING);
    } catch (thrown) {
      setAnswer(asFailure(thrown).message);
    } finally {
      setAsking(false);
    }
  };
  return (
    <section className="why-part" aria-label="What would remove it">
      <h3>What would remove it</h3>
      <p role="status">{answer}</p>
      {answer === null && (
        <button type="button" className="button" disabled={isAsking} onClick={() => void ask()}>
          {isAsking ? "Checking…" : "Find out"}
        </button>
      )}
    </section>
  );
}
