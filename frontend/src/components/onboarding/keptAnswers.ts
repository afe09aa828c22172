/** The answers of an unfinished quiz and whether it was put off, by viewer, in this browser. */

import type { Answer } from "./quizState";

const answersKey = (viewer: string) => `explore.quiz.${viewer}`;
const putOffKey = (viewer: string) => `explore.quiz-put-off.${viewer}`;

export function keptAnswers(viewer: string): Record<string, Answer> {
  try {
    return JSON.parse(localStorage.getItem(answersKey(viewer)) ?? "{}") as Record<string, Answer>;
  } catch {
    return {}; // somebody edited it
  }
}

export function keepAnswers(viewer: string, answers: Record<string, Answer>): void {
  localStorage.setItem(answersKey(viewer), JSON.stringify(answers));
}

export function forgetAnswers(viewer: string): void {
  localStorage.removeItem(answersKey(viewer));
}

/** True if the viewer closed the quiz, which then opens only on request. */
export function isPutOff(viewer: string): boolean {
  return localStorage.getItem(putOffKey(viewer)) !== null;
}

export function putOff(viewer: string): void {
  localStorage.setItem(putOffKey(viewer), "yes");
}
