import { useEffect, useRef } from "react";
import type { MuteKind } from "../../gql/graphql";
import type { BecauseResult } from "../../services/acts";

const MUTED: Record<MuteKind, (name: string) => string> = {
  TOPIC: (name) => `What is about ${name} will not come any more`,
  CATEGORY: (name) => `What is filed under ${name} will not come any more`,
  TOOL: (name) => `What is made with ${name} will not come any more`,
  OWNER: (name) => `What ${name} makes will not come any more`,
  PROJECT: (name) => `Nothing is concluded from what you did with “${name}” any more`,
};

/** What "less like this" did: to the project, to its cause, and to the viewer's page. */
export function WhatChanged({ result, onUndo }: { result: BecauseResult; onUndo: () => void }) {
  const { muted, pageChange } = result;
  const undo = useRef<HTMLButtonElement>(null);
  // The buttons of the reasons are gone, one of which had the focus.
  useEffect(() => undo.current?.focus(), []);
  return (
    <div className="what-changed">
      <p>
        <strong>Done.</strong> This project is dismissed. {muted && `${MUTED[muted.kind](muted.name)}.`}
      </p>
      {pageChange && (
        <dl>
          <Projects what="Left the first 30 of your page" projects={pageChange.removed} />
          <Projects what="Came in" projects={pageChange.added} />
          <dt>Moved</dt>
          <dd>
            {pageChange.moved.length === 0
              ? "nothing"
              : `${pageChange.moved.length} projects, by ${mostPlaces(pageChange.moved)} places at most`}
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
      {projects.length === 0 && <dd>nothing</dd>}
      {projects.map(({ key, title }) => (
        <dd key={key} dir="auto">
          {title}
        </dd>
      ))}
    </>
  );
}
