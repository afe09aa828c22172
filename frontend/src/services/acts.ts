/** Mutations on a project. */

import {
  DismissForReasonDocument,
  type DismissForReasonMutation,
  DismissDocument,
  LikeDocument,
  SaveDocument,
  UndoDismissalDocument,
  UnlikeDocument,
  UnsaveDocument,
} from "../gql/graphql";
import { Failure } from "./failures";
import type { Gateway } from "./gateway";

export type Act = "liked" | "saved" | "dismissed";

/** The viewer's like, save and dismissal of a project. */
export interface Standing {
  liked: boolean;
  saved: boolean;
  dismissed: boolean;
  likeCount: number;
}

/** The result of a mutation: the new state as far as it is known, and the viewer's new version. */
export interface ActAnswer {
  standing: Partial<Standing>;
  version: number;
}

const DOCUMENTS = {
  liked: { true: LikeDocument, false: UnlikeDocument },
  saved: { true: SaveDocument, false: UnsaveDocument },
} as const;

/** @throws Failure if the gateway did not do it */
export async function sendAct(gateway: Gateway, key: string, act: Act, want: boolean): Promise<ActAnswer> {
  if (act === "dismissed") {
    const document = want ? DismissDocument : UndoDismissalDocument;
    const done = accepted((await gateway.act(document, { key })).result);
    return { standing: { dismissed: want }, version: done.viewer.version };
  }
  const done = accepted((await gateway.act(DOCUMENTS[act][`${want}`], { key })).result);
  const standing = done.project
    ? {
        liked: done.project.viewerHasLiked,
        saved: done.project.viewerHasSaved,
        likeCount: done.project.likeCount,
      }
    : {};
  return { standing, version: done.viewer.version };
}

export type BecauseResult = NonNullable<DismissForReasonMutation["result"]>;

/** Dismiss a project for one of the reasons that it was shown for; says what that changed on the page. */
export async function dismissBecause(gateway: Gateway, key: string, reasonId: string): Promise<BecauseResult> {
  return accepted((await gateway.act(DismissForReasonDocument, { key, reasonId })).result);
}

/** Give a payload back if it was accepted. */
export function accepted<Payload extends { userErrors: { message: string }[] }>(
  payload: Payload | null | undefined,
): Payload {
  if (payload == null) throw new Failure("broken");
  const first = payload.userErrors[0];
  if (first !== undefined) throw new Failure("refused", first.message);
  return payload;
}
