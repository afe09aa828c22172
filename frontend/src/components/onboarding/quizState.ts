/** The position in the quiz and the answers so far, as a pure value that fits into browser storage. */

import type { OnboardingAnswerInput } from "../../gql/graphql";
import type { Question } from "../../services/onboarding";

export interface Answer {
  options: string[];
  text: string;
}

export interface QuizState {
  /** The question shown, by place. */
  at: number;
  /** What was answered, by question. A question that is not here is open; one with an empty answer was skipped. */
  answers: Record<string, Answer>;
}

export type QuizAction =
  | { type: "choose"; question: Question; option: string }
  | { type: "write"; question: Question; text: string }
  | { type: "go on"; question: Question; last: number }
  | { type: "skip"; question: Question; last: number }
  | { type: "back" };

const NOTHING: Answer = { options: [], text: "" };

/** Begin where the viewer left: what this browser kept goes before what the gateway knows. */
export function resumed(questions: Question[], kept: Record<string, Answer>): QuizState {
  const answers: Record<string, Answer> = {};
  for (const question of questions) {
    const said = kept[question.key] ?? fromGateway(question);
    if (said) answers[question.key] = stillPossible(question, said);
  }
  const open = questions.findIndex(({ key }) => !(key in answers));
  return { at: Math.max(open, 0), answers };
}

export function quizReducer(state: QuizState, action: QuizAction): QuizState {
  switch (action.type) {
    case "choose":
      return withAnswer(state, action.question, {
        ...answerTo(state, action.question),
        options: toggled(action.question, answerTo(state, action.question).options, action.option),
      });
    case "write":
      return withAnswer(state, action.question, {
        ...answerTo(state, action.question),
        text: action.text,
      });
    case "go on":
      return { ...state, at: Math.min(state.at + 1, action.last) };
    case "skip":
      return {
        ...withAnswer(state, action.question, NOTHING),
        at: Math.min(state.at + 1, action.last),
      };
    case "back":
      return { ...state, at: Math.max(state.at - 1, 0) };
  }
}

export function answerTo(state: QuizState, { key }: Question): Answer {
  return state.answers[key] ?? NOTHING;
}

/** True if enough options are chosen; a free-text answer counts as one. */
export function isAnswered(state: QuizState, question: Question): boolean {
  const { options, text } = answerTo(state, question);
  return options.length + (text.trim() ? 1 : 0) >= Math.max(question.minChoices, 1);
}

/** True if no more options may be chosen. Where one may be, choosing another replaces it. */
export function isFull(state: QuizState, question: Question): boolean {
  return question.maxChoices > 1 && answerTo(state, question).options.length >= question.maxChoices;
}

/** The answer as the gateway takes it: too little to count is the same as skipped. */
export function toSend(state: QuizState, question: Question): OnboardingAnswerInput {
  if (!isAnswered(state, question)) return { question: question.key, skip: true };
  const { options, text } = answerTo(state, question);
  return { question: question.key, options, ...(text.trim() && { text }) };
}

function withAnswer(state: QuizState, { key }: Question, answer: Answer): QuizState {
  return { ...state, answers: { ...state.answers, [key]: answer } };
}

function toggled({ maxChoices }: Question, chosen: string[], option: string): string[] {
  if (maxChoices === 1) return [option];
  if (chosen.includes(option)) return chosen.filter((one) => one !== option);
  return chosen.length < maxChoices ? [...chosen, option] : chosen;
}

function fromGateway({ answer }: Question): Answer | undefined {
  return answer ? { options: answer.options, text: answer.text } : undefined;
}

/** An answer may name options that the question has no longer. */
function stillPossible({ options }: Question, answer: Answer): Answer {
  const known = new Set(options.map(({ key }) => key));
  return {
    ...answer,
    options: answer.options.filter((option) => known.has(option)),
  };
}
