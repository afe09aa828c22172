/** The wording of values on the page. */

const DAY_MS = 86_400_000;
const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const COUNT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** "today", "3 days ago", "2 months ago"; the full time stands in the element's `datetime`. */
export function timeSince(moment: string, now = Date.now()): string {
  const days = Math.floor((now - Date.parse(moment)) / DAY_MS);
  if (Number.isNaN(days)) return "";
  if (days < 1) return "today";
  if (days < 30) return AGO.format(-days, "day");
  if (days < 365) return AGO.format(-Math.floor(days / 30), "month");
  return AGO.format(-Math.floor(days / 365), "year");
}

/** 950, 1.2K. */
export function count(many: number): string {
  return COUNT.format(many);
}

const TYPE_NAMES: Record<string, string> = {
  github_repo: "Repository",
  reddit_thread: "Discussion",
  article: "Article",
  prompt: "Prompt",
};

/** A platform's own kind of project in words: `video_course` becomes "Video course". */
export function typeName(type: string): string {
  const words = type.replaceAll("_", " ").trim();
  return TYPE_NAMES[type] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

/** The address if it is safe to open: a platform's URL may be `javascript:`. */
export function safeUrl(url: string | null | undefined): string | null {
  if (!url || !URL.canParse(url)) return null;
  return ["http:", "https:"].includes(new URL(url).protocol) ? url : null;
}
