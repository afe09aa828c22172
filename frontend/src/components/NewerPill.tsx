import { ArrowUpIcon } from "./icons";

/** Says that there is a newer ranking. Nothing moves until somebody asks for it. */
export function NewerPill({ words, onShow }: { words: string | null; onShow: () => void }) {
  return (
    <div className="newer" role="status">
      {words && (
        <button type="button" className="button primary" onClick={onShow}>
          <ArrowUpIcon />
          {words}
        </button>
      )}
    </div>
  );
}
