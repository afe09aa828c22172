/** The viewer's settings and data: reading, changing, exporting and deleting them. */

import {
  ChangeSettingsDocument,
  DeleteAllDocument,
  type DeleteAllMutation,
  ExportPageDocument,
  type KnownInterestFragment,
  type MutedFragment,
  type OwnedProjects,
  PersonalizationDocument,
  type PersonalizationQuery,
  type PersonalizationSettingsInput,
  RemoveInterestDocument,
  type SettingsFragment,
  UnmuteDocument,
} from "../gql/graphql";
import { accepted } from "./acts";
import type { Gateway } from "./gateway";

export type Settings = SettingsFragment;
export type Interest = KnownInterestFragment;
export type Mute = MutedFragment;
export type Known = Omit<PersonalizationQuery["viewer"], "mutes"> & { mutes: Mute[] };
export type Receipt = NonNullable<NonNullable<DeleteAllMutation["result"]>["receipt"]>;

export async function fetchKnown(gateway: Gateway, signal: AbortSignal): Promise<Known> {
  const { viewer } = await gateway.ask(PersonalizationDocument, {}, signal);
  return { ...viewer, mutes: viewer.mutes.nodes };
}

export async function changeSettings(
  gateway: Gateway,
  settings: PersonalizationSettingsInput,
): Promise<Settings> {
  return accepted((await gateway.act(ChangeSettingsDocument, { settings })).result).settings;
}

export async function removeInterest(gateway: Gateway, { kind, key }: Interest): Promise<Interest[]> {
  return accepted((await gateway.act(RemoveInterestDocument, { interest: { kind, key } })).result).interests;
}

export async function unmute(gateway: Gateway, { kind, key }: Mute): Promise<Mute[]> {
  return accepted((await gateway.act(UnmuteDocument, { kind, key })).result).viewer.mutes.nodes;
}

/** Everything that is held of the viewer: its pages put together, rows behind rows. */
export async function exportAll(gateway: Gateway): Promise<Record<string, unknown>> {
  const whole: Record<string, unknown> = {};
  let after: string | null = null;
  do {
    const page: { data: unknown; pageInfo: { hasNextPage: boolean; endCursor: string | null } } = accepted(
      (await gateway.act(ExportPageDocument, { after })).result,
    );
    for (const [name, held] of Object.entries(page.data as Record<string, unknown>)) {
      const before = whole[name];
      whole[name] = Array.isArray(before) && Array.isArray(held) ? [...before, ...held] : held;
    }
    after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
  } while (after !== null);
  return whole;
}

/** Delete everything; a viewer of whom nothing is held gets no receipt. */
export async function deleteAll(gateway: Gateway, projects: OwnedProjects): Promise<Receipt | null> {
  return accepted((await gateway.act(DeleteAllDocument, { projects })).result).receipt;
}
