import { Fragment } from "react";
import type { Place } from "../feed/feedReducer";
import type { Feed } from "../feed/useFeed";
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
}

/** The cards of a feed, and what there is to say before, between and behind them. */
export function ProjectsGrid({ feed, narrowed = false, onQuiz, onWhy, onOpen }: Props) {
  const { places, phase, seams } = feed.state;
  const isFirst = phase === "loading" && places.length === 0;
  return (
    <>
      <FeedMessage feed={feed} narrowed={narrowed} onQuiz={onQuiz} />
      <ol className="grid" aria-busy={phase === "loading" || phase === "loading-more"} aria-label="Projects">
        {places.map((place, at) => (
          <Fragment key={place.card.key}>
            {seams.includes(at) && <li className="seam">From here on, by the latest ranking</li>}
            <li>
              <ProjectCard place={place} {...(onWhy && { onWhy })} {...(onOpen && { onOpen })} />
            </li>
          </Fragment>
        ))}
        {isFirst && <SkeletonCards count={FIRST_SKELETONS} />}
      </ol>
      {places.length > 0 && <EndOfFeed feed={feed} />}
    </>
  );
}
