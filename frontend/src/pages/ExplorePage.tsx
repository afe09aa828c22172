import { useMemo } from "react";
import { FeedTabs } from "../components/FeedTabs";
import { PageHeader } from "../components/PageHeader";
import { ProjectsGrid } from "../components/ProjectsGrid";
import { useFeed } from "../feed/useFeed";
import { type Address, useAddress } from "../hooks/useAddress";
import type { FeedSource } from "../services/explore";
import { useGateway } from "../services/GatewayContext";
import type { SignedIn } from "../services/identity";

interface Props {
  user: SignedIn | null;
  become: (user: SignedIn | null) => void;
}

/** The whole page: what somebody may look at, and what they look at. */
export function ExplorePage({ user, become }: Props) {
  const gateway = useGateway();
  const [address, change] = useAddress();
  const source = useFeedSource(address);
  const feed = useFeed(gateway, source);
  return (
    <>
      <PageHeader user={user} become={become} />
      <main className="page">
        <FeedTabs tab={address.tab} onChange={(tab) => change({ tab, query: "" })} />
        <div role="tabpanel" id="feed" aria-labelledby={`tab-${address.tab}`}>
          <ProjectsGrid feed={feed} />
        </div>
      </main>
    </>
  );
}

const KINDS = { "for-you": "FOR_YOU", trending: "TRENDING", new: "NEWEST" } as const;

/** The source that an address names; the same object as long as it names the same. */
function useFeedSource(address: Address): FeedSource {
  const { tab, query, alpha } = address;
  const said = JSON.stringify([address.types, address.tools, address.categories]);
  return useMemo(() => {
    const [types, tools, categories] = JSON.parse(said) as [string[], string[], string[]];
    const where = { types, tools, categories };
    return query.trim() ? { kind: "SEARCH", where, query: query.trim(), alpha } : { kind: KINDS[tab], where };
  }, [tab, query, alpha, said]);
}
