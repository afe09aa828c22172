import { useMemo, useState } from "react";
import { Notices } from "./components/Notices";
import { ExplorePage } from "./pages/ExplorePage";
import { fetchDemoViewers } from "./services/demo";
import { GatewayContext } from "./services/GatewayContext";
import { Gateway } from "./services/gateway";
import { forgetGuest, Identity, keepUser, keptUser, type SignedIn } from "./services/identity";

/** The page for whoever looks at it: all of it is made anew when somebody else does. */
export function App() {
  const [user, setUser] = useState(keptUser);
  const gateway = useMemo(() => new Gateway(new Identity(user, newTokenOf)), [user]);
  const become = (next: SignedIn | null) => {
    keepUser(next);
    setUser(next);
  };
  const beginAnew = () => {
    forgetGuest();
    become(null);
    location.reload();
  };
  return (
    <GatewayContext value={gateway}>
      <Notices>
        <ExplorePage key={user?.key ?? "guest"} user={user} become={become} beginAnew={beginAnew} />
      </Notices>
    </GatewayContext>
  );
}

/** Only the demo's viewers can be given a new token here; a platform signs its own people in. */
async function newTokenOf(user: SignedIn): Promise<string | null> {
  const viewers = await fetchDemoViewers();
  return viewers.find((viewer) => viewer.key === user.key)?.token ?? null;
}
