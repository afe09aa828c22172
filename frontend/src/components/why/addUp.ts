/**
 * Lays contributions end to end, so that one sees them add up.
 *
 * The gateway keeps contributions and scores as whole millionths, and so does this: sums of what is shown are exact, to
 * the last digit, which sums of floating point numbers are not.
 */

import type { Contribution } from "../../services/why";

const MILLION = 1_000_000;

/** A contribution as a step of the running total; all in millionths. */
export interface Step {
  contribution: Contribution;
  amount: number;
  /** The running total before and after it. */
  from: number;
  to: number;
}

export interface Sum {
  steps: Step[];
  /** Those that add nothing. */
  silent: Contribution[];
  total: number;
  /** Whether the total is the score that was given. */
  isScore: boolean;
  /** The ends of a scale on which every running total has its place. */
  low: number;
  high: number;
}

export function addUp(contributions: readonly Contribution[], score: number): Sum {
  const steps: Step[] = [];
  const silent: Contribution[] = [];
  let total = 0;
  for (const contribution of contributions) {
    const amount = millionths(contribution.contribution);
    if (amount === 0) silent.push(contribution);
    else steps.push({ contribution, amount, from: total, to: total + amount });
    total += amount;
  }
  const totals = [0, ...steps.map((step) => step.to)];
  return {
    steps,
    silent,
    total,
    isScore: total === millionths(score),
    low: Math.min(...totals),
    high: Math.max(...totals),
  };
}

export function millionths(value: number): number {
  return Math.round(value * MILLION);
}

/** "+0.525958", "−0.040751": always six places, so that columns of digits can be added by eye. */
export function inFull(amount: number, sign: "always" | "if negative" = "always"): string {
  const size = Math.abs(amount);
  const digits = `${Math.floor(size / MILLION)}.${String(size % MILLION).padStart(6, "0")}`;
  if (amount < 0) return `−${digits}`;
  return sign === "always" ? `+${digits}` : digits;
}
