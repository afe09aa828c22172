import { useId } from "react";

interface Props {
  alpha: number;
  onAlpha: (alpha: number) => void;
}

/** The weight of meaning in a search; see the argument `alpha` of the field `search`. */
export function MeaningSlider({ alpha, onAlpha }: Props) {
  const id = useId();
  const percent = Math.round(alpha * 100);
  return (
    <div className="meaning">
      <label htmlFor={id}>Words</label>
      <input
        id={id}
        type="range"
        min={0}
        max={100}
        step={10}
        value={percent}
        aria-label="Words or meaning"
        aria-valuetext={`${percent} % meaning, ${100 - percent} % words`}
        onChange={(event) => onAlpha(Number(event.target.value) / 100)}
      />
      <span aria-hidden="true">Meaning</span>
    </div>
  );
}
