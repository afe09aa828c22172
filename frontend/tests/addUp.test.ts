import { describe, expect, it } from "vitest";
import { addUp, inFull } from "../src/components/why/addUp";

const contribution = (amount: number) => ({
  value: amount,
  contribution: amount,
  switchedOff: false,
  signal: { name: `signal ${amount}`, label: "Signal", group: "CONTENT" as const, unit: "0 to 1" },
});

describe("contributions", () => {
  it("add up to the score to the last digit, where floating point would not", () => {
    const amounts = [0.1, 0.2];
    expect(amounts.reduce((total, amount) => total + amount, 0)).not.toBe(0.3);
    const sum = addUp(amounts.map(contribution), 0.3);
    expect(sum.isScore).toBe(true);
    expect(inFull(sum.total, "if negative")).toBe("0.300000");
  });

  it("each begin where the one before ends", () => {
    const { steps, low, high } = addUp([0.5, -0.7, 0.1].map(contribution), -0.1);
    expect(steps.map(({ from, to }) => [from, to])).toEqual([
      [0, 500_000],
      [500_000, -200_000],
      [-200_000, -100_000],
    ]);
    expect([low, high]).toEqual([-200_000, 500_000]);
  });

  it("are set apart when they add nothing", () => {
    const { steps, silent } = addUp([0.5, 0].map(contribution), 0.5);
    expect([steps.length, silent.length]).toEqual([1, 1]);
  });

  it("do not pretend to be a score that they are not", () => {
    expect(addUp([contribution(0.5)], 0.500001).isScore).toBe(false);
  });

  it.each([
    [525_958, "+0.525958"],
    [-40_751, "−0.040751"],
    [1_000_000, "+1.000000"],
    [12, "+0.000012"],
    [0, "+0.000000"],
  ])("of %i millionths are written %s", (amount, written) => {
    expect(inFull(amount)).toBe(written);
  });
});
