import { useCallback, useEffect, useState } from "react";
import { useAnswer } from "../../hooks/useAnswer";
import { asFailure } from "../../services/failures";
import { useGateway } from "../../services/GatewayContext";
import type { Status } from "../../services/onboarding";
import {
  changeSettings,
  fetchKnown,
  type Known,
  removeInterest,
  type Settings,
  unmute,
} from "../../services/personalization";
import { Dialog } from "../Dialog";
import { HowWellKnown } from "./HowWellKnown";
import { KnownList } from "./KnownList";
import { SettingsForm } from "./SettingsForm";
import { YourData } from "./YourData";

interface Props {
  status: Status | null;
  onClose: () => void;
  onQuiz: () => void;
  /** Something was changed that the next ranking goes by. */
  onChanged: (settings: Settings | null) => void;
  onDeleted: () => void;
}

const KINDS = {
  TOOL: "tool",
  CATEGORY: "category",
  TOPIC: "topic",
  OWNER: "person",
  PROJECT: "project",
} as const;
const SOURCES = { MANUAL: "added by you", IMPORTED: "imported", LEARNED: "learned" } as const;

/** The viewer's settings, interests, mutes and data, to see, change and delete. */
export function PersonalizationPanel({ status, onClose, onQuiz, onChanged, onDeleted }: Props) {
  const gateway = useGateway();
  const asked = useAnswer(useCallback((signal) => fetchKnown(gateway, signal), [gateway]));
  const [known, setKnown] = useState<Known | null>(null);
  const [trouble, setTrouble] = useState("");
  useEffect(() => setKnown(asked.answer), [asked.answer]);

  const attempt = async (change: () => Promise<Partial<Known>>, meanwhile: Partial<Known>) => {
    if (known === null) return;
    setTrouble("");
    setKnown({ ...known, ...meanwhile });
    try {
      const changed = await change();
      setKnown((now) => now && { ...now, ...changed });
      onChanged(changed.personalizationSettings ?? null);
    } catch (thrown) {
      setKnown(known);
      setTrouble(asFailure(thrown).message);
    }
  };

  return (
    <Dialog title="Your page" className="panel" onClose={onClose}>
      {status && <HowWellKnown status={status} onQuiz={onQuiz} />}
      <p role="alert">{trouble || asked.failure?.message}</p>
      {asked.isLoading && <p className="soft">Loading…</p>}
      {known && (
        <>
          <SettingsForm
            settings={known.personalizationSettings}
            onChange={(change) =>
              void attempt(async () => ({ personalizationSettings: await changeSettings(gateway, change) }), {
                personalizationSettings: { ...known.personalizationSettings, ...change },
              })
            }
          />
          <KnownList
            title="Your interests"
            empty="None yet. Take the quiz or like a project."
            act="Remove"
            items={known.interests.map((interest) => ({
              ...interest,
              note: `${KINDS[interest.kind]}, ${SOURCES[interest.source]}`,
            }))}
            onAct={({ kind, key }) => {
              const interest = known.interests.find((one) => one.kind === kind && one.key === key);
              if (!interest) return;
              const rest = known.interests.filter((one) => one !== interest);
              void attempt(async () => ({ interests: await removeInterest(gateway, interest) }), {
                interests: rest,
              });
            }}
          />
          <KnownList
            title="Muted"
            empty="Nothing muted. To mute something, open “Why?” on a project and hide one of its reasons."
            act="Unmute"
            items={known.mutes.map((mute) => ({ ...mute, note: KINDS[mute.kind] }))}
            onAct={({ kind, key }) => {
              const mute = known.mutes.find((one) => one.kind === kind && one.key === key);
              if (!mute) return;
              const rest = known.mutes.filter((one) => one !== mute);
              void attempt(async () => ({ mutes: await unmute(gateway, mute) }), { mutes: rest });
            }}
          />
        </>
      )}
      <YourData onDeleted={onDeleted} />
    </Dialog>
  );
}
