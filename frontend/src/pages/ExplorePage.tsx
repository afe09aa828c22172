import { useEffect, useState } from "react";
import { FeedTabs, tabId } from "../components/FeedTabs";
import { NewerPill } from "../components/NewerPill";
import { useNotices } from "../components/Notices";
import { OnboardingQuiz } from "../components/onboarding/OnboardingQuiz";
import { useQuizModal } from "../components/onboarding/useQuizModal";
import { PageHeader } from "../components/PageHeader";
import { ProjectsGrid } from "../components/ProjectsGrid";
import { PersonalizationBadge } from "../components/personalization/Badge";
import { PersonalizationPanel } from "../components/personalization/PersonalizationPanel";
import { Toolbar } from "../components/search/Toolbar";
import { ViewerSwitch } from "../components/ViewerSwitch";
import { WhyDialog } from "../components/why/WhyDialog";
import type { Place } from "../feed/feedReducer";
import { useFeed } from "../feed/useFeed";
import { isNarrowed, useFeedSource } from "../feed/useFeedSource";
import { useNewer } from "../feed/useNewer";
import { StandingsContext, standingOf } from "../feed/useStanding";
import { useStandings } from "../feed/useStandings";
import { useAddress } from "../hooks/useAddress";
import { useBeacons, useOpened } from "../hooks/useBeacons";
import { useFeedChanges } from "../hooks/useFeedChanges";
import { useStable } from "../hooks/useStable";
import { useStatus } from "../hooks/useStatus";
import type { Card, FeedPage } from "../services/explore";
import { useGateway } from "../services/GatewayContext";
import type { SignedIn } from "../services/identity";
import type { Status } from "../services/onboarding";

interface Props {
  user: SignedIn | null;
  become: (user: SignedIn | null) => void;
  /** After a deletion: go on as somebody of whom nothing is known. */
  beginAnew: () => void;
}

/** The whole page: what somebody may look at, and what they look at. */
export function ExplorePage({ user, become, beginAnew }: Props) {
  const gateway = useGateway();
  const say = useNotices();
  const [address, change] = useAddress();
  const source = useFeedSource(address);
  const feed = useFeed(gateway, source);
  const newer = useNewer(source.kind);
  const standings = useStandings(() => newer.tell("own act"));
  const beacons = useBeacons(gateway);
  const opened = useOpened(beacons);
  const [status, setStatus] = useStatus(gateway, feed.state.origin?.snapshotId, beacons);
  const [isPanelOpen, setPanelOpen] = useState(false);
  const quiz = useQuizModal(gateway.identity.name, status);
  const [askedWhy, setAskedWhy] = useState<Place | null>(null);
  const { snapshotId } = feed.state.origin ?? {};
  useFeedChanges(gateway, source.kind, snapshotId !== undefined, () => newer.tell("elsewhere"));
  // Another ranking is on the screen, so nothing is newer.
  useEffect(() => newer.forget(), [snapshotId, source, newer.forget]);

  const showNewer = () => {
    newer.forget();
    standings.forgetSettled();
    feed.refresh();
    scrollTo({ top: 0 });
    // The button that was pressed is gone.
    document.getElementById("feed")?.focus({ preventScroll: true });
  };

  const open = useStable((place: Place) => opened(source.kind, place));
  const see = useStable((place: Place) => beacons.note("IMPRESSION", source.kind, place));
  const goOnAsGuest = useStable(() => become(null));

  const isSearch = source.kind === "SEARCH";
  const showOwnPage = (known: Status, page: FeedPage | null) => {
    quiz.close();
    setStatus(known);
    newer.forget();
    if (source.kind === "FOR_YOU" && page) feed.show(page);
    else change({ tab: "for-you", query: "", types: [], tools: [], categories: [] });
    scrollTo({ top: 0 });
    say("Your page is ready. Likes and dismissals keep improving it.");
  };
  const noteDismissal = (card: Card, dismissed: boolean) => {
    standings.note(card.key, { dismissed }, standingOf(card));
    newer.tell("own act");
  };

  return (
    <StandingsContext value={standings}>
      <PageHeader>
        <PersonalizationBadge status={status} onOpen={() => setPanelOpen(true)} />
        <ViewerSwitch user={user} become={become} />
      </PageHeader>
      <main className="page">
        <Toolbar address={address} change={change} feed={feed.state} />
        <FeedTabs tab={address.tab} isSearch={isSearch} onChange={(tab) => change({ tab, query: "" })} />
        <NewerPill words={newer.words} onShow={showNewer} />
        <div role="tabpanel" id="feed" tabIndex={-1} aria-labelledby={tabId(address.tab, isSearch)}>
          <ProjectsGrid
            feed={feed}
            narrowed={isNarrowed(address)}
            onQuiz={quiz.open}
            onWhy={setAskedWhy}
            onOpen={open}
            onSeen={see}
            onGuest={goOnAsGuest}
          />
        </div>
      </main>
      {isPanelOpen && (
        <PersonalizationPanel
          status={status}
          onClose={() => setPanelOpen(false)}
          onQuiz={() => {
            setPanelOpen(false);
            quiz.open();
          }}
          onChanged={(settings) => {
            if (settings) beacons.allow(settings.personalized && settings.learnFromViews);
            newer.tell("own act");
          }}
          onDeleted={beginAnew}
        />
      )}
      {quiz.isOpen && <OnboardingQuiz onClose={quiz.close} onDone={showOwnPage} />}
      {askedWhy && (
        <WhyDialog
          place={askedWhy}
          feed={source.kind}
          onRefresh={() => {
            setAskedWhy(null);
            showNewer();
          }}
          onClose={() => setAskedWhy(null)}
          onDismissed={({ card }) => noteDismissal(card, true)}
          onRestored={({ card }) => noteDismissal(card, false)}
        />
      )}
    </StandingsContext>
  );
}
