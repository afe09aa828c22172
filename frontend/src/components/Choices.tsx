interface Option {
  key: string;
  name: string;
}

interface Props {
  legend: string;
  options: Option[];
  chosen: string[];
  onChange: (chosen: string[]) => void;
}

/** Check boxes that look like chips. */
export function Choices({ legend, options, chosen, onChange }: Props) {
  const toggle = (key: string) =>
    onChange(chosen.includes(key) ? chosen.filter((one) => one !== key) : [...chosen, key]);
  return (
    <fieldset className="choices">
      <legend>{legend}</legend>
      {options.map(({ key, name }) => (
        <label key={key} className="choice">
          <input type="checkbox" checked={chosen.includes(key)} onChange={() => toggle(key)} />
          <span>{name}</span>
        </label>
      ))}
    </fieldset>
  );
}
