import type { Place } from "../feed/feedReducer";
import type { Feed } from "../feed/useFeed";
import { EndOfFeed } from "./EndOfFeed";
import { ProjectCard } from "./ProjectCard";
import { SkeletonCards } from "./SkeletonCards";

/** Skeletons shown at first: as many as fit a large screen, so that nothing below them moves. */
const FIRST_SKELETONS = 12;

/** The cards of a feed, and what there is to say before, between and behind them. */
export function ProjectsGrid({ feed }: { feed: Feed }) {
  const { places, phase } = feed.state;
  const isFirst = phase === "loading" && places.length === 0;
  return (
    <>
      <ol className="grid" aria-busy={phase === "loading" || phase === "loading-more"} aria-label="Projects">
        {places.map((place: Place) => (
          <li key={place.card.key}>
            <ProjectCard place={place} />
          </li>
        ))}
        {isFirst && <SkeletonCards count={FIRST_SKELETONS} />}
      </ol>
      {!isFirst && <EndOfFeed feed={feed} />}
    </>
  );
}
