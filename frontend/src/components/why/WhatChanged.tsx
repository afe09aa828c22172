import { useEffect, useRef } from "react";
import type { MuteKind } from "../../gql/graphql";
import type { BecauseResult } from "../../services/acts";

const MUTED: Record<MuteKind, (name: string) => string> = {
  TOPIC: (name) => `We'll hide everything about ${name}`,
  CATEGORY: (name) => `We'll hide everything in ${name}`,
  TOOL: (name) => `We'll hide everything made with ${name}`,
  OWNER: (name) => `We'll hide everything by ${name}`,
  PROJECT: (name) => `We'll stop using “${name}” for recommendations`,
};

/** The effect of "less like this" on the project, its cause and the viewer's page. */
export function WhatChanged({ result, onUndo }: { result: BecauseResult; onUndo: () => void }) {
  const { muted, pageChange } = result;
  const undo = useRef<HTMLButtonElement>(null);
  // The buttons of the reasons are gone, one of which had the focus.
  useEffect(() => undo.current?.focus(), []);
  return (
    <div className="what-changed">
      <p>
        <strong>Done.</strong> This project is hidden. {muted && `${MUTED[muted.kind](muted.name)}.`}
      </p>
      {pageChange && (
        <dl>
          <Projects what="Dropped from your top 30" projects={pageChange.removed} />
          <Projects what="Added to your top 30" projects={pageChange.added} />
          <dt>Moved</dt>
          <dd>
            {pageChange.moved.length === 0
              ? "None"
              : `${pageChange.moved.length} projects, by up to ${mostPlaces(pageChange.moved)} places`}
          </dd>
        </dl>
      )}
      <button type="button" ref={undo} className="button" onClick={onUndo}>
        Undo
      </button>
    </div>
  );
}

function mostPlaces(moved: { fromRank: number; toRank: number }[]): number {
  return Math.max(...moved.map(({ fromRank, toRank }) => Math.abs(fromRank - toRank)));
}

function Projects({ what, projects }: { what: string; projects: { key: string; title: string }[] }) {
  return (
    <>
      <dt>{what}</dt>
      {projects.length === 0 && <dd>None</dd>}
      {projects.map(({ key, title }) => (
        <dd key={key} dir="auto">
          {title}
        </dd>
      ))}
    </>
  );
}
