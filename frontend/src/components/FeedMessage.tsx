import type { FeedState } from "../feed/feedReducer";
import type { Feed } from "../feed/useFeed";
import type { Store } from "../gql/graphql";

interface Props {
  feed: Feed;
  narrowed: boolean;
  onQuiz?: (() => void) | undefined;
  onGuest?: (() => void) | undefined;
}

/** What is worth saying about a feed as a whole: above its cards, or in place of them. */
export function FeedMessage({ feed, narrowed, onQuiz, onGuest }: Props) {
  const { state } = feed;
  if (state.phase === "failed") return <Failed feed={feed} onGuest={onGuest} />;
  if (state.phase === "ready" && state.places.length === 0)
    return <Nothing state={state} narrowed={narrowed} />;
  const words = aboutOrigin(state);
  if (words === null) return null;
  return (
    <div className="banner">
      <p role="status">{words}</p>
      {onQuiz && isForStranger(state) && (
        <button type="button" className="button" onClick={onQuiz}>
          Answer a few questions
        </button>
      )}
    </div>
  );
}

function Failed({ feed, onGuest }: Pick<Props, "feed" | "onGuest">) {
  const { failure } = feed.state;
  const isAway = failure?.kind === "unreachable" || failure?.kind === "offline";
  return (
    <div className="message" role="alert">
      <h2>{isAway ? "Out of reach" : "That did not work"}</h2>
      <p>
        {failure?.message} {isAway && "This page tries again by itself."}
      </p>
      <button type="button" className="button primary" onClick={feed.refresh}>
        Try again
      </button>
      {failure?.kind === "signed-out" && onGuest && (
        <button type="button" className="button" onClick={onGuest}>
          Go on as a guest
        </button>
      )}
    </div>
  );
}

function Nothing({ state, narrowed }: { state: FeedState; narrowed: boolean }) {
  const isSearch = state.origin?.kind === "SEARCH";
  return (
    <div className="message" role="status">
      <h2>{isSearch ? "Nothing found" : "Nothing here"}</h2>
      <p>
        {narrowed
          ? "The filters may be too narrow: take one away and look again."
          : isSearch
            ? "Try other words, or move the slider towards meaning."
            : "There are no projects to show yet."}
      </p>
    </div>
  );
}

const WITHOUT: Record<Store, string> = {
  DATABASE: "the database is away: this is the page as it was last seen, up to half an hour old",
  VECTORS:
    "the index of likeness is away: projects are found by your interests and by what people do, not by likeness",
  EMBEDDINGS: "the language model is away: only words are compared, not meanings",
  CACHE: "the store of rankings is away: further down, projects may be missing or come twice",
};

/** In honest words, what a feed had to do without, or why it is not what its name says. */
export function aboutOrigin({ origin }: Pick<FeedState, "origin">): string | null {
  if (origin === null) return null;
  if (origin.degraded.length > 0) {
    const without = origin.degraded.map((store) => WITHOUT[store]).join("; ");
    return `This page is poorer than it could be, for ${without}.`;
  }
  if (isForStranger({ origin })) {
    return "Nothing is known of you yet, so this is what most people like. Like something, or answer a few questions, and it becomes yours.";
  }
  if (origin.kind === "SEARCH" && origin.strategy === "KEYWORD") {
    return "These are matches of words alone.";
  }
  return null;
}

/** Whether For You has to be what most people like, because nothing is known of the viewer. */
function isForStranger({ origin }: Pick<FeedState, "origin">): boolean {
  return origin?.kind === "FOR_YOU" && origin.strategy === "POPULAR";
}
