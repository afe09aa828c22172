import type { Act, Standing } from "../services/acts";
import { count } from "../services/wording";
import { BookmarkIcon, CrossIcon, HeartIcon, WhyIcon } from "./icons";

interface Props {
  standing: Standing;
  wish: (act: Act, want: boolean) => void;
  /** Absent where there is nothing to explain. */
  onWhy?: () => void;
}

/** The buttons of a card. `aria-pressed` shows the state of each. */
export function CardActions({ standing, wish, onWhy }: Props) {
  return (
    <div className="card-actions">
      <button
        type="button"
        className="act like"
        aria-pressed={standing.liked}
        onClick={() => wish("liked", !standing.liked)}
      >
        <HeartIcon filled={standing.liked} />
        <span className="visually-hidden">Like</span> {count(standing.likeCount)}
      </button>
      <button
        type="button"
        className="act"
        aria-pressed={standing.saved}
        onClick={() => wish("saved", !standing.saved)}
      >
        <BookmarkIcon filled={standing.saved} />
        <span className="visually-hidden">Save</span>
      </button>
      <button type="button" className="act" onClick={() => wish("dismissed", true)}>
        <CrossIcon />
        <span className="visually-hidden">Not for me</span>
      </button>
      {onWhy && (
        <button type="button" className="act why" onClick={onWhy} aria-haspopup="dialog">
          <WhyIcon />
          Why?
        </button>
      )}
    </div>
  );
}
