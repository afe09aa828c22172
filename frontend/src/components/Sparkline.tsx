const WIDTH = 84;
const HEIGHT = 24;
const PAD = 2;

/** People a day as a line, today at the right, with the numbers in words for whoever cannot see it. */
export function Sparkline({ days }: { days: number[] }) {
  const most = Math.max(...days, 1);
  const total = days.reduce((sum, people) => sum + people, 0);
  const x = (at: number) => PAD + (at * (WIDTH - 2 * PAD)) / Math.max(days.length - 1, 1);
  const y = (people: number) => HEIGHT - PAD - (people * (HEIGHT - 2 * PAD)) / most;
  const points = days.map((people, at) => `${x(at).toFixed(1)},${y(people).toFixed(1)}`);
  const today = days.at(-1) ?? 0;
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      role="img"
      aria-label={`${total} new visitors in ${days.length} days, ${today} of them today`}
    >
      <polyline points={points.join(" ")} fill="none" />
      <circle cx={x(days.length - 1)} cy={y(today)} r={PAD} />
    </svg>
  );
}
