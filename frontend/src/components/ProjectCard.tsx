import { useId } from "react";
import type { Place } from "../feed/feedReducer";
import { useStanding } from "../feed/useStanding";
import { count, safeUrl, timeSince, typeName } from "../services/wording";
import { CardActions } from "./CardActions";
import { DismissedCard } from "./DismissedCard";
import { Sparkline } from "./Sparkline";

interface Props {
  place: Place;
  onWhy?: (place: Place) => void;
  /** The project's own page is opened. */
  onOpen?: (place: Place) => void;
}

/** One project in its place. */
export function ProjectCard({ place, onWhy, onOpen }: Props) {
  const { card } = place;
  const [standing, wish] = useStanding(card);
  const id = useId();
  if (standing.dismissed) {
    return <DismissedCard title={card.title} onUndo={() => wish("dismissed", false)} />;
  }
  return (
    <article className="card" aria-labelledby={id} data-key={card.key} data-rank={place.rank}>
      <p className="card-kind">
        <span>{typeName(card.type)}</span>
        <time dateTime={card.createdAt}>{timeSince(card.createdAt)}</time>
      </p>
      <h2 id={id} dir="auto">
        <Title card={card} onOpen={() => onOpen?.(place)} />
      </h2>
      {card.description && (
        <p className="card-text" dir="auto">
          {card.description}
        </p>
      )}
      <Chips card={card} />
      <div className="card-foot">
        <div className="card-by">
          {card.owner && (
            <p className="card-owner" dir="auto">
              {card.owner.username}
            </p>
          )}
          <p>{card.viewCount === 1 ? "1 view" : `${count(card.viewCount)} views`}</p>
        </div>
        <Sparkline days={card.activity} />
      </div>
      <CardActions standing={standing} wish={wish} {...(onWhy && { onWhy: () => onWhy(place) })} />
    </article>
  );
}

function Title({ card, onOpen }: { card: Place["card"]; onOpen: () => void }) {
  const url = safeUrl(card.url);
  if (url === null) return card.title;
  return (
    // A click of the middle button opens it as well, and is no `click` to the browser.
    <a
      href={url}
      target="_blank"
      rel="noopener"
      onClick={onOpen}
      onAuxClick={(event) => event.button === 1 && onOpen()}
    >
      {card.title}
    </a>
  );
}

function Chips({ card }: { card: Place["card"] }) {
  if (card.tools.length + card.categories.length === 0) return null;
  return (
    <ul className="chips" aria-label="Tools and categories">
      {card.tools.map((tool) => (
        <li key={`tool ${tool.key}`} className="chip tool">
          {tool.name}
        </li>
      ))}
      {card.categories.map((category) => (
        <li key={`category ${category.key}`} className="chip">
          {category.name}
        </li>
      ))}
    </ul>
  );
}
