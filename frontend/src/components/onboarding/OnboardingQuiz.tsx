import { type KeyboardEvent, useCallback, useEffect, useReducer, useState } from "react";
import { useAnswer } from "../../hooks/useAnswer";
import { useSwipe } from "../../hooks/useSwipe";
import type { FeedPage } from "../../services/explore";
import { asFailure } from "../../services/failures";
import { useGateway } from "../../services/GatewayContext";
import {
  fetchQuestions,
  type Question,
  type Status,
  saveAnswer,
  submitQuiz,
} from "../../services/onboarding";
import { Dialog } from "../Dialog";
import { forgetAnswers, keepAnswers, keptAnswers } from "./keptAnswers";
import { QuizCard } from "./QuizCard";
import { isAnswered, quizReducer, resumed, toSend } from "./quizState";

interface Props {
  onClose: () => void;
  /** The answers are taken: how well the viewer is known now, and the first page of their feed. */
  onDone: (status: Status, page: FeedPage | null) => void;
}

/** A few questions on cards that can be drawn to the side; ends in the viewer's own page, without loading it anew. */
export function OnboardingQuiz({ onClose, onDone }: Props) {
  const gateway = useGateway();
  const asked = useAnswer(useCallback((signal) => fetchQuestions(gateway, signal), [gateway]));
  return (
    <Dialog title="Make this page yours" className="quiz-dialog" onClose={onClose}>
      {asked.failure && <p role="alert">{asked.failure.message}</p>}
      {asked.isLoading && <p className="soft">Loading questions…</p>}
      {asked.answer && asked.answer.length > 0 && <Cards questions={asked.answer} onDone={onDone} />}
      {asked.answer?.length === 0 && <p>No questions right now.</p>}
    </Dialog>
  );
}

function Cards({ questions, onDone }: { questions: Question[]; onDone: Props["onDone"] }) {
  const gateway = useGateway();
  const viewer = gateway.identity.name;
  const [state, dispatch] = useReducer(quizReducer, questions, (all) => resumed(all, keptAnswers(viewer)));
  const [isSending, setSending] = useState(false);
  const [trouble, setTrouble] = useState("");
  useEffect(() => keepAnswers(viewer, state.answers), [viewer, state.answers]);

  const last = questions.length - 1;
  const question = questions[state.at] as Question;
  const answered = isAnswered(state, question);

  const finish = async () => {
    setSending(true);
    setTrouble("");
    try {
      const { status, page } = await submitQuiz(
        gateway,
        questions.map((one) => toSend(state, one)),
      );
      forgetAnswers(viewer);
      onDone(status, page);
    } catch (thrown) {
      setTrouble(asFailure(thrown).message);
      setSending(false);
    }
  };
  const goOn = () => {
    if (isSending) return;
    if (state.at === last) {
      void finish();
      return;
    }
    dispatch({ type: answered ? "go on" : "skip", question, last });
    // Whatever becomes of this: all answers are sent once more at the end, and that one is waited for.
    saveAnswer(gateway, toSend(state, question)).catch(asFailure);
  };
  const back = () => dispatch({ type: "back" });
  const swipe = useSwipe({ left: goOn, right: back });

  const step = (event: KeyboardEvent) => {
    const isWriting = (event.target as HTMLElement).matches(
      "textarea, input[type='search'], input[type='radio']",
    );
    if (isWriting || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowRight") goOn();
    if (event.key === "ArrowLeft") back();
  };

  return (
    // The arrows are a second way to press the two buttons below.
    <div className="quiz" onKeyDown={step}>
      <label className="quiz-progress">
        <span>
          Question {state.at + 1} of {questions.length}
        </span>
        <progress value={state.at + (answered ? 1 : 0)} max={questions.length} />
      </label>
      <div
        className="quiz-swipe"
        style={{
          transform: `translateX(${swipe.offset}px) rotate(${swipe.offset / 60}deg)`,
        }}
        {...swipe.bind}
      >
        <QuizCard key={question.key} question={question} state={state} dispatch={dispatch} />
      </div>
      <p role="alert">{trouble}</p>
      <div className="quiz-steps">
        <button type="button" className="button quiet" disabled={state.at === 0 || isSending} onClick={back}>
          Back
        </button>
        <button
          type="button"
          className={answered ? "button primary" : "button"}
          disabled={isSending}
          onClick={goOn}
        >
          {wordsFor(state.at === last, answered, isSending)}
        </button>
      </div>
    </div>
  );
}

function wordsFor(isLast: boolean, isAnswered: boolean, isSending: boolean): string {
  if (isSending) return "Building your page…";
  if (isLast) return isAnswered ? "Show my page" : "Skip and show my page";
  return isAnswered ? "Next" : "Skip";
}
