import { useMemo, useState } from "react";
import { Notices } from "./components/Notices";
import { ExplorePage } from "./pages/ExplorePage";
import { fetchDemoViewers } from "./services/demo";
import { GatewayContext } from "./services/GatewayContext";
import { Gateway } from "./services/gateway";
import { Identity, type SignedIn } from "./services/identity";

const identity = new Identity(newTokenOf);

/** The page for whoever looks at it: all of it is made anew when somebody else does. */
export function App() {
  const [user, setUser] = useState(identity.user);
  // A gateway for each identity: what is still on its way for the one before cannot reach this one's page.
  const gateway = useMemo(() => new Gateway(identity), [user?.key]);
  const become = (next: SignedIn | null) => {
    identity.become(next);
    setUser(next);
  };
  return (
    <GatewayContext value={gateway}>
      <Notices>
        <ExplorePage key={user?.key ?? "guest"} user={user} become={become} />
      </Notices>
    </GatewayContext>
  );
}

/** Only the demo's viewers can be given a new token here; a platform signs its own people in. */
async function newTokenOf(user: SignedIn): Promise<string | null> {
  const viewers = await fetchDemoViewers();
  return viewers.find((viewer) => viewer.key === user.key)?.token ?? null;
}
