/** The quiz, and how well the viewer is known. */

import {
  AnswerDocument,
  type OnboardingAnswerInput,
  QuizDocument,
  type QuizQuery,
  StatusDocument,
  type StatusFragment,
  SubmitQuizDocument,
} from "../gql/graphql";
import { accepted } from "./acts";
import { type FeedPage, PAGE_SIZE } from "./explore";
import type { Gateway } from "./gateway";

export type Status = StatusFragment;
export type Question = QuizQuery["onboardingQuestions"][number];

/** The personalization status, and whether views may influence the ranking. */
export async function fetchStatus(
  gateway: Gateway,
  signal: AbortSignal,
): Promise<{ status: Status; mayLearnFromViews: boolean }> {
  const { personalizationStatus, viewer } = await gateway.ask(StatusDocument, {}, signal);
  const { personalized, learnFromViews } = viewer.personalizationSettings;
  return { status: personalizationStatus, mayLearnFromViews: personalized && learnFromViews };
}

export async function fetchQuestions(gateway: Gateway, signal: AbortSignal): Promise<Question[]> {
  return (await gateway.ask(QuizDocument, {}, signal)).onboardingQuestions;
}

/** Keep one answer, so that whoever leaves in the middle goes on from there, on any device. */
export async function saveAnswer(gateway: Gateway, answer: OnboardingAnswerInput): Promise<void> {
  accepted((await gateway.act(AnswerDocument, { answer })).result);
}

/** Hand in the quiz: the first page that it has made comes with the answer. */
export async function submitQuiz(
  gateway: Gateway,
  answers: OnboardingAnswerInput[],
): Promise<{ status: Status; page: FeedPage | null }> {
  const { status, feed } = accepted(
    (await gateway.act(SubmitQuizDocument, { answers, first: PAGE_SIZE })).result,
  );
  return { status, page: feed };
}
