import type { FeedState } from "../feed/feedReducer";
import type { Feed } from "../feed/useFeed";
import type { Store } from "../gql/graphql";

interface Props {
  feed: Feed;
  narrowed: boolean;
  onQuiz?: (() => void) | undefined;
  onGuest?: (() => void) | undefined;
}

/** A message about the whole feed, above its cards or in place of them. */
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
      <h2>{isAway ? "Can't connect" : "Something went wrong"}</h2>
      <p>
        {failure?.message} {isAway && "Retrying automatically."}
      </p>
      <button type="button" className="button primary" onClick={feed.refresh}>
        Try again
      </button>
      {failure?.kind === "signed-out" && onGuest && (
        <button type="button" className="button" onClick={onGuest}>
          Continue as guest
        </button>
      )}
    </div>
  );
}

function Nothing({ state, narrowed }: { state: FeedState; narrowed: boolean }) {
  const isSearch = state.origin?.kind === "SEARCH";
  return (
    <div className="message" role="status">
      <h2>{isSearch ? "No results" : "No projects yet"}</h2>
      <p>
        {narrowed
          ? "Try removing a filter."
          : isSearch
            ? "Try other words, or move the slider toward Meaning."
            : "New projects will appear here."}
      </p>
    </div>
  );
}

const WITHOUT: Record<Store, string> = {
  DATABASE: "this is a saved copy of the page, up to 30 minutes old",
  VECTORS: "projects similar to what you like are missing",
  EMBEDDINGS: "search matches words only, not meaning",
  CACHE: "projects may repeat or be missing as you scroll",
};

/** The message about an unavailable store or a feed that is not personal; null if there is none. */
export function aboutOrigin({ origin }: Pick<FeedState, "origin">): string | null {
  if (origin === null) return null;
  if (origin.degraded.length > 0) {
    const without = origin.degraded.map((store) => WITHOUT[store]).join("; ");
    return `Some recommendations are temporarily limited: ${without}.`;
  }
  if (isForStranger({ origin })) {
    return "Popular right now. Like something or answer a few questions and we'll tailor this page.";
  }
  if (origin.kind === "SEARCH" && origin.strategy === "KEYWORD") {
    return "Showing keyword matches only.";
  }
  return null;
}

/** True if For You is the ranking of unknown viewers. */
function isForStranger({ origin }: Pick<FeedState, "origin">): boolean {
  return origin?.kind === "FOR_YOU" && origin.strategy === "POPULAR";
}
