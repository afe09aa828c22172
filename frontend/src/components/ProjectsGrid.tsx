import { Fragment, memo, useEffect, useRef } from "react";
import type { Place } from "../feed/feedReducer";
import type { Feed } from "../feed/useFeed";
import { useSightings } from "../hooks/useSightings";
import { useStable } from "../hooks/useStable";
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

/**
 * The cards of a feed, and what there is to say before, between and behind them.
 *
 * Memoized, because hundreds of cards take long to render: give it functions that stay the same (`useStable`).
 */
export const ProjectsGrid = memo(function ProjectsGrid({
  feed,
  narrowed = false,
  onQuiz,
  onWhy,
  onOpen,
  onSeen,
  onGuest,
}: Props) {
  const { places, phase, seams } = feed.state;
  const watch = useSightings();
  const isFirst = phase === "loading" && places.length === 0;
  return (
    <>
      <FeedMessage feed={feed} narrowed={narrowed} onQuiz={onQuiz} onGuest={onGuest} />
      {/* Not the skeletons' list moved down: what there is to say above comes with the cards, and nothing shifts. */}
      <ol
        key={isFirst ? "skeletons" : "cards"}
        className={phase === "loading" ? "grid replaced" : "grid"}
        aria-busy={phase === "loading" || phase === "loading-more"}
        aria-label="Projects"
      >
        {places.map((place, at) => (
          <Fragment key={place.card.key}>
            {seams.includes(at) && <li className="seam">Updated ranking from here</li>}
            <PlaceItem place={place} watch={watch} onSeen={onSeen} onWhy={onWhy} onOpen={onOpen} />
          </Fragment>
        ))}
        {isFirst && <SkeletonCards count={FIRST_SKELETONS} />}
      </ol>
      {places.length > 0 && <EndOfFeed feed={feed} />}
    </>
  );
});

interface PlaceItemProps {
  place: Place;
  watch: ReturnType<typeof useSightings>;
  onSeen: Props["onSeen"] | undefined;
  onWhy: Props["onWhy"] | undefined;
  onOpen: Props["onOpen"] | undefined;
}

/** A place in the list, which tells when it has been seen. Memoized: another page of cards leaves it as it is. */
const PlaceItem = memo(function PlaceItem({ place, watch, onSeen, onWhy, onOpen }: PlaceItemProps) {
  const element = useRef<HTMLLIElement>(null);
  const tell = useStable(() => onSeen?.(place));
  useEffect(() => {
    if (element.current === null) return;
    return watch(element.current, tell);
  }, [watch, tell, place]);
  return (
    <li ref={element} className="place">
      <ProjectCard place={place} {...(onWhy && { onWhy })} {...(onOpen && { onOpen })} />
    </li>
  );
});
