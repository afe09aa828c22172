import { useMemo, useRef } from "react";
import { useNotices } from "../components/Notices";
import { sendAct } from "../services/acts";
import { useGateway } from "../services/GatewayContext";
import { Standings } from "./standings";

const UNDONE = { liked: "Your like", saved: "Saving that", dismissed: "That" } as const;

/** The standings of this viewer; each act that the gateway took makes the For You on the screen an older one. */
export function useStandings(onDone: () => void): Standings {
  const gateway = useGateway();
  const say = useNotices();
  const done = useRef(onDone);
  done.current = onDone;
  return useMemo(
    () =>
      new Standings((key, act, want) => sendAct(gateway, key, act, want), {
        onDone: () => done.current(),
        onFailure: (act, failure) => say(`${UNDONE[act]} was not taken. ${failure.message}`),
      }),
    [gateway, say],
  );
}
