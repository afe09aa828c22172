import { useMemo, useRef } from "react";
import { useNotices } from "../components/Notices";
import { type Act, sendAct } from "../services/acts";
import { useGateway } from "../services/GatewayContext";
import { Standings } from "./standings";

const FAILED: Record<Act, Record<`${boolean}`, string>> = {
  liked: { true: "Couldn't save your like.", false: "Couldn't remove your like." },
  saved: { true: "Couldn't save this project.", false: "Couldn't remove this project from your saved ones." },
  dismissed: { true: "Couldn't hide this project.", false: "Couldn't bring this project back." },
};

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
        onFailure: (act, want, failure) => say(`${FAILED[act][`${want}`]} ${failure.message}`),
      }),
    [gateway, say],
  );
}
