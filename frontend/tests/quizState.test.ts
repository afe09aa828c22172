import { describe, expect, it } from "vitest";
import {
  isAnswered,
  isFull,
  type QuizAction,
  quizReducer,
  resumed,
  toSend,
} from "../src/components/onboarding/quizState";
import type { Question } from "../src/services/onboarding";

const question = (key: string, change: Partial<Question> = {}): Question => ({
  key,
  type: "TOOL_SELECT",
  text: `${key}?`,
  description: "",
  minChoices: 1,
  maxChoices: 2,
  allowsText: false,
  options: ["a", "b", "c"].map((key) => ({ key, label: key, description: "" })),
  answer: null,
  ...change,
});

const FIRST = question("first");
const SECOND = question("second");
const QUIZ = [FIRST, SECOND];
const play = (...actions: QuizAction[]) => actions.reduce(quizReducer, resumed(QUIZ, {}));
const choose = (option: string, of = FIRST): QuizAction => ({
  type: "choose",
  question: of,
  option,
});

describe("the quiz", () => {
  it("takes as many answers as the question allows, and gives them back", () => {
    const state = play(choose("a"), choose("b"), choose("c"));
    expect(toSend(state, FIRST)).toEqual({
      question: "first",
      options: ["a", "b"],
    });
    expect(isFull(state, FIRST)).toBe(true);
    expect(toSend(quizReducer(state, choose("a")), FIRST)).toEqual({
      question: "first",
      options: ["b"],
    });
  });

  it("replaces the answer where one is asked for", () => {
    const one = question("one", { maxChoices: 1 });
    const state = [choose("a", one), choose("b", one)].reduce(quizReducer, resumed([one], {}));
    expect(toSend(state, one)).toEqual({ question: "one", options: ["b"] });
    expect(isFull(state, one)).toBe(false);
  });

  it("counts too little as skipped", () => {
    const two = question("two", { minChoices: 2 });
    const state = quizReducer(resumed([two], {}), choose("a", two));
    expect(isAnswered(state, two)).toBe(false);
    expect(toSend(state, two)).toEqual({ question: "two", skip: true });
  });

  it("counts own words as an answer, and sends them as they are", () => {
    const words = question("words", { allowsText: true });
    const state = quizReducer(resumed([words], {}), {
      type: "write",
      question: words,
      text: " <b>music</b> ",
    });
    expect(toSend(state, words)).toEqual({
      question: "words",
      options: [],
      text: " <b>music</b> ",
    });
  });

  it("goes on, back, and never past its ends", () => {
    expect(play({ type: "back" }).at).toBe(0);
    const end = play(
      { type: "go on", question: FIRST, last: 1 },
      { type: "skip", question: SECOND, last: 1 },
    );
    expect(end.at).toBe(1);
    expect(quizReducer(end, { type: "back" }).at).toBe(0);
  });

  it("takes an answer back when the question is skipped after all", () => {
    const state = play(choose("a"), { type: "skip", question: FIRST, last: 1 });
    expect(toSend(state, FIRST)).toEqual({ question: "first", skip: true });
  });

  it("goes on at the first open question, with what browser and gateway remember", () => {
    const known = question("first", {
      answer: { options: ["c"], text: "", skipped: false },
    });
    const state = resumed([known, SECOND, question("third")], {
      second: { options: ["a"], text: "" },
    });
    expect(state.at).toBe(2);
    expect(toSend(state, known)).toEqual({ question: "first", options: ["c"] });
  });

  it("forgets an option that the question has no longer", () => {
    const state = resumed([FIRST], {
      first: { options: ["gone", "a"], text: "" },
    });
    expect(toSend(state, FIRST)).toEqual({ question: "first", options: ["a"] });
  });

  it("that is all answered begins at its first card again", () => {
    expect(resumed([FIRST], { first: { options: ["a"], text: "" } }).at).toBe(0);
  });
});
