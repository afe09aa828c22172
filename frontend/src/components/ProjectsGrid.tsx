import { Fragment, type ReactNode, useEffect, useRef } from "react";
import type { Place } from "../feed/feedReducer";
import type { Feed } from "../feed/useFeed";
import { useSightings } from "../hooks/useSightings";
import { EndOfFeed } from "./EndOfFeed";
import { FeedMessage } from "./FeedMessage";
import { ProjectCard } from "./ProjectCard";
import { SkeletonCards } from "./SkeletonCards";

/** Skeletons shown at first: as many as fit a large screen, so that nothing below them moves. */
const FIRST_SKELETONS = 12;

interface Props {
  feed: Feed;
  /** Whether filters are set. */
  narrowed?: boolean;
  /** Opens the quiz, where the feed is that of somebody of whom nothing is known. */
  onQuiz?: () => void;
  onWhy?: (place: Place) => void;
  onOpen?: (place: Place) => void;
  /** A card was on the screen, half of it for a second. */
  onSeen?: (place: Place) => void;
  /** For somebody whose sign-in has run out. */
  onGuest?: () => void;
}

/** The cards of a feed, and what there is to say before, between and behind them. */
export function ProjectsGrid({ feed, narrowed = false, onQuiz, onWhy, onOpen, onSeen, onGuest }: Props) {
  const { places, phase, seams } = feed.state;
  const watch = useSightings();
  const isFirst = phase === "loading" && places.length === 0;
  return (
    <>
      <FeedMessage feed={feed} narrowed={narrowed} onQuiz={onQuiz} onGuest={onGuest} />
      {/* Not the skeletons' list moved down: what there is to say above comes with the cards, and nothing shifts. */}
      <ol
        key={isFirst ? "skeletons" : "cards"}
        className="grid"
        aria-busy={phase === "loading" || phase === "loading-more"}
        aria-label="Projects"
      >
        {places.map((place, at) => (
          <Fragment key={place.card.key}>
            {seams.includes(at) && <li className="seam">From here on, by the latest ranking</li>}
            <Seen place={place} watch={watch} onSeen={onSeen}>
              <ProjectCard place={place} {...(onWhy && { onWhy })} {...(onOpen && { onOpen })} />
            </Seen>
          </Fragment>
        ))}
        {isFirst && <SkeletonCards count={FIRST_SKELETONS} />}
      </ol>
      {places.length > 0 && <EndOfFeed feed={feed} />}
    </>
  );
}

interface SeenProps {
  place: Place;
  watch: ReturnType<typeof useSightings>;
  onSeen: ((place: Place) => void) | undefined;
  children: ReactNode;
}

/** A place in the list that tells when it has been seen. */
function Seen({ place, watch, onSeen, children }: SeenProps) {
  const element = useRef<HTMLLIElement>(null);
  const latest = useRef(onSeen);
  latest.current = onSeen;
  useEffect(() => {
    if (element.current === null) return;
    return watch(element.current, () => latest.current?.(place));
  }, [watch, place]);
  return <li ref={element}>{children}</li>;
}
