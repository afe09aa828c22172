import { safeUrl } from "../services/wording";

/** A project's title, as a link if it lives anywhere. */
export function TitleLink({ project }: { project: { title: string; url: string | null } }) {
  const url = safeUrl(project.url);
  const title = <bdi>{project.title}</bdi>;
  return url ? (
    <a href={url} target="_blank" rel="noopener">
      {title}
    </a>
  ) : (
    title
  );
}
