import { useId } from "react";
import type { Place } from "../feed/feedReducer";
import { safeUrl, timeSince, typeName } from "../services/wording";
import { Sparkline } from "./Sparkline";

/** One project in its place. */
export function ProjectCard({ place }: { place: Place }) {
  const { card } = place;
  const id = useId();
  const url = safeUrl(card.url);
  return (
    <article className="card" aria-labelledby={id}>
      <p className="card-kind">
        <span>{typeName(card.type)}</span>
        <time dateTime={card.createdAt}>{timeSince(card.createdAt)}</time>
      </p>
      <h3 id={id} dir="auto">
        {url ? (
          <a href={url} target="_blank" rel="noopener">
            {card.title}
          </a>
        ) : (
          card.title
        )}
      </h3>
      {card.description && (
        <p className="card-text" dir="auto">
          {card.description}
        </p>
      )}
      <ul className="chips" aria-label="Made with and filed under">
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
      <footer className="card-foot">
        <p className="card-owner" dir="auto">
          {card.owner?.username}
        </p>
        <Sparkline days={card.activity} />
      </footer>
    </article>
  );
}
