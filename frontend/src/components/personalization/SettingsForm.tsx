import { useEffect, useId, useState } from "react";
import type { Settings } from "../../services/personalization";

type Switch = Exclude<keyof Settings, "discovery" | "__typename">;

const SWITCHES: { name: Switch; label: string; help: string }[] = [
  { name: "personalized", label: "Personalize this page", help: "When off, For You shows what's popular." },
  { name: "useInterests", label: "Use my interests", help: "Interests you added and interests learned from your activity." },
  {
    name: "learnFromViews",
    label: "Learn from what I look at",
    help: "When off, views aren't recorded.",
  },
  { name: "learnFromLikes", label: "Learn from what I like and save", help: "" },
  {
    name: "socialSignals",
    label: "Use other people's activity",
    help: "What's popular, and what people with similar taste view.",
  },
  {
    name: "showRead",
    label: "Show what I've already read",
    help: "When off, For You hides a project for some days after you open, like or save it.",
  },
];

interface Props {
  settings: Settings;
  onChange: (change: Partial<Settings>) => void;
}

/** The settings for personalization. Each change is saved at once. */
export function SettingsForm({ settings, onChange }: Props) {
  return (
    <section className="panel-part" aria-labelledby="settings">
      <h3 id="settings">What we use</h3>
      {SWITCHES.map(({ name, label, help }) => (
        <label key={name} className="switch">
          <span>
            {label}
            {help && <small>{help}</small>}
          </span>
          <input
            type="checkbox"
            role="switch"
            checked={settings[name]}
            disabled={name !== "personalized" && !settings.personalized}
            onChange={(event) => onChange({ [name]: event.target.checked })}
          />
        </label>
      ))}
      <Discovery
        value={settings.discovery}
        disabled={!settings.personalized}
        onChange={(discovery) => onChange({ discovery })}
      />
    </section>
  );
}

/** From familiar to new. Sent when the slider is let go, not at every step on the way. */
function Discovery(props: { value: number; disabled: boolean; onChange: (value: number) => void }) {
  const id = useId();
  const [value, setValue] = useState(props.value);
  useEffect(() => setValue(props.value), [props.value]);
  const send = () => value !== props.value && props.onChange(value);
  return (
    <div className="discovery-slider">
      <label htmlFor={id}>Familiar or new</label>
      <div>
        <span aria-hidden="true">Familiar</span>
        <input
          id={id}
          type="range"
          min={0}
          max={100}
          step={5}
          value={value}
          disabled={props.disabled}
          aria-valuetext={value === 50 ? "balanced" : `${value} of 100 toward new`}
          onChange={(event) => setValue(Number(event.target.value))}
          onPointerUp={send}
          onKeyUp={send}
          onBlur={send}
        />
        <span aria-hidden="true">New</span>
      </div>
    </div>
  );
}
